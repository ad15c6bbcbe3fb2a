//! Input files, as people and programs write them.

use std::collections::HashSet;
use std::io::Write as _;

use encoding_rs::WINDOWS_1252;
use futures::StreamExt;

use super::bytes::ByteReader;
use super::is_a_line;
use crate::input::{Input, InputOptions, InputRecord, InputReport, InputSource, LoginColumn};

/// A file is read without a panic. Every login is read once, and every message is one line. The first byte chooses the beginning.
pub fn input(bytes: &[u8]) {
    let mut bytes = ByteReader::new(bytes);
    let kind = bytes.byte();
    let beginnings = [
        "",
        "login,team\n",
        "login\tteam\r\n",
        "[\"a\",",
        "{\"login\":\"a\"}\n",
        "user-a\n",
        "PK\u{3}\u{4}",
        "sep=;\n",
    ];
    let mut content = [beginnings[usize::from(kind % 8)].as_bytes(), bytes.rest()].concat();
    if kind & 8 != 0 {
        // Spreadsheet programs call this "Unicode text".
        content = utf16(&format!("\u{feff}{}", String::from_utf8_lossy(&content)), u16::to_le_bytes);
    }
    let carry = if kind & 16 != 0 { vec!["team".to_owned()] } else { Vec::new() };
    let login_column = (kind & 32 != 0).then(|| LoginColumn::of(if kind & 64 != 0 { "1" } else { "Login" }));
    let options = InputOptions { login_column, carry, ..InputOptions::default() };
    let Some((records, _)) = read(&content, &options) else { return };
    let mut seen = HashSet::new();
    for record in &records {
        assert!(seen.insert(key(record)), "{record:?} is a duplicate");
        assert!(record.carried.is_empty() || record.carried.len() == options.carry.len(), "{record:?}");
    }
}

fn key(record: &InputRecord) -> Result<String, String> {
    let login = record.login.as_ref().map(|login| login.as_str().to_lowercase());
    login.map_err(|invalid| invalid.text.trim().to_owned())
}

/// Returns None for a file that is refused.
fn read(content: &[u8], options: &InputOptions) -> Option<(Vec<InputRecord>, InputReport)> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content).unwrap();
    let input = match Input::open(&[InputSource::File(file.path().into())], options) {
        Ok(input) => input,
        Err(error) => {
            let error = error.to_string();
            assert!(is_a_line(&error) && error.contains(&*file.path().to_string_lossy()), "{error:?}");
            return None;
        }
    };
    let report = input.report();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let records = runtime.block_on(input.into_stream().collect());
    let report = report.lock().clone();
    for line in report.notes.iter().chain(&report.notices).chain(&report.failure) {
        assert!(is_a_line(line), "{line:?}");
    }
    Some((records, report))
}

/// A list of logins is read as the same logins, whatever its format, encoding, delimiter and line ends are. Other columns hold
/// text that is special in these formats.
pub fn written_input(bytes: &[u8]) {
    let mut bytes = ByteReader::new(bytes);
    let (format, encoding) = (bytes.byte(), bytes.byte());
    let line_end = ["\n", "\r\n", "\r"][bytes.below(3)];
    let delimiter = [",", ";", "\t", "|"][bytes.below(4)];
    let ends_with_line_end = bytes.flag();
    let people: Vec<_> = (0..=bytes.below(20)).map(|_| Person::read(&mut bytes, encoding % 6 == 5)).collect();
    let mut lines = written(&people, format, delimiter);
    let line_end = if format % 8 == 7 && line_end == "\r" { "\n" } else { line_end };
    if ends_with_line_end {
        lines.push(String::new());
    }
    let content = encoded(&lines.join(line_end), encoding);
    let (records, report) = read(&content, &InputOptions::default()).expect("a list");
    assert_eq!(report.failure, None);
    let found: Vec<_> = records.iter().map(|record| key(record).expect("a login")).collect();
    let mut seen = HashSet::new();
    let expected: Vec<_> = people
        .into_iter()
        .map(|person| person.login.to_lowercase())
        .filter(|login| seen.insert(login.clone()))
        .collect();
    assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(&content));
}

/// A row of a list.
struct Person {
    login: String,
    name: String,
}

impl Person {
    fn read(bytes: &mut ByteReader<'_>, is_western: bool) -> Self {
        let characters = ["a", "B", "z", "0", "9", "-", "m"];
        let middle: String = (0..bytes.below(8)).map(|_| characters[bytes.below(7)]).collect();
        let name = bytes.text();
        let name = if is_western { name.chars().filter(|c| *c <= 'ÿ' && *c >= ' ').collect() } else { name };
        Self { login: format!("user{middle}{}", bytes.below(1000)), name: name.replace('\0', "") }
    }
}

/// Returns the lines of a list in one of the formats of text.
fn written(people: &[Person], format: u8, delimiter: &str) -> Vec<String> {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let header = |login: &str| format!("{}{delimiter}{login}", quoted("Full name"));
    let sheet = |login: &str, quotes: bool| -> Vec<String> {
        let row = |person: &Person| {
            let login = if quotes { quoted(&person.login) } else { person.login.clone() };
            format!("{}{delimiter}{login}", quoted(&person.name))
        };
        std::iter::once(header(login)).chain(people.iter().map(row)).collect()
    };
    let object = |person: &Person, key: &str| serde_json::json!({ "name": person.name, key: person.login });
    match format % 8 {
        0 => people.iter().map(|person| format!("{} # a comment", person.login)).collect(),
        1 => sheet("login", false),
        2 => sheet("GitHub-Username", true),
        3 => std::iter::once("username".to_owned())
            .chain(people.iter().map(|person| person.login.clone()))
            .collect(),
        4 => people.iter().map(|person| object(person, "login").to_string()).collect(),
        5 => {
            let objects: Vec<_> = people.iter().map(|person| object(person, "github_username")).collect();
            let text =
                serde_json::to_string_pretty(&serde_json::json!({ "count": 1, "members": objects })).unwrap();
            text.lines().map(str::to_owned).collect()
        }
        6 => {
            let logins: Vec<_> = people.iter().map(|person| person.login.as_str()).collect();
            vec![serde_json::to_string(&logins).unwrap()]
        }
        _ => people
            .iter()
            .map(|person| serde_json::to_string(&person.login).unwrap())
            .map(|text| format!("[{text}]"))
            .collect(),
    }
}

fn encoded(text: &str, encoding: u8) -> Vec<u8> {
    match encoding % 6 {
        1 => format!("\u{feff}{text}").into_bytes(),
        2 => utf16(&format!("\u{feff}{text}"), u16::to_le_bytes),
        3 => utf16(&format!("\u{feff}{text}"), u16::to_be_bytes),
        4 if text.is_ascii() => utf16(text, u16::to_le_bytes),
        5 => WINDOWS_1252.encode(text).0.into_owned(),
        _ => text.as_bytes().to_vec(),
    }
}

fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(to_bytes).collect()
}
