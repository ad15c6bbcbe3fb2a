//! Proxies from the environment: selection, failures, and secrets that they never receive.

#![cfg(unix)]

mod real;

use crate::fake::{Behavior, Fake};
use crate::program::{Program, Run, in_parallel, installed};
use crate::real_servers::recorder::{Recorder, Reply};
use crate::real_servers::{free_port, nginx};

const TOKEN: &str = "ghp_SAMPLEsampleSAMPLEsample0123456789ab";
const NEEDS_LOGIN: &[u8] = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";

/// Looks up one login, without retries.
fn look_up(api: &str, env: &[(&str, &str)]) -> Run {
    let program = Program::new(&["torvalds", "--api-url", api, "--retries", "0", "-q", "-F", "csv"]);
    env.iter().fold(program, |program, (name, value)| program.env(name, value)).run()
}

/// The message about a failing proxy.
fn line(api: &str, proxy: &str, variable: &str, failure: &str) -> String {
    format!("ghrepos: cannot reach {api} (from --api-url): proxy {proxy} (from {variable}) {failure}\n")
}

#[test]
fn curls_variables_decide_which_proxy_is_used() {
    let recorders: Vec<_> = (0..4).map(|_| Recorder::start(Reply::Bytes(NEEDS_LOGIN))).collect();
    let closed = free_port();
    let https = format!("https://localhost:{closed}");
    // This machine, but not by a loopback address.
    let http = format!("http://0.0.0.0:{closed}");
    let local = format!("http://127.0.0.1:{closed}");
    let port = format!("https_proxy={{0}} NO_PROXY=localhost:{closed}");
    let network = "http_proxy={0} no_proxy=10.0.0.0/8,0.0.0.0/8";
    for (api, env, used) in [
        (&https, "https_proxy={0} HTTPS_PROXY={1} all_proxy={2} ALL_PROXY={3}", Some((0, "https_proxy"))),
        (&https, "HTTPS_PROXY={1} all_proxy={2} ALL_PROXY={3}", Some((1, "HTTPS_PROXY"))),
        (&https, "all_proxy={2} ALL_PROXY={3}", Some((2, "all_proxy"))),
        (&https, "ALL_PROXY={3} http_proxy={0} HTTP_PROXY={1}", Some((3, "ALL_PROXY"))),
        (&https, "https_proxy= HTTPS_PROXY={1}", Some((1, "HTTPS_PROXY"))),
        (&https, "HTTPS_PROXY= ALL_PROXY=", None),
        (&https, "http_proxy={0} HTTP_PROXY={1}", None),
        (&http, "http_proxy={0} all_proxy={2}", Some((0, "http_proxy"))),
        (&http, "HTTP_PROXY={1} all_proxy={2}", Some((2, "all_proxy"))),
        (&http, "HTTP_PROXY={1} https_proxy={0}", None),
        (&local, "http_proxy={0} all_proxy={2}", None),
        (&https, "https_proxy={0} no_proxy=localhost", None),
        (&https, "https_proxy={0} NO_PROXY=example.com,*.localhost", None),
        (&https, "https_proxy={0} NO_PROXY=*", None),
        (&https, "https_proxy={0} no_proxy=host,local,alhost,localhost:1", Some((0, "https_proxy"))),
        (&https, "https_proxy={0} no_proxy=example.com NO_PROXY=*", Some((0, "https_proxy"))),
        (&https, "https_proxy={0} no_proxy= NO_PROXY=.localhost", None),
        (&https, &port, None),
        (&http, network, None),
    ] {
        let before: Vec<_> = recorders.iter().map(|recorder| recorder.connections().len()).collect();
        let filled = recorders.iter().enumerate().fold(env.to_owned(), |env, (number, recorder)| {
            env.replace(&format!("{{{number}}}"), &format!("127.0.0.1:{}", recorder.port))
        });
        let variables: Vec<_> = filled.split(' ').map(|pair| pair.split_once('=').unwrap()).collect();
        let run = look_up(api, &variables);
        let expected = match used {
            None => format!("ghrepos: cannot reach {api} (from --api-url): Connection refused\n"),
            Some((number, variable)) => line(
                api,
                &recorders[number].url(),
                variable,
                &format!(
                    "refused the connection: 407 Proxy Authentication Required; put USER:PASSWORD@ before the host \
                     in {variable}"
                ),
            ),
        };
        assert_eq!((run.status, run.stderr), (5, expected), "{api} {env}");
        for (number, (recorder, before)) in recorders.iter().zip(before).enumerate() {
            let was_used = recorder.connections().len() > before;
            assert_eq!(was_used, used.is_some_and(|(used, _)| used == number), "{api} {env}: {number}");
        }
    }
}

