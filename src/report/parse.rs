//! Reading a row of a report of ours: a line of NDJSON.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{AccountKind, ApiKind, Breakdown, Carried, Change, CountSelection, ReportSchema, Row, Status};
use crate::object::Object;
use crate::text::{sanitize_line, sanitize_multiline};

/// The keys that are read. Others are not ours, or of a later version.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    login: Cow<'a, str>,
    status: Status,
    kind: Option<AccountKind>,
    id: Option<u64>,
    public_repos: Option<u64>,
    #[serde(default)]
    sources: Key<u64>,
    #[serde(default)]
    forks: Key<u64>,
    #[serde(default)]
    archived: Key<u64>,
    #[serde(default)]
    private_repos: Key<u64>,
    #[serde(borrow, default)]
    carried: Texts<'a>,
    was: Option<u64>,
    #[serde(default)]
    change: Key<Change>,
    #[serde(default)]
    verified: Key<bool>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    via: Option<ApiKind>,
    at: Option<Timestamp>,
    #[serde(default)]
    attempts: u32,
    #[serde(borrow, default)]
    exchange: Key<Text<'a>>,
}

/// What a line holds beside what every row does, and what it carries.
#[derive(Debug, Default)]
pub(super) struct Keys {
    pub(super) holds: ReportSchema,
    pub(super) carried: Vec<(String, Option<Box<str>>)>,
}

impl Row {
    /// Reads a line of an NDJSON report, with what it has of the `carried` columns.
    ///
    /// # Errors
    /// What is wrong with the line, in words.
    pub(crate) fn parse(line: &[u8], carried: &[String]) -> Result<Self, String> {
        let (mut row, mut keys) = Self::parse_whole(line)?;
        let take = |name: &String| {
            keys.carried.iter_mut().find(|(other, _)| other == name).and_then(|(_, text)| text.take())
        };
        row.carried = carried.iter().map(take).collect();
        Ok(row)
    }

    /// Reads a line, and tells what it holds; what it carries is with that, and not in the row.
    pub(super) fn parse_whole(line: &[u8]) -> Result<(Self, Keys), String> {
        let Object(line): Object<Line<'_>> = serde_json::from_slice(line).map_err(|error| {
            let text = error.to_string();
            // There is but one line, and the column says little to anybody.
            sanitize_line(text.split(" at line ").next().unwrap_or_default()).into_owned()
        })?;
        if line.status == Status::Ok && line.public_repos.is_none() {
            return Err("it is ok, but has no public_repos".into());
        }
        let carried = line.carried.0.into_iter();
        let keys = Keys {
            holds: ReportSchema {
                measures: CountSelection {
                    breakdown: line.sources.is_here(),
                    private: line.private_repos.is_here(),
                },
                carried: Vec::new(),
                change: line.change.is_here(),
                verified: line.verified.is_here(),
                exchange: line.exchange.is_here(),
            },
            carried: carried
                .map(|(name, text)| {
                    (sanitize_line(&name).into_owned(), text.map(|text| sanitize_multiline(&text).into()))
                })
                .collect(),
        };
        let breakdown = match (line.sources.value(), line.forks.value(), line.archived.value()) {
            (Some(sources), Some(forks), Some(archived)) => Some(Breakdown { sources, forks, archived }),
            _ => None,
        };
        let row = Self {
            login: sanitize_line(&line.login).into_owned(),
            status: line.status,
            kind: line.kind,
            id: line.id,
            public_repos: line.public_repos,
            breakdown,
            private_repos: line.private_repos.value(),
            carried: Carried::default(),
            was: line.was,
            change: line.change.value(),
            verified: line.verified.value(),
            error: line.error.map(|error| sanitize_line(&error).into_owned()),
            via: line.via,
            at: line.at,
            attempts: line.attempts,
            exchange: line.exchange.value().map(|Text(path)| sanitize_line(&path).into()),
        };
        Ok((row, keys))
    }
}

/// A JSON object, in its order.
#[derive(Default)]
struct Texts<'a>(Vec<(Cow<'a, str>, Option<Cow<'a, str>>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Texts<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of texts")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Texts<'de>, A::Error> {
                let mut texts = Vec::new();
                while let Some((Text(name), text)) = map.next_entry::<Text<'de>, Option<Text<'de>>>()? {
                    texts.push((name, text.map(|Text(text)| text)));
                }
                Ok(Texts(texts))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A key: one that is `null` is told from one that is not there.
#[derive(Default)]
enum Key<T> {
    #[default]
    Missing,
    Here(Option<T>),
}

impl<T> Key<T> {
    fn is_here(&self) -> bool {
        matches!(self, Self::Here(_))
    }

    fn value(self) -> Option<T> {
        match self {
            Self::Missing => None,
            Self::Here(value) => value,
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Key<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::deserialize(deserializer).map(Self::Here)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{Format, RowOrder, SortKey, TerminalStyle, sample};
    use crate::report::Columns;

    #[test]
    fn what_was_written_is_read_again() {
        let columns = Columns::of(&ReportSchema {
            measures: CountSelection { breakdown: true, private: true },
            verified: true,
            ..ReportSchema::default()
        });
        let order = RowOrder { by: SortKey::Input, top: None };
        let ndjson = sample::report_of(columns, Format::Ndjson, order, TerminalStyle::default());
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
            ("[\"a\",\"skipped\"]", "invalid type: sequence, expected an object"),
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
