//! Outputs, carried columns, and the abilities of the terminals.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use csv::ReaderBuilder;

use super::ConfigError;
use super::server::{Env, non_empty_env};
use crate::cli::{AutoChoice, Cli};
use crate::output::OutputSpec;
use crate::partial::{resolve_symlinks, target_of};
use crate::progress::ProgressMode;
use crate::render::{Format, RowOrder, SortKey, TerminalStyle};
use crate::report::{GroupTotals, ReportSchema, is_reserved, requires_baseline};

/// Carried column with the organizations of an enterprise's members.
pub(super) const ORGANIZATIONS: &str = "organizations";
/// Longest table on a terminal, in rows.
const MAX_TERMINAL_ROWS: usize = 10_000;

/// Value of `--output` for standard output.
const STDOUT: &str = "-";

/// Returns the outputs: the files, and standard output if it is one of them, if a format is named that no file takes, or if
/// nothing else is written.
pub(super) fn outputs(
    format: Option<Format>,
    paths: &[PathBuf],
    has_database: bool,
) -> Result<Vec<OutputSpec>, ConfigError> {
    let mut outputs = Vec::new();
    let (stdout, files): (Vec<_>, Vec<_>) = paths.iter().partition(|path| path.as_os_str() == STDOUT);
    let takes_format = files.iter().any(|path| Format::of(path).is_none());
    let is_default = paths.is_empty() && !has_database;
    if !stdout.is_empty() || format.is_some() && !takes_format || is_default {
        outputs.push(OutputSpec { format: format.unwrap_or(Format::Table), path: None });
    }
    if stdout.len() > 1 {
        return Err(ConfigError::DuplicateOutput(STDOUT.to_owned()));
    }
    for path in files {
        let name = path.display().to_string();
        let Some(format) = Format::of(path).or(format) else {
            return Err(ConfigError::UnknownFormat(name));
        };
        if writes_to(&outputs, path) {
            return Err(ConfigError::DuplicateOutput(name));
        }
        outputs.push(OutputSpec { format, path: Some(path.clone()) });
    }
    let is_terminal = std::io::stdout().is_terminal();
    if is_terminal && outputs.iter().any(|output| output.path.is_none() && output.format == Format::Xlsx) {
        return Err(ConfigError::WorkbookToTerminal);
    }
    Ok(outputs)
}

/// Checks that no output replaces a file of the input, that the `.partial` of none is one of the files that are read, and that
/// there is one to resume.
pub(super) fn check_outputs(cli: &Cli, outputs: &[OutputSpec]) -> Result<(), ConfigError> {
    let overwritten = cli.files.iter().find(|path| writes_to(outputs, path));
    let mut read = cli.files.iter().chain(&cli.from).chain(&cli.baseline);
    let overwritten = overwritten
        .or_else(|| read.find(|path| target_of(path).is_some_and(|target| writes_to(outputs, &target))));
    match overwritten {
        Some(path) => Err(ConfigError::OutputOverwritesInput(path.display().to_string())),
        None if cli.resume => check_resume_target(outputs),
        None => Ok(()),
    }
}

fn writes_to(outputs: &[OutputSpec], path: &Path) -> bool {
    outputs.iter().filter_map(|output| output.path.as_deref()).any(|other| is_same_file(other, path))
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    real_path(one).is_some_and(|path| Some(path) == real_path(other))
}

/// Returns the path without links, although the file may not exist yet.
fn real_path(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(resolve_symlinks(path)).ok()?;
    let folder = path.parent().and_then(|parent| parent.canonicalize().ok());
    match (folder, path.file_name()) {
        (Some(folder), Some(name)) => Some(folder.join(name)),
        _ => Some(path),
    }
}

