//! A proxy that records what it receives, and misbehaves on demand.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Reaction to a connection.
#[derive(Clone, Copy)]
pub enum Reply {
    /// Opens the tunnel of a CONNECT request.
    Tunnel,
    /// Sends these bytes after the first bytes of a request, and closes the connection.
    Bytes(&'static [u8]),
    /// Sends nothing.
    Silence,
    /// Closes.
    Close,
}

pub struct Recorder {
    pub port: u16,
    /// Received bytes of each connection.
    connections: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorder {
    pub fn start(reply: Reply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(Mutex::new(Vec::new()));
        let recorder = Self { port, connections: Arc::clone(&connections) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let number = {
                    let mut connections = connections.lock().unwrap();
                    connections.push(Vec::new());
                    connections.len() - 1
                };
                let record = Record { connections: Arc::clone(&connections), number };
                thread::spawn(move || record.serve(stream, reply));
            }
        });
        recorder
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn connections(&self) -> Vec<String> {
        let connections = self.connections.lock().unwrap();
        connections.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }
}

struct Record {
    connections: Arc<Mutex<Vec<Vec<u8>>>>,
    number: usize,
}

impl Record {
    fn serve(&self, mut stream: TcpStream, reply: Reply) {
        match reply {
            Reply::Close => {}
            Reply::Silence => while self.read(&mut stream).is_some() {},
            Reply::Bytes(bytes) => {
                self.read(&mut stream);
                let _ = stream.write_all(bytes);
            }
            Reply::Tunnel => self.tunnel(stream),
        }
    }

    /// Reads and records bytes. None at the end of the connection.
    fn read(&self, stream: &mut TcpStream) -> Option<Vec<u8>> {
        let mut buffer = [0; 16 << 10];
        let length = stream.read(&mut buffer).ok().filter(|length| *length > 0)?;
        self.connections.lock().unwrap()[self.number].extend(&buffer[..length]);
        Some(buffer[..length].to_vec())
    }

    fn tunnel(&self, mut stream: TcpStream) {
        let Some(head) = self.read(&mut stream) else { return };
        let head = String::from_utf8(head).unwrap();
        assert!(head.ends_with("\r\n\r\n"), "{head}");
        let target = head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap();
        let mut server = TcpStream::connect(target).unwrap();
        stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
        let (mut from, mut to) = (server.try_clone().unwrap(), stream.try_clone().unwrap());
        let answers = thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
        while let Some(bytes) = self.read(&mut stream) {
            if server.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = server.shutdown(Shutdown::Write);
        let _ = answers.join();
    }
}
