//! The promises, with input that is nearly right.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const JSON: &[&str] = &[
    "null",
    "[",
    "{",
    "}",
    "\"",
    ",",
    ":",
    "-1",
    "1e3",
    "18446744073709551616",
    "\\u000a",
    "\\ud800",
    "\"a0\":",
    "é",
];

/// Bytes, readable where a promise is broken.
#[derive(Clone)]
struct Bytes(Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// Text that is right, with a few edits: cut, changed, with something put in or taken out.
fn nearly(right: &'static [&'static str], tokens: &'static [&'static str]) -> impl Strategy<Value = Bytes> {
    let edit = (0..4_u8, any::<Index>(), any::<u8>(), select(tokens));
    (select(right), vec(edit, 0..4)).prop_map(|(text, edits)| {
        let mut bytes = text.as_bytes().to_vec();
        for (kind, at, byte, token) in edits {
            let at = at.index(bytes.len() + 1);
            match kind {
                0 => bytes.truncate(at),
                1 => drop(bytes.splice(at..at, token.bytes())),
                2 => drop(bytes.drain(at..bytes.len().min(at + usize::from(byte % 16)))),
                _ => bytes.iter_mut().skip(at).take(1).for_each(|old| *old = byte),
            }
        }
        Bytes(bytes)
    })
}

fn text(right: &'static [&'static str], tokens: &'static [&'static str]) -> impl Strategy<Value = String> {
    nearly(right, tokens).prop_map(|Bytes(bytes)| String::from_utf8_lossy(&bytes).into_owned())
}

fn bytes(most: usize) -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..most).prop_map(Bytes)
}

fn behind(first: usize, then: impl Strategy<Value = Bytes>) -> impl Strategy<Value = Bytes> {
    (bytes(first), then).prop_map(|(Bytes(first), Bytes(then))| Bytes([first, then].concat()))
}

const LOGINS: &[&str] = &[
    "torvalds",
    "@octo-cat",
    "dependabot[bot]",
    "mona_acme",
    "https://github.com/torvalds?tab=repositories",
    "http://www.github.com/orgs/rust-lang/",
    "github.com/apps/dependabot#top",
    "https://gitlab.com/torvalds",
    "torvalds/linux.git",
    "git@github.com:torvalds/linux.git",
    "1024025+torvalds@users.noreply.github.com",
    "[Linus](https://github.com/torvalds)",
    "torvalds, antirez; @gvanrossum",
    "@torvalds @antirez",
    "5-Mar",
    "#NAME?",
    "n/a",
];
const IN_LOGINS: &[&str] = &[
    "/", "..", "%2f", "?", "#", "_", "-", "[bot]", "@", ":", ",", "; ", "(", "\"", "\n", "\u{1b}",
    "\u{202e}", "é", " ",
];

const LISTS: &[&str] = &[
    "torvalds\nTorvalds # twice\r\n\n# nobody\nantirez#1\nhttps://github.com/antirez\n",
    "login,team\ntorvalds,a\nTORVALDS,\"b\"\"c\"\n,nobody\n\"x\ny\",\nantirez\n",
    "Team;Login\r\nkernel;torvalds\r\n\"a;b\";antirez\r\n",
    "user\ttéam\ntorvalds\t\"\"\n",
    "github\rtorvalds\rantirez\r",
];
const IN_LISTS: &[&str] =
    &["\"", "\n", "\r", ",", ";", "\t", "#", " #", "\u{feff}", "sep=;\n", "torvalds", "\n\"", "é", "\0"];

const ACCOUNTS: &[&str] = &[
    r#"{"login":"torvalds","id":1024025,"type":"User","public_repos":9,"name":"Linus"}"#,
    r#"{"public_repos":18446744073709551615,"login":"\u0054orvalds","id":1,"type":null}"#,
    r#"["torvalds",1,"User",9]"#,
    r#"{"message":"Not Found","status":"404"}"#,
];

const ANSWERS: &[&str] = &[
    r#"{"data":{"rateLimit":{"cost":1},"a0":{"__typename":"User","login":"torvalds","databaseId":1,"public":{"totalCount":9},"forks":{"totalCount":2},"archived":{"totalCount":1},"private":{"totalCount":4}},"a1":null}}"#,
    r#"{"data":{"a1":{"login":"octo-cat","public":{"totalCount":3}},"a00":{"login":"torvalds","public":{"totalCount":3}}},"errors":[{"type":"NOT_FOUND","path":["a0"],"message":"no"}]}"#,
    r#"{"data":null,"errors":[{"type":"FORBIDDEN","message":"SAML\n","extensions":{"saml_failure":true,"sso":"https://github.com/orgs/a"}}]}"#,
    r#"{"errors":[{"type":"RATE_LIMITED"}]}"#,
    r#"[{"a0":{"login":"torvalds","public":{"totalCount":3}}},null]"#,
];

