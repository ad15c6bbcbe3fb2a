//! TLS errors, with messages that name what to change.

use std::error::Error;

use jiff::Timestamp;
use rustls::{AlertDescription, CertificateError};

use super::ConnectError;
use crate::text::{causes, innermost, io_message, sanitize_line};

/// Alerts that mean a missing client certificate.
const CERTIFICATE_ALERTS: [AlertDescription; 3] = [
    AlertDescription::CertificateRequired,
    AlertDescription::BadCertificate,
    AlertDescription::NoCertificate,
];
/// Names of a certificate that a message lists.
const MAX_NAMES: usize = 3;

/// Error of a server that requires a client certificate.
pub(crate) fn client_certificate() -> ConnectError {
    ConnectError::new("the server requires a client certificate, which ghrepos cannot send").permanent()
}

/// Finds a TLS error among the causes of an error. `host` and `port` are the requested ones. `has_ca_file`: certificate
/// authorities were given.
pub(super) fn find_error(
    error: &(dyn Error + 'static),
    host: &str,
    port: u16,
    has_ca_file: bool,
) -> Option<ConnectError> {
    let Some(tls) = rustls_error(error) else {
        return is_certificate_alert(error).then(client_certificate);
    };
    Some(match tls {
        rustls::Error::InvalidMessage(_) => {
            ConnectError::new(format!("the server at {host}:{port} does not speak TLS"))
                .with_way_out("check the port, or use an http:// address if the server has no TLS")
                .permanent()
        }
        rustls::Error::AlertReceived(alert) => alert_error(*alert),
        rustls::Error::InvalidCertificate(error) => certificate_error(error, host, has_ca_file),
        other => ConnectError::new(io_message(other)),
    })
}

/// Returns true if what answered does not speak TLS.
pub(super) fn is_not_tls(error: &(dyn Error + 'static)) -> bool {
    matches!(rustls_error(error), Some(rustls::Error::InvalidMessage(_)))
}

fn rustls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    causes(error).find_map(|error| error.downcast_ref())
}

fn alert_error(alert: AlertDescription) -> ConnectError {
    let reason = match alert {
        alert if CERTIFICATE_ALERTS.contains(&alert) => return client_certificate(),
        AlertDescription::HandshakeFailure => "handshake failure",
        AlertDescription::AccessDenied => "access denied",
        other => return ConnectError::new(format!("the server ended the TLS connection: {other:?}")),
    };
    ConnectError::new(format!(
        "the server rejected the TLS handshake ({reason}); it may require a client certificate, which ghrepos cannot send"
    ))
    .permanent()
}

fn certificate_error(error: &CertificateError, host: &str, has_ca_file: bool) -> ConnectError {
    let (message, way_out) = match error {
        // A bad signature is that of an authority with the name of a trusted one, and another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => (
            format!("the certificate of {host} is signed by an unknown authority"),
            if has_ca_file {
                "--ca-file has another authority"
            } else {
                "trust the authority with --ca-file"
            },
        ),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => (
            format!("the certificate of {host} has expired{}", validity(error)),
            "renew it, or check the clock of this machine",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => (
            format!("the certificate of {host} is not valid yet{}", validity(error)),
            "check the clock of this machine",
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            (format!("the certificate is not for {host:?}{}", presented_names(error)), "check the host")
        }
        other => return ConnectError::new(sanitize_line(&format!("invalid certificate: {other}"))),
    };
    ConnectError::new(message).with_way_out(way_out).permanent()
}

/// Returns the begin or the end of the validity that was violated, if the error has it.
fn validity(error: &CertificateError) -> String {
    let (words, time) = match error {
        CertificateError::ExpiredContext { not_after, .. } => (" on ", not_after),
        CertificateError::NotValidYetContext { not_before, .. } => ("; it will be on ", not_before),
        _ => return String::new(),
    };
    let at = i64::try_from(time.as_secs()).ok().and_then(|second| Timestamp::from_second(second).ok());
    at.map(|at| format!("{words}{}", at.strftime("%Y-%m-%d %H:%M UTC"))).unwrap_or_default()
}

fn presented_names(error: &CertificateError) -> String {
    let CertificateError::NotValidForNameContext { presented, .. } = error else { return String::new() };
    let listed: Vec<_> =
        presented.iter().take(MAX_NAMES).map(|name| format!("{:?}", plain_name(name))).collect();
    let more = if presented.len() > MAX_NAMES { " …" } else { "" };
    if listed.is_empty() { String::new() } else { format!(", but for {}{more}", listed.join(", ")) }
}

/// Compares the text of the innermost cause: HTTP/2 keeps only the text of a connection error.
fn is_certificate_alert(error: &(dyn Error + 'static)) -> bool {
    let text = innermost(error);
    CERTIFICATE_ALERTS.into_iter().any(|alert| rustls::Error::AlertReceived(alert).to_string() == text)
}

/// Returns `a.example` of rustls's `DnsName("a.example")`.
fn plain_name(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    sanitize_line(inner.unwrap_or(name).trim_matches('"')).into_owned()
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use rustls::pki_types::UnixTime;

    use super::*;

    fn found(error: rustls::Error) -> ConnectError {
        // As in errors of the HTTP client: an io::Error within another.
        let error = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, error));
        find_error(&error, "git.example.com", 8443, false).unwrap()
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
            assert_eq!(error.way_out.as_deref(), way_out);
        }
        let http = found(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType));
        assert_eq!(http.to_string(), "the server at git.example.com:8443 does not speak TLS");
    }

    #[test]
    fn an_alert_about_a_missing_certificate_is_recognized() {
        let alert = |alert| found(rustls::Error::AlertReceived(alert));
        assert_eq!(alert(AlertDescription::CertificateRequired), client_certificate());
        assert_eq!(alert(AlertDescription::BadCertificate), client_certificate());
        assert_ne!(alert(AlertDescription::HandshakeFailure), client_certificate());
        assert!(!alert(AlertDescription::InternalError).is_permanent);
        assert_eq!(find_error(&io::Error::other("else"), "host", 1, false), None);
        let text = rustls::Error::AlertReceived(AlertDescription::CertificateRequired).to_string();
        let only_text = io::Error::other(text);
        assert_eq!(find_error(&only_text, "host", 1, false), Some(client_certificate()));
    }
}
