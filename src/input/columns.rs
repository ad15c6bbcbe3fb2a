//! The columns of a sheet: its header, the column of logins, and those that are carried into the report.

use std::io;

use super::{HeaderChoice, InputOptions, LoginColumn};
use crate::decode::trim;
use crate::login::Login;
use crate::text::sanitize_line;

const MAX_COLUMNS_LISTED: usize = 12;
/// Maximum length of a cell in a message, in characters.
const MAX_CELL_SHOWN: usize = 60;
/// Rows that are searched for a header to suggest.
pub(super) const MAX_HEADER_ROWS: usize = 20;

/// Words of headers. A line of logins has hardly two of them.
const HEADER_WORDS: [&str; 21] = [
    "account",
    "date",
    "department",
    "email",
    "github",
    "group",
    "handle",
    "id",
    "login",
    "mail",
    "name",
    "nick",
    "nickname",
    "org",
    "role",
    "status",
    "team",
    "type",
    "url",
    "user",
    "username",
];

/// Columns of a sheet, by their indices.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Columns {
    pub(super) login: usize,
    /// None for a number that no column has, in a sheet without a header.
    pub(super) carried: Vec<usize>,
    pub(super) count: usize,
    /// Line of the header. None: the first line is a row.
    pub(super) header_line: Option<u64>,
    /// Remark about the choice.
    pub(super) note: Option<String>,
}

/// Certainty that a header names logins. The highest rank wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Login,
    Github,
}

impl Rank {
    /// Returns the rank of a header. None for a name, an id, an address, or anything else.
    pub(super) fn of(header: &str) -> Option<Self> {
        const LOGINS: [&str; 4] = ["login", "username", "user", "handle"];
        let name = normalize(header);
        if LOGINS.contains(&name.as_str()) {
            return Some(Self::Login);
        }
        let rest = name.strip_prefix("github").or_else(|| name.strip_suffix("github"))?;
        (rest.is_empty() || rest == "account" || LOGINS.contains(&rest)).then_some(Self::Github)
    }
}

/// Removes what headers that mean the same differ in: case, blanks, `_`, `-`, line breaks, invisible characters.
pub(super) fn normalize(header: &str) -> String {
    let kept = header
        .chars()
        .filter(|c| !matches!(c, '_' | '-' | '"') && !trim(c.encode_utf8(&mut [0; 4])).is_empty());
    kept.flat_map(char::to_lowercase).collect()
}

/// One row of a sheet. A line is a row number in a workbook.
pub(super) struct Line<'a> {
    pub(super) number: u64,
    pub(super) cells: &'a [String],
}

impl Columns {
    /// Chooses the columns of a sheet by its first row that is not blank, or by the row of `--header-row`. `later` are rows behind
    /// it, in which a header is searched for a message.
    pub(super) fn choose(
        first: &Line<'_>,
        later: &[(u64, Vec<String>)],
        options: &InputOptions,
    ) -> io::Result<Self> {
        let header = Header(first);
        if options.header == HeaderChoice::None {
            return header.without_header(options, None);
        }
        let is_certain = matches!(options.header, HeaderChoice::Line(_));
        match &options.login_column {
            Some(LoginColumn::Number(number)) if is_certain || header.is_known() => {
                header.with_login_column(header.number(*number)?, options, None)
            }
            Some(LoginColumn::Number(number)) => {
                let at = header.number(*number)?;
                if header.has_data() && !header.is_all_logins() {
                    return Err(header.not_a_header(at));
                }
                if header.is_probable() {
                    return header.with_login_column(at, options, None);
                }
                let note = format!(
                    "line {} is read as a row, not as a header: {}; if it is a header, use --header-row {0}",
                    first.number,
                    header.listed()
                );
                header.without_header(options, Some(note))
            }
            Some(LoginColumn::Name(name)) => {
                let at = header.require(name)?;
                let same: Vec<_> = (0..first.cells.len())
                    .filter(|other| first.cells.get(*other) == first.cells.get(at))
                    .collect();
                if same.len() > 1 {
                    return Err(header.ambiguous(&same));
                }
                let is_data =
                    header.has_data() || first.cells.get(at).is_some_and(|cell| ends_with_number(cell));
                if is_data && !is_certain && !header.is_known() {
                    return Err(header.not_a_header(at));
                }
                header.with_login_column(at, options, None)
            }
            None => header.recognize(later, options, is_certain),
        }
    }
}

struct Header<'a>(&'a Line<'a>);

