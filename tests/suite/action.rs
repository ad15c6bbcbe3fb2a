//! The action: the server and the token that it passes to the program. Its script runs as in GitHub Actions, with a stand-in for
//! the program that records its arguments and environment.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::audits::action_script;
use crate::program::installed;

/// Arguments and variables that the program received: its `--host`, and every token variable.
#[derive(Debug, PartialEq, Eq)]
struct Given {
    host: Option<String>,
    tokens: Vec<String>,
    log: String,
}

fn given(server: &str, host: &str, token: &str) -> Given {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let script = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" > {}\nenv > {}\ntouch audit/now.ndjson\n",
        at("arguments").display(),
        at("env").display()
    );
    fs::write(at("ghrepos"), script).unwrap();
    fs::set_permissions(at("ghrepos"), fs::Permissions::from_mode(0o755)).unwrap();
    // Variables of the job must not override the inputs.
    let of_job = ["GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN", "GH_HOST"];
    let run = Command::new("bash")
        .args(["--noprofile", "--norc", "-eo", "pipefail", "-c", &action_script()])
        .current_dir(folder.path())
        .env_clear()
        .envs(of_job.map(|variable| (variable, "of_the_whole_job")))
        .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
        .env("ARGUMENTS", "torvalds\n")
        .env("FOLDER", "audit")
        .env("GITHUB_OUTPUT", at("output"))
        .env("GITHUB_SERVER_URL", server)
        .env("GITHUB_STEP_SUMMARY", at("summary.md"))
        .env("HOST", host)
        .env("JOB_TOKEN", "ghs_job")
        .env("RULES", "new>0")
        .env("TOKEN", token)
        .output()
        .unwrap();
    assert!(run.status.success(), "{run:?}");
    let lines =
        |name: &str| fs::read_to_string(at(name)).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    let is_token =
        |line: &String| line.contains("TOKEN=") || line.contains("ghs_job") || line.contains("whole_job");
    let mut tokens = lines("env");
    tokens.retain(is_token);
    let host = lines("arguments").iter().find_map(|word| word.strip_prefix("--host=").map(str::to_owned));
    Given { host, tokens, log: fs::read_to_string(at("audit/log")).unwrap() }
}

#[test]
fn the_action_gives_a_token_to_its_server_alone() {
    if !installed(&["bash"]) {
        return;
    }
    let (github, server) = ("https://github.com", "https://git.example.com");
    for (url, host, token, expected_host, variable) in [
        // The server that runs the job, of any kind.
        (github, "", "ghs_job", None, Some("GITHUB_TOKEN")),
        (server, "", "ghs_job", None, Some("GITHUB_TOKEN")),
        (server, " ", "ghp_person", None, Some("GITHUB_TOKEN")),
        (github, "", "", None, None),
        // A named host: the variable of its kind.
        (github, "github.com", "ghp_person", Some("github.com"), Some("GH_TOKEN")),
        (github, "acme.ghe.com", "ghp_person", Some("acme.ghe.com"), Some("GH_TOKEN")),
        (github, "git.example.com", "ghp_person", Some("git.example.com"), Some("GH_ENTERPRISE_TOKEN")),
        (server, "https://GitHub.com/", "ghp_person", Some("github.com"), Some("GH_TOKEN")),
        (github, "notghe.com", "ghp_person", Some("notghe.com"), Some("GH_ENTERPRISE_TOKEN")),
        // The token of the job, only for its own server.
        (github, "https://GitHub.com/", "ghs_job", Some("github.com"), Some("GH_TOKEN")),
        (server, "git.example.com", "ghs_job", Some("git.example.com"), Some("GH_ENTERPRISE_TOKEN")),
        (github, "git.example.com", "ghs_job", Some("git.example.com"), None),
        (github, "acme.ghe.com", "ghs_job", Some("acme.ghe.com"), None),
        (server, "github.com", "ghs_job", Some("github.com"), None),
        ("", "git.example.com", "ghs_job", Some("git.example.com"), None),
    ] {
        let given = given(url, host, token);
        let tokens: Vec<_> = variable.iter().map(|variable| format!("{variable}={token}")).collect();
        assert_eq!(given.host.as_deref(), expected_host, "{url} {host} {token}");
        assert_eq!(given.tokens, tokens, "{url} {host} {token}");
        let withheld = !token.is_empty() && variable.is_none();
        let line = format!("action: the job's token is not sent to {}: set the input token\n", host);
        assert_eq!(given.log, if withheld { line } else { String::new() }, "{url} {host} {token}");
    }
}
