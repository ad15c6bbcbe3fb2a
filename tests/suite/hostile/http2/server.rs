//! An HTTP/2 server of raw frames over TLS, which can violate the protocol anywhere. A script decides about each connection.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::fake::Fake;
use crate::real_servers::certificates::Authority;

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Flag of DATA and HEADERS; that of SETTINGS and PING is `ACK`.
pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;

pub const NO_ERROR: u32 = 0;
pub const PROTOCOL_ERROR: u32 = 1;
pub const REFUSED_STREAM: u32 = 7;
pub const ENHANCE_YOUR_CALM: u32 = 11;

pub const MAX_STREAM: u32 = (1 << 31) - 1;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS_INITIAL_WINDOW_SIZE: u16 = 4;
/// Default of the protocol, in bytes.
const INITIAL_WINDOW: i64 = 65_535;

/// Returns the bytes of a frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Returns the payload of SETTINGS.
pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    values.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect()
}

/// Returns the payload of GOAWAY.
pub fn goaway(last_stream: u32, error: u32, debug_data: &[u8]) -> Vec<u8> {
    [&last_stream.to_be_bytes()[..], &error.to_be_bytes(), debug_data].concat()
}

/// Returns a block of headers, each as a literal that is not added to the table.
pub fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    headers.iter().flat_map(|(name, value)| literal(0, name.as_bytes(), value.as_bytes())).collect()
}

/// Returns a header as a literal. `first` selects whether it is added to the table.
pub fn literal(first: u8, name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[first][..], &length(name.len()), name, &length(value.len()), value].concat()
}

/// An integer with a prefix of seven bits.
fn length(mut value: usize) -> Vec<u8> {
    if value < 127 {
        return vec![value as u8];
    }
    value -= 127;
    let mut bytes = vec![127];
    while value >= 128 {
        bytes.push((value % 128) as u8 | 128);
        value /= 128;
    }
    bytes.push(value as u8);
    bytes
}

/// A certificate for localhost, and a configuration that offers HTTP/2 only.
pub struct Tls {
    folder: tempfile::TempDir,
    config: Arc<ServerConfig>,
}

impl Tls {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Authority::new(folder.path()).sign("localhost", "cert.pem");
        let certificate = CertificateDer::from_pem_file(folder.path().join("cert.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.path().join("key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key);
        let mut config = config.unwrap();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self { folder, config: Arc::new(config) }
    }

    pub fn ca(&self) -> String {
        self.folder.path().join("ca.pem").display().to_string()
    }
}

/// What a server does with a connection. The connection is closed when it returns.
pub type Script = Arc<dyn Fn(&mut Connection) -> io::Result<()> + Send + Sync>;

/// A server whose valid responses are those of a fake GitHub.
pub struct Http2Server {
    pub port: u16,
    pub fake: Fake,
    connections: Arc<AtomicU32>,
}

impl Http2Server {
    pub fn start(tls: &Tls, script: Script) -> Self {
        let fake = Fake::well_behaved();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicU32::new(0));
        let acceptor = Acceptor {
            config: Arc::clone(&tls.config),
            upstream: fake.url().strip_prefix("http://").unwrap().parse().unwrap(),
            connections: Arc::clone(&connections),
            script,
        };
        thread::spawn(move || acceptor.run(&listener));
        Self { port, fake, connections }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    pub fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }
}

struct Acceptor {
    config: Arc<ServerConfig>,
    upstream: SocketAddr,
    connections: Arc<AtomicU32>,
    script: Script,
}

impl Acceptor {
    /// Accepts connections until the end of the process.
    fn run(&self, listener: &TcpListener) {
        for stream in listener.incoming().flatten() {
            self.connections.fetch_add(1, Ordering::Relaxed);
            let session = ServerConnection::new(Arc::clone(&self.config)).unwrap();
            let _ = stream.set_nodelay(true);
            let mut connection = Connection {
                tls: StreamOwned::new(session, stream),
                upstream: self.upstream,
                incomplete: HashMap::new(),
                complete: VecDeque::new(),
                canceled: HashSet::new(),
                window: INITIAL_WINDOW,
                initial_window: INITIAL_WINDOW,
                windows: HashMap::new(),
            };
            let script = Arc::clone(&self.script);
            thread::spawn(move || {
                let mut preface = [0; PREFACE.len()];
                let served = connection.tls.read_exact(&mut preface).and_then(|()| script(&mut connection));
                if served.is_ok() {
                    connection.tls.conn.send_close_notify();
                    let _ = connection.tls.flush();
                }
            });
        }
    }
}

/// A request, read to its last byte.
pub struct Request {
    pub stream: u32,
    pub path: String,
    body: Vec<u8>,
}

