//! Renderers: rows in, a report out. They know rows, never GitHub.
//!
//! Formats that can stream write each row as it comes; the table gathers. One exhaustive factory,
//! [`renderer`], makes them: a new format is a variant, a file and a line there.

mod csv;
mod headings;
mod html;
mod json;
mod markdown;
mod openmetrics;
mod sorted;
mod table;

use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

pub(crate) use self::json::{line, row_as_json};
pub(crate) use self::sorted::{RowOrder, SortKey};
pub(crate) use self::table::TerminalStyle;
use crate::login::Login;
use crate::report::{Columns, Identity, Row, Status, Summary};
use crate::text::sanitize_line;

/// The format of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
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
    /// For a pull request or a job's summary.
    Markdown,
    /// A page to look at.
    Html,
    /// Metrics for Prometheus' textfile collector.
    Openmetrics,
}

impl Format {
    /// The extensions of files in formats that have one.
    pub(crate) const EXTENSIONS: [(&'static str, Self); 7] = [
        ("csv", Self::Csv),
        ("tsv", Self::Tsv),
        ("json", Self::Json),
        ("ndjson", Self::Ndjson),
        ("md", Self::Markdown),
        ("html", Self::Html),
        ("prom", Self::Openmetrics),
    ];

    /// The format that a file's extension names, in any case.
    #[must_use]
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?.to_ascii_lowercase();
        Self::EXTENSIONS.iter().find(|(known, _)| *known == extension).map(|(_, format)| *format)
    }
}

/// What a report says about the run that it comes from.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// `ghrepos` and its version.
    pub(crate) generator: String,
    /// The API's address; none where nothing was asked.
    pub(crate) api: Option<String>,
    /// Who asked.
    #[serde(flatten)]
    pub(crate) whose: Identity,
    /// The folder with the exchanges, where they were recorded, or played back from it.
    pub(crate) exchanges: Option<String>,
    /// The report that this one is compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) baseline: Option<String>,
    /// The reports that it was rendered from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) from: Vec<String>,
    /// When the run began.
    pub(crate) started: jiff::Timestamp,
    /// The command, without passwords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<String>,
    /// The host on which accounts have their profiles, where that is known.
    #[serde(skip)]
    pub(crate) site: Option<String>,
}

impl Default for Meta {
    fn default() -> Self {
        Self {
            generator: concat!("ghrepos ", env!("CARGO_PKG_VERSION")).into(),
            api: None,
            whose: Identity::default(),
            exchanges: None,
            baseline: None,
            from: Vec::new(),
            started: jiff::Timestamp::default(),
            command: None,
            site: None,
        }
    }
}

impl Meta {
    /// Reads what a JSON report says of its run, which is now compared with `baseline`, if with any.
    #[must_use]
    pub(crate) fn read(meta: &serde_json::Value, baseline: Option<String>) -> Option<Self> {
        let mut meta = Self::deserialize(meta).ok()?;
        meta.baseline = baseline.or(meta.baseline);
        meta.make_harmless();
        Some(meta)
    }

    /// Makes what a file says of its run text that can be shown.
    pub(crate) fn make_harmless(&mut self) {
        let Self { generator, api, whose, exchanges, baseline, from, command, .. } = self;
        let some = [api, &mut whose.viewer, &mut whose.app, exchanges, baseline, command];
        for text in some.into_iter().flatten().chain(from).chain([generator]) {
            *text = sanitize_line(text).into_owned();
        }
    }

    /// The address of the profile of a row's account, where GitHub has answered that there is one.
    fn profile(&self, row: &Row) -> Option<String> {
        let site = self.site.as_ref()?;
        let login = Login::parse(&row.login).ok().filter(|_| row.status == Status::Ok)?;
        // A bot has its page among the apps.
        match login.as_str().strip_suffix("[bot]") {
            Some(app) => Some(format!("https://{site}/apps/{app}")),
            None => Some(format!("https://{site}/{login}")),
        }
    }
}

