//! Hosts with a private certificate authority, and Enterprise Servers.
//!
//! A real nginx is in front of the fake.

#![cfg(unix)]

mod enterprise;

use std::collections::HashSet;
use std::time::Duration;

use crate::fake::{Behavior, Fake, Fault};
use crate::program::{Program, file, installed, path, users};
use crate::real_servers::nginx;

#[test]
fn a_private_ca_works_with_ca_file_on_one_connection() {
    if !installed(&["nginx", "openssl"]) {
        return;
    }
    let fake = Fake::start(Behavior { latency: Duration::from_millis(200), ..Behavior::default() });
    let nginx = nginx(&fake);
    let url = format!("https://localhost:{}", nginx.port);
    let ca = nginx.at("ca.pem").display().to_string();

    let input = file(&users(200));
    let arguments =
        ["-f", path(&input), "--api-url", &url, "--ca-file", &ca, "-j", "50", "-F", "ndjson", "-q"];
    let run = Program::new(&arguments).run();
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    assert!(run.rows_of(200).iter().all(|row| row["status"] == "ok"));
    let log = nginx.log();
    let lines: Vec<_> = log.lines().filter(|line| line.contains("/users/user-")).collect();
    assert_eq!(lines.len(), 200);
    assert!(lines.iter().all(|line| line.contains("HTTP/2.0")), "{}", lines[0]);
    let connections: HashSet<_> = lines.iter().map(|line| line.split(' ').next()).collect();
    assert_eq!(connections.len(), 1, "{connections:?}");
    assert!(fake.peak() > 25, "many at once on it: {}", fake.peak());

    // SSL_CERT_FILE has the same effect.
    let run =
        Program::new(&["torvalds", "--api-url", &url, "-F", "ndjson", "-q"]).env("SSL_CERT_FILE", &ca).run();
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
}

#[test]
fn a_redirect_from_https_to_plain_http_is_not_followed() {
    if !installed(&["nginx", "openssl"]) {
        return;
    }
    let plain = Fake::well_behaved();
    let url = plain.url();
    let fake = Fake::with_faults(move |context| {
        Some(Fault::Response(
            302,
            vec![("location", format!("{url}{}", context.request.path()))],
            "{}".into(),
        ))
    });
    let nginx = nginx(&fake);
    let (url, ca) = (format!("https://localhost:{}", nginx.port), nginx.at("ca.pem").display().to_string());
    for (api, token) in [("rest", ""), ("rest", "ghp_sample"), ("graphql", "ghp_sample")] {
        let arguments = ["user-1", "--api-url", &url, "--ca-file", &ca, "--api", api, "-F", "ndjson", "-q"];
        let run = Program::new(&arguments).env("GH_TOKEN", token).run();
        assert_eq!(run.status, 5, "{}", run.stderr);
        assert!(run.stderr.contains("HTTP 302 redirects to http://127.0.0.1:"), "{}", run.stderr);
    }
    assert_eq!((fake.requests(), plain.connections()), (9, 0));
}

#[test]
fn a_ca_file_without_a_certificate_is_refused_in_one_line() {
    let none = file("hello\n");
    for (path, reason) in [
        (path(&none), "it has no certificate in PEM format"),
        ("/nowhere/ca.pem", "No such file or directory"),
    ] {
        let run = Program::new(&["a", "--ca-file", path]).run();
        assert_eq!(run.status, 2);
        assert_eq!(
            run.stderr,
            format!("ghrepos: cannot use the certificates in {path} (from --ca-file): {reason}\n")
        );
    }
    let damaged = file("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let run = Program::new(&["a", "--ca-file", path(&damaged)]).run();
    let message =
        "ghrepos: cannot set up the network with --ca-file: invalid peer certificate: BadEncoding\n";
    assert_eq!((run.status, run.stderr.as_str()), (2, message));
}
