//! Responses of GitHub, and of proxies and other servers in its place.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use super::bytes::ByteReader;
use super::{is_a_line, json};
use crate::github::account::Account;
use crate::github::error::{LookupError, error_for_status};
use crate::github::{graphql, rest};
use crate::login::Login;
use crate::rate_limit::Deadline;
use crate::report::{Breakdown, CountSelection};

/// Logins of the queries.
const LOGINS: [&str; 4] = ["torvalds", "Octo-Cat", "mona_acme", "x"];

const HEADERS: [&str; 7] = [
    "retry-after",
    "date",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-ratelimit-resource",
    "x-github-sso",
];

fn login(login: &str) -> Login {
    Login::parse(login).unwrap()
}

/// Asserts that an error is one line, and that its wait can be represented.
fn assert_error_is_printable(error: &LookupError) {
    let message = error.to_string();
    assert!(is_a_line(&message), "{message:?}");
    if let LookupError::RateLimited { retry_after: Some(wait), .. }
    | LookupError::Status { retry_after: Some(wait), .. } = error
    {
        let deadline = Deadline::after(*wait);
        assert!(deadline.remaining() <= Duration::from_secs(1).max(*wait));
        let _ = (deadline.timestamp(), crate::text::format_duration(*wait));
    }
}

/// The body of a REST response is the requested account, with the count of the body, or an error.
pub fn account(body: &[u8]) {
    let text = String::from_utf8_lossy(body);
    let claimed = json::object(&text).and_then(|body| json::text(&body, "login"));
    let claimed = claimed.and_then(|login| Login::parse(&login).ok());
    for asked in claimed.into_iter().chain([login("torvalds")]) {
        match rest::parse_account(body, Some(&asked)) {
            Ok(account) => {
                let body = json::object(&text).expect("an account is an object");
                assert_same_account(&account, &asked, json::text(&body, "login").as_deref());
                assert_eq!(Some(account.public_repos), json::count(&body, "public_repos"), "{text}");
                assert_eq!(account.id, json::count(&body, "id"), "{text}");
            }
            Err(error) => assert_error_is_printable(&error),
        }
    }
}

fn assert_same_account(account: &Account, asked: &Login, answered: Option<&str>) {
    assert_eq!(Some(account.login.as_str()), answered);
    assert!(account.login.as_str().eq_ignore_ascii_case(asked.as_str()), "{} is not {asked}", account.login);
}

/// A query has one outcome per login: the requested account, with the counts under its alias, or an error. The first byte selects
/// the number of logins and the counts.
pub fn query(bytes: &[u8]) {
    let Some((first, body)) = bytes.split_first() else { return };
    let logins: Vec<_> = LOGINS.iter().take(usize::from(first % 5)).map(|name| login(name)).collect();
    let measures =
        CountSelection { breakdown: first & 64 != 0, private: first & 128 != 0, last_push: first & 32 != 0 };
    let answer = match graphql::parse_response(&HeaderMap::new(), body, &logins, measures) {
        Ok(answer) => answer,
        Err(error) => return assert_error_is_printable(&error),
    };
    assert_eq!(answer.results.len(), logins.len());
    let text = String::from_utf8_lossy(body);
    for (at, (outcome, asked)) in answer.results.iter().zip(&logins).enumerate() {
        let account = match outcome {
            Ok(account) => account,
            Err(error) => {
                assert_error_is_printable(error);
                continue;
            }
        };
        let data = json::object(&text).expect("the body is an object");
        let data = json::object(data["data"].get()).expect("data is an object");
        let owner = json::object(data[&format!("a{at}")].get()).expect("an owner is an object");
        assert_same_account(account, asked, json::text(&owner, "login").as_deref());
        let count = |name: &str| json::count(&json::object(owner.get(name)?.get())?, "totalCount");
        assert_eq!(Some(account.public_repos), count("public"), "{text}");
        assert_eq!(
            [account.private_repos, account.internal_repos],
            [None; 2],
            "the response has no scopes: {text}"
        );
        let breakdown = || {
            let (forks, archived) = (count("forks")?, count("archived")?);
            Some(Breakdown { sources: account.public_repos.saturating_sub(forks), forks, archived })
        };
        assert!(measures.last_push || account.last_push.is_none(), "{text}");
        assert_eq!(account.breakdown, breakdown().filter(|_| measures.breakdown), "{text}");
    }
}

/// A success is a JSON object or a list, or empty. Every other response is an error of one line, a missing account only if the body
/// is an object, and has a wait that can be represented.
pub fn response_error(bytes: &[u8]) {
    let mut input = ByteReader::new(bytes);
    let status = StatusCode::from_u16(100 + u16::try_from(input.below(900)).unwrap()).unwrap();
    let mut headers = HeaderMap::new();
    for _ in 0..input.byte() % 6 {
        let name = HeaderName::from_static(HEADERS[input.below(HEADERS.len())]);
        if let Ok(value) = HeaderValue::from_bytes(input.bytes(48)) {
            headers.insert(name, value);
        }
    }
    let body = input.rest();
    match error_for_status(status, &headers, body, "https://api.github.com/users/a") {
        Ok(()) => assert!(status.is_success()),
        Err(error) => {
            assert!(!status.is_success() || matches!(error, LookupError::NotGithub(_)), "{error}");
            assert_error_is_printable(&error);
            if error == LookupError::NotFound {
                assert!(
                    json::object(&String::from_utf8_lossy(body)).is_some() && status == StatusCode::NOT_FOUND
                );
            }
        }
    }
}
