//! The table of columns: [`COLUMNS`] is the only list of them.
//!
//! Renderers, the readers of saved reports, the database, `--sort` and `--resume` are driven by it, so a new column is a field
//! of [`Row`] and an entry here. CONTRIBUTING lists the files of a new measure.

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AccountKind, ApiKind, Breakdown, CountSelection, Event, GROUP_DELIMITER, Row, Status, groups_in,
};
use crate::text::sanitize_line;

/// A column that the program defines. Keys and their order are a contract.
#[derive(Debug)]
pub(crate) struct ColumnSpec {
    /// JSON key, CSV header, and name in the database.
    pub(crate) key: &'static str,
    /// Heading for people. Empty for a column that only programs read.
    pub(crate) heading: &'static str,
    pub(crate) role: Role,
    pub(crate) value: ValueType,
    /// None: every report has the column.
    pub(crate) group: Option<ColumnGroup>,
    /// Explanation below the sum on an HTML page.
    pub(crate) note: &'static str,
    /// OpenMetrics family with one sample per account, and its help. Empty for a column without a family.
    pub(crate) metric: &'static str,
    pub(crate) help: &'static str,
    get: for<'a> fn(&'a Row) -> Cell<'a>,
    /// Returns None for a cell that the column cannot have.
    set: fn(&mut Row, &Cell<'_>) -> Option<()>,
}

impl ColumnSpec {
    /// Returns true for a measure of the account, which GitHub returns.
    fn is_measure(&self) -> bool {
        matches!(self.role, Role::Measure | Role::LastPush)
    }

    /// Returns true for the parts of the public repositories.
    fn is_part(&self) -> bool {
        self.group.is_some_and(|group| group.flag == "--breakdown")
    }
}

impl PartialEq for ColumnSpec {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for ColumnSpec {}

/// Place of a column in a report for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Login,
    Status,
    Kind,
    /// A count of repositories, which can be added up.
    Measure,
    /// The time of the latest push.
    LastPush,
    /// Copied from the input.
    Extra,
    Was,
    Change,
    /// For people it has the previous login, too.
    Event,
    Verified,
    Error,
    /// Only for programs.
    Technical,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ValueType {
    Text,
    /// One of a few words.
    Label,
    /// 64 bits, unsigned: a server can report any number.
    Number,
    /// 32 bits, unsigned.
    SmallNumber,
    /// 64 bits, signed.
    Delta,
    Bool,
    Timestamp,
    /// The extra columns.
    Object,
}

/// Columns that one flag adds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ColumnGroup {
    pub(crate) flag: &'static str,
    pub(crate) is_in: fn(&ReportSchema) -> bool,
    add_to: fn(&mut ReportSchema),
}

const BREAKDOWN: Option<ColumnGroup> = Some(ColumnGroup {
    flag: "--breakdown",
    is_in: |schema| schema.counts.breakdown,
    add_to: |schema| schema.counts.breakdown = true,
});
const PRIVATE: Option<ColumnGroup> = Some(ColumnGroup {
    flag: "--private",
    is_in: |schema| schema.counts.private,
    add_to: |schema| schema.counts.private = true,
});
const LAST_PUSH: Option<ColumnGroup> = Some(ColumnGroup {
    flag: "--last-push",
    is_in: |schema| schema.counts.last_push,
    add_to: |schema| schema.counts.last_push = true,
});
const BASELINE: Option<ColumnGroup> = Some(ColumnGroup {
    flag: "--baseline",
    is_in: |schema| schema.change,
    add_to: |schema| schema.change = true,
});
const VERIFY: Option<ColumnGroup> = Some(ColumnGroup {
    flag: "--verify",
    is_in: |schema| schema.verified,
    add_to: |schema| schema.verified = true,
});
const RECORDING: Option<ColumnGroup> = Some(ColumnGroup {
    flag: "--record",
    is_in: |schema| schema.exchange,
    add_to: |schema| schema.exchange = true,
});

/// Defaults of an entry.
const COLUMN: ColumnSpec = ColumnSpec {
    key: "",
    heading: "",
    role: Role::Technical,
    value: ValueType::Text,
    group: None,
    note: "",
    metric: "",
    help: "",
    get: |_| Cell::Null,
    set: |_, _| None,
};

/// Defaults of a measure.
const MEASURE: ColumnSpec = ColumnSpec { role: Role::Measure, value: ValueType::Number, ..COLUMN };

