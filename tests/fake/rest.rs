//! The routes of the REST API.

use serde_json::{Value, json};

use super::{
    Account, Behavior, QuotaState, Repository, RepositoryOrder, Request, Response, account, repositories,
};

/// The body of a 403 or 429 for the secondary limit.
pub const SECONDARY: &str = r#"{"documentation_url":"https://docs.github.com/free-pro-team@latest/rest/overview/rate-limits-for-the-rest-api#about-secondary-rate-limits","message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again. If you reach out to GitHub Support for help, please include the request ID 0000:0000:SAMPLE."}"#;
/// The body of a 403 for the primary limit.
pub const PRIMARY: &str = r#"{"message":"API rate limit exceeded for 203.0.113.7. (But here's the good news: Authenticated requests get a higher rate limit. Check out the documentation for more details.)","documentation_url":"https://docs.github.com/rest/overview/resources-in-the-rest-api#rate-limiting"}"#;
const NOT_FOUND: &str = r#"{"message":"Not Found","documentation_url":"https://docs.github.com/rest/users/users#get-a-user","status":"404"}"#;
pub(super) const BAD_CREDENTIALS: &str =
    r#"{"message":"Bad credentials","documentation_url":"https://docs.github.com/rest","status":"401"}"#;
const UNAUTHENTICATED: &str = r#"{"message":"Requires authentication","documentation_url":"https://docs.github.com/rest","status":"401"}"#;

/// Returns the login in a request's path.
pub fn login(request: &Request) -> String {
    let path = request.path();
    let path = path.strip_prefix("/api/v3").unwrap_or(path);
    let name = path.strip_prefix("/users/").unwrap_or_default().split('/').next().unwrap_or_default();
    name.replace("%5B", "[").replace("%5D", "]")
}

/// Rejects a wrong token, and a missing one in private mode.
pub fn check_token(request: &Request, behavior: &Behavior) -> Option<Response> {
    let sent = request.all("authorization");
    match (&behavior.token, sent.first()) {
        (None, _) | (Some(_), None) if !behavior.private => None,
        (Some(token), Some(sent)) if *sent == format!("Bearer {token}") => None,
        (_, None) => Some(Response::json(401, UNAUTHENTICATED)),
        _ => Some(Response::json(401, BAD_CREDENTIALS)),
    }
}

/// Versions of the REST API, the oldest first. It is the one of requests that name none.
pub const VERSIONS: [&str; 2] = ["2022-11-28", "2026-03-10"];

/// Rejects an unknown version of the API, and the media types that a strict server does not know.
pub fn check_headers(request: &Request, behavior: &Behavior) -> Option<Response> {
    let named = request.all("x-github-api-version");
    if !named.iter().all(|version| VERSIONS.contains(version)) {
        let message = format!("The API version {} is not supported.", named.join(", "));
        let body =
            json!({"message": message, "documentation_url": "https://docs.github.com/rest", "status": "400"});
        return Some(Response::json(400, &body.to_string()));
    }
    let media_type = behavior.media_type?;
    let accepted = request.all("accept").join(",");
    let mut types = accepted.split(',').map(|accepted| accepted.split(';').next().unwrap_or_default().trim());
    if types.any(|accepted| accepted == media_type) {
        return None;
    }
    let body = json!({"message": format!("Must accept '{media_type}'"), "status": "406"});
    Some(Response::json(406, &body.to_string()))
}

/// Returns the version of the API that serves a request.
pub fn selected_version(request: &Request, behavior: &Behavior) -> &'static str {
    let named = request.all("x-github-api-version").first().copied().unwrap_or_default();
    let known = VERSIONS.into_iter().find(|version| *version == named);
    behavior.api_version.or(known).unwrap_or(VERSIONS[0])
}

/// Body of `/rate_limit`. Its `rate` is missing since version 2026-03-10.
pub fn rate_limit(core: QuotaState, graphql: QuotaState, version: &str) -> Response {
    let budget = |left: QuotaState| json!({"limit": left.limit, "used": left.limit - left.remaining, "remaining": left.remaining, "reset": left.reset});
    let mut body = json!({"resources": {"core": budget(core), "graphql": budget(graphql)}});
    if version == VERSIONS[0] {
        body["rate"] = budget(core);
    }
    Response::json(200, &body.to_string())
}