impl Header<'_> {
    fn cells(&self) -> impl Iterator<Item = &str> {
        self.0.cells.iter().map(|cell| trim(cell))
    }

    fn is_known(&self) -> bool {
        self.cells().any(|cell| Rank::of(cell).is_some())
    }

    fn is_all_logins(&self) -> bool {
        self.cells().all(|cell| cell.is_empty() || is_login(cell))
    }

    /// Returns true for a line that has a cell that is not a login, or the words of a header.
    fn is_probable(&self) -> bool {
        if !self.is_all_logins() {
            return true;
        }
        let is_word = |word: &str| HEADER_WORDS.contains(&word.to_ascii_lowercase().as_str());
        let has_word = |cell: &&str| cell.split(['-', '_']).any(is_word);
        self.cells().any(is_word) || self.cells().filter(has_word).count() > 1
    }

    /// Returns true for a line that has cells that headers do not have: dates, numbers, addresses.
    fn has_data(&self) -> bool {
        self.cells().any(is_data)
    }

    fn recognize(
        &self,
        later: &[(u64, Vec<String>)],
        options: &InputOptions,
        is_certain: bool,
    ) -> io::Result<Columns> {
        let ranked = |rank| -> Vec<usize> {
            let cells = self.cells().enumerate().filter(|(_, cell)| Rank::of(cell) == Some(rank));
            cells.map(|(at, _)| at).collect()
        };
        let (github, login) = (ranked(Rank::Github), ranked(Rank::Login));
        let (best, others) = if github.is_empty() { (login, github) } else { (github, login) };
        match best[..] {
            [at] => {
                let note = (!others.is_empty()).then(|| {
                    let others: Vec<_> = others.iter().map(|at| self.shown(*at)).collect();
                    let others = others.join(", ");
                    format!(
                        "the logins are those of column {}, not of {others}; --login-column names another",
                        self.shown(at)
                    )
                });
                self.with_login_column(at, options, note)
            }
            [] if self.0.cells.len() == 1 && !is_certain => self.without_header(options, None),
            [] => Err(self.unknown(later)),
            [..] => Err(self.ambiguous(&best)),
        }
    }

    fn with_login_column(
        &self,
        login: usize,
        options: &InputOptions,
        note: Option<String>,
    ) -> io::Result<Columns> {
        let carried = options.carry.iter().map(|name| self.require(name)).collect::<Result<_, _>>()?;
        Ok(Columns { login, carried, count: self.0.cells.len(), header_line: Some(self.0.number), note })
    }

    /// Columns have numbers only.
    fn without_header(&self, options: &InputOptions, note: Option<String>) -> io::Result<Columns> {
        let number =
            |name: &str| name.parse().map_err(|_| self.needs_number(name)).and_then(|at| self.number(at));
        let login = match &options.login_column {
            Some(LoginColumn::Number(number)) => self.number(*number)?,
            Some(LoginColumn::Name(name)) => return Err(self.needs_number(name)),
            None if self.0.cells.len() == 1 => 0,
            None => {
                let reason = format!("--no-header needs --login-column N: {}", self.listed());
                return Err(io::Error::other(reason));
            }
        };
        let carried = options.carry.iter().map(|name| number(name)).collect::<Result<_, _>>()?;
        Ok(Columns { login, carried, count: self.0.cells.len(), header_line: None, note })
    }

    fn needs_number(&self, name: &str) -> io::Error {
        let name = quoted(name);
        io::Error::other(format!(
            "without a header there is no column {name}: use a number ({})",
            self.listed()
        ))
    }

    fn number(&self, number: usize) -> io::Result<usize> {
        let at = number.checked_sub(1).filter(|at| *at < self.0.cells.len());
        at.ok_or_else(|| io::Error::other(format!("column {number} not found ({})", self.listed())))
    }

    /// Returns the column with this name, exact names first.
    fn require(&self, name: &str) -> io::Result<usize> {
        let exact = self.cells().position(|cell| cell.to_lowercase() == trim(name).to_lowercase());
        let name_key = normalize(name);
        let at =
            exact.or_else(|| self.cells().position(|cell| !cell.is_empty() && normalize(cell) == name_key));
        at.ok_or_else(|| io::Error::other(format!("column {} not found ({})", quoted(name), self.listed())))
    }

    fn ambiguous(&self, columns: &[usize]) -> io::Error {
        let count = if columns.len() == 2 { "two" } else { "several" };
        let columns: Vec<_> = columns.iter().map(|at| self.shown(*at)).collect();
        let columns = columns.join(" and ");
        io::Error::other(format!(
            "{count} columns may hold the logins: {columns}; choose one with --login-column N"
        ))
    }

    fn not_a_header(&self, login: usize) -> io::Error {
        let (line, number) = (self.0.number, login + 1);
        io::Error::other(format!(
            "line {line} looks like a row, not like a header ({}): use --no-header --login-column {number}, or --header-row {line} if it is the header",
            self.listed()
        ))
    }

    fn unknown(&self, later: &[(u64, Vec<String>)]) -> io::Error {
        let line = self.0.number;
        let header = later.iter().find(|(_, cells)| cells.iter().any(|cell| Rank::of(cell).is_some()));
        if let Some((number, _)) = header {
            return header_is_later(line, &self.listed(), *number);
        }
        // A date, a number or an address cannot be a login.
        let login = self.0.cells.iter().position(|cell| is_login(trim(cell)) && !is_data(trim(cell)));
        let number = login.map_or("N".to_owned(), |at| (at + 1).to_string());
        let column = if self.has_data() { number } else { "N".into() };
        io::Error::other(format!(
            "no column of logins ({}): name one with --login-column; if line {line} is not the header, use --no-header --login-column {column} or --header-row N",
            self.listed()
        ))
    }

    fn listed(&self) -> String {
        let named: Vec<_> =
            self.cells().enumerate().filter(|(_, cell)| !cell.is_empty()).map(|(at, _)| at).collect();
        let mut listed: Vec<_> = named.iter().take(MAX_COLUMNS_LISTED).map(|at| self.shown(*at)).collect();
        if named.len() > listed.len() {
            listed.push(format!("and {} more", named.len() - listed.len()));
        }
        if listed.is_empty() {
            "its cells are empty".into()
        } else {
            format!("columns: {}", listed.join(", "))
        }
    }

    fn shown(&self, at: usize) -> String {
        format!("{} {}", at + 1, quoted(self.0.cells.get(at).map_or("", String::as_str)))
    }
}

