//! Flags and environment made one validated [`Config`]. From here on nothing is checked again.

mod error;

use std::io::IsTerminal;
use std::path::Path;

pub use self::error::ConfigError;
use crate::cli::{Cli, Way, When};
use crate::github::Settings;
use crate::github::api::Api;
use crate::github::auth::{ENTERPRISE_VARIABLES, Token, VARIABLES};
use crate::github::transport;
use crate::lookup::Options;
use crate::output::Report;
use crate::render::{Format, Layout, Look, Order, SortKey};
use crate::report::{Column, Measures, Via};
use crate::roster::Source;

/// Everything that a run needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Whom to count.
    pub sources: Vec<Source>,
    /// How to ask.
    pub settings: Settings,
    /// What to write.
    pub reports: Vec<Report>,
    /// What the reports show, and how.
    pub layout: Layout,
    /// How logins are looked up.
    pub options: Options,
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
    /// A bar that is redrawn.
    Bar,
    /// A line now and then, where nothing can be redrawn.
    Lines,
}

impl Config {
    /// Validates the flags. `env` reads a variable of the environment.
    ///
    /// # Errors
    /// [`ConfigError`] names the flag's value or the variable, and the way out.
    pub fn new(cli: Cli, env: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let api = match cli.api_url {
            None => Api::default(),
            Some(url) => Api::parse(&url).map_err(|reason| ConfigError::NotAnApi { url, reason })?,
        };
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
            _ => token(&api, env)?,
        };
        // What is no text is no login either: it becomes a row like every other.
        let roster = cli.logins.iter().map(|text| match text.to_string_lossy() {
            stdin if stdin == "-" => Source::Stdin,
            text => Source::Text(text.into_owned()),
        });
        let sources: Vec<_> = roster.chain(cli.files.into_iter().map(Source::File)).collect();
        if sources.is_empty() {
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
        for list in &sources {
            let Source::File(list) = list else { continue };
            if reports.iter().any(|report| report.path.as_deref().is_some_and(|path| same(path, list))) {
                return Err(ConfigError::ListIsOutput(list.display().to_string()));
            }
        }
        let stdout = std::io::stdout();
        let terminal = stdout.is_terminal();
        Ok(Self {
            sources,
            settings: Settings {
                via: via(cli.api, token.is_some(), &api, &source)?,
                api,
                token,
                source,
                jobs: cli.jobs.into(),
                timeout: cli.timeout,
                retries: cli.retries,
                measures,
                batch: cli.batch.map(Into::into),
                budget: cli.max_points,
            },
            options: Options { verify: cli.verify },
            plan: cli.plan,
            reports,
            layout: Layout {
                columns: Column::of(measures, cli.verify > 0),
                order,
                look: Look {
                    color: colors(cli.color, terminal, env),
                    unicode: is_utf8(env),
                    width: if terminal {
                        terminal_size::terminal_size_of(&stdout).map(|(width, _)| width.0)
                    } else {
                        None
                    },
                },
            },
            progress: match (cli.quiet, cli.progress, std::io::stderr().is_terminal()) {
                (true, _, _) | (_, When::Never, _) | (_, When::Auto, false) => Progress::Hidden,
                (_, When::Always, false) => Progress::Lines,
                _ if env("TERM").is_some_and(|term| term == "dumb") => Progress::Lines,
                _ => Progress::Bar,
            },
            quiet: cli.quiet,
            verbose: cli.verbose,
        })
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

fn same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path));
    real(one).ok() == real(other).ok()
}

fn token(api: &Api, env: &dyn Fn(&str) -> Option<String>) -> Result<Option<Token>, ConfigError> {
    let variables = if api.is_enterprise() { ENTERPRISE_VARIABLES } else { VARIABLES };
    // An empty variable is what CI gives where a secret is missing: none.
    let set =
        |variable: &&'static str| Some((*variable, env(variable).filter(|text| !text.trim().is_empty())?));
    let Some((variable, text)) = variables.iter().find_map(set) else {
        return Ok(None);
    };
    let token = Token::new(&text, variable)?;
    if !api.is_safe_for_tokens() {
        return Err(ConfigError::TokenInTheClear { api: api.clone(), variable });
    }
    Ok(Some(token))
}

fn colors(when: When, terminal: bool, env: &dyn Fn(&str) -> Option<String>) -> bool {
    let set = |variable: &str| env(variable).is_some_and(|value| !value.is_empty());
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto if set("NO_COLOR") => false,
        When::Auto if set("CLICOLOR_FORCE") && env("CLICOLOR_FORCE").as_deref() != Some("0") => true,
        When::Auto => terminal && env("TERM").as_deref() != Some("dumb"),
    }
}

