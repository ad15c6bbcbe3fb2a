//! Tokens for requests: the configured one, or installation tokens of a GitHub App.
//!
//! Installation tokens expire after an hour. They are renewed before that by the next request, while other requests wait. A token
//! that a server rejects earlier, because of its clock, is renewed too, and its requests are retried. A configured token that has
//! worked before gets one more request after a rejection.

use std::sync::Mutex;
use std::time::Duration;

use http::HeaderMap;
use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;

use super::credentials::{APP_TOKEN_SOURCE, App, Credentials, Token};
use super::error::LookupError;
use super::lock;
use super::rest::{BoundedVec, parse_json};
use super::transport::{Request, RequestSender};
use crate::rate_limit::Deadline;
use crate::stop::{StopReason, WaitReason};
use crate::text::sanitize_line;

/// Time between renewal and expiry; at most a third of a token's lifetime.
const REFRESH_MARGIN: Duration = Duration::from_mins(5);
/// Time for which a new token may be rejected, until it has reached all of GitHub's servers.
const PROPAGATION_GRACE: Duration = Duration::from_secs(5);
/// Clock difference that is not the reason for a rejected signature: signatures are valid for minutes.
const CLOCK_SKEW_TOLERANCE: Duration = Duration::from_secs(30);

const MAX_LISTED: usize = 10;

pub(super) struct TokenProvider {
    credentials: Option<Credentials>,
    cached: Mutex<Option<CachedToken>>,
    /// The app's only installation, if none was configured. Locked while a token is renewed.
    installation: tokio::sync::Mutex<Option<u64>>,
    configured: Mutex<ConfiguredToken>,
}

#[derive(Default)]
struct ConfiguredToken {
    /// A request succeeded with it.
    accepted: bool,
    /// Time of the first rejection since then.
    rejected_at: Option<Instant>,
}

impl ConfiguredToken {
    /// Returns true for the first rejection of a token that has worked, and for those of requests in flight then.
    fn may_be_accepted_again(&mut self, sent: Instant) -> bool {
        self.accepted && sent <= *self.rejected_at.get_or_insert_with(Instant::now)
    }
}

struct CachedToken {
    token: Token,
    issued_at: Instant,
    refresh_at: Deadline,
    /// A request succeeded with it.
    accepted: bool,
}

#[derive(Deserialize)]
struct Installation {
    id: u64,
    account: Option<InstallationAccount>,
}

#[derive(Deserialize)]
struct InstallationAccount {
    login: Option<String>,
}

#[derive(Deserialize)]
struct AccessTokenResponse {
    token: String,
    expires_at: Timestamp,
}

impl TokenProvider {
    pub(super) fn new(credentials: Option<Credentials>) -> Self {
        Self {
            credentials,
            cached: Mutex::default(),
            installation: tokio::sync::Mutex::default(),
            configured: Mutex::default(),
        }
    }

    /// Returns the token of the next request, after renewing it if necessary. None without credentials.
    pub(super) async fn token(&self, sender: &RequestSender) -> Result<Option<Token>, LookupError> {
        let app = match &self.credentials {
            None => return Ok(None),
            Some(Credentials::Token(token)) => return Ok(Some(token.clone())),
            Some(Credentials::App(app)) => app,
        };
        if let Some(token) = self.valid_token() {
            return Ok(Some(token));
        }
        // Nothing is in flight for this request, so the end of the run ends the wait.
        tokio::select! {
            biased;
            stop = sender.limiter.stop.requested() => Err(LookupError::Stopped(stop)),
            token = self.renew(app, sender) => token.map(Some),
        }
    }

    async fn renew(&self, app: &App, sender: &RequestSender) -> Result<Token, LookupError> {
        let mut installation = self.installation.lock().await;
        // Another request may have renewed it meanwhile.
        if let Some(token) = self.valid_token() {
            return Ok(token);
        }
        let new = create_token_with_retries(app, sender, &mut installation).await?;
        Ok(lock(&self.cached).insert(new).token.clone())
    }

    /// Records whether a token was accepted. Returns true if it was rejected and another request may succeed: with a new token of
    /// the app, or with a configured one that has worked before.
    pub(super) fn on_response<T>(
        &self,
        token: Option<&Token>,
        sent: Instant,
        result: &Result<T, LookupError>,
    ) -> bool {
        let is_rejected = matches!(result, Err(LookupError::Unauthorized(_)));
        if !matches!(self.credentials, Some(Credentials::App(_))) {
            let mut configured = lock(&self.configured);
            if token.is_some() && matches!(result, Ok(_) | Err(LookupError::NotFound)) {
                *configured = ConfiguredToken { accepted: true, rejected_at: None };
            }
            return is_rejected && configured.may_be_accepted_again(sent);
        }
        let secret = token.map(Token::secret);
        let mut cached = lock(&self.cached);
        let Some(cached) = cached.as_mut().filter(|cached| Some(cached.token.secret()) == secret) else {
            // Renewed meanwhile.
            return is_rejected;
        };
        cached.accepted |= result.is_ok();
        if is_rejected && cached.accepted {
            tracing::info!("the app's token was rejected; renewing it");
            cached.refresh_at = Deadline::after(Duration::ZERO);
            return true;
        }
        is_rejected && cached.issued_at.elapsed() < PROPAGATION_GRACE
    }

    fn valid_token(&self) -> Option<Token> {
        let cached = lock(&self.cached);
        cached.as_ref().filter(|cached| !cached.refresh_at.is_past()).map(|cached| cached.token.clone())
    }
}