fn check_resume_target(outputs: &[OutputSpec]) -> Result<(), ConfigError> {
    match outputs.iter().filter(|output| output.format == Format::Ndjson && output.path.is_some()).count() {
        0 => Err(ConfigError::NoResumeTarget),
        1 => Ok(()),
        targets => Err(ConfigError::AmbiguousResumeTarget(targets)),
    }
}

/// `schema` is None for a finished report, which may have counts without a flag.
pub(super) fn row_order(
    sort: Option<SortKey>,
    reverse: bool,
    top: Option<usize>,
    schema: Option<&ReportSchema>,
) -> Result<RowOrder, ConfigError> {
    // The top rows are those with the largest counts.
    let by = sort.unwrap_or(if top.is_some() { SortKey::public_repos() } else { SortKey::Input });
    if let (SortKey::Measure(spec), Some(schema)) = (by, schema)
        && let Some(group) = spec.group
        && !(group.is_in)(schema)
    {
        return Err(ConfigError::SortKeyNotSelected { key: spec.key, flag: group.flag });
    }
    Ok(RowOrder { by, reverse, top })
}

pub(super) struct CarriedColumns {
    pub(super) names: Vec<String>,
    /// The names that are columns of a sheet: all except the organizations, which are the last.
    pub(super) in_sheets: Vec<String>,
    pub(super) organizations: Option<usize>,
    pub(super) group_by: Option<GroupTotals>,
}

/// `has_enterprise`: the members of an enterprise have a column with their organizations.
pub(super) fn carried_columns(
    lists: &[String],
    group_by: Option<&str>,
    has_enterprise: bool,
) -> Result<CarriedColumns, ConfigError> {
    let mut names = Vec::new();
    for list in lists {
        let listed = split_names(list).ok_or_else(|| ConfigError::InvalidColumns(list.clone()))?;
        for name in listed {
            add_column(&mut names, &name, list)?;
        }
    }
    let is_organizations = |name: &str| has_enterprise && name.eq_ignore_ascii_case(ORGANIZATIONS);
    names.retain(|name| !is_organizations(name));
    let group_by = group_by.map(str::trim);
    if let Some(name) = group_by.filter(|name| !is_organizations(name)) {
        add_column(&mut names, name, name)?;
    }
    let in_sheets = names.clone();
    let organizations =
        if has_enterprise { Some(add_column(&mut names, ORGANIZATIONS, ORGANIZATIONS)?) } else { None };
    let group_by = match group_by {
        None => None,
        Some(name) => Some(GroupTotals::new(name.to_owned(), add_column(&mut names, name, name)?)),
    };
    Ok(CarriedColumns { names, in_sheets, organizations, group_by })
}

/// Splits a list at its commas. A name with a comma in it is quoted, as in a CSV file. Returns None for an empty list.
fn split_names(list: &str) -> Option<Vec<String>> {
    let mut reader = ReaderBuilder::new().has_headers(false).from_reader(list.as_bytes());
    let listed = reader.records().next()?.ok()?;
    Some(listed.iter().map(|name| name.trim().to_owned()).collect())
}

/// Returns the names of `--columns`, without those of a comparison if the baseline does not exist yet.
pub(super) fn chosen_columns(lists: &[String], lacks_baseline: bool) -> Result<Vec<String>, ConfigError> {
    let mut names = Vec::new();
    for list in lists {
        match split_names(list) {
            Some(listed) if !listed.iter().any(String::is_empty) => names.extend(listed),
            _ => return Err(ConfigError::InvalidChoice(list.clone())),
        }
    }
    names.retain(|name| !(lacks_baseline && requires_baseline(name)));
    Ok(names)
}

/// Adds a column unless it is there already, and returns its index.
fn add_column(names: &mut Vec<String>, name: &str, flag_value: &str) -> Result<usize, ConfigError> {
    if name.is_empty() {
        return Err(ConfigError::InvalidColumns(flag_value.to_owned()));
    }
    // Databases, and some readers of CSV, ignore case.
    if is_reserved(name) {
        return Err(ConfigError::ReservedColumn(name.to_owned()));
    }
    let index = names.iter().position(|other| other.to_lowercase() == name.to_lowercase());
    Ok(index.unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    }))
}

