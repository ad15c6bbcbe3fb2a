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
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) cells: Vec<String>,
}

impl Columns {
    /// Chooses the columns of a sheet by its first row that is not blank, or by the row of `--header-row`. `nearby` are rows
    /// before and behind it, in which a header is searched for a message.
    pub(super) fn choose(first: &Line, nearby: &[Line], options: &InputOptions) -> io::Result<Self> {
        let header = Header { line: first, nearby };
        if options.header == HeaderChoice::None {
            return header.without_header(options, None);
        }
        let is_certain = matches!(options.header, HeaderChoice::Line(_));
        match &options.login_column {
            Some(LoginColumn::Number(number)) if is_certain || header.is_known() => {
                header.with_login_column(header.number(*number)?, options, None)
            }
            Some(LoginColumn::Number(number)) => {
                let found = header.number(*number);
                let at = found.map_err(|error| header.known_elsewhere().unwrap_or(error))?;
                if header.cells().nth(at).is_none_or(str::is_empty)
                    && let Some(error) = header.known_elsewhere()
                {
                    return Err(error);
                }
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
            None => header.recognize(options, is_certain),
        }
    }
}

/// A row that is taken for the header.
struct Header<'a> {
    line: &'a Line,
    nearby: &'a [Line],
}

impl Header<'_> {
    fn cells(&self) -> impl Iterator<Item = &str> {
        self.line.cells.iter().map(|cell| trim(cell))
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

    fn recognize(&self, options: &InputOptions, is_certain: bool) -> io::Result<Columns> {
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
            [] if self.line.cells.len() == 1 && !is_certain => self.without_header(options, None),
            [] => Err(self.unknown()),
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
        Ok(Columns {
            login,
            carried,
            count: self.line.cells.len(),
            header_line: Some(self.line.number),
            note,
        })
    }

    /// Columns have numbers only.
    fn without_header(&self, options: &InputOptions, note: Option<String>) -> io::Result<Columns> {
        let number =
            |name: &str| name.parse().map_err(|_| self.needs_number(name)).and_then(|at| self.number(at));
        let login = match &options.login_column {
            Some(LoginColumn::Number(number)) => self.number(*number)?,
            Some(LoginColumn::Name(name)) => return Err(self.needs_number(name)),
            None if self.line.cells.len() == 1 => 0,
            None => {
                let reason = format!("--no-header needs --login-column N: {}", self.listed());
                return Err(io::Error::other(reason));
            }
        };
        let carried = options.carry.iter().map(|name| number(name)).collect::<Result<_, _>>()?;
        Ok(Columns { login, carried, count: self.line.cells.len(), header_line: None, note })
    }

    fn needs_number(&self, name: &str) -> io::Error {
        let name = quoted(name);
        io::Error::other(format!(
            "without a header there is no column {name}: use a number ({})",
            self.listed()
        ))
    }

    fn number(&self, number: usize) -> io::Result<usize> {
        let at = number.checked_sub(1).filter(|at| *at < self.line.cells.len());
        at.ok_or_else(|| io::Error::other(format!("column {number} not found ({})", self.listed())))
    }

    fn require(&self, name: &str) -> io::Result<usize> {
        self.position(name).ok_or_else(|| self.not_found(name))
    }

    /// Returns the column with this name, exact names first.
    fn position(&self, name: &str) -> Option<usize> {
        let exact = self.cells().position(|cell| cell.to_lowercase() == trim(name).to_lowercase());
        let name_key = normalize(name);
        exact.or_else(|| self.cells().position(|cell| !cell.is_empty() && normalize(cell) == name_key))
    }

    fn not_found(&self, name: &str) -> io::Error {
        let (shown, listed) = (quoted(name), self.listed());
        let reason = if self.is_known() { None } else { self.other_header(name) };
        io::Error::other(match reason {
            Some(reason) => {
                format!("column {shown} not found in line {} ({listed}); {reason}", self.line.number)
            }
            None => format!("column {shown} not found ({listed})"),
        })
    }

    /// Returns the way out if another line has this column, or a known header.
    fn other_header(&self, name: &str) -> Option<String> {
        let mut headers = self.nearby.iter().map(|line| Header { line, nearby: &[] });
        // Cells of rows are not names of columns.
        let named = headers.clone().find(|other| !other.has_data() && other.position(name).is_some());
        if let Some(Header { line, .. }) = named {
            return Some(format!("line {0} has it: use --header-row {0}", line.number));
        }
        let known = headers.find(Header::is_known)?;
        Some(format!("line {0} looks like the header: use --header-row {0}", known.line.number))
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
        let (line, number) = (self.line.number, login + 1);
        io::Error::other(format!(
            "line {line} looks like a row, not like a header ({}): use --no-header --login-column {number}, or --header-row {line} if it is the header",
            self.listed()
        ))
    }

    fn unknown(&self) -> io::Error {
        if let Some(error) = self.known_elsewhere() {
            return error;
        }
        let line = self.line.number;
        let column = self.probable_logins().map_or("N".to_owned(), |at| (at + 1).to_string());
        io::Error::other(format!(
            "no column of logins ({}): name one with --login-column; if line {line} is not the header, use --no-header --login-column {column} or --header-row N",
            self.listed()
        ))
    }

    /// Returns the error for a sheet in which another line has a known header.
    fn known_elsewhere(&self) -> Option<io::Error> {
        let header = self.nearby.iter().find(|line| Header { line, nearby: &[] }.is_known())?;
        Some(header_is_elsewhere(self.line.number, &self.listed(), header.number))
    }

    /// Returns the only column whose cells are logins, in this row and in most of those behind it.
    fn probable_logins(&self) -> Option<usize> {
        if !self.has_data() {
            return None;
        }
        let rows: Vec<_> = self.nearby.iter().filter(|row| row.number > self.line.number).collect();
        let has_logins = |at: &usize| {
            let cells = rows.iter().filter_map(|row| row.cells.get(*at)).map(|cell| trim(cell));
            let cells: Vec<_> = cells.filter(|cell| !cell.is_empty()).collect();
            let logins = cells.iter().filter(|cell| is_plain_login(cell)).count();
            self.cells().nth(*at).is_some_and(is_plain_login) && logins * 2 >= cells.len()
        };
        let mut columns = (0..self.line.cells.len()).filter(has_logins);
        columns.next().filter(|_| columns.next().is_none())
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
        format!("{} {}", at + 1, quoted(self.line.cells.get(at).map_or("", String::as_str)))
    }
}

