//! A GitHub App: its installations and their expiring tokens.

use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::rest::BAD_CREDENTIALS;
use super::{Request, Response};

type Verifies = dyn Fn(&str) -> bool + Send + Sync;

/// The app that the fake knows, and the lifetime of its tokens.
pub struct App {
    /// Verifies a JSON web token of the app.
    pub verifies: Box<Verifies>,
    /// Its installations.
    pub installations: Vec<(u64, &'static str)>,
    /// Lifetime of a token, in whole seconds.
    pub life: Duration,
    /// Time between the real expiry of a token and the later one that the response names.
    pub early: Duration,
    /// Error response to a token request, by the number of earlier ones.
    pub rejects: Box<dyn Fn(usize) -> Option<Response> + Send + Sync>,
    /// Tokens issued so far.
    pub issued: Issues,
}

/// Issued tokens.
#[derive(Default)]
pub struct Issues(Mutex<Vec<Issued>>);

struct Issued {
    token: String,
    until: Instant,
    /// Requests made with it before and after its expiry.
    used: (u64, u64),
}

impl App {
    /// An app with one installation and tokens that last an hour.
    pub fn new(verifies: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self {
            verifies: Box::new(verifies),
            installations: vec![(7, "acme")],
            life: Duration::from_hours(1),
            early: Duration::ZERO,
            rejects: Box::new(|_| None),
            issued: Issues::default(),
        }
    }

    /// A token of the form `ghs_APPID_JWT`, whose length depends on its number: 520 bytes, 497, 543, 508 and so on. Every part of
    /// forty bytes contains the word `SAMPLE`.
    pub fn installation_token(number: usize) -> String {
        let length = [520, 497, 543, 508][number % 4];
        let signature =
            (0..).map(|word| format!("SAMPLEsample-{:x}_{number}", word * 2_654_435_761_u64 % 0xffff_ffff));
        let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJSAMPLEsampleImlhdCI6MSwiZXhwIjoyfQ.";
        let mut token = format!("ghs_12_{jwt}{}", signature.take(40).collect::<String>());
        token.truncate(length);
        token
    }

    /// Requests made with each token, before and after its expiry.
    pub fn used(&self) -> Vec<(u64, u64)> {
        self.issued.0.lock().expect("no panic").iter().map(|issued| issued.used).collect()
    }

    /// Responds to a request of the app itself, or rejects a token. None for requests with a valid token.
    pub(super) fn respond(&self, request: &Request) -> Option<Response> {
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
        if let Some(rejection) = (self.rejects)(issued.len()) {
            // Counts as an issued token, so that `rejects` sees the next request as another one.
            issued.push(Issued { token: String::new(), until: Instant::now(), used: (0, 0) });
            return rejection;
        }
        let token = Self::installation_token(issued.len());
        // GitHub's tokens expire at whole seconds.
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
