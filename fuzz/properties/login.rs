//! Logins.

use super::is_a_line;
use crate::login::{Login, LoginText, MAX_LENGTH, parse_text};

/// A valid login leads to the route of its account, and its text parses to the same login. An invalid one is an error of one line.
/// A list has no login that is not the login of one of its parts.
pub fn login(text: &str) {
    match parse_text(text, "github.com") {
        LoginText::One(Err(invalid)) => {
            assert_eq!(invalid.text, text);
            assert!(is_a_line(&invalid.to_string()), "{invalid}");
        }
        LoginText::One(Ok(login)) => {
            assert!(
                text.to_lowercase().contains(login.as_str().to_lowercase().trim_end_matches("[bot]")),
                "{login}"
            );
        }
        LoginText::List(logins) => {
            assert!(!logins.is_empty());
            let parts: Vec<_> = text
                .split(|c: char| matches!(c, ',' | ';') || c.is_whitespace())
                .chain(text.split([',', ';']))
                .filter_map(|part| Login::parse(part).ok())
                .collect();
            assert!(logins.iter().all(|login| parts.contains(login)), "{logins:?}");
        }
    }
    for host in ["github.com", "git.example.com"] {
        let login = match Login::parse_for_host(text, host) {
            Ok(login) => login,
            Err(invalid) => {
                assert_eq!(invalid.text, text);
                assert!(is_a_line(&invalid.to_string()), "{invalid}");
                continue;
            }
        };
        let (name, path) = (login.as_str(), login.path());
        let lower = name.to_ascii_lowercase();
        let plain = lower.strip_suffix("[bot]").unwrap_or(&lower);
        assert!((1..=MAX_LENGTH).contains(&plain.len()), "{name}");
        assert!(plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{name}");
        assert_eq!((login.case_folded(), login.is_bot()), (lower.clone(), plain.len() < lower.len()));
        assert_eq!(Login::exact(name), Ok(login.clone()));
        assert_eq!(Login::parse_for_host(&format!("@{name}"), host), Ok(login.clone()));
        assert_eq!(login.with_case_of(&lower).map(|login| login.case_folded()), Some(lower.clone()));

        let segment = path.strip_prefix("/users/").expect("the route of an account");
        let segment = segment.to_ascii_lowercase();
        assert_eq!(segment.strip_suffix("%5bbot%5d").unwrap_or(&segment), plain);
        let uri: http::Uri = path.parse().expect("a URI");
        assert_eq!((uri.path(), uri.query()), (path.as_str(), None));
    }
}
