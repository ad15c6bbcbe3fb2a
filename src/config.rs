//! Flags and environment made one validated [`Config`]. What contradicts itself is refused here, before anything is opened or asked.

mod carry;
mod certificates;
mod database;
mod error;
mod look;
mod network;
mod proxy;
mod reports;
mod server;
mod token;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

pub use self::database::Databases;
pub use self::error::ConfigError;
pub use self::server::TokenSources;
use self::server::{Server, ServerFlags, needs_token};
use self::token::AppFlags;
use crate::cli::{Cli, Way};
use crate::drift::Rules;
use crate::github::ClientConfig;
use crate::github::cassette;
use crate::github::members::MemberSource;
use crate::github::proxy::ProxyChoice;
use crate::github::transport::TransportMode;
use crate::journal::Wants;
use crate::lookup::Options;
use crate::output::Report;
use crate::progress::How;
use crate::render::{Format, Layout, Order, SortKey};
use crate::report::{Columns, CountSelection, Groups, Holds};
use crate::roster::{Reading, Source};

/// Everything that a run needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whom to count.
    pub sources: Vec<Source>,
    /// Organisations and teams to count the members of.
    pub groups: Vec<MemberSource>,
    /// Databases to read from and to save to.
    pub databases: Databases,
    /// How lists are read.
    pub reading: Reading,
    /// How to ask.
    pub settings: ClientConfig,
    /// Sources of a token for the queried server.
    pub tokens: TokenSources,
    /// What to write.
    pub reports: Vec<Report>,
    /// What the reports show, and how.
    pub layout: Layout,
    /// Subtotals, where they are asked for: none of them yet.
    pub groups_by: Option<Groups>,
    /// How logins are looked up.
    pub options: Options,
    /// Go on with the journal.
    pub resume: bool,
    /// Rows of the journal that were answered before are asked for again.
    pub since: Option<Timestamp>,
    /// The command that was typed, for the advice on how to go on.
    pub command: Vec<String>,
    /// The report to compare with.
    pub baseline: Option<PathBuf>,
    /// What the run fails on.
    pub rules: Rules,
    /// Finished reports that are rendered again.
    pub from: Vec<PathBuf>,
    /// Only tell what would be asked.
    pub plan: bool,
    /// Whether to show progress.
    pub progress: How,
    /// No summary.
    pub quiet: bool,
    /// How much to log: 0 to 2.
    pub verbose: u8,
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

    /// The name of the report to compare with, for people.
    #[must_use]
    pub fn compared_with(&self) -> Option<String> {
        let name = self.baseline.as_ref()?.display().to_string();
        Some(crate::text::without_password(&name))
    }

    /// Which rows of the journal are kept.
    #[must_use]
    pub fn wants(&self) -> Wants {
        let ClientConfig { counts: measures, .. } = self.settings;
        Wants { measures, verify: self.options.verify > 0, since: self.since }
    }

    /// Validates the flags. `env` reads a variable of the environment.
    ///
    /// # Errors
    /// [`ConfigError`] names the flag's value or the variable, and the way out.
    pub fn new(cli: Cli, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let databases = Databases::of(&cli)?;
        let elsewhere = databases.name_logins();
        let transport = network::transport(cli.record, cli.replay)?;
        let named = ServerFlags { api_url: cli.api_url.as_deref(), host: cli.host.as_deref() };
        let server = Server::choose(named, &transport, env)?;
        let replayed = matches!(transport, TransportMode::Replay(_));
        let app = AppFlags { id: cli.app_id, key: cli.app_key, installation: cli.installation };
        let credentials = match transport {
            TransportMode::Replay(_) => None,
            // Nothing is asked.
            _ if !cli.from.is_empty() => None,
            _ => token::credentials(&server, app, env)?,
        };
        let authorities = match &cli.ca_file {
            None => Vec::new(),
            Some(path) => certificates::authorities(path)?,
        };
        let is_offline = replayed || !cli.from.is_empty();
        let proxy = if is_offline { ProxyChoice::Direct } else { network::proxy(&server, env)? };
        // What is no text is no login either: it becomes a row like every other.
        let roster = cli.logins.iter().map(|text| match text.to_string_lossy() {
            stdin if stdin == "-" => Source::Stdin,
            text => Source::Text(text.into_owned()),
        });
        let sources: Vec<_> = roster.chain(cli.files.into_iter().map(Source::File)).collect();
        let groups: Vec<_> = cli.members.into_iter().chain(cli.teams).collect();
        let again = !cli.from.is_empty();
        if sources.is_empty() && groups.is_empty() && !elsewhere && !again {
            return Err(ConfigError::NoLogins);
        }
        let reports = reports::reports(cli.format, &cli.outputs)?;
        if cli.plan && !matches!(cli.format, None | Some(Format::Table | Format::Json)) {
            return Err(ConfigError::PlanFormat);
        }
        let measures = CountSelection { breakdown: cli.breakdown, private: cli.private };
        let order = order(cli.sort, cli.top, (!again).then_some(measures))?;
        check_token((cli.api, cli.private, cli.verify > 0), credentials.is_some() || replayed, &server)?;
        if cli.resume {
            reports::check_journal(&reports)?;
        }
        let (carry, groups_by) = carry::carry(&cli.carry, cli.group_by.as_deref())?;
        let flags = [
            ("--login-column", cli.login_column.is_some()),
            ("--group-by", cli.group_by.is_some() && !again && !elsewhere),
            ("--carry", !carry.is_empty() && !again && !elsewhere),
        ];
        let for_sheets = flags.iter().find(|(_, given)| *given).map(|(flag, _)| *flag);
        reports::check_lists(&sources, &reports, for_sheets)?;
        let holds = Holds {
            measures,
            carried: carry.clone(),
            change: cli.baseline.is_some(),
            verified: cli.verify > 0,
            exchange: is_evidence(&transport),
        };
        Ok(Self {
            sources,
            groups,
            databases,
            reading: Reading {
                site: server.endpoint.web_host().to_owned(),
                shard: cli.shard,
                column: cli.login_column,
                carry: carry.clone(),
            },
            settings: ClientConfig {
                api: network::via(cli.api, credentials.is_some(), &server, &transport)?,
                endpoint: server.endpoint,
                credentials,
                ca_certificates: authorities,
                proxy,
                transport,
                max_concurrency: cli.jobs.into(),
                timeout: cli.timeout,
                retries: cli.retries,
                counts: measures,
                batch_size: cli.batch.map(Into::into),
                max_wait: cli.max_wait,
                deadline: cli.deadline,
                max_points: cli.max_points,
            },
            tokens: server.tokens,
            options: Options { verify: cli.verify, ..Options::default() },
            resume: cli.resume,
            since: cli.max_age.map(|age| Timestamp::now().saturating_sub(age).unwrap_or(Timestamp::MIN)),
            command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            rules: rules(&cli.fail_on, cli.baseline.is_some() || again)?,
            baseline: cli.baseline,
            from: cli.from,
            plan: cli.plan,
            reports,
            layout: Layout { columns: Columns::of(&holds), order, look: look::look(cli.color, env) },
            groups_by,
            progress: look::progress(cli.progress, cli.quiet, env),
            quiet: cli.quiet,
            verbose: cli.verbose,
        })
    }
}