const EXCHANGES: &[&str] = &[
    r#"{"request":"GET /users/torvalds","status":200,"headers":{"date":"now","link":""},"body":{"login":"torvalds","public_repos":9}}"#,
    r#"{"request":"GET /users/torvalds","status":200,"headers":{},"a\nb":1}"#,
    r#"{"request":"GET /users/torvalds","status":502,"headers":{},"text":"<html>"}"#,
    r#"{"request":"POST /graphql","query":"","variables":{"l0":"torvalds","l1":"x"},"status":200,"headers":{},"body":{"data":{"a0":{"login":"torvalds","public":{"totalCount":3}},"a1":null},"errors":[{"path":["a1"],"message":"a\nb"}]}}"#,
];

const REPORTS: &[&str] = &[
    "\0login,status,public_repos,team,was,change,error,attempts\ntorvalds,ok,9,a,8,1,,1\nx,not_found,,'=b,,unknown,no such login,2\n",
    "\u{1}login\tstatus\tpublic_repos\ntorvalds\tok\t9\n",
    "\u{2}{\"rows\":[{\"login\":\"torvalds\",\"status\":\"ok\",\"public_repos\":9,\"carried\":{\"team\":\"=1\"},\"was\":8,\"change\":1}],\"meta\":null}",
    "\u{3}{\"login\":\"torvalds\",\"status\":\"ok\",\"public_repos\":9,\"carried\":{\"a\":\" =1\"}}\n{\"login\":\"x\",\"status\":\"skipped\"}\n",
];
const IN_REPORTS: &[&str] =
    &["\n", "\r\n", "\"", ",", "'", "=", "\u{1b}", "\\u001b", " ", "torvalds", "9", "{", "}", "\t", "é"];

const RULES: &[&str] = &[
    "new>0",
    "change>50%,removed>=1",
    "public_repos>=1000 , failed = 2.5 %",
    "unknown>18446744073709551615",
];
const IN_RULES: &[&str] = &[">", "=", "%", ",", " ", "\n", "\u{85}", "\u{2028}", "9", ".", "-", "é", "nan"];

const DURATIONS: &[&str] =
    &["15s", "500ms", "1m 30s", "7", "1.5h", "7d", "PT1H2M", "24h", "0.0000001s", "1y", "4294967295"];
const IN_DURATIONS: &[&str] = &["-", "+", " ", "ms", "h", "d", "ago", "9999999999", ".", ",", ":", "\n"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn a_login_leads_to_its_account(text in text(LOGINS, IN_LOGINS)) {
        super::login(&text);
    }

    #[test]
    fn an_account_has_the_count_that_stands_there(body in nearly(ACCOUNTS, JSON)) {
        super::account(&body.0);
    }

    #[test]
    fn a_query_has_an_outcome_for_each_login(body in behind(2, nearly(ANSWERS, JSON))) {
        super::query(&body.0);
    }

    #[test]
    fn a_refusal_is_a_line(answer in behind(64, nearly(ACCOUNTS, JSON))) {
        super::response_error(&answer.0);
    }

    #[test]
    fn rules_are_told_as_they_are_read(text in text(RULES, IN_RULES)) {
        super::fail_on(&text);
    }

    #[test]
    fn a_duration_can_be_waited_for(text in text(DURATIONS, IN_DURATIONS)) {
        super::duration(&text);
    }
}

// These take files, or long texts.
proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn an_input_has_every_login_once(kind in any::<u8>(), list in nearly(LISTS, IN_LISTS)) {
        super::input(&[&[kind], &list.0[..]].concat());
    }

    #[test]
    fn a_list_is_read_as_the_same_logins_in_every_format(bytes in bytes(400)) {
        super::written_input(&bytes.0);
    }

    #[test]
    fn an_exchange_is_an_answer_or_named(file in nearly(EXCHANGES, JSON)) {
        super::cassette(&file.0);
    }

    #[test]
    fn an_earlier_report_is_read_as_it_was_written(file in nearly(REPORTS, IN_REPORTS)) {
        super::saved_report(&file.0);
    }

    #[test]
    fn harmless_text_stays_as_it_is(text in vec(any::<char>(), 0..20), times in prop_oneof![Just(1_usize), 1..1000_usize]) {
        super::text(&text.into_iter().collect::<String>().repeat(times));
    }
}

// A case of these writes a report in every format. CI has as many of them as of the others.
proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("GHREPOS_THOROUGH_TESTS").is_some() { 192 } else { 64 }))]

    #[test]
    fn every_format_says_what_the_rows_do(bytes in bytes(400)) {
        super::report(&bytes.0);
    }
}

// A journal waits for the disk.
proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_damaged_journal_loses_no_whole_row(bytes in bytes(200)) {
        super::journal(&bytes.0);
    }
}
