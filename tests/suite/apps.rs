//! Asking as a GitHub App, whose tokens expire; and whose token it is.

use std::sync::OnceLock;
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::KeyPair as _;
use serde_json::Value;

use crate::fake::{App, Behaviour, Fake, Fault, Response, account};
use crate::program::{Program, Run, file, path, users};

/// The private key of an app, and the public one by which its signatures are verified.
fn keys() -> &'static (String, String) {
    static KEYS: OnceLock<(String, String)> = OnceLock::new();
    KEYS.get_or_init(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).unwrap();
        let public = AsDer::<aws_lc_rs::encoding::PublicKeyX509Der<'_>>::as_der(pair.public_key()).unwrap();
        let pem = |tag, der: &[u8]| pem::encode(&pem::Pem::new(tag, der));
        (pem("PRIVATE KEY", der.as_ref()), pem("PUBLIC KEY", public.as_ref()))
    })
}

/// The private key of an app.
pub fn private_key() -> &'static str {
    &keys().0
}

/// The app with the id 12, which takes signatures of at most ten minutes, as GitHub does.
fn app() -> App {
    App::new(|jwt| {
        let key = jsonwebtoken::DecodingKey::from_rsa_pem(keys().1.as_bytes()).unwrap();
        let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        rules.leeway = 0;
        let Ok(token) = jsonwebtoken::decode::<Value>(jwt, &key, &rules) else { return false };
        let number = |name: &str| token.claims[name].as_u64().unwrap();
        let whose = token.claims["iss"].as_u64().or_else(|| token.claims["iss"].as_str()?.parse().ok());
        whose == Some(12) && number("exp") - number("iat") <= 600
    })
}

fn fake(app: App) -> Fake {
    Fake::start(Behaviour { app: Some(app), ..Behaviour::default() })
}

