//! CSV and TSV, by RFC 4180, for spreadsheets and scripts.

use std::borrow::Cow;
use std::io;

use super::{Output, Renderer};
use crate::report::{Cell, Columns, Row, Summary};
use crate::text::is_formula;

pub(super) struct Csv {
    writer: csv::Writer<Output>,
    columns: Columns,
    has_header: bool,
}

impl Csv {
    pub(super) fn new(out: Output, columns: Columns, delimiter: u8) -> Self {
        let writer =
            csv::WriterBuilder::new().delimiter(delimiter).terminator(csv::Terminator::CRLF).from_writer(out);
        Self { writer, columns, has_header: false }
    }

    fn write_header(&mut self) -> io::Result<()> {
        if !std::mem::replace(&mut self.has_header, true) {
            for column in self.columns.iter() {
                // An extra column may have any name.
                self.writer.write_field(escape_formula(column.key()).as_bytes()).map_err(io_error)?;
            }
            self.writer.write_record(None::<&[u8]>).map_err(io_error)?;
        }
        Ok(())
    }
}

impl Renderer for Csv {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        self.write_header()?;
        for column in self.columns.iter() {
            match row.cell(column) {
                Cell::Null => self.writer.write_field(""),
                Cell::Text(text) => self.writer.write_field(escape_formula(&text).as_bytes()),
                Cell::Number(number) => self.writer.write_field(number.to_string()),
                Cell::Delta(difference) => self.writer.write_field(difference.to_string()),
                Cell::Bool(flag) => self.writer.write_field(flag.to_string()),
            }
            .map_err(io_error)?;
        }
        self.writer.write_record(None::<&[u8]>).map_err(io_error)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }

    fn finish(&mut self, _: &Summary) -> io::Result<()> {
        self.write_header()?;
        self.writer.flush()
    }
}

/// Puts an apostrophe before text that a spreadsheet would read as a formula.
fn escape_formula(text: &str) -> Cow<'_, str> {
    // Text that has an apostrophe already gets another one, so that the reader can remove ours.
    if is_formula(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use crate::render::{Format, RowOrder, SortKey, TerminalStyle, sample};
    use crate::report::{Columns, CountSelection, ReportSchema};

    const ORDER: RowOrder = RowOrder { by: SortKey::Input, reverse: false, top: None };

    #[test]
    fn csv_has_a_header_and_no_formulas() {
        assert_eq!(
            sample::report(Format::Csv, ORDER, TerminalStyle::default()),
            "login,status,type,public_repos,error,id,api,at,attempts\r\n\
             torvalds,ok,user,9,,1024025,rest,2026-11-22T12:00:00Z,1\r\n\
             microsoft,ok,organization,7421,,6154722,rest,2026-11-22T12:00:00Z,1\r\n\
             nosuchlogin,not_found,,,no such user or organization,,,,1\r\n\
             '=cmd|' /C calc'!A0,invalid,,,not a login: holds '=',,,,0\r\n\
             \"a\\u{1b}[31m,\"\"b\"\"\",invalid,,,not a login: holds '\\u{1b}',,,,0\r\n"
        );
    }

    #[test]
    fn white_space_does_not_hide_a_formula() {
        for (text, cell) in [
            ("\t=1+1", "'\t=1+1"),
            ("＝1+1", "'＝1+1"),
            ("\n@a", "'\n@a"),
            (" ' -1", "' ' -1"),
            ("' a", "' a"),
        ] {
            assert_eq!(super::escape_formula(text), cell);
        }
    }

    #[test]
    fn unknown_values_are_empty_and_unrequested_ones_absent() {
        let columns = Columns::of(&ReportSchema {
            counts: CountSelection { breakdown: true, private: true, last_push: false },
            verified: true,
            ..ReportSchema::default()
        });
        let csv = sample::report_of(
            columns,
            Format::Csv,
            RowOrder { top: Some(3), ..ORDER },
            TerminalStyle::default(),
        );
        let lines: Vec<_> = csv.lines().collect();
        assert_eq!(
            lines[0],
            "login,status,type,public_repos,sources,forks,archived,private_repos,internal_repos,verified,error,id,api,at,attempts"
        );
        assert_eq!(lines[1], "torvalds,ok,user,9,6,3,1,,,true,,1024025,rest,2026-11-22T12:00:00Z,1");
        assert!(lines[3].starts_with("nosuchlogin,not_found,,,,,,,,,no such user"));
    }

    #[test]
    fn tsv_has_tabs_for_commas() {
        let tsv = sample::report(Format::Tsv, RowOrder { top: Some(1), ..ORDER }, TerminalStyle::default());
        assert_eq!(
            tsv,
            "login\tstatus\ttype\tpublic_repos\terror\tid\tapi\tat\tattempts\r\n\
             torvalds\tok\tuser\t9\t\t1024025\trest\t2026-11-22T12:00:00Z\t1\r\n"
        );
    }

    #[test]
    fn a_report_without_rows_has_a_header() {
        let csv = sample::report(Format::Csv, RowOrder { top: Some(0), ..ORDER }, TerminalStyle::default());
        assert_eq!(csv, "login,status,type,public_repos,error,id,api,at,attempts\r\n");
    }
}
