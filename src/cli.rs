//! Syntax of the flags. [`config`](crate::config) decides on their combinations.

mod generate;
mod help;
mod reference;
mod tips;
pub(crate) mod values;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser};

pub(crate) use self::generate::GenerateTarget;
pub(crate) use self::help::{one_line_error, usage};
pub(crate) use self::values::{ApiChoice, AutoChoice, PaceChoice};
use self::values::{RoleChoice, parse_in_range, parse_nonzero_duration};
use crate::program_name::called_name;
use crate::render::{Format, SortKey};
use crate::shard::Shard;
use crate::text::parse_duration;

/// How many repositories does each of these GitHub accounts have?
///
/// Looks up every login concurrently and reports a count or the reason for its absence.
#[derive(Clone, Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[expect(clippy::doc_markdown, reason = "a terminal shows backticks as they are")]
#[command(
    name = "ghrepos",
    bin_name = called_name(),
    version,
    max_term_width = 100,
    args_override_self = true,
    disable_help_flag = true,
    disable_version_flag = true,
    after_help = help::after_short_help(),
    after_long_help = help::after_long_help()
)]
pub(crate) struct Cli {
    /// Logins, @logins, profile URLs; - is standard input
    ///
    /// Several may be in one argument, separated by commas or blanks. Standard input is also read if no input is given and
    /// it is not a terminal.
    #[arg(value_name = "LOGIN", display_order = 0, help_heading = HELP_INPUT)]
    pub(crate) logins: Vec<OsString>,

    /// Read logins from a list, CSV, workbook or JSON file
    ///
    /// The content decides the format, not the name: one login per line (# begins a comment); CSV or TSV (commas,
    /// semicolons, tabs, pipes); .xlsx and .ods; JSON or NDJSON of logins, or of objects with a login. UTF-8, UTF-16 or
    /// Windows-1252. - is standard input. May be repeated.
    #[arg(short, long = "file", value_name = "FILE", display_order = 1, help_heading = HELP_INPUT)]
    pub(crate) files: Vec<PathBuf>,

    /// Column with the logins, by its header or number [default: github…, else login, user…]
    ///
    /// Case, blanks, _ and - do not matter. Without this flag it is the column github, alone or with username, login,
    /// user, handle or account; else the column login, username, user or handle. Two of the same rank are an error.
    #[arg(long, value_name = "NAME|N", hide_short_help = true, help_heading = HELP_INPUT)]
    pub(crate) login_column: Option<String>,

    /// The first line of a sheet is not a header; use with --login-column N
    #[arg(long, conflicts_with = "header_row", hide_short_help = true, help_heading = HELP_INPUT)]
    pub(crate) no_header: bool,

    /// Line of a sheet with the header, for titles above it
    #[arg(long, value_name = "N", value_parser = parse_in_range::<u64>(1, 1_048_576), hide_short_help = true, help_heading = HELP_INPUT)]
    pub(crate) header_row: Option<u64>,

    /// Copy these columns of a sheet, or of --query, into the report
    #[arg(long, value_name = "COLUMN,...", hide_short_help = true, help_heading = HELP_INPUT)]
    pub(crate) carry: Vec<String>,

    /// Add subtotals for each value of a column
    ///
    /// The column is copied into the report. The input is read to its end before the first request. An account in several
    /// groups counts in each of them, and once in the total.
    #[arg(long, value_name = "COLUMN", help_heading = HELP_INPUT)]
    pub(crate) group_by: Option<String>,

    /// Look up all members of an organization
    ///
    /// May be repeated.
    #[arg(long, value_name = "ORG", help_heading = HELP_INPUT)]
    pub(crate) members: Vec<String>,

    /// With --members: only members with this role
    #[arg(long, value_name = "ROLE", hide_short_help = true, help_heading = HELP_INPUT)]
    pub(crate) role: Option<RoleChoice>,

    /// Look up all members of a team
    ///
    /// The team is named as in its address, or as it is displayed: acme/core-team, "acme/Core Team",
    /// https://github.com/orgs/acme/teams/core-team. May be repeated.
    #[arg(long = "team", value_name = "ORG/TEAM", hide_short_help = true, help_heading = HELP_INPUT)]
    pub(crate) teams: Vec<String>,

    /// Look up all outside collaborators of an organization
    ///
    /// May be repeated.
    #[arg(long, value_name = "ORG", hide_short_help = true, help_heading = HELP_INPUT)]
    pub(crate) outside_collaborators: Vec<String>,

    /// Look up all members of an enterprise, with their organizations in a column (GraphQL only)
    ///
    /// The column organizations can be the column of --group-by. Requires a token with the scope read:enterprise. May be
    /// repeated.
    #[arg(long = "enterprise", value_name = "SLUG", hide_short_help = true, help_heading = HELP_INPUT)]
    pub(crate) enterprises: Vec<String>,

