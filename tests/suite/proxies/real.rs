//! Real proxies: tinyproxy, squid and microsocks.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::line;
use crate::fake::Fake;
use crate::program::{PATHS, Program, Run, installed};
use crate::real_servers::recorder::{Recorder, Reply};
use crate::real_servers::{Server, free_port, microsocks, nginx, squid, tinyproxy};

const NO_HOST: &str = "unset HTTPS_PROXY or add the host to NO_PROXY";

/// Looks up one login at nginx through a proxy, without retries.
fn look_up(nginx: &Server, proxy: &str) -> Run {
    look_up_at(&nginx.url(), nginx, proxy)
}

fn look_up_at(url: &str, nginx: &Server, proxy: &str) -> Run {
    let arguments =
        ["torvalds", "--api-url", url, "--ca-file", &nginx.ca(), "--retries", "0", "-F", "csv", "-q"];
    Program::new(&arguments).env("HTTPS_PROXY", proxy).run()
}

fn assert_works(nginx: &Server, proxy: &str) {
    let run = look_up(nginx, proxy);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{proxy}");
}

fn assert_fails(nginx: &Server, proxy: &str, failure: &str) {
    let run = look_up(nginx, proxy);
    // As messages name it: without user and password.
    let (scheme, host) = proxy.split_once("://").unwrap();
    let shown = format!("{scheme}://{}", host.rsplit('@').next().unwrap());
    assert_eq!((run.status, run.stderr), (5, line(&nginx.url(), &shown, "HTTPS_PROXY", failure)));
}

#[test]
fn tinyproxy_works_filters_and_requires_a_password() {
    if !installed(&["nginx", "openssl", "tinyproxy"]) {
        return;
    }
    let fake = Fake::well_behaved();
    let nginx = nginx(&fake);
    let proxy = tinyproxy("");
    let url = format!("http://127.0.0.1:{}", proxy.port);
    let connects = || proxy.log().matches(&format!("CONNECT localhost:{} ", nginx.port)).count();
    assert_works(&nginx, &url);
    assert_eq!(connects(), 1, "{}", proxy.log());
    let arguments = ["torvalds", "--api-url", &nginx.url(), "--ca-file", &nginx.ca(), "-F", "csv", "-q"];
    let run = Program::new(&arguments).env("HTTPS_PROXY", &url).env("NO_PROXY", "localhost").run();
    assert_eq!((run.status, connects()), (0, 1), "{}", proxy.log());

    let proxy = tinyproxy("ConnectPort 1");
    let url = format!("http://127.0.0.1:{}", proxy.port);
    assert_fails(&nginx, &url, &format!("refused the connection: 403 Access violation; {NO_HOST}"));

    let proxy = tinyproxy("BasicAuth me secret");
    let required = "refused the connection: 407 Proxy Authentication Required";
    let missing = format!("{required}; put USER:PASSWORD@ before the host in HTTPS_PROXY");
    let wrong = "refused the connection: 401 Unauthorized; check the user and password in HTTPS_PROXY";
    assert_fails(&nginx, &format!("http://127.0.0.1:{}", proxy.port), &missing);
    assert_fails(&nginx, &format!("http://me:wrong@127.0.0.1:{}", proxy.port), wrong);
    assert_works(&nginx, &format!("http://me:secret@127.0.0.1:{}", proxy.port));
}

#[test]
fn squid_works_denies_and_requires_a_password() {
    if !installed(&["nginx", "openssl", "squid"]) {
        return;
    }
    let fake = Fake::well_behaved();
    let nginx = nginx(&fake);
    let proxy = squid("http_access allow all");
    let url = format!("http://127.0.0.1:{}", proxy.port);
    assert_works(&nginx, &url);
    let dead = format!("https://localhost:{}", free_port());
    let run = look_up_at(&dead, &nginx, &url);
    let failure = format!("refused the connection: 503 Service Unavailable; {NO_HOST}");
    assert_eq!((run.status, run.stderr), (5, line(&dead, &url, "HTTPS_PROXY", &failure)));

    let proxy = squid("http_access deny all");
    let url = format!("http://127.0.0.1:{}", proxy.port);
    assert_fails(&nginx, &url, &format!("refused the connection: 403 Forbidden; {NO_HOST}"));

    let folder = tempfile::tempdir().unwrap();
    let passwords = folder.path().join("passwords");
    let hash =
        Command::new("openssl").args(["passwd", "-apr1", "p@ss w:rd/"]).env("PATH", PATHS).output().unwrap();
    fs::write(&passwords, format!("me:{}", String::from_utf8(hash.stdout).unwrap())).unwrap();
    // squid reads the file as another user.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let proxy = squid(&format!(
        "auth_param basic program /usr/lib/squid/basic_ncsa_auth {}\nauth_param basic realm sample\n\
         acl known proxy_auth REQUIRED\nhttp_access allow known\nhttp_access deny all",
        passwords.display()
    ));
    let required = "refused the connection: 407 Proxy Authentication Required";
    let missing = format!("{required}; put USER:PASSWORD@ before the host in HTTPS_PROXY");
    let wrong = format!("{required}; check the user and password in HTTPS_PROXY");
    assert_fails(&nginx, &format!("http://127.0.0.1:{}", proxy.port), &missing);
    assert_fails(&nginx, &format!("http://me:wrong@127.0.0.1:{}", proxy.port), &wrong);
    assert_works(&nginx, &format!("http://me:p%40ss%20w%3Ard%2F@127.0.0.1:{}", proxy.port));
}

