//! Servers without a usable certificate, and certificate authorities from the environment.

#![cfg(unix)]

use std::fs;

use crate::fake::Fake;
use crate::program::{Program, Run, file, installed, path};
use crate::real_servers::certificates::Authority;
use crate::real_servers::recorder::{Recorder, Reply};
use crate::real_servers::{Server, free_port, nginx, nginx_with};

fn look_up(url: &str, arguments: &[&str]) -> Run {
    Program::new(&[&["torvalds", "--api-url", url, "-q", "--retries", "0"], arguments].concat()).run()
}

fn assert_unreachable(run: &Run, url: &str, reason: &str) {
    let expected = format!("ghrepos: cannot reach {url} (from --api-url): {reason}\n");
    assert_eq!((run.status, run.stderr.as_str()), (5, expected.as_str()));
}

#[test]
fn an_invalid_certificate_is_explained_in_plain_words() {
    if !installed(&["nginx", "openssl"]) {
        return;
    }
    let fake = Fake::well_behaved();
    let server = nginx(&fake);
    let unknown = "the certificate of localhost is signed by an unknown authority";
    let trust = format!("{unknown}; trust the authority with --ca-file");
    assert_unreachable(&look_up(&server.url(), &[]), &server.url(), &trust);
    let other = nginx(&fake);
    let another = format!("{unknown}; --ca-file has another authority");
    assert_unreachable(&look_up(&server.url(), &["--ca-file", &other.ca()]), &server.url(), &another);

    let wrong = server.url().replace("localhost", "127.0.0.1");
    let reason = "the certificate is not for \"127.0.0.1\", but for \"localhost\"; check the host";
    assert_unreachable(&look_up(&wrong, &["--ca-file", &server.ca()]), &wrong, reason);

    for (start, end, reason) in [
        (
            "20200101000000Z",
            "20210203040500Z",
            "has expired on 2021-02-03 04:05 UTC; renew it, or check the clock of this machine",
        ),
        (
            "20480101000000Z",
            "20491231000000Z",
            "is not valid yet; it will be on 2048-01-01 00:00 UTC; check the clock of this machine",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        Authority::new(folder.path()).sign_between("localhost", "cert.pem", start, end);
        let server = nginx_with(&fake, folder, "");
        let reason = format!("the certificate of localhost {reason}");
        assert_unreachable(&look_up(&server.url(), &["--ca-file", &server.ca()]), &server.url(), &reason);
    }
    assert_eq!(fake.requests(), 0);
}

#[test]
fn https_to_a_plain_port_names_the_port() {
    let plain = Recorder::start(Reply::Bytes(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
    let server = format!("127.0.0.1:{}", plain.port);
    let url = format!("https://{server}");
    let reason = format!(
        "the server at {server} does not speak TLS; check the port, or use an http:// address if the server has no TLS"
    );
    assert_unreachable(&look_up(&url, &[]), &url, &reason);

    let closing = Recorder::start(Reply::Close);
    let url = format!("https://127.0.0.1:{}", closing.port);
    let reason = "the server closed the connection during the TLS handshake";
    assert_unreachable(&look_up(&url, &[]), &url, reason);
}

#[test]
fn a_required_client_certificate_is_reported() {
    if !installed(&["nginx", "openssl"]) {
        return;
    }
    let fake = Fake::well_behaved();
    let wanted = "the server requires a client certificate, which ghrepos cannot send";
    let maybe = "the server rejected the TLS handshake (handshake failure); it may require a client certificate, which \
                 ghrepos cannot send";
    for protocol in ["TLSv1.2", "TLSv1.3"] {
        let folder = tempfile::tempdir().unwrap();
        Authority::new(folder.path()).sign("localhost", "cert.pem");
        let ca = folder.path().join("ca.pem").display().to_string();
        let directives =
            format!("ssl_client_certificate {ca}; ssl_verify_client on; ssl_protocols {protocol};");
        let server = nginx_with(&fake, folder, &directives);
        let run = look_up(&server.url(), &["--ca-file", &server.ca()]);
        assert_unreachable(&run, &server.url(), wanted);
    }
    for (arguments, reason) in [
        (&["-tls1_2"][..], maybe),
        (&["-tls1_3"], wanted),
        (&["-tls1_2", "-alpn", "h2"], maybe),
        (&["-tls1_3", "-alpn", "h2"], wanted),
    ] {
        let folder = tempfile::tempdir().unwrap();
        Authority::new(folder.path()).sign("localhost", "cert.pem");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let port = free_port();
        let address = format!("127.0.0.1:{port}");
        let (cert, key) = (at("cert.pem"), at("key.pem"));
        let own =
            ["s_server", "-accept", &address, "-cert", &cert, "-key", &key, "-Verify", "1", "-www", "-quiet"];
        let server = Server::start("openssl", port, folder, &[&own, arguments].concat());
        let run = look_up(&server.url(), &["--ca-file", &server.ca()]);
        assert_unreachable(&run, &server.url(), reason);
    }
    assert_eq!(fake.requests(), 0);
}

#[cfg(not(target_vendor = "apple"))]
#[test]
fn unreadable_certificate_authorities_are_status_2() {
    let none = file("hello\n");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.pem"), "hello\n").unwrap();
    let folder = folder.path().display().to_string();
    let two = format!("{folder}:/nowhere");
    let no_certificate = "it has no certificate in PEM format";
    for (variable, value, shown, reason) in [
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "/nowhere/ca.pem", "No such file or directory"),
        ("SSL_CERT_FILE", "", "", "No such file or directory"),
        ("SSL_CERT_FILE", &folder, &folder, "it is a folder; name a file in it"),
        ("SSL_CERT_FILE", path(&none), path(&none), no_certificate),
        ("SSL_CERT_DIR", "/nowhere", "/nowhere", "No such file or directory"),
        ("SSL_CERT_DIR", &two, "/nowhere", "No such file or directory"),
        ("SSL_CERT_DIR", &folder, &folder, "none of its files has a certificate in PEM format"),
    ] {
        let program = Program::new(&["torvalds"]).env(variable, value);
        let run = program.env("HTTPS_PROXY", &format!("127.0.0.1:{}", free_port())).run();
        let expected = format!(
            "ghrepos: cannot use the certificates in {shown:?} (from {variable}): {reason}; correct the path, or unset \
             {variable}\n"
        );
        assert_eq!((run.status, run.stderr), (2, expected));
        let fake = Fake::well_behaved();
        for arguments in [&["--api-url", &fake.url()][..], &["--replay", "fixtures/github"]] {
            let program = Program::new(&[&["torvalds"], arguments].concat());
            let run = program.env(variable, value).run();
            assert_eq!(run.status, 0, "no TLS, no certificates: {}", run.stderr);
        }
    }
}

#[cfg(not(target_vendor = "apple"))]
#[test]
fn authorities_from_the_environment_are_trusted() {
    if !installed(&["nginx", "openssl"]) {
        return;
    }
    let fake = Fake::well_behaved();
    let server = nginx(&fake);
    let folder = server.at("").display().to_string();
    for (variable, value) in [("SSL_CERT_FILE", server.ca()), ("SSL_CERT_DIR", folder)] {
        let run = Program::new(&["torvalds", "--api-url", &server.url(), "-q"]).env(variable, &value).run();
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{variable}");
    }
}
