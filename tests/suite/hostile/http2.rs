//! Hostile HTTP/2, as github.com is reached with it: frames that flood, break the protocol, or never come.
//!
//! In CI each case runs with both APIs, and with one login and with twenty, ten requests at once; elsewhere in one of the four ways.

#![cfg(unix)]

mod server;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use self::server::{
    ACK, CONTINUATION, Connection, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS,
    Http2Server, MAX_STREAM, NO_ERROR, PADDED, PING, PRIORITY, PROTOCOL_ERROR, PUSH_PROMISE, REFUSED_STREAM,
    RST_STREAM, Request, SETTINGS, Script, Tls, WINDOW_UPDATE, block, frame, goaway, literal, settings,
};
use super::{MAX_DURATION, MAX_MEMORY, Measured, SLOW_TIMEOUT, TIMEOUT, measured};
use crate::fake::account;
use crate::program::{Program, Run, file, in_parallel, installed, is_thorough, path, users};

const TIMED_OUT: &str = "timed out after 1.5s";
const LOST: &str = "connection lost: ";
const TRUNCATED: &str = "response truncated: ";
const BOTH: &[&str] = &["rest", "graphql"];
const OK: &[(&str, &str)] = &[(":status", "200"), ("content-type", "application/json")];
/// Logins of a run with many requests in flight.
const MANY: usize = 20;
/// The stream of a client's first request.
const FIRST: u32 = 1;

#[derive(Clone, Copy)]
enum Expected {
    /// Every login is counted.
    Counts,
    /// No login is counted, and the message of one login contains this text.
    Failure(&'static str),
    /// A number is right, or missing.
    Either,
}

#[derive(Clone)]
struct Case {
    name: String,
    script: Script,
    expected: Expected,
    apis: &'static [&'static str],
    timeout: &'static str,
    /// Logins of the second run.
    many: usize,
}

impl Case {
    fn new(
        name: impl Into<String>,
        expected: Expected,
        script: impl Fn(&mut Connection) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            script: Arc::new(script),
            expected,
            apis: BOTH,
            timeout: TIMEOUT,
            many: MANY,
        }
    }

    /// Sends bytes before any response, and then only reads.
    fn opening(name: &str, expected: Expected, bytes: Vec<u8>) -> Self {
        Self::new(name, expected, move |connection| {
            connection.send(&bytes)?;
            connection.hold()
        })
    }

    /// Sends bytes before any response, endlessly.
    fn flood(name: &str, expected: Expected, bytes: Vec<u8>) -> Self {
        Self::new(name, expected, move |connection| {
            connection.send_settings(&[])?;
            connection.next_request()?;
            connection.flood(&bytes)
        })
    }

    /// Reacts to each request.
    fn each(
        name: impl Into<String>,
        expected: Expected,
        react: impl Fn(&mut Connection, &Request) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::new(name, expected, move |connection| {
            connection.send_settings(&[])?;
            loop {
                let request = connection.next_request()?;
                match react(connection, &request) {
                    // The client has given up this request, and may send others.
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    reacted => reacted?,
                }
            }
        })
    }

    /// Sends the response of the fake GitHub with these headers.
    fn headers(name: &str, expected: Expected, headers: &'static [(&str, &str)]) -> Self {
        Self::each(name, expected, move |connection, request| {
            let (_, body) = connection.response_to(request)?;
            connection.send_headers(request.stream, 0, headers)?;
            connection.send_data(request.stream, END_STREAM, &body)
        })
    }

    fn api(self, apis: &'static [&'static str]) -> Self {
        Self { apis, ..self }
    }

    /// A case with large bodies, which a debug build reads slowly.
    fn slow(self) -> Self {
        Self { timeout: SLOW_TIMEOUT, many: 3, ..self }
    }
}

fn check_cases(cases: &[Case]) {
    if !installed(&["openssl"]) {
        return;
    }
    let tls = Tls::new();
    let mut runs = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let ways = case.apis.iter().flat_map(|&api| [(case, api, 1), (case, api, case.many)]);
        let ways: Vec<_> = ways.collect();
        if is_thorough() { runs.extend(ways) } else { runs.push(ways[number % ways.len()]) }
    }
    let check = |(case, api, logins)| {
        check_case(&tls, case, api, logins).map_err(|failure| (failure, case, api, logins))
    };
    let failed = in_parallel(runs, check).into_iter().filter_map(Result::err);
    // On a busy machine a handshake may take longer than the timeout. A failed case is run twice again, alone.
    let failures: Vec<_> = failed
        .filter(|(_, case, api, logins)| (0..2).all(|_| check_case(&tls, case, api, *logins).is_err()))
        .map(|(failure, ..)| failure)
        .collect();
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
}

