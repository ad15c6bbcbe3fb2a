//! JSON and NDJSON: strings, objects with a login, and lists of both at any depth.

use std::io::{self, BufRead};

use serde::Deserializer;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::error::Category;

use super::columns::{Rank, normalize, quoted};
use super::csv::carried_cell;
use super::text::{RECORDS_PER_BATCH, Sender, next_line};
use super::{EmptyRows, InputOptions, InputRecord, LoginColumn, SharedReport, Text};
use crate::decode::trim;
use crate::report::{Carried, add_groups};

/// Bytes of a line. The rows of our own reports are shorter.
const MAX_LINE: usize = 16 << 20;
const MAX_KEYS_LISTED: usize = 12;
/// Names of lists of logins. Other lists of texts hold something else, such as file names.
const LISTS: [&str; 17] = [
    "accounts",
    "authors",
    "collaborators",
    "contributors",
    "githublogins",
    "githubusernames",
    "handles",
    "logins",
    "maintainers",
    "members",
    "nodes",
    "owners",
    "people",
    "persons",
    "usernames",
    "users",
    "githubusers",
];

/// Columns that are taken from JSON.
#[derive(Clone, Debug)]
pub(super) struct JsonOptions {
    login_column: Option<LoginColumn>,
    carry: Vec<String>,
    group_column: Option<usize>,
}

impl JsonOptions {
    pub(super) fn new(options: &InputOptions) -> Self {
        Self {
            login_column: options.login_column.clone(),
            carry: options.carry.clone(),
            group_column: options.group_column,
        }
    }
}

/// Sends the logins of a JSON value per line.
pub(super) fn read_lines(
    mut text: Text,
    name: &str,
    options: JsonOptions,
    sender: &Sender,
    report: &SharedReport,
) -> io::Result<()> {
    let mut extractor = Extractor::new(options, sender, BatchSize::Full);
    let (mut line, mut number) = (Vec::new(), 0_u64);
    loop {
        match next_line(&mut text, &mut line, MAX_LINE) {
            Ok(true) => number += 1,
            Ok(false) => return extractor.finish(name, report),
            Err(error) => return sender.fail(&mut extractor.batch, error),
        }
        let value = line.trim_ascii();
        if value.is_empty() {
            continue;
        }
        let mut json = serde_json::Deserializer::from_slice(value);
        let read = extractor.read(&mut json).and_then(|()| json.end());
        if let Err(error) = read {
            return extractor.fail(error, number);
        }
        if memchr::memchr2(b'\n', b'\r', text.buffer()).is_none() {
            extractor.send()?;
        }
    }
}

/// Sends the logins of JSON values, one behind the other. Lists are not held in memory.
pub(super) fn read_values(
    mut text: Text,
    name: &str,
    options: JsonOptions,
    batch_size: BatchSize,
    sender: &Sender,
    report: &SharedReport,
) -> io::Result<()> {
    let mut extractor = Extractor::new(options, sender, batch_size);
    loop {
        match skip_blanks(&mut text) {
            Ok(true) => {}
            Ok(false) => return extractor.finish(name, report),
            Err(error) => return sender.fail(&mut extractor.batch, error),
        }
        let read = extractor.read(&mut serde_json::Deserializer::from_reader(&mut text));
        if let Err(error) = read {
            let line = error.line() as u64;
            return extractor.fail(error, line);
        }
    }
}

/// Skips white space and commas between values. Returns false at the end.
fn skip_blanks(text: &mut Text) -> io::Result<bool> {
    loop {
        let buffer = text.fill_buf()?;
        if buffer.is_empty() {
            return Ok(false);
        }
        let blanks = buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let is_end = blanks == buffer.len();
        text.consume(blanks);
        if !is_end {
            return Ok(true);
        }
    }
}

/// Number of records that are sent together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchSize {
    Full,
    /// For a pipe, which may pause after each record.
    One,
}

/// A key with its value. The keys of nested objects are joined by points: `author.login`.
struct Cell {
    path: String,
    depth: usize,
    text: String,
    /// Elements of a list of texts.
    list: Vec<String>,
}

