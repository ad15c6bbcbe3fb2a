//! Compressed, nested and huge bodies, invalid counts, and hostile messages.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::{Case, check_cases, check_slow_cases, good, with_both_apis};
use crate::fake::{Fault, Raw};
use crate::program::size_in_ci;

const NOT_JSON: &str = "unexpected response: not JSON";
const TOO_LONG: &str = "response too large: more than 16777216 bytes";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn encoded(encoding: &str, body: impl AsRef<[u8]>) -> Raw {
    Raw::response(
        &format!("content-encoding: {encoding}\r\ncontent-length: {}\r\n", body.as_ref().len()),
        body,
    )
}

#[test]
fn a_gzip_bomb_is_rejected_at_sixteen_megabytes() {
    let bomb = gzip(&vec![b' '; size_in_ci(32, 17) << 20]);
    assert!(bomb.len() < 64 << 10, "{}", bomb.len());
    let endless = Raw::response("content-encoding: gzip\r\nconnection: close\r\n", "").endlessly(&bomb);
    let mut cases = Vec::new();
    cases.extend(with_both_apis("a few KB of gzip that are 17 or 32 MB", TOO_LONG, &encoded("gzip", &bomb)));
    cases.extend(with_both_apis("gzip that expands for ever", TOO_LONG, &endless));
    check_slow_cases(cases);
}

#[test]
fn broken_or_unknown_encodings_are_failures() {
    let mut cases = Vec::new();
    for api in ["rest", "graphql"] {
        let body = good(api, "\"user-1\"", "5");
        let whole = gzip(body.as_bytes());
        let half = &whole[..whole.len() / 2];
        let mut flipped = whole.clone();
        let at = flipped.len() - 6;
        flipped[at] ^= 0xff;
        let truncated = "response truncated";
        let case = |name: &str, expected, raw| Case::raw(name, api, expected, raw);
        cases.extend([
            case("gzip that breaks off", truncated, encoded("gzip", half)),
            case("gzip with a wrong sum", truncated, encoded("gzip", &flipped)),
            case("data that is not gzip", truncated, encoded("gzip", &body)),
            case("gzip in gzip", NOT_JSON, encoded("gzip, gzip", gzip(&whole))),
            case(
                "gzip in gzip, in two headers",
                NOT_JSON,
                encoded("gzip\r\ncontent-encoding: gzip", gzip(&whole)),
            ),
            case(
                "an encoding that was not requested",
                NOT_JSON,
                encoded("br", [0x8b, 0x02, 0x80, 0x7b, 0x7d, 0x03]),
            ),
            case("an unknown encoding", NOT_JSON, encoded("rot13", &whole)),
        ]);
    }
    check_cases(cases);
}

/// A body of `before`, a repeated piece, and `after`.
fn flood(before: &str, piece: &str, times: usize, after: &str) -> Fault {
    Fault::Response(200, vec![], [before, &piece.repeat(times), after].concat())
}

#[test]
fn nested_or_huge_json_uses_no_more_memory_than_its_size() {
    let million = 1_000_000;
    // Depth is not a matter of memory.
    let depth = size_in_ci(million, 100_000);
    let not_an_answer = "unexpected response: not a GraphQL response";
    let nested = |open: &str, close: &str| {
        Fault::Response(200, vec![], format!("{{\"x\":{}{}}}", open.repeat(depth), close.repeat(depth)))
    };
    let error = r#"{"message":"x"},"#;
    check_slow_cases(vec![
        Case::new("lists nested very deep", "rest", "unexpected response: ", nested("[", "]")),
        Case::new("lists nested very deep", "graphql", "unexpected response: ", nested("[", "]")),
        Case::new("objects nested very deep", "rest", "unexpected response: ", nested("{\"x\":", "")),
        Case::new(
            "errors nested very deep",
            "graphql",
            "unexpected response: ",
            flood("{\"errors\":[", "[", depth, ""),
        ),
        Case::new(
            "very many errors",
            "graphql",
            not_an_answer,
            flood("{\"errors\":[", error, size_in_ci(million - 1, million / 2), "{}]}"),
        ),
        Case::new(
            "a million invalid errors",
            "graphql",
            not_an_answer,
            flood("{\"errors\":[", "1,", million * 2, "1]}"),
        ),
        Case::new(
            "an error with a path of two million steps",
            "graphql",
            "incomplete response",
            flood("{\"data\":{\"a0\":null},\"errors\":[{\"path\":[", "1,", million * 2, "1]}]}"),
        ),
        Case::new(
            "an error with a million extensions",
            "graphql",
            "incomplete response",
            flood(
                "{\"data\":{\"a0\":null},\"errors\":[{\"extensions\":{",
                "\"\":{},",
                million,
                "\"x\":1}}]}",
            ),
        ),
        Case::new(
            "a price of two million numbers",
            "graphql",
            "incomplete response: this login is missing",
            flood("{\"data\":{\"rateLimit\":[", "1,", million * 2, "1]}}"),
        ),
        Case::new(
            "a million aliases that were not requested",
            "graphql",
            "incomplete response: this login is missing",
            flood("{\"data\":{", "\"a9999\":{},", million, "\"b\":1}}"),
        ),
        Case::new(
            "the same alias a million times",
            "graphql",
            "incomplete response",
            flood("{\"data\":{", "\"a1\":null,", million, "\"b\":1}}"),
        ),
        Case::new(
            "two million numbers and an escape",
            "rest",
            "unexpected response: missing account fields",
            flood("{\"x\":\"\\u0041\",\"y\":[", "1,", million * 2 - 100, "1]}"),
        ),
        Case::new(
            "two million numbers and an escape",
            "graphql",
            not_an_answer,
            flood("{\"x\":\"\\u0041\",\"y\":[", "1,", million * 2 - 100, "1]}"),
        ),
        Case::new(
            "a string of very many escapes",
            "rest",
            "unexpected response: missing account fields",
            flood("{\"x\":\"", "\\u0041\\n", size_in_ci(million, million / 4), "\"}"),
        ),
    ]);
}

