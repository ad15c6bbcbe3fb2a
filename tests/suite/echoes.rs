//! Servers that send the token back: it is neither shown nor stored.

use std::fs;
use std::path::Path;

use crate::fake::{App, Behavior, Fake, Fault, FaultContext, Raw};
use crate::program::{Program, file, path};
use crate::secrets::{TOKEN, faulty, is_apps, with_each};

/// Extensions of all report formats.
const ENDINGS: [&str; 7] = ["csv", "tsv", "json", "ndjson", "md", "html", "prom"];

/// Encodings in which a server may send the token back.
fn spellings(sent: &str) -> [String; 4] {
    let every = |each: fn(u8) -> String| sent.bytes().map(each).collect::<String>();
    [
        sent.to_owned(),
        every(|byte| format!("\\u{byte:04x}")),
        every(|byte| format!("%{byte:02X}")),
        sent.replace('S', "\\u0053").replace('e', "%65"),
    ]
}

/// A response that contains the token in every place, for each kind of error.
fn echo(context: &FaultContext<'_>, spelling: usize) -> Option<Fault> {
    let sent = spellings(context.request.all("authorization").first()?)[spelling].clone();
    let api = context.request.all("host")[0].to_owned();
    // Headers have no escapes except those of URLs.
    let header =
        if spelling == 2 { sent.clone() } else { context.request.all("authorization")[0].to_owned() };
    let headers = vec![
        ("x-github-sso", format!("required; url=https://x/{header}")),
        ("link", format!("<http://{api}/user/1/repos?page=2&{}>; rel=\"next\"", header.replace(' ', "+"))),
        ("etag", header.clone()),
        ("x-github-request-id", header.clone()),
        ("retry-after", header.clone()),
        ("x-ratelimit-resource", header),
    ];
    let fields = format!(
        r#""message":"you sent {sent}","login":"{sent}","name":"{sent}","documentation_url":"{sent}""#
    );
    if context.request.method == "POST" {
        let error = |alias: &str, kind: &str| {
            format!(
                r#"{{"path":["{alias}"],"type":"{kind}","message":"you sent {sent}","extensions":{{"code":"{sent}"}}}}"#
            )
        };
        let body = format!(
            r#"{{"data":{{"a0":{{"login":"{sent}"}},"a1":null,"a2":null}},"errors":[{},{}],{fields}}}"#,
            error("a1", "FORBIDDEN"),
            error("a2", &sent)
        );
        return Some(Fault::Response(200, headers, body));
    }
    Some(match context.login {
        "fine" if context.request.path().ends_with("/repos") => {
            Fault::Response(200, headers, format!(r#"[{{"fork":true,"name":"{sent}"}}]"#))
        }
        "fine" => {
            let body =
                format!(r#"{{"id":1,"type":"{sent}","public_repos":500,"login":"fine","bio":"{sent}"}}"#);
            Fault::Response(200, headers, body)
        }
        "forbidden" => Fault::Response(403, headers[..2].to_vec(), format!("{{{fields}}}")),
        "failed" => Fault::Response(500, headers, format!("{{{fields}}}")),
        "broken" => Fault::Response(200, headers, format!("{{{fields}")),
        "page" => Fault::Response(502, headers, format!("<p>{sent}")),
        _ => Fault::Response(200, headers, format!(r#"{{{fields},"id":1,"public_repos":1}}"#)),
    })
}

/// Contents of all files in a folder and its subfolders.
fn everything_in(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        match entry.unwrap().path() {
            folder if folder.is_dir() => all.extend(everything_in(&folder)),
            file => all.push((file.display().to_string(), fs::read(file).unwrap())),
        }
    }
    all
}

/// Returns true if the text contains the token or half of it, in any encoding.
fn holds_token(bytes: &[u8], halves: &[&str]) -> bool {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let decoded = (0..=127_u8).fold(text.clone(), |text, byte| {
        let character = char::from(byte).to_string();
        let text =
            text.replace(&format!("%{byte:02X}"), &character).replace(&format!("%{byte:02x}"), &character);
        text.replace(&format!("\\u{byte:04x}"), &character)
    });
    halves.iter().any(|half| text.contains(half) || decoded.contains(half))
}

#[test]
fn an_echoed_token_is_redacted_in_every_output_and_spelling() {
    assert_echoes_are_redacted(TOKEN, &["SAMPLEsample", &TOKEN[..16], &TOKEN[24..]]);
}

#[test]
fn a_jobs_echoed_token_of_520_bytes_is_redacted_as_well() {
    let token = App::installation_token(0);
    assert_eq!((token.len(), token.matches('.').count()), (520, 2));
    assert_echoes_are_redacted(&token, &["SAMPLE", &token[..24], &token[500..]]);
}

fn assert_echoes_are_redacted(token: &str, parts: &[&str]) {
    for (spelling, api) in (0..4).flat_map(|spelling| [(spelling, "rest"), (spelling, "graphql")]) {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let save = format!("sqlite:{}", at("runs.db"));
        let recording = at("recording");
        let mut arguments = vec![
            "fine",
            "forbidden",
            "failed",
            "broken",
            "page",
            "odd",
            "--api",
            api,
            "-vv",
            "-F",
            "table",
            "--breakdown",
            "--retries",
            "0",
            "--batch",
            "3",
            "--save",
            &save,
            "--record",
            &recording,
        ];
        let reports: Vec<_> = ENDINGS.iter().map(|ending| at(&format!("report.{ending}"))).collect();
        arguments.extend(reports.iter().flat_map(|report| ["-o", report]));
        let fake = Fake::with_faults(move |context| echo(context, spelling));
        let run = Program::for_fake(&fake, &arguments)
            .env("GH_TOKEN", token)
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full")
            .run();
        let what = format!("{api}, spelling {spelling}");
        assert!(run.stderr.contains("[token]") || run.stdout.contains("[token]"), "{what}: {}", run.stdout);
        let mut all = everything_in(folder.path());
        assert!(
            reports.iter().all(|report| all.iter().any(|(name, _)| name == report)),
            "{what}: {}",
            run.stderr
        );
        assert!(all.len() > ENDINGS.len() + 2, "{what}: a recording and a database as well");
        all.extend([("stdout".into(), run.stdout.into_bytes()), ("stderr".into(), run.stderr.into_bytes())]);
        for (name, bytes) in all {
            assert!(!holds_token(&bytes, parts), "{what}: {name}\n{}", String::from_utf8_lossy(&bytes));
        }
    }
}

#[test]
fn an_apps_token_is_never_shown() {
    for spelling in 0..4 {
        let folder = tempfile::tempdir().unwrap();
        let recording = folder.path().join("recording").display().to_string();
        let report = folder.path().join("report.json").display().to_string();
        let arguments = [
            "fine",
            "forbidden",
            "failed",
            "broken",
            "--api",
            "rest",
            "-vv",
            "-F",
            "ndjson",
            "-o",
            &report,
            "--retries",
            "0",
            "--record",
            &recording,
        ];
        let behavior =
            move || faulty(move |context| (!is_apps(context)).then(|| echo(context, spelling)).flatten());
        with_each(behavior, &arguments, |run, _| {
            let mut all = everything_in(folder.path());
            all.extend([
                ("out".into(), run.stdout.clone().into_bytes()),
                ("err".into(), run.stderr.clone().into_bytes()),
            ]);
            assert!(run.stdout.contains("[token]"), "{}", run.stdout);
            for (name, bytes) in all {
                let halves = ["SAMPLE", "ghs_12"];
                assert!(!holds_token(&bytes, &halves), "{name}\n{}", String::from_utf8_lossy(&bytes));
            }
        });
    }
}

/// Ways in which a page of a server has a long word: whole, wrapped, with entities, or cut.
fn wrapped(token: &str) -> [String; 6] {
    let parts: Vec<_> = token.as_bytes().chunks(40).map(|part| std::str::from_utf8(part).unwrap()).collect();
    [
        token.to_owned(),
        parts.join("\n    "),
        parts.join("<wbr>"),
        parts.join("</span><br><span class=\"line\">"),
        token.replace('_', "&#95;").replace('.', "&#x2e;").replace('-', "&#45;"),
        format!("{}…", &token[..200]),
    ]
}

#[test]
fn a_page_that_wraps_or_cuts_a_long_token_does_not_show_it() {
    let token = App::installation_token(1);
    for (at, api) in (0..wrapped(&token).len()).flat_map(|at| [(at, "rest"), (at, "graphql")]) {
        let folder = tempfile::tempdir().unwrap();
        let fake = Fake::with_faults(move |context| {
            let sent = context.request.all("authorization")[0].strip_prefix("Bearer ").unwrap();
            let word = &wrapped(sent)[at];
            let status = if context.number.is_multiple_of(2) { 502 } else { 403 };
            let page =
                format!("<html><title>Denied: {word}</title><body><p>You sent {word}</p></body></html>");
            Some(Fault::Page(status, page))
        });
        let run =
            Program::for_fake(&fake, &["a", "b", "--api", api, "-vv", "--retries", "1", "-F", "ndjson"])
                .env("GITHUB_TOKEN", &token)
                .run_recording(&folder.path().join("recording"));
        let mut all = everything_in(folder.path());
        assert!(!all.is_empty() && run.stderr.contains("Denied: [token]"), "{at}, {api}: {}", run.stderr);
        all.push(("out".into(), (run.stdout + &run.stderr).into_bytes()));
        for (name, bytes) in all {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!holds_token(&bytes, &["SAMPLE", "ghs_12"]), "{at}, {api}: {name}\n{text}");
        }
    }
}

#[test]
fn renewed_tokens_of_other_lengths_are_never_shown_or_recorded() {
    for api in ["rest", "graphql"] {
        // A token that has worked is rejected twice: at once, each time, the app gets another one.
        let fault = |context: &FaultContext<'_>| {
            let body = String::from_utf8_lossy(&context.request.body).into_owned();
            let asks_for = |login: &str| context.login == login || body.contains(&format!("\"{login}\""));
            let tokens = (0..3).map(App::installation_token).collect::<Vec<_>>().join("\\n");
            let message = format!(r#"{{"message":"Bad credentials: {tokens}","status":"401"}}"#);
            let is_first = context.request.all("authorization").iter().any(|sent| {
                let number = if asks_for("user-2") { 0 } else { 1 };
                *sent == format!("Bearer {}", App::installation_token(number))
            });
            match () {
                () if is_first && (asks_for("user-2") || asks_for("user-4")) => {
                    Some(Fault::Response(401, vec![("etag", tokens)], message))
                }
                () if asks_for("user-5") => {
                    Some(Fault::Response(403, vec![("link", tokens)], message.replace("401", "403")))
                }
                () => None,
            }
        };
        let folder = tempfile::tempdir().unwrap();
        let recording = folder.path().join("recording").display().to_string();
        let key = file(crate::apps::private_key());
        let behavior = faulty(fault);
        let fake = Fake::start(Behavior { app: Some(App::new(|_| true)), ..behavior });
        let app = ["--app-id", "12", "--app-key", path(&key), "--record", &recording];
        let logins = ["user-1", "user-2", "user-3", "user-4", "user-5", "user-6"];
        let flags = ["--api", api, "--batch", "1", "-j", "1", "-vv", "-F", "ndjson"];
        let run = Program::for_fake(&fake, &[&app[..], &logins, &flags].concat()).run();
        let tokens = fake.tokens();
        assert_eq!(tokens.len(), 3, "{api}: {}", run.stderr);
        assert!(tokens.iter().all(|(good, _)| *good > 0), "{tokens:?}");
        let statuses: Vec<_> = run.rows_of(6).iter().map(|row| row["status"].clone()).collect();
        assert_eq!(statuses, ["ok", "ok", "ok", "ok", "forbidden", "ok"], "{api}: {}", run.stdout);
        assert!(run.stdout.contains(r"Bad credentials: [token]"), "{api}: {}", run.stdout);
        let mut all = everything_in(folder.path());
        assert!(all.len() > 6, "{api}: {} files", all.len());
        all.push(("out".into(), (run.stdout + &run.stderr).into_bytes()));
        for (name, bytes) in all {
            let text = String::from_utf8_lossy(&bytes);
            assert!(!holds_token(&bytes, &["SAMPLE", "ghs_12"]), "{api}: {name}\n{text}");
        }
    }
}

#[test]
fn a_binary_body_reveals_no_token() {
    for api in ["rest", "graphql"] {
        let fake = Fake::with_faults(move |context| {
            let fields = format!(r#""message":"you sent {}""#, context.request.all("authorization")[0]);
            let body = match api {
                "rest" => format!("{{\"x\":\"?\",{fields}}}"),
                _ => format!(r#"{{"x":"?","data":{{"a0":null}},"errors":[{{"path":["a0"],{fields}}}]}}"#),
            };
            // An unused string that is not UTF-8.
            let body: Vec<u8> = body.bytes().map(|byte| if byte == b'?' { 0xff } else { byte }).collect();
            let status = if api == "rest" { "500 Oops" } else { "200 OK" };
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
            Some(Fault::Raw(Raw::new([head.as_bytes(), &body].concat())))
        });
        let folder = tempfile::tempdir().unwrap();
        let run = Program::for_fake(&fake, &["user-1", "--api", api, "--retries", "0", "-F", "ndjson"])
            .env("GH_TOKEN", TOKEN)
            .run_recording(&folder.path().join("recording"));
        assert!(run.stdout.contains("you sent Bearer [token]"), "{}", run.stdout);
        let mut all = everything_in(folder.path());
        assert!(!all.is_empty());
        all.push(("out".into(), (run.stdout + &run.stderr).into_bytes()));
        for (name, bytes) in all {
            assert!(!holds_token(&bytes, &["SAMPLE"]), "{name}\n{}", String::from_utf8_lossy(&bytes));
        }
    }
}
