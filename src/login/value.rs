//! Texts of people that stand for an account, or for several: arguments, lines of a list, cells of a sheet.
//!
//! A text that is not a login must not become a request. Spreadsheet programs change logins to dates and numbers, and people write
//! `n/a` into a cell. Some of these texts could be logins: an `@` before one says that it is.

use super::address::{account_in_address, account_on_web, use_team};
use super::{Login, ParseLoginError, is_name_char, validate};
use crate::text::sanitize_line;

/// Texts of cells that have no login, in lower case.
const PLACEHOLDERS: [&str; 12] =
    ["none", "null", "n/a", "n.a.", "n.a", "n/d", "tbd", "tba", "tbc", "t.b.d.", "unknown", "undefined"];
/// Longest placeholder, in bytes.
const MAX_PLACEHOLDER: usize = 9;
/// Texts of cells without a login, as R and pandas write them. In another case they are names: nan.
const PLACEHOLDERS_WITH_CASE: [&str; 2] = ["NA", "NaN"];
/// Abbreviations of months in the spreadsheet programs of a few languages, in lower case.
const MONTHS: [&str; 34] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "mrz", "mär",
    "mai", "okt", "dez", "janv", "févr", "mars", "avr", "juin", "juil", "août", "déc", "ene", "abr", "ago",
    "dic", "gen", "mag", "giu", "lug",
];
/// Endings of the names of files that people pass as if they were logins.
const FILE_EXTENSIONS: [&str; 16] = [
    ".csv", ".tsv", ".txt", ".xlsx", ".xls", ".xlsb", ".ods", ".json", ".ndjson", ".jsonl", ".yaml", ".yml",
    ".pdf", ".gz", ".zip", ".numbers",
];
/// Longest name of a repository, in characters.
const MAX_REPOSITORY: usize = 100;
/// Longest part of a text that a reason quotes, in characters.
const MAX_QUOTE: usize = 64;
const QUOTES: [(char, char); 11] = [
    ('"', '"'),
    ('\'', '\''),
    ('`', '`'),
    ('(', ')'),
    ('<', '>'),
    ('\u{201c}', '\u{201d}'),
    ('\u{201e}', '\u{201c}'),
    ('\u{2018}', '\u{2019}'),
    ('\u{201a}', '\u{2018}'),
    ('\u{ab}', '\u{bb}'),
    ('\u{bb}', '\u{ab}'),
];

/// The logins in a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LoginText {
    One(Result<Login, ParseLoginError>),
    /// Logins that are separated by commas, semicolons, or blanks.
    List(Vec<Login>),
}

/// Parses a text with one login or several. A text is a list only if each of its parts is a login: `torvalds, antirez`. Blanks
/// separate parts that begin with `@` or are addresses, never the words of a sentence.
pub(crate) fn parse_text(text: &str, web_host: &str) -> LoginText {
    let whole = Login::parse_for_host(text, web_host);
    let inner = trim(text);
    // The author of a commit, `Torvalds, Linus <torvalds@users.noreply.github.com>`, is one login.
    if whole.is_ok() && inner.contains('<')
        || !inner.contains([',', ';']) && !inner.contains(char::is_whitespace)
    {
        return LoginText::One(whole);
    }
    match parse_list(inner, web_host) {
        Ok(mut logins) => match logins.pop() {
            Some(login) if logins.is_empty() => LoginText::One(Ok(login)),
            last => LoginText::List(logins.into_iter().chain(last).collect()),
        },
        Err(Some(reason)) if whole.is_err() => {
            LoginText::One(Err(ParseLoginError { text: text.into(), reason }))
        }
        Err(_) => LoginText::One(whole),
    }
}

/// Returns the logins of a list. The error is the reason of the first part that is not a login, if the text is a list otherwise.
fn parse_list(text: &str, web_host: &str) -> Result<Vec<Login>, Option<String>> {
    let mut logins = Vec::new();
    let mut failure = None;
    for part in text.split([',', ';']).map(trim).filter(|part| !part.is_empty()) {
        let words: Vec<_> = part.split_whitespace().collect();
        let is_marked =
            |word: &&str| word.starts_with('@') || account_in_address(unquote(word), web_host).is_some();
        let parts = if words.iter().all(is_marked) { words } else { vec![part] };
        for part in parts {
            match Login::parse_for_host(part, web_host) {
                Ok(login) => logins.push(login),
                Err(error) => {
                    failure.get_or_insert_with(|| {
                        let part: String = part.chars().take(MAX_QUOTE).collect();
                        format!("\"{}\" in a list: {}", sanitize_line(&part), error.reason)
                    });
                }
            }
        }
    }
    let is_number = logins.iter().all(|login| login.as_str().bytes().all(|byte| byte.is_ascii_digit()));
    match failure {
        Some(_) | None if logins.is_empty() || is_number => Err(None),
        Some(reason) => Err(Some(reason)),
        None => Ok(logins),
    }
}