/// Creates an installation token, with retries. A failure ends the run.
async fn create_token_with_retries(
    app: &App,
    sender: &RequestSender,
    installation: &mut Option<u64>,
) -> Result<CachedToken, LookupError> {
    let limiter = &sender.limiter;
    let clock = limiter.clock().now();
    let mut attempts = 0;
    loop {
        let error = match create_token(app, sender, installation).await {
            Ok(token) => return Ok(token),
            Err(error) => error,
        };
        attempts += 1;
        // If the signature was rejected because of our clock, the response has the server's time.
        let skew = limiter.clock().now().duration_since(clock).unsigned_abs();
        if matches!(error, LookupError::Unauthorized(_)) && skew > CLOCK_SKEW_TOLERANCE && attempts == 1 {
            tracing::info!(skew = %crate::text::format_duration(skew), "signing by the server's clock");
            continue;
        }
        let can_retry = attempts <= sender.config.retries;
        let stop = match error {
            LookupError::Stopped(stop) => stop,
            LookupError::RateLimited { retry_after, .. } => {
                let wait = retry_after.unwrap_or(limiter.settings.default_retry_after);
                let reason = WaitReason::RateLimit;
                if can_retry && wait <= sender.config.max_wait {
                    limiter.pause_all(wait, reason);
                    tokio::time::sleep(wait).await;
                    continue;
                }
                StopReason::RateLimitTooLong { until: Deadline::after(wait).timestamp(), reason }
            }
            LookupError::Connect(error) if error.is_permanent || !can_retry => {
                StopReason::not_connected(&error)
            }
            LookupError::NotGithub(response) if attempts >= limiter.settings.max_foreign || !can_retry => {
                StopReason::NotGithub(response.to_string())
            }
            error if error.is_transient() && can_retry => {
                tracing::info!(%error, attempts, "cannot get a token for the app; trying again");
                tokio::time::sleep(limiter.settings.backoff(attempts)).await;
                continue;
            }
            error if error.is_transient() => {
                StopReason::OutOfReach(format!("cannot get a token for the app: {error}"))
            }
            LookupError::NotFound => StopReason::TokenRefused(match app.installation {
                Some(installation) => format!("the app has no installation {installation}"),
                None => "no such app".into(),
            }),
            LookupError::Unauthorized(message) => StopReason::TokenRefused(message),
            error => StopReason::TokenRefused(error.to_string()),
        };
        return Err(LookupError::Stopped(limiter.stop.request(stop)));
    }
}

async fn create_token(
    app: &App,
    sender: &RequestSender,
    sole: &mut Option<u64>,
) -> Result<CachedToken, LookupError> {
    let installation = match app.installation.or(*sole) {
        Some(installation) => installation,
        None => *sole.insert(sole_installation(app, sender).await?),
    };
    let route = sender.config.endpoint.rest(&format!("/app/installations/{installation}/access_tokens"));
    let response: AccessTokenResponse =
        send_as_app(app, sender, Request::CreateInstallationToken(&route)).await?;
    let token = Token::new(&response.token, APP_TOKEN_SOURCE)
        .map_err(|_| LookupError::Malformed("invalid installation token"))?;
    sender.redactor.add(token.clone());
    // By the server's clock: ours may be wrong by more than an hour.
    let lifetime = sender.limiter.clock().duration_until(response.expires_at.as_second()).unwrap_or_default();
    tracing::info!(lifetime = %crate::text::format_duration(lifetime), "new token for the app");
    let refresh_at = Deadline::after(lifetime.saturating_sub(REFRESH_MARGIN.min(lifetime / 3)));
    Ok(CachedToken { token, issued_at: Instant::now(), refresh_at, accepted: false })
}

async fn sole_installation(app: &App, sender: &RequestSender) -> Result<u64, LookupError> {
    let route = sender.config.endpoint.rest("/app/installations?per_page=100");
    let BoundedVec(installations): BoundedVec<Installation> =
        send_as_app(app, sender, Request::Get(&route)).await?;
    let reason = match installations.as_slice() {
        [] => "the app is not installed anywhere".into(),
        [sole] => return Ok(sole.id),
        many => {
            let names = many.iter().take(MAX_LISTED).map(|Installation { id, account }| {
                let login = account.as_ref().and_then(|account| account.login.as_deref());
                format!("{id} ({})", sanitize_line(login.unwrap_or("somewhere")))
            });
            let names = names.collect::<Vec<_>>().join(", ");
            let more = if many.len() > MAX_LISTED { " …" } else { "" };
            format!("the app has several installations: choose one of {names}{more} with --installation")
        }
    };
    Err(LookupError::Stopped(StopReason::AmbiguousInstallation(reason)))
}

pub(super) async fn app_name(app: &App, sender: &RequestSender) -> Option<String> {
    #[derive(Deserialize)]
    struct AppResponse {
        name: String,
    }
    let route = sender.config.endpoint.rest("/app");
    let response: AppResponse = send_as_app(app, sender, Request::Get(&route)).await.ok()?;
    Some(sanitize_line(&response.name).into_owned())
}

/// Sends a request as the app itself, not as an installation.
async fn send_as_app<T: for<'a> Deserialize<'a>>(
    app: &App,
    sender: &RequestSender,
    request: Request<'_>,
) -> Result<T, LookupError> {
    let limiter = &sender.limiter;
    let jwt = app.sign_jwt(limiter.clock().now()).ok_or(LookupError::Malformed("no signature"))?;
    sender.redactor.add(jwt.clone());
    let sent = Instant::now();
    let on_headers = |headers: &HeaderMap, _| limiter.on_date(headers, sent);
    let (_, body) = sender.send(&request, Some(&jwt), on_headers).await?;
    parse_json(&body, "missing fields while authenticating as a GitHub App")
}
