use clap::Parser;

use super::*;

/// Flags and variables, and the expected server and token variables, or the beginning of the error.
struct Case {
    flags: &'static str,
    env: &'static str,
    expected: Result<(&'static str, &'static str), &'static str>,
}

const GITHUB_COM: &str = "https://api.github.com";
const GHE_COM: &str = "https://api.acme.ghe.com";
const GHES: &str = "https://git.example.com/api/v3";
const GATEWAY: &str = "https://gateway.example.com/github";
const ON_GITHUB_COM: &str =
    "GITHUB_ACTIONS=true GITHUB_API_URL=https://api.github.com GITHUB_SERVER_URL=https://github.com";
const ON_GHE_COM: &str =
    "GITHUB_ACTIONS=true GITHUB_API_URL=https://api.acme.ghe.com GITHUB_SERVER_URL=https://acme.ghe.com";
const ON_GHES: &str = "GITHUB_ACTIONS=true GITHUB_API_URL=https://git.example.com/api/v3 \
                       GITHUB_SERVER_URL=https://git.example.com";
const CONFLICT: &str =
    "GITHUB_ACTIONS=true GITHUB_API_URL=https://api.github.com GITHUB_SERVER_URL=https://git.example.com";

const CLOUD: &str = "GH_TOKEN GITHUB_TOKEN";
const CLOUD_ELSEWHERE: &str = "GH_TOKEN";
const SERVER: &str = "GH_ENTERPRISE_TOKEN GITHUB_ENTERPRISE_TOKEN";
const SERVER_OF_JOB: &str = "GH_ENTERPRISE_TOKEN GITHUB_ENTERPRISE_TOKEN GITHUB_TOKEN";

const fn to(flags: &'static str, env: &'static str, api: &'static str, variables: &'static str) -> Case {
    Case { flags, env, expected: Ok((api, variables)) }
}

const fn refused(flags: &'static str, env: &'static str, message: &'static str) -> Case {
    Case { flags, env, expected: Err(message) }
}

