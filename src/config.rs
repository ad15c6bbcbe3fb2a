//! Flags and environment, merged into one validated [`Config`]. Contradictions are errors before a request is sent.

mod arguments;
mod credentials;
mod error;
mod members;
mod network;
mod outputs;
mod patterns;
mod server;

use std::path::{Path, PathBuf};

use jiff::Timestamp;

pub(crate) use self::error::ConfigError;
use self::outputs::CarriedColumns;
pub(crate) use self::patterns::unfinished_note;
pub(crate) use self::server::TokenSources;
use self::server::{Env, Server};
use crate::cli::{ApiChoice, Cli};
use crate::database::{DatabaseUrl, SaveTarget};
use crate::fail_on::Rules;
use crate::github::ClientConfig;
use crate::github::cassette;
use crate::github::config::TransportMode;
use crate::github::members::MemberSource;
use crate::input::{HeaderChoice, InputOptions, InputSource, LoginColumn};
use crate::journal::ResumeFilter;
use crate::lookup::LookupOptions;
use crate::network::proxy::ProxyChoice;
use crate::output::OutputSpec;
use crate::progress::ProgressMode;
use crate::render::{Format, ReportLayout};
use crate::report::{ChooseColumnError, Columns, CountSelection, GroupTotals, ReportSchema, is_reserved};

#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) sources: Vec<InputSource>,
    /// Notes about the arguments, for standard error.
    pub(crate) notes: Vec<String>,
    pub(crate) stdin: StdinUse,
    pub(crate) member_sources: Vec<MemberSource>,
    /// Index of the carried column with the organizations of an enterprise's members.
    pub(crate) organization_column: Option<usize>,
    pub(crate) input_query: Option<(DatabaseUrl, String)>,
    pub(crate) save_to: Option<SaveTarget>,
    pub(crate) input_options: InputOptions,
    pub(crate) client: ClientConfig,
    /// Flag or variable. None for the default server.
    pub(crate) server_chosen_by: Option<&'static str>,
    pub(crate) tokens: TokenSources,
    pub(crate) reports: Vec<OutputSpec>,
    pub(crate) layout: ReportLayout,
    /// Subtotals, empty.
    pub(crate) group_by: Option<GroupTotals>,
    pub(crate) options: LookupOptions,
    pub(crate) resume: bool,
    /// Rows of the journal that are older are looked up again.
    pub(crate) not_before: Option<Timestamp>,
    /// Command line, for reports and the hint about `--resume`. Set by the program.
    pub(crate) command: Vec<String>,
    pub(crate) baseline: Option<PathBuf>,
    /// File of `--baseline --baseline-optional` that does not exist. The run is not compared then.
    pub(crate) missing_baseline: Option<PathBuf>,
    pub(crate) rules: Rules,
    pub(crate) from: Vec<PathBuf>,
    /// `FILE.partial` of unfinished runs beside these reports, which are not read.
    pub(crate) unfinished: Vec<PathBuf>,
    /// Number of parts, to name those without rows.
    pub(crate) parts: Option<u32>,
    /// Names of `--columns`.
    pub(crate) chosen_columns: Vec<String>,
    pub(crate) plan: bool,
    pub(crate) progress: ProgressMode,
    pub(crate) quiet: bool,
    /// Number of `-v`: 0 to 2.
    pub(crate) verbose: u8,
}

/// Reason for which standard input is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StdinUse {
    /// It is named, or not read.
    Explicit,
    /// No input is named. A terminal is not read then.
    Implied,
}

impl Config {
    /// Returns the report that a later run can resume.
    pub(crate) fn journal(&self) -> Option<&Path> {
        let mut journals = self.reports.iter().filter_map(OutputSpec::journal);
        let first = journals.next();
        first.filter(|_| journals.next().is_none())
    }

    /// Returns true if standard output is a table, and a terminal as standard error is.
    pub(crate) fn has_table_on_terminal(&self) -> bool {
        outputs::has_table_on_terminal(&self.reports)
    }