/// Columns in their order. One entry stands for all extra columns.
pub(crate) static COLUMNS: [ColumnSpec; 22] = [
    ColumnSpec {
        key: "login",
        heading: "Login",
        role: Role::Login,
        get: |row| Cell::text(Some(&row.login)),
        set: |row, cell| set(&mut row.login, cell.line()),
        ..COLUMN
    },
    ColumnSpec {
        key: EXTRA_KEY,
        role: Role::Extra,
        value: ValueType::Object,
        // A CSV file has a column for each. One of this name is ignored.
        set: |_, _| Some(()),
        ..COLUMN
    },
    ColumnSpec {
        key: "status",
        heading: "Outcome",
        role: Role::Status,
        value: ValueType::Label,
        get: |row| Cell::text(Some(row.status.as_str())),
        set: |row, cell| set(&mut row.status, Status::parse(cell.as_text()?)),
        ..COLUMN
    },
    ColumnSpec {
        key: "type",
        heading: "Type",
        role: Role::Kind,
        value: ValueType::Label,
        get: |row| Cell::text(row.kind.map(AccountKind::as_str)),
        // A later version may have more words.
        set: |row, cell| set(&mut row.kind, Some(AccountKind::parse(cell.as_text()?))),
        ..COLUMN
    },
    ColumnSpec {
        key: "public_repos",
        heading: "Public repos",
        metric: "ghrepos_account_public_repositories",
        help: "Public repositories that the account owns, forks included.",
        get: |row| Cell::number(row.public_repos),
        set: |row, cell| set_some(&mut row.public_repos, cell.as_number()),
        ..MEASURE
    },
    ColumnSpec {
        key: "sources",
        heading: "Sources",
        group: BREAKDOWN,
        metric: "ghrepos_account_source_repositories",
        help: "Public repositories that are not forks.",
        get: |row| Cell::number(row.breakdown.map(|breakdown| breakdown.sources)),
        set: |row, cell| set(&mut breakdown(row).sources, cell.as_number()),
        ..MEASURE
    },
    ColumnSpec {
        key: "forks",
        heading: "Forks",
        group: BREAKDOWN,
        metric: "ghrepos_account_forked_repositories",
        help: "Public repositories that are forks.",
        get: |row| Cell::number(row.breakdown.map(|breakdown| breakdown.forks)),
        set: |row, cell| set(&mut breakdown(row).forks, cell.as_number()),
        ..MEASURE
    },
    ColumnSpec {
        key: "archived",
        heading: "Archived",
        group: BREAKDOWN,
        note: "sources and forks",
        metric: "ghrepos_account_archived_repositories",
        help: "Public repositories that are archived, sources and forks.",
        get: |row| Cell::number(row.breakdown.map(|breakdown| breakdown.archived)),
        set: |row, cell| set(&mut breakdown(row).archived, cell.as_number()),
        ..MEASURE
    },
    ColumnSpec {
        key: "private_repos",
        heading: "Private",
        group: PRIVATE,
        note: "where the token can see all",
        metric: "ghrepos_account_private_repositories",
        help: "Private repositories of accounts where the token can see all of them.",
        get: |row| Cell::number(row.private_repos),
        set: |row, cell| set_some(&mut row.private_repos, cell.as_number()),
        ..MEASURE
    },
    ColumnSpec {
        key: "internal_repos",
        heading: "Internal",
        group: PRIVATE,
        note: "where the token can see all",
        metric: "ghrepos_account_internal_repositories",
        help: "Internal repositories of organizations where the token can see all of them.",
        get: |row| Cell::number(row.internal_repos),
        set: |row, cell| set_some(&mut row.internal_repos, cell.as_number()),
        ..MEASURE
    },
    ColumnSpec {
        key: "last_push",
        heading: "Last push",
        role: Role::LastPush,
        value: ValueType::Timestamp,
        group: LAST_PUSH,
        metric: "ghrepos_account_last_push_timestamp_seconds",
        help: "Latest push to a public repository of the account, since 1970.",
        get: |row| Cell::time(row.last_push),
        set: |row, cell| set_some(&mut row.last_push, cell.as_time()),
        ..COLUMN
    },
    ColumnSpec {
        key: "was",
        heading: "Was",
        role: Role::Was,
        value: ValueType::Number,
        group: BASELINE,
        get: |row| Cell::number(row.was),
        set: |row, cell| set_some(&mut row.was, cell.as_number()),
        ..COLUMN
    },
    ColumnSpec {
        key: "change",
        heading: "Change",
        role: Role::Change,
        value: ValueType::Delta,
        group: BASELINE,
        metric: "ghrepos_account_change_repositories",
        help: "Public repositories now minus those in the baseline.",
        get: |row| row.change.map_or(Cell::Null, Cell::Delta),
        set: |row, cell| set_some(&mut row.change, cell.as_delta()),
        ..COLUMN
    },
    ColumnSpec {
        key: "event",
        heading: "Event",
        role: Role::Event,
        value: ValueType::Label,
        group: BASELINE,
        get: |row| Cell::text(row.event.map(Event::as_str)),
        set: |row, cell| set(&mut row.event, Some(Event::parse(cell.as_text()?))),
        ..COLUMN
    },
    ColumnSpec {
        key: "previous_login",
        group: BASELINE,
        get: |row| Cell::text(row.previous_login.as_deref()),
        set: |row, cell| set_some(&mut row.previous_login, cell.line()),
        ..COLUMN
    },
    ColumnSpec {
        key: "verified",
        heading: "Verified",
        role: Role::Verified,
        value: ValueType::Bool,
        group: VERIFY,
        metric: "ghrepos_account_verified",
        help: "1 if GitHub's two APIs agree, 0 if they differ.",
        get: |row| row.verified.map_or(Cell::Null, Cell::Bool),
        set: |row, cell| set_some(&mut row.verified, cell.as_bool()),
        ..COLUMN
    },
    ColumnSpec {
        key: "error",
        heading: "Reason",
        role: Role::Error,
        get: |row| Cell::text(row.error.as_deref()),
        set: |row, cell| set_some(&mut row.error, cell.line()),
        ..COLUMN
    },
    ColumnSpec {
        key: "id",
        value: ValueType::Number,
        get: |row| Cell::number(row.id),
        set: |row, cell| set_some(&mut row.id, cell.as_number()),
        ..COLUMN
    },
    ColumnSpec {
        key: "api",
        value: ValueType::Label,
        get: |row| Cell::text(row.api.map(ApiKind::as_str)),
        set: |row, cell| set(&mut row.api, Some(ApiKind::parse(cell.as_text()?))),
        ..COLUMN
    },
    ColumnSpec {
        key: "at",
        value: ValueType::Timestamp,
        get: |row| Cell::time(row.at),
        set: |row, cell| set_some(&mut row.at, cell.as_time()),
        ..COLUMN
    },
    ColumnSpec {
        key: "attempts",
        value: ValueType::SmallNumber,
        get: |row| Cell::Number(row.attempts.into()),
        set: |row, cell| set(&mut row.attempts, u32::try_from(cell.as_number()?).ok()),
        ..COLUMN
    },
    ColumnSpec {
        key: "exchange",
        group: RECORDING,
        get: |row| Cell::text(row.exchange.as_deref()),
        set: |row, cell| set_some(&mut row.exchange, cell.line().map(Into::into)),
        ..COLUMN
    },
];

