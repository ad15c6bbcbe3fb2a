//! Bytes that no decent server sends: without an end, a byte a second, or no HTTP at all.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// What is written in the place of an answer: a beginning, a piece again and again, and an end.
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
    /// These bytes, and then the connection is closed.
    pub fn new(begin: impl AsRef<[u8]>) -> Self {
        let nothing: Arc<[u8]> = Arc::default();
        let begin = begin.as_ref().into();
        Self { begin, piece: nothing.clone(), times: 0, pause: Duration::ZERO, end: nothing, stays: false }
    }

    /// A success with these headers, each with its line end, and then these bytes.
    pub fn answer(headers: &str, body: impl AsRef<[u8]>) -> Self {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}\r\n");
        Self::new([head.as_bytes(), body.as_ref()].concat())
    }

    /// Goes on with a piece for as long as anybody reads.
    pub fn endlessly(self, piece: impl AsRef<[u8]>) -> Self {
        self.times(u64::MAX, piece)
    }

    /// Goes on with a piece that often.
    pub fn times(mut self, times: u64, piece: impl AsRef<[u8]>) -> Self {
        (self.times, self.piece) = (times, piece.as_ref().into());
        self
    }

    /// Goes on with these, a byte a second.
    pub fn dripping(self, byte: u8) -> Self {
        self.endlessly([byte]).every(Duration::from_secs(1))
    }

    /// Takes so long a break before each piece.
    pub fn every(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Comes to this end.
    pub fn end(mut self, end: impl AsRef<[u8]>) -> Self {
        self.end = end.as_ref().into();
        self
    }

    /// Keeps the connection open afterwards.
    pub fn stays(mut self) -> Self {
        self.stays = true;
        self
    }

    /// Writes all of it. An error where nobody reads any more, and where the connection is to be closed.
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

/// 64 KiB of spaces, which are JSON as far as they go.
pub static BLANK: [u8; 1 << 16] = [b' '; 1 << 16];

/// `bytes` as a chunk of a body.
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}
