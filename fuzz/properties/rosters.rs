//! Rosters, as people and spreadsheet programs write them.

use std::collections::HashSet;
use std::io::Write as _;

use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};
use futures::StreamExt;

use super::bytes::ByteReader;
use super::is_a_line;
use crate::input::{Input, InputOptions, InputSource};
use crate::login::Login;
use crate::text::sanitize_multiline;

/// Bytes of a line that are looked at.
const LINE: usize = 4096;

/// An entry: the login, or the text that is none, and what is carried.
type Listed = (Result<String, String>, Vec<Option<String>>);

fn listed(text: &str, carried: Vec<Option<String>>) -> Listed {
    (Login::parse(text).map(|login| login.to_string()).map_err(|not| not.text), carried)
}

/// What a roster's lines name comes out once, in the order in which it was named first; what was named again
/// is counted. The first byte tells what kind of file the others are.
pub fn roster(bytes: &[u8]) {
    let mut input = ByteReader::new(bytes);
    let kind = input.byte();
    let (ending, head) = [(".txt", ""), (".csv", "login,team\n"), (".tsv", "login\tteam\r\n"), (".csv", "")]
        [usize::from(kind % 4)];
    let mut content = [head.as_bytes(), input.rest()].concat();
    if kind & 4 != 0 {
        // As a spreadsheet program saves "Unicode text".
        let text = String::from_utf8_lossy(&content).into_owned();
        content = std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    }
    let mut file = tempfile::Builder::new().suffix(ending).tempfile().unwrap();
    file.write_all(&content).unwrap();
    let carry = if kind & 8 != 0 { vec!["team".to_owned()] } else { Vec::new() };
    let reading = InputOptions { carry: carry.clone(), ..InputOptions::default() };
    let roster = match Input::open(&[InputSource::File(file.path().into())], &reading) {
        Ok(roster) => roster,
        Err(error) => {
            let error = error.to_string();
            assert!(is_a_line(&error) && error.contains(&*file.path().to_string_lossy()), "{error:?}");
            return;
        }
    };
    let (notes, runtime) = (roster.notes(), tokio::runtime::Builder::new_current_thread().build().unwrap());
    let entries: Vec<_> = runtime.block_on(roster.entries().collect());

    let mut seen = HashSet::new();
    let key = |entry: &Listed| {
        entry.0.as_ref().map(|login| login.to_lowercase()).map_err(|text| text.trim().to_owned())
    };
    let found: Vec<Listed> = entries
        .iter()
        .map(|entry| {
            let login = entry.login.as_ref().map(ToString::to_string).map_err(|not| not.text.clone());
            (login, entry.carried.iter().map(|cell| cell.as_deref().map(str::to_owned)).collect())
        })
        .collect();
    for entry in &found {
        assert!(seen.insert(key(entry)), "{entry:?} is there twice");
    }
    for line in notes.remarks().iter().map(String::as_str).chain(notes.failure()) {
        assert!(is_a_line(line), "{line:?}");
    }
    let named = if ending == ".txt" { Some(lines(&content)) } else { rows(&content, ending, &carry) };
    let Some(named) = named else { return };
    assert_eq!(named.len() as u64, found.len() as u64 + notes.duplicates());
    seen.clear();
    let first: Vec<_> = named.into_iter().filter(|entry| seen.insert(key(entry))).collect();
    assert_eq!(found, first);
}

/// What a plain list names.
fn lines(content: &[u8]) -> Vec<Listed> {
    let without_mark = content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content);
    let mark = content.len() - without_mark.len();
    let mut named = Vec::new();
    for (at, line) in without_mark.split(|byte| *byte == b'\n').enumerate() {
        let most = if at == 0 { LINE - mark } else { LINE };
        let text = String::from_utf8_lossy(&line[..line.len().min(most)]).into_owned();
        let mut before = ' ';
        let text: String = text
            .chars()
            .take_while(|c| {
                let begins = *c == '#' && matches!(before, ' ' | '\t');
                before = *c;
                !begins
            })
            .collect();
        if !text.trim().is_empty() {
            named.push(listed(text.trim(), Vec::new()));
        }
    }
    named
}

/// What a sheet names; none where it takes more than this to tell its separator.
fn rows(content: &[u8], ending: &str, carry: &[String]) -> Option<Vec<Listed>> {
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
    let separators: Vec<_> = [b',', b';', b'\t'].into_iter().filter(|byte| header.contains(byte)).collect();
    let delimiter = match separators[..] {
        _ if ending == ".tsv" => b'\t',
        _ if header.contains(&b'"') => return None,
        [] => b',',
        [one] => one,
        _ => return None,
    };
    let text = |cell: &[u8]| match std::str::from_utf8(cell) {
        Ok(text) => text.trim().to_owned(),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(cell).0.trim().to_owned(),
    };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(&*content);
    let header: Vec<_> =
        reader.byte_headers().unwrap().iter().map(|name| text(name).to_lowercase()).collect();
    let place = |name: &str| header.iter().position(|other| other == name);
    let column = ["login", "github", "username", "user"].iter().find_map(|name| place(name)).unwrap();
    let carried: Vec<_> = carry.iter().map(|name| place(name).unwrap()).collect();
    let mut named = Vec::new();
    for record in reader.byte_records() {
        let record = record.unwrap();
        let cell = |at: usize| record.get(at).map(text).filter(|text| !text.is_empty());
        if let Some(login) = cell(column) {
            named.push(listed(
                &login,
                carried.iter().map(|at| cell(*at).map(|text| sanitize_multiline(&text))).collect(),
            ));
        }
    }
    Some(named)
}
