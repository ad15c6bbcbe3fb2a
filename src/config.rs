//! Flags and environment, merged into one validated [`Config`]. Contradictions are errors here, before anything is opened or sent.

mod credentials;
mod error;
mod network;
mod outputs;
mod server;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use self::credentials::AppFlags;
pub(crate) use self::error::ConfigError;
pub(crate) use self::server::TokenSources;
use self::server::{Env, Server, ServerFlags};
use crate::cli::{ApiChoice, Cli};
use crate::database::{DatabaseUrl, SaveTarget};
use crate::fail_on::Rules;
use crate::github::ClientConfig;
use crate::github::cassette;
use crate::github::members::MemberSource;
use crate::github::transport::TransportMode;
use crate::input::{InputOptions, InputSource};
use crate::journal::ResumeFilter;
use crate::lookup::LookupOptions;
use crate::network::proxy::ProxyChoice;
use crate::output::OutputSpec;
use crate::progress::ProgressMode;
use crate::render::{Format, ReportLayout};
use crate::report::{Columns, CountSelection, GroupTotals, ReportSchema};

/// Everything that a run needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) sources: Vec<InputSource>,
    /// Organizations and teams whose members are counted.
    pub(crate) member_sources: Vec<MemberSource>,
    /// Database whose rows are logins, and the query for them.
    pub(crate) input_query: Option<(DatabaseUrl, String)>,
    pub(crate) save_to: Option<SaveTarget>,
    pub(crate) input_options: InputOptions,
    pub(crate) settings: ClientConfig,
    /// Flag or variable that named the server. None for the default.
    pub(crate) server_chosen_by: Option<&'static str>,
    pub(crate) tokens: TokenSources,
    pub(crate) reports: Vec<OutputSpec>,
    pub(crate) layout: ReportLayout,
    /// Subtotals, empty.
    pub(crate) group_by: Option<GroupTotals>,
    pub(crate) options: LookupOptions,
    /// Continue the journal.
    pub(crate) resume: bool,
    /// Rows of the journal that are older are looked up again.
    pub(crate) not_before: Option<Timestamp>,
    /// Command line, for the hint about `--resume`.
    pub(crate) command: Vec<String>,
    pub(crate) baseline: Option<PathBuf>,
    pub(crate) rules: Rules,
    /// Finished reports that are rendered again, without a lookup.
    pub(crate) from: Vec<PathBuf>,
    /// Only estimate the run.
    pub(crate) plan: bool,
    pub(crate) progress: ProgressMode,
    /// No summary.
    pub(crate) quiet: bool,
    /// Number of `-v`: 0 to 2.
    pub(crate) verbose: u8,
}

impl Config {
    /// Returns the report that a later run can resume, and its file.
    pub(crate) fn journal(&self) -> Option<(&OutputSpec, &Path)> {
        let is_journal = |report: &&OutputSpec| report.format == Format::Ndjson && report.path.is_some();
        let mut journals = self.reports.iter().filter(is_journal);
        let only = journals.next().filter(|_| journals.next().is_none());
        let only = only.filter(|_| self.resume || self.layout.order.is_input_order())?;
        Some((only, only.path.as_deref()?))
    }

    /// Returns the name of the baseline, without a password.
    pub(crate) fn baseline_name(&self) -> Option<String> {
        Some(crate::text::redact_url(&self.baseline.as_ref()?.display().to_string()))
    }

    pub(crate) fn has_input_query(&self) -> bool {
        self.input_query.is_some()
    }

    /// Returns the filter for rows of the journal that are not looked up again.
    pub(crate) fn resume_filter(&self) -> ResumeFilter {
        let measures = self.settings.counts;
        ResumeFilter { measures, verify: self.options.verify > 0, since: self.not_before }
    }