/// JSON key of the object with the extra columns.
pub(crate) const EXTRA_KEY: &str = "carried";

fn set<T>(field: &mut T, value: Option<T>) -> Option<()> {
    *field = value?;
    Some(())
}

fn set_some<T>(field: &mut Option<T>, value: Option<T>) -> Option<()> {
    *field = Some(value?);
    Some(())
}

/// The parts of a count. [`Row::from_cells`] removes them if one is missing.
fn breakdown(row: &mut Row) -> &mut Breakdown {
    row.breakdown.get_or_insert(Breakdown { sources: 0, forks: 0, archived: 0 })
}

/// Returns true if an extra column cannot have this name. Some readers of CSV, and databases, ignore case.
pub(crate) fn is_reserved(name: &str) -> bool {
    COLUMNS.iter().any(|spec| spec.key.eq_ignore_ascii_case(name))
}

/// Columns that the rows of a report have in addition to those of every report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ReportSchema {
    pub(crate) counts: CountSelection,
    /// Names of the extra columns.
    pub(crate) carried: Vec<String>,
    pub(crate) change: bool,
    pub(crate) verified: bool,
    pub(crate) exchange: bool,
}

impl ReportSchema {
    /// Returns the position of an extra column, in any case.
    pub(crate) fn carried_index(&self, name: &str) -> Option<usize> {
        let name = name.to_lowercase();
        self.carried.iter().position(|carried| carried.to_lowercase() == name)
    }

