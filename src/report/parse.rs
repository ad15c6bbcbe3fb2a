//! Reading a row of a report of ours: a line of NDJSON.

use std::borrow::Cow;
use std::collections::HashMap;

use jiff::Timestamp;
use serde::Deserialize;

use super::{Breakdown, Kind, Row, Status, Via};
use crate::text::visible;

/// The keys that are read. Others are not ours, or of a later version.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    login: Cow<'a, str>,
    status: Status,
    kind: Option<Kind>,
    id: Option<u64>,
    public_repos: Option<u64>,
    sources: Option<u64>,
    forks: Option<u64>,
    archived: Option<u64>,
    private_repos: Option<u64>,
    #[serde(borrow, default)]
    carried: HashMap<Cow<'a, str>, Option<Cow<'a, str>>>,
    verified: Option<bool>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    via: Option<Via>,
    at: Option<Timestamp>,
    #[serde(default)]
    attempts: u32,
}

impl Row {
    /// Reads a line of an NDJSON report, with what it has of the `carried` columns.
    ///
    /// # Errors
    /// What is wrong with the line, in words.
    pub fn parse(line: &[u8], carried: &[String]) -> Result<Self, String> {
        let line: Line<'_> = serde_json::from_slice(line).map_err(|error| {
            let text = error.to_string();
            // There is but one line, and the column says little to anybody.
            visible(text.split(" at line ").next().unwrap_or_default()).into_owned()
        })?;
        if line.status == Status::Ok && line.public_repos.is_none() {
            return Err("it is ok, but has no public_repos".into());
        }
        let breakdown = match (line.sources, line.forks, line.archived) {
            (Some(sources), Some(forks), Some(archived)) => Some(Breakdown { sources, forks, archived }),
            _ => None,
        };
        Ok(Self {
            login: visible(&line.login).into_owned(),
            status: line.status,
            kind: line.kind,
            id: line.id,
            public_repos: line.public_repos,
            breakdown,
            private_repos: line.private_repos,
            carried: carried
                .iter()
                .map(|name| Some(line.carried.get(name.as_str())?.as_deref()?.into()))
                .collect(),
            verified: line.verified,
            error: line.error.map(|error| visible(&error).into_owned()),
            via: line.via,
            at: line.at,
            attempts: line.attempts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{Format, Look, Order, SortKey, sample};
    use crate::report::{Columns, Measures};

    #[test]
    fn what_was_written_is_read_again() {
        let columns = Columns::of(Measures { breakdown: true, private: true }, &[], true);
        let order = Order { by: SortKey::Roster, top: None };
        let ndjson = sample::report_of(columns, Format::Ndjson, order, Look::default());
        for (line, row) in ndjson.lines().zip(sample::rows()) {
            assert_eq!(Row::parse(line.as_bytes(), &[]).unwrap(), row, "{line}");
        }
        let spaced = ndjson.lines().next().unwrap().replace("\":", "\": ").replace(",\"", ", \"");
        assert_eq!(Row::parse(spaced.as_bytes(), &[]).unwrap(), sample::rows()[0]);
    }

    #[test]
    fn what_is_no_row_says_why() {
        for (line, reason) in [
            ("", "EOF while parsing a value"),
            ("{\"login\":\"a\"}", "missing field `status`"),
            ("{\"level\":\"info\"}", "missing field `login`"),
            ("{\"login\":\"a\",\"status\":\"fine\"}", "unknown variant `fine`, expected one of"),
            ("{\"login\":\"a\",\"status\":\"ok\"}", "it is ok, but has no public_repos"),
            ("{\"login\":\"a\",\"status\":\"ok\",\"public_repos\":-1}", "invalid value: integer `-1`"),
        ] {
            let told = Row::parse(line.as_bytes(), &[]).unwrap_err();
            assert!(told.starts_with(reason), "{line}: {told}");
        }
    }
}