    /// Validates the flags. `env` reads a variable of the environment.
    ///
    /// # Errors
    /// [`ConfigError`] names the flag's value or the variable, and the way out.
    pub(crate) fn new(cli: Cli, env: &Env<'_>) -> Result<Self, ConfigError> {
        let (input_query, save_to) = (input_query(&cli)?, save_target(&cli)?);
        let csv_only_flag = check_flags(&cli)?;
        let is_rerender = !cli.from.is_empty();
        let transport = transport(cli.record, cli.replay)?;
        let is_replay = matches!(transport, TransportMode::Replay(_));
        let is_offline = is_replay || is_rerender;
        let flags = ServerFlags { api_url: cli.api_url.as_deref(), host: cli.host.as_deref() };
        let server = Server::choose(flags, &transport, env)?;
        let app = AppFlags { id: cli.app_id, key: cli.app_key, installation: cli.installation };
        let credentials = if is_offline { None } else { credentials::credentials(&server, app, env)? };
        let ca_certificates = match &cli.ca_file {
            None => Vec::new(),
            Some(path) => network::ca_certificates(path)?,
        };
        if !is_offline && server.endpoint.origin().starts_with("https://") {
            network::check_certificate_variables(env)?;
        }
        let proxy =
            if is_offline { ProxyChoice::Direct } else { network::choose_proxy(&server.endpoint, env)? };
        // Arguments that are not text are not logins either, and get a row.
        let arguments = cli.logins.iter().map(|text| match text.to_string_lossy() {
            stdin if stdin == "-" => InputSource::Stdin,
            text => InputSource::Text(text.into_owned()),
        });
        let sources: Vec<_> = arguments.chain(cli.files.into_iter().map(InputSource::File)).collect();
        let member_sources: Vec<_> = cli.members.into_iter().chain(cli.teams).collect();
        let reports = outputs::outputs(cli.format, &cli.outputs)?;
        let counts = CountSelection { breakdown: cli.breakdown, private: cli.private };
        let order = outputs::row_order(cli.sort, cli.top, (!is_rerender).then_some(counts))?;
        let has_token = credentials.is_some() || is_replay;
        let flags = [("--private", cli.private), ("--verify", cli.verify > 0)];
        if let Some((flag, _)) = flags.into_iter().find(|(_, is_given)| *is_given && !has_token) {
            return Err(server.token_required_by(flag));
        }
        if cli.resume {
            outputs::check_resume_target(&reports)?;
        }
        let carried = outputs::carried_columns(&cli.carry, cli.group_by.as_deref())?;
        outputs::check_inputs(&sources, &reports, csv_only_flag)?;
        let schema = ReportSchema {
            counts,
            carried: carried.names.clone(),
            change: cli.baseline.is_some(),
            verified: cli.verify > 0,
            exchange: rows_reference_cassette(&transport),
        };
        Ok(Self {
            sources,
            member_sources,
            input_query,
            save_to,
            input_options: InputOptions {
                web_host: server.endpoint.web_host().to_owned(),
                shard: cli.shard,
                login_column: cli.login_column,
                carry: carried.names,
            },
            settings: ClientConfig {
                api: server.api(cli.api, credentials.is_some(), &transport)?,
                endpoint: server.endpoint,
                credentials,
                ca_certificates,
                proxy,
                transport,
                max_concurrency: cli.jobs.into(),
                timeout: cli.timeout,
                retries: cli.retries,
                counts,
                batch_size: cli.batch.map(Into::into),
                max_wait: cli.max_wait,
                deadline: cli.deadline,
                max_points: cli.max_points,
            },
            server_chosen_by: server.chosen_by,
            tokens: server.tokens,
            options: LookupOptions { verify: cli.verify, ..LookupOptions::default() },
            resume: cli.resume,
            not_before: cli.max_age.map(|age| Timestamp::now().saturating_sub(age).unwrap_or(Timestamp::MIN)),
            command: std::env::args_os().map(|word| word.to_string_lossy().into_owned()).collect(),
            rules: parse_rules(&cli.fail_on, cli.baseline.is_some() || is_rerender)?,
            baseline: cli.baseline,
            from: cli.from,
            plan: cli.plan,
            reports,
            layout: ReportLayout {
                columns: Columns::of(&schema),
                order,
                look: outputs::terminal_style(cli.color, env),
            },
            group_by: carried.group_by,
            progress: outputs::progress_mode(cli.progress, cli.quiet, env),
            quiet: cli.quiet,
            verbose: cli.verbose,
        })
    }
}