const CASES: &[Case] = &[
    // Outside of Actions: flags, GH_HOST, github.com.
    to("", "", GITHUB_COM, CLOUD),
    to("", "GH_HOST=github.com", GITHUB_COM, CLOUD),
    to("", "GH_HOST=acme.ghe.com", GHE_COM, CLOUD),
    to("", "GH_HOST=git.example.com", GHES, SERVER),
    to("", "GH_HOST=https://git.example.com/", GHES, SERVER),
    to("", "GH_HOST=", GITHUB_COM, CLOUD),
    to("--host github.com", "GH_HOST=git.example.com", GITHUB_COM, CLOUD),
    to("--host https://github.com/", "", GITHUB_COM, CLOUD),
    to("--host acme.ghe.com", "", GHE_COM, CLOUD),
    to("--host git.example.com", "", GHES, SERVER),
    to("--host HTTPS://Git.Example.com//", "", GHES, SERVER),
    to("--api-url https://api.github.com/", "GH_HOST=git.example.com", GITHUB_COM, CLOUD),
    to("--api-url https://api.acme.ghe.com", "", GHE_COM, CLOUD),
    to("--api-url https://git.example.com/api/v3", "", GHES, SERVER),
    to("--api-url https://gateway.example.com/github", "", GATEWAY, CLOUD),
    to("--api-url http://127.0.0.1:8099", "", "http://127.0.0.1:8099", CLOUD),
    // Outside of Actions the variables of a job are ignored, whatever their values.
    to("", "GITHUB_API_URL=https://git.example.com/api/v3", GITHUB_COM, CLOUD),
    to("", "GITHUB_SERVER_URL=https://git.example.com", GITHUB_COM, CLOUD),
    to("", "GITHUB_ACTIONS=1 GITHUB_SERVER_URL=https://git.example.com", GITHUB_COM, CLOUD),
    to("", "GITHUB_ACTIONS=True GITHUB_SERVER_URL=https://git.example.com", GITHUB_COM, CLOUD),
    to("", "GITHUB_ACTIONS= GITHUB_API_URL=nonsense", GITHUB_COM, CLOUD),
    to("--host git.example.com", "GITHUB_SERVER_URL=https://git.example.com", GHES, SERVER),
    // Inside Actions: the server of the job.
    to("", ON_GITHUB_COM, GITHUB_COM, CLOUD),
    to("", ON_GHE_COM, GHE_COM, CLOUD),
    to("", ON_GHES, GHES, SERVER_OF_JOB),
    to("", "GITHUB_ACTIONS=true", GITHUB_COM, CLOUD),
    to("", "GITHUB_ACTIONS=true GITHUB_API_URL= GITHUB_SERVER_URL=", GITHUB_COM, CLOUD),
    to("", "GITHUB_ACTIONS=true GITHUB_API_URL=https://git.example.com/api/v3/", GHES, SERVER_OF_JOB),
    to("", "GITHUB_ACTIONS=true GITHUB_SERVER_URL=https://git.example.com", GHES, SERVER_OF_JOB),
    to("", "GITHUB_ACTIONS=true GITHUB_SERVER_URL=https://acme.ghe.com", GHE_COM, CLOUD),
    to(
        "",
        "GITHUB_ACTIONS=true GITHUB_SERVER_URL=http://127.0.0.1:8099",
        "http://127.0.0.1:8099/api/v3",
        SERVER_OF_JOB,
    ),
    to("", "GITHUB_ACTIONS=true GITHUB_API_URL=https://gateway.example.com/github", GATEWAY, "GITHUB_TOKEN"),
    to(
        "",
        "GITHUB_ACTIONS=true GITHUB_API_URL=https://gateway.example.com/github GITHUB_SERVER_URL=https://gateway.example.com",
        GATEWAY,
        "GITHUB_TOKEN",
    ),
    // Inside Actions: a flag or GH_HOST that names the server of the job.
    to("--host github.com", ON_GITHUB_COM, GITHUB_COM, CLOUD),
    to("--api-url https://api.acme.ghe.com", ON_GHE_COM, GHE_COM, CLOUD),
    to("--host git.example.com", ON_GHES, GHES, SERVER_OF_JOB),
    to("--api-url https://git.example.com/api/v3", ON_GHES, GHES, SERVER_OF_JOB),
    to("--host github.com", "GITHUB_ACTIONS=true", GITHUB_COM, CLOUD),
    to(
        "--api-url https://gateway.example.com/github",
        "GITHUB_ACTIONS=true GITHUB_API_URL=https://gateway.example.com/github",
        GATEWAY,
        CLOUD,
    ),
    // Inside Actions: a flag or GH_HOST that names another server, which never gets the token of the job.
    to("--host github.com", ON_GHES, GITHUB_COM, CLOUD_ELSEWHERE),
    to("--host github.com", ON_GHE_COM, GITHUB_COM, CLOUD_ELSEWHERE),
    to("--host acme.ghe.com", ON_GITHUB_COM, GHE_COM, CLOUD_ELSEWHERE),
    to("--host other.ghe.com", ON_GHE_COM, "https://api.other.ghe.com", CLOUD_ELSEWHERE),
    to("--host git.example.com", ON_GITHUB_COM, GHES, SERVER),
    to("--host git2.example.com", ON_GHES, "https://git2.example.com/api/v3", SERVER),
    to("--host git.example.com:8443", ON_GHES, "https://git.example.com:8443/api/v3", SERVER),
    to("--host git.example.com", "GITHUB_ACTIONS=true", GHES, SERVER),
    to("", "GH_HOST=git.example.com GITHUB_ACTIONS=true GITHUB_SERVER_URL=https://github.com", GHES, SERVER),
    to("--api-url https://gateway.example.com/github", ON_GITHUB_COM, GATEWAY, CLOUD_ELSEWHERE),
    to("--api-url https://gateway.example.com/github", ON_GHES, GATEWAY, CLOUD_ELSEWHERE),
    // A neighbor behind the same origin is another server, and so is plain http.
    to("--api-url https://git.example.com/other", ON_GHES, "https://git.example.com/other", CLOUD_ELSEWHERE),
    to("--api-url http://git.example.com/api/v3", ON_GHES, "http://git.example.com/api/v3", SERVER),
    // Two servers, or none that can be read: the token of the job belongs to no known server.
    to("--host github.com", CONFLICT, GITHUB_COM, CLOUD_ELSEWHERE),
    to("--host git.example.com", CONFLICT, GHES, SERVER),
    to("--host github.com", "GITHUB_ACTIONS=true GITHUB_SERVER_URL=nonsense:x", GITHUB_COM, CLOUD_ELSEWHERE),
    refused(
        "",
        CONFLICT,
        "GITHUB_API_URL \"https://api.github.com\" and GITHUB_SERVER_URL \"https://git.example.com\" name different \
         servers: choose one with --host or --api-url",
    ),
    refused(
        "",
        "GITHUB_ACTIONS=true GITHUB_API_URL=api.github.com",
        "cannot use URL \"api.github.com\" from GITHUB_API_URL: expected a URL such as https://api.github.com",
    ),
    refused(
        "",
        "GITHUB_ACTIONS=true GITHUB_API_URL=https://me:ghp_s3cret@git.example.com/api/v3",
        "cannot use URL \"https://git.example.com/api/v3\" from GITHUB_API_URL: it contains a user name",
    ),
    refused(
        "",
        "GITHUB_ACTIONS=true GITHUB_SERVER_URL=https://git.example.com/path",
        "cannot use host \"https://git.example.com/path\" from GITHUB_SERVER_URL: expected a host such as",
    ),
    refused(
        "",
        "GITHUB_ACTIONS=true GITHUB_SERVER_URL=http://github.com",
        "cannot use host \"http://github.com\" from GITHUB_SERVER_URL: expected a host such as",
    ),
    refused("", "GH_HOST=gihtub.com", "unknown host \"gihtub.com\" (from GH_HOST): did you mean github.com?"),
    refused("--host https://gihtub.com/", "", "unknown host \"gihtub.com\" (from --host): did you mean"),
    refused("--host http://git.example.com", "", "cannot use host \"http://git.example.com\" from --host: "),
    refused(
        "--host https://git.example.com/x",
        "",
        "cannot use host \"https://git.example.com/x\" from --host",
    ),
    refused("--host me:ghp_s3cret@git.example.com", "", "cannot use host \"git.example.com\" from --host: "),
    refused("", "GH_HOST=git.example.com?x", "cannot use host \"git.example.com?x\" from GH_HOST: "),
    refused("--api-url git.example.com", "", "cannot use URL \"git.example.com\" from --api-url: "),
];

