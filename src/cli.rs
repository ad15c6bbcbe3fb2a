//! The flags: syntax only. What they mean together is decided in [`config`](crate::config).

mod values;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::ValueParser;
use clap::{ArgAction, Parser, ValueEnum};

use self::values::{duration, organization, positive_span, span, team, whole};
use crate::github::members::Group;
use crate::render::{Format, SortKey};
use crate::roster::Shard;

/// How many repositories does each of these GitHub accounts have?
///
/// Asks GitHub for every login, many at a time, and reports a count or the reason why there is none.
#[derive(Clone, Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[command(
    name = "ghrepos",
    version,
    max_term_width = 100,
    args_override_self = true,
    after_help = AFTER_HELP,
    after_long_help = AFTER_LONG_HELP
)]
pub struct Cli {
    /// Logins, @logins or addresses of profiles; - reads standard input
    #[arg(value_name = "LOGIN", allow_hyphen_values = false)]
    pub logins: Vec<OsString>,

    /// A list with one login a line (# begins a comment), or a .csv or .tsv with a header. Can be given
    /// several times
    #[arg(short, long = "file", value_name = "FILE", help_heading = "Whom to count")]
    pub files: Vec<PathBuf>,

    /// The column of a .csv or .tsv with the logins [default: login, github, username or user]
    #[arg(long, value_name = "NAME", help_heading = "Whom to count")]
    pub login_column: Option<String>,

    /// Columns of a .csv or .tsv, or of --query, to carry into the report
    #[arg(long, value_name = "COLUMN,...", help_heading = "Whom to count")]
    pub carry: Vec<String>,

    /// Subtotals by such a column, which is carried into the report
    #[arg(long, value_name = "COLUMN", help_heading = "Whom to count")]
    pub group_by: Option<String>,

    /// Every member of an organisation. Can be given several times
    #[arg(long, value_name = "ORG", value_parser = ValueParser::new(organization), help_heading = "Whom to count")]
    pub members: Vec<Group>,

    /// Every member of a team. Can be given several times
    #[arg(long = "team", value_name = "ORG/TEAM", value_parser = ValueParser::new(team), help_heading = "Whom to count")]
    pub teams: Vec<Group>,

    /// The first column of the rows of --query in this database: sqlite:FILE, postgres://…
    #[cfg(feature = "sql")]
    #[arg(long, value_name = "URL", requires = "query", help_heading = "Whom to count")]
    pub sql: Option<String>,

    /// What to ask the database of --sql; further columns can be carried
    #[cfg(feature = "sql")]
    #[arg(long, value_name = "SQL", requires = "sql", help_heading = "Whom to count")]
    pub query: Option<String>,

    /// Only the I-th of N parts of the roster, by a stable hash of the login: 1/8, 2/8 … on eight machines
    #[arg(long, value_name = "I/N", help_heading = "Whom to count")]
    pub shard: Option<Shard>,

    /// Also count sources, forks and archived ones among the public repositories
    #[arg(long, help_heading = COUNT)]
    pub breakdown: bool,

    /// Also count the private repositories that the token may see (GraphQL only)
    #[arg(long, help_heading = COUNT)]
    pub private: bool,

