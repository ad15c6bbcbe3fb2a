//! Flags and environment made one validated [`Config`]. What contradicts itself is refused here, before anything is opened or asked.

mod carry;
mod certificates;
mod database;
mod error;
mod network;
mod proxy;
mod reports;
mod server;
mod terminal;
mod token;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

pub(crate) use self::database::Databases;
pub(crate) use self::error::ConfigError;
pub(crate) use self::server::TokenSources;
use self::server::{Server, ServerFlags, needs_token};
use self::token::AppFlags;
use crate::cli::{ApiChoice, Cli};
use crate::fail_on::Rules;
use crate::github::ClientConfig;
use crate::github::cassette;
use crate::github::members::MemberSource;
use crate::github::proxy::ProxyChoice;
use crate::github::transport::TransportMode;
use crate::input::{InputOptions, InputSource};
use crate::journal::ResumeFilter;
use crate::lookup::LookupOptions;
use crate::output::Report;
use crate::progress::ProgressMode;
use crate::render::{Format, ReportLayout, RowOrder, SortKey};
use crate::report::{Columns, CountSelection, GroupTotals, ReportSchema};

/// Everything that a run needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Whom to count.
    pub(crate) sources: Vec<InputSource>,
    /// Organisations and teams to count the members of.
    pub(crate) groups: Vec<MemberSource>,
    /// Databases to read from and to save to.
    pub(crate) databases: Databases,
    /// How lists are read.
    pub(crate) reading: InputOptions,
    /// How to ask.
    pub(crate) settings: ClientConfig,
    /// Sources of a token for the queried server.
    pub(crate) tokens: TokenSources,
    /// What to write.
    pub(crate) reports: Vec<Report>,
    /// What the reports show, and how.
    pub(crate) layout: ReportLayout,
    /// Subtotals, where they are asked for: none of them yet.
    pub(crate) groups_by: Option<GroupTotals>,
    /// How logins are looked up.
    pub(crate) options: LookupOptions,
    /// Go on with the journal.
    pub(crate) resume: bool,
    /// Rows of the journal that were answered before are asked for again.
    pub(crate) since: Option<Timestamp>,
    /// The command that was typed, for the advice on how to go on.
    pub(crate) command: Vec<String>,
    /// The report to compare with.
    pub(crate) baseline: Option<PathBuf>,
    /// What the run fails on.
    pub(crate) rules: Rules,
    /// Finished reports that are rendered again.
    pub(crate) from: Vec<PathBuf>,
    /// Only tell what would be asked.
    pub(crate) plan: bool,
    /// Whether to show progress.
    pub(crate) progress: ProgressMode,
    /// No summary.
    pub(crate) quiet: bool,
    /// How much to log: 0 to 2.
    pub(crate) verbose: u8,
}

impl Config {
    /// The report that a later run can go on with, and its file.
    #[must_use]
    pub(crate) fn journal(&self) -> Option<(&Report, &Path)> {
        let is_journal = |report: &&Report| report.format == Format::Ndjson && report.path.is_some();
        let mut journals = self.reports.iter().filter(is_journal);
        let only = journals.next().filter(|_| journals.next().is_none());
        let only = only.filter(|_| self.resume || self.layout.order.is_input_order())?;
        Some((only, only.path.as_deref()?))
    }

    /// The name of the report to compare with, for people.
    #[must_use]
    pub(crate) fn compared_with(&self) -> Option<String> {
        let name = self.baseline.as_ref()?.display().to_string();
        Some(crate::text::redact_url(&name))
    }

    /// Which rows of the journal are kept.
    #[must_use]
    pub(crate) fn wants(&self) -> ResumeFilter {
        let ClientConfig { counts: measures, .. } = self.settings;
        ResumeFilter { measures, verify: self.options.verify > 0, since: self.since }
    }

    /// Validates the flags. `env` reads a variable of the environment.
    ///
    /// # Errors
    /// [`ConfigError`] names the flag's value or the variable, and the way out.
    pub(crate) fn new(cli: Cli, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
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
            stdin if stdin == "-" => InputSource::Stdin,
            text => InputSource::Text(text.into_owned()),
        });
        let sources: Vec<_> = roster.chain(cli.files.into_iter().map(InputSource::File)).collect();
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
        let holds = ReportSchema {
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
            reading: InputOptions {
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
            options: LookupOptions { verify: cli.verify, ..LookupOptions::default() },
            resume: cli.resume,
            since: cli.max_age.map(|age| Timestamp::now().saturating_sub(age).unwrap_or(Timestamp::MIN)),
            command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            rules: rules(&cli.fail_on, cli.baseline.is_some() || again)?,
            baseline: cli.baseline,
            from: cli.from,
            plan: cli.plan,
            reports,
            layout: ReportLayout {
                columns: Columns::of(&holds),
                order,
                look: terminal::look(cli.color, env),
            },
            groups_by,
            progress: terminal::progress(cli.progress, cli.quiet, env),
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
    (api, private, verify): (ApiChoice, bool, bool),
    token: bool,
    server: &Server,
) -> Result<(), ConfigError> {
    if private && api == ApiChoice::Rest {
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
) -> Result<RowOrder, ConfigError> {
    // "The ten" are the ten largest.
    let by = sort.unwrap_or(if top.is_some() { SortKey::public_repos() } else { SortKey::Input });
    let schema = measures.map(|measures| ReportSchema { measures, ..ReportSchema::default() });
    if let (SortKey::Measure(spec), Some(schema)) = (by, schema)
        && let Some(group) = spec.group
        && !(group.is_in)(&schema)
    {
        return Err(ConfigError::NotCounted(spec.key, group.flag));
    }
    Ok(RowOrder { by, top })
}

#[cfg(test)]
mod tests;