    pub(crate) fn baseline_name(&self) -> Option<String> {
        Some(crate::text::redact_url(&self.baseline.as_ref()?.display().to_string()))
    }

    pub(crate) fn resume_filter(&self) -> ResumeFilter {
        ResumeFilter {
            measures: self.client.counts,
            verify: self.options.verify > 0,
            since: self.not_before,
            shard: self.input_options.shard,
        }
    }

    /// `env` reads a variable of the environment.
    pub(crate) fn new(mut cli: Cli, env: &Env<'_>) -> Result<Self, ConfigError> {
        let (input_query, save_to) = (input_query(&cli)?, save_target(&cli)?);
        check_flags(&cli)?;
        let saved = patterns::expand(cli.from)?;
        cli.from = saved.reports;
        let is_rerender = !cli.from.is_empty();
        let transport = transport(&cli)?;
        let is_replay = matches!(transport, TransportMode::Replay(_));
        let server = Server::choose(&cli, &transport, env)?;
        let ca_certificates = cli.ca_file.as_deref().map(network::ca_certificates).transpose()?;
        let (credentials, proxy) = if is_replay || is_rerender {
            (None, ProxyChoice::Direct)
        } else {
            let credentials = credentials::credentials(&server, &cli, env)?;
            network::check_certificate_variables(&server.endpoint, env)?;
            (credentials, network::choose_proxy(&server.endpoint, env)?)
        };
        let notes =
            arguments::check_arguments(&cli.logins, server.endpoint.web_host(), server.tokens.variable())
                .map_err(|error| if is_rerender { error.with_from() } else { error })?;
        let reports = outputs::outputs(cli.format, &cli.outputs, cli.save.is_some())?;
        outputs::check_outputs(&cli, &reports)?;
        check_token(&cli, credentials.is_some() || is_replay, &server)?;
        let (sources, stdin) = input_sources(&cli);
        let member_sources = members::member_sources(&cli, server.endpoint.web_host())?;
        let counts =
            CountSelection { breakdown: cli.breakdown, private: cli.private, last_push: cli.last_push };
        let carried =
            outputs::carried_columns(&cli.carry, cli.group_by.as_deref(), !cli.enterprises.is_empty())?;
        let is_missing = |path: &mut PathBuf| cli.baseline_optional && matches!(path.try_exists(), Ok(false));
        let has_baseline = cli.baseline.is_some();
        let missing_baseline = cli.baseline.take_if(is_missing);
        let chosen_columns = outputs::chosen_columns(&cli.columns, missing_baseline.is_some())?;
        let schema = ReportSchema {
            counts,
            carried: carried.names.clone(),
            change: cli.baseline.is_some(),
            verified: cli.verify > 0,
            exchange: rows_reference_cassette(&transport),
        };
        let columns = report_columns(&cli, &schema, &chosen_columns)?;
        // A run that has no baseline yet has no changes to sort by and no rules about them.
        let sortable = ReportSchema { change: has_baseline, ..schema.clone() };
        let order = outputs::row_order(cli.sort, cli.reverse, cli.top, (!is_rerender).then_some(&sortable))?;
        Ok(Self {
            sources,
            notes,
            stdin,
            member_sources,
            organization_column: carried.organizations,
            input_query,
            save_to,
            input_options: input_options(&cli, server.endpoint.web_host(), &carried),
            client: ClientConfig {
                api: server.api(cli.api, credentials.is_some(), &transport)?,
                rest_fallback: cli.api == ApiChoice::Auto,
                endpoint: server.endpoint,
                credentials,
                ca_certificates: ca_certificates.unwrap_or_default(),
                proxy,
                transport,
                max_concurrency: cli.jobs.into(),
                timeout: cli.timeout,
                retries: cli.retries,
                counts,
                batch_size: cli.batch.map(Into::into),
                pace: cli.pace.pace(),
                max_wait: cli.max_wait,
                deadline: cli.deadline,
                max_points: cli.max_points,
            },
            server_chosen_by: server.chosen_by,
            tokens: server.tokens,
            options: LookupOptions { verify: cli.verify, ..LookupOptions::default() },
            resume: cli.resume,
            not_before: cli.max_age.map(|age| Timestamp::now().saturating_sub(age).unwrap_or(Timestamp::MIN)),
            command: Vec::new(),
            rules: parse_rules(&cli.fail_on, (!is_rerender).then_some(&sortable))?,
            baseline: cli.baseline,
            missing_baseline,
            from: cli.from,
            unfinished: saved.unfinished,
            parts: cli.parts,
            chosen_columns,
            plan: cli.plan,
            reports,
            layout: ReportLayout {
                columns,
                order,
                style: outputs::terminal_style(cli.color, cli.format, env),
            },
            group_by: carried.group_by,
            progress: outputs::progress_mode(cli.progress, cli.quiet, env),
            quiet: cli.quiet,
            verbose: cli.verbose,
        })
    }
}