/// Returns the name of the account that a text stands for, or the reason for which it stands for none.
pub(super) fn parse_name(text: &str, web_host: &str) -> Result<String, String> {
    let value = unquote(text);
    let name = name_in(link_target(value).map_or(value, unquote), web_host)?;
    validate(&name).map(|()| name)
}

fn name_in(value: &str, web_host: &str) -> Result<String, String> {
    if let Some(mention) = value.strip_prefix(['@', '\u{ff20}']) {
        return match mention.split_once('/') {
            Some((organization, team)) => Err(use_team(organization, team)),
            None => Ok(mention.to_owned()),
        };
    }
    if let Some(problem) = placeholder(value).or_else(|| casualty(value)) {
        let escape = if validate(value).is_ok() {
            format!("; if it is a login, write @{value}")
        } else {
            String::new()
        };
        return Err(format!("{problem}{escape}"));
    }
    // Most values are nothing but a login.
    if value.chars().all(is_name_char) {
        return Ok(value.to_owned());
    }
    if let Some(account) = account_in_address(value, web_host) {
        return account;
    }
    if let Some(account) = account_in_mail(value, web_host) {
        return account;
    }
    let lower = value.to_ascii_lowercase();
    if FILE_EXTENSIONS.iter().any(|extension| lower.ends_with(extension)) {
        return Err("the name of a file: read it with --file".into());
    }
    match value.split_once('/') {
        Some((owner, repository)) => owner_of(owner, repository, web_host),
        None => Ok(value.to_owned()),
    }
}

/// Returns the owner of `owner/repository`, perhaps with the number of an issue or a version after it.
fn owner_of(owner: &str, repository: &str, web_host: &str) -> Result<String, String> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let name = repository.split(['#', '@']).next().unwrap_or_default().trim_end_matches('/');
    if owner.eq_ignore_ascii_case("app") {
        let app = if validate(name).is_ok() { name } else { "NAME" };
        return Err(format!("an app: its login is {app}[bot]"));
    }
    if is_number(owner) && is_number(name) {
        return Err("a fraction or a date".into());
    }
    let is_repository = name.len() <= MAX_REPOSITORY
        && name.chars().all(|c| is_name_char(c) || c == '.')
        && !matches!(name, "." | "..")
        && (!name.is_empty() || repository.chars().all(|c| c == '/'));
    if !is_repository && !owner.eq_ignore_ascii_case("orgs") {
        return validate(owner).and(Err("contains '/'".into()));
    }
    let path = std::iter::once(owner).chain(name.split('/'));
    account_on_web(&path.filter(|segment| !segment.is_empty()).collect::<Vec<_>>(), web_host)
}

/// Returns the account of an e-mail address that GitHub gives to its users: `12345+login@users.noreply.github.com`, alone or of
/// the author of a commit. None if `value` is not an e-mail address.
fn account_in_mail(value: &str, web_host: &str) -> Option<Result<String, String>> {
    let mail = match value.split_once('<') {
        Some((_, mail)) => mail.strip_suffix('>')?,
        None => value,
    };
    let (user, host) = mail.strip_prefix("mailto:").unwrap_or(mail).rsplit_once('@')?;
    let is_mail = !user.is_empty() && host.contains('.');
    if !is_mail || mail.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '<' | '>' | ',' | ';')) {
        return None;
    }
    if host.to_ascii_lowercase().strip_prefix("users.noreply.") != Some(web_host) {
        return Some(Err("an e-mail address: write the login".into()));
    }
    let login = user.split_once('+').filter(|(id, _)| id.bytes().all(|byte| byte.is_ascii_digit()));
    Some(Ok(login.map_or(user, |(_, login)| login).to_owned()))
}

/// Returns the address of a Markdown link, `[text](address "title")`.
fn link_target(value: &str) -> Option<&str> {
    let (_, target) = value.strip_prefix('[')?.split_once("](")?;
    target.strip_suffix(')')?.split_whitespace().next()
}

/// Removes blanks and invisible characters around a text.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(is_blank)
}

fn is_blank(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '\u{ad}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
        )
}

