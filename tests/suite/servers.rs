//! The queried server and the token that it receives, for each combination of environment and flags. One fake listens at the
//! right address, another at a wrong one, and a proxy of the test is in front of all other machines.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::fake::Fake;
use crate::program::{Program, Run};

/// A value for each token variable, which identifies a leaked token.
const TOKENS: [(&str, &str); 4] = [
    ("GH_TOKEN", "ghp_SAMPLEofGHTOKEN"),
    ("GITHUB_TOKEN", "ghs_SAMPLEofTHEJOB"),
    ("GH_ENTERPRISE_TOKEN", "ghp_SAMPLEofGHES"),
    ("GITHUB_ENTERPRISE_TOKEN", "ghp_SAMPLEofGITHUBGHES"),
];

/// A proxy that records requests and connects to nothing.
struct RefusingProxy {
    address: std::net::SocketAddr,
    received: Arc<Mutex<Vec<String>>>,
}

impl RefusingProxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, received) = (listener.local_addr().unwrap(), Arc::default());
        let shared: Arc<Mutex<Vec<String>>> = Arc::clone(&received);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let request = refuse(stream);
                shared.lock().unwrap().push(request);
            }
        });
        Self { address, received }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn received(&self) -> Vec<String> {
        self.received.lock().unwrap().clone()
    }
}

