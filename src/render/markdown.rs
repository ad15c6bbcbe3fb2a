//! GitHub Flavored Markdown, for a pull request or a job summary.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{Heading, Meta, Output, Renderer};
use crate::report::{Cell, Column, Columns, GroupTotals, Role, Row, Summary};
use crate::text::{capitalize, collapse_whitespace, format_delta, group_digits, pluralize, sanitize_line};

/// Upper bounds on the tables, in bytes. Together they stay below 1 MiB, the limit of a job summary.
const MAX_COUNTED_BYTES: usize = 700_000;
const MAX_UNCOUNTED_BYTES: usize = 150_000;
const MAX_REMOVED_BYTES: usize = 50_000;
const MAX_GROUPS_BYTES: usize = 60_000;

struct SizeCappedTable {
    text: String,
    max_bytes: usize,
    rows: u64,
    left_out: u64,
}

impl SizeCappedTable {
    fn new(max_bytes: usize) -> Self {
        Self { text: String::new(), max_bytes, rows: 0, left_out: 0 }
    }

    fn add(&mut self, cells: &[String]) {
        let length = cells.iter().map(|cell| cell.len() + 3).sum::<usize>() + 2;
        // After the first row without room all others are left out, so that there are no gaps.
        if self.left_out > 0 || self.text.len() + length > self.max_bytes {
            self.left_out += 1;
            return;
        }
        self.rows += 1;
        line(&mut self.text, cells);
    }

    fn write(&self, head: &[Heading], foot: &[String], out: &mut Output) -> io::Result<()> {
        let (mut headings, mut rules) = (Vec::new(), Vec::new());
        for Heading { text, is_numeric } in head {
            headings.push(escape(text));
            rules.push(if *is_numeric { "--:" } else { ":--" }.to_owned());
        }
        let mut text = String::new();
        line(&mut text, &headings);
        line(&mut text, &rules);
        text.push_str(&self.text);
        if !foot.is_empty() {
            line(&mut text, foot);
        }
        out.write_all(text.as_bytes())?;
        if self.left_out > 0 {
            let rows = pluralize(self.left_out, "more row", "more rows");
            writeln!(
                out,
                "\n**{rows} not shown**: a job summary is limited to 1 MiB. A `.csv`, `.json` or `.ndjson` report has \
                 every row."
            )?;
        }
        Ok(())
    }
}

/// A table of rows.
struct RowTable {
    columns: Vec<Column>,
    table: SizeCappedTable,
}

impl RowTable {
    /// Makes a table of the chosen columns, or else of those with these roles, in the order of the roles.
    fn new(columns: &Columns, roles: &[Role], max_bytes: usize) -> Self {
        let mut shown = columns.chosen().map(<[_]>::to_vec).unwrap_or_default();
        if shown.is_empty() {
            for role in roles {
                shown.extend(columns.iter().filter(|column| column.role() == *role).cloned());
            }
        }
        Self { columns: shown, table: SizeCappedTable::new(max_bytes) }
    }

    fn add(&mut self, row: &Row, meta: &Meta) {
        let cells: Vec<_> = self.columns.iter().map(|column| cell(row, column, meta)).collect();
        self.table.add(&cells);
    }

    fn write(&self, foot: &[String], out: &mut Output) -> io::Result<()> {
        let head: Vec<_> = self.columns.iter().map(Heading::of).collect();
        self.table.write(&head, foot, out)
    }

    /// Writes a table that is hidden at first.
    fn write_folded(&self, title: &str, out: &mut Output) -> io::Result<()> {
        let rows = self.table.rows + self.table.left_out;
        if rows == 0 {
            return Ok(());
        }
        writeln!(out, "\n<details>\n<summary>{} {title}</summary>\n", group_digits(rows))?;
        self.write(&[], out)?;
        writeln!(out, "\n</details>")
    }
}

pub(super) struct Markdown {
    out: Output,
    meta: Meta,
    counted: RowTable,
    uncounted: RowTable,
    removed: RowTable,
    /// Rows that are in the input.
    rows: u64,
}

impl Markdown {
    pub(super) fn new(out: Output, columns: &Columns, meta: Meta) -> Self {
        use Role::{Change, Error, Event, Extra, Kind, LastPush, Login, Measure, Status, Verified, Was};
        let counted = [Login, Extra, Kind, Measure, LastPush, Was, Change, Event, Verified];
        let uncounted = [Login, Status, Error, Extra, Was, Event];
        Self {
            out,
            meta,
            counted: RowTable::new(columns, &counted, MAX_COUNTED_BYTES),
            uncounted: RowTable::new(columns, &uncounted, MAX_UNCOUNTED_BYTES),
            removed: RowTable::new(columns, &[Login, Extra, Was], MAX_REMOVED_BYTES),
            rows: 0,
        }
    }

