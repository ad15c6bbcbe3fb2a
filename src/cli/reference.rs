//! The reference of all flags: the man page and docs/options.md.

use std::fmt::Write as _;

use clap::{Arg, ArgAction, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::Cli;
use super::help::{ENVIRONMENT, EXAMPLES, EXIT_PRECEDENCE, EXIT_STATUSES, Example, FILES, TOKEN, Term};

/// Date of the last change to the flags.
const MAN_PAGE_DATE: &str = "2026-11-26";

/// Flags with the same heading in `--help`.
struct FlagGroup {
    heading: String,
    flags: Vec<Flag>,
}

struct Flag {
    /// `-f, --file <FILE>`
    name: String,
    paragraphs: Vec<String>,
    values: Vec<Value>,
    default: Option<String>,
}

struct Value {
    name: String,
    meaning: Option<String>,
}

impl Flag {
    fn of(arg: &Arg) -> Self {
        let help = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string);
        let defaults: Vec<_> =
            arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
        Self {
            name: name(arg),
            paragraphs: help.unwrap_or_default().split("\n\n").map(sentence).collect(),
            values: if arg.get_action().takes_values() { values(arg) } else { Vec::new() },
            default: (!defaults.is_empty() && !arg.is_hide_default_value_set()).then(|| defaults.join(", ")),
        }
    }
}

fn name(arg: &Arg) -> String {
    let value_names = arg.get_value_names().unwrap_or_default().join(" ");
    if arg.is_positional() {
        return format!("[{value_names}]...");
    }
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let names: Vec<_> = short.into_iter().chain(long).collect();
    let value = match arg.get_action() {
        ArgAction::Count => "...".to_owned(),
        action if action.takes_values() => format!(" <{value_names}>"),
        _ => String::new(),
    };
    names.join(", ") + &value
}

fn values(arg: &Arg) -> Vec<Value> {
    let shown = arg.get_possible_values().into_iter().filter(|value| !value.is_hide_set());
    let values = shown.map(|value| Value {
        name: value.get_name().to_owned(),
        meaning: value.get_help().map(ToString::to_string),
    });
    values.collect()
}

/// Ends a paragraph with a period: clap drops that of the first one.
fn sentence(paragraph: &str) -> String {
    let paragraph = paragraph.trim();
    let is_ended = paragraph.ends_with(['.', ']', '…']);
    format!("{paragraph}{}", if is_ended { "" } else { "." })
}

fn flag_groups() -> Vec<FlagGroup> {
    let mut groups: Vec<FlagGroup> = Vec::new();
    for arg in Cli::command().get_arguments() {
        let heading = arg.get_help_heading().unwrap_or_default();
        match groups.iter_mut().find(|group| group.heading == heading) {
            Some(group) => group.flags.push(Flag::of(arg)),
            None => groups.push(FlagGroup { heading: heading.to_owned(), flags: vec![Flag::of(arg)] }),
        }
    }
    groups
}

pub(super) fn man_page() -> String {
    let man = Man::new(Cli::command()).title("GHREPOS").date(MAN_PAGE_DATE).manual("User Commands");
    let mut head = Vec::new();
    // Writing to a Vec cannot fail.
    let _ = man.render_title(&mut head).and_then(|()| man.render_name_section(&mut head));
    let mut page = Roff::new();
    page.control("SH", ["SYNOPSIS"]).text([bold("ghrepos"), roman(" [OPTIONS] [LOGIN]...")]);
    page.control("SH", ["DESCRIPTION"]).text([roman(description())]);
    for FlagGroup { heading, flags } in flag_groups() {
        page.control("SH", [heading.to_uppercase().as_str()]);
        for flag in flags {
            add_flag(&mut page, &flag);
        }
    }
    page.control("SH", ["TOKEN"]).text([roman(TOKEN)]);
    add_terms(&mut page, "EXIT STATUS", &EXIT_STATUSES);
    page.control("PP", []).text([roman(EXIT_PRECEDENCE)]);
    add_terms(&mut page, "ENVIRONMENT", &ENVIRONMENT);
    add_terms(&mut page, "FILES", &FILES);
    page.control("SH", ["EXAMPLES"]);
    for Example { title, command } in EXAMPLES {
        // Commands are neither justified nor hyphenated.
        page.control("TP", []).text([roman(title)]).control("nf", []).text([bold(command)]).control("fi", []);
    }
    String::from_utf8_lossy(&head).into_owned() + &page.to_roff()
}