    /// Read logins from a database: sqlite:FILE, postgres://…
    #[arg(long, value_name = "URL", requires = "query", conflicts_with = "from", hide_short_help = true, help_heading = HELP_INPUT)]
    pub(crate) sql: Option<String>,

    /// Query for --sql; its first column holds the logins, the others can be carried
    #[arg(long, value_name = "SQL", requires = "sql", hide_short_help = true, help_heading = HELP_INPUT)]
    pub(crate) query: Option<String>,

    /// Look up only part I of N, to split the input across machines
    ///
    /// The split is by a stable hash of the login and does not depend on the order of the input.
    #[arg(long, value_name = "I/N", hide_short_help = true, help_heading = HELP_INPUT)]
    pub(crate) shard: Option<Shard>,

    /// Accept an input without logins: status 0 and empty reports
    ///
    /// Without this flag it is an error, and earlier reports are kept.
    #[arg(long, hide_short_help = true, help_heading = HELP_INPUT)]
    pub(crate) allow_empty: bool,

    /// Also count sources, forks and archived repositories
    ///
    /// They are parts of the public repositories. Over GraphQL a query has up to 49 logins; over REST it takes one more
    /// request per 100 repositories of each account.
    #[arg(long, help_heading = HELP_COUNTS)]
    pub(crate) breakdown: bool,

    /// Also count private and internal repositories, if all are visible (GraphQL only)
    #[arg(long, hide_short_help = true, help_heading = HELP_COUNTS)]
    pub(crate) private: bool,

    /// Also report the latest push to a public repository
    ///
    /// A push by anyone to a repository that the account owns, forks included. Empty without a visible push. Tables show the
    /// date in UTC, files the time. Over REST it takes one more request per account with repositories.
    #[arg(long, hide_short_help = true, help_heading = HELP_COUNTS)]
    pub(crate) last_push: bool,

    /// Recount this percentage of the logins through the other API, and report differences
    #[arg(long, value_name = "PERCENT", value_parser = parse_in_range::<u8>(0, 100), default_value_t = 0, hide_default_value = true, hide_short_help = true, help_heading = HELP_COUNTS)]
    pub(crate) verify: u8,

    /// API to query; auto: GraphQL with a token, REST without
    ///
    /// Bots are always looked up by REST.
    #[arg(long, value_name = "API", default_value = "auto", hide_short_help = true, help_heading = HELP_REQUESTS)]
    pub(crate) api: ApiChoice,

    /// Maximum number of concurrent requests, 1 to 100
    #[arg(short, long, value_name = "N", default_value_t = 10, value_parser = parse_in_range::<u8>(1, 100), hide_short_help = true, help_heading = HELP_REQUESTS)]
    pub(crate) jobs: u8,

    /// Maximum number of logins per GraphQL query, 1 to 100
    ///
    /// [default: as many as cost one point; fewer if the input is short, to use all jobs]
    #[arg(long, value_name = "N", value_parser = parse_in_range::<u8>(1, 100), hide_short_help = true, help_heading = HELP_REQUESTS)]
    pub(crate) batch: Option<u8>,

    /// Speed of the requests: within GitHub's documented limits, or unlimited
    ///
    /// The limits per minute are 2,000 queries, 900 REST requests, and 90 s of CPU time, of which 60 s for queries.
    /// Response times are the estimate of CPU time.
    #[arg(long, value_name = "PACE", default_value = "auto", hide_short_help = true, help_heading = HELP_REQUESTS)]
    pub(crate) pace: PaceChoice,

