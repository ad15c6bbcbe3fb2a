//! Markdown as GitHub renders it, for a pull request or a job's summary.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::headings::{heading, is_number, kind, middle, outcome};
use super::{Meta, Output, Renderer};
use crate::report::{self, Column, Columns, Groups, Row, Summary};
use crate::text::{collapse_whitespace, format_delta, group_digits, pluralize, sanitize_line};

/// Bytes of the tables. All of it has to stay below the 1 MiB that a job's summary may have.
const COUNTED: usize = 700_000;
const UNCOUNTED: usize = 200_000;
const GROUPS: usize = 60_000;

/// Lines of a table, as many as there is room for.
struct Lines {
    text: String,
    most: usize,
    rows: u64,
    left_out: u64,
}

pub(super) struct Markdown {
    out: Output,
    columns: Columns,
    middle: Vec<Column>,
    meta: Meta,
    counted: Lines,
    uncounted: Lines,
    /// What the columns of counts add up to.
    sums: Vec<u64>,
    /// Rows of this report, without those who are gone.
    rows: u64,
}

impl Lines {
    fn new(most: usize) -> Self {
        Self { text: String::new(), most, rows: 0, left_out: 0 }
    }

    fn add(&mut self, cells: &[String]) {
        let length = cells.iter().map(|cell| cell.len() + 3).sum::<usize>() + 2;
        // What comes after the first that has no room has none either: no gaps.
        if self.left_out > 0 || self.text.len() + length > self.most {
            self.left_out += 1;
            return;
        }
        self.rows += 1;
        line(&mut self.text, cells);
    }

    /// The table, and what is left out of it.
    fn write(&self, head: &[(&str, bool)], foot: &[String], out: &mut Output) -> io::Result<()> {
        let mut text = String::new();
        line(
            &mut text,
            &head.iter().map(|(name, _)| escaped(&collapse_whitespace(name))).collect::<Vec<_>>(),
        );
        let rule = |(_, number): &(_, bool)| if *number { "--:" } else { ":--" }.to_owned();
        line(&mut text, &head.iter().map(rule).collect::<Vec<_>>());
        out.write_all(text.as_bytes())?;
        out.write_all(self.text.as_bytes())?;
        if !foot.is_empty() {
            text.clear();
            line(&mut text, foot);
            out.write_all(text.as_bytes())?;
        }
        if self.left_out > 0 {
            let rows = pluralize(self.left_out, "more row", "more rows");
            writeln!(
                out,
                "\n**{rows} not shown**: a job's summary holds 1 MiB. A `.csv`, `.json` or `.ndjson` report has all."
            )?;
        }
        Ok(())
    }
}

impl Markdown {
    pub(super) fn new(out: Output, columns: Columns, meta: Meta) -> Self {
        let (counted, uncounted) = (Lines::new(COUNTED), Lines::new(UNCOUNTED));
        let middle = middle(&columns);
        Self { out, sums: vec![0; middle.len()], middle, columns, meta, counted, uncounted, rows: 0 }
    }

    fn login(&self, row: &Row) -> String {
        let login = escaped(&row.login);
        match self.meta.profile(row) {
            // A login has no character that would end an address.
            Some(link) => format!("[{login}]({})", link.replace('[', "%5B").replace(']', "%5D")),
            None => login,
        }
    }

    fn heading(summary: &Summary) -> String {
        let mut accounts = pluralize(summary.asked, "account", "accounts");
        if summary.ok < summary.asked {
            accounts = format!("{} of {accounts}", group_digits(summary.ok));
        }
        let repos = pluralize(summary.public_repos, "public repository", "public repositories");
        let mut text = format!("### {repos} of {accounts}\n\n");
        let mut sentences = Vec::new();
        sentences.push(match summary.asked {
            0 => "Nobody was asked for.".to_owned(),
            _ => format!("{}.", summary.outcomes()),
        });
        if let Some(drift) = &summary.drift {
            sentences.push(format!("{}.", escaped(&drift.to_string())));
        }
        if summary.disagreed > 0 {
            let rows = pluralize(summary.disagreed, "account", "accounts");
            sentences.push(format!("**The two APIs disagree on {rows}.**"));
        }
        text += &sentences.join(" ");
        text += "\n\n";
        if !summary.complete {
            let why = match summary.skipped {
                0 => "the run told what went wrong".into(),
                skipped => format!("{} not asked for", pluralize(skipped, "login was", "logins were")),
            };
            // Writing to a String cannot fail.
            let _ = write!(text, "> [!WARNING]\n> This report is incomplete: {why}.\n\n");
        }
        text
    }