fn choose(flags: &str, env: &str, transport: &TransportMode) -> Result<Server, ConfigError> {
    let cli = Cli::try_parse_from(std::iter::once("ghrepos").chain(flags.split_whitespace())).unwrap();
    Server::choose(&cli, transport, &|name| {
        let values = env.split_whitespace().filter_map(|word| word.split_once('='));
        values.filter(|(variable, _)| *variable == name).map(|(_, value)| value.to_owned()).next()
    })
}

#[test]
fn flags_and_variables_decide_the_server_and_its_tokens() {
    for Case { flags, env, expected } in CASES {
        let chosen = choose(flags, env, &TransportMode::Network);
        match (chosen, expected) {
            (Ok(server), Ok((api, variables))) => {
                assert_eq!(server.endpoint.to_string(), *api, "{flags} {env}");
                assert_eq!(server.tokens.variables.join(" "), *variables, "{flags} {env}");
            }
            (Err(error), Err(message)) => {
                let error = error.to_string();
                assert!(error.starts_with(message), "{flags} {env}: {error}");
                assert!(!error.contains("s3cret") && error.lines().count() == 1, "{error}");
            }
            (chosen, _) => panic!("{flags} {env}: {chosen:?}"),
        }
    }
}

#[test]
fn gh_has_tokens_for_hosts_and_not_for_urls() {
    let gh_host = |flags, env| choose(flags, env, &TransportMode::Network).unwrap().tokens.gh_host;
    assert_eq!(gh_host("", "").as_deref(), Some("github.com"));
    assert_eq!(gh_host("--host acme.ghe.com", ON_GHES).as_deref(), Some("acme.ghe.com"));
    assert_eq!(gh_host("", ON_GHES).as_deref(), Some("git.example.com"));
    assert_eq!(gh_host("--api-url https://git.example.com/api/v3", ""), None);
    assert_eq!(gh_host("", "GITHUB_ACTIONS=true GITHUB_API_URL=https://gateway.example.com/github"), None);
}

