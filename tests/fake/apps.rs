//! A GitHub App: tokens of its installations, which expire.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::rest::BAD_CREDENTIALS;
use super::{Request, Response};

type Verifies = dyn Fn(&str) -> bool + Send + Sync;

/// An app that is known, and how long its tokens are good.
pub struct App {
    /// Whether a JSON web token is the app's.
    pub verifies: Box<Verifies>,
    /// Its installations.
    pub installations: Vec<(u64, &'static str)>,
    /// How long a token is good, in whole seconds.
    pub life: Duration,
    /// How much earlier it expires than it is told to.
    pub early: Duration,
    /// What goes wrong when a token is asked for, the how-manieth time.
    pub refuses: Box<dyn Fn(usize) -> Option<Response> + Send + Sync>,
    /// The tokens so far.
    pub issued: Issues,
}

/// Tokens that were given out.
#[derive(Default)]
pub struct Issues(Mutex<Vec<Issued>>);

struct Issued {
    token: String,
    until: Instant,
    /// Requests with it that were good, and those that came too late.
    used: (u64, u64),
}

impl App {
    /// An app with one installation whose tokens are good for an hour.
    pub fn new(verifies: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self {
            verifies: Box::new(verifies),
            installations: vec![(7, "acme")],
            life: Duration::from_hours(1),
            early: Duration::ZERO,
            refuses: Box::new(|_| None),
            issued: Issues::default(),
        }
    }

    /// How often each token was used, and how often after it had expired.
    pub fn used(&self) -> Vec<(u64, u64)> {
        self.issued.0.lock().expect("no panic").iter().map(|issued| issued.used).collect()
    }

    /// The answer to a request of the app itself, if it is one; or the refusal of a token.
    pub(super) fn answer(&self, request: &Request) -> Option<Response> {
        let path = request.path();
        let path = path.strip_prefix("/api/v3").unwrap_or(path);
        let sent = request.all("authorization");
        let bearer = sent.first().and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        let parts: Vec<_> = path.split('/').collect();
        if parts.get(1) != Some(&"app") {
            return if self.is_good(bearer) { None } else { Some(Response::json(401, BAD_CREDENTIALS)) };
        }
        if !(self.verifies)(bearer) {
            let message = "A JSON web token could not be decoded";
            return Some(Response::json(401, &json!({"message": message, "status": "401"}).to_string()));
        }
        Some(match (request.method.as_str(), &parts[..]) {
            ("GET", ["", "app"]) => {
                Response::json(200, &json!({"id": 12, "slug": "auditor", "name": "The Auditor"}).to_string())
            }
            ("GET", ["", "app", "installations"]) => {
                let list: Vec<_> = self
                    .installations
                    .iter()
                    .map(|(id, login)| json!({"id": id, "account": {"login": login}}))
                    .collect();
                Response::json(200, &json!(list).to_string())
            }
            ("POST", ["", "app", "installations", id, "access_tokens"])
                if self.installations.iter().any(|(known, _)| known.to_string() == **id) =>
            {
                self.issue()
            }
            _ => Response::json(404, r#"{"message":"Not Found","status":"404"}"#),
        })
    }

    fn issue(&self) -> Response {
        let mut issued = self.issued.0.lock().expect("no panic");
        if let Some(refusal) = (self.refuses)(issued.len()) {
            // It takes the place of a token, so that the next time is another.
            issued.push(Issued { token: String::new(), until: Instant::now(), used: (0, 0) });
            return refusal;
        }
        let token = format!("ghs_sample_{}", issued.len());
        // It expires at a whole second.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let expires = Duration::from_secs((now + self.life).as_secs());
        let until = (Instant::now() + expires.saturating_sub(now)).checked_sub(self.early).expect("a moment");
        issued.push(Issued { token: token.clone(), until, used: (0, 0) });
        let second = i64::try_from(expires.as_secs()).expect("this century");
        let expires_at = jiff::Timestamp::from_second(second).expect("this century").to_string();
        Response::json(
            201,
            &json!({"token": token, "expires_at": expires_at, "permissions": {"metadata": "read"}})
                .to_string(),
        )
    }

    fn is_good(&self, token: &str) -> bool {
        let mut issued = self.issued.0.lock().expect("no panic");
        let Some(issued) = issued.iter_mut().find(|issued| issued.token == token && !token.is_empty()) else {
            return false;
        };
        let good = Instant::now() < issued.until;
        *(if good { &mut issued.used.0 } else { &mut issued.used.1 }) += 1;
        good
    }
}
