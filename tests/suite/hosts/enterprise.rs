//! An Enterprise Server: its routes and its token.

use std::collections::HashSet;
use std::fs;

use crate::fake::{Behavior, Fake};
use crate::program::{Program, installed};
use crate::real_servers::nginx;

#[test]
fn an_enterprise_server_receives_its_own_routes_and_token() {
    if !installed(&["nginx", "openssl"]) {
        return;
    }
    let fake = Fake::start(Behavior {
        omits_limit_headers: true,
        token: Some("enterprise_token".into()),
        ..Behavior::default()
    });
    let nginx = nginx(&fake);
    let host = format!("localhost:{}", nginx.port);
    let ca = nginx.at("ca.pem").display().to_string();
    let profile = format!("https://{host}/antirez");
    for api in ["rest", "graphql"] {
        let before = fake.arrivals().len();
        let run = Program::new(&[
            "torvalds",
            &profile,
            "https://github.com/x",
            "--ca-file",
            &ca,
            "--api",
            api,
            "-F",
            "ndjson",
        ])
        .env("GH_HOST", &host)
        .env("GH_TOKEN", "github_token")
        .env("GH_ENTERPRISE_TOKEN", "enterprise_token")
        .run();
        let rows = run.rows_of(3);
        assert_eq!(
            rows.iter().map(|row| &row["status"]).collect::<Vec<_>>(),
            ["ok", "ok", "invalid"],
            "{}",
            run.stderr
        );
        assert_eq!(rows[2]["error"], format!("not a login: an address on github.com, not on {host}"));
        let route = if api == "rest" { "/api/v3/users/" } else { "/api/graphql" };
        let arrivals = &fake.arrivals()[before..];
        assert!(
            !arrivals.is_empty() && arrivals.iter().all(|arrival| arrival.request.path().starts_with(route))
        );
        let tokens: HashSet<_> =
            arrivals.iter().flat_map(|arrival| arrival.request.all("authorization")).collect();
        assert_eq!(tokens, HashSet::from(["Bearer enterprise_token"]));
    }
    // Without a token for this server, no other token is used.
    let run = Program::new(&["torvalds", "--host", &host, "--ca-file", &ca, "--api", "graphql"])
        .env("GH_TOKEN", "github_token")
        .run();
    assert_eq!(run.status, 4, "{}", run.stderr);
    for wrong in ["http://git.example.com", "git.example.com/x", "a b"] {
        let run = Program::new(&["torvalds", "--host", wrong]).run();
        assert_eq!(run.status, 2);
        assert!(
            run.stderr
                .starts_with(&format!("ghrepos: cannot use host {wrong:?} from --host: expected a host")),
            "{}",
            run.stderr
        );
    }
}

#[test]
fn the_token_of_gh_is_used_when_no_variable_has_one() {
    use std::os::unix::fs::PermissionsExt;
    // A stand-in for gh that records its arguments.
    let folder = tempfile::tempdir().unwrap();
    let gh = folder.path().join("gh");
    let calls = folder.path().join("calls");
    fs::write(&gh, format!("#!/bin/sh\necho \"$@\" >> {}\necho gho_sample_of_gh\n", calls.display()))
        .unwrap();
    fs::set_permissions(&gh, fs::Permissions::from_mode(0o755)).unwrap();
    let bin = folder.path().to_str().unwrap();
    // No server listens there. A flag that requires a token shows whether one was found.
    let look_up = |host: &str, more: (&str, &str)| {
        Program::new(&["a", "--host", host, "--private", "--retries", "0"])
            .env("PATH", bin)
            .env(more.0, more.1)
            .run()
    };
    assert_eq!(look_up("localhost:9", ("X", "")).status, 5);
    assert_eq!(look_up("localhost:9", ("GH_ENTERPRISE_TOKEN", "e_token")).status, 5);
    assert_eq!(look_up("localhost:9", ("PATH", "")).status, 4);
    assert_eq!(fs::read_to_string(&calls).unwrap(), "auth token --hostname localhost:9\n");
}
