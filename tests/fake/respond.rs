//! Responses to requests: a result, a rejection, or a fault.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use super::{Arrival, Fault, FaultContext, Query, Request, Response, State, graphql, rest};

/// Maximum length of a rate limit rejection, in bytes. Longer bodies are not searched for one.
const MAX_REJECTION: usize = 2000;

impl State {
    /// Responds to a request, or returns the fault that it meets and the response that it would have had.
    pub(super) async fn answer(&self, request: Request) -> Result<Response, (Fault, Response)> {
        let in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        // Also counts requests down that are dropped because the client gave up.
        let _guard = InFlightGuard(&self.in_flight);
        self.peak.fetch_max(in_flight, Ordering::SeqCst);
        let number = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
        let login = rest::login(&request).to_ascii_lowercase();
        let attempt = self.count_attempt(&login);
        let context = FaultContext { request: &request, login: &login, attempt, number };
        let fault = (self.behavior.fault)(&context);
        let (mut response, aliases) = self.respond(&request, in_flight);
        let extra = self.behavior.extra_headers.iter();
        response.headers.extend(extra.map(|(name, value)| ((*name).to_owned(), value.clone())));
        if !self.behavior.discards_arrivals {
            self.arrivals.lock().expect("no panic").push(Arrival { at: Instant::now(), request, in_flight });
        }
        // Faults are not delayed.
        let response_factor = self.behavior.cpu_time.map_or(1, |limit| limit.response_factor);
        let latency = self.behavior.cpu_time_of(aliases) * response_factor;
        if !latency.is_zero() && fault.is_none() {
            self.alarm.sleep(latency).await;
        }
        let outcome = match fault {
            None => Ok(response),
            Some(Fault::Silent) => std::future::pending().await,
            Some(Fault::Response(status, headers, body)) => {
                let mut response = Response::json(status, &body);
                response.headers.extend(headers.into_iter().map(|(name, value)| (name.to_owned(), value)));
                Ok(response)
            }
            Some(Fault::Html(status)) => Ok(Response::html(status)),
            Some(Fault::Page(status, body)) => Ok(Response { body, ..Response::html(status) }),
            Some(fault) => Err((fault, response)),
        };
        if let Ok(Response { status: 200 | 403 | 429, body, .. }) = &outcome
            && body.len() <= MAX_REJECTION
            && (body.contains("rate limit") || body.contains("graphql_rate_limit"))
        {
            self.rejections.lock().expect("no panic").push(Instant::now());
        }
        outcome
    }

    /// Counts a lookup of a login. Returns the number of its lookups, including this one.
    fn count_attempt(&self, login: &str) -> u32 {
        if self.behavior.discards_arrivals {
            return 1;
        }
        let mut attempts = self.attempts.lock().expect("no panic");
        let attempt = attempts.entry(login.to_owned()).or_default();
        *attempt += 1;
        *attempt
    }

    /// Returns the response without faults, and its number of aliases.
    fn respond(&self, request: &Request, in_flight: i64) -> (Response, u32) {
        let behavior = &self.behavior;
        let path = request.path();
        if let Some(rejection) = rest::check_headers(request, behavior) {
            return (rejection, 0);
        }
        let version = rest::selected_version(request, behavior);
        if path.ends_with("/rate_limit") && !behavior.omits_limit_headers {
            let (core, graphql) =
                (self.core.spend(behavior.primary, 0), self.graphql.spend(behavior.points, 0));
            return (rest::rate_limit(core, graphql, version), 0);
        }
        let query = path.ends_with("/graphql").then(|| Query::parse(request));
        let summary =
            query.as_ref().and_then(|query| query.as_ref().ok()).map(Query::summary).unwrap_or_default();
        let aliases = u32::try_from(summary.logins.len()).expect("a few");
        let (limits, resource) = match &query {
            Some(_) => (self.graphql.spend(behavior.points, summary.cost()), "graphql"),
            None => (self.core.spend(behavior.primary, 1), "core"),
        };
        let mut response = if request.all("user-agent").len() != 1 {
            Response::html(403)
        } else if let Some(rejection) = rest::check_token(request, behavior) {
            rejection
        } else if let Some(response) = behavior.app.as_ref().and_then(|app| app.respond(request)) {
            response
        } else if self.minute.rejects(behavior.minute) {
            Response::json(403, rest::SECONDARY)
        } else if self.cpu_time.rejects(behavior.cpu_time, query.is_some(), behavior.cpu_time_of(aliases)) {
            Response::json(403, rest::SECONDARY).with("retry-after", "60")
        } else if let Some((_, retry_after)) = behavior.max_in_flight.filter(|(max, _)| in_flight > *max) {
            let rejection = Response::json(403, rest::SECONDARY);
            match retry_after {
                Some(seconds) => rejection.with("retry-after", &seconds.to_string()),
                None => rejection,
            }
        } else {
            match query {
                None if limits.rejected => Response::json(403, rest::PRIMARY),
                None => rest::respond(request),
                Some(_) if request.all("authorization").is_empty() => Response::json(401, graphql::NO_TOKEN),
                Some(_) if limits.rejected => graphql::limited(behavior.limit_error_type),
                Some(Err(error)) => {
                    Response::json(200, &serde_json::json!({"errors": [{"message": error}]}).to_string())
                }
                Some(Ok(_)) if behavior.max_aliases.is_some_and(|max| summary.logins.len() > max) => {
                    self.points.fetch_add(summary.cost(), Ordering::Relaxed);
                    Response::html(502)
                }
                Some(Ok(query)) => {
                    self.points.fetch_add(summary.cost(), Ordering::Relaxed);
                    let limits_field = match behavior.omits_limit_headers {
                        true => serde_json::Value::Null,
                        false => {
                            serde_json::json!({"cost": summary.cost(), "remaining": limits.remaining, "resetAt": "2026-11-22T13:00:00Z"})
                        }
                    };
                    query.execute(behavior, &limits_field, |login| {
                        (behavior.alias)(login, self.count_attempt(login))
                    })
                }
            }
        };
        response = response.with("x-github-api-version-selected", version);
        if let Some(scopes) = behavior.scopes.filter(|_| !request.all("authorization").is_empty()) {
            response = response.with("x-oauth-scopes", scopes);
        }
        if !behavior.omits_limit_headers {
            response = response
                .with("x-ratelimit-limit", &limits.limit.to_string())
                .with("x-ratelimit-remaining", &limits.remaining.to_string())
                .with("x-ratelimit-used", &(limits.limit - limits.remaining).to_string())
                .with(
                    "x-ratelimit-reset",
                    &limits.reset.saturating_add_signed(behavior.clock_offset).to_string(),
                )
                .with("x-ratelimit-resource", resource);
        }
        (response, aliases)
    }
}

struct InFlightGuard<'a>(&'a AtomicI64);

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