/// Runs the program with `user-1` to `user-N` and a server of HTTP/2.
fn program(tls: &Tls, server: &Http2Server, api: &str, arguments: &[&str]) -> Program {
    let own = ["--api-url", &server.url(), "--ca-file", &tls.ca(), "-Fndjson", "--api", api];
    let program = Program::new(&[&own[..], arguments].concat());
    let program = if api == "graphql" { program.argument("--batch=2") } else { program };
    program.env("GH_TOKEN", "ghp_sample")
}

fn check_case(tls: &Tls, case: &Case, api: &str, logins: usize) -> Result<(), String> {
    let Case { name, script, expected, timeout, .. } = case;
    let server = Http2Server::start(tls, Arc::clone(script));
    let input = file(&users(logins));
    let arguments = ["-f", path(&input), "--retries=0", "--timeout", timeout];
    let Measured { run, took, memory } = measured(program(tls, &server, api, &arguments));
    let rows = run.rows();
    let message = match rows.iter().find_map(|row| row["error"].as_str()) {
        Some(message) => message.to_owned(),
        None if run.status == 0 => "counted".to_owned(),
        None => run.stderr.trim_end().to_owned(),
    };
    let megabytes = memory.div_ceil(1 << 20);
    let (seconds, shown) = (took.as_secs_f64(), message.replace('|', "/"));
    println!(
        "| {name} | {api} {logins} | {shown:.150} | {} | {seconds:.1} | {megabytes} | {} |",
        run.status,
        server.connections()
    );
    let mut wrong = wrong_rows(&run, logins);
    let mut check = |promise: bool, what: &str| {
        if !promise {
            wrong.push(what.to_owned());
        }
    };
    let counted = rows.iter().filter(|row| row["status"] == "ok").count();
    match expected {
        Expected::Counts => check(run.status == 0 && counted == logins, "not all logins are counted"),
        Expected::Failure(text) => {
            check(counted == 0, "a login is counted");
            check([1, 5].contains(&run.status), &format!("status {}", run.status));
            check(logins > 1 || message.contains(text), &format!("not the message: {text}"));
        }
        Expected::Either => check([0, 1, 5].contains(&run.status), &format!("status {}", run.status)),
    }
    let all = run.stdout.clone() + &run.stderr;
    check(took < MAX_DURATION, &format!("took {seconds:.1}s"));
    check(memory < MAX_MEMORY, &format!("took {megabytes} MB"));
    check(!all.chars().any(|c| c.is_control() && c != '\n'), "control characters");
    check(all.lines().all(|line| line.len() < 2000), "a line that fills screens");
    check(run.stderr.lines().count() <= 2, "more than a line or two");
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(format!("{name}, {api}, {logins} logins: {}\n{all:.1500}", wrong.join("; ")))
    }
}

/// Returns what is wrong: each login has one row, with the right count or with a reason.
fn wrong_rows(run: &Run, logins: usize) -> Vec<String> {
    let rows = run.rows();
    let mut wrong = Vec::new();
    if rows.len() != logins {
        wrong.push(format!("{} rows", rows.len()));
    }
    for (number, row) in rows.iter().enumerate() {
        let login = format!("user-{}", number + 1);
        let count = account(&login).unwrap().public_repos;
        let is_right = match row["status"].as_str().unwrap() {
            "ok" => row["public_repos"] == count,
            "failed" | "skipped" => row["public_repos"].is_null() && row["error"].is_string(),
            _ => false,
        };
        if row["login"] != login || !is_right {
            wrong.push(format!("row {row}"));
        }
    }
    wrong
}

