//! The token is never sent to another server, whatever the queried one responds.

use std::collections::BTreeSet;
use std::fs;
use std::sync::{Arc, Mutex};

use crate::fake::{App, Behavior, Fake, Fault, FaultContext, Query};
use crate::hostile::chains::look_alike_urls;
use crate::program::{Program, Run, file, in_parallel, path, users};

pub const TOKEN: &str = "ghp_SAMPLEsampleSAMPLEsample0123456789ab";

/// Runs the program with a token, and as an app that receives one.
pub fn with_each(behavior: impl Fn() -> Behavior, arguments: &[&str], held: impl Fn(&Run, &str)) {
    let fake = Fake::start(behavior());
    held(&Program::for_fake(&fake, arguments).env("GH_TOKEN", TOKEN).run(), &fake.url());
    let app = App::new(|_| true);
    let fake = Fake::start(Behavior { app: Some(app), ..behavior() });
    let key = file(crate::apps::private_key());
    let program =
        Program::for_fake(&fake, &["--app-id", "12", "--app-key", path(&key), "--installation", "7"]);
    held(&arguments.iter().fold(program, |program, argument| program.argument(argument)).run(), &fake.url());
}

pub fn faulty(fault: impl Fn(&FaultContext<'_>) -> Option<Fault> + Send + Sync + 'static) -> Behavior {
    Behavior { fault: Box::new(fault), ..Behavior::default() }
}

/// Returns true for a request of the app itself, which has to succeed.
pub fn is_apps(context: &FaultContext<'_>) -> bool {
    context.request.path().starts_with("/app")
}

#[test]
fn no_redirect_to_another_server_is_followed() {
    for api in ["rest", "graphql"] {
        for status in [301, 302, 307] {
            let theirs = Fake::well_behaved();
            let locations = look_alike_urls("http://127.0.0.1:8099", &theirs.url());
            let list = file(&users(locations.len()));
            let used = Arc::new(Mutex::new(BTreeSet::new()));
            // Each login is redirected to another location.
            let behavior = || {
                let (locations, used) = (locations.clone(), Arc::clone(&used));
                faulty(move |context| {
                    let number = looked_up(context)?.strip_prefix("user-")?.parse::<usize>().ok()?;
                    let location = locations[number - 1].clone();
                    used.lock().unwrap().insert(location.clone());
                    Some(Fault::Response(status, vec![("location", location)], "{}".into()))
                })
            };
            let arguments = [
                "-f",
                path(&list),
                "--api",
                api,
                "--batch",
                "1",
                "--retries",
                "0",
                "-F",
                "ndjson",
                "--timeout",
                "20s",
            ];
            with_each(behavior, &arguments, |run, _| {
                assert!(!run.stdout.contains("\"ok\""), "{api}, {status}: {}", run.stdout);
                assert_eq!(
                    std::mem::take(&mut *used.lock().unwrap()).len(),
                    locations.len(),
                    "{}",
                    run.stderr
                );
            });
            assert_eq!(theirs.connections(), 0, "{api}, {status}");
        }
    }
}

/// The only login of a request, in either API.
fn looked_up(context: &FaultContext<'_>) -> Option<String> {
    match Query::parse(context.request) {
        Ok(query) => query.summary().logins.pop(),
        Err(_) => Some(context.login.to_owned()),
    }
}

#[test]
fn links_and_sso_urls_to_another_server_are_not_followed() {
    let theirs = Fake::well_behaved();
    for address in look_alike_urls("http://127.0.0.1:8099", &theirs.url()) {
        let lists = [
            &["--members", "acme-3"][..],
            &["--team", "acme/core-3"],
            &["user-1", "--breakdown"],
            &["user-1"],
        ];
        in_parallel(lists.to_vec(), |arguments| {
            let behavior = || {
                let (address, breakdown) = (address.clone(), arguments.contains(&"--breakdown"));
                faulty(move |context| {
                    let path = context.request.path();
                    let link = vec![("link", format!("<{address}>; rel=\"next\""))];
                    let sso = vec![("x-github-sso", format!("required; url={address}"))];
                    match () {
                        () if is_apps(context) => None,
                        () if path.ends_with("/members") => {
                            Some(Fault::Response(200, link, r#"[{"login":"a"}]"#.into()))
                        }
                        () if path.ends_with("/repos") => {
                            Some(Fault::Response(200, link, r#"[{"fork":true}]"#.into()))
                        }
                        () if breakdown => None,
                        () => Some(Fault::Response(403, sso, "{}".into())),
                    }
                })
            };
            let arguments = [arguments, &["--api", "rest", "--retries", "0", "-F", "ndjson"]].concat();
            with_each(behavior, &arguments, |run, _| assert!(run.status < 3, "{}", run.stderr));
        });
    }
    assert_eq!(theirs.connections(), 0);
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_list_never_shows_the_token() {
    let fake = Fake::with_faults(|_| Some(Fault::Silent));
    let program = Program::for_fake(&fake, &["user-1", "--timeout", "20s", "--retries", "0", "-q"]);
    let child = program.env("GH_TOKEN", TOKEN).spawn();
    while fake.requests() == 0 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let of = |what: &str| fs::read_to_string(format!("/proc/{}/{what}", child.id())).unwrap();
    let (line, name) = (of("cmdline"), of("comm"));
    let _ = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(line.contains("--timeout") && !line.contains("SAMPLE") && !name.contains("SAMPLE"), "{line}");
    assert_eq!(crate::program::wait_for_exit(child).status, 130);
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