/// Removes quotes and brackets around a text, separators after it, and the apostrophe with which a spreadsheet marks text.
fn unquote(text: &str) -> &str {
    let mut value = trim(text);
    loop {
        let separated = trim(value.trim_end_matches([',', ';']));
        let inner =
            QUOTES.iter().find_map(|(open, close)| separated.strip_prefix(*open)?.strip_suffix(*close));
        let next = trim(inner.unwrap_or(separated));
        if next.len() == value.len() {
            return value.strip_prefix('\'').unwrap_or(value);
        }
        value = next;
    }
}

fn placeholder(value: &str) -> Option<String> {
    if value.len() > MAX_PLACEHOLDER {
        return None;
    }
    let lower = value.to_lowercase();
    let is_mark = !value.is_empty() && value.chars().all(|c| "?–—−….*/".contains(c));
    let is_known = PLACEHOLDERS.contains(&lower.as_str()) || PLACEHOLDERS_WITH_CASE.contains(&value);
    (is_mark || is_known).then(|| "a placeholder".to_owned())
}

/// Returns the problem of a text that a spreadsheet program has made of a login or a formula.
fn casualty(value: &str) -> Option<String> {
    if is_spreadsheet_error(value) {
        return Some("an error of a spreadsheet: correct its formula".into());
    }
    let kind = if is_date(value) {
        "date"
    } else if is_number(value) {
        "number"
    } else {
        return None;
    };
    Some(format!("a {kind}, perhaps a login that a spreadsheet has changed: format the column as text"))
}

/// Returns true for errors of spreadsheet programs in any language: `#NAME?`, `#BEZUG!`, `#N/A`, `Err:502`.
pub(crate) fn is_spreadsheet_error(text: &str) -> bool {
    if let Some(code) = text.strip_prefix("Err:") {
        return !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_digit());
    }
    let Some(name) = text.strip_prefix('#') else { return false };
    let (letters, mark) = match name.strip_suffix(['!', '?']) {
        Some(letters) => (letters, true),
        None => (name, false),
    };
    let is_name = letters.chars().any(char::is_uppercase)
        && letters.chars().all(|c| c.is_uppercase() || "/0_\u{a1}".contains(c));
    is_name && (mark || matches!(letters, "N/A" | "NV" | "N/D" | "N/B" | "GETTING_DATA"))
}

/// Returns true for numbers with a fraction or an exponent. `12345` may be a login.
fn is_number(value: &str) -> bool {
    let value = value.strip_prefix(['-', '+']).unwrap_or(value);
    let (mantissa, exponent) = match value.split_once(['E', 'e']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (value, None),
    };
    let is_exponent = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    let is_mantissa = mantissa.starts_with(|c: char| c.is_ascii_digit())
        && mantissa.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b','));
    let has_mark =
        mantissa.contains(['.', ',']) || exponent.is_some_and(|exponent| exponent.starts_with('+'));
    is_mantissa && is_exponent && has_mark
}

/// Returns true for dates as spreadsheet programs show or export them: `5-Mar`, `Mar-05`, `05-Mar-24`, `2024-03-05`, `5.3.2024`.
fn is_date(value: &str) -> bool {
    if !value.bytes().any(|byte| byte.is_ascii_digit()) {
        return false;
    }
    // The time of an exported date is midnight.
    let date = value.split(['T', ' ']).next().filter(|date| is_numeric_date(date));
    if let Some(date) = date {
        let time = value.get(date.len()..).unwrap_or_default();
        return time.is_empty() || time.contains(':');
    }
    let parts: Vec<_> = value.split(['-', '/', '.', ' ']).filter(|part| !part.is_empty()).collect();
    let is_year = |text: &str| matches!(text.len(), 2 | 4) && text.bytes().all(|byte| byte.is_ascii_digit());
    match parts[..] {
        [day, month] if is_day(day) => is_month(month),
        [day, month, year] if is_day(day) => is_month(month) && is_year(year),
        // In lower case it is a person's name: jan-05.
        [month, year] => is_month(month) && month.starts_with(char::is_uppercase) && is_year(year),
        _ => false,
    }
}

fn is_numeric_date(date: &str) -> bool {
    let parts: Vec<_> = date.split(['-', '/', '.']).collect();
    let is_short = |text: &str| matches!(text.len(), 1 | 2) && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_long = |text: &str| text.len() == 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    match parts[..] {
        [year, month, day] if is_long(year) => is_short(month) && is_short(day),
        [day, month, year] => {
            is_short(day) && is_short(month) && (is_long(year) || is_short(year) && !date.contains('-'))
        }
        _ => false,
    }
}

fn is_day(text: &str) -> bool {
    text.len() <= 2 && text.parse::<u8>().is_ok_and(|day| (1..=31).contains(&day))
}

fn is_month(text: &str) -> bool {
    MONTHS.contains(&text.to_lowercase().as_str())
}
