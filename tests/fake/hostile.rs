//! Responses of a hostile server: endless, slow, or not HTTP.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Bytes written instead of a response: a beginning, a repeated piece, and an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    begin: Arc<[u8]>,
    piece: Arc<[u8]>,
    times: u64,
    pause: Duration,
    end: Arc<[u8]>,
    stays: bool,
}

impl Raw {
    /// Writes these bytes, and then closes the connection.
    pub fn new(begin: impl AsRef<[u8]>) -> Self {
        let nothing: Arc<[u8]> = Arc::default();
        let begin = begin.as_ref().into();
        Self { begin, piece: nothing.clone(), times: 0, pause: Duration::ZERO, end: nothing, stays: false }
    }

    /// A success with these headers, each with its line end, and this body.
    pub fn response(headers: &str, body: impl AsRef<[u8]>) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}\r\n");
        Self::new([head.as_bytes(), body.as_ref()].concat())
    }

    /// Repeats a piece for as long as the client reads.
    pub fn endlessly(self, piece: impl AsRef<[u8]>) -> Self {
        self.times(u64::MAX, piece)
    }

    /// Repeats a piece `times` times.
    pub fn times(mut self, times: u64, piece: impl AsRef<[u8]>) -> Self {
        (self.times, self.piece) = (times, piece.as_ref().into());
        self
    }

    /// Repeats a byte once per second.
    pub fn dripping(self, byte: u8) -> Self {
        self.endlessly([byte]).every(Duration::from_secs(1))
    }

    /// Waits before each piece.
    pub fn every(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Ends with these bytes.
    pub fn end(mut self, end: impl AsRef<[u8]>) -> Self {
        self.end = end.as_ref().into();
        self
    }

    /// Keeps the connection open afterwards.
    pub fn stays(mut self) -> Self {
        self.stays = true;
        self
    }

    /// Writes everything. Returns an error if the client has stopped reading, or if the connection has to be closed.
    pub(super) async fn send(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        stream.write_all(&self.begin).await?;
        for _ in 0..self.times {
            if !self.pause.is_zero() {
                tokio::time::sleep(self.pause).await;
            }
            stream.write_all(&self.piece).await?;
        }
        stream.write_all(&self.end).await?;
        if self.stays { Ok(()) } else { Err(std::io::ErrorKind::ConnectionAborted.into()) }
    }
}

/// 64 KiB of spaces, which JSON may begin with.
pub static BLANK: [u8; 1 << 16] = [b' '; 1 << 16];

/// Encodes `bytes` as a chunk of a body.
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}
