//! Probe: a second connection to a proxy that failed, to find the reason.
//!
//! The HTTP client reports neither the status of a refused CONNECT nor the cause of a failed connection to a SOCKS proxy.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use super::proxy::Proxy;
use super::{Cause, ConnectError};

/// Upper bound on the response to CONNECT, in bytes; only its first line is used.
const MAX_HEAD: usize = 8 << 10;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Probed {
    Failed(ConnectError),
    /// The proxy accepts connections. Its protocol was not tried.
    Reachable,
    /// The proxy opened a tunnel to the server.
    Tunneled,
}

/// Tries once to reach a server through a proxy, without a token.
pub(super) async fn probe(proxy: &Proxy, server: &Url, limit: Duration) -> Probed {
    let deadline = Instant::now() + limit;
    let connected = timeout_at(deadline, connect(proxy)).await;
    let mut stream = match connected.unwrap_or_else(|_| Err(proxy.timed_out())) {
        Ok(stream) => stream,
        Err(failure) => return Probed::Failed(failure),
    };
    // Plain http needs no tunnel.
    if server.scheme() != "https" || proxy.scheme != "http" {
        return Probed::Reachable;
    }
    let host = server.host_str().unwrap_or_default();
    let target = format!("{host}:{}", server.port_or_known_default().unwrap_or(443));
    match timeout_at(deadline, tunnel(&mut stream, proxy, &target)).await {
        Ok(Ok(())) => Probed::Tunneled,
        Ok(Err(failure)) => Probed::Failed(failure),
        Err(_) => Probed::Failed(proxy.silent()),
    }
}

async fn connect(proxy: &Proxy) -> Result<TcpStream, ConnectError> {
    let host = proxy.host.trim_start_matches('[').trim_end_matches(']');
    let addresses = tokio::net::lookup_host((host, proxy.port))
        .await
        .map_err(|error| proxy.unresolved(Cause::new(error)))?;
    let mut last = proxy.unresolved(Cause::new("no addresses"));
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = proxy.unreachable(error.kind(), Cause::new(error)),
        }
    }
    Err(last)
}

async fn tunnel(stream: &mut TcpStream, proxy: &Proxy, target: &str) -> Result<(), ConnectError> {
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(authorization) = proxy.authorization() {
        // Writing to a String cannot fail.
        let _ = write!(request, "Proxy-Authorization: {authorization}\r\n");
    }
    request.push_str("\r\n");
    let mut head = Vec::new();
    if stream.write_all(request.as_bytes()).await.is_err() {
        return Err(proxy.closed());
    }
    // The response counts even if the proxy resets the connection after it.
    let _ = read_line(stream, &mut head).await;
    match parse_status(&head) {
        _ if head.is_empty() => Err(proxy.closed()),
        None => Err(proxy.wrong_protocol("HTTP")),
        Some((200, _)) => Ok(()),
        Some((status, reason)) => Err(proxy.refused(status, reason)),
    }
}

/// Reads until the end of the first line.
async fn read_line(stream: &mut TcpStream, head: &mut Vec<u8>) -> io::Result<()> {
    while head.len() < MAX_HEAD && !head.contains(&b'\n') && stream.read_buf(head).await? > 0 {}
    Ok(())
}

/// Parses status and reason phrase of `HTTP/1.1 403 Forbidden`.
fn parse_status(head: &[u8]) -> Option<(u16, &str)> {
    let line = head.split(|byte| *byte == b'\n').next()?;
    let line = str::from_utf8(line).ok()?;
    let (version, rest) = line.split_once(' ')?;
    let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = status.trim().parse().ok().filter(|status| (100..600).contains(status))?;
    version.starts_with("HTTP/").then_some((status, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_line_is_parsed_or_is_not_http() {
        assert_eq!(parse_status(b"HTTP/1.1 403 Not Allowed\r\nA: b"), Some((403, "Not Allowed\r")));
        assert_eq!(parse_status(b"HTTP/1.0 503\r\n"), Some((503, "")));
        for not_http in ["", "SSH-2.0-OpenSSH\r\n", "HTTP/1.1 abc x\r\n", "HTTP/1.1 7 x\r\n", "\u{5}\u{ff}"] {
            assert_eq!(parse_status(not_http.as_bytes()), None, "{not_http:?}");
        }
        assert_eq!(parse_status(b"HTTP/1.1 200 \xff\r\n"), None);
    }
}