/// Reads the head of a request, rejects it, and reads everything that the client still sends.
fn refuse(mut stream: TcpStream) -> String {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let (mut all, mut part) = (Vec::new(), [0; 4096]);
    let mut refused = false;
    while let Ok(length @ 1..) = stream.read(&mut part) {
        all.extend_from_slice(&part[..length]);
        if !refused && all.windows(4).any(|window| window == b"\r\n\r\n") {
            refused = true;
            let _ = stream
                .write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

/// A run with `right` and `wrong` in place of the addresses of two fakes.
struct Outcome {
    right: Fake,
    wrong: Fake,
    proxy: RefusingProxy,
    run: Run,
}

fn run_case(flags: &str, env: &str) -> Outcome {
    let (right, wrong, proxy) = (Fake::well_behaved(), Fake::well_behaved(), RefusingProxy::start());
    let filled = |text: &str| text.replace("RIGHT", &right.url()).replace("WRONG", &wrong.url());
    let arguments = format!("torvalds -q --retries 0 -F ndjson {}", filled(flags));
    let mut program = Program::new(&arguments.split_whitespace().collect::<Vec<_>>());
    for variable in ["HTTPS_PROXY", "https_proxy"] {
        program = program.env(variable, &proxy.url());
    }
    for word in filled(env).split_whitespace() {
        program = match (word.split_once('='), TOKENS.iter().find(|(name, _)| *name == word)) {
            (Some((name, value)), _) => program.env(name, value),
            (None, Some((name, token))) => program.env(name, token),
            (None, None) => panic!("{word}"),
        };
    }
    let run = program.run();
    Outcome { right, wrong, proxy, run }
}

fn authorizations(fake: &Fake) -> Vec<String> {
    let arrivals = fake.arrivals();
    let sent = arrivals.iter().flat_map(|arrival| arrival.request.all("authorization"));
    sent.map(str::to_owned).collect()
}

const ALL: &str = "GH_TOKEN GITHUB_TOKEN GH_ENTERPRISE_TOKEN GITHUB_ENTERPRISE_TOKEN";
const JOB_ON_RIGHT: &str = "GITHUB_ACTIONS=true GITHUB_SERVER_URL=RIGHT GITHUB_API_URL=RIGHT/api/v3";
const JOB_ON_WRONG: &str = "GITHUB_ACTIONS=true GITHUB_SERVER_URL=WRONG GITHUB_API_URL=WRONG/api/v3";
const JOB_ON_GITHUB: &str =
    "GITHUB_ACTIONS=true GITHUB_SERVER_URL=https://github.com GITHUB_API_URL=https://api.github.com";
const CONFLICT: &str = "GITHUB_ACTIONS=true GITHUB_SERVER_URL=WRONG GITHUB_API_URL=RIGHT/api/v3";

#[test]
fn only_the_right_server_receives_a_token() {
    // Flags, variables, and the variable whose token the right server receives.
    for (flags, env, expected) in [
        // Inside Actions on an Enterprise Server.
        ("", &[JOB_ON_RIGHT, "GITHUB_TOKEN"][..], Some("GITHUB_TOKEN")),
        ("", &[JOB_ON_RIGHT, "GITHUB_TOKEN GH_TOKEN"], Some("GITHUB_TOKEN")),
        ("", &[JOB_ON_RIGHT, "GH_TOKEN"], None),
        ("", &[JOB_ON_RIGHT, ALL], Some("GH_ENTERPRISE_TOKEN")),
        ("", &[JOB_ON_RIGHT, "GITHUB_TOKEN GITHUB_ENTERPRISE_TOKEN"], Some("GITHUB_ENTERPRISE_TOKEN")),
        ("", &[JOB_ON_RIGHT, "GITHUB_TOKEN GH_ENTERPRISE_TOKEN= GH_HOST="], Some("GITHUB_TOKEN")),
        ("", &["GITHUB_ACTIONS=true GITHUB_SERVER_URL=RIGHT/ GITHUB_TOKEN"], Some("GITHUB_TOKEN")),
        ("", &["GITHUB_ACTIONS=true GITHUB_API_URL=RIGHT/api/v3/ GITHUB_TOKEN"], Some("GITHUB_TOKEN")),
        // Inside Actions at an address of an unknown kind: only the token of the job.
        ("", &["GITHUB_ACTIONS=true GITHUB_API_URL=RIGHT", ALL], Some("GITHUB_TOKEN")),
        ("", &["GITHUB_ACTIONS=true GITHUB_API_URL=RIGHT GH_TOKEN"], None),
        // Inside Actions, with a flag that names the server of the job.
        ("--api-url RIGHT/api/v3", &[JOB_ON_RIGHT, "GITHUB_TOKEN GH_TOKEN"], Some("GITHUB_TOKEN")),
        // Inside Actions, with a flag that names another server.
        ("--api-url RIGHT", &[JOB_ON_WRONG, "GITHUB_TOKEN"], None),
        ("--api-url RIGHT", &[JOB_ON_WRONG, ALL], Some("GH_TOKEN")),
        ("--api-url RIGHT", &[JOB_ON_GITHUB, "GITHUB_TOKEN"], None),
        ("--api-url RIGHT", &["GITHUB_ACTIONS=true GITHUB_TOKEN"], None),
        ("--api-url RIGHT/api/v3", &[JOB_ON_WRONG, "GITHUB_TOKEN GH_TOKEN"], None),
        ("--api-url RIGHT/api/v3", &[JOB_ON_WRONG, ALL], Some("GH_ENTERPRISE_TOKEN")),
        ("--api-url RIGHT/api/v3", &[JOB_ON_GITHUB, "GITHUB_TOKEN GH_TOKEN"], None),
        ("--api-url RIGHT/neighbor", &[JOB_ON_RIGHT, "GITHUB_TOKEN"], None),
        ("--api-url RIGHT", &[CONFLICT, "GITHUB_TOKEN"], None),
        ("--api-url RIGHT/api/v3", &[CONFLICT, "GITHUB_TOKEN"], None),
        ("--api-url RIGHT/api/v3", &["GITHUB_ACTIONS=true GITHUB_API_URL=nonsense GITHUB_TOKEN"], None),
        // Outside of Actions, where the variables of a job are ignored.
        (
            "--api-url RIGHT",
            &["GITHUB_SERVER_URL=WRONG GITHUB_API_URL=WRONG GITHUB_TOKEN"],
            Some("GITHUB_TOKEN"),
        ),
        ("--api-url RIGHT", &["GITHUB_ACTIONS=1 GITHUB_SERVER_URL=WRONG GITHUB_TOKEN"], Some("GITHUB_TOKEN")),
        ("--api-url RIGHT", &["GITHUB_ACTIONS=True GITHUB_SERVER_URL=WRONG", ALL], Some("GH_TOKEN")),
        ("--api-url RIGHT", &["GH_HOST=git.example.com GH_ENTERPRISE_TOKEN"], None),
        ("--api-url RIGHT/api/v3", &["GH_TOKEN GITHUB_TOKEN"], None),
        ("--api-url RIGHT/api/v3", &[ALL], Some("GH_ENTERPRISE_TOKEN")),
    ] {
        let env = env.join(" ");
        let outcome = run_case(flags, &env);
        let token = expected.and_then(|name| TOKENS.iter().find(|(variable, _)| *variable == name));
        let expected: Vec<_> = token.iter().map(|(_, token)| format!("Bearer {token}")).collect();
        let mut received = authorizations(&outcome.right);
        received.dedup();
        assert_eq!(received, expected, "{flags} {env}: {}", outcome.run.stderr);
        assert!(outcome.right.requests() > 0, "{flags} {env}: {}", outcome.run.stderr);
        assert_eq!(outcome.wrong.connections(), 0, "{flags} {env}");
        assert_eq!(outcome.proxy.received(), [""; 0], "{flags} {env}");
    }
}

#[test]
fn another_machine_is_reached_by_its_own_name_alone() {
    const GITHUB: &str = "api.github.com:443";
    const GHE: &str = "api.acme.ghe.com:443";
    const GHES: &str = "git.example.com:443";
    const JOB_ON_GHES: &str = "GITHUB_ACTIONS=true GITHUB_API_URL=https://git.example.com/api/v3 \
                               GITHUB_SERVER_URL=https://git.example.com";
    const JOB_ON_GHE: &str = "GITHUB_ACTIONS=true GITHUB_API_URL=https://api.acme.ghe.com \
                              GITHUB_SERVER_URL=https://acme.ghe.com";
    for (flags, env, target) in [
        ("", "", GITHUB),
        ("", "GITHUB_API_URL=RIGHT GITHUB_SERVER_URL=RIGHT", GITHUB),
        ("", "GITHUB_ACTIONS=false GITHUB_SERVER_URL=RIGHT", GITHUB),
        ("", "GITHUB_ACTIONS=true", GITHUB),
        ("", JOB_ON_GITHUB, GITHUB),
        ("", JOB_ON_GHE, GHE),
        ("", JOB_ON_GHES, GHES),
        ("", "GITHUB_ACTIONS=true GITHUB_SERVER_URL=https://git.example.com/", GHES),
        ("", "GITHUB_ACTIONS=true GITHUB_SERVER_URL=https://acme.ghe.com", GHE),
        ("", "GH_HOST=git.example.com", GHES),
        ("", "GH_HOST=https://acme.ghe.com/", GHE),
        ("", "GH_HOST=git.example.com GITHUB_ACTIONS=true GITHUB_SERVER_URL=RIGHT", GHES),
        ("--host github.com", "GH_HOST=git.example.com", GITHUB),
        ("--host github.com", "GITHUB_ACTIONS=true GITHUB_SERVER_URL=RIGHT", GITHUB),
        ("--host https://github.com/", JOB_ON_GHES, GITHUB),
        ("--host acme.ghe.com", JOB_ON_GITHUB, GHE),
        ("--host git.example.com", JOB_ON_GITHUB, GHES),
        ("--host git.example.com", CONFLICT, GHES),
        ("--api-url https://git.example.com/api/v3", JOB_ON_GHE, GHES),
    ] {
        let outcome = run_case(flags, &format!("{env} {ALL}"));
        let received = outcome.proxy.received();
        assert!(!received.is_empty(), "{flags} {env}: {}", outcome.run.stderr);
        for request in &received {
            assert!(
                request.starts_with(&format!("CONNECT {target} HTTP/1.1\r\n")),
                "{flags} {env}: {request}"
            );
            assert!(!request.contains("SAMPLE"), "{flags} {env}: {request}");
        }
        assert_eq!((outcome.right.connections(), outcome.wrong.connections()), (0, 0), "{flags} {env}");
        assert!(outcome.run.status != 0 && !outcome.run.stderr.contains("SAMPLE"), "{}", outcome.run.stderr);
    }
}

#[test]
fn variables_that_name_two_servers_reach_neither() {
    for (env, message) in [
        (CONFLICT, "name different servers: choose one with --host or --api-url\n"),
        ("GITHUB_ACTIONS=true GITHUB_API_URL=RIGHT GITHUB_SERVER_URL=https://github.com", "name different"),
        (
            "GITHUB_ACTIONS=true GITHUB_API_URL=ftp://x GITHUB_SERVER_URL=RIGHT",
            "from GITHUB_API_URL: expected",
        ),
        (
            "GITHUB_ACTIONS=true GITHUB_API_URL=RIGHT GITHUB_SERVER_URL=x/y",
            "from GITHUB_SERVER_URL: expected",
        ),
    ] {
        let outcome = run_case("", &format!("{env} {ALL}"));
        assert_eq!(
            (outcome.run.status, outcome.run.stderr.lines().count()),
            (2, 1),
            "{}",
            outcome.run.stderr
        );
        assert!(outcome.run.stderr.contains(message), "{}", outcome.run.stderr);
        assert_eq!((outcome.right.connections(), outcome.wrong.connections()), (0, 0), "{env}");
        assert_eq!(outcome.proxy.received(), [""; 0], "{env}");
    }
}

#[test]
#[cfg(unix)]
fn gh_provides_its_own_login_and_not_a_variable() {
    use std::os::unix::fs::PermissionsExt;
    // The stand-in prefers a variable to its login, as gh does.
    let folder = tempfile::tempdir().unwrap();
    let (gh, seen) = (folder.path().join("gh"), folder.path().join("seen"));
    let script = format!("#!/bin/sh\nset > {}\necho \"${{GH_TOKEN:-gho_SAMPLElogin}}\"\n", seen.display());
    fs::write(&gh, script).unwrap();
    fs::set_permissions(&gh, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("PATH={}", folder.path().display());
    // An Enterprise Server runs the job, and GH_TOKEN is not its token.
    let outcome = run_case("", &format!("{JOB_ON_RIGHT} {path} GH_TOKEN"));
    assert_eq!(authorizations(&outcome.right), ["Bearer gho_SAMPLElogin"], "{}", outcome.run.stderr);
    let without = run_case("", &format!("{JOB_ON_RIGHT} GH_TOKEN"));
    assert_eq!(authorizations(&without.right), [""; 0], "{}", without.run.stderr);
    for (host, other) in [
        ("git.example.com", "GH_TOKEN GITHUB_TOKEN GH_HOST=github.com"),
        ("github.com", "GH_ENTERPRISE_TOKEN GITHUB_ENTERPRISE_TOKEN GH_HOST=git.example.com"),
    ] {
        fs::remove_file(&seen).unwrap();
        run_case(&format!("--host {host}"), &format!("{path} {other}"));
        let seen = fs::read_to_string(&seen).unwrap();
        let names = ["GH_TOKEN=", "GITHUB_TOKEN=", "GH_ENTERPRISE_", "GITHUB_ENTERPRISE_", "GH_HOST="];
        assert!(seen.contains("PATH=") && !names.iter().any(|name| seen.contains(name)), "{seen}");
    }
}