/// Returns the style of a table on standard output. Renderers do not read the environment.
pub(super) fn terminal_style(color: AutoChoice, format: Option<Format>, env: &Env<'_>) -> TerminalStyle {
    let stdout = std::io::stdout();
    let is_terminal = stdout.is_terminal();
    let size = if is_terminal { terminal_size::terminal_size_of(&stdout) } else { None };
    TerminalStyle {
        color: has_colors(color, is_terminal, env),
        unicode: is_utf8(env),
        width: size.map(|(width, _)| width.0),
        // A table that is asked for is whole.
        max_rows: (is_terminal && format.is_none()).then_some(MAX_TERMINAL_ROWS),
    }
}

pub(super) fn has_table_on_terminal(outputs: &[OutputSpec]) -> bool {
    let has_table = outputs.iter().any(|output| output.path.is_none() && output.format == Format::Table);
    has_table && std::io::stdout().is_terminal() && std::io::stderr().is_terminal()
}

pub(super) fn progress_mode(choice: AutoChoice, quiet: bool, env: &Env<'_>) -> ProgressMode {
    match (choice, std::io::stderr().is_terminal()) {
        _ if quiet => ProgressMode::Hidden,
        (AutoChoice::Never, _) => ProgressMode::Hidden,
        (AutoChoice::Auto, false) => ProgressMode::WaitsOnly,
        (AutoChoice::Always, false) => ProgressMode::Log,
        _ if is_dumb(env) => ProgressMode::Log,
        _ => ProgressMode::Bar,
    }
}

/// Follows no-color.org and bixense.com/clicolors. Crates for this read the environment of the process, not `env`.
fn has_colors(choice: AutoChoice, is_terminal: bool, env: &Env<'_>) -> bool {
    match choice {
        AutoChoice::Always => true,
        AutoChoice::Never => false,
        AutoChoice::Auto if env("NO_COLOR").is_some_and(|value| !value.is_empty()) => false,
        AutoChoice::Auto => {
            let is_forced = env("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0");
            is_forced || is_terminal && !is_dumb(env)
        }
    }
}

fn is_dumb(env: &Env<'_>) -> bool {
    env("TERM").as_deref() == Some("dumb")
}

/// Terminals on Windows show UTF-8 in every locale.
fn is_utf8(env: &Env<'_>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|variable| non_empty_env(env, variable));
    let locale = locale.unwrap_or_default().to_ascii_lowercase();
    cfg!(windows) || locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carry(lists: &[&str], group_by: Option<&str>) -> Result<(String, Option<String>), ConfigError> {
        let lists: Vec<_> = lists.iter().map(|list| (*list).to_owned()).collect();
        let carried = carried_columns(&lists, group_by, false)?;
        Ok((carried.names.join("|"), carried.group_by.map(|groups| groups.by().to_owned())))
    }

    #[test]
    fn names_are_split_at_commas_and_carried_once() {
        assert_eq!(carry(&[], None).unwrap(), (String::new(), None));
        assert_eq!(carry(&["name, team", "Team,site"], None).unwrap().0, "name|team|site");
        assert_eq!(carry(&[r#""Last, First",team"#], None).unwrap().0, "Last, First|team");
        assert_eq!(carry(&["name"], Some("team")).unwrap(), ("name|team".into(), Some("team".into())));
        assert_eq!(carry(&["Team"], Some("team")).unwrap().0, "Team");
        for wrong in ["", "a,", ",", "  "] {
            assert!(matches!(carry(&[wrong], None), Err(ConfigError::InvalidColumns(_))), "{wrong:?}");
        }
        assert!(matches!(carry(&["name,ID"], None), Err(ConfigError::ReservedColumn(name)) if name == "ID"));
    }
}
