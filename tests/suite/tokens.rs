//! Tokens: valid, wrong and missing ones, and redirects.

use std::fs;

use crate::fake::{Behavior, Fake, Fault};
use crate::program::Program;

const TOKEN: &str = "ghp_SAMPLEsampleSAMPLEsample0123456789ab";

fn strict() -> Fake {
    Fake::start(Behavior { token: Some(TOKEN.into()), private: true, ..Behavior::default() })
}

#[test]
fn a_tokens_newline_is_trimmed_and_headers_are_sent_once() {
    for variable in ["GH_TOKEN", "GITHUB_TOKEN"] {
        let fake = strict();
        let run = Program::for_fake(&fake, &["torvalds", "--api", "rest"])
            .env(variable, &format!("{TOKEN}\r\n"))
            .run();
        assert_eq!(run.status, 0, "{}", run.stderr);
        let request = &fake.arrivals()[0].request;
        assert_eq!(request.all("authorization"), [format!("Bearer {TOKEN}")]);
        assert_eq!(request.all("user-agent"), [concat!("ghrepos/", env!("CARGO_PKG_VERSION"))]);
        assert_eq!(request.all("x-github-api-version"), ["2022-11-28"]);
        assert_eq!(request.all("accept"), ["application/vnd.github+json, application/json;q=0.9"]);
        assert_eq!(request.all("accept-encoding"), ["gzip"]);
        assert!(request.all("content-length").is_empty(), "a GET has no body");
    }
}

#[test]
fn a_wrong_token_ends_the_run_at_once_with_status_4() {
    let fake = strict();
    let input = crate::program::file(&crate::program::users(1000));
    let arguments = ["-f", crate::program::path(&input), "--api", "rest"];
    let run = Program::for_fake(&fake, &arguments).env("GH_TOKEN", "ghp_wrong").run();
    assert_eq!((run.status, run.stdout.as_str()), (4, ""));
    let line = "ghrepos: GitHub refused the token from GH_TOKEN: Bad credentials. Create a new token, or unset GH_TOKEN \
                to run without one; 99";
    assert!(
        run.stderr.starts_with(line) && run.stderr.ends_with(" logins were not looked up\n"),
        "{}",
        run.stderr
    );
    assert_eq!(run.stderr.lines().count(), 1);
    assert!(fake.requests() <= 10, "none but those that were in flight: {}", fake.requests());

    let run = Program::for_fake(&fake, &["a", "b", "-F", "ndjson", "-j", "1", "--api", "rest"])
        .env("GH_TOKEN", "ghp_wrong")
        .run();
    let outcomes: Vec<_> =
        run.rows().iter().map(|row| (row["status"].clone(), row["error"].clone())).collect();
    assert_eq!(outcomes[0], ("failed".into(), "GitHub refused the token: Bad credentials".into()));
    assert_eq!(
        outcomes[1],
        ("skipped".into(), "not looked up: GitHub refused the token: Bad credentials".into())
    );
}

#[test]
fn a_wrong_token_has_the_same_message_with_graphql() {
    let fake = strict();
    let run = Program::for_fake(&fake, &["a", "b"]).env("GH_TOKEN", "ghp_wrong").run();
    assert_eq!((run.status, run.stdout.as_str(), run.stderr.lines().count()), (4, "", 1));
    assert!(
        run.stderr.starts_with("ghrepos: GitHub refused the token from GH_TOKEN: Bad credentials."),
        "{}",
        run.stderr
    );
    assert!(fake.requests() <= 2);
}

