//! Getting an app's tokens, which last an hour.
//!
//! A token is renewed before it expires, by whoever asks next; the others wait for it. Should a server's
//! clock have made one expire earlier, the requests that met that are asked again with a new one.

use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;

use super::app::{APP, App};
use super::attempt::Request;
use super::auth::Token;
use super::error::LookupError;
use super::few::Few;
use super::governor::Moment;
use super::stop::{Hold, Stop};
use super::{Client, Shared};
use crate::text::visible;

/// A token is renewed so long before it expires, or when two thirds of a shorter life are over.
const EARLY: Duration = Duration::from_mins(5);
/// Clocks that are no further apart are the same: what is signed is good for minutes.
const OFF: Duration = Duration::from_secs(30);
/// What a refusal that names no wait is waited for.
const WAIT_UNTOLD: Duration = Duration::from_mins(1);

/// A token and how long it is good.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) token: Token,
    pub(super) at: Instant,
    pub(super) renew: Moment,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
    account: Option<InstalledAt>,
}

#[derive(Deserialize)]
struct InstalledAt {
    login: Option<String>,
}

#[derive(Deserialize)]
struct AccessToken {
    token: String,
    expires_at: Timestamp,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Shared {
    /// Gets a new token, again while the failure is one that may pass; otherwise the run ends.
    pub(super) async fn issue(&self, app: &App) -> Result<Issued, LookupError> {
        let (mut attempts, mut clock) = (0, self.governor.server_time());
        loop {
            let asked = tokio::select! {
                biased;
                stop = self.governor.stopped() => return Err(LookupError::Stopped(stop)),
                asked = self.issue_once(app) => asked,
            };
            let error = match asked {
                Ok(issued) => return Ok(issued),
                Err(error) => error,
            };
            attempts += 1;
            // A signature of another time is refused. The refusal has told which time it is there.
            let off = self.governor.server_time().duration_since(clock).unsigned_abs();
            if matches!(error, LookupError::Unauthorized(_)) && off > OFF && attempts == 1 {
                tracing::info!(
                    "the clocks are {} apart; signing by the server's",
                    crate::text::duration(off)
                );
                clock = self.governor.server_time();
                continue;
            }
            let stop = match &error {
                LookupError::Stopped(stop) => Some(stop.clone()),
                LookupError::RateLimited { wait, .. } => {
                    let wait = wait.unwrap_or(WAIT_UNTOLD);
                    if wait > self.settings.max_wait || attempts > self.settings.retries {
                        let until = Moment::after(wait).timestamp();
                        Some(Stop::Limited { until, reason: Hold::RateLimit })
                    } else {
                        // Everybody waits for it; the others' requests would only make it longer.
                        self.governor.wait(wait, Hold::RateLimit);
                        tokio::select! {
                            _ = self.governor.stopped() => {}
                            () = tokio::time::sleep(wait) => {}
                        }
                        None
                    }
                }
                LookupError::NoConnection(error)
                    if error.is_permanent() || attempts > self.settings.retries =>
                {
                    Some(Stop::NotConnected(error.clone()))
                }
                error if error.is_transient() && attempts <= self.settings.retries => {
                    tracing::info!("no token for the app: {error}; trying again");
                    self.governor.back_off(attempts).await;
                    None
                }
                error if error.is_transient() => {
                    Some(Stop::OutOfReach(format!("no token for the app: {error}")))
                }
                LookupError::NotFound => Some(Stop::TokenRefused(match app.installation {
                    Some(installation) => format!("the app has no installation {installation}"),
                    None => "no such app".into(),
                })),
                LookupError::Unauthorized(message) => Some(Stop::TokenRefused(message.clone())),
                error => Some(Stop::TokenRefused(error.to_string())),
            };
            if let Some(stop) = stop {
                self.governor.end(stop.clone());
                return Err(LookupError::Stopped(stop));
            }
        }
    }

    async fn issue_once(&self, app: &App) -> Result<Issued, LookupError> {
        let known = app.installation.or(self.session.installation.get().copied());
        let installation = if let Some(known) = known {
            known
        } else {
            let only = self.only_installation(app).await?;
            *self.session.installation.get_or_init(|| only)
        };
        let route = self.settings.api.rest(&format!("/app/installations/{installation}/access_tokens"));
        let answer: AccessToken = self.as_app(app, Request::Issue(route)).await?;
        let token = Token::new(&answer.token, APP).map_err(|_| LookupError::Malformed("no token"))?;
        self.session.secrets.add(token.clone());
        // By the server's clock: ours may be wrong by more than a token lasts.
        let life = self.governor.until(answer.expires_at.as_second()).unwrap_or_default();
        tracing::info!("a token for the app, good for {}", crate::text::duration(life));
        Ok(Issued {
            token,
            at: Instant::now(),
            renew: Moment::after(life.saturating_sub(EARLY.min(life / 3))),
        })
    }

    /// The installation of an app that has but one.
    async fn only_installation(&self, app: &App) -> Result<u64, LookupError> {
        let route = self.settings.api.rest("/app/installations?per_page=100");
        let Few(installations): Few<Installation> = self.as_app(app, Request::Get(route)).await?;
        let refuse = |reason: String| Err(LookupError::Stopped(Stop::WhichInstallation(reason)));
        match installations.as_slice() {
            [] => refuse("the app is not installed anywhere".into()),
            [only] => Ok(only.id),
            many => {
                let names = many.iter().take(10).map(|installation| {
                    let account = installation.account.as_ref().and_then(|account| account.login.as_deref());
                    format!("{} ({})", installation.id, visible(account.unwrap_or("somewhere")))
                });
                let names: Vec<_> = names.collect();
                let more = if many.len() > names.len() { " …" } else { "" };
                refuse(format!(
                    "the app has several installations: choose one of {}{more} with --installation",
                    names.join(", ")
                ))
            }
        }
    }

    /// Asks as the app itself, and not as one of its installations.
    async fn as_app<T: for<'a> Deserialize<'a>>(
        &self,
        app: &App,
        request: Request<'_>,
    ) -> Result<T, LookupError> {
        let jwt = app.signed(self.governor.server_time()).ok_or(LookupError::Malformed("no signature"))?;
        self.session.secrets.add(jwt.clone());
        let sent = Instant::now();
        let hear = |headers: &HeaderMap, _| self.governor.hear_date(headers, sent);
        let limit = self.settings.timeout;
        self.count_request();
        let answer = tokio::time::timeout(limit, self.exchange(&request, Some(&jwt), hear)).await;
        let (_, body) = answer.unwrap_or(Err(LookupError::TimedOut(limit)))?;
        serde_json::from_slice(&body).map_err(|_| LookupError::Malformed("not what an app is told"))
    }
}

impl Client {
    /// The name of the app that asks, if it is one and GitHub tells.
    pub async fn app_name(&self, app: &App) -> Option<String> {
        let route = self.settings().api.rest("/app");
        let named: Named = self.shared.as_app(app, Request::Get(route)).await.ok()?;
        Some(visible(&named.name).into_owned())
    }
}
