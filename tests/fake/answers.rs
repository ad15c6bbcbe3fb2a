//! What a request is answered with: the answer, a refusal, or an accident.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use super::{Arrival, Asked, Fault, Query, Request, Response, State, graphql, rest};

impl State {
    /// Answers a request, or tells what goes wrong.
    pub(super) async fn answer(&self, request: Request) -> Result<Response, (Fault, Response)> {
        let in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        // However this ends, dropped by a client that gave up included, it is no longer in flight.
        let _landed = Landed(&self.in_flight);
        self.peak.fetch_max(in_flight, Ordering::SeqCst);
        let number = self.requests.fetch_add(1, Ordering::SeqCst) + 1;
        let login = rest::login(&request).to_ascii_lowercase();
        let time = self.time(&login);
        let asked = Asked { request: &request, login: &login, time, number };
        let fault = (self.behaviour.fault)(&asked);
        let (response, aliases) = self.respond(&request, in_flight);
        if !self.behaviour.forgetful {
            self.arrivals.lock().expect("no panic").push(Arrival { at: Instant::now(), request });
        }
        // Refusals and accidents do not take the time of an answer.
        let latency = self.behaviour.latency + self.behaviour.alias_latency * aliases;
        if !latency.is_zero() && fault.is_none() {
            self.alarm.sleep(latency).await;
        }
        let outcome = match fault {
            None => Ok(response),
            Some(Fault::Silent) => std::future::pending().await,
            Some(Fault::Answer(status, headers, body)) => {
                let mut answer = Response::json(status, &body);
                answer.headers.extend(headers.into_iter().map(|(name, value)| (name.to_owned(), value)));
                Ok(answer)
            }
            Some(Fault::Html(status)) => Ok(Response::html(status)),
            Some(fault) => Err((fault, response)),
        };
        if let Ok(Response { status: 200 | 403 | 429, body, .. }) = &outcome
            && (body.contains("rate limit") || body.contains("graphql_rate_limit"))
        {
            self.refusals.lock().expect("no panic").push(Instant::now());
        }
        outcome
    }

    /// How often a login was asked for, this time included.
    fn time(&self, login: &str) -> u32 {
        if self.behaviour.forgetful {
            return 1;
        }
        let mut times = self.times.lock().expect("no panic");
        let time = times.entry(login.to_owned()).or_default();
        *time += 1;
        *time
    }

    /// The answer, and how many aliases it has.
    fn respond(&self, request: &Request, in_flight: i64) -> (Response, u32) {
        let behaviour = &self.behaviour;
        let path = request.path();
        if path.ends_with("/rate_limit") && !behaviour.bare {
            let (core, graphql) =
                (self.core.spend(behaviour.primary, 0), self.graphql.spend(behaviour.points, 0));
            return (rest::rate_limit(core, graphql), 0);
        }
        let query = path.ends_with("/graphql").then(|| Query::parse(request));
        let asks = query.as_ref().and_then(|query| query.as_ref().ok()).map(Query::asks).unwrap_or_default();
        let aliases = u32::try_from(asks.logins.len()).expect("a few");
        let (limits, resource) = match &query {
            Some(_) => (self.graphql.spend(behaviour.points, asks.cost()), "graphql"),
            None => (self.core.spend(behaviour.primary, 1), "core"),
        };
        let mut response = if request.all("user-agent").len() != 1 {
            Response::html(403)
        } else if let Some(refusal) = rest::refused_token(request, behaviour) {
            refusal
        } else if let Some(answer) = behaviour.app.as_ref().and_then(|app| app.answer(request)) {
            answer
        } else if self.minute.refuses(behaviour.minute) {
            Response::json(403, rest::SECONDARY)
        } else if let Some((_, retry_after)) = behaviour.crowd.filter(|(crowd, _)| in_flight > *crowd) {
            let refusal = Response::json(403, rest::SECONDARY);
            match retry_after {
                Some(seconds) => refusal.with("retry-after", &seconds.to_string()),
                None => refusal,
            }
        } else {
            match query {
                None if limits.refused => Response::json(403, rest::PRIMARY),
                None => rest::respond(request),
                Some(_) if request.all("authorization").is_empty() => Response::json(401, graphql::NO_TOKEN),
                Some(_) if limits.refused => graphql::limited(behaviour.spelling),
                Some(Err(error)) => {
                    Response::json(200, &serde_json::json!({"errors": [{"message": error}]}).to_string())
                }
                Some(Ok(_)) if behaviour.most_aliases.is_some_and(|most| asks.logins.len() > most) => {
                    self.points.fetch_add(asks.cost(), Ordering::Relaxed);
                    Response::html(502)
                }
                Some(Ok(query)) => {
                    self.points.fetch_add(asks.cost(), Ordering::Relaxed);
                    let told = match behaviour.bare {
                        true => serde_json::Value::Null,
                        false => {
                            serde_json::json!({"cost": asks.cost(), "remaining": limits.remaining, "resetAt": "2026-11-22T13:00:00Z"})
                        }
                    };
                    query.answer(&told, |login| (behaviour.alias)(login, self.time(login)))
                }
            }
        };
        if !behaviour.bare {
            response = response
                .with("x-ratelimit-limit", &limits.limit.to_string())
                .with("x-ratelimit-remaining", &limits.remaining.to_string())
                .with("x-ratelimit-used", &(limits.limit - limits.remaining).to_string())
                .with("x-ratelimit-reset", &limits.reset.saturating_add_signed(behaviour.ahead).to_string())
                .with("x-ratelimit-resource", resource);
        }
        (response, aliases)
    }
}

struct Landed<'a>(&'a AtomicI64);

impl Drop for Landed<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
