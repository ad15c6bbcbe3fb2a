//! Flags and environment made one validated [`Config`]. From here on nothing is checked again.

mod error;
mod look;
mod token;

use std::path::Path;

use jiff::Timestamp;
use reqwest::Certificate;

pub use self::error::ConfigError;
use crate::cli::{Cli, Way};
use crate::github::Settings;
use crate::github::api::Api;
use crate::github::members::Group;
use crate::github::transport;
use crate::journal::Wants;
use crate::lookup::Options;
use crate::output::Report;
use crate::render::{Format, Layout, Order, SortKey};
use crate::report::{Column, Measures, Via};
use crate::roster::{self, Reading, Source};

/// Everything that a run needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whom to count.
    pub sources: Vec<Source>,
    /// Organisations and teams to count the members of.
    pub groups: Vec<Group>,
    /// How lists are read.
    pub reading: Reading,
    /// How to ask.
    pub settings: Settings,
    /// What to write.
    pub reports: Vec<Report>,
    /// What the reports show, and how.
    pub layout: Layout,
    /// How logins are looked up.
    pub options: Options,
    /// Go on with the journal.
    pub resume: bool,
    /// Rows of the journal that were answered before are asked for again.
    pub since: Option<Timestamp>,
    /// The command that was typed, for the advice on how to go on.
    pub command: Vec<String>,
    /// Only tell what would be asked.
    pub plan: bool,
    /// Whether to show progress.
    pub progress: Progress,
    /// No summary.
    pub quiet: bool,
    /// How much to log: 0 to 2.
    pub verbose: u8,
}

/// How progress is shown on standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Not at all.
    Hidden,
    /// A line for each long wait, where nobody watches.
    Waits,
    /// A bar that is redrawn.
    Bar,
    /// A line now and then, where nothing can be redrawn.
    Lines,
}

impl Config {
    /// The report that a later run can go on with, and its file.
    #[must_use]
    pub fn journal(&self) -> Option<(&Report, &Path)> {
        let is_journal = |report: &&Report| report.format == Format::Ndjson && report.path.is_some();
        let mut journals = self.reports.iter().filter(is_journal);
        let only = journals.next().filter(|_| journals.next().is_none());
        let only = only.filter(|_| self.resume || self.layout.order.is_the_rosters())?;
        Some((only, only.path.as_deref()?))
    }

    /// Which rows of the journal are kept.
    #[must_use]
    pub fn wants(&self) -> Wants {
        let Settings { measures, .. } = self.settings;
        Wants { measures, verify: self.options.verify > 0, since: self.since }
    }

    /// Validates the flags. `env` reads a variable of the environment.
    ///
    /// # Errors
    /// [`ConfigError`] names the flag's value or the variable, and the way out.
    pub fn new(cli: Cli, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let api = api(cli.api_url.as_deref(), cli.host.as_deref(), env)?;
        let source = match (cli.record, cli.replay) {
            (_, Some(folder)) if !folder.is_dir() => {
                return Err(ConfigError::NoRecording(folder.display().to_string()));
            }
            (_, Some(folder)) => transport::Source::Replay(folder),
            (Some(folder), None) => transport::Source::Record(folder),
            (None, None) => transport::Source::Network,
        };
        let token = match source {
            transport::Source::Replay(_) => None,
            _ => token::token(&api, cli.api_url.is_none(), env)?,
        };
        let authorities = match &cli.ca_file {
            None => Vec::new(),
            Some(path) => authorities(path)?,
        };
        // What is no text is no login either: it becomes a row like every other.
        let roster = cli.logins.iter().map(|text| match text.to_string_lossy() {
            stdin if stdin == "-" => Source::Stdin,
            text => Source::Text(text.into_owned()),
        });
        let sources: Vec<_> = roster.chain(cli.files.into_iter().map(Source::File)).collect();
        let groups: Vec<_> = cli.members.into_iter().chain(cli.teams).collect();
        if sources.is_empty() && groups.is_empty() {
            return Err(ConfigError::NoLogins);
        }
        let reports = reports(cli.format, &cli.outputs)?;
        if cli.plan && !matches!(cli.format, None | Some(Format::Table | Format::Json)) {
            return Err(ConfigError::PlanFormat);
        }
        let measures = Measures { breakdown: cli.breakdown, private: cli.private };
        // "The ten" are the ten largest.
        let by = cli.sort.unwrap_or(if cli.top.is_some() { SortKey::PublicRepos } else { SortKey::Roster });
        let order = Order { by, top: cli.top };
        match by {
            SortKey::Sources | SortKey::Forks | SortKey::Archived if !cli.breakdown => {
                return Err(ConfigError::NotCounted("by sources, forks or archived", "--breakdown"));
            }
            SortKey::PrivateRepos if !cli.private => {
                return Err(ConfigError::NotCounted("private_repos", "--private"));
            }
            _ => {}
        }
        let replayed = matches!(source, transport::Source::Replay(_));
        if cli.private && cli.api == Way::Rest {
            return Err(ConfigError::PrivateByRest);
        }
        if token.is_none() && !replayed {
            if cli.private {
                return Err(ConfigError::NeedsToken("--private"));
            }
            if cli.verify > 0 {
                return Err(ConfigError::NeedsToken("--verify"));
            }
        }
        if cli.resume {
            check_journal(&reports)?;
        }
        check_lists(&sources, &reports, cli.login_column.is_some())?;
        Ok(Self {
            sources,
            groups,
            reading: Reading { site: api.site().to_owned(), shard: cli.shard, column: cli.login_column },
            settings: Settings {
                via: via(cli.api, token.is_some(), &api, &source)?,
                api,
                token,
                authorities,
                source,
                jobs: cli.jobs.into(),
                timeout: cli.timeout,
                retries: cli.retries,
                measures,
                batch: cli.batch.map(Into::into),
                max_wait: cli.max_wait,
                deadline: cli.deadline,
                budget: cli.max_points,
            },
            options: Options { verify: cli.verify },
            resume: cli.resume,
            since: cli.max_age.map(|age| Timestamp::now().saturating_sub(age).unwrap_or(Timestamp::MIN)),
            command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            plan: cli.plan,
            reports,
            layout: Layout {
                columns: Column::of(measures, cli.verify > 0),
                order,
                look: look::look(cli.color, env),
            },
            progress: look::progress(cli.progress, cli.quiet, env),
            quiet: cli.quiet,
            verbose: cli.verbose,
        })
    }
}