fn add_flag(page: &mut Roff, flag: &Flag) {
    page.control("TP", []).text([bold(flag.name.as_str())]);
    let mut paragraphs = flag.paragraphs.clone();
    if !flag.values.is_empty() {
        let values: Vec<_> = flag.values.iter().map(described).collect();
        paragraphs.push(format!("Values: {}.", values.join("; ")));
    }
    paragraphs.extend(flag.default.as_ref().map(|default| format!("Default: {default}.")));
    for (index, paragraph) in paragraphs.iter().enumerate() {
        if index > 0 {
            page.control("IP", []);
        }
        page.text([roman(paragraph.as_str())]);
    }
}

fn described(value: &Value) -> String {
    let Value { name, meaning } = value;
    meaning.as_ref().map_or_else(|| name.clone(), |meaning| format!("{name} ({meaning})"))
}

fn add_terms(page: &mut Roff, title: &str, terms: &[Term]) {
    page.control("SH", [title]);
    for Term { name, meaning } in terms {
        page.control("TP", []).text([bold(*name)]).text([roman(*meaning)]);
    }
}

fn description() -> String {
    let command = Cli::command();
    let about = command.get_long_about().or_else(|| command.get_about()).map(ToString::to_string);
    about.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns docs/options.md.
pub(super) fn markdown() -> String {
    let mut page = format!(
        "# Options\n\n<!-- Generated by: cargo run -- --generate markdown > docs/options.md -->\n\n\
         {}\n\n```text\nghrepos [OPTIONS] [LOGIN]...\n```\n",
        escape(&description())
    );
    // Writing to a String cannot fail.
    for FlagGroup { heading, flags } in flag_groups() {
        let _ = write!(page, "\n## {heading}\n");
        for flag in flags {
            write_flag(&mut page, &flag);
        }
    }
    let _ = write!(page, "\n## Token\n\n{TOKEN}\n");
    write_terms(&mut page, "Exit status", "status", &EXIT_STATUSES);
    let _ = write!(page, "\n{EXIT_PRECEDENCE}\n");
    write_terms(&mut page, "Environment", "variable", &ENVIRONMENT);
    write_terms(&mut page, "Files", "file", &FILES);
    page.push_str("\n## Examples\n\n```sh\n");
    for (index, Example { title, command }) in EXAMPLES.iter().enumerate() {
        let gap = if index > 0 { "\n" } else { "" };
        let _ = writeln!(page, "{gap}# {title}\n{command}");
    }
    page + "```\n"
}

fn write_flag(page: &mut String, flag: &Flag) {
    let _ = write!(page, "\n### `{}`\n", flag.name);
    for paragraph in &flag.paragraphs {
        let _ = write!(page, "\n{}\n", escape(paragraph));
    }
    if !flag.values.is_empty() {
        page.push('\n');
        for Value { name, meaning } in &flag.values {
            let meaning =
                meaning.as_ref().map(|meaning| format!(": {}", escape(meaning))).unwrap_or_default();
            let _ = writeln!(page, "- `{name}`{meaning}");
        }
    }
    if let Some(default) = &flag.default {
        let _ = write!(page, "\nDefault: `{default}`\n");
    }
}

fn write_terms(page: &mut String, title: &str, kind: &str, terms: &[Term]) {
    let _ = write!(page, "\n## {title}\n\n| {kind} | meaning |\n|---|---|\n");
    for Term { name, meaning } in terms {
        let names: Vec<_> = name.split(", ").map(|name| format!("`{name}`")).collect();
        let _ = writeln!(page, "| {} | {} |", names.join(", "), escape(meaning));
    }
}

/// Escapes the characters of help texts that Markdown would interpret.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if matches!(c, '*' | '<' | '|' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_has_its_text_in_the_man_page() {
        let page = man_page();
        let groups = flag_groups();
        let flags: Vec<_> = groups.iter().flat_map(|group| &group.flags).collect();
        assert_eq!(flags.len(), Cli::command().get_arguments().count());
        assert_eq!(flags[0].name, "[LOGIN]...");
        let entries: Vec<_> = page.split("\n.TP\n").skip(1).collect();
        for (flag, entry) in flags.iter().zip(&entries) {
            let (name, text) = entry.split_once('\n').unwrap();
            assert_eq!(name.replace('\\', ""), format!("fB{}fR", flag.name));
            assert!(text.trim().len() > 10, "{name}: {text:?}");
            assert!(flag.paragraphs[0].len() > 10, "{name}");
        }
    }
}
