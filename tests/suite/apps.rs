//! GitHub Apps with expiring tokens, and the identity of a token.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;

use crate::fake::{App, Behavior, Fake, Fault, Response, account};
use crate::program::{Program, Run, file, path, users};

/// The private key of an app in the format in which GitHub sends it. Sample data: no app has it.
pub fn private_key() -> &'static str {
    include_str!("../../fixtures/app/sample-key.pem")
}

/// Returns the claims of a JWT with a valid signature, after the rules of RFC 7515.
fn claims(jwt: &str) -> Option<Value> {
    let private = PrivateKeyDer::from_pem_slice(private_key().as_bytes()).unwrap();
    let pair = RsaKeyPair::from_der(private.secret_der()).unwrap();
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public());
    let (message, signature) = jwt.rsplit_once('.')?;
    public.verify(message.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    let (header, claims) = message.split_once('.')?;
    (part(header)?["alg"] == "RS256").then(|| part(claims))?
}

fn part(text: &str) -> Option<Value> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// The app with the id 12, which takes signatures of at most ten minutes, as GitHub does.
fn app() -> App {
    App::new(|jwt| {
        let Some(claims) = claims(jwt) else { return false };
        let number = |name: &str| claims[name].as_i64().unwrap();
        let issuer = claims["iss"].as_u64().or_else(|| claims["iss"].as_str()?.parse().ok());
        let is_valid = number("exp") > jiff::Timestamp::now().as_second();
        issuer == Some(12) && is_valid && number("exp") - number("iat") <= 600
    })
}

fn fake(app: App) -> Fake {
    Fake::start(Behavior { app: Some(app), ..Behavior::default() })
}

fn look_up(fake: &Fake, arguments: &[&str]) -> Run {
    let key = file(private_key());
    Program::for_fake(fake, &[&["--app-id", "12", "--app-key", path(&key)], arguments].concat()).run()
}

fn are_right(run: &Run, number: usize) {
    assert_eq!(run.status, 0, "{}", run.stderr);
    for (at, row) in (1..).zip(run.rows_of(number)) {
        let login = format!("user-{at}");
        assert_eq!((&row["login"], &row["status"]), (&login.as_str().into(), &"ok".into()));
        assert_eq!(row["public_repos"], account(&login).unwrap().public_repos);
    }
}

#[test]
fn an_expiring_token_is_refreshed_and_no_row_is_lost() {
    crate::program::retry_three_times(|| {
        let seconds = Duration::from_secs;
        let run = |api: &'static str, number: usize, latency: u64, early: Duration| {
            // On a busy machine too, a request arrives within two seconds.
            let app = App { life: early + seconds(if early.is_zero() { 3 } else { 2 }), early, ..app() };
            let latency = Duration::from_millis(latency);
            let fake = Fake::start(Behavior { app: Some(app), latency, ..Behavior::default() });
            let list = file(&users(number));
            let begun = std::time::Instant::now();
            let run =
                look_up(&fake, &["--api", api, "-f", path(&list), "-F", "ndjson", "-j", "4", "--batch", "1"]);
            assert!(begun.elapsed() > Duration::from_secs(10), "{:?}", begun.elapsed());
            are_right(&run, number);
            fake.tokens()
        };
        std::thread::scope(|scope| {
            // 410 requests, four in flight, a tenth of a second each.
            let rest = scope.spawn(|| run("rest", 410, 100, Duration::ZERO));
            let graphql = scope.spawn(|| run("graphql", 410, 100, Duration::ZERO));
            // Tokens expire three seconds before their announced expiry: each one is rejected and replaced.
            let early = [("rest", 410), ("graphql", 410)]
                .map(|(api, number)| scope.spawn(move || run(api, number, 100, seconds(3))));
            for run in [rest, graphql] {
                let used = run.join().unwrap();
                assert!(used.len() >= 4, "{used:?}");
                assert!(used.iter().all(|(good, stale)| *good > 0 && *stale == 0), "{used:?}");
            }
            for run in early {
                let used = run.join().unwrap();
                assert!(used.iter().any(|(_, stale)| *stale > 0), "{used:?}");
            }
        });
    });
}

