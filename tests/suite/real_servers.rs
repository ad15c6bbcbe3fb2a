//! Real servers for the tests, each with its own folder, on 127.0.0.1 only.

#![cfg(unix)]

pub mod certificates;
pub mod recorder;

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use self::certificates::Authority;
use crate::fake::Fake;
use crate::program::PATHS;

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server with its own folder. It stops at the end of its test.
pub struct Server {
    child: Child,
    folder: tempfile::TempDir,
    pub port: u16,
}

impl Server {
    /// Starts a program and waits until it listens. Its standard error goes to the file `stderr`.
    pub fn start(program: &str, port: u16, folder: tempfile::TempDir, arguments: &[&str]) -> Self {
        let stderr = File::create(folder.path().join("stderr")).unwrap();
        let child = Command::new(program)
            .args(arguments)
            .env("PATH", PATHS)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let server = Self { child, folder, port };
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{program}: {}", server.read("stderr"));
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.at(name)).unwrap_or_default()
    }

    pub fn log(&self) -> String {
        self.read("log")
    }

    /// The address of an https server.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    /// The certificate authority in its folder.
    pub fn ca(&self) -> String {
        self.at("ca.pem").display().to_string()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // nginx stops its workers on SIGTERM, but not when it is killed.
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// nginx with HTTP/2, gzip, and a certificate of a private authority.
pub fn nginx(fake: &Fake) -> Server {
    let folder = tempfile::tempdir().unwrap();
    Authority::new(folder.path()).sign("localhost", "cert.pem");
    nginx_with(fake, folder, "")
}

/// nginx with `cert.pem` and `key.pem` in the folder, and more directives.
pub fn nginx_with(fake: &Fake, folder: tempfile::TempDir, directives: &str) -> Server {
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
           server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {root}/cert.pem; ssl_certificate_key {root}/key.pem; {directives}\n\
             location / {{ proxy_pass {upstream}; proxy_http_version 1.1; proxy_set_header Connection ''; }} }}\n\
         }}\n"
    );
    let path = folder.path().join("nginx.conf");
    fs::write(&path, conf).unwrap();
    Server::start("nginx", port, folder, &["-c", path.to_str().unwrap()])
}

/// tinyproxy, with more directives. Its log is `log`.
pub fn tinyproxy(directives: &str) -> Server {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let (conf, log) = (folder.path().join("conf"), folder.path().join("log"));
    let text = format!(
        "Port {port}\nListen 127.0.0.1\nTimeout 60\nLogFile \"{}\"\nLogLevel Connect\nMaxClients 50\n{directives}\n",
        log.display()
    );
    fs::write(&conf, text).unwrap();
    Server::start("tinyproxy", port, folder, &["-d", "-c", conf.to_str().unwrap()])
}

/// squid without a cache, with access rules. Its log is `log`.
pub fn squid(rules: &str) -> Server {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let root = folder.path().display();
    let text = format!(
        "http_port 127.0.0.1:{port}\npid_filename {root}/pid\ncache deny all\naccess_log stdio:{root}/log\n\
         cache_log {root}/cache.log\ncoredump_dir {root}\nshutdown_lifetime 0 seconds\n\
         pinger_enable off\nnetdb_filename none\n{rules}\n"
    );
    // As root, squid changes to its own user.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let conf = folder.path().join("conf");
    fs::write(&conf, text).unwrap();
    Server::start(
        "squid",
        port,
        folder,
        &["-N", "-n", &format!("sample{port}"), "-f", conf.to_str().unwrap()],
    )
}

/// microsocks, with more arguments. Its log is `stderr`.
pub fn microsocks(arguments: &[&str]) -> Server {
    let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
    let own = ["-i", "127.0.0.1", "-p", &port.to_string()];
    Server::start("microsocks", port, folder, &[&own, arguments].concat())
}