    /// Adds the columns of another report, except the extra ones.
    pub(super) fn add(&mut self, other: &Self) {
        let groups = COLUMNS.iter().filter_map(|spec| spec.group);
        groups.filter(|group| (group.is_in)(other)).for_each(|group| (group.add_to)(self));
    }

    pub(super) fn add_group_of(&mut self, spec: &ColumnSpec) {
        if let Some(group) = spec.group {
            (group.add_to)(self);
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Own(&'static ColumnSpec),
    /// Copied from the input.
    Extra {
        /// Position among the extra columns.
        index: usize,
        name: Arc<str>,
    },
}

impl Column {
    /// Returns the CSV header and JSON key. That of an extra column is inside `carried`.
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Own(spec) => spec.key,
            Self::Extra { name, .. } => name,
        }
    }

    /// Returns the heading for people. None for a column that only programs read.
    pub(crate) fn heading(&self) -> Option<&str> {
        match self {
            Self::Own(spec) => Some(spec.heading).filter(|heading| !heading.is_empty()),
            Self::Extra { name, .. } => Some(name),
        }
    }

    pub(crate) fn role(&self) -> Role {
        match self {
            Self::Own(spec) => spec.role,
            Self::Extra { .. } => Role::Extra,
        }
    }

    pub(crate) fn is_numeric(&self) -> bool {
        matches!(self, Self::Own(ColumnSpec { value: ValueType::Number | ValueType::Delta, .. }))
    }

    pub(crate) fn is_part(&self) -> bool {
        matches!(self, Self::Own(spec) if spec.is_part())
    }
}

/// The columns of one report.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    pub(super) list: Vec<Column>,
    pub(super) carried: Vec<String>,
    /// The columns of `--columns`.
    pub(super) chosen: Option<Vec<Column>>,
}

impl Columns {
    pub(crate) fn of(schema: &ReportSchema) -> Self {
        let mut list = Vec::new();
        for spec in &COLUMNS {
            if spec.role == Role::Extra {
                let extra = schema.carried.iter().enumerate();
                list.extend(extra.map(|(index, name)| Column::Extra { index, name: name.as_str().into() }));
            } else if spec.group.is_none_or(|group| (group.is_in)(schema)) {
                list.push(Column::Own(spec));
            }
        }
        Self { list, carried: schema.carried.clone(), chosen: None }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Column> {
        self.list.iter()
    }

    pub(crate) fn carried(&self) -> &[String] {
        &self.carried
    }
}

/// A JSON text. Without escapes it is borrowed.
#[derive(PartialEq, Eq, Hash, Deserialize)]
pub(super) struct Text<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Cell<'a> {
    /// `null`; an empty CSV field.
    Null,
    /// Text without control characters. An extra column may have tabs and line ends.
    Text(Cow<'a, str>),
    Number(u64),
    Delta(i64),
    Bool(bool),
}

impl<'a> Cell<'a> {
    /// Parses a JSON value that is not an array or an object. The first byte has its type; the derived parser of an untagged
    /// enum takes twice as long.
    pub(super) fn parse(json: &'a str) -> serde_json::Result<Self> {
        Ok(match json.as_bytes().first() {
            Some(b'n') => Self::Null,
            Some(b't' | b'f') => Self::Bool(serde_json::from_str(json)?),
            Some(b'-') => Self::Delta(serde_json::from_str(json)?),
            Some(b'0'..=b'9') => Self::Number(serde_json::from_str(json)?),
            _ => Self::Text(serde_json::from_str::<Text<'_>>(json)?.0),
        })
    }

    fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, |text| Self::Text(text.into()))
    }

    fn number(number: Option<u64>) -> Self {
        number.map_or(Self::Null, Self::Number)
    }

    fn time(time: Option<Timestamp>) -> Self {
        time.map_or(Self::Null, |time| Self::Text(time.to_string().into()))
    }

    fn as_time(&self) -> Option<Timestamp> {
        self.as_text()?.parse().ok()
    }

    fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns text without control characters.
    fn line(&self) -> Option<String> {
        Some(sanitize_line(self.as_text()?).into_owned())
    }