#[test]
fn recording_huge_json_uses_little_more_memory() {
    let folder = tempfile::tempdir().unwrap();
    let numbers = |times: usize| flood("{\"x\":\"\\u0041\",\"y\":[", "1,", times - 100, "1]}");
    let mut cases = Vec::new();
    for (api, numbers) in
        [("rest", numbers(8_000_000)), ("graphql", numbers(size_in_ci(8_000_000, 1_000_000)))]
    {
        let recording = folder.path().join(api).display().to_string();
        let expected = if api == "rest" { "missing account fields" } else { "not a GraphQL response" };
        let case = Case::new("millions of numbers, recorded", api, expected, numbers);
        cases.push(case.arguments(&["user-1", "--retries", "0", "--record", &recording]).memory(160 << 20));
    }
    check_slow_cases(cases);
}

#[test]
fn an_invalid_count_is_a_failure_and_never_a_number() {
    let mut cases = Vec::new();
    for api in ["rest", "graphql"] {
        let counts = [
            ("a number of a million digits", "7".repeat(1_000_000)),
            ("a negative number", "-1".into()),
            ("minus zero", "-0.0".into()),
            ("1e30", "1e30".into()),
            ("5.5", "5.5".into()),
            ("2^64", "18446744073709551616".into()),
            ("a string", "\"5\"".into()),
            ("a list", "[5]".into()),
            ("nothing", "null".into()),
            ("true", "true".into()),
        ];
        for (name, count) in counts {
            let answer = Fault::Response(200, vec![], good(api, "\"user-1\"", &count));
            cases.push(Case::new(&format!("{name} for a count"), api, "unexpected response: ", answer));
        }
        let logins = [
            ("a login of a megabyte", format!("\"{}\"", "x".repeat(1 << 20))),
            ("a login with escapes", "\"\\u001b[2Juser-1\"".into()),
            ("a login that is a number", "1".into()),
        ];
        for (name, login) in logins {
            let answer = Fault::Response(200, vec![], good(api, &login, "5"));
            cases.push(Case::new(name, api, "unexpected response: ", answer));
        }
    }
    check_cases(cases);
}

#[test]
fn terminal_escapes_in_messages_are_removed_and_cut() {
    let words = "\\u001b[2J\\u001b]0;owned\\u0007\\r\\u009b31m\\u202e\\n";
    let long = words.repeat((size_in_ci(10, 1) << 20) / words.len());
    let longest = words.repeat((10 << 20) / words.len());
    let raw: String = "\u{9b}31m\u{202e}\u{7f}".repeat(size_in_ci(1_000_000, 100_000));
    let message = |status, message: &str| {
        Fault::Response(
            status,
            vec![],
            format!("{{\"message\":\"{message}\",\"documentation_url\":\"https://docs.github.com\"}}"),
        )
    };
    let mut cases = Vec::new();
    for api in ["rest", "graphql"] {
        for (status, expected, exit) in [
            (403, "access forbidden: \\u{1b}[2J", 1),
            (500, "HTTP 500: \\u{1b}[2J", 1),
            (401, "\\u{1b}[2J", 4),
        ] {
            let name = format!("a {status} with a long message of escapes");
            cases.push(Case::new(&name, api, expected, message(status, &long)).status(exit));
        }
        cases.push(Case::new(
            "a message of bare C1 controls",
            api,
            "HTTP 500: \\u{9b}31m",
            message(500, &raw),
        ));
        let sso = Fault::Response(
            403,
            vec![("x-github-sso", format!("required; url={}", "x".repeat(200_000)))],
            "{}".into(),
        );
        cases.push(Case::new("an address of 200 KB for single sign-on", api, "xxx…", sso));
    }
    // The largest one: a debug build takes seconds to escape it.
    let error =
        format!("{{\"data\":{{\"a0\":null}},\"errors\":[{{\"path\":[\"a0\"],\"message\":\"{longest}\"}}]}}");
    cases.push(Case::new(
        "an error with a message of 10 MB of escapes",
        "graphql",
        "incomplete response: ",
        Fault::Response(200, vec![], error),
    ));
    check_slow_cases(cases);
}