/// A connection after the preface of the client.
pub struct Connection {
    tls: StreamOwned<ServerConnection, TcpStream>,
    upstream: SocketAddr,
    incomplete: HashMap<u32, Request>,
    complete: VecDeque<Request>,
    /// Streams that the client has reset.
    canceled: HashSet<u32>,
    /// Bytes of DATA that the client takes: on the connection, on a new stream, and on each stream.
    window: i64,
    initial_window: i64,
    windows: HashMap<u32, i64>,
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

impl Connection {
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tls.write_all(bytes)?;
        self.tls.flush()
    }

    /// Sends bytes again and again, until the client closes the connection.
    pub fn flood(&mut self, bytes: &[u8]) -> io::Result<()> {
        loop {
            self.send(bytes)?;
        }
    }

    pub fn send_frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        self.send(&frame(kind, flags, stream, payload))
    }

    /// Sends the preface of the server.
    pub fn send_settings(&mut self, values: &[(u16, u32)]) -> io::Result<()> {
        self.send_frame(SETTINGS, 0, 0, &settings(values))
    }

    pub fn send_headers(&mut self, stream: u32, flags: u8, headers: &[(&str, &str)]) -> io::Result<()> {
        self.send_frame(HEADERS, flags | END_HEADERS, stream, &block(headers))
    }

    /// Sends DATA, as far as the windows of the client allow. `Interrupted` if the client resets the stream meanwhile.
    pub fn send_data(&mut self, stream: u32, flags: u8, bytes: &[u8]) -> io::Result<()> {
        while self.window < bytes.len() as i64 || self.stream_window(stream) < bytes.len() as i64 {
            self.read()?;
            if self.canceled.contains(&stream) {
                return Err(io::ErrorKind::Interrupted.into());
            }
        }
        self.window -= bytes.len() as i64;
        *self.windows.entry(stream).or_default() -= bytes.len() as i64;
        self.send_frame(DATA, flags, stream, bytes)
    }

    fn stream_window(&self, stream: u32) -> i64 {
        self.initial_window + self.windows.get(&stream).copied().unwrap_or_default()
    }

    /// Sends the response of the fake GitHub.
    pub fn answer(&mut self, request: &Request) -> io::Result<()> {
        let (status, body) = self.response_to(request)?;
        self.send_headers(request.stream, 0, &[(":status", &status), ("content-type", "application/json")])?;
        self.send_data(request.stream, END_STREAM, &body)
    }

    /// Returns the status and the body of the fake GitHub's response.
    pub fn response_to(&self, request: &Request) -> io::Result<(String, Vec<u8>)> {
        let Request { path, body, .. } = request;
        let method = if body.is_empty() { "GET" } else { "POST" };
        let mut stream = TcpStream::connect(self.upstream)?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nuser-agent: sample\r\nauthorization: Bearer ghp_sample\r\n\
             content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body].concat())?;
        let mut received = Vec::new();
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 64];
            let mut response = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(head) = response.parse(&received).unwrap() {
                let status = response.code.unwrap().to_string();
                let length = response.headers.iter().find(|header| header.name == "content-length").unwrap();
                let length: usize = str::from_utf8(length.value).unwrap().parse().unwrap();
                if received.len() == head + length {
                    return Ok((status, received.split_off(head)));
                }
            }
            let mut buffer = [0; 4096];
            let length = stream.read(&mut buffer)?;
            received.extend(&buffer[..length]);
        }
    }

    /// Reads until a request is complete.
    pub fn next_request(&mut self) -> io::Result<Request> {
        loop {
            if let Some(request) = self.complete.pop_front() {
                return Ok(request);
            }
            self.read()?;
        }
    }

    /// Reads until the client closes the connection. Responds to nothing but PING and SETTINGS.
    pub fn hold(&mut self) -> io::Result<()> {
        loop {
            self.read()?;
        }
    }

    /// Reads until the client closes the connection, and sends nothing.
    pub fn ignore(&mut self) -> io::Result<()> {
        loop {
            self.read_frame()?;
        }
    }

    /// Reads a frame, which may complete a request.
    fn read(&mut self) -> io::Result<()> {
        let Frame { kind, flags, stream, payload } = self.read_frame()?;
        match kind {
            HEADERS => {
                let request = Request { stream, path: path_of(&payload), body: Vec::new() };
                self.incomplete.insert(stream, request);
            }
            DATA => {
                if let Some(request) = self.incomplete.get_mut(&stream) {
                    request.body.extend(&payload);
                }
                if !payload.is_empty() {
                    let length = u32::try_from(payload.len()).unwrap();
                    self.send_frame(WINDOW_UPDATE, 0, 0, &length.to_be_bytes())?;
                }
            }
            RST_STREAM => {
                self.incomplete.remove(&stream);
                self.canceled.insert(stream);
            }
            SETTINGS if flags & ACK == 0 => {
                for setting in payload.chunks_exact(6) {
                    if setting[..2] == SETTINGS_INITIAL_WINDOW_SIZE.to_be_bytes() {
                        self.initial_window = u32::from_be_bytes(setting[2..].try_into().unwrap()).into();
                    }
                }
                self.send_frame(SETTINGS, ACK, 0, &[])?;
            }
            PING if flags & ACK == 0 => self.send_frame(PING, ACK, 0, &payload)?,
            WINDOW_UPDATE => {
                let increment = i64::from(u32::from_be_bytes(payload[..].try_into().unwrap()));
                match stream {
                    0 => self.window += increment,
                    _ => *self.windows.entry(stream).or_default() += increment,
                }
            }
            _ => {}
        }
        if matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
            self.complete.extend(self.incomplete.remove(&stream));
        }
        Ok(())
    }

    fn read_frame(&mut self) -> io::Result<Frame> {
        let mut head = [0; 9];
        self.tls.read_exact(&mut head)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
        let mut payload = vec![0; length as usize];
        self.tls.read_exact(&mut payload)?;
        Ok(Frame { kind: head[3], flags: head[4], stream, payload })
    }
}