struct Extractor<'a> {
    options: JsonOptions,
    sender: &'a Sender,
    batch_size: BatchSize,
    batch: Vec<InputRecord>,
    /// Path of the logins, chosen by the first object that has one.
    login_path: Option<String>,
    /// Carried columns that some object has had.
    seen_columns: Vec<bool>,
    is_sent: bool,
    records: u64,
    empty: u64,
    /// Keys of the first object without a login.
    keys: Option<Vec<String>>,
    /// An error that is not one of JSON.
    error: Option<io::Error>,
}

impl<'a> Extractor<'a> {
    fn new(options: JsonOptions, sender: &'a Sender, batch_size: BatchSize) -> Self {
        let seen_columns = vec![false; options.carry.len()];
        Self {
            options,
            sender,
            batch_size,
            batch: Vec::new(),
            login_path: None,
            seen_columns,
            is_sent: false,
            records: 0,
            empty: 0,
            keys: None,
            error: None,
        }
    }

    fn read<'de, D: Deserializer<'de>>(&mut self, json: D) -> Result<(), D::Error> {
        let records = self.records;
        let mut cells = Vec::new();
        Node {
            extractor: self,
            path: "",
            place: Place::LoginList,
            depth: 0,
            cells: &mut cells,
            has_login: false,
        }
        .deserialize(json)?;
        if !cells.is_empty() && self.records == records {
            self.object(&cells).map_err(serde::de::Error::custom)?;
        }
        Ok(())
    }

    fn fail(mut self, error: serde_json::Error, line: u64) -> io::Result<()> {
        let error = match (self.error.take(), error.classify()) {
            // No record of the first batch is worth a request if the choice of columns is wrong.
            (Some(error), _) if error.kind() == io::ErrorKind::InvalidInput => return Err(error),
            (Some(error), _) => error,
            (None, Category::Io) => error.into(),
            (None, Category::Eof) => io::Error::other(format!("line {line} is cut off")),
            (None, _) => io::Error::other(format!("line {line} is not JSON")),
        };
        self.sender.fail(&mut self.batch, error)
    }