/// Returns the error for a line that is not the header, such as a title above it.
pub(super) fn header_is_elsewhere(line: u64, shown: &str, header: u64) -> io::Error {
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

/// Returns true for a login that is neither a date, a number nor an address.
fn is_plain_login(cell: &str) -> bool {
    is_login(cell) && !is_data(cell)
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
        let columns = Columns::choose(&Line { number: 1, cells }, &[], options);
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

    fn lines(rows: &[(u64, &[&str])]) -> Vec<Line> {
        let owned = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect();
        rows.iter().map(|(number, cells)| Line { number: *number, cells: owned(cells) }).collect()
    }

    /// Returns the error of a choice by the first of these rows.
    fn reason(rows: &[(u64, &[&str])], options: &InputOptions) -> String {
        let rows = lines(rows);
        Columns::choose(&rows[0], &rows[1..], options).unwrap_err().to_string()
    }

    #[test]
    fn a_column_is_proposed_only_if_it_holds_the_logins() {
        let auto = InputOptions::default();
        for (rows, column) in [
            // A date, a number and a name of two words are not logins.
            (&[(1, &["1", "Ann Sample", "ann", "2024-02-01"][..]), (2, &["2", "Bo", "bo", ""])][..], "3 or "),
            (&[(1, &["1", "Ann Sample", "ann", "2024-02-01"])], "3 or "),
            // Departments have the form of logins.
            (&[(1, &["1", "Platform", "ann"]), (2, &["2", "Sales", "bo"])], "N or "),
            (
                &[
                    (1, &["1", "Platform", "ann"]),
                    (2, &["2", "Public relations", "bo"]),
                    (3, &["3", "Own IT", "cy"]),
                ],
                "3 or ",
            ),
        ] {
            let reason = reason(rows, &auto);
            assert!(reason.contains(&format!("--login-column {column}")), "{reason}");
        }
    }

    #[test]
    fn a_header_on_another_line_is_proposed() {
        let title: (u64, &[&str]) = (1, &["Team list, November 2026", "", ""]);
        let header: (u64, &[&str]) = (3, &["Name", "Department", "GitHub account"]);
        let row: (u64, &[&str]) = (4, &["Ann Sample", "Platform", "ann"]);
        let at_row = InputOptions { header: HeaderChoice::Line(4), ..InputOptions::default() };
        assert!(reason(&[row, title, header], &at_row).ends_with("line 3 looks like it: use --header-row 3"));
        for (name, is_found) in [("github account", true), ("Department", true), ("Konto", false)] {
            let options =
                InputOptions { login_column: Some(LoginColumn::of(name)), ..InputOptions::default() };
            let reason = reason(&[title, header, row], &options);
            assert!(reason.starts_with(&format!("column \"{name}\" not found")), "{reason}");
            let other = if is_found { "has it" } else { "looks like the header" };
            assert!(reason.ends_with(&format!("; line 3 {other}: use --header-row 3")), "{reason}");
        }
        // A cell of a row is not a column.
        let options = InputOptions { carry: vec!["Platform".into()], ..InputOptions::default() };
        assert!(!reason(&[header, row], &options).contains("--header-row"));
        // The number of a column does not make a title a header.
        for number in ["3", "4"] {
            assert!(
                reason(&[title, header, row], &named(number)).ends_with("use --header-row 3"),
                "{number}"
            );
        }
    }
}
