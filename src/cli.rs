//! The flags: syntax only. What they mean together is decided in [`config`](crate::config).

mod generate;
mod help;
pub(crate) mod values;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::ValueParser;
use clap::{ArgAction, Parser};

pub(crate) use self::generate::Generated;
pub(crate) use self::help::one_line_error;
pub(crate) use self::values::{ApiChoice, When};
use self::values::{duration, organization, positive_span, span, team, whole, within};
use crate::github::members::MemberSource;
use crate::render::{Format, SortKey};
use crate::shard::Shard;

/// How many repositories does each of these GitHub accounts have?
///
/// Asks GitHub for every login, many at a time, and reports a count or the reason why there is none.
#[derive(Clone, Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[expect(clippy::doc_markdown, reason = "a terminal shows backticks as they are")]
#[command(
    name = "ghrepos",
    version,
    max_term_width = 100,
    args_override_self = true,
    disable_help_flag = true,
    disable_version_flag = true,
    after_help = help::SHORT,
    after_long_help = help::long()
)]
pub(crate) struct Cli {
    /// Logins, @logins or addresses of profiles; - reads standard input
    #[arg(value_name = "LOGIN", allow_hyphen_values = false, display_order = 0, help_heading = WHOM)]
    pub(crate) logins: Vec<OsString>,

    /// A list: one login a line, or a .csv or .tsv with a header
    ///
    /// In a list with one login a line, # begins a comment. Can be given several times.
    #[arg(short, long = "file", value_name = "FILE", display_order = 1, help_heading = WHOM)]
    pub(crate) files: Vec<PathBuf>,

    /// The column with the logins [default: login, github, username or user]
    #[arg(long, value_name = "NAME", help_heading = WHOM)]
    pub(crate) login_column: Option<String>,

    /// Columns of the list to carry into the report
    ///
    /// Of a .csv or .tsv, or of --query.
    #[arg(long, value_name = "COLUMN,...", help_heading = WHOM)]
    pub(crate) carry: Vec<String>,

    /// Subtotals by a column of the list, which is carried into the report
    #[arg(long, value_name = "COLUMN", help_heading = WHOM)]
    pub(crate) group_by: Option<String>,

    /// Every member of an organisation
    ///
    /// Can be given several times.
    #[arg(long, value_name = "ORG", value_parser = ValueParser::new(organization), help_heading = WHOM)]
    pub(crate) members: Vec<MemberSource>,

    /// Every member of a team
    ///
    /// Can be given several times.
    #[arg(long = "team", value_name = "ORG/TEAM", value_parser = ValueParser::new(team), help_heading = WHOM)]
    pub(crate) teams: Vec<MemberSource>,

    /// The first column of --query's rows in a database: sqlite:FILE, postgres://…
    #[cfg(feature = "sql")]
    #[arg(long, value_name = "URL", requires = "query", conflicts_with = "from", hide_short_help = true, help_heading = WHOM)]
    pub(crate) sql: Option<String>,

    /// What to ask the database of --sql; further columns can be carried
    #[cfg(feature = "sql")]
    #[arg(long, value_name = "SQL", requires = "sql", hide_short_help = true, help_heading = WHOM)]
    pub(crate) query: Option<String>,

    /// Only the I-th of N parts of the list: 1/8, 2/8 … on eight machines
    ///
    /// By a stable hash of the login: whatever the order of the list, each login is in one part.
    #[arg(long, value_name = "I/N", hide_short_help = true, help_heading = WHOM)]
    pub(crate) shard: Option<Shard>,

    /// Also count sources, forks and archived ones among the public repositories
    #[arg(long, help_heading = COUNT)]
    pub(crate) breakdown: bool,

    /// Also count the private repositories that the token may see (GraphQL only)
    #[arg(long, help_heading = COUNT)]
    pub(crate) private: bool,

    /// Count that share of the logins again, through the other API, and report disagreement
    #[arg(long, value_name = "PERCENT", value_parser = ValueParser::new(within::<u8>(0, 100)), default_value_t = 0, hide_default_value = true, hide_short_help = true, help_heading = COUNT)]
    pub(crate) verify: u8,

    /// The API to ask; auto: GraphQL with a token, REST without
    ///
    /// Bots are asked by REST in any case.
    #[arg(long, value_name = "API", default_value = "auto", help_heading = HOW)]
    pub(crate) api: ApiChoice,

