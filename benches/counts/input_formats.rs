//! Inputs in each format: `--plan` reads them to the end and looks nothing up.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

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
    const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let row = |number: u64| {
        let (name, login) = match number {
            1 => ("name".to_owned(), "github".to_owned()),
            number => (format!("Sample {number}"), format!("user-{number}")),
        };
        format!(
            "<row r=\"{number}\"><c r=\"A{number}\" t=\"inlineStr\"><is><t>{name}</t></is></c>\
             <c r=\"B{number}\" t=\"inlineStr\"><is><t>{login}</t></is></c></row>"
        )
    };
    let rows: String = (1..=rows + 1).map(row).collect();
    let sheet = format!("<worksheet><sheetData>{rows}</sheetData></worksheet>");
    let relations = |kind: &str, target: &str| {
        format!(
            "<Relationships><Relationship Id=\"r1\" Type=\"{OFFICE}/{kind}\" Target=\"{target}\"/></Relationships>"
        )
    };
    let book = format!(
        "<workbook xmlns:r=\"{OFFICE}\"><sheets><sheet name=\"Sheet\" sheetId=\"1\" r:id=\"r1\"/></sheets></workbook>"
    );
    let path = folder().join("input.xlsx");
    let bytes = archive(&[
        ("[Content_Types].xml", "<Types/>"),
        ("_rels/.rels", &relations("officeDocument", "xl/workbook.xml")),
        ("xl/workbook.xml", &book),
        ("xl/_rels/workbook.xml.rels", &relations("worksheet", "sheet.xml")),
        ("xl/sheet.xml", &sheet),
    ]);
    std::fs::write(&path, bytes).expect("room");
    path
}

/// Returns a zip archive.
#[expect(clippy::cast_possible_truncation, reason = "small parts")]
fn archive(parts: &[(&str, &str)]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in parts {
        let mut crc = Crc::new();
        crc.update(content.as_bytes());
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::fast());
        deflate.write_all(content.as_bytes()).expect("memory");
        let packed = deflate.finish().expect("memory");
        let mut header = vec![20, 0, 0, 0, 8, 0, 0, 0, 0, 0];
        for size in [crc.sum(), packed.len() as u32, content.len() as u32] {
            header.extend(size.to_le_bytes());
        }
        header.extend((name.len() as u16).to_le_bytes());
        header.extend([0, 0]);
        directory.extend([b"PK\x01\x02\x14\0", &header[..], &[0; 10]].concat());
        directory.extend((bytes.len() as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        bytes.extend([b"PK\x03\x04", &header[..], name.as_bytes(), &packed].concat());
    }
    let count = (parts.len() as u16).to_le_bytes();
    let (start, size) = ((bytes.len() as u32).to_le_bytes(), (directory.len() as u32).to_le_bytes());
    bytes.extend([&directory[..], b"PK\x05\x06\0\0\0\0", &count, &count, &size, &start, &[0, 0]].concat());
    bytes
}
