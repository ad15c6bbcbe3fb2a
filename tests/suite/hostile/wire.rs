//! Endless HTTP, wrong lengths, and bytes that are not HTTP.

use std::time::Duration;

use super::{Case, check_cases, check_slow_cases, good, with_both_apis};
use crate::fake::hostile::{BLANK, chunk};
use crate::fake::{Behavior, Raw};

const TEN_GIGABYTES: u64 = 10 << 30;
const TIMED_OUT: &str = "timed out after 1.5s";
const TOO_LONG: &str = "response too large: more than 16777216 bytes";
const BREAK: Duration = Duration::from_millis(5);
const CHUNKED: &str = "transfer-encoding: chunked\r\n";

fn blank(times: u64) -> u64 {
    times / BLANK.len() as u64
}

#[test]
fn an_endless_body_is_rejected_at_sixteen_megabytes() {
    let pieces = blank(TEN_GIGABYTES);
    let long = Raw::response(&format!("content-length: {TEN_GIGABYTES}\r\n"), "").times(pieces, BLANK);
    let chunked = Raw::response(CHUNKED, "").times(pieces, chunk(&BLANK)).end("0\r\n\r\n");
    let unmeasured = Raw::response("connection: close\r\n", "").times(pieces, BLANK);
    let bytewise = Raw::response(CHUNKED, "").endlessly(chunk(b" ").repeat(4096));
    let mut cases = Vec::new();
    cases.extend(with_both_apis("a body of 10 GB", TOO_LONG, &long));
    cases.extend(with_both_apis("10 GB in chunks", TOO_LONG, &chunked));
    cases.extend(with_both_apis("10 GB until the connection ends", TOO_LONG, &unmeasured));
    for (status, expected) in [(500, "HTTP 500"), (404, "response too large"), (403, "response too large")] {
        let head = format!("HTTP/1.1 {status} Status\r\n{CHUNKED}\r\n");
        let raw = Raw::new(head).endlessly(chunk(&BLANK));
        cases.push(Case::raw(&format!("a {status} with a body without an end"), "rest", expected, raw));
    }
    check_slow_cases(cases);
    // A debug build is too slow to reach the limit.
    check_cases(with_both_apis("chunks of a byte, for ever", "", &bytewise).into());
}

#[test]
fn ten_concurrent_endless_bodies_are_rejected() {
    let fake = crate::fake::Fake::with_faults(|_| {
        let endless = Raw::response(CHUNKED, "").endlessly(chunk(&BLANK));
        Some(crate::fake::Fault::Raw(endless))
    });
    let input = crate::program::file(&crate::program::users(30));
    let program = crate::program::Program::for_fake(
        &fake,
        &["-f", crate::program::path(&input), "-Fndjson", "--retries=0", "--timeout=30s"],
    );
    let measured = super::measured(program);
    assert!(measured.run.rows_of(30).iter().all(|row| row["error"] == TOO_LONG), "{}", measured.run.stdout);
    // Each of the ten requests in flight may hold a body.
    let megabytes = measured.memory >> 20;
    assert!(megabytes < 300, "{megabytes} MB");
    println!(
        "| 10 GB to each of ten in flight | rest | {TOO_LONG} | 1 | {:.1} | {megabytes} |",
        measured.took.as_secs_f64()
    );
}

#[test]
fn an_endless_head_is_rejected() {
    let header = |value: &str| Raw::new(format!("HTTP/1.1 200 OK\r\nx-long: {value}"));
    let many: String = (0..100_000).map(|at| format!("x-{at}: y\r\n")).collect();
    let broke = "connection lost";
    check_cases(
        [
            with_both_apis("a header of 1 MB", broke, &header(&"x".repeat(1 << 20)).end("\r\n\r\n{}")),
            with_both_apis("a header without an end", broke, &header("").endlessly("x".repeat(1 << 16))),
            with_both_apis("a hundred thousand headers", broke, &Raw::response(&many, "{}")),
            with_both_apis(
                "headers without an end",
                broke,
                &Raw::new("HTTP/1.1 200 OK\r\n").endlessly("a: b\r\n".repeat(1000)),
            ),
            with_both_apis(
                "a status line without an end",
                broke,
                &Raw::new("HTTP/1.1 200 ").endlessly("O".repeat(1 << 16)),
            ),
            with_both_apis("line ends for ever", broke, &Raw::new("").endlessly("\r\n".repeat(1 << 15))),
            with_both_apis(
                "a byte a second in the head",
                TIMED_OUT,
                &Raw::new("HTTP/1.1 200 OK\r\n").dripping(b'x'),
            ),
            with_both_apis("a byte a second in the status line", TIMED_OUT, &Raw::new("").dripping(b'H')),
            with_both_apis(
                "a byte a second in the body",
                TIMED_OUT,
                &Raw::response("content-length: 9000\r\n", "").dripping(b' '),
            ),
            with_both_apis(
                "a byte a second in a chunk's size",
                TIMED_OUT,
                &Raw::response(CHUNKED, "").dripping(b'0'),
            ),
        ]
        .into_iter()
        .flatten()
        .collect(),
    );
}