/// Whether the locale's characters are UTF-8; Windows' terminals show it whatever the locale.
fn is_utf8(env: &dyn Fn(&str) -> Option<String>) -> bool {
    let set = |variable: &&str| env(variable).filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(set).unwrap_or_default();
    let locale = locale.to_ascii_lowercase();
    cfg!(windows) || locale.contains("utf-8") || locale.contains("utf8")
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use clap::Parser;

    use super::*;

    fn config(arguments: &str, env: &[(&str, &str)]) -> Result<Config, String> {
        let cli = Cli::try_parse_from(std::iter::once("ghrepos").chain(arguments.split_whitespace()));
        let env: HashMap<_, _> =
            env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        Config::new(cli.map_err(|error| error.to_string())?, &|name| env.get(name).cloned())
            .map_err(|error| error.to_string())
    }

    fn token_from(arguments: &str, env: &[(&str, &str)]) -> Option<&'static str> {
        config(arguments, env).unwrap().settings.token.map(|token| token.source())
    }

    #[test]
    fn the_token_is_found_where_gh_finds_it() {
        let both = [("GH_TOKEN", "a"), ("GITHUB_TOKEN", "b"), ("GH_ENTERPRISE_TOKEN", "c")];
        assert_eq!(token_from("a", &both), Some("GH_TOKEN"));
        assert_eq!(token_from("a", &[("GH_TOKEN", " \n"), ("GITHUB_TOKEN", "b")]), Some("GITHUB_TOKEN"));
        assert_eq!(token_from("a", &[]), None);
        assert_eq!(
            token_from("a --api-url https://git.example.com/api/v3", &both),
            Some("GH_ENTERPRISE_TOKEN")
        );
        assert_eq!(token_from("a --api-url https://git.example.com/api/v3", &both[..2]), None);
        assert_eq!(token_from("a --api-url http://127.0.0.1:8099", &both), Some("GH_TOKEN"));
        assert_eq!(token_from("a --replay src", &both), None);
    }

    #[test]
    fn a_token_never_leaves_this_machine_in_the_clear() {
        let refused = config("a --api-url http://git.example.com", &[("GH_TOKEN", "secret")]).unwrap_err();
        assert!(
            refused.starts_with("http://git.example.com is plain http: the token from GH_TOKEN"),
            "{refused}"
        );
        assert!(!refused.contains("secret"));
        assert!(config("a --api-url http://git.example.com", &[]).is_ok());
    }

    #[test]
    fn wrong_flags_are_refused_with_a_way_out() {
        let refused = |arguments: &str| config(arguments, &[]).unwrap_err();
        assert!(refused("").starts_with("nobody to count: name some logins"));
        assert_eq!(
            refused("a -o report"),
            "cannot tell the format of report from its name: let it end in .csv .tsv .json .ndjson"
        );
        assert_eq!(refused("a -o x.csv -o ./x.csv"), "./x.csv is given as an output twice");
        assert_eq!(refused("a --replay nowhere"), "cannot replay nowhere: there is no such folder");
        assert!(
            refused("a --api-url git.example.com").starts_with("cannot use the address \"git.example.com\"")
        );
        for arguments in
            ["a -j 0", "a -j 101", "a --retries -1", "a --timeout 0s", "a --record x --replay src"]
        {
            assert!(refused(arguments).starts_with("error: "), "{arguments}");
        }
    }

    #[test]
    fn with_a_token_it_is_graphql_and_without_one_rest() {
        let token = [("GH_TOKEN", "a_token")];
        let via =
            |arguments: &str, env: &[(&str, &str)]| config(arguments, env).map(|config| config.settings.via);
        assert_eq!(via("a", &token), Ok(Via::Graphql));
        assert_eq!(via("a", &[]), Ok(Via::Rest));
        assert_eq!(via("a --api rest", &token), Ok(Via::Rest));
        assert_eq!(via("a --replay src", &[]), Ok(Via::Rest));
        for flag in ["--api graphql", "--private", "--verify 5"] {
            let refused = via(&format!("a {flag}"), &[]).unwrap_err();
            assert!(refused.contains("needs a token, and there is none"), "{refused}");
        }
        assert_eq!(
            via("a --api rest --private", &token).unwrap_err(),
            "--private is not to be had by REST: drop --api rest"
        );
        assert!(via("a --sort forks", &token).unwrap_err().contains("needs --breakdown"));
        assert!(via("a --sort forks --breakdown", &token).is_ok());
        assert!(via("a --plan -F csv", &token).is_err());
    }

    #[test]
    fn standard_output_is_left_alone_where_there_are_files_unless_a_format_is_named() {
        let reports = |arguments: &str| config(arguments, &[]).unwrap().reports;
        let to = |format, path: Option<&str>| Report { format, path: path.map(Into::into) };
        assert_eq!(reports("a"), [to(Format::Table, None)]);
        assert_eq!(reports("a -o x.CSV"), [to(Format::Csv, Some("x.CSV"))]);
        assert_eq!(reports("a -o x.json -F csv"), [to(Format::Csv, None), to(Format::Json, Some("x.json"))]);
    }

    #[test]
    fn the_top_rows_are_the_largest() {
        let order = |arguments: &str| config(arguments, &[]).unwrap().layout.order;
        assert_eq!(order("a"), Order { by: SortKey::Roster, top: None });
        assert_eq!(order("a --top 3"), Order { by: SortKey::PublicRepos, top: Some(3) });
        assert_eq!(order("a --top 3 --sort login"), Order { by: SortKey::Login, top: Some(3) });
    }

    #[test]
    fn colours_and_characters_follow_the_environment() {
        let look = |arguments: &str, env: &[(&str, &str)]| config(arguments, env).unwrap().layout.look;
        assert!(!look("a", &[]).color && !look("a", &[]).unicode);
        assert!(look("a --color always", &[("NO_COLOR", "1")]).color);
        assert!(look("a", &[("CLICOLOR_FORCE", "1")]).color);
        assert!(!look("a", &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).color);
        assert!(look("a", &[("LANG", "de_DE.UTF-8")]).unicode);
        assert!(!look("a", &[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]).unicode);
    }
}
