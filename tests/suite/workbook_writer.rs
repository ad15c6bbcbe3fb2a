//! Writes small workbooks, in the plainest XML that other programs write.

use std::io::{Cursor, Write};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Returns a zip archive with these parts.
pub fn archive(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in parts {
        archive.start_file(*name, SimpleFileOptions::default()).unwrap();
        archive.write_all(content).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

#[derive(Clone, Copy, Debug)]
pub enum Cell<'a> {
    Empty,
    Text(&'a str),
    Number(f64),
    /// Days since the end of 1899.
    Date(f64),
}

pub struct Sheet<'a> {
    pub name: &'a str,
    pub is_hidden: bool,
    pub rows: Vec<Vec<Cell<'a>>>,
}

impl<'a> Sheet<'a> {
    pub fn new(name: &'a str, rows: &[&[Cell<'a>]]) -> Self {
        Self { name, is_hidden: false, rows: rows.iter().map(|row| row.to_vec()).collect() }
    }
}

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/// Returns a workbook whose texts are shared, as those of Excel are.
pub fn xlsx(sheets: &[Sheet<'_>]) -> Vec<u8> {
    let mut parts = vec![
        ("[Content_Types].xml".to_owned(), "<Types/>".to_owned()),
        (
            "_rels/.rels".to_owned(),
            format!(
                "<Relationships><Relationship Id=\"r\" Type=\"{OFFICE}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/styles.xml".to_owned(),
            format!(
                "<styleSheet xmlns=\"{MAIN}\"><cellXfs count=\"2\"><xf numFmtId=\"0\"/><xf numFmtId=\"14\"/></cellXfs></styleSheet>"
            ),
        ),
    ];
    let (mut names, mut relations, mut texts) = (String::new(), String::new(), Vec::new());
    for (number, sheet) in (1..).zip(sheets) {
        let state = if sheet.is_hidden { " state=\"hidden\"" } else { "" };
        names +=
            &format!("<sheet name=\"{}\" sheetId=\"{number}\"{state} r:id=\"rId{number}\"/>", sheet.name);
        relations += &format!(
            "<Relationship Id=\"rId{number}\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet{number}.xml\"/>"
        );
        parts.push((format!("xl/worksheets/sheet{number}.xml"), worksheet(&sheet.rows, &mut texts)));
    }
    parts.push((
        "xl/workbook.xml".to_owned(),
        format!("<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}\"><sheets>{names}</sheets></workbook>"),
    ));
    let items: String = texts.iter().map(|text| format!("<si><t>{text}</t></si>")).collect();
    parts.push((
        "xl/sharedStrings.xml".to_owned(),
        format!("<sst xmlns=\"{MAIN}\" count=\"{0}\" uniqueCount=\"{0}\">{items}</sst>", texts.len()),
    ));
    relations +=
        &format!("<Relationship Id=\"texts\" Type=\"{OFFICE}/sharedStrings\" Target=\"sharedStrings.xml\"/>");
    parts.push((
        "xl/_rels/workbook.xml.rels".to_owned(),
        format!("<Relationships>{relations}</Relationships>"),
    ));
    let parts: Vec<_> = parts.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    archive(&parts)
}

fn worksheet<'a>(rows: &[Vec<Cell<'a>>], texts: &mut Vec<&'a str>) -> String {
    let mut xml = format!("<worksheet xmlns=\"{MAIN}\"><sheetData>");
    for (number, row) in (1..).zip(rows) {
        xml += &format!("<row r=\"{number}\">");
        for (column, cell) in ('A'..).zip(row) {
            xml += &match cell {
                Cell::Empty => String::new(),
                Cell::Text(text) => {
                    texts.push(text);
                    format!("<c r=\"{column}{number}\" t=\"s\"><v>{}</v></c>", texts.len() - 1)
                }
                Cell::Number(value) => format!("<c r=\"{column}{number}\"><v>{value}</v></c>"),
                Cell::Date(value) => format!("<c r=\"{column}{number}\" s=\"1\"><v>{value}</v></c>"),
            };
        }
        xml += "</row>";
    }
    xml + "</sheetData></worksheet>"
}

/// Returns an OpenDocument spreadsheet with one sheet of texts.
pub fn ods(rows: &[&[&str]]) -> Vec<u8> {
    let cell = |text: &&str| {
        format!("<table:table-cell><text:p>{text}</text:p></table:table-cell>")
            .replace("<table:table-cell>", "<table:table-cell office:value-type=\"string\">")
    };
    let row = |cells: &&[&str]| {
        format!("<table:table-row>{}</table:table-row>", cells.iter().map(cell).collect::<String>())
    };
    let rows: String = rows.iter().map(row).collect();
    let content = format!(
        "<office:document-content xmlns:office=\"o\" xmlns:table=\"t\" xmlns:text=\"x\"><office:body><office:spreadsheet>\
         <table:table table:name=\"Sheet\">{rows}</table:table></office:spreadsheet></office:body></office:document-content>"
    );
    archive(&[
        ("mimetype", b"application/vnd.oasis.opendocument.spreadsheet"),
        ("META-INF/manifest.xml", b"<manifest:manifest xmlns:manifest=\"m\"/>"),
        ("content.xml", content.as_bytes()),
    ])
}
