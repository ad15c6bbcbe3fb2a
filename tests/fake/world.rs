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
    /// Its private ones.
    pub private_repos: u64,
    /// Repositories of others that it works on.
    pub collaborations: u64,
}

impl Account {
    /// How many of its public repositories are forks: see [`Repository`].
    pub fn forks(&self) -> u64 {
        self.public_repos / 3
    }

    /// How many of its public repositories are archived.
    pub fn archived(&self) -> u64 {
        self.public_repos / 5
    }
}

/// A repository: every third is a fork, every fifth is archived.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Its name.
    pub name: String,
    /// Whether it is a fork.
    pub fork: bool,
    /// Whether it is archived.
    pub archived: bool,
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
    let id = 1_000_000 + hash % 100_000_000;
    let (private_repos, collaborations) = (hash / 7 % 7, 1 + hash / 11 % 13);
    Some(Account { login, id, kind, public_repos, private_repos, collaborations })
}

/// An account's public repositories, page by page.
pub fn repositories(account: &Account, page: u64, per_page: u64) -> Vec<Repository> {
    let begin = (page.max(1) - 1) * per_page;
    (begin..(begin + per_page).min(account.public_repos))
        .map(|number| Repository {
            name: format!("repo-{number}"),
            fork: number % 3 == 2,
            archived: number % 5 == 4,
        })
        .collect()
}

/// FNV-1a: the same on every machine and in every year.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