    /// Count that share of the logins again, through the other API, and report disagreement
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100), default_value_t = 0, hide_default_value = true, help_heading = COUNT)]
    pub verify: u8,

    /// The API to ask; auto: GraphQL with a token, REST without. Bots are asked by REST in any case
    #[arg(long, value_name = "API", default_value = "auto", help_heading = HOW)]
    pub api: Way,

    /// Requests in flight, 1 to 100
    #[arg(short, long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=100), help_heading = HOW)]
    pub jobs: u8,

    /// Most logins in a GraphQL query, 1 to 100 [default: as many as cost one point; fewer for a short
    /// roster, so that it fills the jobs]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=100), help_heading = HOW)]
    pub batch: Option<u8>,

    /// The longest wait for a limit; where a longer one is due, the rest is skipped
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = ValueParser::new(span), help_heading = HOW)]
    pub max_wait: Duration,

    /// Stop asking then; the rest is skipped
    #[arg(long, value_name = "DURATION", value_parser = ValueParser::new(positive_span), help_heading = HOW)]
    pub deadline: Option<Duration>,

    /// Stop before spending more points (or requests, where the API is REST); the rest is skipped
    #[arg(long, value_name = "N", value_parser = ValueParser::new(whole::<u64>), help_heading = HOW)]
    pub max_points: Option<u64>,

    /// For one attempt, from sending to the answer's last byte
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = ValueParser::new(duration), help_heading = HOW)]
    pub timeout: Duration,

    /// Further attempts at what may pass: broken connections, time-outs, 5xx, limits
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(0..=100), help_heading = HOW)]
    pub retries: u32,

    /// The host
    #[arg(long, value_name = "HOST", help = "The host: github.com, SUB.ghe.com, or an Enterprise Server [default: GH_HOST, else github.com]", conflicts_with = "api_url", help_heading = HOW)]
    pub host: Option<String>,

    /// One more certificate authority to trust, in PEM format
    #[arg(long, value_name = "FILE", help_heading = HOW)]
    pub ca_file: Option<PathBuf>,

    /// The API's address, for a gateway or a test server; one ending in /api/v3 is an Enterprise Server's
    #[arg(long, value_name = "URL", help_heading = HOW)]
    pub api_url: Option<String>,

    /// Keep every exchange with GitHub in this folder, without the token
    #[arg(long, value_name = "DIR", help_heading = HOW)]
    pub record: Option<PathBuf>,

    /// Answer from exchanges kept in this folder, with no network and no token
    #[arg(long, value_name = "DIR", conflicts_with = "record", help_heading = HOW)]
    pub replay: Option<PathBuf>,

    /// The id of a GitHub App to ask as
    #[arg(long, value_name = "ID", help = "Ask as the GitHub App with this id [default: GHREPOS_APP_ID]", value_parser = ValueParser::new(whole::<u64>), help_heading = HOW)]
    pub app_id: Option<u64>,

    /// The app's private key
    #[arg(long, value_name = "FILE", help = "The app's private key in PEM format [default: GHREPOS_APP_KEY, a file or the key itself]", help_heading = HOW)]
    pub app_key: Option<PathBuf>,

    /// Which of the app's installations
    #[arg(long, value_name = "ID", help = "Which of the app's installations, where there are several [default: GHREPOS_INSTALLATION]", value_parser = ValueParser::new(whole::<u64>), help_heading = HOW)]
    pub installation: Option<u64>,

    /// Print what the run would ask, cost and take, and stop (as JSON with -F json)
    #[arg(long, help_heading = HOW)]
    pub plan: bool,

    /// What to print [default: table, or nothing where there is an --output]
    #[arg(short = 'F', long, value_name = "FORMAT", help_heading = WHAT)]
    pub format: Option<Format>,

    /// Write a report; its format is the extension's: .csv .tsv .json .ndjson .md .html .prom. Can be
    /// given several times
    #[arg(short, long = "output", value_name = "FILE", help_heading = WHAT)]
    pub outputs: Vec<PathBuf>,

    /// Append the run to a database: sqlite:FILE, postgres://…
    #[cfg(feature = "sql")]
    #[arg(long, value_name = "URL", help_heading = WHAT)]
    pub save: Option<String>,

    /// The name of the run in that database, by which the shards of one find each other
    #[cfg(feature = "sql")]
    #[arg(long, value_name = "NAME", requires = "save", help_heading = WHAT)]
    pub run_name: Option<String>,

    /// Go on with the .ndjson output: keep its good rows and ask for the rest
    #[arg(long, help_heading = OVER)]
    pub resume: bool,

    /// With --resume: keep only rows that are not older
    #[arg(long, value_name = "DURATION", requires = "resume", value_parser = ValueParser::new(span), help_heading = OVER)]
    pub max_age: Option<Duration>,

    /// Compare with an earlier report (.ndjson, .json, .csv, .tsv), or with the last complete run of a
    /// database: columns was and change
    #[arg(long, value_name = "FILE|URL", help_heading = OVER)]
    pub baseline: Option<PathBuf>,

    /// End with status 3 where a rule holds
    #[arg(long, value_name = "RULE,...", help = "End with status 3 where a rule holds: new>0, gone>0, renamed>0, replaced>0, change>10%, change>5, public_repos>=1000, failed>0, not_found>1% …", help_heading = OVER)]
    pub fail_on: Vec<String>,

    /// Render a finished report again, or several joined; nothing is asked
    #[arg(long, value_name = "FILE", help_heading = OVER, conflicts_with_all = [
        "logins", "files", "members", "teams", "carry", "record", "replay", "plan", "resume", "verify", "breakdown", "private", "shard"
    ])]
    pub from: Vec<PathBuf>,

    /// Sort by this, the largest counts first
    #[arg(long, value_name = "KEY", help = "Sort by this, largest counts first [default: roster; with --top: public_repos]", help_heading = WHAT)]
    pub sort: Option<SortKey>,

    /// Show only the first N rows; the totals are still of all
    #[arg(long, value_name = "N", value_parser = ValueParser::new(whole::<usize>), help_heading = WHAT)]
    pub top: Option<usize>,

    /// Colours in the table
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = WHAT)]
    pub color: When,

    /// Progress on standard error
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = WHAT)]
    pub progress: When,

    /// No progress and no summary on standard error
    #[arg(short, long, help_heading = WHAT)]
    pub quiet: bool,

    /// Tell more on standard error: -v of waits and further attempts, -vv of every request
    #[arg(short, long, action = ArgAction::Count, help_heading = WHAT)]
    pub verbose: u8,
}