    /// Longest wait for a rate limit; if it would take longer, the rest is skipped
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = parse_duration, hide_short_help = true, help_heading = HELP_REQUESTS)]
    pub(crate) max_wait: Duration,

    /// Stop after this time and skip the rest
    #[arg(long, value_name = "DURATION", value_parser = parse_nonzero_duration, hide_short_help = true, help_heading = HELP_REQUESTS)]
    pub(crate) deadline: Option<Duration>,

    /// Stop before more than N points (REST: requests) are spent, and skip the rest
    #[arg(long, value_name = "N", hide_short_help = true, help_heading = HELP_REQUESTS)]
    pub(crate) max_points: Option<u64>,

    /// Timeout of one attempt, from the request to the last byte of the response
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = parse_nonzero_duration, hide_short_help = true, help_heading = HELP_REQUESTS)]
    pub(crate) timeout: Duration,

    /// Retries after temporary errors: broken connections, timeouts, 5xx, rate limits
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = parse_in_range::<u32>(0, 100), hide_short_help = true, help_heading = HELP_REQUESTS)]
    pub(crate) retries: u32,

    /// GitHub host to query [default: GH_HOST, else github.com]
    ///
    /// github.com, SUB.ghe.com, or an Enterprise Server. Inside GitHub Actions the default is GH_HOST, then the
    /// server that runs the job (GITHUB_API_URL, GITHUB_SERVER_URL).
    #[arg(long, value_name = "HOST", conflicts_with = "api_url", hide_short_help = true, help_heading = HELP_REQUESTS)]
    pub(crate) host: Option<String>,

    /// Also trust this certificate authority (PEM)
    #[arg(long, value_name = "FILE", hide_short_help = true, help_heading = HELP_REQUESTS)]
    pub(crate) ca_file: Option<PathBuf>,

    /// URL of the API, for a gateway or a test server
    ///
    /// A URL that ends in /api/v3 is that of an Enterprise Server.
    #[arg(long, value_name = "URL", hide_short_help = true, help_heading = HELP_REQUESTS)]
    pub(crate) api_url: Option<String>,

    /// Record all API traffic in this folder, without the token
    #[arg(long, value_name = "DIR", hide_short_help = true, help_heading = HELP_REQUESTS)]
    pub(crate) record: Option<PathBuf>,

    /// Replay the traffic recorded in this folder; needs no network and no token
    #[arg(long, value_name = "DIR", conflicts_with = "record", hide_short_help = true, help_heading = HELP_REQUESTS)]
    pub(crate) replay: Option<PathBuf>,

    /// Authenticate as the GitHub App with this id [default: GHREPOS_APP_ID]
    #[arg(long, value_name = "ID", hide_short_help = true, help_heading = HELP_REQUESTS)]
    pub(crate) app_id: Option<u64>,

    /// Private key of the app, in PEM format
    ///
    /// [default: GHREPOS_APP_KEY, a file or the key itself]
    #[arg(long, value_name = "FILE", hide_short_help = true, help_heading = HELP_REQUESTS)]
    pub(crate) app_key: Option<PathBuf>,

    /// Installation of the app, if there are several [default: GHREPOS_INSTALLATION]
    #[arg(long, value_name = "ID", hide_short_help = true, help_heading = HELP_REQUESTS)]
    pub(crate) installation: Option<u64>,

    /// Show the requests, cost and time of the run without running it
    ///
    /// As JSON with -F json.
    #[arg(long, hide_short_help = true, help_heading = HELP_REQUESTS)]
    pub(crate) plan: bool,

    /// Format of standard output [default: table]
    ///
    /// Also the format of an --output without a known extension. --output alone writes files only; -o - adds standard
    /// output.
    #[arg(short = 'F', long, value_name = "FORMAT", help_heading = HELP_OUTPUT)]
    pub(crate) format: Option<Format>,

    /// Write a report: .csv .tsv .xlsx .json .ndjson .md .html .prom
    ///
    /// The extension sets the format; .jsonl, .markdown and .htm are known, too. - is standard output. May be repeated.
    /// The report is FILE.partial until the run is complete; then it replaces FILE.
    #[arg(short, long = "output", value_name = "FILE", help_heading = HELP_OUTPUT)]
    pub(crate) outputs: Vec<PathBuf>,

    /// Append the run to a database: sqlite:FILE, postgres://…
    ///
    /// Like --output, it replaces the table on standard output.
    #[arg(long, value_name = "URL", hide_short_help = true, help_heading = HELP_OUTPUT)]
    pub(crate) save: Option<String>,

    /// Name of the run in the database, the same for all its shards
    ///
    /// An earlier run of this name is replaced.
    #[arg(long, value_name = "NAME", requires = "save", hide_short_help = true, help_heading = HELP_OUTPUT)]
    pub(crate) run_name: Option<String>,

    /// Show only these columns, in this order
    ///
    /// In tables, .csv, .tsv, .xlsx and .md. .json, .ndjson, .html and .prom reports always have all columns. A baseline
    /// requires the columns login, status, id and public_repos.
    #[arg(long, value_name = "COLUMN,...", hide_short_help = true, help_heading = HELP_OUTPUT)]
    pub(crate) columns: Vec<String>,

    /// Sort by this, largest numbers first [default: input; with --top: public_repos]
    #[arg(long, value_name = "KEY", hide_possible_values = true, hide_short_help = true, help_heading = HELP_OUTPUT)]
    #[arg(
        long_help = "Sort by this, largest numbers and newest pushes first: input, login, public_repos, sources, \
                       forks, archived, private_repos, internal_repos, last_push or, with --baseline, change. Rows \
                       without a value are last [default: input; with --top: public_repos]"
    )]
    pub(crate) sort: Option<SortKey>,

    /// Reverse the order; rows without a number stay last
    #[arg(long, hide_short_help = true, help_heading = HELP_OUTPUT)]
    pub(crate) reverse: bool,

    /// Show only the N largest accounts; totals cover all
    ///
    /// With --sort: the first N rows in that order.
    #[arg(long, value_name = "N", help_heading = HELP_OUTPUT)]
    pub(crate) top: Option<usize>,

    /// Colors in the table
    ///
    /// auto: on a terminal or if CLICOLOR_FORCE is set, unless NO_COLOR is set.
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_short_help = true, help_heading = HELP_OUTPUT)]
    pub(crate) color: AutoChoice,

    /// Progress on standard error
    #[arg(long, value_name = "WHEN", default_value = "auto", hide_short_help = true, help_heading = HELP_OUTPUT)]
    pub(crate) progress: AutoChoice,

    /// No progress and no summary on standard error
    ///
    /// Without this flag the summary has the totals, the cost, and the files that were written. If a table is on the same
    /// terminal, its last line has the totals and the summary omits them.
    #[arg(short, long, hide_short_help = true, help_heading = HELP_OUTPUT)]
    pub(crate) quiet: bool,

    /// More detail on standard error: -v waits and retries, -vv every request
    #[arg(short, long, action = ArgAction::Count, hide_short_help = true, help_heading = HELP_OUTPUT)]
    pub(crate) verbose: u8,

    /// Continue an interrupted run from its .ndjson output
    ///
    /// Good rows are kept, the rest is looked up. The rows are those of FILE.partial, or of FILE if FILE.partial does not
    /// exist.
    #[arg(long, help_heading = HELP_COMPARING)]
    pub(crate) resume: bool,

    /// With --resume: look up rows that are older than this again
    #[arg(long, value_name = "DURATION", requires = "resume", value_parser = parse_duration, hide_short_help = true, help_heading = HELP_COMPARING)]
    pub(crate) max_age: Option<Duration>,

    /// Compare with an earlier report
    ///
    /// Adds the columns was, change and event. The report is .ndjson, .json, .csv or .tsv, or the last complete run in a
    /// database. Use a report that was made without --top.
    #[arg(long, value_name = "FILE|URL", help_heading = HELP_COMPARING)]
    pub(crate) baseline: Option<PathBuf>,

    /// If the --baseline file does not exist, warn and go on without it, as on a first run
    ///
    /// Rules that need a baseline do not apply then.
    #[arg(long, requires = "baseline", hide_short_help = true, help_heading = HELP_COMPARING)]
    pub(crate) baseline_optional: bool,

    /// Exit with status 3 if a rule matches: new>0, change>50%
    ///
    /// A rule is a metric, >, >= or =, and a number or a percentage. Metrics are the events new (joined), removed (left), renamed,
    /// replaced, missing and unknown, the statuses not_found, forbidden, invalid, failed and skipped, change, public_repos, and last_push
    /// with the time since the push: last_push>365d.
    #[arg(long, value_name = "RULE,...", help_heading = HELP_COMPARING)]
    pub(crate) fail_on: Vec<String>,

    /// Convert or merge finished reports, without contacting GitHub
    ///
    /// May be repeated. A name may have * and ?, for a shell that does not expand them. A .csv or .tsv requires the columns login,
    /// status, id and public_repos. With logins or --file, each login of this list must have a row: without it nothing is written,
    /// and the status is 5.
    #[arg(long, value_name = "FILE", hide_short_help = true, help_heading = HELP_COMPARING, conflicts_with_all = [
        "members", "role", "teams", "outside_collaborators", "enterprises", "carry", "record", "replay", "plan", "resume", "verify", "breakdown", "private", "last_push", "shard"
    ])]
    pub(crate) from: Vec<PathBuf>,

    /// With --from and a list: name the parts of --shard I/N that lack logins of the list
    #[arg(long, value_name = "N", requires = "from", value_parser = parse_in_range::<u32>(1, u32::MAX), hide_short_help = true, help_heading = HELP_COMPARING)]
    pub(crate) parts: Option<u32>,

    /// Print the man page, shell completions, all options in Markdown, or a JSON Schema
    #[arg(long, value_name = "TARGET", exclusive = true, hide_short_help = true, help_heading = HELP_OTHER)]
    pub(crate) generate: Option<GenerateTarget>,

    /// Print help: -h for the frequent options, --help for all
    #[arg(short, long, action = ArgAction::Help, help_heading = HELP_OTHER)]
    help: Option<bool>,

    /// Print the version
    #[arg(short = 'V', long, action = ArgAction::Version, help_heading = HELP_OTHER)]
    version: Option<bool>,
}

const HELP_INPUT: &str = "Input";
const HELP_COUNTS: &str = "Counts";
const HELP_REQUESTS: &str = "Requests";
const HELP_OUTPUT: &str = "Output";
const HELP_COMPARING: &str = "Comparing and resuming";
const HELP_OTHER: &str = "Other";
