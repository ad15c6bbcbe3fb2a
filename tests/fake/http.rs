//! HTTP/1.1 on a plain socket.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Fault, State};

/// A request, read to its last byte.
#[derive(Clone, Debug)]
pub struct Request {
    /// `GET`
    pub method: String,
    /// Path and query, as received.
    pub target: String,
    /// All headers, with names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// Values of every header with a name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(header, _)| header == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        let target = match self.target.strip_prefix("http://") {
            // A client that uses the fake as its proxy sends the host as well.
            Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]),
            None => &self.target,
        };
        target.split('?').next().unwrap_or_default()
    }

    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }
}

/// A response.
#[derive(Clone, Debug)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// All headers except `content-length` and `date`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Response {
    /// A JSON response.
    pub fn json(status: u16, body: &str) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
            .with("content-type", "application/json; charset=utf-8")
    }

    /// An HTML page, as a proxy sends it.
    pub fn html(status: u16) -> Self {
        let body = format!(
            "<!DOCTYPE html>\n<html><head><title>{status}</title></head><body>Unicorn!</body></html>\n"
        );
        Self { status, headers: Vec::new(), body }.with("content-type", "text/html; charset=utf-8")
    }

    /// Adds a header.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    fn head(&self, clock_offset: i64) -> String {
        let now = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(clock_offset);
        let date =
            jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&now).expect("a date");
        let mut head = format!(
            "HTTP/1.1 {} Status\r\ndate: {date}\r\ncontent-length: {}\r\n",
            self.status,
            self.body.len()
        );
        for (name, value) in &self.headers {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        head + "\r\n"
    }
}

/// Serves a connection until either side ends it.
pub async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let _ = stream.set_nodelay(true);
    let mut buffer = Vec::new();
    let clock_offset = state.behavior.clock_offset;
    if let Some(greeting) = &state.behavior.greeting
        && greeting.send(&mut stream).await.is_err()
    {
        return;
    }
    while let Some(request) = read(&mut stream, &mut buffer).await {
        let outcome = tokio::select! {
            outcome = state.answer(request) => outcome,
            // A request ends when its client disconnects.
            () = closed(&stream) => return,
        };
        let written = match outcome {
            Ok(response) => {
                let whole = response.head(clock_offset) + &response.body;
                stream.write_all(whole.as_bytes()).await
            }
            Err((Fault::Reset, _)) => {
                let _ = stream.set_zero_linger();
                return;
            }
            Err((Fault::Truncated, response)) => {
                let half = response.body.get(..response.body.len() / 2).unwrap_or_default();
                let _ = stream.write_all((response.head(clock_offset) + half).as_bytes()).await;
                return;
            }
            Err((Fault::BrokenJson, response)) => {
                let mut broken = response.clone();
                broken.body.truncate(response.body.len() / 2);
                let whole = broken.head(clock_offset) + &broken.body;
                stream.write_all(whole.as_bytes()).await
            }
            Err((Fault::Drip, response)) => drip(&mut stream, &response, clock_offset).await,
            Err((Fault::Raw(raw), _)) => raw.send(&mut stream).await,
            Err(_) => return,
        };
        if written.is_err() {
            return;
        }
    }
}

async fn drip(stream: &mut TcpStream, response: &Response, clock_offset: i64) -> std::io::Result<()> {
    stream.write_all(response.head(clock_offset).as_bytes()).await?;
    for byte in response.body.bytes() {
        tokio::time::sleep(Duration::from_secs(1)).await;
        stream.write_all(&[byte]).await?;
    }
    Ok(())
}

async fn closed(stream: &TcpStream) {
    let mut byte = [0];
    // The client does not pipeline requests, so bytes or an error here mean that it has disconnected.
    while stream.peek(&mut byte).await.is_ok_and(|length| length > 0) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Request> {
    loop {
        if let Some((request, length)) = parse(buffer) {
            buffer.drain(..length);
            return Some(request);
        }
        if stream.read_buf(buffer).await.ok()? == 0 {
            return None;
        }
    }
}

fn parse(buffer: &[u8]) -> Option<(Request, usize)> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head) = request.parse(buffer).expect("a request") else {
        return None;
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let headers: Vec<_> =
        request.headers.iter().map(|header| (header.name.to_ascii_lowercase(), text(header.value))).collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let body = buffer.get(head..head + length)?.to_vec();
    let (method, target) = (request.method?.to_owned(), request.path?.to_owned());
    Some((Request { method, target, headers, body }, head + length))
}