#[test]
fn a_failed_token_request_is_retried() {
    let rejects = |time| match time {
        0 => Some(Response::html(502)),
        1 => Some(Response::json(403, crate::fake::rest::SECONDARY).with("retry-after", "1")),
        2 => Some(Response::json(201, "{\"token\":")),
        _ => None,
    };
    let fake = fake(App { rejects: Box::new(rejects), ..app() });
    let run = look_up(&fake, &["user-1", "user-2", "-F", "ndjson"]);
    are_right(&run, 2);
    let fake = self::fake(App { rejects: Box::new(|_| Some(Response::html(502))), ..app() });
    let run = look_up(&fake, &["user-1", "-F", "ndjson", "--retries", "1"]);
    assert_eq!(run.status, 5);
    assert!(run.stderr.contains("cannot get a token for the app: HTTP 502"), "{}", run.stderr);
    assert_eq!(fake.tokens().len(), 2, "two token requests");
}

#[test]
fn a_failing_token_endpoint_ends_the_run_within_the_deadline() {
    let silent = Fake::start(Behavior {
        app: Some(app()),
        fault: Box::new(|context| context.request.target.contains("access_tokens").then_some(Fault::Silent)),
        ..Behavior::default()
    });
    let list = file(&users(100));
    let many = ["-f", path(&list), "-F", "ndjson", "-j", "20", "--api", "rest"];
    let begun = std::time::Instant::now();
    let run = look_up(&silent, &[&many[..], &["--timeout", "500ms", "--retries", "1"]].concat());
    assert_eq!(run.status, 5, "{}", run.stderr);
    assert_eq!(silent.requests(), 3, "the installation, and two token requests");
    let run = look_up(&silent, &[&many[..], &["--deadline", "1s"]].concat());
    assert_eq!(run.status, 5, "{}", run.stderr);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(run.stderr.contains("deadline of 1s"), "{}", run.stderr);
}

#[test]
fn a_new_token_rejected_by_a_replica_is_retried() {
    let begun = std::time::Instant::now();
    let fault = move |context: &crate::fake::FaultContext<'_>| {
        let early =
            begun.elapsed() < Duration::from_millis(400) && context.request.target.contains("/users/");
        early.then(|| Fault::Response(401, vec![], r#"{"message":"Bad credentials"}"#.into()))
    };
    let fake = Fake::start(Behavior { app: Some(app()), fault: Box::new(fault), ..Behavior::default() });
    are_right(&look_up(&fake, &["user-1", "user-2", "-F", "ndjson", "--api", "rest", "--retries", "9"]), 2);
}

#[test]
fn a_wrong_clock_does_not_break_an_app() {
    // The server's clock is an hour ahead: it rejects the app's signatures, but sends its time.
    let clock_offset = 3600;
    let known = App::new(move |jwt| {
        let Some(claims) = claims(jwt) else { return false };
        let now = jiff::Timestamp::now().as_second() + clock_offset;
        claims["iat"].as_i64().unwrap() <= now && claims["exp"].as_i64().unwrap() > now
    });
    let fake = Fake::start(Behavior { app: Some(known), clock_offset, ..Behavior::default() });
    are_right(&look_up(&fake, &["user-1", "-F", "ndjson", "-v"]), 1);
}

#[test]
fn a_sole_installation_is_found_and_several_need_the_flag() {
    let two = || App { installations: vec![(7, "acme"), (8, "other")], ..app() };
    let several = fake(two());
    let run = look_up(&several, &["user-1"]);
    let reason = "ghrepos: the app has several installations: choose one of 7 (acme), 8 (other) with --installation; 1 login was not looked up\n";
    assert_eq!((run.status, run.stdout.as_str(), run.stderr.as_str()), (2, "", reason));
    are_right(&look_up(&several, &["user-1", "--installation", "8", "-F", "ndjson"]), 1);
    let run = look_up(&several, &["user-1", "--installation", "9"]);
    assert_eq!(run.status, 4);
    assert!(run.stderr.contains("GitHub refused the app: the app has no installation 9"), "{}", run.stderr);
    let run = look_up(&fake(App { installations: Vec::new(), ..app() }), &["user-1"]);
    assert_eq!(run.status, 2);
    assert!(run.stderr.starts_with("ghrepos: the app is not installed anywhere"), "{}", run.stderr);
}

#[test]
fn an_unknown_app_is_reported_in_one_line() {
    let fake = fake(app());
    let key = file(private_key());
    let run = Program::for_fake(&fake, &["a", "--app-id", "13", "--app-key", path(&key)]).run();
    assert_eq!(run.status, 4);
    let reason = "ghrepos: GitHub refused the app: A JSON web token could not be decoded. Check its id, key and installation";
    assert!(run.stderr.starts_with(reason) && run.stderr.lines().count() == 1, "{}", run.stderr);
    let no_key = file("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n");
    let (key, no_key) = (path(&key), path(&no_key));
    for (arguments, reason) in [
        (&["--app-id", "12"][..], "--app-id also requires --app-key or GHREPOS_APP_KEY".to_owned()),
        (&["--app-key", key], "--app-key also requires --app-id or GHREPOS_APP_ID".into()),
        (&["--installation", "1"], "--installation also requires --app-id and --app-key".into()),
        (
            &["--app-id", "12", "--app-key", no_key],
            format!("cannot use the app's key from {no_key}: expected an RSA private key in PEM format"),
        ),
        (
            &["--app-id", "12", "--app-key", "/nowhere.pem"],
            "cannot use the app's key from /nowhere.pem: No such file or directory".into(),
        ),
    ] {
        let run = Program::for_fake(&fake, &[&["a"], arguments].concat()).run();
        assert_eq!((run.status, run.stderr), (2, format!("ghrepos: {reason}\n")));
    }
    let run = Program::for_fake(&fake, &["a"]).env("GHREPOS_APP_ID", "12").run();
    assert_eq!(run.stderr, "ghrepos: GHREPOS_APP_ID also requires --app-key or GHREPOS_APP_KEY\n");
    // The value of the variable is never shown: it may be a key in another format.
    for secret in ["LS0tLS1CRUdJTi", "MIIEsecret\nMIIEsecret", "-----BEGIN RSA PRIVATE KEY-----\nMIIEsecret"]
    {
        let run =
            Program::for_fake(&fake, &["a"]).env("GHREPOS_APP_ID", "12").env("GHREPOS_APP_KEY", secret).run();
        assert_eq!(run.status, 2);
        assert!(
            run.stderr.contains("from GHREPOS_APP_KEY: ") && !run.stderr.contains("MII"),
            "{}",
            run.stderr
        );
        assert!(!run.stderr.contains("LS0"), "{}", run.stderr);
    }
    let run = Program::new(&["a", "--api-url", "http://192.0.2.1", "--app-id", "12", "--app-key", key]).run();
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains("the token from the app's installation over plain HTTP"), "{}", run.stderr);
}

