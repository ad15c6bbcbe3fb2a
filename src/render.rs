//! Renderers: rows in, a report out. They know rows, never GitHub.
//!
//! Formats that can stream write each row as it comes; the table gathers. One exhaustive factory,
//! [`renderer`], makes them: a new format is a variant, a file and a line there.

mod csv;
mod json;
mod sorted;
mod table;

use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;

pub(crate) use self::json::line;
pub use self::sorted::{Order, SortKey};
pub use self::table::Look;
use crate::report::{Columns, Row, Summary, Whose};

/// The format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For a terminal.
    Table,
    /// Comma-separated values, RFC 4180.
    Csv,
    /// Tab-separated values, quoted like CSV.
    Tsv,
    /// One document with `meta`, `rows` and `summary`.
    Json,
    /// One JSON object a line, written as the run goes on.
    Ndjson,
}

impl Format {
    /// The extensions of files in formats that have one.
    pub const EXTENSIONS: [(&'static str, Self); 4] =
        [("csv", Self::Csv), ("tsv", Self::Tsv), ("json", Self::Json), ("ndjson", Self::Ndjson)];

    /// The format that a file's extension names, in any case.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        Self::EXTENSIONS.iter().find(|(known, _)| *known == extension).map(|(_, format)| *format)
    }
}

/// What a report says about the run that it comes from.
#[derive(Clone, Debug, Serialize)]
pub struct Meta {
    /// `ghrepos` and its version.
    pub generator: &'static str,
    /// The API's address.
    pub api: String,
    /// Who asked.
    #[serde(flatten)]
    pub whose: Whose,
    /// The folder that the answers were replayed from, if they were.
    pub replayed: Option<String>,
    /// The folder that the exchanges were recorded to, if they were.
    pub recorded: Option<String>,
    /// When the run began.
    pub started: jiff::Timestamp,
}

/// Writes a report.
pub trait Renderer {
    /// Takes the next row.
    ///
    /// # Errors
    /// Where the output cannot be written.
    fn row(&mut self, row: &Row) -> io::Result<()>;

    /// Hands what was written so far on to the reader, where the format streams.
    ///
    /// # Errors
    /// Where the output cannot be written.
    fn flush(&mut self) -> io::Result<()>;

    /// Ends the report.
    ///
    /// # Errors
    /// Where the output cannot be written.
    fn finish(&mut self, summary: &Summary) -> io::Result<()>;
}

/// Where a renderer writes to.
pub type Output = BufWriter<Box<dyn Write + Send>>;

/// What a report shows, and how.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The columns, in their order.
    pub columns: Columns,
    /// The order of the rows.
    pub order: Order,
    /// What the terminal can show.
    pub look: Look,
}

/// A renderer of `format` that writes to `out`.
#[must_use]
pub fn renderer(format: Format, layout: &Layout, meta: &Meta, out: Output) -> Box<dyn Renderer + Send> {
    let columns = layout.columns.clone();
    let renderer: Box<dyn Renderer + Send> = match format {
        Format::Table => Box::new(table::Table::new(out, columns, layout.look)),
        Format::Csv => Box::new(csv::Csv::new(out, columns, b',')),
        Format::Tsv => Box::new(csv::Csv::new(out, columns, b'\t')),
        Format::Json => Box::new(json::Json::new(out, columns, meta.clone())),
        Format::Ndjson => Box::new(json::Ndjson::new(out, columns)),
    };
    layout.order.applied_to(renderer)
}

#[cfg(test)]
pub(crate) mod sample {
    //! Rows of every status, and a place to write them to.

    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::report::{Breakdown, Carried, Kind, Measures, Status, Via};

    #[derive(Clone, Default)]
    pub(crate) struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    pub(crate) fn rows() -> Vec<Row> {
        let counted = |login: &str, kind, id, repos| Row {
            login: login.into(),
            status: Status::Ok,
            kind: Some(kind),
            id: Some(id),
            public_repos: Some(repos),
            breakdown: Some(Breakdown { sources: repos - repos / 3, forks: repos / 3, archived: 1 }),
            private_repos: None,
            carried: Carried::default(),
            verified: Some(true),
            error: None,
            via: Some(Via::Rest),
            at: Some("2026-11-22T12:00:00Z".parse().unwrap()),
            attempts: 1,
        };
        vec![
            counted("torvalds", Kind::User, 1_024_025, 9),
            counted("microsoft", Kind::Organization, 6_154_722, 7_421),
            Row {
                attempts: 1,
                ..Row::without_count(
                    "nosuchlogin",
                    Status::NotFound,
                    "no user or organisation has this login",
                )
            },
            Row::without_count("=cmd|' /C calc'!A0", Status::Invalid, "not a login: holds '='"),
            Row::without_count("a\u{1b}[31m,\"b\"", Status::Invalid, "not a login: holds '\u{1b}'"),
        ]
    }

    pub(crate) fn report(format: Format, order: Order, look: Look) -> String {
        report_of(Columns::of(Measures::default(), &[], false), format, order, look)
    }

    pub(crate) fn report_of(columns: Columns, format: Format, order: Order, look: Look) -> String {
        let out = Shared::default();
        let meta = Meta {
            generator: "ghrepos 0.0.0",
            api: "https://api.github.com".into(),
            whose: Whose::default(),
            replayed: None,
            recorded: None,
            started: "2026-11-22T12:00:00Z".parse().unwrap(),
        };
        let layout = Layout { columns, order, look };
        let mut renderer = renderer(format, &layout, &meta, BufWriter::new(Box::new(out.clone())));
        let mut summary = Summary { requests: 3, seconds: 0.25, complete: true, ..Summary::default() };
        for row in rows() {
            summary.add(&row);
            renderer.row(&row).unwrap();
        }
        renderer.finish(&summary).unwrap();
        out.text()
    }
}