/// Returns the columns of the reports. Those of a finished report are not known yet.
fn report_columns(cli: &Cli, schema: &ReportSchema, chosen: &[String]) -> Result<Columns, ConfigError> {
    if !cli.from.is_empty() {
        return Ok(Columns::default());
    }
    let source = match Columns::of(schema).choose(chosen) {
        Ok(columns) => return Ok(columns),
        Err(error) => error,
    };
    match &source {
        ChooseColumnError::Unknown { name, .. }
            if (has_sheet(cli) || has_table(cli)) && !is_reserved(name) =>
        {
            Err(ConfigError::ColumnNotCarried { name: name.clone(), source })
        }
        ChooseColumnError::Unknown { .. } | ChooseColumnError::NotRequested { .. } => Err(source.into()),
    }
}

fn check_flags(cli: &Cli) -> Result<(), ConfigError> {
    if cli.role.is_some() && cli.members.is_empty() {
        return Err(ConfigError::RoleRequiresMembers);
    }
    if cli.plan && !matches!(cli.format, None | Some(Format::Table | Format::Json)) {
        return Err(ConfigError::PlanFormat);
    }
    if cli.parts.is_some() && cli.logins.is_empty() && cli.files.is_empty() {
        return Err(ConfigError::PartsRequireList);
    }
    let baseline = cli.baseline.as_ref().and_then(|path| path.to_str());
    if cli.baseline_optional && baseline.is_some_and(DatabaseUrl::looks_like_url) {
        return Err(ConfigError::BaselineOptionalDatabase);
    }
    match first_given([("--private", cli.private), ("--enterprise", !cli.enterprises.is_empty())]) {
        Some(flag) if cli.api == ApiChoice::Rest => return Err(ConfigError::RequiresGraphql(flag)),
        _ => {}
    }
    let is_of_sheet = |column: &str| !members::is_organization_column(cli, column);
    let sheet_only = first_given([
        ("--login-column", cli.login_column.is_some()),
        ("--no-header", cli.no_header),
        ("--header-row", cli.header_row.is_some()),
        ("--group-by", cli.group_by.as_deref().is_some_and(is_of_sheet) && !has_table(cli)),
        ("--carry", cli.carry.iter().any(|column| is_of_sheet(column)) && !has_table(cli)),
    ]);
    match sheet_only {
        Some(flag) if !has_sheet(cli) => Err(ConfigError::RequiresSheet(flag)),
        _ => Ok(()),
    }
}