    /// Requests in flight, 1 to 100
    #[arg(short, long, value_name = "N", default_value_t = 10, value_parser = ValueParser::new(within::<u8>(1, 100)), help_heading = HOW)]
    pub(crate) jobs: u8,

    /// Most logins in a GraphQL query, 1 to 100
    ///
    /// [default: as many as cost one point; fewer for a short list, so that it fills the jobs]
    #[arg(long, value_name = "N", value_parser = ValueParser::new(within::<u8>(1, 100)), hide_short_help = true, help_heading = HOW)]
    pub(crate) batch: Option<u8>,

    /// The longest wait for a limit; where a longer one is due, the rest is skipped
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = ValueParser::new(span), help_heading = HOW)]
    pub(crate) max_wait: Duration,

    /// Stop asking then; the rest is skipped
    #[arg(long, value_name = "DURATION", value_parser = ValueParser::new(positive_span), hide_short_help = true, help_heading = HOW)]
    pub(crate) deadline: Option<Duration>,

    /// Stop before spending more points; the rest is skipped
    ///
    /// Where the API is REST: requests.
    #[arg(long, value_name = "N", value_parser = ValueParser::new(whole::<u64>), hide_short_help = true, help_heading = HOW)]
    pub(crate) max_points: Option<u64>,

    /// For one attempt, from sending to the answer's last byte
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = ValueParser::new(duration), hide_short_help = true, help_heading = HOW)]
    pub(crate) timeout: Duration,

    /// Further attempts at what may pass: broken connections, time-outs, 5xx, limits
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = ValueParser::new(within::<u32>(0, 100)), hide_short_help = true, help_heading = HOW)]
    pub(crate) retries: u32,

    /// GitHub host to query [default: GH_HOST, else github.com]
    ///
    /// github.com, SUB.ghe.com, or an Enterprise Server. Inside GitHub Actions the default is GH_HOST, then the
    /// server that runs the job (GITHUB_API_URL, GITHUB_SERVER_URL).
    #[arg(long, value_name = "HOST", conflicts_with = "api_url", help_heading = HOW)]
    pub(crate) host: Option<String>,

    /// One more certificate authority to trust, in PEM format
    #[arg(long, value_name = "FILE", hide_short_help = true, help_heading = HOW)]
    pub(crate) ca_file: Option<PathBuf>,

    /// The API's address, for a gateway or a test server
    ///
    /// One ending in /api/v3 is an Enterprise Server's.
    #[arg(long, value_name = "URL", hide_short_help = true, help_heading = HOW)]
    pub(crate) api_url: Option<String>,

    /// Keep every exchange with GitHub in this folder, without the token
    #[arg(long, value_name = "DIR", hide_short_help = true, help_heading = HOW)]
    pub(crate) record: Option<PathBuf>,

    /// Answer from exchanges kept in this folder, with no network and no token
    #[arg(long, value_name = "DIR", conflicts_with = "record", hide_short_help = true, help_heading = HOW)]
    pub(crate) replay: Option<PathBuf>,

    /// Ask as the GitHub App with this id [default: GHREPOS_APP_ID]
    #[arg(long, value_name = "ID", value_parser = ValueParser::new(whole::<u64>), hide_short_help = true, help_heading = HOW)]
    pub(crate) app_id: Option<u64>,

    /// The app's private key in PEM format
    ///
    /// [default: GHREPOS_APP_KEY, a file or the key itself]
    #[arg(long, value_name = "FILE", hide_short_help = true, help_heading = HOW)]
    pub(crate) app_key: Option<PathBuf>,

    /// Which of the app's installations, where there are several [default: GHREPOS_INSTALLATION]
    #[arg(long, value_name = "ID", value_parser = ValueParser::new(whole::<u64>), hide_short_help = true, help_heading = HOW)]
    pub(crate) installation: Option<u64>,

    /// Print what the run would ask, cost and take, and stop
    ///
    /// As JSON with -F json.
    #[arg(long, help_heading = HOW)]
    pub(crate) plan: bool,

    /// What to print [default: table, or nothing where there is an --output]
    #[arg(short = 'F', long, value_name = "FORMAT", help_heading = WHAT)]
    pub(crate) format: Option<Format>,

    /// Write a report: .csv .tsv .json .ndjson .md .html .prom
    ///
    /// Its format is the extension's. Can be given several times.
    #[arg(short, long = "output", value_name = "FILE", help_heading = WHAT)]
    pub(crate) outputs: Vec<PathBuf>,

    /// Append the run to a database: sqlite:FILE, postgres://…
    #[cfg(feature = "sql")]
    #[arg(long, value_name = "URL", hide_short_help = true, help_heading = WHAT)]
    pub(crate) save: Option<String>,

    /// The name of the run in that database, by which the shards of one find each other
    #[cfg(feature = "sql")]
    #[arg(long, value_name = "NAME", requires = "save", hide_short_help = true, help_heading = WHAT)]
    pub(crate) run_name: Option<String>,

    /// Sort by this, largest counts first [default: input; with --top: public_repos]
    #[arg(long, value_name = "KEY", hide_possible_values = true, help_heading = WHAT)]
    #[arg(
        long_help = "Sort by this, largest counts first: input, login, public_repos, sources, forks, archived or \
                       private_repos [default: input; with --top: public_repos]"
    )]
    pub(crate) sort: Option<SortKey>,

    /// Show only the first N rows; the totals are still of all
    #[arg(long, value_name = "N", value_parser = ValueParser::new(whole::<usize>), help_heading = WHAT)]
    pub(crate) top: Option<usize>,

    /// Colours in the table
    ///
    /// auto: on a terminal, unless NO_COLOR is set, or where CLICOLOR_FORCE is.
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_short_help = true, help_heading = WHAT)]
    pub(crate) color: When,

    /// Progress on standard error
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_short_help = true, help_heading = WHAT)]
    pub(crate) progress: When,

    /// No progress and no summary on standard error
    #[arg(short, long, help_heading = WHAT)]
    pub(crate) quiet: bool,

    /// Tell more on standard error: -v of waits and further attempts, -vv of every request
    #[arg(short, long, action = ArgAction::Count, help_heading = WHAT)]
    pub(crate) verbose: u8,

    /// Go on with the .ndjson output: keep its good rows and ask for the rest
    #[arg(long, help_heading = OVER)]
    pub(crate) resume: bool,

    /// With --resume: keep only rows that are not older
    #[arg(long, value_name = "DURATION", requires = "resume", value_parser = ValueParser::new(span), hide_short_help = true, help_heading = OVER)]
    pub(crate) max_age: Option<Duration>,

    /// Compare with an earlier report: columns was and change
    ///
    /// .ndjson, .json, .csv or .tsv, or the last complete run in a database.
    #[arg(long, value_name = "FILE|URL", help_heading = OVER)]
    pub(crate) baseline: Option<PathBuf>,

    /// End with status 3 where a rule holds: new>0, change>50%, failed>0 …
    ///
    /// A measure, >, >= or =, and a number or a percentage. Measures are new, gone, renamed, replaced, unknown,
    /// not_found, forbidden, invalid, failed, skipped, change and public_repos.
    #[arg(long, value_name = "RULE,...", help_heading = OVER)]
    pub(crate) fail_on: Vec<String>,

    /// Render a finished report again, or several joined; nothing is asked
    #[arg(long, value_name = "FILE", help_heading = OVER, conflicts_with_all = [
        "logins", "files", "members", "teams", "carry", "record", "replay", "plan", "resume", "verify", "breakdown", "private", "shard"
    ])]
    pub(crate) from: Vec<PathBuf>,

    /// Print a man page, or what completes flags in a shell
    #[arg(long, value_name = "WHAT", exclusive = true, hide_short_help = true, help_heading = OTHER)]
    pub(crate) generate: Option<Generated>,

    /// Print help: -h in short, --help with everything
    #[arg(short, long, action = ArgAction::Help, help_heading = OTHER)]
    help: Option<bool>,

    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = OTHER)]
    version: Option<bool>,
}

const WHOM: &str = "Whom to count";
const COUNT: &str = "What to count";
const HOW: &str = "How to ask";
const WHAT: &str = "What to print";
const OVER: &str = "Over time";
const OTHER: &str = "Other";

#[cfg(test)]
mod tests;