    /// Keeps an error of the choice of columns, and stops reading.
    fn refuse<T>(&mut self, reason: String) -> Result<T, &'static str> {
        self.error = Some(io::Error::new(io::ErrorKind::InvalidInput, reason));
        Err("refused")
    }

    fn finish(mut self, name: &str, report: &SharedReport) -> io::Result<()> {
        if self.records == 0
            && let Some(keys) = self.keys.take()
        {
            return Err(io::Error::other(format!(
                "it has no key of logins ({}); name one with --login-column",
                listed(&keys)
            )));
        }
        report.lock().warn_empty_rows(name, &EmptyRows::unnumbered(self.empty));
        self.check_columns()?;
        self.sender.send(&mut self.batch)
    }

    fn send(&mut self) -> io::Result<()> {
        if self.batch.is_empty() {
            return Ok(());
        }
        self.check_columns()?;
        self.is_sent = true;
        self.sender.send(&mut self.batch)
    }

    /// Before anything is sent, each carried column must be in one of the records.
    fn check_columns(&self) -> io::Result<()> {
        let missing = self.seen_columns.iter().zip(&self.options.carry).find(|(is_seen, _)| !**is_seen);
        match missing {
            Some((_, name)) if !self.is_sent && self.records > 0 => {
                let keys =
                    self.keys.as_deref().map(|keys| format!(" ({})", listed(keys))).unwrap_or_default();
                Err(io::Error::other(format!("column {} not found{keys}", quoted(name))))
            }
            _ => Ok(()),
        }
    }

    /// Adds the records of a text.
    fn push(&mut self, text: &str, carried: Carried) -> Result<(), &'static str> {
        self.sender.parse(text, carried, &mut self.batch);
        self.records += 1;
        if self.batch_size == BatchSize::One || self.batch.len() >= RECORDS_PER_BATCH {
            self.send().map_err(|error| {
                self.error = Some(error);
                "not sent"
            })?;
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), &'static str> {
        let text = trim(text);
        if text.is_empty() {
            self.empty += 1;
            return Ok(());
        }
        self.push(text, Carried::default())
    }

    /// Adds the login of an object. Returns false if it has no key of logins.
    fn object(&mut self, cells: &[Cell]) -> Result<bool, &'static str> {
        if self.keys.is_none() {
            self.keys = Some(cells.iter().map(|cell| cell.path.clone()).collect());
        }
        let known =
            self.login_path.as_deref().and_then(|path| cells.iter().position(|cell| cell.path == path));
        let at = match known {
            Some(at) => at,
            None => match self.login_cell(cells)? {
                Some(at) => at,
                None => return Ok(false),
            },
        };
        let Some(cell) = cells.get(at) else { return Ok(false) };
        if self.login_path.is_none() {
            self.login_path = Some(cell.path.clone());
        }
        let login = trim(&cell.text);
        if login.is_empty() {
            self.empty += 1;
            return Ok(true);
        }
        let carried = self.carried(cells);
        self.push(login, carried)?;
        Ok(true)
    }

    /// Returns the cell of the login: that of `--login-column`, else the one of the highest rank, at the least depth.
    fn login_cell(&mut self, cells: &[Cell]) -> Result<Option<usize>, &'static str> {
        match &self.options.login_column {
            Some(LoginColumn::Name(name)) => return Ok(find(cells, name)),
            Some(LoginColumn::Number(_)) => {
                return self.refuse("its values have names, not numbers: use --login-column NAME".into());
            }
            None => {}
        }
        let rank = |cell: &Cell| {
            let (parents, key) = cell.path.rsplit_once('.').unwrap_or(("", &cell.path));
            let parent = parents.rsplit('.').next().unwrap_or_default();
            // The login in an object `github` is one of GitHub.
            let of_both = Rank::of(&format!("{parent}{key}")).filter(|rank| *rank == Rank::Github);
            of_both.or_else(|| Rank::of(key)).map(|rank| (rank, std::cmp::Reverse(cell.depth)))
        };
        let Some(best) = cells.iter().filter_map(rank).max() else { return Ok(None) };
        let candidates: Vec<_> =
            (0..cells.len()).filter(|at| cells.get(*at).and_then(rank) == Some(best)).collect();
        if candidates.len() > 1 {
            let keys: Vec<_> =
                candidates.iter().filter_map(|at| cells.get(*at)).map(|cell| quoted(&cell.path)).collect();
            let keys = keys.join(" and ");
            return self
                .refuse(format!("several keys may hold the logins: {keys}; choose one with --login-column"));
        }
        Ok(candidates.first().copied())
    }

    fn carried(&mut self, cells: &[Cell]) -> crate::report::Carried {
        let columns = self.options.carry.iter().zip(&mut self.seen_columns).enumerate();
        let carried = columns.map(|(index, (name, is_seen))| {
            let cell = cells.get(find(cells, name)?)?;
            *is_seen = true;
            if self.options.group_column == Some(index) && !cell.list.is_empty() {
                let groups: Vec<_> = cell.list.iter().filter_map(|group| carried_cell(group)).collect();
                let mut carried = None;
                add_groups(&mut carried, groups.iter().map(|group| &**group));
                return carried;
            }
            carried_cell(&cell.text)
        });
        carried.collect()
    }

    /// Takes the logins from an element of a list.
    fn element(&mut self, value: &Value, place: Place) -> Result<(), &'static str> {
        match value {
            Value::Null => {
                self.empty += 1;
                Ok(())
            }
            Value::String(text) if place != Place::OtherList => self.text(text),
            Value::Number(number) if place != Place::OtherList => self.text(&number.to_string()),
            Value::Array(values) => values.iter().try_for_each(|value| self.element(value, place)),
            Value::Object(_) => {
                let mut cells = Vec::new();
                flatten(value, "", 0, &mut cells);
                if self.object(&cells)? {
                    return Ok(());
                }
                let records = self.records;
                self.lists_in(value)?;
                self.empty += u64::from(self.records == records && place != Place::OtherList);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn lists_in(&mut self, value: &Value) -> Result<(), &'static str> {
        let Value::Object(object) = value else { return Ok(()) };
        for (key, value) in object {
            match value {
                Value::Array(values) => {
                    values.iter().try_for_each(|value| self.element(value, Place::of_list(key)))?;
                }
                Value::Object(_) => self.lists_in(value)?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Returns the cell with this path, or with a key of this name.
fn find(cells: &[Cell], name: &str) -> Option<usize> {
    let name = normalize(name);
    let with_path = cells.iter().position(|cell| normalize(&cell.path) == name);
    with_path.or_else(|| {
        cells.iter().position(|cell| cell.path.rsplit('.').next().is_some_and(|key| normalize(key) == name))
    })
}

fn listed(keys: &[String]) -> String {
    let shown: Vec<_> = keys.iter().take(MAX_KEYS_LISTED).map(|key| quoted(key)).collect();
    let more = if keys.len() > shown.len() {
        format!(" and {} more", keys.len() - shown.len())
    } else {
        String::new()
    };
    format!("keys: {}{more}", shown.join(", "))
}

/// Adds the texts of an object, those of nested objects under their paths.
fn flatten(value: &Value, path: &str, depth: usize, cells: &mut Vec<Cell>) {
    let text_of = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(value, &path, depth + 1, cells);
            }
        }
        Value::Array(values) => {
            let list: Vec<_> = values.iter().filter_map(text_of).collect();
            if !list.is_empty() {
                // A list is never a login.
                cells.push(Cell { path: path.to_owned(), depth: usize::MAX, text: list.join("; "), list });
            }
        }
        value => {
            let text = text_of(value).unwrap_or_default();
            cells.push(Cell { path: path.to_owned(), depth, text, list: Vec::new() });
        }
    }
}

/// Position of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// A list whose texts are logins.
    LoginList,
    /// A list of which only objects may have logins.
    OtherList,
}