/// Checks that there is a token for the counts and lists that GitHub refuses without one.
fn check_token(cli: &Cli, has_token: bool, server: &Server) -> Result<(), ConfigError> {
    match first_given([
        ("--private", cli.private),
        ("--verify", cli.verify > 0),
        ("--enterprise", !cli.enterprises.is_empty()),
        // It would list public members only. A token that was lost would look as if the others had left.
        ("--members with --baseline", !cli.members.is_empty() && cli.baseline.is_some()),
    ]) {
        Some(flag) if !has_token => Err(server.token_required_by(flag)),
        _ => Ok(()),
    }
}

fn input_sources(cli: &Cli) -> (Vec<InputSource>, StdinUse) {
    if !names_input(cli) {
        return (vec![InputSource::Stdin], StdinUse::Implied);
    }
    // Arguments that are not text are not logins either, and get a row.
    let arguments = cli.logins.iter().map(|text| match text.to_string_lossy() {
        stdin if stdin == "-" => InputSource::Stdin,
        text => InputSource::Text(text.into_owned()),
    });
    let files = cli.files.iter().map(|path| match path.to_str() {
        Some("-") => InputSource::Stdin,
        _ => InputSource::File(path.clone()),
    });
    (arguments.chain(files).collect(), StdinUse::Explicit)
}

fn input_options(cli: &Cli, web_host: &str, carried: &CarriedColumns) -> InputOptions {
    InputOptions {
        web_host: web_host.to_owned(),
        shard: cli.shard,
        allow_empty: cli.allow_empty,
        login_column: cli.login_column.as_deref().map(LoginColumn::of),
        header: header_choice(cli),
        mention_stdin: !cli.quiet,
        carry: carried.in_sheets.clone(),
        group_column: carried.group_by.as_ref().map(GroupTotals::column),
    }
}

fn header_choice(cli: &Cli) -> HeaderChoice {
    match cli.header_row {
        _ if cli.no_header => HeaderChoice::None,
        Some(line) => HeaderChoice::Line(line),
        None => HeaderChoice::Auto,
    }
}

/// Returns true for inputs that may be sheets.
fn has_sheet(cli: &Cli) -> bool {
    !cli.files.is_empty() || cli.logins.iter().any(|login| login == "-") || !names_input(cli)
}

/// Returns true for inputs that have columns and are not files.
fn has_table(cli: &Cli) -> bool {
    cli.sql.is_some() || !cli.from.is_empty()
}

/// Returns false if nothing is named that has logins.
fn names_input(cli: &Cli) -> bool {
    let has_lists = !cli.files.is_empty() || members::are_listed(cli);
    !cli.logins.is_empty() || has_lists || has_table(cli)
}

fn first_given<const N: usize>(flags: [(&'static str, bool); N]) -> Option<&'static str> {
    flags.into_iter().find_map(|(flag, is_given)| is_given.then_some(flag))
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

fn transport(cli: &Cli) -> Result<TransportMode, ConfigError> {
    match (&cli.record, &cli.replay) {
        (_, Some(file)) if file.is_file() => Err(ConfigError::RecordingIsFile(file.display().to_string())),
        (_, Some(folder)) if !folder.is_dir() => Err(ConfigError::NoRecording(folder.display().to_string())),
        (_, Some(folder)) => Ok(TransportMode::Replay(folder.clone())),
        (Some(folder), None) => Ok(TransportMode::Record(folder.clone())),
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

/// `schema` is None for a finished report, whose columns are not known yet.
fn parse_rules(texts: &[String], schema: Option<&ReportSchema>) -> Result<Rules, ConfigError> {
    let mut rules = Rules::default();
    for text in texts {
        rules.extend(Rules::parse(text)?);
    }
    let Some(schema) = schema else { return Ok(rules) };
    match (rules.needs_baseline(), rules.needs_last_push()) {
        (Some(rule), _) if !schema.change => Err(ConfigError::RuleNeedsBaseline(rule.to_owned())),
        (_, Some(rule)) if !schema.counts.last_push => Err(ConfigError::RuleNeedsLastPush(rule.to_owned())),
        _ => Ok(rules),
    }
}

#[cfg(test)]
mod tests;
