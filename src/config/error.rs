//! What is wrong with the flags or the environment, and the way out.

use crate::exit_status::ExitStatus;
use crate::fail_on::ParseRuleError;
use crate::github::credentials::InvalidToken;
use crate::github::endpoint::{ApiEndpoint, InvalidEndpoint};
use crate::network::proxy::ParseProxyError;
use crate::render::Format;

/// Flags that make no sense together, or not in this environment.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// Nobody to count.
    #[error(
        "nobody to count: name some logins, give a list with --file, an organisation with --members, or - to read standard input"
    )]
    NoLogins,
    /// An output whose name tells no format.
    #[error("cannot tell the format of {0} from its name: let it end in {extensions}", extensions = extensions())]
    NoFormat(String),
    /// The same file twice.
    #[error("{0} is given as an output twice")]
    OutputTwice(String),
    /// A report that would replace the list that it is made from.
    #[error("{0} is the list and an output: the report would replace the list")]
    ListIsOutput(String),
    /// A folder that is to be replayed, and is none.
    #[error("cannot replay {0}: there is no such folder")]
    NoRecording(String),
    /// `--api-url` or `GITHUB_API_URL` is no address of an API.
    #[error("cannot use address {url:?} from {from}: {reason}")]
    InvalidEndpoint {
        /// As it was given.
        url: String,
        /// The flag or the variable.
        from: &'static str,
        /// What is wrong with it.
        reason: InvalidEndpoint,
    },
    /// `--host`, `GH_HOST` or `GITHUB_SERVER_URL` is no host.
    #[error("cannot use host {host:?} from {from}: {reason}")]
    NotAHost {
        /// As it was given.
        host: String,
        /// The flag or the variable.
        from: &'static str,
        /// What is wrong with it.
        reason: InvalidEndpoint,
    },
    /// A host whose name is almost that of GitHub.
    #[error(
        "unknown host {host:?} (from {from}): did you mean {meant}? If this is your server, use --api-url https://{host}/api/v3"
    )]
    MistypedHost {
        /// As it was given.
        host: String,
        /// `--host` or `GH_HOST`.
        from: &'static str,
        /// What was probably meant.
        meant: &'static str,
    },
    /// The variables of the Actions job name two servers.
    #[error(
        "GITHUB_API_URL {api_url:?} and GITHUB_SERVER_URL {server_url:?} name different servers: choose one with --host or --api-url"
    )]
    ConflictingServers {
        /// The value of `GITHUB_API_URL`.
        api_url: String,
        /// The value of `GITHUB_SERVER_URL`.
        server_url: String,
    },
    /// `--ca-file` holds no certificate.
    #[error("cannot take a certificate authority from {path}: {reason}")]
    NoCertificate {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// `SSL_CERT_FILE` or `SSL_CERT_DIR` names no certificate.
    #[error(
        "cannot use the certificates in {path:?} (from {variable}): {reason}; correct the path, or unset {variable}"
    )]
    UnusableCertificates {
        /// The environment variable.
        variable: &'static str,
        /// The file or folder.
        path: String,
        /// The reason.
        reason: String,
    },
    /// The environment names a proxy that cannot be used.
    #[error("cannot use the proxy {proxy:?} (from {variable}): {reason}")]
    UnusableProxy {
        /// As it was given, without user and password.
        proxy: String,
        /// The environment variable.
        variable: &'static str,
        /// The reason.
        reason: ParseProxyError,
    },
    /// No address of a database.
    #[cfg(feature = "sql")]
    #[error("cannot use the database {url:?}: {reason}")]
    NotADatabase {
        /// As it was given, without a password.
        url: String,
        /// What is wrong with it.
        reason: crate::database::NotADatabase,
    },
    /// Nothing to ask a database.
    #[error("--query is empty: it has to look like \"SELECT login FROM staff\"")]
    EmptyQuery,
    /// A part of a run that the others cannot find.
    #[error("--save of a --shard needs a --run-name, by which the parts of the run find each other")]
    NamelessShard,
    /// Something needs a token, and there is none.
    #[error("{flag} requires a token: {way_out}")]
    NeedsToken {
        /// The flag.
        flag: &'static str,
        /// How to provide a token for the queried server.
        way_out: String,
    },
    /// Private repositories by REST.
    #[error("--private is not to be had by REST: drop --api rest")]
    PrivateByRest,
    /// Sorted by what is not counted.
    #[error("--sort {0} needs {1}")]
    NotCounted(&'static str, &'static str),
    /// A column of nothing.
    #[error("{0} is for lists that end in .csv or .tsv{more}, and there is none", more = if *.0 == "--login-column" { "" } else { ", and for --sql" })]
    NoSheet(&'static str),
    /// A rule that makes no sense.
    #[error(transparent)]
    ParseRuleError(#[from] ParseRuleError),
    /// A rule about a change, and nothing to compare with.
    #[error("--fail-on {0} needs an earlier report to compare with: add --baseline FILE")]
    NeedsBaseline(String),
    /// `--carry` names no columns.
    #[error("cannot carry {0:?}: it has to look like name,team")]
    NoColumns(String),
    /// A column that the report has itself.
    #[error("cannot carry {0:?}: the report has a column of that name itself; give it another in the list")]
    OwnColumn(String),
    /// Nothing to go on with.
    #[error("--resume goes on with one .ndjson output, and there is none: add -o FILE.ndjson")]
    NoJournal,
    /// More than one thing to go on with.
    #[error("--resume goes on with one .ndjson output, and there are {0}: write the others in another run")]
    ManyJournals(usize),
    /// Something that cannot be read again.
    #[error("--resume cannot go on with {0}: it is no file")]
    NoJournalFile(String),
    /// A plan in a format that it does not have.
    #[error("a plan is printed for people, or as JSON with -F json")]
    PlanFormat,
    /// A token that is none.
    #[error(transparent)]
    InvalidToken(#[from] InvalidToken),
    /// No key of an app.
    #[error("cannot take the app's key from {from}: {reason}")]
    NoKey {
        /// The file or the variable.
        from: String,
        /// Why.
        reason: String,
    },
    /// A variable that is to hold the number of an app or an installation.
    #[error("{0} holds no whole number")]
    NotAnId(&'static str),
    /// A part of what an app needs.
    #[error("{0} needs {1} too")]
    HalfAnApp(&'static str, &'static str),
    /// A token would go over the network for everyone to read.
    #[error("refusing to send the token from {from} over plain HTTP to {endpoint}: use https")]
    InsecureEndpoint {
        /// Where it would go.
        endpoint: ApiEndpoint,
        /// Where it was found.
        from: &'static str,
    },
}

fn extensions() -> String {
    Format::EXTENSIONS.map(|(extension, _)| format!(".{extension}")).join(" ")
}

impl ConfigError {
    /// The exit status that it means.
    #[must_use]
    pub(crate) fn exit(&self) -> ExitStatus {
        match self {
            Self::NeedsToken { .. } => ExitStatus::Token,
            _ => ExitStatus::Usage,
        }
    }
}
