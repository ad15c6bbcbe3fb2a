//! Every kind of host: behind TLS with an authority of its own, behind a proxy, an Enterprise Server.
//!
//! The servers are real ones, nginx and tinyproxy, in front of the fake.

#![cfg(unix)]

mod enterprise;

use std::collections::HashSet;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::fake::{Behaviour, Fake, Fault};
use crate::program::{PATHS, Program, file, installed, path, users};

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server in a folder of its own. It ends with its test.
struct Server {
    child: Child,
    folder: tempfile::TempDir,
    port: u16,
}

impl Server {
    fn start(program: &str, port: u16, folder: tempfile::TempDir, arguments: &[&str]) -> Self {
        let child = Command::new(program)
            .args(arguments)
            .env("PATH", PATHS)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { child, folder, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{program} does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.at("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx ends its workers when it is asked to end, and not when it is killed.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// nginx with HTTP/2, gzip, and a certificate that an authority of its own has signed.
fn nginx(fake: &Fake) -> Server {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    let openssl = |arguments: &[&str]| {
        let made = Command::new("openssl").args(arguments).env("PATH", PATHS).output().unwrap();
        assert!(made.status.success(), "{made:?}");
    };
    let (ca, ca_key, key, request, cert) =
        (at("ca.pem"), at("ca.key"), at("key.pem"), at("csr"), at("cert.pem"));
    let new = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    openssl(
        &[
            &["req", "-x509", "-days", "2", "-subj", "/CN=sample authority", "-keyout", &ca_key, "-out", &ca],
            &new[..],
        ]
        .concat(),
    );
    openssl(&[&["req", "-subj", "/CN=localhost", "-keyout", &key, "-out", &request], &new[..]].concat());
    fs::write(at("ext"), "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
    openssl(&[
        "x509",
        "-req",
        "-in",
        &request,
        "-CA",
        &ca,
        "-CAkey",
        &ca_key,
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        &at("ext"),
        "-out",
        &cert,
    ]);
    let port = free_port();
    let upstream = fake.url();
    let root = folder.path().display();
    let conf = format!(
        "daemon off; worker_processes 1; pid {root}/pid; error_log {root}/error;\n\
         events {{ worker_connections 512; }}\n\
         http {{\n\
           log_format own '$connection $server_protocol $ssl_protocol $request_uri';\n\
           access_log {root}/log own; gzip on; gzip_types application/json; gzip_min_length 1; gzip_proxied any;\n\
           client_body_temp_path {root}/b; proxy_temp_path {root}/p; fastcgi_temp_path {root}/f; uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;\n\
           server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {cert}; ssl_certificate_key {key};\n\
             location / {{ proxy_pass {upstream}; proxy_http_version 1.1; proxy_set_header Connection ''; }} }}\n\
         }}\n"
    );
    fs::write(at("nginx.conf"), conf).unwrap();
    let conf = at("nginx.conf");
    Server::start("nginx", port, folder, &["-c", &conf])
}

#[test]
fn behind_an_authority_of_its_own_it_works_with_ca_file_on_one_connection() {
    if !installed(&["nginx", "openssl"]) {
        return;
    }
    let fake = Fake::start(Behaviour { latency: Duration::from_millis(20), ..Behaviour::default() });
    let nginx = nginx(&fake);
    let url = format!("https://localhost:{}", nginx.port);
    let ca = nginx.at("ca.pem").display().to_string();

    let run = Program::new(&["torvalds", "--api-url", &url, "--retries", "1"]).run();
    assert_eq!(run.status, 5);
    assert!(run.stderr.contains("invalid peer certificate: UnknownIssuer"), "{}", run.stderr);
    assert!(
        run.stderr.contains("from an authority unknown here: give that with --ca-file"),
        "{}",
        run.stderr
    );
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);

    let roster = file(&users(200));
    let arguments =
        ["-f", path(&roster), "--api-url", &url, "--ca-file", &ca, "-j", "50", "-F", "ndjson", "-q"];
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

    // The variable that other programs read does as well.
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
    let fake = Fake::with_faults(move |asked| {
        Some(Fault::Answer(302, vec![("location", format!("{url}{}", asked.request.path()))], "{}".into()))
    });
    let nginx = nginx(&fake);
    let (url, ca) = (format!("https://localhost:{}", nginx.port), nginx.at("ca.pem").display().to_string());
    for (api, token) in [("rest", ""), ("rest", "ghp_sample"), ("graphql", "ghp_sample")] {
        let arguments = ["user-1", "--api-url", &url, "--ca-file", &ca, "--api", api, "-F", "ndjson", "-q"];
        let run = Program::new(&arguments).env("GH_TOKEN", token).run();
        assert_eq!(run.status, 1, "{}", run.stderr);
        assert_eq!(run.rows()[0]["error"], "GitHub redirected the request from https to plain http");
        assert_eq!(run.rows()[0]["attempts"], 1, "it would be redirected again");
    }
    assert_eq!((fake.requests(), plain.connections()), (3, 0));
}

#[test]
fn a_file_without_a_certificate_is_one_clear_line() {
    let none = file("hello\n");
    for (path, reason) in [
        (path(&none), "there is no certificate in PEM format in it"),
        ("/nowhere/ca.pem", "No such file or directory"),
    ] {
        let run = Program::new(&["a", "--ca-file", path]).run();
        assert_eq!(run.status, 2);
        assert_eq!(
            run.stderr,
            format!("ghrepos: cannot take a certificate authority from {path}: {reason}\n")
        );
    }
}

#[test]
fn a_proxy_sees_connect_and_is_left_out_where_no_proxy_says_so() {
    if !installed(&["nginx", "openssl", "tinyproxy"]) {
        return;
    }
    let fake = Fake::well_behaved();
    let nginx = nginx(&fake);
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let (conf, log) = (folder.path().join("conf"), folder.path().join("log"));
    let log = log.display();
    fs::write(
        &conf,
        format!(
            "Port {port}\nListen 127.0.0.1\nTimeout 60\nLogFile \"{log}\"\nLogLevel Connect\nMaxClients 50\n"
        ),
    )
    .unwrap();
    let conf = conf.display().to_string();
    let proxy = Server::start("tinyproxy", port, folder, &["-d", "-c", &conf]);
    let url = format!("https://localhost:{}", nginx.port);
    let ca = nginx.at("ca.pem").display().to_string();
    let ask = |no_proxy: &str| {
        Program::new(&["torvalds", "--api-url", &url, "--ca-file", &ca, "-F", "ndjson", "-q"])
            .env("HTTPS_PROXY", &format!("http://127.0.0.1:{port}"))
            .env("NO_PROXY", no_proxy)
            .run()
    };
    let connects = || proxy.log().matches(&format!("CONNECT localhost:{} ", nginx.port)).count();
    assert_eq!(ask("").status, 0);
    assert_eq!(connects(), 1, "{}", proxy.log());
    assert_eq!(ask("localhost").status, 0);
    assert_eq!(connects(), 1, "{}", proxy.log());
}
