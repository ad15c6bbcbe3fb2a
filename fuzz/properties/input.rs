//! Input files, as people and spreadsheet programs write them.

use std::collections::HashSet;
use std::io::Write as _;

use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};
use futures::StreamExt;

use super::bytes::ByteReader;
use super::is_a_line;
use crate::input::{Input, InputOptions, InputSource};
use crate::login::{LoginText, is_spreadsheet_error, parse_text};
use crate::text::sanitize_multiline;

/// Bytes of a line that are read.
const MAX_LINE: usize = 4096;

#[derive(Debug, PartialEq)]
struct Record {
    /// The login, or the invalid text.
    login: Result<String, String>,
    carried: Vec<Option<String>>,
}

impl Record {
    /// Returns the records of a text, one for each of its logins.
    fn of(text: &str, carried: &[Option<String>]) -> Vec<Self> {
        let logins = match parse_text(text, "github.com") {
            LoginText::One(login) => {
                vec![login.map(|login| login.to_string()).map_err(|invalid| invalid.text)]
            }
            LoginText::List(logins) => logins.iter().map(|login| Ok(login.to_string())).collect(),
        };
        logins.into_iter().map(|login| Self { login, carried: carried.to_vec() }).collect()
    }

    fn key(&self) -> Result<String, String> {
        self.login.as_ref().map(|login| login.to_lowercase()).map_err(|text| text.trim().to_owned())
    }
}

/// Every login of a file is read once, in the order of its first occurrence, and duplicates are counted. The first byte chooses
/// the kind of file.
pub fn input(bytes: &[u8]) {
    let mut bytes = ByteReader::new(bytes);
    let kind = bytes.byte();
    let (extension, header) =
        [(".txt", ""), (".csv", "login,team\n"), (".tsv", "login\tteam\r\n"), (".csv", "")]
            [usize::from(kind % 4)];
    let mut content = [header.as_bytes(), bytes.rest()].concat();
    if kind & 4 != 0 {
        // Spreadsheet programs call this "Unicode text".
        let text = String::from_utf8_lossy(&content).into_owned();
        content = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    }
    let mut file = tempfile::Builder::new().suffix(extension).tempfile().unwrap();
    file.write_all(&content).unwrap();
    let carry = if kind & 8 != 0 { vec!["team".to_owned()] } else { Vec::new() };
    let options = InputOptions { carry: carry.clone(), ..InputOptions::default() };
    let input = match Input::open(&[InputSource::File(file.path().into())], &options) {
        Ok(input) => input,
        Err(error) => {
            let error = error.to_string();
            assert!(is_a_line(&error) && error.contains(&*file.path().to_string_lossy()), "{error:?}");
            return;
        }
    };
    let report = input.report();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let records: Vec<_> = runtime.block_on(input.into_stream().collect());
    let found: Vec<_> = records
        .iter()
        .map(|record| Record {
            login: record.login.as_ref().map(ToString::to_string).map_err(|invalid| invalid.text.clone()),
            carried: record.carried.iter().map(|cell| cell.as_deref().map(str::to_owned)).collect(),
        })
        .collect();

    let mut seen = HashSet::new();
    for record in &found {
        assert!(seen.insert(record.key()), "{record:?} is a duplicate");
    }
    let report = report.lock();
    for line in report.notices.iter().chain(&report.failure) {
        assert!(is_a_line(line), "{line:?}");
    }
    let expected =
        if extension == ".txt" { Some(lines(&content)) } else { rows(&content, extension, &carry) };
    let Some(expected) = expected else { return };
    assert_eq!(expected.len() as u64, found.len() as u64 + report.duplicates);
    seen.clear();
    let first: Vec<_> = expected.into_iter().filter(|record| seen.insert(record.key())).collect();
    assert_eq!(found, first);
}

/// Returns the records of a plain text file.
fn lines(content: &[u8]) -> Vec<Record> {
    let without_bom = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let bom_len = content.len() - without_bom.len();
    let mut records = Vec::new();
    for (at, line) in without_bom.split(|byte| *byte == b'\n').enumerate() {
        let max = if at == 0 { MAX_LINE - bom_len } else { MAX_LINE };
        let text = String::from_utf8_lossy(&line[..line.len().min(max)]).into_owned();
        let is_error = is_spreadsheet_error(text.trim());
        let mut before = ' ';
        let text: String = text
            .chars()
            .take_while(|c| {
                let begins = *c == '#' && matches!(before, ' ' | '\t') && !is_error;
                before = *c;
                !begins
            })
            .collect();
        if !text.trim().is_empty() {
            records.extend(Record::of(text.trim(), &[]));
        }
    }
    records
}

/// Returns the records of a CSV or TSV file. None if its delimiter is hard to guess.
fn rows(content: &[u8], extension: &str, carry: &[String]) -> Option<Vec<Record>> {
    let content = match content {
        [0xff, 0xfe, text @ ..] => UTF_16LE.decode_without_bom_handling(text).0.into_owned().into_bytes(),
        [0xfe, 0xff, text @ ..] => UTF_16BE.decode_without_bom_handling(text).0.into_owned().into_bytes(),
        [0xef, 0xbb, 0xbf, text @ ..] => String::from_utf8_lossy(text).into_owned().into_bytes(),
        text => text.to_vec(),
    };
    let header = content.split(|byte| *byte == b'\n').next().unwrap_or_default();
    if header.starts_with(b"sep=") {
        return None;
    }
    let delimiters: Vec<_> = [b',', b';', b'\t'].into_iter().filter(|byte| header.contains(byte)).collect();
    let delimiter = match delimiters[..] {
        _ if extension == ".tsv" => b'\t',
        _ if header.contains(&b'"') => return None,
        [] => b',',
        [one] => one,
        _ => return None,
    };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(&*content);
    let header: Vec<_> =
        reader.byte_headers().unwrap().iter().map(|name| decode(name).to_lowercase()).collect();
    let index_of = |name: &str| header.iter().position(|other| other == name);
    let column = ["login", "github", "username", "user"].iter().find_map(|name| index_of(name)).unwrap();
    let carried: Vec<_> = carry.iter().map(|name| index_of(name).unwrap()).collect();
    let mut records = Vec::new();
    for record in reader.byte_records() {
        let record = record.unwrap();
        let cell = |at: usize| record.get(at).map(decode).filter(|text| !text.is_empty());
        if let Some(login) = cell(column) {
            let cells: Vec<_> =
                carried.iter().map(|at| cell(*at).map(|text| sanitize_multiline(&text))).collect();
            records.extend(Record::of(&login, &cells));
        }
    }
    Some(records)
}

fn decode(cell: &[u8]) -> String {
    match std::str::from_utf8(cell) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(cell).0.trim().to_owned(),
    }
}