fn ask(fake: &Fake, arguments: &[&str]) -> Run {
    let key = file(&keys().0);
    Program::asking(fake, &[&["--app-id", "12", "--app-key", path(&key)], arguments].concat()).run()
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
fn a_token_that_expires_is_renewed_before_and_nothing_is_lost() {
    crate::program::in_three_tries(|| {
        let run = |api: &'static str, number: usize, latency: u64, early: Duration| {
            let app = App { life: Duration::from_secs(3), early, ..app() };
            let latency = Duration::from_millis(latency);
            let fake = Fake::start(Behaviour { app: Some(app), latency, ..Behaviour::default() });
            let list = file(&users(number));
            let begun = std::time::Instant::now();
            let run =
                ask(&fake, &["--api", api, "-f", path(&list), "-F", "ndjson", "-j", "4", "--batch", "5"]);
            assert!(begun.elapsed() > Duration::from_secs(10), "{:?}", begun.elapsed());
            are_right(&run, number);
            fake.tokens()
        };
        std::thread::scope(|scope| {
            // 410 requests, four at a time, a tenth of a second each.
            let rest = scope.spawn(|| run("rest", 410, 100, Duration::ZERO));
            let graphql = scope.spawn(|| run("graphql", 2050, 100, Duration::ZERO));
            // They expire two seconds before they were said to: each is refused, and replaced.
            let early = [("rest", 410), ("graphql", 2050)]
                .map(|(api, number)| scope.spawn(move || run(api, number, 100, Duration::from_secs(2))));
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
fn a_token_is_asked_for_again_when_that_fails() {
    let refuses = |time| match time {
        0 => Some(Response::html(502)),
        1 => Some(Response::json(403, crate::fake::rest::SECONDARY).with("retry-after", "1")),
        2 => Some(Response::json(201, "{\"token\":")),
        _ => None,
    };
    let fake = fake(App { refuses: Box::new(refuses), ..app() });
    let run = ask(&fake, &["user-1", "user-2", "-F", "ndjson"]);
    are_right(&run, 2);
    let fake = self::fake(App { refuses: Box::new(|_| Some(Response::html(502))), ..app() });
    let run = ask(&fake, &["user-1", "-F", "ndjson", "--retries", "1"]);
    assert_eq!(run.status, 5);
    assert!(run.stderr.contains("cannot get a token for the app: HTTP 502"), "{}", run.stderr);
    assert_eq!(fake.tokens().len(), 2, "asked twice");
}

#[test]
fn a_token_endpoint_that_fails_ends_the_run_once_and_within_the_deadline() {
    let silent = Fake::start(Behaviour {
        app: Some(app()),
        fault: Box::new(|asked| asked.request.target.contains("access_tokens").then_some(Fault::Silent)),
        ..Behaviour::default()
    });
    let list = file(&users(100));
    let many = ["-f", path(&list), "-F", "ndjson", "-j", "20", "--api", "rest"];
    let begun = std::time::Instant::now();
    let run = ask(&silent, &[&many[..], &["--timeout", "500ms", "--retries", "1"]].concat());
    assert_eq!(run.status, 5, "{}", run.stderr);
    assert_eq!(silent.requests(), 3, "the installation, and a token asked for twice");
    let run = ask(&silent, &[&many[..], &["--deadline", "1s"]].concat());
    assert_eq!(run.status, 5, "{}", run.stderr);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(run.stderr.contains("deadline of 1s"), "{}", run.stderr);
}

#[test]
fn a_new_token_that_is_not_known_everywhere_yet_is_tried_again() {
    let begun = std::time::Instant::now();
    let fault = move |asked: &crate::fake::Asked<'_>| {
        let early = begun.elapsed() < Duration::from_millis(400) && asked.request.target.contains("/users/");
        early.then(|| Fault::Answer(401, vec![], r#"{"message":"Bad credentials"}"#.into()))
    };
    let fake = Fake::start(Behaviour { app: Some(app()), fault: Box::new(fault), ..Behaviour::default() });
    are_right(&ask(&fake, &["user-1", "user-2", "-F", "ndjson", "--api", "rest", "--retries", "9"]), 2);
}

#[test]
fn a_clock_that_is_off_does_no_harm_to_an_app() {
    // The server's clock is an hour ahead: it takes no signature of ours, but tells the time.
    let ahead = 3600;
    let known = App::new(move |jwt| {
        let key = jsonwebtoken::DecodingKey::from_rsa_pem(keys().1.as_bytes()).unwrap();
        let mut rules = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        (rules.leeway, rules.validate_exp) = (0, false);
        let Ok(token) = jsonwebtoken::decode::<Value>(jwt, &key, &rules) else { return false };
        let now = jiff::Timestamp::now().as_second() + ahead;
        token.claims["iat"].as_i64().unwrap() <= now && token.claims["exp"].as_i64().unwrap() > now
    });
    let fake = Fake::start(Behaviour { app: Some(known), ahead, ..Behaviour::default() });
    are_right(&ask(&fake, &["user-1", "-F", "ndjson", "-v"]), 1);
}

#[test]
fn the_installation_is_found_where_there_is_one_and_asked_for_where_there_are_several() {
    let two = || App { installations: vec![(7, "acme"), (8, "other")], ..app() };
    let several = fake(two());
    let run = ask(&several, &["user-1"]);
    let reason = "ghrepos: the app has several installations: choose one of 7 (acme), 8 (other) with --installation; 1 login was not asked\n";
    assert_eq!((run.status, run.stdout.as_str(), run.stderr.as_str()), (2, "", reason));
    are_right(&ask(&several, &["user-1", "--installation", "8", "-F", "ndjson"]), 1);
    let run = ask(&several, &["user-1", "--installation", "9"]);
    assert_eq!(run.status, 4);
    assert!(run.stderr.contains("GitHub refused the app: the app has no installation 9"), "{}", run.stderr);
    let run = ask(&fake(App { installations: Vec::new(), ..app() }), &["user-1"]);
    assert_eq!(run.status, 2);
    assert!(run.stderr.starts_with("ghrepos: the app is not installed anywhere"), "{}", run.stderr);
}

#[test]
fn an_app_that_is_not_known_is_one_clear_line() {
    let fake = fake(app());
    let key = file(&keys().0);
    let run = Program::asking(&fake, &["a", "--app-id", "13", "--app-key", path(&key)]).run();
    assert_eq!(run.status, 4);
    let reason = "ghrepos: GitHub refused the app: A JSON web token could not be decoded. Check its id, key and installation";
    assert!(run.stderr.starts_with(reason) && run.stderr.lines().count() == 1, "{}", run.stderr);
    let no_key = file("-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\n");
    let (key, no_key) = (path(&key), path(&no_key));
    for (arguments, reason) in [
        (&["--app-id", "12"][..], "--app-id needs --app-key too".to_owned()),
        (&["--app-key", key], "--app-key needs --app-id too".into()),
        (&["--installation", "1"], "--installation needs --app-id and --app-key too".into()),
        (
            &["--app-id", "12", "--app-key", no_key],
            format!("cannot take the app's key from {no_key}: expected an RSA private key in PEM format"),
        ),
        (
            &["--app-id", "12", "--app-key", "/nowhere.pem"],
            "cannot take the app's key from /nowhere.pem: No such file or directory".into(),
        ),
    ] {
        let run = Program::asking(&fake, &[&["a"], arguments].concat()).run();
        assert_eq!((run.status, run.stderr), (2, format!("ghrepos: {reason}\n")));
    }
    // What the variable holds is never shown: it may be a key in some other form.
    for secret in ["LS0tLS1CRUdJTi", "MIIEsecret\nMIIEsecret", "-----BEGIN RSA PRIVATE KEY-----\nMIIEsecret"]
    {
        let run =
            Program::asking(&fake, &["a"]).env("GHREPOS_APP_ID", "12").env("GHREPOS_APP_KEY", secret).run();
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
fn whose_token_it_is_stands_in_the_meta_and_nowhere_is_the_token() {
    let folder = tempfile::tempdir().unwrap();
    let recording = folder.path().join("recording");
    let recorded = recording.to_str().unwrap();
    let app = fake(app());
    // The key from the environment, in one line as some keep their secrets.
    let run = Program::asking(&app, &["user-1", "-F", "json", "-vv", "--record", recorded])
        .env("GHREPOS_APP_ID", "12")
        .env("GHREPOS_APP_KEY", &keys().0.replace('\n', "\\n"))
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
    assert!(all.contains("user-1") && !all.contains("ghs_sample"), "{all}");

    let fake = Fake::well_behaved();
    let ask = |arguments: &[&str], token: &str| {
        Program::asking(&fake, &[&["user-1"], arguments].concat()).env("GH_TOKEN", token).run()
    };
    for api in ["rest", "graphql"] {
        let run = ask(&["-F", "json", "-v", "--api", api, "--max-points", "1"], "ghp_sample");
        let json: Value = serde_json::from_str(&run.stdout).unwrap();
        assert_eq!(json["meta"]["viewer"], "Octocat-Sample", "{}", run.stderr);
        assert_eq!((run.status, &json["rows"][0]["status"]), (0, &"ok".into()), "{}", run.stderr);
        assert!(
            run.stderr.contains("authenticated viewer=\"Octocat-Sample\" token_from=\"GH_TOKEN\""),
            "{}",
            run.stderr
        );
    }
    let run = ask(&["-F", "json"], "ghs_of_an_actions_job");
    let json: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.status, &json["meta"]["viewer"]), (0, &Value::Null), "{}", run.stderr);
    // Where nobody wants to know it, nobody asks.
    let before = fake.requests();
    ask(&["-F", "ndjson"], "ghp_sample");
    assert_eq!(fake.requests(), before + 1);
}
