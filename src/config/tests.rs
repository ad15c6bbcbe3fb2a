use std::collections::HashMap;

use clap::Parser;

use super::*;
use crate::render::{RowOrder, SortKey};
use crate::report::ApiKind;

fn config(arguments: &str, env: &[(&str, &str)]) -> Result<Config, String> {
    let cli = Cli::try_parse_from(std::iter::once("ghrepos").chain(arguments.split_whitespace()));
    let env: HashMap<_, _> = env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Config::new(cli.map_err(|error| error.to_string())?, &|name| env.get(name).cloned())
        .map_err(|error| error.to_string())
}

fn token_from(arguments: &str, env: &[(&str, &str)]) -> Option<&'static str> {
    config(arguments, env).unwrap().client.credentials.map(|credentials| credentials.source())
}

#[test]
fn tokens_are_found_where_gh_finds_them() {
    let both = [("GH_TOKEN", "a"), ("GITHUB_TOKEN", "b"), ("GH_ENTERPRISE_TOKEN", "c")];
    assert_eq!(token_from("a", &both), Some("GH_TOKEN"));
    assert_eq!(token_from("a", &[("GH_TOKEN", " \n"), ("GITHUB_TOKEN", "b")]), Some("GITHUB_TOKEN"));
    assert_eq!(token_from("a", &[]), None);
    assert_eq!(token_from("a --api-url https://git.example.com/api/v3", &both), Some("GH_ENTERPRISE_TOKEN"));
    assert_eq!(token_from("a --api-url https://git.example.com/api/v3", &both[..2]), None);
    assert_eq!(token_from("a --api-url http://127.0.0.1:8099", &both), Some("GH_TOKEN"));
    assert_eq!(token_from("a --replay src", &both), None);
}

#[test]
fn a_token_never_leaves_this_machine_in_the_clear() {
    let refused = config("a --api-url http://git.example.com", &[("GH_TOKEN", "secret")]).unwrap_err();
    assert_eq!(
        refused,
        "refusing to send the token from GH_TOKEN over plain HTTP to http://git.example.com: use https"
    );
    assert!(!refused.contains("secret"));
    assert!(config("a --api-url http://git.example.com", &[]).is_ok());
}

#[test]
fn a_format_names_that_of_outputs_without_extension() {
    let outputs = |arguments: &str| {
        let reports = config(arguments, &[]).unwrap().reports;
        let reports: Vec<_> =
            reports.iter().map(|report| format!("{:?} {}", report.format, report.name())).collect();
        reports.join(", ")
    };
    for (arguments, expected) in [
        ("a", "Table standard output"),
        ("a -F csv", "Csv standard output"),
        ("a -o x.csv", "Csv x.csv"),
        ("a -o x.csv -F json", "Json standard output, Csv x.csv"),
        ("a -o x -F json", "Json x"),
        ("a -o x.partial -o y.csv -F json", "Json x.partial, Csv y.csv"),
        ("a -o - -o x.csv", "Table standard output, Csv x.csv"),
        ("a -o - -F json", "Json standard output"),
        ("a -o - -o x -F xlsx", "Xlsx standard output, Xlsx x"),
        ("a -o x.JSONL -o x.htm -o x.markdown", "Ndjson x.JSONL, Html x.htm, Markdown x.markdown"),
    ] {
        assert_eq!(outputs(arguments), expected, "{arguments}");
    }
    assert_eq!(config("a -o - -o -", &[]).unwrap_err(), "output - is specified more than once");
}