/// Responds to a request that no limit and no fault affects.
pub fn respond(request: &Request) -> Response {
    let path = request.path();
    let path = path.strip_prefix("/api/v3").unwrap_or(path);
    let response = match path.split('/').collect::<Vec<_>>()[..] {
        ["", "users", _] if request.method == "GET" => match account(&login(request)) {
            Some(account) => Response::json(200, &user(&account).to_string()),
            None => Response::json(404, NOT_FOUND),
        },
        ["", "orgs", name, "members"] if request.method == "GET" => members(name, name, request),
        ["", "orgs", name, "outside_collaborators"] if request.method == "GET" => {
            // Only members of an organization see them.
            match request.all("authorization").is_empty() {
                true => Response::json(404, NOT_FOUND),
                false => members(name, name, request),
            }
        }
        ["", "orgs", name, "teams", team, "members"] if request.method == "GET" => {
            // Only members of an organization see its teams.
            match request.all("authorization").is_empty() {
                true => Response::json(404, NOT_FOUND),
                false => members(name, team, request),
            }
        }
        ["", "user"] if request.method == "GET" => match request.all("authorization").first() {
            None => Response::json(401, UNAUTHENTICATED),
            // A token of GitHub Actions has no user.
            Some(token) if token.starts_with("Bearer ghs_") => {
                Response::json(403, r#"{"message":"Resource not accessible by integration","status":"403"}"#)
            }
            Some(_) => Response::json(200, r#"{"login":"Octocat-Sample","id":1,"type":"User"}"#),
        },
        ["", "user", "memberships", "orgs", name] if request.method == "GET" => match name {
            "strangers-9" => Response::json(404, NOT_FOUND),
            _ => Response::json(200, &json!({"state": "active", "role": "member"}).to_string()),
        },
        ["", "users", _, "repos"] if request.method == "GET" => match account(&login(request)) {
            Some(account) => repos(&account, request),
            None => Response::json(404, NOT_FOUND),
        },
        _ => Response::json(404, NOT_FOUND),
    };
    if response.status != 200 {
        return response;
    }
    // Never compared: the program sends no conditional requests.
    let etag = format!("W/\"{:x}\"", response.body.len());
    response.with("etag", &etag)
}

/// Members of a group whose name ends with their number, such as `acme-437`; `acme`, the name in the docs, has twelve. Half of them
/// without a token.
fn members(organization: &str, group: &str, request: &Request) -> Response {
    if organization.starts_with("saml") {
        let body = json!({"message": "Resource protected by organization SAML enforcement."});
        let url = "required; url=https://github.com/orgs/saml/sso?authorization_request=SAMPLE";
        return Response::json(403, &body.to_string()).with("x-github-sso", url);
    }
    let number = if group == "acme" { "12" } else { group.rsplit('-').next().unwrap_or_default() };
    let Ok(number) = number.parse::<u64>() else {
        return Response::json(404, NOT_FOUND);
    };
    let number = if request.all("authorization").is_empty() { number / 2 } else { number };
    // The first member of an organization administers it.
    let (first, number) = match request.parameter("role") {
        Some("admin") => (0, number.min(1)),
        Some("member") => (1, number),
        _ => (0, number),
    };
    let parameter =
        |name, otherwise| request.parameter(name).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (page, per_page): (u64, u64) = (parameter("page", 1), parameter("per_page", 30).clamp(1, 100));
    let begin = (page - 1) * per_page;
    let login = if request.path().ends_with("outside_collaborators") { "outside" } else { "member" };
    let list: Vec<_> = (first + begin..number.min(first + begin + per_page))
        .map(|at| json!({"login": format!("{login}-{at}"), "id": at}))
        .collect();
    paged(Response::json(200, &Value::from(list).to_string()), request, page, per_page, number)
}

fn repos(account: &Account, request: &Request) -> Response {
    let number =
        |name, otherwise| request.parameter(name).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (page, per_page): (u64, u64) = (number("page", 1), number("per_page", 30).clamp(1, 100));
    let owner = json!({"login": account.login, "id": account.id, "type": account.kind}).to_string();
    let order = match (request.parameter("sort"), request.parameter("direction")) {
        (None, None) => RepositoryOrder::Name,
        (Some("pushed"), Some("desc")) => RepositoryOrder::LatestPush,
        other => panic!("not in this fake: {other:?}"),
    };
    let names = repositories(account, order, page, per_page);
    // Written by hand, because a tree of JSON values would be most of the CPU time of a list in a debug build.
    let describe = |Repository { name, fork, archived, pushed_at }: &Repository| {
        let pushed_at = pushed_at.as_ref().map_or("null".to_owned(), |time| format!("\"{time}\""));
        format!(
            r#"{{"name":"{name}","full_name":"{}/{name}","owner":{owner},"fork":{fork},"archived":{archived},"private":false,"pushed_at":{pushed_at}}}"#,
            account.login
        )
    };
    let body: Vec<_> = names.iter().map(describe).collect();
    let response = Response::json(200, &format!("[{}]", body.join(",")));
    paged(response, request, page, per_page, account.public_repos)
}

/// Adds the links to the other pages of a list.
fn paged(response: Response, request: &Request, page: u64, per_page: u64, all: u64) -> Response {
    let last = all.div_ceil(per_page);
    if last <= 1 {
        return response;
    }
    let host = request.all("host").first().copied().unwrap_or_default().to_owned();
    let link = |page: u64, rel: &str| {
        format!("<http://{host}{}?per_page={per_page}&page={page}>; rel=\"{rel}\"", request.path())
    };
    let next = (page < last).then(|| [link(page + 1, "next"), link(last, "last")]);
    let previous = (page > 1).then(|| [link(page - 1, "prev"), link(1, "first")]);
    let links: Vec<_> = next.into_iter().chain(previous).flatten().collect();
    response.with("link", &links.join(", "))
}

/// All fields that GitHub sends for an account.
fn user(account: &Account) -> Value {
    let Account { login, id, kind, public_repos, .. } = account;
    let url = format!("https://api.github.com/users/{login}");
    json!({
        "login": login, "id": id, "node_id": "U_sample", "avatar_url": format!("https://avatars.githubusercontent.com/u/{id}?v=4"),
        "gravatar_id": "", "url": url, "html_url": format!("https://github.com/{login}"),
        "followers_url": format!("{url}/followers"), "following_url": format!("{url}/following{{/other_user}}"),
        "gists_url": format!("{url}/gists{{/gist_id}}"), "starred_url": format!("{url}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{url}/subscriptions"), "organizations_url": format!("{url}/orgs"),
        "repos_url": format!("{url}/repos"), "events_url": format!("{url}/events{{/privacy}}"),
        "received_events_url": format!("{url}/received_events"), "type": kind, "user_view_type": "public",
        "site_admin": false, "name": "A Sample Ünïcode Name", "company": null, "blog": "", "location": null,
        "email": null, "hireable": null, "bio": "A sample", "twitter_username": null, "public_repos": public_repos,
        "public_gists": 0, "followers": 1, "following": 2, "created_at": "2011-09-03T15:26:22Z",
        "updated_at": "2026-01-15T09:30:00Z"
    })
}