#[test]
fn a_failing_proxy_is_named_with_its_variable() {
    let api = "https://api.github.com";
    let no_host = "unset HTTPS_PROXY or add the host to NO_PROXY";
    let check = "check HTTPS_PROXY, or unset it to connect directly";
    let rows: [(&str, Reply, String); 13] = [
        ("http", Reply::Silence, format!("accepted the connection but did not answer; {check}")),
        ("http", Reply::Close, format!("closed the connection without an answer; {check}")),
        (
            "http",
            Reply::Bytes(b"HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n"),
            format!("refused the connection: 302 Found; {no_host}"),
        ),
        (
            "http",
            Reply::Bytes(b"HTTP/1.0 403 Blocked by policy\r\n\r\n"),
            format!("refused the connection: 403 Blocked by policy; {no_host}"),
        ),
        (
            "http",
            Reply::Bytes(b"HTTP/1.1 502\r\n\r\n"),
            format!("refused the connection: 502 Bad Gateway; {no_host}"),
        ),
        (
            "http",
            Reply::Bytes(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"),
            format!("refused the connection: 503 Service Unavailable; {no_host}"),
        ),
        (
            "http",
            Reply::Bytes(b"\x05\xff"),
            "does not speak HTTP; write socks5:// in HTTPS_PROXY if it is a SOCKS proxy".into(),
        ),
        (
            "https",
            Reply::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            "does not speak TLS; write http:// in HTTPS_PROXY if it is an HTTP proxy".into(),
        ),
        (
            "socks5h",
            Reply::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            "does not speak SOCKS; write http:// in HTTPS_PROXY if it is an HTTP proxy".into(),
        ),
        ("socks5h", Reply::Silence, format!("accepted the connection but did not answer; {check}")),
        ("socks5h", Reply::Close, format!("closed the connection without an answer; {check}")),
        (
            "socks5h",
            Reply::Bytes(b"\x05\x00\x05\x02\x00\x01\0\0\0\0\0\0"),
            format!("refused the connection: not allowed by its rules; {no_host}"),
        ),
        (
            "socks4a",
            Reply::Bytes(b"\0\x5b\0\0\0\0\0\0"),
            format!("refused the connection: server failed to execute command; {no_host}"),
        ),
    ];
    in_parallel(rows.into(), |(scheme, reply, failure)| {
        let recorder = Recorder::start(reply);
        let proxy = format!("{scheme}://127.0.0.1:{}", recorder.port);
        let program =
            Program::new(&["torvalds", "--api-url", api, "--retries", "0", "-q", "--timeout", "8s"]);
        let run = program.env("HTTPS_PROXY", &proxy).run();
        assert_eq!((run.status, run.stderr), (5, line(api, &proxy, "HTTPS_PROXY", &failure)));
    });
    for scheme in ["http", "https", "socks5h", "socks4a"] {
        let proxy = format!("{scheme}://127.0.0.1:{}", free_port());
        let failure = format!("cannot be reached: Connection refused; {check}");
        let run = look_up(api, &[("HTTPS_PROXY", &proxy)]);
        assert_eq!((run.status, run.stderr), (5, line(api, &proxy, "HTTPS_PROXY", &failure)));

        let proxy = format!("{scheme}://proxy.invalid:3128");
        let run = look_up(api, &[("HTTPS_PROXY", &proxy)]);
        // The reason comes from the resolver.
        let (begin, end) = (line(api, &proxy, "HTTPS_PROXY", "has no address ("), format!("); {check}\n"));
        assert!(run.stderr.starts_with(begin.trim_end()) && run.stderr.ends_with(&end), "{}", run.stderr);
        assert_eq!((run.status, run.stderr.lines().count()), (5, 1));
    }
}

#[test]
fn a_host_that_socks5_cannot_resolve_is_named() {
    let proxy = format!("socks5://127.0.0.1:{}", free_port());
    let run = look_up("https://git.invalid", &[("ALL_PROXY", &proxy)]);
    let begin = format!(
        "ghrepos: cannot reach https://git.invalid (from --api-url) via proxy {proxy} (from ALL_PROXY): no address for this host ("
    );
    let end = "); write socks5h:// in ALL_PROXY to let the proxy resolve it\n";
    assert!(run.stderr.starts_with(&begin) && run.stderr.ends_with(end), "{}", run.stderr);
    assert_eq!(run.status, 5);
}

#[test]
fn an_unusable_proxy_is_status_2_and_never_bypassed() {
    for (proxy, reason) in [
        (
            "ftp://me:s3cret@proxy:21",
            "\"ftp://proxy:21\" (from HTTPS_PROXY): unsupported scheme \"ftp\"; use http, https, socks5 or socks5h",
        ),
        (
            "http://me:s3cret@[bad",
            "\"http://[bad\" (from HTTPS_PROXY): invalid IPv6 address; expected a URL like http://proxy.example:3128",
        ),
        (
            "http://me:s3cret@",
            "\"http://\" (from HTTPS_PROXY): empty host; expected a URL like http://proxy.example:3128",
        ),
        (
            "socks5h://proxy:77777",
            "\"socks5h://proxy:77777\" (from HTTPS_PROXY): invalid port number; expected a URL like http://proxy.example:3128",
        ),
    ] {
        let fake = Fake::well_behaved();
        // A direct connection would fail with TLS, and another status.
        let https = fake.url().replace("http://", "https://");
        let run = look_up(&https, &[("HTTPS_PROXY", proxy)]);
        assert_eq!((run.status, run.stderr), (2, format!("ghrepos: cannot use the proxy {reason}\n")));
        assert_eq!(fake.connections(), 0);
        // The proxy is not used for these hosts.
        for arguments in [&["--api-url", &fake.url()][..], &["--replay", "fixtures/github"]] {
            let program = Program::new(&[&["torvalds"], arguments].concat());
            let run = program.env("HTTPS_PROXY", proxy).env("ALL_PROXY", proxy).run();
            assert_eq!(run.status, 0, "{}", run.stderr);
        }
        let run = look_up("https://localhost:1", &[("HTTPS_PROXY", proxy), ("NO_PROXY", "localhost")]);
        assert_eq!(
            run.stderr,
            "ghrepos: cannot reach https://localhost:1 (from --api-url): Connection refused\n"
        );
    }
}

#[test]
fn a_permanent_refusal_is_not_retried() {
    let recorder = Recorder::start(Reply::Bytes(b"HTTP/1.1 403 Forbidden\r\n\r\n"));
    let run = Program::new(&["torvalds", "-q"]).env("HTTPS_PROXY", &recorder.url()).run();
    assert_eq!(run.status, 5);
    assert_eq!(recorder.connections().len(), 2, "the request's own, and one to learn the status");

    let recorder = Recorder::start(Reply::Bytes(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"));
    let program = Program::new(&["torvalds", "-q", "--retries", "2"]);
    assert_eq!(program.env("HTTPS_PROXY", &recorder.url()).run().status, 5);
    assert_eq!(recorder.connections().len(), 4, "three attempts, and one to learn the status");
}

#[test]
fn a_proxy_never_receives_the_token() {
    if !installed(&["nginx", "openssl"]) {
        return;
    }
    let fake = Fake::start(Behavior { token: Some(TOKEN.into()), ..Behavior::default() });
    let nginx = nginx(&fake);
    for (reply, status) in [(Reply::Tunnel, 0), (Reply::Bytes(NEEDS_LOGIN), 5), (Reply::Silence, 5)] {
        let recorder = Recorder::start(reply);
        let proxy = recorder.url().replace("http://", "http://me:p%40ss%2F@");
        let arguments = ["torvalds", "--api-url", &nginx.url(), "--ca-file", &nginx.ca(), "--timeout", "8s"];
        let run = Program::new(&[&arguments[..], &["--retries", "0", "-vv"]].concat())
            .env("GH_TOKEN", TOKEN)
            .env("HTTPS_PROXY", &proxy)
            .run();
        assert_eq!(run.status, status, "{}", run.stderr);
        assert!(!run.stderr.contains("p%40ss") && !run.stderr.contains("p@ss"), "{}", run.stderr);
        let connections = recorder.connections();
        assert!(!connections.is_empty());
        for sent in connections {
            let head = sent.split("\r\n\r\n").next().unwrap();
            // me:p@ss/
            assert!(head.contains("\r\nProxy-Authorization: Basic bWU6cEBzcy8="), "{head}");
            assert!(!head.to_lowercase().contains("\r\nauthorization:"), "{head}");
            assert!(!sent.contains(TOKEN) && !sent.contains("SAMPLEsample"), "{sent}");
        }
    }
    assert!(fake.requests() > 0);
}
