//! Time and memory of each format, and the rows of large workbooks.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use crate::input::{Input, folder};
use crate::measure::{Used, ghrepos, run};
use crate::server::{Server, World};
use crate::table::{head, megabytes, number, row, say, time};

/// Extensions of the formats, without that of the table.
const ENDINGS: [&str; 8] = ["ndjson", "csv", "tsv", "json", "xlsx", "html", "md", "prom"];

/// Counts logins by GraphQL without latency, to each format.
pub fn measured(sizes: &[u64]) {
    for &logins in if sizes.is_empty() { &[1_000_000][..] } else { sizes } {
        head(
            &format!("{} logins from a file, by GraphQL without latency, to each format", number(logins)),
            &["format", "wall", "CPU", "memory", "file size"],
        );
        for ending in ENDINGS {
            let (used, size) = written(logins, ending);
            row(&[ending.into(), time(used.wall), time(used.cpu), megabytes(used.memory), megabytes(size)]);
        }
    }
}

/// Asserts that a workbook has a row for each login, on as many sheets as it needs.
pub fn workbook(sizes: &[u64]) {
    for &logins in if sizes.is_empty() { &[1_100_000][..] } else { sizes } {
        let (used, _) = written(logins, "xlsx");
        let rows = rows_of_workbook(&folder().join("report.xlsx"));
        assert_eq!(rows.iter().sum::<u64>(), logins, "rows of the sheets: {rows:?}");
        let sheets: Vec<_> = rows.iter().map(|rows| number(*rows)).collect();
        say(&format!(
            "{} logins are the rows of a workbook ({}), in {} and {}",
            number(logins),
            sheets.join(" + "),
            time(used.wall),
            megabytes(used.memory)
        ));
    }
}

/// Writes a report, and returns its size in bytes.
fn written(logins: u64, ending: &str) -> (Used, u64) {
    let report = folder().join(format!("report.{ending}"));
    let _ = fs::remove_file(&report);
    let input = Input::new(logins).file();
    let server = Server::start(World::default());
    let mut command = ghrepos();
    command.args(["-q", "--api-url", &server.url]).arg("-f").arg(input).arg("-o").arg(&report);
    let (used, _) = run(&mut command, None);
    server.end();
    (used, fs::metadata(&report).expect("a report").len())
}

/// Returns the rows of each sheet of accounts, without their headers.
fn rows_of_workbook(path: &Path) -> Vec<u64> {
    let mut archive = zip::ZipArchive::new(File::open(path).expect("a workbook")).expect("a zip file");
    let mut list = String::new();
    archive.by_name("xl/workbook.xml").expect("a list of sheets").read_to_string(&mut list).expect("text");
    let sheets = list.matches("<sheet name=\"Accounts").count();
    let mut rows = Vec::new();
    for sheet in 1..=sheets {
        let part = archive.by_name(&format!("xl/worksheets/sheet{sheet}.xml")).expect("a sheet");
        rows.push(count(part, b"<row ") - 1);
    }
    rows
}

/// Counts the occurrences of a text, which may begin in one block and end in the next one.
fn count(mut from: impl Read, text: &[u8]) -> u64 {
    let (mut found, mut block, mut kept) = (0, vec![0; 1 << 20], Vec::new());
    loop {
        let length = from.read(&mut block).expect("a readable part");
        if length == 0 {
            return found;
        }
        kept.extend_from_slice(block.get(..length).unwrap_or_default());
        found += kept.windows(text.len()).filter(|window| *window == text).count() as u64;
        let rest = kept.len().saturating_sub(text.len() - 1);
        kept.drain(..rest);
    }
}