    fn groups(&mut self, groups: &Groups) -> io::Result<()> {
        let mut lines = Lines::new(GROUPS);
        for (name, subtotal) in groups.in_order() {
            let name = name.map_or_else(|| format!("(no {})", groups.by()), collapse_whitespace);
            lines.add(&[
                escaped(&name),
                group_digits(subtotal.logins),
                group_digits(subtotal.counted),
                group_digits(subtotal.public_repos),
            ]);
        }
        let head = [(groups.by(), false), ("Logins", true), ("Counted", true), ("Public repos", true)];
        writeln!(self.out)?;
        lines.write(&head, &[], &mut self.out)
    }

    /// When, where and at what cost.
    fn provenance(&self, summary: &Summary) -> String {
        let mut said =
            vec![escaped(&self.meta.generator), self.meta.started.strftime("%Y-%m-%d %H:%M UTC").to_string()];
        said.extend(self.meta.api.as_deref().map(escaped));
        said.extend(summary.spent());
        said.join(" · ")
    }
}

impl Renderer for Markdown {
    fn row(&mut self, row: &Row) -> io::Result<()> {
        self.rows += u64::from(!row.is_gone());
        if row.public_repos.is_none() && !row.is_gone() {
            let error = row.error.as_deref().unwrap_or_default();
            let outcome = outcome(row.status).to_owned();
            let carried = self.middle.iter().filter(|column| matches!(column, Column::Carried(_)));
            let carried: Vec<_> = carried.map(|column| cell(row, *column)).collect();
            self.uncounted
                .add(&[&[escaped(&row.login), outcome, escaped(error)], carried.as_slice()].concat());
            return Ok(());
        }
        for (sum, column) in self.sums.iter_mut().zip(&self.middle) {
            if let (report::Cell::Number(number), false) = (row.cell(*column), *column == Column::Was) {
                *sum = sum.saturating_add(number);
            }
        }
        let mut cells = vec![self.login(row), kind(row).to_owned()];
        cells.extend(self.middle.iter().map(|column| cell(row, *column)));
        self.counted.add(&cells);
        Ok(())
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        self.out.write_all(Self::heading(summary).as_bytes())?;
        if self.rows < summary.asked {
            let (shown, all) = (group_digits(self.rows), pluralize(summary.asked, "account", "accounts"));
            writeln!(self.out, "{shown} of {all} shown.\n")?;
        }
        let name = |column: Column| heading(column, &self.columns).unwrap_or_default();
        if self.counted.rows > 0 {
            let mut head = vec![("Login", false), ("Kind", false)];
            head.extend(self.middle.iter().map(|column| (name(*column), is_number(*column))));
            let mut foot = Vec::new();
            // Of some rows the sum would be taken for the sum of the rows.
            if self.rows == summary.asked {
                foot = vec![format!("**{} counted**", group_digits(summary.ok)), String::new()];
                foot.extend(self.middle.iter().zip(&self.sums).map(|(column, sum)| match column {
                    Column::PublicRepos
                    | Column::Sources
                    | Column::Forks
                    | Column::Archived
                    | Column::PrivateRepos => {
                        format!("**{}**", group_digits(*sum))
                    }
                    _ => String::new(),
                }));
            }
            self.counted.write(&head, &foot, &mut self.out)?;
        }
        if let Some(groups) = &summary.groups {
            self.groups(groups)?;
        }
        if self.uncounted.rows > 0 {
            let rows = group_digits(self.uncounted.rows + self.uncounted.left_out);
            writeln!(self.out, "\n<details>\n<summary>{rows} not counted</summary>\n")?;
            let mut head = vec![("Login", false), ("Outcome", false), ("Reason", false)];
            let name = |column: Column| heading(column, &self.columns).unwrap_or_default();
            let carried = self.middle.iter().filter(|column| matches!(column, Column::Carried(_)));
            head.extend(carried.map(|column| (name(*column), false)));
            self.uncounted.write(&head, &[], &mut self.out)?;
            writeln!(self.out, "\n</details>")?;
        }
        let provenance = self.provenance(summary);
        writeln!(self.out, "\n<sub>{provenance}</sub>")?;
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

fn cell(row: &Row, column: Column) -> String {
    match row.cell(column) {
        report::Cell::Absent if matches!(column, Column::Carried(_)) => String::new(),
        report::Cell::Absent => "–".into(),
        report::Cell::Text(text) => escaped(&collapse_whitespace(&text)),
        report::Cell::Number(number) => group_digits(number),
        report::Cell::Signed(by) => format_delta(by),
        report::Cell::Flag(true) => "yes".into(),
        report::Cell::Flag(false) => "**NO**".into(),
    }
}

/// Text that stays what it is: no markup, no HTML, no link, nobody mentioned, no `#1` linked to.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let shown = sanitize_line(text);
    let mut rest = shown.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // GitHub looks for names and numbers behind these in what was rendered.
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
