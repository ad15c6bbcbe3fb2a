//! TLS errors, with messages that name what to change.

use std::error::Error;

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError};

use crate::text::{causes, innermost};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("the server at {server} does not speak TLS")]
    NotTls {
        /// `HOST:PORT`.
        server: String,
    },
    #[error("the server requires a client certificate, which ghrepos cannot send")]
    ClientCertificate,
    /// The server ended the handshake without a clear reason.
    #[error(
        "the server rejected the TLS handshake ({0}); it may require a client certificate, which ghrepos cannot send"
    )]
    Rejected(String),
    #[error("the certificate of {host} is signed by an unknown authority")]
    UnknownIssuer { host: String },
    #[error("the certificate of {host} has expired{}", on(" on ", *at))]
    Expired {
        host: String,
        /// End of its validity, in Unix seconds.
        at: Option<i64>,
    },
    #[error("the certificate of {host} is not valid yet{}", on("; it will be on ", *at))]
    NotYetValid {
        host: String,
        /// Start of its validity, in Unix seconds.
        at: Option<i64>,
    },
    #[error("the certificate is not for {host:?}{}", names(presented))]
    WrongName { host: String, presented: Vec<String> },
    #[error("{0}")]
    Other(String),
}

fn on(words: &str, second: Option<i64>) -> String {
    let at = second.and_then(|second| Timestamp::from_second(second).ok());
    at.map(|at| format!("{words}{}", at.strftime("%Y-%m-%d %H:%M UTC"))).unwrap_or_default()
}

/// Alerts that mean a missing client certificate.
const CERTIFICATE_ALERTS: [AlertDescription; 3] = [
    AlertDescription::CertificateRequired,
    AlertDescription::BadCertificate,
    AlertDescription::NoCertificate,
];
/// Names of a certificate that a message lists.
const MAX_NAMES: usize = 3;

fn names(presented: &[String]) -> String {
    let listed: Vec<_> = presented.iter().take(MAX_NAMES).map(|name| format!("{name:?}")).collect();
    let more = if presented.len() > MAX_NAMES { " …" } else { "" };
    if listed.is_empty() { String::new() } else { format!(", but for {}{more}", listed.join(", ")) }
}

impl TlsError {
    /// Finds a TLS error among the causes of an error. `host` and `port` are the requested ones.
    pub(super) fn find(error: &(dyn Error + 'static), host: &str, port: u16) -> Option<Self> {
        let Some(error) = causes(error).find_map(|error| error.downcast_ref::<rustls::Error>()) else {
            return is_certificate_alert(error).then_some(Self::ClientCertificate);
        };
        let host = host.to_owned();
        Some(match error {
            rustls::Error::InvalidMessage(_) => Self::NotTls { server: format!("{host}:{port}") },
            rustls::Error::AlertReceived(alert) => Self::alert(*alert),
            rustls::Error::InvalidCertificate(error) => Self::certificate(error, host).unwrap_or_else(|| {
                Self::Other(format!(
                    "invalid certificate: {}",
                    crate::text::sanitize_line(&error.to_string())
                ))
            }),
            other => Self::Other(crate::text::io_message(other)),
        })
    }

    fn alert(alert: AlertDescription) -> Self {
        match alert {
            alert if CERTIFICATE_ALERTS.contains(&alert) => Self::ClientCertificate,
            AlertDescription::HandshakeFailure => Self::Rejected("handshake failure".into()),
            AlertDescription::AccessDenied => Self::Rejected("access denied".into()),
            other => Self::Other(format!("the server ended the TLS connection: {other:?}")),
        }
    }

    fn certificate(error: &CertificateError, host: String) -> Option<Self> {
        Some(match error {
            // A bad signature is that of an authority with the name of a trusted one, and another key.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownIssuer { host },
            CertificateError::Expired => Self::Expired { host, at: None },
            CertificateError::ExpiredContext { not_after, .. } => {
                Self::Expired { host, at: second(*not_after) }
            }
            CertificateError::NotValidYet => Self::NotYetValid { host, at: None },
            CertificateError::NotValidYetContext { not_before, .. } => {
                Self::NotYetValid { host, at: second(*not_before) }
            }
            CertificateError::NotValidForName => Self::WrongName { host, presented: Vec::new() },
            CertificateError::NotValidForNameContext { presented, .. } => {
                Self::WrongName { host, presented: presented.iter().map(|name| plain_name(name)).collect() }
            }
            _ => return None,
        })
    }

    /// With TLS 1.3 this error arrives after the handshake.
    pub(super) fn wants_client_certificate(&self) -> bool {
        matches!(self, Self::ClientCertificate)
    }

    /// A retry would fail in the same way.
    pub(crate) fn is_permanent(&self) -> bool {
        !matches!(self, Self::Other(_))
    }

    /// Returns what to do about it, as an imperative. `ca_file`: whether certificate authorities were given.
    pub(crate) fn way_out(&self, ca_file: bool) -> Option<String> {
        let way_out = match self {
            Self::NotTls { .. } => "check the port, or use an http:// address if the server has no TLS",
            Self::UnknownIssuer { .. } if ca_file => "--ca-file has another authority",
            Self::UnknownIssuer { .. } => "trust the authority with --ca-file",
            Self::Expired { .. } => "renew it, or check the clock of this machine",
            Self::NotYetValid { .. } => "check the clock of this machine",
            Self::WrongName { .. } => "check the host",
            Self::ClientCertificate | Self::Rejected(_) | Self::Other(_) => return None,
        };
        Some(way_out.to_owned())
    }
}

/// Compares the text of the innermost cause: HTTP/2 keeps only the text of a connection error.
fn is_certificate_alert(error: &(dyn Error + 'static)) -> bool {
    let text = innermost(error);
    CERTIFICATE_ALERTS.into_iter().any(|alert| rustls::Error::AlertReceived(alert).to_string() == text)
}

fn second(time: UnixTime) -> Option<i64> {
    i64::try_from(time.as_secs()).ok()
}

/// Returns `a.example` of rustls's `DnsName("a.example")`.
fn plain_name(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    crate::text::sanitize_line(inner.unwrap_or(name).trim_matches('"')).into_owned()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::*;

    fn found(error: rustls::Error) -> TlsError {
        // As in errors of the HTTP client: an io::Error within another.
        let error = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error));
        TlsError::find(&error, "git.example.com", 8443).unwrap()
    }