const COUNT: &str = "What to count";
const HOW: &str = "How to ask";
const WHAT: &str = "What to print";
const OVER: &str = "Over time";

const AFTER_HELP: &str =
    "The token is taken from GH_TOKEN or GITHUB_TOKEN. Without one GitHub answers 60 requests an hour.";

const AFTER_LONG_HELP: &str = "\
Token:
  Taken from GH_TOKEN, then GITHUB_TOKEN (for an Enterprise Server GH_ENTERPRISE_TOKEN, then
  GITHUB_ENTERPRISE_TOKEN), else from `gh auth token` where gh is installed. Without one GitHub
  answers 60 requests an hour. With one, a query for a hundred logins costs one of 5,000 points an
  hour. With --app-id and --app-key it is that of a GitHub App, renewed before it expires.

Exit status:
  0    every login was counted
  1    the report is complete, but some logins could not be counted
  2    wrong usage, an unreadable list, an output that cannot be written
  3    a rule of --fail-on held
  4    the token was refused, or one is needed and there is none
  5    the run stopped before every login was asked (a limit, --deadline, --max-points, a dead host)
  130  interrupted (143: ended by SIGTERM); what was done is kept

Examples:
  ghrepos torvalds gvanrossum antirez
  ghrepos --file team.txt -o team.csv -o team.json
  some-command | ghrepos - -F ndjson | jq 'select(.status == \"ok\")'
  ghrepos --file team.txt --sort public_repos --top 10
  ghrepos --file everyone.txt -o everyone.ndjson --resume";

/// The API to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// GraphQL with a token, REST without.
    Auto,
    /// Up to a hundred logins a query; needs a token.
    Graphql,
    /// A request a login.
    Rest,
}

/// Whether to do something that suits a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// If it is a terminal.
    Auto,
    /// Whatever it is.
    Always,
    /// Not at all.
    Never,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_flags_contradict_nothing() {
        Cli::command().debug_assert();
    }
}
