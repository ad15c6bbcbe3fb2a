//! Logins.

use super::is_a_line;
use crate::login::{Login, MAX_LENGTH};

/// What is read as a login leads to its account and nowhere else, and is read again as the same; what is
/// none is told in one line.
pub fn login(text: &str) {
    for site in ["github.com", "git.example.com"] {
        let login = match Login::parse_for_host(text, site) {
            Ok(login) => login,
            Err(not) => {
                assert_eq!(not.text, text);
                assert!(is_a_line(&not.to_string()), "{not}");
                continue;
            }
        };
        let (name, path) = (login.as_str(), login.path());
        let lower = name.to_ascii_lowercase();
        let plain = lower.strip_suffix("[bot]").unwrap_or(&lower);
        assert!((1..=MAX_LENGTH).contains(&plain.len()), "{name}");
        assert!(plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)), "{name}");
        assert_eq!((login.case_folded(), login.is_bot()), (lower.clone(), plain.len() < lower.len()));
        assert_eq!(Login::parse_for_host(name, site), Ok(login.clone()));
        assert_eq!(login.with_case_of(&lower).map(|login| login.case_folded()), Some(lower.clone()));

        let segment = path.strip_prefix("/users/").expect("a route of an account");
        let segment = segment.to_ascii_lowercase();
        assert_eq!(segment.strip_suffix("%5bbot%5d").unwrap_or(&segment), plain);
        let uri: http::Uri = path.parse().expect("an address");
        assert_eq!((uri.path(), uri.query()), (path.as_str(), None));
    }
}