#[test]
fn wrong_flags_are_refused_with_a_way_out() {
    let refused = |arguments: &str| config(arguments, &[]).unwrap_err();
    assert!(matches!(config("", &[]).unwrap().stdin, StdinUse::Implied));
    assert_eq!(
        refused("a -o report"),
        "unknown output format of report: use a name ending in .csv .tsv .xlsx .json .ndjson .jsonl .md .markdown .html \
         .htm .prom, or name the format with -F"
    );
    assert!(refused("a -o x.csv.partial").starts_with("unknown output format of x.csv.partial: use a name"));
    assert_eq!(refused("a -o x.csv -o ./x.csv"), "output ./x.csv is specified more than once");
    assert_eq!(refused("a --replay nowhere"), "cannot replay nowhere: no such folder");
    assert_eq!(
        refused("a --replay Cargo.toml"),
        "cannot replay Cargo.toml: it is a file; name the folder of --record"
    );
    assert!(refused("a --api-url git.example.com").starts_with("cannot use URL \"git.example.com\""));
    // The part before an @ may be a token.
    for arguments in
        ["a --api-url https://me:ghp_s3cret@git.example.com", "a --host me:ghp_s3cret@git.example.com"]
    {
        let message = refused(arguments);
        assert!(message.contains("git.example.com") && !message.contains("s3cret"), "{message}");
    }
    let message = config("a", &[("GHREPOS_APP_ID", "s3cret")]).unwrap_err();
    assert_eq!(message, "GHREPOS_APP_ID must be an integer");
    for arguments in ["a -j 0", "a -j 101", "a --retries -1", "a --timeout 0s", "a --record x --replay src"] {
        assert!(refused(arguments).starts_with("error: "), "{arguments}");
    }
    assert_eq!(
        refused("a --host gihtub.com"),
        "unknown host \"gihtub.com\" (from --host): did you mean github.com? If this is your server, use --api-url \
         https://gihtub.com/api/v3"
    );
    for host in
        ["github.com", "GitHub.com", "github.corp", "github.corp.example", "git.example.com", "hub.acme.com"]
    {
        assert!(config(&format!("a --host {host}"), &[]).is_ok(), "{host}");
    }
}

#[test]
fn the_api_is_graphql_with_a_token_and_rest_without() {
    let token = [("GH_TOKEN", "a_token")];
    let api = |arguments: &str, env: &[(&str, &str)]| config(arguments, env).map(|config| config.client.api);
    assert_eq!(api("a", &token), Ok(ApiKind::Graphql));
    assert_eq!(api("a", &[]), Ok(ApiKind::Rest));
    assert_eq!(api("a --api rest", &token), Ok(ApiKind::Rest));
    assert_eq!(api("a --replay src", &[]), Ok(ApiKind::Rest));
    for flag in ["--api graphql", "--private", "--verify 5"] {
        let refused = api(&format!("a {flag}"), &[]).unwrap_err();
        assert!(refused.ends_with(" requires a token: set GH_TOKEN or run gh auth login"), "{refused}");
    }
    assert_eq!(
        api("a --api rest --private", &token).unwrap_err(),
        "--private requires the GraphQL API: remove --api rest"
    );
    assert_eq!(api("a --sort forks", &token).unwrap_err(), "--sort forks requires --breakdown");
    assert!(api("a --sort forks --breakdown", &token).is_ok());
    assert!(api("a --plan -F csv", &token).is_err());
}

#[test]
fn stdout_gets_no_report_if_there_are_files() {
    let reports = |arguments: &str| config(arguments, &[]).unwrap().reports;
    let to = |format, path: Option<&str>| OutputSpec { format, path: path.map(Into::into) };
    assert_eq!(reports("a"), [to(Format::Table, None)]);
    assert_eq!(reports("a -o x.CSV"), [to(Format::Csv, Some("x.CSV"))]);
    assert_eq!(reports("a -o x.json -F csv"), [to(Format::Csv, None), to(Format::Json, Some("x.json"))]);
}

#[test]
fn the_top_rows_are_the_largest() {
    let order = |arguments: &str| config(arguments, &[]).unwrap().layout.order;
    assert_eq!(order("a"), RowOrder { by: SortKey::Input, reverse: false, top: None });
    assert_eq!(order("a --top 3"), RowOrder { by: SortKey::public_repos(), reverse: false, top: Some(3) });
    assert_eq!(
        order("a --top 3 --sort login"),
        RowOrder { by: SortKey::Login, reverse: false, top: Some(3) }
    );
}

#[test]
fn colors_and_characters_follow_the_environment() {
    let style = |arguments: &str, env: &[(&str, &str)]| config(arguments, env).unwrap().layout.style;
    assert!(!style("a", &[]).color && !style("a", &[]).unicode);
    assert!(style("a --color always", &[("NO_COLOR", "1")]).color);
    assert!(style("a", &[("CLICOLOR_FORCE", "1")]).color);
    assert!(!style("a", &[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]).color);
    assert!(style("a", &[("LANG", "de_DE.UTF-8")]).unicode);
    assert!(!style("a", &[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]).unicode);
}