/// Returns the error for a sheet with a title above its header.
pub(super) fn header_is_later(line: u64, shown: &str, header: u64) -> io::Error {
    io::Error::other(format!(
        "line {line} is not the header ({shown}); line {header} looks like it: use --header-row {header}"
    ))
}

/// Returns a cell for a message, in one line.
pub(super) fn quoted(cell: &str) -> String {
    let line = crate::text::collapse_whitespace(trim(cell));
    let mut shown: String = line.chars().take(MAX_CELL_SHOWN).collect();
    if shown.len() < line.len() {
        shown.push('…');
    }
    format!("\"{}\"", sanitize_line(&shown))
}

pub(super) fn is_login(cell: &str) -> bool {
    Login::parse(cell).is_ok()
}

fn ends_with_number(cell: &str) -> bool {
    trim(cell).bytes().rev().take_while(u8::is_ascii_digit).count() > 1
}

/// Returns true for numbers, dates, addresses, and logins with an `@`.
fn is_data(cell: &str) -> bool {
    let is_number = cell.contains(|c: char| c.is_ascii_digit())
        && cell.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | '/' | '.' | ':' | ' ' | '+' | ','));
    let is_address = !cell.contains(char::is_whitespace) && (cell.contains('@') || cell.contains("://"));
    is_number || is_address
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(first: &[&str], options: &InputOptions) -> Result<(usize, Option<u64>), String> {
        let cells: Vec<_> = first.iter().map(|cell| (*cell).to_owned()).collect();
        let columns = Columns::choose(&Line { number: 1, cells: &cells }, &[], options);
        columns.map(|columns| (columns.login, columns.header_line)).map_err(|error| error.to_string())
    }

    fn named(column: &str) -> InputOptions {
        InputOptions { login_column: Some(LoginColumn::of(column)), ..InputOptions::default() }
    }

    #[test]
    fn headers_of_logins_have_ranks() {
        for header in [
            "GitHub",
            "github_username",
            "GitHub User-Name",
            "GITHUB\nLogin",
            "githubHandle",
            "GitHub Account",
        ] {
            assert_eq!(Rank::of(header), Some(Rank::Github), "{header}");
        }
        for header in ["login", "User", "user name", "HANDLE"] {
            assert_eq!(Rank::of(header), Some(Rank::Login), "{header}");
        }
        for header in
            ["github_id", "GitHub name", "GitHub URL", "github e-mail", "name", "account", "users", ""]
        {
            assert_eq!(Rank::of(header), None, "{header}");
        }
    }

    #[test]
    fn the_first_row_is_never_lost_by_a_guess() {
        let auto = InputOptions::default();
        assert_eq!(choose(&["login", "GitHub"], &auto), Ok((1, Some(1))));
        assert_eq!(choose(&["ana"], &auto), Ok((0, None)));
        assert!(choose(&["ana", "core"], &auto).unwrap_err().contains("--no-header"));
        // A number says nothing about a header, and a name does not make a row one.
        assert_eq!(choose(&["ana", "core"], &named("1")), Ok((0, None)));
        assert_eq!(choose(&["mannequin-user", "target-user"], &named("2")), Ok((1, Some(1))));
        assert_eq!(choose(&["konto", "team"], &named("Konto")), Ok((0, Some(1))));
        for column in ["2", "user000001"] {
            let reason = choose(&["Ann Sample", "user000001", "2019-09-23"], &named(column)).unwrap_err();
            assert!(reason.contains("use --no-header --login-column 2, or --header-row 1"), "{reason}");
        }
    }
}