#[test]
fn a_token_that_graphql_echoes_is_never_shown() {
    let fake = Fake::with_faults(|context| {
        let sent = context.request.all("authorization")[0].to_owned();
        let (padding, error) = ("x".repeat(480), format!("you sent {sent}"));
        let body = serde_json::json!({
            "data": {"a0": null, "a1": {"login": sent, "public": {"totalCount": 1}}, "a2": null},
            "errors": [{"path": ["a0"], "message": error, "type": "FORBIDDEN", "extensions": {"sso": format!("https://x/{sent}")}},
                       {"path": ["a2"], "message": padding + &error}],
        });
        Some(Fault::Response(200, vec![("x-github-sso", format!("required; url={sent}"))], body.to_string()))
    });
    let folder = tempfile::tempdir().unwrap();
    let run = Program::for_fake(&fake, &["a", "b", "c", "-vv", "--retries", "0", "--batch", "3"])
        .env("GH_TOKEN", TOKEN)
        .run_recording(folder.path());
    assert!(run.stdout.contains("you sent Bearer [token]"), "{}", run.stdout);
    let mut texts = vec![run.stdout, run.stderr];
    for entry in fs::read_dir(folder.path().join("graphql")).unwrap() {
        texts.push(fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    assert!(texts.len() > 2);
    for text in texts {
        assert!(!text.contains("SAMPLEsample"), "{text}");
    }
}

#[test]
fn a_missing_token_is_status_4() {
    let run = Program::for_fake(&strict(), &["torvalds"]).run();
    assert_eq!(run.status, 4);
    assert!(
        run.stderr.ends_with(" requires a token: Requires authentication; set GH_TOKEN\n"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_token_that_a_server_echoes_is_never_shown_or_stored() {
    let echo = |context: &crate::fake::FaultContext<'_>| {
        let sent = context.request.all("authorization")[0].to_owned();
        // Nearly as long as the longest message, so that the message is cut within the token.
        let padding = "x".repeat(480);
        let body =
            format!(r#"{{"message":"{padding} you sent {sent}","login":"{sent}","id":1,"public_repos":1}}"#);
        match context.login {
            "torvalds" => None,
            "unauthorized" => Some(Fault::Response(401, vec![("etag", sent)], body)),
            "forbidden" => {
                Some(Fault::Response(403, vec![("x-github-sso", format!("required; url={sent}"))], body))
            }
            "failed" => Some(Fault::Response(500, vec![("link", sent)], body)),
            _ => Some(Fault::Response(200, vec![("location", sent)], body)),
        }
    };
    let fake = Fake::with_faults(echo);
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording");
    let run = Program::for_fake(
        &fake,
        &[
            "torvalds",
            "forbidden",
            "failed",
            "odd",
            "unauthorized",
            "--api",
            "rest",
            "-vv",
            "-F",
            "json",
            "--retries",
            "1",
            "-j",
            "1",
        ],
    )
    .env("GH_TOKEN", TOKEN)
    .env("RUST_LOG", "trace")
    .env("RUST_BACKTRACE", "1")
    .current_dir(folder.path())
    .run();
    let recorded = Program::for_fake(
        &fake,
        &["torvalds", "forbidden", "failed", "odd", "--retries", "0", "--api", "rest"],
    )
    .env("GH_TOKEN", TOKEN)
    .current_dir(folder.path())
    .run_recording(&recording);
    for text in [&run.stdout, &run.stderr, &recorded.stdout, &recorded.stderr] {
        assert!(!text.contains(TOKEN) && !text.contains("SAMPLEsample"), "{text}");
    }
    assert!(run.stderr.contains("GET /users/torvalds"), "the log has every request: {}", run.stderr);
    let mut kept = 0;
    for entry in fs::read_dir(recording.join("users")).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        assert!(!text.contains("SAMPLEsample"), "{text}");
        kept += 1;
    }
    assert_eq!(kept, 4);
}

#[test]
fn a_redirect_to_another_origin_is_not_followed() {
    let elsewhere = Fake::well_behaved();
    let target = elsewhere.url();
    let fake = Fake::with_faults(move |context| {
        let (status, to) = match context.login {
            "away" => (302, format!("{target}/users/away")),
            "home" => (301, "/users/torvalds".to_owned()),
            _ => return None,
        };
        Some(Fault::Response(status, vec![("location", to)], "{}".into()))
    });
    let run =
        Program::for_fake(&fake, &["user-1", "away", "home", "-F", "ndjson", "-j", "1", "--api", "rest"])
            .env("GH_TOKEN", TOKEN)
            .run();
    assert_eq!(run.status, 1, "{}", run.stdout);
    assert_eq!((&run.rows()[1]["status"], &run.rows()[2]["status"]), (&"failed".into(), &"ok".into()));
    assert_eq!(elsewhere.connections(), 0);
    assert!(fake.arrivals().iter().all(|arrival| arrival.request.all("authorization").len() == 1));
}

#[test]
fn redirects_in_a_circle_end() {
    let fake = Fake::with_faults(|_| {
        Some(Fault::Response(302, vec![("location", "/users/torvalds".into())], "{}".into()))
    });
    let run = Program::for_fake(&fake, &["torvalds", "-F", "ndjson"]).run();
    assert_eq!(run.status, 5);
    assert!(
        run.stderr.contains("did not answer as GitHub: HTTP 302 redirects to http://127"),
        "{}",
        run.stderr
    );
    assert!(fake.requests() < 10);
}

#[test]
fn a_token_for_this_machine_does_not_go_through_a_proxy() {
    let (fake, proxy) = (strict(), Fake::well_behaved());
    let program = Program::for_fake(&fake, &["torvalds"]).env("GH_TOKEN", TOKEN);
    let run = program.env("http_proxy", &proxy.url()).env("HTTP_PROXY", &proxy.url()).run();
    assert_eq!((run.status, proxy.connections()), (0, 0), "{}", run.stderr);
}

#[test]
fn plain_http_to_another_machine_is_refused_with_a_token() {
    let run = Program::new(&["a", "--api-url", "http://git.example.com"]).env("GH_TOKEN", TOKEN).run();
    assert_eq!(run.status, 2);
    assert!(
        run.stderr.contains("refusing to send the token from GH_TOKEN over plain HTTP"),
        "{}",
        run.stderr
    );
    assert!(!run.stderr.contains(TOKEN));
}