#[test]
fn a_replay_takes_its_server_from_the_recording() {
    let folder = tempfile::tempdir().unwrap();
    let recording = TransportMode::Replay(folder.path().to_owned());
    let api = |flags, env| choose(flags, env, &recording).map(|server| server.endpoint.to_string());
    for env in [ON_GHES, CONFLICT, "GH_HOST=git.example.com", "GITHUB_ACTIONS=true GITHUB_API_URL=x"] {
        assert_eq!(api("", env).unwrap(), GITHUB_COM, "{env}");
    }
    assert_eq!(api("--host git.example.com", ON_GITHUB_COM).unwrap(), GHES);
    std::fs::write(folder.path().join("run.json"), format!("{{\"api\": \"{GHES}\"}}")).unwrap();
    assert_eq!(api("", ON_GITHUB_COM).unwrap(), GHES);
    assert_eq!(api("--host github.com", "").unwrap(), GITHUB_COM);
    std::fs::write(folder.path().join("run.json"), "{").unwrap();
    assert_eq!(api("", ON_GHES).unwrap(), GITHUB_COM);
}

#[test]
fn the_way_out_names_the_variable_of_the_server() {
    for (flags, env, way_out) in [
        ("", "", "set GH_TOKEN or run gh auth login"),
        ("--host acme.ghe.com", "", "set GH_TOKEN or run gh auth login --hostname acme.ghe.com"),
        (
            "--host git.example.com",
            "GITHUB_TOKEN=x",
            "set GH_ENTERPRISE_TOKEN or run gh auth login --hostname git.example.com",
        ),
        ("--api-url https://git.example.com/api/v3", "", "set GH_ENTERPRISE_TOKEN"),
        ("--api-url http://127.0.0.1:8099", "", "set GH_TOKEN"),
        ("", ON_GHES, "set GITHUB_TOKEN to ${{ github.token }}"),
        ("", "GITHUB_ACTIONS=true", "set GITHUB_TOKEN to ${{ github.token }}"),
        ("--host github.com", ON_GHES, "set GH_TOKEN"),
        (
            "--host github.com",
            "GITHUB_TOKEN=x GITHUB_ACTIONS=true GITHUB_SERVER_URL=https://git.example.com",
            "set GH_TOKEN (GITHUB_TOKEN belongs to git.example.com)",
        ),
        (
            "--host git.example.com",
            "GITHUB_TOKEN=x GITHUB_ACTIONS=true",
            "set GH_ENTERPRISE_TOKEN (GITHUB_TOKEN belongs to github.com)",
        ),
        (
            "--host github.com",
            "GITHUB_TOKEN=x GITHUB_ACTIONS=true GITHUB_API_URL=nonsense",
            "set GH_TOKEN (the server of GITHUB_TOKEN is unknown)",
        ),
    ] {
        let server = choose(flags, env, &TransportMode::Network).unwrap();
        assert_eq!(server.tokens.way_out(), way_out, "{flags} {env}");
    }
}