/// Whether rows name the exchange that they came from. What was written by hand is no evidence.
fn is_evidence(transport: &TransportMode) -> bool {
    match transport {
        TransportMode::Network => false,
        TransportMode::Record(_) => true,
        TransportMode::Replay(folder) => folder.join(cassette::MANIFEST).is_file(),
    }
}

/// Whether there is a token for what needs one.
fn check_token(
    (api, private, verify): (Way, bool, bool),
    token: bool,
    server: &Server,
) -> Result<(), ConfigError> {
    if private && api == Way::Rest {
        return Err(ConfigError::PrivateByRest);
    }
    if private && !token {
        return Err(needs_token("--private", server));
    }
    if verify && !token {
        return Err(needs_token("--verify", server));
    }
    Ok(())
}

/// The rules of `--fail-on`.
fn rules(texts: &[String], compared: bool) -> Result<Rules, ConfigError> {
    let mut rules = Rules::default();
    for text in texts {
        rules.extend(Rules::parse(text)?);
    }
    match rules.needs_baseline() {
        Some(rule) if !compared => Err(ConfigError::NeedsBaseline(rule.to_owned())),
        _ => Ok(rules),
    }
}

/// The order of the rows: by what is counted.
fn order(
    sort: Option<SortKey>,
    top: Option<usize>,
    measures: Option<CountSelection>,
) -> Result<Order, ConfigError> {
    // "The ten" are the ten largest.
    let by = sort.unwrap_or(if top.is_some() { SortKey::PublicRepos } else { SortKey::Roster });
    match by {
        SortKey::Sources | SortKey::Forks | SortKey::Archived
            if measures.is_some_and(|measures| !measures.breakdown) =>
        {
            Err(ConfigError::NotCounted("by sources, forks or archived", "--breakdown"))
        }
        SortKey::PrivateRepos if measures.is_some_and(|measures| !measures.private) => {
            Err(ConfigError::NotCounted("private_repos", "--private"))
        }
        _ => Ok(Order { by, top }),
    }
}

#[cfg(test)]
mod tests;