#[test]
fn http2_floods_end_in_bounded_time_and_memory() {
    let many = |bytes: Vec<u8>| bytes.repeat((16_000 / bytes.len()).max(1));
    let timeout_or_loss = Expected::Failure("");
    let small_header = block(&[("a", "b")]);
    // A name that is added to the table once, and then 16,000 times the whole header of 4,000 bytes.
    let bomb = [literal(0x40, b"x", &[b'y'; 4000]), vec![0xbe; 12_000]].concat();
    check_cases(&[
        Case::flood("SETTINGS endlessly", timeout_or_loss, many(frame(SETTINGS, 0, 0, &[]))),
        Case::flood(
            "SETTINGS with a value endlessly",
            timeout_or_loss,
            many(frame(SETTINGS, 0, 0, &settings(&[(4, 70_000)]))),
        ),
        Case::flood("acknowledged SETTINGS endlessly", timeout_or_loss, many(frame(SETTINGS, ACK, 0, &[]))),
        Case::flood("PING endlessly", timeout_or_loss, many(frame(PING, 0, 0, &[7; 8]))),
        Case::flood("acknowledged PING endlessly", timeout_or_loss, many(frame(PING, ACK, 0, &[7; 8]))),
        Case::flood("PRIORITY endlessly", timeout_or_loss, many(frame(PRIORITY, 0, 99, &[0, 0, 0, 1, 9]))),
        Case::flood(
            "WINDOW_UPDATE endlessly",
            timeout_or_loss,
            many(frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ),
        Case::flood("unknown frames endlessly", timeout_or_loss, many(frame(0xbe, 0xff, 7, b"unknown"))),
        Case::flood(
            "RST_STREAM of idle streams endlessly",
            Expected::Failure(LOST),
            many(frame(RST_STREAM, 0, 9999, &[0, 0, 0, 8])),
        ),
        Case::flood(
            "GOAWAY endlessly",
            timeout_or_loss,
            many(frame(GOAWAY, 0, 0, &goaway(MAX_STREAM, NO_ERROR, &[]))),
        ),
        Case::flood(
            "random bytes endlessly",
            Expected::Failure(LOST),
            (0..=255).cycle().take(16_000).collect(),
        ),
        Case::each(
            "RST_STREAM of the same stream endlessly",
            Expected::Failure(LOST),
            move |connection, request| {
                connection.flood(&frame(RST_STREAM, 0, request.stream, &[0, 0, 0, 8]).repeat(1000))
            },
        ),
        Case::each("CONTINUATION endlessly", Expected::Failure(LOST), move |connection, request| {
            connection.send_frame(HEADERS, 0, request.stream, &block(OK))?;
            connection.flood(&frame(CONTINUATION, 0, request.stream, &small_header).repeat(1000))
        }),
        Case::each("empty CONTINUATION endlessly", Expected::Failure(LOST), |connection, request| {
            connection.send_frame(HEADERS, 0, request.stream, &block(OK))?;
            connection.flood(&frame(CONTINUATION, 0, request.stream, &[]).repeat(1000))
        }),
        Case::each("103 Early Hints endlessly", timeout_or_loss, |connection, request| {
            let hints =
                frame(HEADERS, END_HEADERS, request.stream, &block(&[(":status", "103"), ("link", "</x>")]));
            connection.flood(&hints.repeat(100))
        }),
        Case::each("headers that expand to 48 MB", Expected::Failure(LOST), move |connection, request| {
            connection.send_frame(HEADERS, END_HEADERS, request.stream, &[block(OK), bomb.clone()].concat())
        }),
        Case::each("empty DATA endlessly", Expected::Failure(""), |connection, request| {
            connection.send_headers(request.stream, 0, OK)?;
            connection.flood(&frame(DATA, 0, request.stream, &[]).repeat(1000))
        }),
        Case::each("DATA of padding endlessly", Expected::Failure(""), |connection, request| {
            connection.send_headers(request.stream, 0, OK)?;
            connection.flood(
                &frame(DATA, PADDED, request.stream, &[[255].as_slice(), &[0; 255]].concat()).repeat(60),
            )
        }),
        Case::each("DATA of one byte endlessly", Expected::Failure(""), |connection, request| {
            connection.send_headers(request.stream, 0, OK)?;
            loop {
                connection.send_data(request.stream, 0, b" ")?;
            }
        }),
        Case::each("trailers of a hundred thousand headers", Expected::Failure(""), |connection, request| {
            let (_, body) = connection.response_to(request)?;
            connection.send_headers(request.stream, 0, OK)?;
            connection.send_data(request.stream, 0, &body)?;
            connection.send_frame(HEADERS, END_STREAM, request.stream, &[])?;
            let headers = block(&[("a", "b")]).repeat(2000);
            for _ in 0..50 {
                connection.send_frame(CONTINUATION, 0, request.stream, &headers)?;
            }
            connection.send_frame(CONTINUATION, END_HEADERS, request.stream, &[])
        }),
    ]);
}

#[test]
fn an_endless_http2_body_is_rejected_at_sixteen_megabytes() {
    let too_large = Expected::Failure("response too large: more than 16777216 bytes");
    let flow_control = Expected::Failure(TRUNCATED);
    check_cases(&[
        Case::each("an endless body", too_large, |connection, request| {
            connection.send_headers(request.stream, 0, OK)?;
            loop {
                connection.send_data(request.stream, 0, &[b' '; 16 << 10])?;
            }
        })
        .slow(),
        Case::each("an endless body beyond the window", flow_control, |connection, request| {
            connection.send_headers(request.stream, 0, OK)?;
            connection.flood(&frame(DATA, 0, request.stream, &[b' '; 16 << 10]))
        }),
    ]);
}

#[test]
fn every_error_of_a_stream_or_a_connection_is_a_failure() {
    let mut cases = Vec::new();
    for code in (0..=13u32).chain([0xdead_beef]) {
        let bytes = code.to_be_bytes();
        cases.push(Case::each(
            format!("RST_STREAM {code}"),
            Expected::Failure(LOST),
            move |connection, request| connection.send_frame(RST_STREAM, 0, request.stream, &bytes),
        ));
        cases.push(Case::each(
            format!("GOAWAY {code}, last stream 0"),
            Expected::Failure(LOST),
            move |connection, _| {
                connection.send_frame(GOAWAY, 0, 0, &goaway(0, code, &[]))?;
                connection.hold()
            },
        ));
    }
    for code in [NO_ERROR, PROTOCOL_ERROR, REFUSED_STREAM, ENHANCE_YOUR_CALM] {
        cases.push(Case::each(
            format!("RST_STREAM {code} in mid-body"),
            // Without an error the body is what was received.
            Expected::Failure(if code == NO_ERROR { "unexpected response: not JSON" } else { TRUNCATED }),
            move |connection, request| {
                connection.send_headers(request.stream, 0, OK)?;
                connection.send_data(request.stream, 0, b"{\"login\":")?;
                connection.send_frame(RST_STREAM, 0, request.stream, &code.to_be_bytes())
            },
        ));
        cases.push(Case::each(
            format!("GOAWAY {code} in mid-body, and closed"),
            Expected::Failure(TRUNCATED),
            move |connection, request| {
                connection.send_headers(request.stream, 0, OK)?;
                connection.send_data(request.stream, 0, b"{\"login\":")?;
                connection.send_frame(GOAWAY, 0, 0, &goaway(request.stream, code, &[]))?;
                Err(io::ErrorKind::ConnectionAborted.into())
            },
        ));
    }
    cases.extend([
        Case::each(
            "GOAWAY with the maximal last stream, and closed",
            Expected::Failure(LOST),
            |connection, _| {
                connection.send_frame(GOAWAY, 0, 0, &goaway(MAX_STREAM, NO_ERROR, &[]))?;
                Err(io::ErrorKind::ConnectionAborted.into())
            },
        ),
        Case::each(
            "GOAWAY with the maximal last stream, and silence",
            Expected::Failure(TIMED_OUT),
            |connection, _| {
                connection.send_frame(GOAWAY, 0, 0, &goaway(MAX_STREAM, NO_ERROR, &[]))?;
                connection.hold()
            },
        ),
        Case::each("GOAWAY twice, with a larger last stream", Expected::Failure(LOST), |connection, _| {
            connection.send_frame(GOAWAY, 0, 0, &goaway(0, NO_ERROR, &[]))?;
            connection.send_frame(GOAWAY, 0, 0, &goaway(MAX_STREAM, NO_ERROR, &[]))?;
            connection.hold()
        }),
        Case::each("GOAWAY with 16 KB of terminal escapes", Expected::Failure(LOST), |connection, _| {
            let escapes = "\u{1b}[2J\r\n".repeat(2700);
            connection.send_frame(GOAWAY, 0, 0, &goaway(0, ENHANCE_YOUR_CALM, escapes.as_bytes()))?;
            connection.hold()
        }),
        Case::new("GOAWAY before the first request", Expected::Failure(LOST), |connection| {
            connection.send_settings(&[])?;
            connection.send_frame(GOAWAY, 0, 0, &goaway(0, NO_ERROR, &[]))
        }),
    ]);
    check_cases(&cases);
}

#[test]
fn frames_that_break_the_protocol_are_failures() {
    let lost = Expected::Failure(LOST);
    let before = |kind, flags, stream, payload: &[u8]| {
        [frame(SETTINGS, 0, 0, &[]), frame(kind, flags, stream, payload)].concat()
    };
    let mut cases: Vec<_> = [
        ("SETTINGS of 5 bytes", before(SETTINGS, 0, 0, &[0; 5])),
        ("SETTINGS of a stream", before(SETTINGS, 0, FIRST, &[])),
        ("acknowledged SETTINGS with a value", before(SETTINGS, ACK, 0, &settings(&[(4, 1)]))),
        ("SETTINGS with push of 2", before(SETTINGS, 0, 0, &settings(&[(2, 2)]))),
        ("SETTINGS with a window of 2^31", before(SETTINGS, 0, 0, &settings(&[(4, 1 << 31)]))),
        ("SETTINGS with frames of 5 bytes", before(SETTINGS, 0, 0, &settings(&[(5, 5)]))),
        ("PING of 7 bytes", before(PING, 0, 0, &[0; 7])),
        ("PING of a stream", before(PING, 0, FIRST, &[0; 8])),
        ("GOAWAY of 7 bytes", before(GOAWAY, 0, 0, &[0; 7])),
        ("RST_STREAM of the connection", before(RST_STREAM, 0, 0, &[0; 4])),
        ("RST_STREAM of 3 bytes", before(RST_STREAM, 0, FIRST, &[0; 3])),
        ("WINDOW_UPDATE of 0", before(WINDOW_UPDATE, 0, 0, &[0; 4])),
        ("WINDOW_UPDATE beyond 2^31", before(WINDOW_UPDATE, 0, 0, &MAX_STREAM.to_be_bytes())),
        ("DATA of the connection", before(DATA, 0, 0, b"x")),
        ("DATA of an idle stream", before(DATA, 0, 99, b"x")),
        ("HEADERS of the connection", before(HEADERS, END_HEADERS, 0, &block(OK))),
        ("HEADERS of an idle stream", before(HEADERS, END_HEADERS, 99, &block(OK))),
        ("HEADERS of a stream of the server", before(HEADERS, END_HEADERS, 2, &block(OK))),
        ("CONTINUATION without HEADERS", before(CONTINUATION, END_HEADERS, FIRST, &block(OK))),
        (
            "an unknown frame of 16 MB",
            [before(0xbe, 0, 0, &[]), vec![255, 255, 255, 0xbe, 0, 0, 0, 0, 0], vec![0; 1 << 16]].concat(),
        ),
        ("HTTP/1.1", b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n".to_vec()),
        ("HTML", b"<!DOCTYPE html><html><title>Sign in</title></html>".to_vec()),
    ]
    .into_iter()
    .map(|(name, bytes)| Case::opening(name, lost, bytes))
    .collect();
    cases.extend([
        Case::each("PUSH_PROMISE", lost, |connection, request| {
            let promised = [&2u32.to_be_bytes()[..], &block(&[(":path", "/x")])].concat();
            connection.send_frame(PUSH_PROMISE, END_HEADERS, request.stream, &promised)
        }),
        Case::each("HEADERS, and then PING before its end", lost, |connection, request| {
            connection.send_frame(HEADERS, 0, request.stream, &block(OK))?;
            connection.send_frame(PING, 0, 0, &[0; 8])
        }),
        Case::each("HEADERS with more padding than bytes", lost, |connection, request| {
            let padded = [&[200][..], &block(OK)].concat();
            connection.send_frame(HEADERS, END_HEADERS | PADDED, request.stream, &padded)
        }),
        Case::each(
            "DATA with more padding than bytes",
            Expected::Failure(TRUNCATED),
            |connection, request| {
                connection.send_headers(request.stream, 0, OK)?;
                connection.send_frame(DATA, PADDED, request.stream, &[200, b'{', b'}'])
            },
        ),
        Case::each("DATA before HEADERS", lost, |connection, request| {
            connection.send_frame(DATA, END_STREAM, request.stream, b"{}")
        }),
        Case::each("an index beyond the table", lost, |connection, request| {
            connection.send_frame(HEADERS, END_HEADERS, request.stream, &[0xff, 0x99, 0x99, 0x01])
        }),
        Case::each("an index of 2^63", lost, |connection, request| {
            connection.send_frame(HEADERS, END_HEADERS, request.stream, &[&[255; 9][..], &[1]].concat())
        }),
        Case::each("a header of 2^63 bytes", lost, |connection, request| {
            connection.send_frame(
                HEADERS,
                END_HEADERS,
                request.stream,
                &[&[0][..], &[127], &[255; 8], &[1]].concat(),
            )
        }),
        Case::each("half a header", lost, |connection, request| {
            connection.send_frame(HEADERS, END_HEADERS, request.stream, &[0x88, 0, 9, b'x'])
        }),
        Case::each("a table of 2^32 bytes", lost, |connection, request| {
            let size = [0x3f, 0xe0, 0xff, 0xff, 0xff, 0x0f];
            connection.send_frame(HEADERS, END_HEADERS, request.stream, &[&size[..], &block(OK)].concat())
        }),
    ]);
    check_cases(&cases);
}

#[test]
fn http2_responses_that_are_invalid_are_never_counts() {
    let invalid = Expected::Failure("");
    check_cases(&[
        Case::headers("no status", invalid, &[("content-type", "application/json")]),
        Case::headers("two statuses", invalid, &[(":status", "200"), (":status", "200")]),
        Case::headers("the status abc", invalid, &[(":status", "abc")]),
        Case::headers("the status 99999", invalid, &[(":status", "99999")]),
        Case::headers("an empty status", invalid, &[(":status", "")]),
        Case::headers("a status after a header", invalid, &[("a", "b"), (":status", "200")]),
        Case::headers("an unknown pseudo-header", invalid, &[(":status", "200"), (":x", "y")]),
        Case::headers(
            "a pseudo-header of requests",
            Expected::Either,
            &[(":status", "200"), (":path", "/users/user-1")],
        ),
        Case::headers(
            "a name in upper case",
            invalid,
            &[(":status", "200"), ("Content-Type", "application/json")],
        ),
        Case::headers("an empty name", invalid, &[(":status", "200"), ("", "x")]),
        Case::headers("a name with a space", invalid, &[(":status", "200"), ("a b", "x")]),
        Case::headers("a value with a line end", invalid, &[(":status", "200"), ("a", "b\r\nc: d")]),
        Case::headers("a value with a null byte", invalid, &[(":status", "200"), ("a", "b\0c")]),
        Case::headers("the header connection", invalid, &[(":status", "200"), ("connection", "close")]),
        Case::headers(
            "the header transfer-encoding",
            invalid,
            &[(":status", "200"), ("transfer-encoding", "chunked")],
        ),
        Case::headers("a length that is too short", invalid, &[(":status", "200"), ("content-length", "3")]),
        Case::headers(
            "a length that is too long",
            invalid,
            &[(":status", "200"), ("content-length", "99999")],
        ),
        Case::headers("a negative length", invalid, &[(":status", "200"), ("content-length", "-5")]),
        Case::headers(
            "a length of 2^64",
            invalid,
            &[(":status", "200"), ("content-length", "18446744073709551616")],
        ),
        Case::headers("a status of 101", invalid, &[(":status", "101")]),
        Case::headers("a status of 204", Expected::Either, &[(":status", "204")]),
        Case::each("HEADERS that end the stream", invalid, |connection, request| {
            connection.send_headers(request.stream, END_STREAM, OK)
        }),
        Case::each("half a body", invalid, |connection, request| {
            let (_, body) = connection.response_to(request)?;
            connection.send_headers(request.stream, 0, OK)?;
            connection.send_data(request.stream, END_STREAM, &body[..body.len() / 2])
        }),
        Case::each("trailers with a status", Expected::Either, |connection, request| {
            let (_, body) = connection.response_to(request)?;
            connection.send_headers(request.stream, 0, OK)?;
            connection.send_data(request.stream, 0, &body)?;
            connection.send_headers(request.stream, END_STREAM, &[(":status", "500")])
        }),
        Case::each("trailers that do not end the stream", invalid, |connection, request| {
            let (_, body) = connection.response_to(request)?;
            connection.send_headers(request.stream, 0, OK)?;
            connection.send_data(request.stream, 0, &body)?;
            connection.send_headers(request.stream, 0, &[("a", "b")])
        }),
        Case::each("the response of a stream that does not exist", invalid, |connection, request| {
            let (_, body) = connection.response_to(request)?;
            connection.send_headers(request.stream + 2000, 0, OK)?;
            connection.send_data(request.stream + 2000, END_STREAM, &body)
        }),
    ]);
}

#[test]
fn silent_http2_servers_are_timeouts() {
    let timed_out = Expected::Failure(TIMED_OUT);
    let closed = Expected::Failure("connection lost: the connection was closed");
    // PING is not answered either.
    let dead = Expected::Failure("");
    check_cases(&[
        Case::new("no SETTINGS and nothing else", timed_out, Connection::hold),
        Case::opening("no response", timed_out, frame(SETTINGS, 0, 0, &[])),
        Case::opening("no concurrent streams", timed_out, frame(SETTINGS, 0, 0, &settings(&[(3, 0)]))),
        Case::each("HEADERS without an end", dead, |connection, request| {
            connection.send_frame(HEADERS, 0, request.stream, &block(OK))?;
            connection.ignore()
        }),
        Case::each("HEADERS and no body", timed_out, |connection, request| {
            connection.send_headers(request.stream, 0, OK)
        }),
        Case::each("a byte per second", dead, |connection, request| {
            connection.send_headers(request.stream, 0, OK)?;
            for byte in *b"{\"login\":\"user-1\"" {
                connection.send_data(request.stream, 0, &[byte])?;
                std::thread::sleep(Duration::from_secs(1));
            }
            Ok(())
        }),
        Case::new("half a frame", dead, |connection| {
            connection.send_settings(&[])?;
            connection.next_request()?;
            connection.send(&frame(HEADERS, END_HEADERS, FIRST, &block(OK))[..12])?;
            connection.ignore()
        }),
        // A body that fits into the initial window is sent before the client reads SETTINGS.
        Case::new("a window of zero for ever", Expected::Either, |connection| {
            connection.send_settings(&[(4, 0)])?;
            loop {
                let request = connection.next_request()?;
                connection.answer(&request)?;
            }
        })
        .api(&["graphql"]),
        Case::new("closed after the handshake", closed, |_| Ok(())),
        Case::each("closed after the request", closed, |_, _| Err(io::ErrorKind::ConnectionAborted.into())),
    ]);
}

#[test]
fn unusual_but_valid_http2_is_counted() {
    let counts = Expected::Counts;
    let answering = |values: &'static [(u16, u32)]| {
        move |connection: &mut Connection| -> io::Result<()> {
            connection.send_settings(values)?;
            loop {
                let request = connection.next_request()?;
                connection.answer(&request)?;
            }
        }
    };
    check_cases(&[
        Case::each("plain responses", counts, Connection::answer),
        Case::new("one stream at a time", counts, answering(&[(3, 1)])),
        Case::new("a window of zero for a request without a body", counts, answering(&[(4, 0)]))
            .api(&["rest"]),
        Case::new("no table of headers", counts, answering(&[(1, 0)])),
        Case::new("a table of 4 GB", counts, answering(&[(1, u32::MAX)])),
        Case::new("unknown settings", counts, answering(&[(0xbeef, 7), (0, 0)])),
        Case::each("unknown frames, PING and PRIORITY between the others", counts, |connection, request| {
            let noise = [
                frame(0xbe, 0xff, request.stream, b"unknown"),
                frame(PING, 0, 0, &[1; 8]),
                frame(PRIORITY, 0, 77, &[0, 0, 0, 1, 9]),
            ]
            .concat();
            let (status, body) = connection.response_to(request)?;
            connection.send(&noise)?;
            connection.send_headers(request.stream, 0, &[(":status", &status)])?;
            connection.send(&noise)?;
            connection.send_data(request.stream, 0, &body)?;
            connection.send(&noise)?;
            connection.send_data(request.stream, END_STREAM, &[])
        }),
        Case::each("padding, trailers, and 103 before the response", counts, |connection, request| {
            let (_, body) = connection.response_to(request)?;
            connection.send_headers(request.stream, 0, &[(":status", "103"), ("link", "</x>")])?;
            let padded = [&[9][..], &block(OK), &[0; 9]].concat();
            connection.send_frame(HEADERS, END_HEADERS | PADDED, request.stream, &padded)?;
            let padded = [&[9][..], &body, &[0; 9]].concat();
            connection.send_frame(DATA, PADDED, request.stream, &padded)?;
            connection.send_headers(request.stream, END_STREAM, &[("x-trailer", "y")])
        }),
        Case::each(
            "headers in many pieces, and a body in pieces of 16 bytes",
            counts,
            |connection, request| {
                let (_, body) = connection.response_to(request)?;
                connection.send_frame(HEADERS, 0, request.stream, &block(&[(":status", "200")]))?;
                connection.send_frame(
                    CONTINUATION,
                    0,
                    request.stream,
                    &block(&[("content-type", "application/json")]),
                )?;
                connection.send_frame(CONTINUATION, END_HEADERS, request.stream, &[])?;
                for piece in body.chunks(16) {
                    connection.send_data(request.stream, 0, piece)?;
                }
                connection.send_data(request.stream, END_STREAM, &[])
            },
        ),
        Case::each("RST_STREAM after the response", counts, |connection, request| {
            connection.answer(request)?;
            connection.send_frame(RST_STREAM, 0, request.stream, &NO_ERROR.to_be_bytes())
        }),
    ]);
}

/// Runs `logins` against a server, and asserts that all are counted with one request each.
fn assert_all_counted(tls: &Tls, script: Script, logins: usize, arguments: &[&str]) -> Http2Server {
    let server = Http2Server::start(tls, script);
    let input = file(&users(logins));
    for api in BOTH {
        let earlier = server.fake.requests();
        let run = program(tls, &server, api, &[&["-f", path(&input)][..], arguments].concat()).run();
        assert_eq!(run.status, 0, "{api}: {} {}", run.stdout, run.stderr);
        assert_eq!(wrong_rows(&run, logins), [""; 0], "{api}");
        let requests = if *api == "graphql" { logins.div_ceil(2) } else { logins };
        assert_eq!(server.fake.requests() - earlier, requests as u64, "{api}: none is answered twice");
    }
    server
}

/// Responds to some requests of each connection, then closes it as nginx does after `keepalive_requests`: the responses that
/// have begun are completed, and later requests are ignored.
fn closing_after(requests: u32) -> Script {
    Arc::new(move |connection| {
        connection.send_settings(&[])?;
        for number in 1..=requests {
            let request = connection.next_request()?;
            if number == requests {
                connection.send_frame(GOAWAY, 0, 0, &goaway(request.stream, NO_ERROR, &[]))?;
            }
            connection.answer(&request)?;
        }
        connection.hold()
    })
}

#[test]
fn a_graceful_goaway_loses_no_row() {
    if !installed(&["openssl"]) {
        return;
    }
    let tls = Tls::new();
    // With more requests in flight than a connection takes, most would be refused again and again.
    for (requests, jobs) in [(1, "--jobs=2"), (3, "--jobs=4"), (20, "--jobs=10")] {
        let server = assert_all_counted(&tls, closing_after(requests), 60, &["--timeout=20s", jobs]);
        assert!(server.connections() >= 90 / requests, "{} connections", server.connections());
    }
    // A request that was not processed is no failed attempt.
    assert_all_counted(&tls, closing_after(20), 60, &["--timeout=20s", "--retries=0"]);
}

#[test]
fn a_refused_stream_is_sent_again() {
    if !installed(&["openssl"]) {
        return;
    }
    // Each second request is refused.
    let refusing: Script = Arc::new(|connection| {
        connection.send_settings(&[])?;
        loop {
            let refused = connection.next_request()?;
            connection.send_frame(RST_STREAM, 0, refused.stream, &REFUSED_STREAM.to_be_bytes())?;
            let request = connection.next_request()?;
            connection.answer(&request)?;
        }
    });
    let tls = Tls::new();
    assert_all_counted(&tls, Arc::clone(&refusing), 1, &["--retries=0"]);
    assert_all_counted(&tls, refusing, 60, &[]);
}

#[test]
fn a_dead_connection_is_replaced() {
    if !installed(&["openssl"]) {
        return;
    }
    // A router forgets the first connection with three responses: nothing arrives, and nothing closes it.
    let is_forgotten = AtomicBool::new(false);
    let forgetting: Script = Arc::new(move |connection| {
        connection.send_settings(&[])?;
        let mut answered = 0;
        loop {
            let request = connection.next_request()?;
            if answered == 3 && !is_forgotten.swap(true, Ordering::Relaxed) {
                return connection.ignore();
            }
            connection.answer(&request)?;
            answered += 1;
        }
    });
    let tls = Tls::new();
    let server = Http2Server::start(&tls, forgetting);
    let input = file(&users(60));
    let run = program(&tls, &server, "rest", &["-f", path(&input), "--timeout=3s"]).run();
    assert_eq!(run.status, 0, "{} {}", run.stdout, run.stderr);
    assert_eq!(wrong_rows(&run, 60), [""; 0]);
}
