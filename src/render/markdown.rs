//! GitHub Flavored Markdown, for a pull request or a job summary: first the rows that need attention, then the totals, and all
//! counted rows folded.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::{Heading, Meta, Output, Renderer};
use crate::report::{Cell, Column, Columns, DiffSummary, Event, GroupTotals, Role, Row, Summary};
use crate::text::{capitalize, collapse_whitespace, format_delta, group_digits, pluralize, sanitize_line};

/// Upper bounds on the tables and the rules, in bytes. Together they stay below 1 MiB, the limit of a job summary.
const MAX_COUNTED_BYTES: usize = 650_000;
const MAX_UNCOUNTED_BYTES: usize = 150_000;
const MAX_EVENTS_BYTES: usize = 90_000;
const MAX_GROUPS_BYTES: usize = 60_000;
const MAX_RULES_BYTES: usize = 40_000;
/// A longer table of rows that need attention is hidden at first.
const MAX_OPEN_ROWS: u64 = 30;

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

    fn rows(&self) -> u64 {
        self.table.rows + self.table.left_out
    }

    /// Writes rows that need attention. A long table is hidden at first.
    fn write_titled(&self, title: &str, out: &mut Output) -> io::Result<()> {
        if self.rows() > MAX_OPEN_ROWS {
            return self.write_folded(title, &[], out);
        }
        if self.rows() > 0 {
            writeln!(out, "\n**{} {title}**\n", group_digits(self.rows()))?;
            self.write(&[], out)?;
        }
        Ok(())
    }

    /// Writes a table that is hidden at first.
    fn write_folded(&self, title: &str, foot: &[String], out: &mut Output) -> io::Result<()> {
        writeln!(out, "\n<details>\n<summary>{} {title}</summary>\n", group_digits(self.rows()))?;
        self.write(foot, out)?;
        writeln!(out, "\n</details>")
    }
}

pub(super) struct Markdown {
    out: Output,
    meta: Meta,
    counted: RowTable,
    uncounted: RowTable,
    /// Rows with an event, and removed ones.
    events: RowTable,
    /// Rows that are in the input.
    rows: u64,
}

impl Markdown {
    pub(super) fn new(out: Output, columns: &Columns, meta: Meta) -> Self {
        use Role::{Change, Error, Event, Extra, Kind, LastPush, Login, Measure, Status, Verified, Was};
        let counted = [Login, Extra, Kind, Measure, LastPush, Was, Change, Event, Verified];
        let uncounted = [Login, Status, Error, Extra, Was, Event];
        let mut events =
            RowTable::new(columns, &[Login, Event, Was, Measure, Change, Extra], MAX_EVENTS_BYTES);
        if columns.chosen().is_none() {
            let is_total = |column: &Column| column.role() != Measure || column.key() == "public_repos";
            events.columns.retain(is_total);
        }
        Self {
            out,
            meta,
            counted: RowTable::new(columns, &counted, MAX_COUNTED_BYTES),
            uncounted: RowTable::new(columns, &uncounted, MAX_UNCOUNTED_BYTES),
            events,
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
            _ if needs_attention(summary) => format!("{}.", summary.status_line()),
            _ => "Nothing to report: every account was counted.".to_owned(),
        }];
        if let Some(changes) = &summary.changes {
            sentences.push(format!("{}.", escape(&capitalize(&changes.to_string()))));
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
        let mut text = format!("### {heading}\n\n{}\n", sentences.join(" "));
        if !summary.complete {
            let reason = match summary.skipped {
                0 => "see the messages of the run".into(),
                skipped => format!("{} not looked up", pluralize(skipped, "login was", "logins were")),
            };
            // Writing to a String cannot fail.
            let _ = write!(text, "\n> [!WARNING]\n> This report is incomplete: {reason}.\n");
        }
        text
    }

    fn write_rules(&mut self, summary: &Summary) -> io::Result<()> {
        if summary.violations.is_empty() {
            return Ok(());
        }
        let rules = pluralize(summary.violations.len() as u64, "rule", "rules");
        let mut text = format!("\n**{rules} matched**\n\n");
        for violation in &summary.violations {
            let line = format!("- {}\n", escape(violation));
            if text.len() + line.len() > MAX_RULES_BYTES {
                text.push_str("- … more in the messages of the run\n");
                break;
            }
            text.push_str(&line);
        }
        self.out.write_all(text.as_bytes())
    }

    /// Writes the sums of a report with more than one count.
    fn write_totals(&mut self, summary: &Summary) -> io::Result<()> {
        let sums: Vec<_> =
            self.counted.columns.iter().filter_map(|column| Some((column, summary.sum(column)?))).collect();
        if sums.len() < 2 {
            return Ok(());
        }
        let head: Vec<_> = sums.iter().map(|(column, _)| Heading::of(column)).collect();
        let sums: Vec<_> = sums.iter().map(|(_, sum)| sum.to_string()).collect();
        writeln!(self.out)?;
        SizeCappedTable::new(0).write(&head, &sums, &mut self.out)
    }

    fn write_counted(&mut self, summary: &Summary) -> io::Result<()> {
        if self.rows < summary.asked {
            let (shown, all) = (group_digits(self.rows), pluralize(summary.asked, "account", "accounts"));
            writeln!(self.out, "\n{shown} of {all} shown.")?;
        }
        if self.counted.rows() == 0 {
            return Ok(());
        }
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
        self.counted.write_folded("counted", &foot, &mut self.out)
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
        // An unknown change is not an event: the row has a reason, or had one in the baseline.
        if row.is_removed() || row.event.is_some_and(|event| event != Event::Unknown) {
            self.events.add(row, &self.meta);
        }
        if row.public_repos.is_some() {
            self.counted.add(row, &self.meta);
        } else if !row.is_removed() {
            self.uncounted.add(row, &self.meta);
        }
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        self.out.write_all(Self::heading(summary).as_bytes())?;
        self.write_rules(summary)?;
        let events = if self.events.rows() == 1 { "event" } else { "events" };
        self.events.write_titled(&format!("{events} since the baseline"), &mut self.out)?;
        self.uncounted.write_titled("not counted", &mut self.out)?;
        self.write_totals(summary)?;
        if let Some(groups) = &summary.groups {
            self.write_groups(groups)?;
        }
        self.write_counted(summary)?;
        let metadata = self.run_metadata(summary);
        writeln!(self.out, "\n<sub>{metadata}</sub>")?;
        self.out.flush()
    }
}

fn needs_attention(summary: &Summary) -> bool {
    let has_events = summary.changes.as_ref().is_some_and(DiffSummary::has_events);
    !summary.complete
        || has_events
        || summary.uncounted() + summary.mismatched > 0
        || !summary.violations.is_empty()
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
