//! Throughput and memory with growing inputs: logins from a pipe, by GraphQL without latency.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::input::{Input, Shape, folder};
use crate::measure::{ghrepos, run};
use crate::server::{Server, World};
use crate::table::{head, megabytes, number, rate, row, time};

pub fn measured(sizes: &[u64]) {
    let sizes = if sizes.is_empty() { &[10_000, 100_000, 1_000_000][..] } else { sizes };
    for saved in [false, true] {
        let to = if saved { "to NDJSON and SQLite" } else { "to NDJSON" };
        head(
            &format!("Logins from a pipe, by GraphQL without latency, {to}"),
            &["logins", "first row", "all rows", "rows/s", "CPU", "CPU of the fake", "memory", "input size"],
        );
        for &logins in sizes {
            let input = Input { logins, missing: true };
            let database = folder().join("counts.db");
            let command = |server: &Server| {
                let mut command = ghrepos();
                command.args(["-", "-q", "-F", "ndjson", "--api-url", &server.url]);
                if saved {
                    let _ = std::fs::remove_file(&database);
                    command.args(["--save", &format!("sqlite:{}", database.display())]);
                }
                command
            };
            let server = Server::start(World::default());
            let first = first(&mut command(&server), input);
            server.end();
            let server = Server::start(World::default());
            let (used, counted) = run(&mut command(&server), Some(input));
            let seen = server.end();
            assert_eq!(input.wrong(&counted, Shape::Ndjson), None, "a wrong count");
            // Each with the byte of its line's end.
            let mut names = Counter(0);
            input.write(&mut names).expect("nothing is written");
            row(&[
                number(logins),
                time(first),
                time(used.wall),
                number(rate(logins, used.wall)),
                time(used.cpu),
                time(seen.cpu),
                megabytes(used.memory),
                megabytes(names.0),
            ]);
        }
    }
}

/// How long the first row takes.
fn first(command: &mut Command, input: Input) -> Duration {
    let begun = Instant::now();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program");
    let stdin = child.stdin.take().expect("a pipe");
    // It ends when nobody reads any more.
    let writer = std::thread::spawn(move || input.write(stdin));
    let mut rows = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    rows.next().expect("a row").expect("text");
    let first = begun.elapsed();
    child.kill().expect("it runs, or has ended");
    child.wait().expect("an end");
    let _ = writer.join().expect("no panic");
    first
}

struct Counter(u64);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