/// Where the API is: an address, a host, or the host that `gh` would ask.
fn api(
    url: Option<&str>,
    host: Option<&str>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Api, ConfigError> {
    if let Some(url) = url {
        return Api::parse(url).map_err(|reason| ConfigError::NotAnApi { url: url.into(), reason });
    }
    let set = || env("GH_HOST").filter(|host| !host.trim().is_empty());
    let named = host.map(|host| (host.to_owned(), "--host")).or_else(|| Some((set()?, "GH_HOST")));
    match named {
        None => Ok(Api::default()),
        Some((host, from)) => {
            Api::of_host(&host).map_err(|reason| ConfigError::NotAHost { host, from, reason })
        }
    }
}

/// The certificates in a file, in PEM format.
fn authorities(path: &Path) -> Result<Vec<Certificate>, ConfigError> {
    let none = |reason| ConfigError::NoCertificate { path: path.display().to_string(), reason };
    let pem = std::fs::read(path).map_err(|error| none(crate::text::reason(&error)))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(none("there is no certificate in PEM format in it".into())),
        Err(error) => Err(none(crate::text::reason(&error))),
    }
}

/// The API to ask. A recording is asked for what it holds.
fn via(way: Way, token: bool, api: &Api, source: &transport::Source) -> Result<Via, ConfigError> {
    let recorded = match source {
        transport::Source::Replay(folder) => {
            Some(folder.join(api.graphql().trim_start_matches('/')).is_dir())
        }
        _ => None,
    };
    match (way, recorded) {
        (Way::Rest, _) | (Way::Auto, Some(false)) => Ok(Via::Rest),
        (Way::Auto, None) if !token => Ok(Via::Rest),
        (Way::Graphql, None) if !token => Err(ConfigError::NeedsToken("--api graphql")),
        (Way::Auto | Way::Graphql, _) => Ok(Via::Graphql),
    }
}

/// The reports: standard output, unless there are files and no format was named for it.
fn reports(format: Option<Format>, outputs: &[std::path::PathBuf]) -> Result<Vec<Report>, ConfigError> {
    let mut reports = Vec::new();
    if format.is_some() || outputs.is_empty() {
        reports.push(Report { format: format.unwrap_or(Format::Table), path: None });
    }
    for path in outputs {
        let name = path.display().to_string();
        let Some(format) = Format::of(path) else {
            return Err(ConfigError::NoFormat(name));
        };
        if reports.iter().any(|report| report.path.as_deref().is_some_and(|other| same(other, path))) {
            return Err(ConfigError::OutputTwice(name));
        }
        reports.push(Report { format, path: Some(path.clone()) });
    }
    Ok(reports)
}

/// Whether the lists can be read as they are named, and none of them is written to.
fn check_lists(sources: &[Source], reports: &[Report], column: bool) -> Result<(), ConfigError> {
    let is_sheet = |source: &Source| matches!(source, Source::File(path) if roster::is_sheet(path));
    if column && !sources.iter().any(is_sheet) {
        return Err(ConfigError::NoSheet);
    }
    for list in sources {
        let Source::File(list) = list else { continue };
        if reports.iter().any(|report| report.path.as_deref().is_some_and(|path| same(path, list))) {
            return Err(ConfigError::ListIsOutput(list.display().to_string()));
        }
    }
    Ok(())
}

/// Whether there is one report that can be gone on with.
fn check_journal(reports: &[Report]) -> Result<(), ConfigError> {
    let journals: Vec<_> = reports
        .iter()
        .filter(|report| report.format == Format::Ndjson)
        .filter_map(|report| report.path.as_ref())
        .collect();
    match journals.as_slice() {
        [] => Err(ConfigError::NoJournal),
        [only] if only.exists() && !only.is_file() => {
            Err(ConfigError::NoJournalFile(only.display().to_string()))
        }
        [_] => Ok(()),
        many => Err(ConfigError::ManyJournals(many.len())),
    }
}

fn same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path));
    real(one).ok() == real(other).ok()
}

#[cfg(test)]
mod tests;
