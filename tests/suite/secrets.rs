//! The token against servers that want it: where it is sent.

use std::fs;

use crate::fake::{App, Asked, Behaviour, Fake, Fault};
use crate::hostile::chains::elsewhere;
use crate::program::{Program, Run, file, path};

pub const TOKEN: &str = "ghp_SAMPLEsampleSAMPLEsample0123456789ab";

/// Every run that is made with a token, and with an app that gets one.
pub fn with_each(behaviour: impl Fn() -> Behaviour, arguments: &[&str], held: impl Fn(&Run, &str)) {
    let fake = Fake::start(behaviour());
    held(&Program::asking(&fake, arguments).env("GH_TOKEN", TOKEN).run(), &fake.url());
    let app = App::new(|_| true);
    let fake = Fake::start(Behaviour { app: Some(app), ..behaviour() });
    let key = file(crate::apps::private_key());
    let program = Program::asking(&fake, &["--app-id", "12", "--app-key", path(&key), "--installation", "7"]);
    held(&arguments.iter().fold(program, |program, argument| program.argument(argument)).run(), &fake.url());
}

pub fn faulty(fault: impl Fn(&Asked<'_>) -> Option<Fault> + Send + Sync + 'static) -> Behaviour {
    Behaviour { fault: Box::new(fault), ..Behaviour::default() }
}

/// Whether it is a request of the app itself, which is to have its answer.
pub fn is_apps(asked: &Asked<'_>) -> bool {
    asked.request.path().starts_with("/app")
}

/// That a server was never sent a token.
fn was_sent_none(theirs: &Fake, what: &str) {
    for arrival in theirs.arrivals() {
        assert!(arrival.request.all("authorization").is_empty(), "{what}: {:?}", arrival.request);
        let body = String::from_utf8_lossy(&arrival.request.body).into_owned();
        assert!(!arrival.request.target.contains("SAMPLE") && !body.contains("SAMPLE"), "{what}");
    }
}

#[test]
fn no_chain_of_redirects_takes_the_token_to_another_server() {
    for api in ["rest", "graphql"] {
        for status in [302, 307] {
            // The other server sends on within itself: the second hop looks like one at home.
            let theirs = Fake::with_faults(move |asked| {
                let on = asked.request.path() != "/third";
                on.then(|| Fault::Answer(status, vec![("location", "/third".into())], "{}".into()))
            });
            for location in elsewhere("http://127.0.0.1:8099", &theirs.url()) {
                let what = format!("{api}, {status} to {location}");
                let behaviour = || {
                    let location = location.clone();
                    faulty(move |asked| {
                        let to = vec![("location", location.clone())];
                        (!is_apps(asked)).then(|| Fault::Answer(status, to, "{}".into()))
                    })
                };
                let arguments = ["user-1", "--api", api, "--retries", "0", "-F", "ndjson", "--timeout", "2s"];
                with_each(behaviour, &arguments, |run, _| {
                    assert!(!run.stdout.contains("\"ok\""), "{what}: {}", run.stdout);
                });
                was_sent_none(&theirs, &what);
            }
        }
    }
}

#[test]
fn a_redirect_back_from_another_server_is_not_followed() {
    let theirs = Fake::with_faults(|asked| {
        let home = asked.request.parameter("home").unwrap_or_default().to_owned();
        Some(Fault::Answer(302, vec![("location", format!("http://{home}/users/user-2"))], "{}".into()))
    });
    let url = theirs.url();
    let ours = Fake::with_faults(move |asked| {
        let home = asked.request.all("host")[0];
        let to = format!("{url}/?home={home}");
        (asked.login == "user-1").then(|| Fault::Answer(302, vec![("location", to)], "{}".into()))
    });
    let arguments = ["user-1", "--api", "rest", "-F", "ndjson"];
    let run = Program::asking(&ours, &arguments).env("GH_TOKEN", TOKEN).run();
    let reason = "redirect not followed: it comes from another server";
    assert_eq!(run.rows_of(1)[0]["error"], reason);
    assert_eq!((theirs.requests(), ours.requests()), (1, 1));
    was_sent_none(&theirs, "there and back");
}

#[test]
fn links_and_sso_urls_to_another_server_are_not_followed() {
    let theirs = Fake::well_behaved();
    for address in elsewhere("http://127.0.0.1:8099", &theirs.url()) {
        for arguments in [
            &["--members", "acme-3"][..],
            &["--team", "acme/core-3"],
            &["user-1", "--breakdown"],
            &["user-1"],
        ] {
            let behaviour = || {
                let (address, breakdown) = (address.clone(), arguments.contains(&"--breakdown"));
                faulty(move |asked| {
                    let path = asked.request.path();
                    let link = vec![("link", format!("<{address}>; rel=\"next\""))];
                    let sso = vec![("x-github-sso", format!("required; url={address}"))];
                    match () {
                        () if is_apps(asked) => None,
                        () if path.ends_with("/members") => {
                            Some(Fault::Answer(200, link, r#"[{"login":"a"}]"#.into()))
                        }
                        () if path.ends_with("/repos") => {
                            Some(Fault::Answer(200, link, r#"[{"fork":true}]"#.into()))
                        }
                        () if breakdown => None,
                        () => Some(Fault::Answer(403, sso, "{}".into())),
                    }
                })
            };
            let arguments = [arguments, &["--api", "rest", "--retries", "0", "-F", "ndjson"]].concat();
            with_each(behaviour, &arguments, |run, _| assert!(run.status < 3, "{}", run.stderr));
        }
    }
    assert_eq!(theirs.connections(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_list_never_shows_the_token() {
    let fake = Fake::with_faults(|_| Some(Fault::Silent));
    let program = Program::asking(&fake, &["user-1", "--timeout", "20s", "--retries", "0", "-q"]);
    let child = program.env("GH_TOKEN", TOKEN).spawn();
    while fake.requests() == 0 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let of = |what: &str| fs::read_to_string(format!("/proc/{}/{what}", child.id())).unwrap();
    let (line, name) = (of("cmdline"), of("comm"));
    let _ = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(line.contains("--timeout") && !line.contains("SAMPLE") && !name.contains("SAMPLE"), "{line}");
    assert_eq!(crate::program::ended(child).status, 130);
}

#[test]
fn a_malformed_token_is_refused_and_not_repeated() {
    for token in [
        "ghp_SAMPLE sample",
        "ghp_SAMPLE\nsample",
        "ghp_SAMPLE\u{e9}",
        "ghp_SAMPLE\u{1b}[2J",
        "'ghp_SAMPLE'",
        "Bearer ghp_SAMPLE",
    ] {
        for variable in ["GH_TOKEN", "GITHUB_TOKEN"] {
            let program = Program::new(&["a", "-vv"]).env(variable, token).env("RUST_BACKTRACE", "full");
            let run = program.env("RUST_LOG", "trace").run();
            let reason = format!("ghrepos: {variable} is not a valid token: ");
            assert!(run.status == 4 || run.status == 2, "{}", run.stderr);
            assert!(run.stderr.starts_with(&reason), "{}", run.stderr);
            assert!(!run.stderr.contains("SAMPLE") && !run.stderr.contains("sample"), "{}", run.stderr);
        }
    }
}
