//! Certificates for the servers of the tests, created with openssl.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::PATHS;

/// A certificate authority: `ca.pem` and `ca.key` in a folder, beside the servers' key `key.pem`.
pub struct Authority {
    folder: PathBuf,
}

impl Authority {
    pub fn new(folder: &Path) -> Self {
        let authority = Self { folder: folder.to_owned() };
        let (ca, key) = (authority.at("ca.pem"), authority.at("ca.key"));
        let request =
            ["req", "-x509", "-days", "2", "-subj", "/CN=sample authority", "-keyout", &key, "-out", &ca];
        openssl(&[&request[..], &NEW_KEY].concat());
        authority
    }

    fn at(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Signs a certificate for a name that is valid today.
    pub fn sign(&self, name: &str, certificate: &str) {
        self.sign_between(name, certificate, "20200101000000Z", "20491231000000Z");
    }

    /// Signs a certificate for a name that is valid between two dates.
    pub fn sign_between(&self, name: &str, certificate: &str, start: &str, end: &str) {
        let (key, request, conf) = (self.at("key.pem"), self.at("request"), self.at("ca.conf"));
        openssl(&[&["req", "-subj", "/CN=sample", "-keyout", &key, "-out", &request][..], &NEW_KEY].concat());
        fs::write(self.at("index"), "").unwrap();
        let text = format!(
            "[ca]\ndefault_ca=own\n[own]\ndatabase={}\nnew_certs_dir={}\ndefault_md=sha256\nrand_serial=yes\n\
             policy=any\nx509_extensions=leaf\n[any]\ncommonName=supplied\n[leaf]\nsubjectAltName=DNS:{name}\n\
             basicConstraints=CA:FALSE\n",
            self.at("index"),
            self.folder.display(),
        );
        fs::write(&conf, text).unwrap();
        let (ca, ca_key, out) = (self.at("ca.pem"), self.at("ca.key"), self.at(certificate));
        let files = ["-config", &conf, "-cert", &ca, "-keyfile", &ca_key, "-in", &request, "-out", &out];
        let dates = ["-startdate", start, "-enddate", end];
        openssl(&[&["ca", "-batch", "-notext"][..], &files, &dates].concat());
    }
}

const NEW_KEY: [&str; 5] = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];

fn openssl(arguments: &[&str]) {
    let made = Command::new("openssl").args(arguments).env("PATH", PATHS).output().unwrap();
    assert!(made.status.success(), "{made:?}");
}