impl Place {
    fn of_list(key: &str) -> Self {
        if LISTS.contains(&normalize(key).as_str()) { Self::LoginList } else { Self::OtherList }
    }
}

/// A value outside of lists, whose lists are read element by element.
struct Node<'e, 'a> {
    extractor: &'e mut Extractor<'a>,
    path: &'e str,
    place: Place,
    depth: usize,
    /// Texts of the outermost object so far.
    cells: &'e mut Vec<Cell>,
    /// The outermost object has a login itself: its lists are something else.
    has_login: bool,
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Node<'_, '_> {
    fn add_cell(self, text: String) {
        self.cells.push(Cell { path: self.path.to_owned(), depth: self.depth, text, list: Vec::new() });
    }

    fn scalar(self, text: String) -> Result<(), &'static str> {
        if self.depth == 0 {
            return self.extractor.text(&text);
        }
        self.add_cell(text);
        Ok(())
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        self.scalar(text.to_owned()).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        self.scalar(number.to_string()).map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        self.scalar(number.to_string()).map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        self.scalar(number.to_string()).map_err(E::custom)
    }

    fn visit_bool<E: serde::de::Error>(self, flag: bool) -> Result<(), E> {
        self.scalar(flag.to_string()).map_err(E::custom)
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        if self.depth > 0 {
            self.add_cell(String::new());
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        if self.has_login {
            let mut list = Vec::new();
            while let Some(value) = values.next_element::<Value>()? {
                list.push(value);
            }
            flatten(&Value::Array(list), self.path, self.depth, self.cells);
            return Ok(());
        }
        while let Some(value) = values.next_element::<Value>()? {
            self.extractor.element(&value, self.place).map_err(serde::de::Error::custom)?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { extractor, path, depth, cells, mut has_login, .. } = self;
        while let Some(key) = map.next_key::<String>()? {
            let path = if depth == 0 { key.clone() } else { format!("{path}.{key}") };
            let place = Place::of_list(&key);
            map.next_value_seed(Node { extractor, path: &path, place, depth: depth + 1, cells, has_login })?;
            let is_login = match &extractor.options.login_column {
                Some(column) => column.is_name(&key),
                None => Rank::of(&key).is_some(),
            };
            has_login |= depth == 0 && is_login && cells.last().is_some_and(|cell| cell.path == path);
        }
        Ok(())
    }
}