    fn heading(summary: &Summary) -> String {
        let mut accounts = pluralize(summary.asked, "account", "accounts");
        if summary.ok < summary.asked {
            accounts = format!("{} of {accounts}", group_digits(summary.ok));
        }
        let mut sentences = vec![match summary.asked {
            0 => "The input is empty.".to_owned(),
            _ => format!("{}.", summary.status_line()),
        }];
        if let Some(changes) = &summary.changes {
            sentences.push(format!("{}.", escape(&changes.to_string())));
        }
        if summary.mismatched > 0 {
            let rows = pluralize(summary.mismatched, "account", "accounts");
            sentences.push(format!("**The two APIs disagree on {rows}.**"));
        }
        let heading = match summary.public_repos.with_noun("public repository", "public repositories") {
            Some(repos) => format!("{} of {accounts}", capitalize(&repos)),
            None if summary.asked == 0 => "No accounts".into(),
            None => format!("{accounts} counted"),
        };
        let mut text = format!("### {heading}\n\n{}\n\n", sentences.join(" "));
        if !summary.complete {
            let reason = match summary.skipped {
                0 => "see the messages of the run".into(),
                skipped => format!("{} not looked up", pluralize(skipped, "login was", "logins were")),
            };
            // Writing to a String cannot fail.
            let _ = write!(text, "> [!WARNING]\n> This report is incomplete: {reason}.\n\n");
        }
        text
    }

    fn write_counted(&mut self, summary: &Summary) -> io::Result<()> {
        let mut foot = Vec::new();
        // The sum of some rows would look like the sum of all.
        if self.rows == summary.asked {
            let cells =
                self.counted.columns.iter().map(|column| match (column.role(), summary.sum(column)) {
                    (Role::Login, _) => format!("**{} counted**", group_digits(summary.ok)),
                    (_, Some(sum)) => format!("**{sum}**"),
                    (_, None) => String::new(),
                });
            foot = cells.collect();
        }
        self.counted.write(&foot, &mut self.out)
    }

    fn write_groups(&mut self, groups: &GroupTotals) -> io::Result<()> {
        let mut table = SizeCappedTable::new(MAX_GROUPS_BYTES);
        for (name, subtotal) in groups.sorted() {
            table.add(&[
                escape(&collapse_whitespace(&groups.label(name))),
                group_digits(subtotal.logins),
                group_digits(subtotal.counted),
                subtotal.public_repos.to_string(),
            ]);
        }
        let mut head = vec![Heading::new(groups.by(), false)];
        head.extend(["Logins", "Counted", "Public repos"].map(|text| Heading::new(text, true)));
        writeln!(self.out)?;
        table.write(&head, &[], &mut self.out)
    }

    fn run_metadata(&self, summary: &Summary) -> String {
        let started = self.meta.started.strftime("%Y-%m-%d %H:%M UTC").to_string();
        let mut parts = vec![escape(&self.meta.generator), started];
        parts.extend(self.meta.api.as_deref().map(escape));
        parts.extend(summary.cost_line());
        parts.join(" · ")
    }
}

impl Renderer for Markdown {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        self.rows += u64::from(!row.is_removed());
        let table = match row.public_repos {
            _ if row.is_removed() => &mut self.removed,
            Some(_) => &mut self.counted,
            None => &mut self.uncounted,
        };
        table.add(row, &self.meta);
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        self.out.write_all(Self::heading(summary).as_bytes())?;
        if self.rows < summary.asked {
            let (shown, all) = (group_digits(self.rows), pluralize(summary.asked, "account", "accounts"));
            writeln!(self.out, "{shown} of {all} shown.\n")?;
        }
        if self.counted.table.rows > 0 {
            self.write_counted(summary)?;
        }
        if let Some(groups) = &summary.groups {
            self.write_groups(groups)?;
        }
        self.uncounted.write_folded("not counted", &mut self.out)?;
        self.removed.write_folded("removed: no longer in the input", &mut self.out)?;
        let metadata = self.run_metadata(summary);
        writeln!(self.out, "\n<sub>{metadata}</sub>")?;
        self.out.flush()
    }
}

fn line(text: &mut String, cells: &[String]) {
    text.push('|');
    for cell in cells {
        // Writing to a String cannot fail.
        let _ = write!(text, " {cell} |");
    }
    text.push('\n');
}

fn cell(row: &Row, column: &Column, meta: &Meta) -> String {
    let role = column.role();
    match row.cell(column) {
        _ if role == Role::Kind => row.label().to_owned(),
        Cell::Number(number) if role == Role::Technical => number.to_string(),
        Cell::Null if matches!(role, Role::Extra | Role::Event) => String::new(),
        Cell::Null => "–".into(),
        Cell::Text(login) if role == Role::Login => match meta.profile_url(row) {
            // A login has no character that would end a URL.
            Some(link) => format!("[{}]({})", escape(&login), link.replace('[', "%5B").replace(']', "%5D")),
            None => escape(&login),
        },
        Cell::Text(_) if role == Role::Status => row.status.label().to_owned(),
        Cell::Text(_) if role == Role::Event => escape(&row.event_label()),
        Cell::Text(text) => escape(&collapse_whitespace(&text)),
        Cell::Number(number) => group_digits(number),
        Cell::Delta(by) => format_delta(by),
        Cell::Bool(true) => "yes".into(),
        Cell::Bool(false) => "**NO**".into(),
    }
}

/// Escapes text, so that it has no markup, HTML, links, mentions or references such as `#1`.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let shown = sanitize_line(text);
    let mut rest = shown.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // GitHub looks for names and numbers after these in the rendered text.
            '@' | '#' => {
                out.push(c);
                out.push_str("<!-- -->");
            }
            '\\' | '`' | '*' | '_' | '|' | '[' | ']' | '~' | '$' => out.extend(['\\', c]),
            ':' if rest.peek() == Some(&'/') => out.push_str("\\:"),
            '.' if out.ends_with("www") => out.push_str("\\."),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests;
