//! Asking for one account, by either API: where a login's wait, its attempts and its answer come together.

use http::HeaderMap;

use super::Client;
use super::batch::StreamGuard;
use super::error::LookupError;
use super::governor::Newcomer;
use super::pages::{Pages, Wrong};
use super::persist::{Failure, Tries};
use super::rest::{self, Account};
use crate::login::Login;
use crate::report::{Breakdown, Via};

const REPOSITORIES: Wrong = Wrong {
    elsewhere: "a list of repositories that goes on elsewhere",
    circle: "a list of repositories that goes in a circle",
    endless: "a list of repositories without an end",
};

/// What became of asking for one account.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The account, or the last of the errors.
    pub outcome: Result<Account, LookupError>,
    /// Requests that were sent for it.
    pub attempts: u32,
    /// How many of them have failed since the last that did not.
    pub failures: u32,
    /// Whether all of those failed with the same error.
    pub alike: bool,
    /// The API that was asked.
    pub via: Via,
}

/// How far a login has come when more than waiting is to be done.
enum First<'a> {
    /// It is about to be asked for by REST.
    Due(Newcomer<'a>),
    /// It was asked for in a query, in vain; or the run has ended.
    Failed(Failure),
}

impl Client {
    /// Asks for one account, and again while the failure is one that may pass.
    ///
    /// Ends early when nobody wants the answer any more.
    pub async fn account(&self, login: &Login) -> Answer {
        self.account_coming(login, None).await
    }

    /// The same for one of a stream. `coming` holds a batch back until this login is in line.
    pub(crate) async fn account_coming(&self, login: &Login, coming: Option<StreamGuard>) -> Answer {
        self.ask(self.via(login), login, self.shared.settings.measures.breakdown, coming).await
    }

    /// Asks one API, whichever the settings name, for the count of public repositories alone where
    /// more would cost more.
    pub(crate) async fn recount(&self, via: Via, login: &Login) -> Answer {
        self.ask(via, login, false, None).await
    }

    /// Thousands wait here at once, most of them for their first request: what they wait with is kept
    /// small, and the rest is made when they get so far.
    async fn ask(&self, via: Via, login: &Login, breakdown: bool, coming: Option<StreamGuard>) -> Answer {
        let first = match via {
            Via::Graphql => match self.shared.batches.ask(login.clone(), usize::MAX, 0, coming).await {
                Ok(account) => {
                    return Answer { outcome: Ok(account), attempts: 1, failures: 0, alike: true, via };
                }
                Err(failure) => First::Failed(failure),
            },
            Via::Rest => match self.shared.governor.newcomer().await {
                Ok(newcomer) => First::Due(newcomer),
                Err(stop) => First::Failed(Failure::unsent(stop)),
            },
        };
        Box::pin(self.go_on(first, via, login, breakdown)).await
    }

    async fn go_on(&self, first: First<'_>, via: Via, login: &Login, breakdown: bool) -> Answer {
        let mut tries = Tries::default();
        let outcome = match first {
            First::Due(newcomer) => self.account_by_rest(&mut tries, newcomer, login, breakdown).await,
            First::Failed(failure) => {
                let mut failed = Some(failure);
                self.persist(&mut tries, async |attempts, most| match failed.take() {
                    Some(failure) => Err(failure),
                    None => self.shared.batches.ask(login.clone(), most, attempts, None).await,
                })
                .await
            }
        };
        let Tries { attempts, failures, alike, .. } = tries;
        Answer { outcome, attempts, failures, alike, via }
    }

    async fn account_by_rest(
        &self,
        tries: &mut Tries,
        newcomer: Newcomer<'_>,
        login: &Login,
        breakdown: bool,
    ) -> Result<Account, LookupError> {
        let api = &self.shared.settings.api;
        let asked = login.clone();
        let read = move |_: &HeaderMap, body: &[u8]| rest::account(body, &asked);
        let mut account = self.get(tries, Some(newcomer), api.rest(&login.path()), read).await?;
        if breakdown {
            account.breakdown = Some(self.breakdown_by_rest(tries, login, account.public_repos).await?);
        }
        Ok(account)
    }

    /// Lists all pages of an account's repositories.
    async fn breakdown_by_rest(
        &self,
        tries: &mut Tries,
        login: &Login,
        public_repos: u64,
    ) -> Result<Breakdown, LookupError> {
        let api = &self.shared.settings.api;
        let first = api.rest(&rest::repositories(login));
        let mut pages = Pages::from(&first, api, REPOSITORIES);
        let mut next = (public_repos > 0).then_some(first);
        let (mut forks, mut archived, mut listed) = (0, 0, 0);
        while let Some(route) = next {
            let page = self.get(tries, None, route, rest::page).await?;
            listed += page.repositories as u64;
            forks += page.forks;
            archived += page.archived;
            if page.next.is_some() && listed > public_repos.saturating_add(100) {
                return Err(LookupError::Malformed(REPOSITORIES.endless));
            }
            next = pages.next(page.repositories, page.next.as_deref())?;
        }
        // A few may have gone meanwhile, or be hidden. What is missing far more of is no list of them.
        if listed.saturating_add(10 + public_repos / 10) < public_repos {
            return Err(LookupError::Malformed("a list of repositories that is far too short"));
        }
        Ok(Breakdown { sources: public_repos.saturating_sub(forks), forks, archived })
    }
}