    #[test]
    fn a_tls_error_names_what_to_change() {
        let now = UnixTime::since_unix_epoch(Duration::from_hours(500_000));
        let day = |days: u64| UnixTime::since_unix_epoch(Duration::from_hours(500_000 + 24 * days));
        let name = rustls::pki_types::ServerName::try_from("git.example.com").unwrap();
        let presented = ["a", "b", "c", "d"].map(|name| format!("DnsName({name:?})")).to_vec();
        let wrong_name =
            |presented| CertificateError::NotValidForNameContext { expected: name.clone(), presented };
        for (error, text, way_out) in [
            (
                CertificateError::UnknownIssuer,
                "the certificate of git.example.com is signed by an unknown authority",
                Some("trust the authority with --ca-file"),
            ),
            (
                CertificateError::ExpiredContext { time: day(1), not_after: now },
                "the certificate of git.example.com has expired on 2027-01-15 08:00 UTC",
                Some("renew it, or check the clock of this machine"),
            ),
            (
                CertificateError::NotValidYetContext { time: now, not_before: day(1) },
                "the certificate of git.example.com is not valid yet; it will be on 2027-01-16 08:00 UTC",
                Some("check the clock of this machine"),
            ),
            (
                wrong_name(presented),
                "the certificate is not for \"git.example.com\", but for \"a\", \"b\", \"c\" …",
                Some("check the host"),
            ),
            (
                wrong_name(Vec::new()),
                "the certificate is not for \"git.example.com\"",
                Some("check the host"),
            ),
            (CertificateError::BadEncoding, "invalid certificate: BadEncoding", None),
        ] {
            let error = found(rustls::Error::InvalidCertificate(error));
            assert_eq!(error.to_string(), text);
            assert_eq!(error.way_out(false).as_deref(), way_out);
        }
        let http = found(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType));
        assert_eq!(http.to_string(), "the server at git.example.com:8443 does not speak TLS");
    }

    #[test]
    fn an_alert_about_a_missing_certificate_is_recognized() {
        let alert = |alert| found(rustls::Error::AlertReceived(alert));
        assert!(alert(AlertDescription::CertificateRequired).wants_client_certificate());
        assert!(alert(AlertDescription::BadCertificate).wants_client_certificate());
        assert!(!alert(AlertDescription::HandshakeFailure).wants_client_certificate());
        assert!(!alert(AlertDescription::InternalError).is_permanent());
        assert_eq!(TlsError::find(&io::Error::other("else"), "host", 1), None);
        let text = rustls::Error::AlertReceived(AlertDescription::CertificateRequired).to_string();
        let only_text = io::Error::other(text);
        assert_eq!(TlsError::find(&only_text, "host", 1), Some(TlsError::ClientCertificate));
    }
}