/// Writes a report.
pub(crate) trait Renderer {
    /// Takes the next row.
    ///
    /// # Errors
    /// Where the output cannot be written.
    fn row(&mut self, row: &Row) -> io::Result<()>;

    /// Hands what was written so far on to the reader, where the format streams.
    ///
    /// # Errors
    /// Where the output cannot be written.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    /// Ends the report.
    ///
    /// # Errors
    /// Where the output cannot be written.
    fn finish(&mut self, summary: &Summary) -> io::Result<()>;
}

/// Where a renderer writes to.
pub(crate) type Output = BufWriter<Box<dyn Write + Send>>;

/// What a report shows, and how.
#[derive(Clone, Debug)]
pub(crate) struct ReportLayout {
    /// The columns, in their order.
    pub(crate) columns: Columns,
    /// The order of the rows.
    pub(crate) order: RowOrder,
    /// What the terminal can show.
    pub(crate) look: TerminalStyle,
}

/// A renderer of `format` that writes to `out`.
#[must_use]
pub(crate) fn renderer(
    format: Format,
    layout: &ReportLayout,
    meta: &Meta,
    out: Output,
) -> Box<dyn Renderer + Send> {
    let columns = layout.columns.clone();
    let renderer: Box<dyn Renderer + Send> = match format {
        Format::Table => Box::new(table::Table::new(out, columns, layout.look)),
        Format::Csv => Box::new(csv::Csv::new(out, columns, b',')),
        Format::Tsv => Box::new(csv::Csv::new(out, columns, b'\t')),
        Format::Json => Box::new(json::Json::new(out, columns, meta.clone())),
        Format::Ndjson => Box::new(json::Ndjson::new(out, columns)),
        Format::Markdown => Box::new(markdown::Markdown::new(out, columns, meta.clone())),
        Format::Html => Box::new(html::Html::new(out, columns, meta.clone())),
        Format::Openmetrics => Box::new(openmetrics::OpenMetrics::new(out, &columns, meta.clone())),
    };
    layout.order.applied_to(renderer)
}

#[cfg(test)]
pub(crate) mod sample {
    //! Rows of every status, and a place to write them to.

    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::report::{AccountKind, ApiKind, Breakdown, Carried, ReportSchema, Status};

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
            was: None,
            change: None,
            verified: Some(true),
            error: None,
            via: Some(ApiKind::Rest),
            at: Some("2026-11-22T12:00:00Z".parse().unwrap()),
            attempts: 1,
            exchange: None,
        };
        vec![
            counted("torvalds", AccountKind::User, 1_024_025, 9),
            counted("microsoft", AccountKind::Organization, 6_154_722, 7_421),
            Row {
                attempts: 1,
                ..Row::without_count("nosuchlogin", Status::NotFound, "no such user or organization")
            },
            Row::without_count("=cmd|' /C calc'!A0", Status::Invalid, "not a login: holds '='"),
            Row::without_count("a\u{1b}[31m,\"b\"", Status::Invalid, "not a login: holds '\u{1b}'"),
        ]
    }

    pub(crate) fn report(format: Format, order: RowOrder, look: TerminalStyle) -> String {
        report_of(Columns::of(&ReportSchema::default()), format, order, look)
    }

    pub(crate) fn report_of(
        columns: Columns,
        format: Format,
        order: RowOrder,
        look: TerminalStyle,
    ) -> String {
        let out = Shared::default();
        let meta = Meta {
            api: Some("https://api.github.com".into()),
            started: "2026-11-22T12:00:00Z".parse().unwrap(),
            ..Meta::default()
        };
        let layout = ReportLayout { columns, order, look };
        let mut renderer = renderer(format, &layout, &meta, BufWriter::new(Box::new(out.clone())));
        let mut summary =
            Summary { requests: Some(3), seconds: Some(0.25), complete: true, ..Summary::default() };
        for row in rows() {
            summary.add(&row);
            renderer.row(&row).unwrap();
        }
        renderer.finish(&summary).unwrap();
        out.text()
    }
}