#[test]
fn the_meta_names_the_viewer_and_never_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording");
    let recorded = recording.to_str().unwrap();
    let app = fake(app());
    // The key in one line of an environment variable, as some secret stores keep it.
    let run = Program::for_fake(&app, &["user-1", "-F", "json", "-vv", "--record", recorded])
        .env("GHREPOS_APP_ID", "12")
        .env("GHREPOS_APP_KEY", &private_key().replace('\n', "\\n"))
        .env("GHREPOS_INSTALLATION", "7")
        .env("GH_TOKEN", "ghp_another")
        .run();
    assert_eq!(run.status, 0, "{}", run.stderr);
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((&json["meta"]["app"], &json["meta"]["viewer"]), (&"The Auditor".into(), &Value::Null));
    assert!(run.stderr.contains("authenticated app=\"The Auditor\""), "{}", run.stderr);
    let mut all = run.stdout + &run.stderr;
    let mut folders = vec![recording];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            match entry.unwrap().path() {
                folder if folder.is_dir() => folders.push(folder),
                file => all += &std::fs::read_to_string(file).unwrap(),
            }
        }
    }
    assert!(all.contains("user-1") && !all.contains("ghs_12") && !all.contains("SAMPLE"), "{all}");

    let fake = Fake::well_behaved();
    let look_up = |arguments: &[&str], token: &str| {
        Program::for_fake(&fake, &[&["user-1"], arguments].concat()).env("GH_TOKEN", token).run()
    };
    for api in ["rest", "graphql"] {
        let run = look_up(&["-F", "json", "-v", "--api", api, "--max-points", "1"], "ghp_sample");
        let json: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(json["meta"]["viewer"], "Octocat-Sample", "{}", run.stderr);
        assert_eq!((run.status, &json["rows"][0]["status"]), (0, &"ok".into()), "{}", run.stderr);
        assert!(
            run.stderr.contains("authenticated viewer=\"Octocat-Sample\" token_from=\"GH_TOKEN\""),
            "{}",
            run.stderr
        );
    }
    let run = look_up(&["-F", "json"], "ghs_of_an_actions_job");
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.status, &json["meta"]["viewer"]), (0, &Value::Null), "{}", run.stderr);
    // No request for the identity if no output contains it.
    let before = fake.requests();
    look_up(&["-F", "ndjson"], "ghp_sample");
    assert_eq!(fake.requests(), before + 1);
}