#[test]
fn a_socks_proxy_works_with_and_without_a_login() {
    if !installed(&["nginx", "openssl", "microsocks"]) {
        return;
    }
    let fake = Fake::well_behaved();
    let nginx = nginx(&fake);
    let proxy = microsocks(&[]);
    let url = |scheme: &str| format!("{scheme}://127.0.0.1:{}", proxy.port);
    assert_works(&nginx, &url("socks5h"));
    let named = format!("connected to localhost:{}", nginx.port);
    assert!(proxy.read("stderr").contains(&named), "{}", proxy.read("stderr"));
    assert_works(&nginx, &url("socks5"));
    let log = proxy.read("stderr").replace(&named, "");
    let port = format!(":{}", nginx.port);
    assert!(log.contains(&port) && !log.contains("localhost"), "resolved here: {log}");
    let dead = format!("https://localhost:{}", free_port());
    let run = look_up_at(&dead, &nginx, &url("socks5h"));
    let failure = format!("cannot connect to the server: connection refused; {NO_HOST}");
    assert_eq!((run.status, run.stderr), (5, line(&dead, &url("socks5h"), "HTTPS_PROXY", &failure)));
    let with_login = format!("socks5h://me:secret@127.0.0.1:{}", proxy.port);
    let unneeded = "does not accept a user and password; remove the user and password from HTTPS_PROXY";
    assert_fails(&nginx, &with_login, unneeded);

    let proxy = microsocks(&["-u", "me", "-P", "p@ss"]);
    let missing = "requires a user and password; put USER:PASSWORD@ before the host in HTTPS_PROXY";
    let wrong = "rejected the user and password; check the user and password in HTTPS_PROXY";
    assert_fails(&nginx, &format!("socks5h://127.0.0.1:{}", proxy.port), missing);
    assert_fails(&nginx, &format!("socks5h://me:wrong@127.0.0.1:{}", proxy.port), wrong);
    assert_works(&nginx, &format!("socks5h://me:p%40ss@127.0.0.1:{}", proxy.port));
    assert_works(&nginx, &format!("socks5://me:p%40ss@127.0.0.1:{}", proxy.port));
}

#[test]
fn an_https_proxy_is_checked_as_a_server_is() {
    if !installed(&["nginx", "openssl"]) {
        return;
    }
    // nginx is not a proxy: it rejects CONNECT, and the client does not report the status.
    let nginx = nginx(&Fake::well_behaved());
    let proxy = nginx.url();
    assert_fails(&nginx, &proxy, &format!("refused the connection; {NO_HOST}"));
    let run = Program::new(&["torvalds", "-q", "--retries", "0"]).env("HTTPS_PROXY", &proxy).run();
    let failure = "cannot be used over TLS: the certificate of localhost is signed by an unknown authority; trust the \
                   authority with --ca-file";
    assert_eq!(
        (run.status, run.stderr),
        (5, line("https://api.github.com", &proxy, "HTTPS_PROXY", failure).replace(" (from --api-url)", ""))
    );
}

#[test]
fn a_failure_behind_a_proxy_does_not_blame_the_proxy() {
    if !installed(&["nginx", "openssl", "tinyproxy", "microsocks"]) {
        return;
    }
    let fake = Fake::well_behaved();
    let nginx = nginx(&fake);
    let plain = Recorder::start(Reply::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    let (http, socks) = (tinyproxy(""), microsocks(&[]));
    for proxy in [format!("http://127.0.0.1:{}", http.port), format!("socks5h://127.0.0.1:{}", socks.port)] {
        let arguments = ["torvalds", "--api-url", &nginx.url(), "-q", "--retries", "0"];
        let run = Program::new(&arguments).env("HTTPS_PROXY", &proxy).run();
        let expected = format!(
            "ghrepos: cannot reach {} (from --api-url) via proxy {proxy} (from HTTPS_PROXY): the certificate of localhost is signed by an \
             unknown authority; trust the authority with --ca-file\n",
            nginx.url()
        );
        assert_eq!((run.status, run.stderr), (5, expected));
        let server = format!("localhost:{}", plain.port);
        let url = format!("https://{server}");
        let run = look_up_at(&url, &nginx, &proxy);
        let expected = format!(
            "ghrepos: cannot reach {url} (from --api-url) via proxy {proxy} (from HTTPS_PROXY): the server at {server} does not speak \
             TLS; check the port, or use an http:// address if the server has no TLS\n"
        );
        assert_eq!((run.status, run.stderr), (5, expected));
    }
}