#[test]
fn invalid_responses_are_failures_and_never_counts() {
    // With pauses, because a debug build is slow with bytes that arrive as fast as it can read.
    let again = |status: &str| {
        let answers = format!("HTTP/1.1 {status}\r\nlink: </x>\r\n\r\n").repeat(100);
        Raw::new("").endlessly(answers).every(BREAK)
    };
    let bare = |status: &str| Raw::new(format!("HTTP/1.1 {status}\r\n\r\n")).stays();
    let broke = "connection lost";
    let mut cases: Vec<_> = [
        with_both_apis("100 Continue for ever", TIMED_OUT, &again("100 Continue")),
        with_both_apis("103 Early Hints for ever", TIMED_OUT, &again("103 Early Hints")),
        with_both_apis("101 Switching Protocols", "HTTP 101", &bare("101 Switching Protocols")),
        with_both_apis("204 No Content", "", &bare("204 No Content")),
        with_both_apis("304 Not Modified", "HTTP 304", &bare("304 Not Modified")),
        with_both_apis("HTTP/0.9", broke, &Raw::new("<html>hello</html>")),
        with_both_apis("HTTP/3.0 in words", broke, &Raw::new("HTTP/3.0 200 OK\r\n\r\n{}")),
        with_both_apis("the status 999999", broke, &Raw::new("HTTP/1.1 999999 Huh\r\n\r\n{}")),
        with_both_apis("TLS on a plain port", broke, &Raw::new([0x15, 3, 3, 0, 2, 2, 40])),
        with_both_apis(
            "noise",
            broke,
            &Raw::new("").endlessly((0..=255).cycle().take(1 << 16).collect::<Vec<u8>>()),
        ),
        with_both_apis("an end after the first byte", broke, &Raw::new("H")),
        with_both_apis(
            "an end after the head",
            "response truncated",
            &Raw::response("content-length: 9\r\n", ""),
        ),
    ]
    .into_iter()
    .flatten()
    .collect();
    for api in ["rest", "graphql"] {
        let body = good(api, "\"user-1\"", "5");
        let early = Raw::response(&format!("content-length: {}\r\n", body.len()), &body);
        let mut case = Case::with("an answer before the request was read", api, "", |_| None);
        case.behavior = Behavior { greeting: Some(early), ..case.behavior };
        cases.push(case.either(&[0, 1]));
    }
    check_cases(cases);
}

#[test]
fn wrong_lengths_are_failures_and_never_counts() {
    let mut cases = Vec::new();
    for api in ["rest", "graphql"] {
        let body = good(api, "\"user-1\"", "5");
        let length = body.len();
        let answer = |headers: String| Raw::response(&headers, &body);
        let sized = |size: &str| Raw::response(CHUNKED, size);
        let (broke, truncated) = ("connection lost", "response truncated");
        cases.extend([
            Case::raw(
                "a length that is too short",
                api,
                "unexpected response: not JSON",
                answer(format!("content-length: {}\r\n", length - 2)),
            ),
            Case::raw(
                "a length that is too long, and an end",
                api,
                truncated,
                answer(format!("content-length: {}\r\n", length + 9)),
            ),
            Case::raw(
                "a length that is too long, and no end",
                api,
                TIMED_OUT,
                answer(format!("content-length: {}\r\n", length + 9)).stays(),
            ),
            Case::raw(
                "a length of 2^64",
                api,
                broke,
                answer("content-length: 18446744073709551616\r\n".into()),
            ),
            Case::raw(
                "a length of 2^63",
                api,
                truncated,
                answer("content-length: 9223372036854775808\r\n".into()),
            ),
            Case::raw("a negative length", api, broke, answer("content-length: -5\r\n".into())),
            Case::raw(
                "two lengths",
                api,
                broke,
                answer(format!("content-length: {length}\r\ncontent-length: 7\r\n")),
            ),
            Case::raw(
                "a length and chunks",
                api,
                truncated,
                answer(format!("content-length: {length}\r\n{CHUNKED}")),
            ),
            Case::raw("a chunk of 2^64 bytes", api, truncated, sized("10000000000000000\r\n{}")),
            Case::raw("a chunk of 2^64-1 bytes", api, truncated, sized("ffffffffffffffff\r\n{}")),
            Case::raw("a chunk of -1 bytes", api, truncated, sized("-1\r\n{}")),
            Case::raw(
                "a chunk's size without an end",
                api,
                TIMED_OUT,
                sized("").endlessly("0".repeat(4096)).every(BREAK),
            ),
            Case::raw(
                "a chunk's extension without an end",
                api,
                truncated,
                sized("5;x=").endlessly("x".repeat(1 << 16)),
            ),
            Case::raw(
                "trailers without an end",
                api,
                truncated,
                sized("0\r\n").endlessly("a: b\r\n".repeat(1000)),
            ),
        ]);
    }
    check_cases(cases);
}