/// Returns the value of `:path` in a block of headers. The client neither adds it to the table nor splits the block.
fn path_of(block: &[u8]) -> String {
    let mut rest = block;
    while let [first, ..] = rest {
        let (index, mut after) = match *first {
            // An indexed header, or a new size of the table.
            128.. => (integer(rest, 7).0, integer(rest, 7).1),
            32..64 => (0, integer(rest, 5).1),
            64..128 => integer(rest, 6),
            _ => integer(rest, 4),
        };
        if *first < 128 && !(32..64).contains(first) {
            if index == 0 {
                after = string(after).1;
            }
            let (value, end) = string(after);
            // Index 4 of the static table.
            if index == 4 {
                return value;
            }
            after = end;
        }
        rest = after;
    }
    panic!("no path in {block:?}");
}

/// Parses an integer with a prefix of some bits.
fn integer(bytes: &[u8], prefix: u32) -> (usize, &[u8]) {
    let max = (1 << prefix) - 1;
    let mut value = usize::from(bytes[0]) & max;
    let mut rest = &bytes[1..];
    if value == max {
        let mut shift = 0;
        loop {
            let byte = rest[0];
            rest = &rest[1..];
            value += usize::from(byte & 127) << shift;
            shift += 7;
            if byte < 128 {
                break;
            }
        }
    }
    (value, rest)
}

fn string(bytes: &[u8]) -> (String, &[u8]) {
    let is_huffman = bytes[0] >= 128;
    let (length, rest) = integer(bytes, 7);
    let (value, rest) = rest.split_at(length);
    let value = if is_huffman { decode_huffman(value) } else { String::from_utf8_lossy(value).into_owned() };
    (value, rest)
}

/// Symbols of HPACK's Huffman code of 5 to 7 bits, in the order of their codes. The code is canonical: those of one length are
/// consecutive. A path has no other characters.
const HUFFMAN: [(u32, &str); 3] =
    [(5, "012aceiost"), (6, " %-./3456789=A_bdfghlmnpru"), (7, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz")];

fn decode_huffman(bytes: &[u8]) -> String {
    let mut bits = bytes.iter().flat_map(|byte| (0..8).rev().map(move |bit| u32::from(byte >> bit & 1)));
    let mut text = String::new();
    loop {
        let (mut code, mut first, mut length) = (0, 0, 0);
        let symbol = loop {
            let Some((bits_of_code, symbols)) = HUFFMAN.iter().find(|(bits, _)| *bits > length) else {
                // Seven bits of padding look like the beginning of a longer code.
                assert!(bits.next().is_none(), "not a character of a path, after {text}");
                return text;
            };
            for _ in length..*bits_of_code {
                // The padding at the end is shorter than a symbol.
                let Some(bit) = bits.next() else { return text };
                code = code << 1 | bit;
                first <<= 1;
            }
            length = *bits_of_code;
            if let Some(symbol) = symbols.chars().nth((code - first) as usize) {
                break symbol;
            }
            first += symbols.len() as u32;
        };
        text.push(symbol);
    }
}

#[test]
fn a_path_is_decoded_from_a_block_of_headers() {
    // `:method: GET`, an authority that is added to the table, and the sample of RFC 7541, C.4.
    let authority = [0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
    let path = [0x04, 0x0d, b'/', b'u', b's', b'e', b'r', b's', b'/', b'u', b's', b'e', b'r', b'-', b'1'];
    assert_eq!(path_of(&[&[0x82][..], &authority, &path].concat()), "/users/user-1");
    let name = [0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
    assert_eq!(decode_huffman(&name), "www.example.com");
}
