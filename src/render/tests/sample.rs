//! Rows of every status, and an output to write them to.

use std::sync::{Arc, Mutex};

use crate::render::*;
use crate::report::{AccountKind, ApiKind, Breakdown, ReportSchema, RunTotals, Status};

#[derive(Clone, Default)]
pub(crate) struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().clone()
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
        last_push: Some("2026-11-20T08:30:00Z".parse().unwrap()),
        verified: Some(true),
        api: Some(ApiKind::Rest),
        at: Some("2026-11-22T12:00:00Z".parse().unwrap()),
        attempts: 1,
        ..Row::default()
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

pub(crate) fn report(format: Format, order: RowOrder, style: TerminalStyle) -> String {
    report_of(Columns::of(&ReportSchema::default()), format, order, style)
}

pub(crate) fn report_of(columns: Columns, format: Format, order: RowOrder, style: TerminalStyle) -> String {
    let out = Shared::default();
    let meta = Meta {
        generator: GENERATOR.into(),
        api: Some("https://api.github.com".into()),
        started: "2026-11-22T12:00:00Z".parse().unwrap(),
        ..Meta::default()
    };
    let layout = ReportLayout { columns, order, style };
    let mut renderer = renderer(format, &layout, &meta, BufWriter::new(Box::new(out.clone())));
    let totals = RunTotals { requests: Some(3), seconds: Some(0.25), ..RunTotals::default() };
    let mut summary = Summary { totals, complete: true, ..Summary::default() };
    for row in rows() {
        summary.add(&row);
        renderer.row(&row).unwrap();
    }
    renderer.finish(&summary).unwrap();
    out.text()
}