/// Checks combinations of flags, and returns the first flag that needs a CSV file as input.
fn check_flags(cli: &Cli) -> Result<Option<&'static str>, ConfigError> {
    let has_other_input = cli.sql.is_some() || !cli.from.is_empty();
    let has_lists = !cli.files.is_empty() || !cli.members.is_empty() || !cli.teams.is_empty();
    if cli.logins.is_empty() && !has_lists && !has_other_input {
        return Err(ConfigError::NoLogins);
    }
    if cli.plan && !matches!(cli.format, None | Some(Format::Table | Format::Json)) {
        return Err(ConfigError::PlanFormat);
    }
    if cli.private && cli.api == ApiChoice::Rest {
        return Err(ConfigError::PrivateRequiresGraphql);
    }
    if cli.login_column.is_some() {
        return Ok(Some("--login-column"));
    }
    let flags = [("--group-by", cli.group_by.is_some()), ("--carry", !cli.carry.is_empty())];
    let csv_only = flags.into_iter().find(|(_, is_given)| *is_given && !has_other_input);
    Ok(csv_only.map(|(flag, _)| flag))
}

fn input_query(cli: &Cli) -> Result<Option<(DatabaseUrl, String)>, ConfigError> {
    let (Some(url), Some(query)) = (&cli.sql, &cli.query) else { return Ok(None) };
    if query.trim().is_empty() {
        return Err(ConfigError::EmptyQuery);
    }
    Ok(Some((parse_database_url(url)?, query.clone())))
}

fn save_target(cli: &Cli) -> Result<Option<SaveTarget>, ConfigError> {
    let Some(url) = &cli.save else { return Ok(None) };
    if cli.shard.is_some() && cli.run_name.is_none() {
        return Err(ConfigError::ShardNeedsRunName);
    }
    Ok(Some(SaveTarget { address: parse_database_url(url)?, name: cli.run_name.clone(), shard: cli.shard }))
}

fn parse_database_url(url: &str) -> Result<DatabaseUrl, ConfigError> {
    url.parse()
        .map_err(|source| ConfigError::InvalidDatabaseUrl { url: crate::text::redact_url(url), source })
}

/// Returns the source of responses.
fn transport(record: Option<PathBuf>, replay: Option<PathBuf>) -> Result<TransportMode, ConfigError> {
    match (record, replay) {
        (_, Some(folder)) if !folder.is_dir() => Err(ConfigError::NoRecording(folder.display().to_string())),
        (_, Some(folder)) => Ok(TransportMode::Replay(folder)),
        (Some(folder), None) => Ok(TransportMode::Record(folder)),
        (None, None) => Ok(TransportMode::Network),
    }
}

/// Returns true for recorded responses, whose exchange is named in each row. A folder written by hand has no manifest.
fn rows_reference_cassette(transport: &TransportMode) -> bool {
    match transport {
        TransportMode::Network => false,
        TransportMode::Record(_) => true,
        TransportMode::Replay(folder) => folder.join(cassette::MANIFEST).is_file(),
    }
}

fn parse_rules(texts: &[String], has_baseline: bool) -> Result<Rules, ConfigError> {
    let mut rules = Rules::default();
    for text in texts {
        rules.extend(Rules::parse(text)?);
    }
    match rules.needs_baseline() {
        Some(rule) if !has_baseline => Err(ConfigError::RuleNeedsBaseline(rule.to_owned())),
        _ => Ok(rules),
    }
}

#[cfg(test)]
mod tests;
