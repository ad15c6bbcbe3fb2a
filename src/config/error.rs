//! Errors of flags and environment. Each message names the value and the way out.

use std::io;

use crate::exit_status::ExitStatus;
use crate::fail_on::ParseRuleError;
use crate::github::credentials::{InvalidPrivateKey, InvalidToken};
use crate::github::endpoint::{ApiEndpoint, InvalidEndpoint};
use crate::network::proxy::ParseProxyError;
use crate::render::Format;
use crate::report::ChooseColumnError;

/// `from` is the flag or the variable with the value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error(
        "no logins given: pass logins as arguments, a file with --file, an organization with --members, or - for standard \
         input"
    )]
    NoLogins,
    #[error(
        "unknown output format of {0}: use a name ending in {extensions}, or name the format with -F",
        extensions = extensions()
    )]
    UnknownFormat(String),
    #[error("cannot print a workbook to a terminal: write it to a file with -o FILE.xlsx")]
    WorkbookToTerminal,
    #[error("no file matches {0}: name the reports of --from")]
    NoMatch(String),
    #[error("no file matches {0}: {1}")]
    OnlyUnfinished(String, String),
    #[error("--parts names the parts that lack logins of a list: add -f FILE with the list of all parts")]
    PartsRequireList,
    #[error("output {0} is specified more than once")]
    DuplicateOutput(String),
    #[error("output {0} would overwrite the input file")]
    OutputOverwritesInput(String),
    #[error("cannot replay {0}: no such folder")]
    NoRecording(String),
    #[error("cannot replay {0}: it is a file; name the folder of --record")]
    RecordingIsFile(String),
    #[error("cannot use URL {url:?} from {from}: {source}")]
    InvalidEndpoint { url: String, from: &'static str, source: InvalidEndpoint },
    #[error("cannot use host {host:?} from {from}: {source}")]
    InvalidHost { host: String, from: &'static str, source: InvalidEndpoint },
    #[error(
        "unknown host {host:?} (from {from}): did you mean {meant}? If this is your server, use --api-url \
         https://{host}/api/v3"
    )]
    MistypedHost { host: String, from: &'static str, meant: &'static str },
    #[error(
        "GITHUB_API_URL {api_url:?} and GITHUB_SERVER_URL {server_url:?} name different servers: choose one with --host or \
         --api-url"
    )]
    ConflictingServers { api_url: String, server_url: String },
    #[error("cannot use the certificates in {path} (from --ca-file): {source}")]
    UnusableCaFile { path: String, source: CertificateError },
    #[error(
        "cannot use the certificates in {path:?} (from {variable}): {source}; correct the path, or unset {variable}"
    )]
    UnusableCertificates { variable: &'static str, path: String, source: CertificateError },
    /// `proxy` has no user and password.
    #[error("cannot use the proxy {proxy:?} (from {variable}): {source}")]
    UnusableProxy { proxy: String, variable: &'static str, source: ParseProxyError },
    /// `url` has no password.
    #[error("cannot use the database {url:?}: {source}")]
    InvalidDatabaseUrl { url: String, source: crate::database::NotADatabase },
    #[error("--query is empty: expected a query such as \"SELECT login FROM staff\"")]
    EmptyQuery,
    #[error("--save with --shard requires --run-name: the shards of a run find each other by it")]
    ShardNeedsRunName,
    #[error("{flag} requires a token: {way_out}")]
    TokenRequired { flag: &'static str, way_out: String },
    #[error("{0} requires the GraphQL API: remove --api rest")]
    RequiresGraphql(&'static str),
    #[error("{0:?} is a file, not a login: read it with --file {0}")]
    FileAsLogin(String),
    #[error(
        "{0:?} is a file, not a login: add --from before each report, or quote the pattern, as in --from 'part-*.ndjson'"
    )]
    FileWithoutFrom(String),
    /// The argument is not shown.
    #[error("an argument looks like a token: set {0} to it instead, since other processes can see arguments")]
    TokenAsLogin(&'static str),
    #[error("--role filters the members of an organization: add --members ORG")]
    RoleRequiresMembers,
    #[error("invalid value {value:?} for {flag}: {reason}")]
    InvalidMemberSource { flag: &'static str, value: String, reason: String },
    /// GitHub refuses a list to this token.
    #[error("{0}")]
    AccessDenied(String),
    #[error("--sort {key} requires {flag}")]
    SortKeyNotSelected { key: &'static str, flag: &'static str },
    #[error("{0} requires a sheet as input: --file FILE, or - for standard input{or_sql}", or_sql = if matches!(*.0, "--carry" | "--group-by") { ", or --sql" } else { "" })]
    RequiresSheet(&'static str),
    #[error(transparent)]
    InvalidRule(#[from] ParseRuleError),
    #[error("--fail-on {0} requires an earlier report: add --baseline FILE")]
    RuleNeedsBaseline(String),
    #[error("--fail-on {0} requires --last-push")]
    RuleNeedsLastPush(String),
    #[error("--baseline-optional requires a file as --baseline: omit both for the first run into a database")]
    BaselineOptionalDatabase,
    #[error("cannot carry {0:?}: expected column names such as name,team{hint}", hint = blank_hint(.0))]
    InvalidColumns(String),
    #[error("cannot show the columns {0:?}: expected column names such as login,public_repos{hint}", hint = blank_hint(.0))]
    InvalidChoice(String),
    #[error(transparent)]
    UnknownColumn(#[from] ChooseColumnError),
    #[error("{source}; to show a column of the input, add --carry {argument}", argument = argument(.name))]
    ColumnNotCarried { name: String, source: ChooseColumnError },
    #[error("cannot carry column {0:?}: the name is reserved; rename it in the input")]
    ReservedColumn(String),
    #[error("--resume requires exactly one .ndjson output: add -o FILE.ndjson")]
    NoResumeTarget,
    #[error("--resume requires exactly one .ndjson output, not {0}: write the others in another run")]
    AmbiguousResumeTarget(usize),
    #[error("--plan supports only the table and json formats")]
    PlanFormat,
    #[error(transparent)]
    InvalidToken(#[from] InvalidToken),
    #[error("cannot use the app's key from {from}: {source}")]
    UnusableAppKey { from: String, source: AppKeyError },
    #[error("{0} must be an integer")]
    InvalidId(&'static str),
    #[error("{0} also requires {1}")]
    IncompleteAppCredentials(&'static str, &'static str),
    #[error("refusing to send the token from {from} over plain HTTP to {endpoint}: use https")]
    InsecureEndpoint { endpoint: ApiEndpoint, from: &'static str },
}

fn extensions() -> String {
    Format::EXTENSIONS.map(|(extension, _)| format!(".{extension}")).join(" ")
}

/// A shell passes what follows a blank as another argument, so that the list ends in a comma.
fn blank_hint(list: &str) -> &'static str {
    match list.trim_end().strip_suffix(',') {
        Some(names) if !names.is_empty() => "; write no blank after the comma, or quote the list",
        _ => "",
    }
}

/// Returns the name of a column as an argument for a shell.
fn argument(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
    if is_plain { name.to_owned() } else { format!("{name:?}") }
}

impl ConfigError {
    /// After `--from`, a file is a report: the shell has expanded a pattern.
    pub(super) fn with_from(self) -> Self {
        match self {
            Self::FileAsLogin(file) => Self::FileWithoutFrom(file),
            other => other,
        }
    }

    pub(crate) fn exit_status(&self) -> ExitStatus {
        match self {
            Self::TokenRequired { .. } | Self::AccessDenied(_) => ExitStatus::Auth,
            _ => ExitStatus::Usage,
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum AppKeyError {
    #[error("{}", crate::text::io_message(.0))]
    Read(#[source] io::Error),
    /// The text is not shown: it may be a damaged key.
    #[error("it is neither a private key in PEM format nor a file that can be read")]
    NeitherKeyNorFile(#[source] io::Error),
    #[error(transparent)]
    Invalid(#[from] InvalidPrivateKey),
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum CertificateError {
    #[error("{}", crate::text::io_message(.0))]
    Read(#[source] io::Error),
    #[error("{}", crate::text::io_message(.0))]
    Parse(#[source] reqwest::Error),
    #[error("it has no certificate in PEM format")]
    NoneInFile,
    #[error("none of its files has a certificate in PEM format")]
    NoneInFolder,
}
