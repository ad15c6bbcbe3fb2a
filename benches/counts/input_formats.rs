//! Inputs in each format: `--plan` reads them to the end and looks nothing up.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rust_xlsxwriter::Workbook;

use crate::input::folder;
use crate::measure::{Used, ghrepos, middle, run};
use crate::table::{head, megabytes, number, rate, ratio, row, time};

const WORKBOOK_ROWS: u64 = 100_000;

type Writer = BufWriter<File>;

pub fn measured(runs: usize, sizes: &[u64]) {
    let logins = sizes.first().copied().unwrap_or(1_000_000);
    head("Inputs", &["format", "logins", "MB", "wall", "beside a list", "logins/s", "memory"]);
    let mut list = Duration::ZERO;
    for (name, write) in FORMATS {
        let path = folder().join("input-of-format");
        write(&mut BufWriter::new(File::create(&path).expect("a file")), logins).expect("room");
        let used = plan(runs, &path);
        if list.is_zero() {
            list = used.wall;
        }
        print(name, logins, &path, used, &ratio(used.wall, list));
    }
    let path = workbook(WORKBOOK_ROWS);
    print("workbook", WORKBOOK_ROWS, &path, plan(runs, &path), "");
}

fn print(name: &str, logins: u64, path: &Path, used: Used, ratio: &str) {
    let size = path.metadata().map_or(0, |metadata| metadata.len());
    let rate = number(rate(logins, used.wall));
    let cells =
        [name, &number(logins), &megabytes(size), &time(used.wall), ratio, &rate, &megabytes(used.memory)];
    row(&cells.map(str::to_owned));
}

fn plan(runs: usize, path: &Path) -> Used {
    let replay = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/github");
    let runs: Vec<_> = (0..runs)
        .map(|_| run(ghrepos().args(["--plan", "--replay", replay, "-f"]).arg(path), None).0)
        .collect();
    middle(&runs)
}

/// Writes a number of logins.
type WriteLogins = fn(&mut Writer, u64) -> std::io::Result<()>;

const FORMATS: [(&str, WriteLogins); 8] = [
    ("list", |to, logins| lines(to, logins, |number| format!("user-{number}\n"))),
    ("list in Windows-1252", |to, logins| {
        (1..=logins).try_for_each(|number| {
            to.write_all(&[format!("user-{number} # ").as_bytes(), b"J\xfcrgen\n"].concat())
        })
    }),
    ("CSV", |to, logins| {
        to.write_all(b"name,github,team\n")?;
        lines(to, logins, |number| format!("\"Sample, {number}\",user-{number},blue\n"))
    }),
    ("TSV in UTF-16", |to, logins| {
        let mut write =
            |text: String| to.write_all(&text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>());
        write("\u{feff}name\tgithub\tteam\r\n".into())?;
        (1..=logins).try_for_each(|number| write(format!("Sample {number}\tuser-{number}\tblue\r\n")))
    }),
    ("NDJSON", |to, logins| {
        lines(to, logins, |number| format!("{{\"login\":\"user-{number}\",\"id\":{number}}}\n"))
    }),
    ("JSON, texts", |to, logins| {
        to.write_all(b"[\"user-0\"")?;
        lines(to, logins, |number| format!(",\n\"user-{number}\""))?;
        to.write_all(b"]\n")
    }),
    ("JSON, objects", |to, logins| {
        to.write_all(b"{\"members\":[{\"login\":\"user-0\",\"id\":0}")?;
        lines(to, logins, |number| format!(",\n{{\"login\":\"user-{number}\",\"id\":{number}}}"))?;
        to.write_all(b"]}\n")
    }),
    ("JSON in one line", |to, logins| {
        to.write_all(b"[\"user-0\"")?;
        lines(to, logins, |number| format!(",\"user-{number}\""))?;
        to.write_all(b"]")
    }),
];

fn lines(to: &mut Writer, logins: u64, line: impl Fn(u64) -> String) -> std::io::Result<()> {
    (1..=logins).try_for_each(|number| to.write_all(line(number).as_bytes()))
}

/// Writes a workbook with two columns of texts.
fn workbook(rows: u64) -> PathBuf {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet_with_constant_memory().expect("a temporary file");
    sheet.write_row(0, 0, ["name", "github"]).expect("a header");
    for (row, number) in (1..).zip(1..=rows) {
        sheet.write_row(row, 0, [format!("Sample {number}"), format!("user-{number}")]).expect("a row");
    }
    let path = folder().join("input.xlsx");
    workbook.save(&path).expect("room");
    path
}
