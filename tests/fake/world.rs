//! The accounts of the fake: whoever is asked for, unless the name says otherwise.

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// As GitHub spells it.
    pub login: String,
    /// Its id.
    pub id: u64,
    /// `User`, `Organization` or `Bot`.
    pub kind: &'static str,
    /// Its public repositories.
    pub public_repos: u64,
}

/// The account of a login, in any case.
///
/// `missing…` is nobody; `org…` is an organisation, `…[bot]` a bot, everybody else a user. The three
/// whom everyone tries first have the counts of the fixtures.
pub fn account(login: &str) -> Option<Account> {
    let login = login.to_ascii_lowercase();
    if login.is_empty() || login.starts_with("missing") {
        return None;
    }
    let kind = match &login {
        bot if bot.ends_with("[bot]") => "Bot",
        organization if organization.starts_with("org") => "Organization",
        _ => "User",
    };
    let hash = hash(&login);
    let public_repos = match login.as_str() {
        "torvalds" => 9,
        "gvanrossum" => 28,
        "antirez" => 74,
        "empty" => 0,
        // Most have a few, some have many: more than a page in any case.
        _ if hash.is_multiple_of(10) => hash % 977,
        _ => hash % 101,
    };
    Some(Account { id: 1_000_000 + hash % 100_000_000, login, kind, public_repos })
}

/// The names of an account's repositories, page by page.
pub fn repositories(account: &Account, page: u64, per_page: u64) -> Vec<String> {
    let begin = (page.max(1) - 1) * per_page;
    (begin..(begin + per_page).min(account.public_repos)).map(|number| format!("repo-{number}")).collect()
}

/// FNV-1a: the same on every machine and in every year.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
