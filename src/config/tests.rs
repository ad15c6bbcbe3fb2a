use std::collections::HashMap;

use clap::Parser;

use super::*;
use crate::report::ApiKind;

fn config(arguments: &str, env: &[(&str, &str)]) -> Result<Config, String> {
    let cli = Cli::try_parse_from(std::iter::once("ghrepos").chain(arguments.split_whitespace()));
    let env: HashMap<_, _> = env.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    Config::new(cli.map_err(|error| error.to_string())?, &|name| env.get(name).cloned())
        .map_err(|error| error.to_string())
}

fn token_from(arguments: &str, env: &[(&str, &str)]) -> Option<&'static str> {
    config(arguments, env).unwrap().settings.credentials.map(|credentials| credentials.source())
}

#[test]
fn the_token_is_found_where_gh_finds_it() {
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
fn wrong_flags_are_refused_with_a_way_out() {
    let refused = |arguments: &str| config(arguments, &[]).unwrap_err();
    assert!(refused("").starts_with("nobody to count: name some logins"));
    assert_eq!(
        refused("a -o report"),
        "cannot tell the format of report from its name: let it end in .csv .tsv .json .ndjson .md .html .prom"
    );
    assert_eq!(refused("a -o x.csv -o ./x.csv"), "./x.csv is given as an output twice");
    assert_eq!(refused("a --replay nowhere"), "cannot replay nowhere: there is no such folder");
    assert!(refused("a --api-url git.example.com").starts_with("cannot use address \"git.example.com\""));
    // What stands before an @ may be a token.
    for arguments in
        ["a --api-url https://me:ghp_s3cret@git.example.com", "a --host me:ghp_s3cret@git.example.com"]
    {
        let told = refused(arguments);
        assert!(told.contains("git.example.com") && !told.contains("s3cret"), "{told}");
    }
    let told = config("a", &[("GHREPOS_APP_ID", "s3cret")]).unwrap_err();
    assert_eq!(told, "GHREPOS_APP_ID holds no whole number");
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
fn with_a_token_it_is_graphql_and_without_one_rest() {
    let token = [("GH_TOKEN", "a_token")];
    let via =
        |arguments: &str, env: &[(&str, &str)]| config(arguments, env).map(|config| config.settings.api);
    assert_eq!(via("a", &token), Ok(ApiKind::Graphql));
    assert_eq!(via("a", &[]), Ok(ApiKind::Rest));
    assert_eq!(via("a --api rest", &token), Ok(ApiKind::Rest));
    assert_eq!(via("a --replay src", &[]), Ok(ApiKind::Rest));
    for flag in ["--api graphql", "--private", "--verify 5"] {
        let refused = via(&format!("a {flag}"), &[]).unwrap_err();
        assert!(refused.ends_with(" requires a token: set GH_TOKEN or run gh auth login"), "{refused}");
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
    assert_eq!(order("a"), RowOrder { by: SortKey::Input, top: None });
    assert_eq!(order("a --top 3"), RowOrder { by: SortKey::public_repos(), top: Some(3) });
    assert_eq!(order("a --top 3 --sort login"), RowOrder { by: SortKey::Login, top: Some(3) });
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
