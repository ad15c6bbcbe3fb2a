//! Accounts of the fake. Every login exists unless its name says otherwise.

/// An account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Login in GitHub's spelling.
    pub login: String,
    /// Its id.
    pub id: u64,
    /// `User`, `Organization` or `Bot`.
    pub kind: &'static str,
    /// Number of public repositories.
    pub public_repos: u64,
    /// Number of private repositories.
    pub private_repos: u64,
    /// Number of internal repositories.
    pub internal_repos: u64,
    /// Number of repositories of others that it collaborates on.
    pub collaborations: u64,
}

impl Account {
    /// Number of forks among the public repositories: see [`Repository`].
    pub fn forks(&self) -> u64 {
        self.public_repos / 3
    }

    /// Number of archived repositories among the public ones.
    pub fn archived(&self) -> u64 {
        self.public_repos / 5
    }

    /// Time of the latest push to a public repository.
    pub fn last_push(&self) -> Option<String> {
        (0..self.public_repos).filter_map(|number| self.pushed_at(number)).max()
    }

    /// Time of the latest push to a repository: a day of the years from 2016 to 2025. `idle…` has only empty repositories, and
    /// every seventh of the others is empty.
    fn pushed_at(&self, number: u64) -> Option<String> {
        if self.login.starts_with("idle") || number % 7 == 6 {
            return None;
        }
        let day = (hash(&self.login) + number * 997) % 3653;
        let second = 1_451_606_400 + i64::try_from(day).expect("a few") * 86_400;
        Some(jiff::Timestamp::from_second(second).expect("a time").to_string())
    }
}

/// A repository. Every third is a fork, every fifth is archived.
#[derive(Clone, Debug)]
pub struct Repository {
    /// Its name.
    pub name: String,
    /// Whether it is a fork.
    pub fork: bool,
    /// Whether it is archived.
    pub archived: bool,
    /// Time of the latest push.
    pub pushed_at: Option<String>,
}

/// Order of a list of repositories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepositoryOrder {
    /// That of their names.
    Name,
    /// The latest push first, and those without a push last.
    LatestPush,
}

/// Login of the token's owner.
pub const VIEWER: &str = "octocat-sample";

/// Returns the account of a login, in any case.
///
/// `missing…` does not exist, `org…` is an organization, `…[bot]` is a bot, and every other login is a user. The token's owner
/// administers `org-owned…`, and is a member of `org-member…`. The three logins
/// of the examples have the counts of the fixtures.
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
        // Most accounts have a few repositories; a tenth have up to ten pages of them.
        _ if hash.is_multiple_of(10) => hash % 977,
        _ => hash % 101,
    };
    let id = 1_000_000 + hash % 100_000_000;
    let (private_repos, collaborations) = (hash / 7 % 7, 1 + hash / 11 % 13);
    let internal_repos = if kind == "Organization" { 1 + hash / 13 % 5 } else { 0 };
    Some(Account { login, id, kind, public_repos, private_repos, internal_repos, collaborations })
}

/// One page of an account's public repositories.
pub fn repositories(account: &Account, order: RepositoryOrder, page: u64, per_page: u64) -> Vec<Repository> {
    let begin = (page.max(1) - 1) * per_page;
    let mut numbers: Vec<_> = (0..account.public_repos).collect();
    if order == RepositoryOrder::LatestPush {
        numbers.sort_by_cached_key(|number| std::cmp::Reverse(account.pushed_at(*number)));
    }
    let page = numbers.into_iter().skip(usize::try_from(begin).expect("a few"));
    page.take(usize::try_from(per_page).expect("a few"))
        .map(|number| Repository {
            name: format!("repo-{number}"),
            fork: number % 3 == 2,
            archived: number % 5 == 4,
            pushed_at: account.pushed_at(number),
        })
        .collect()
}

/// FNV-1a, which gives the same value on every machine.
fn hash(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