    pub(crate) fn as_number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Returns a number, a difference, or the seconds of a time since 1970.
    #[cfg(feature = "cli")]
    pub(crate) fn as_integer(&self) -> Option<i128> {
        match self {
            Self::Number(number) => Some((*number).into()),
            Self::Delta(difference) => Some((*difference).into()),
            Self::Text(_) => self.as_time().map(|time| time.as_second().into()),
            Self::Null | Self::Bool(_) => None,
        }
    }

    fn invalid_as(&self, spec: &ColumnSpec) -> String {
        let value = serde_json::to_string(self).unwrap_or_default();
        format!("invalid {}: {}", spec.key, sanitize_line(&value))
    }

    fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    fn as_delta(&self) -> Option<i64> {
        match self {
            Self::Number(number) => i64::try_from(*number).ok(),
            Self::Delta(difference) => Some(*difference),
            _ => None,
        }
    }
}

impl Row {
    pub(crate) fn cell(&self, column: &Column) -> Cell<'_> {
        match column {
            Column::Own(spec) => self.own_cell(spec),
            Column::Extra { index, .. } => self.extra_text(*index).map_or(Cell::Null, Cell::Text),
        }
    }

    /// Returns an extra cell; several groups are joined by `; `.
    pub(crate) fn extra_text(&self, index: usize) -> Option<Cow<'_, str>> {
        let cell = self.carried.get(index)?.as_deref()?;
        if groups_in(cell).nth(1).is_none() {
            return Some(cell.into());
        }
        Some(groups_in(cell).collect::<Vec<_>>().join(GROUP_DELIMITER).into())
    }

    pub(crate) fn own_cell(&self, spec: &ColumnSpec) -> Cell<'_> {
        (spec.get)(self)
    }

    /// Returns true if the row has the measures of `wanted`. It was saved with the columns of `saved`: a private count and the
    /// last push may be null.
    pub(crate) fn has_measures_of(&self, wanted: &ReportSchema, saved: &ReportSchema) -> bool {
        let mut measures = COLUMNS
            .iter()
            .filter(|spec| spec.is_measure() && spec.group.is_some_and(|group| (group.is_in)(wanted)));
        let was_asked = |spec: &ColumnSpec| spec.group.is_some_and(|group| (group.is_in)(saved));
        measures.all(|spec| self.own_cell(spec) != Cell::Null || (!spec.is_part() && was_asked(spec)))
    }

    /// Returns the flag of the first optional count of this row that `schema` does not have.
    pub(crate) fn flag_missing_in(&self, schema: &ReportSchema) -> Option<&'static str> {
        let counts = COLUMNS.iter().filter(|spec| spec.is_measure() || spec.role == Role::Verified);
        let mut groups =
            counts.filter(|spec| self.own_cell(spec) != Cell::Null).filter_map(|spec| spec.group);
        groups.find(|group| !(group.is_in)(schema)).map(|group| group.flag)
    }

    /// Makes a row of the cells of a saved report, in the order of [`COLUMNS`]. The error is the reason why they are not a row.
    pub(super) fn from_cells(cells: &[Option<Cell<'_>>]) -> Result<Self, String> {
        let mut row = Self::default();
        let mut has_all_parts = true;
        for (spec, cell) in COLUMNS.iter().zip(cells) {
            match cell.as_ref().unwrap_or(&Cell::Null) {
                Cell::Null if matches!(spec.role, Role::Login | Role::Status) => {
                    return Err(format!("missing field `{}`", spec.key));
                }
                Cell::Null => has_all_parts &= !spec.is_part(),
                cell => (spec.set)(&mut row, cell).ok_or_else(|| cell.invalid_as(spec))?,
            }
        }
        if !has_all_parts {
            row.breakdown = None;
        }
        if row.status == Status::Ok && row.public_repos.is_none() {
            return Err("it is ok, but has no public_repos".into());
        }
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_are_keys_in_any_case() {
        assert!(is_reserved("ID") && is_reserved("carried") && !is_reserved("team"));
    }

    #[test]
    fn a_column_is_set_to_what_it_was() {
        let row = crate::render::sample::rows().remove(0);
        let cells: Vec<_> = COLUMNS.iter().map(|spec| Some(row.own_cell(spec))).collect();
        assert_eq!(Row::from_cells(&cells).unwrap(), row);
    }
}
