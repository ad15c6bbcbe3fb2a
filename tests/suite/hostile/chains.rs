//! Endless lists: pages that always name a next page.

use std::sync::Arc;

use super::{Case, check_cases, check_slow_cases};
use crate::fake::{Fake, Fault, FaultContext};
use crate::program::{is_thorough, size_in_ci};

/// Name of a list, the arguments that request it, and the path of its pages.
const LISTS: [(&str, &[&str]); 3] = [
    ("--members", &["--members", "acme-3"]),
    ("--team", &["--team", "acme/core-3"]),
    ("--breakdown", &["user-1", "--breakdown"]),
];

/// A page of a list, with distinct items and a link to `next`.
fn page(items: usize, number: u64, next: &str) -> Fault {
    let items: Vec<_> =
        (0..items).map(|at| format!("{{\"login\":\"m-{number}-{at}\",\"fork\":true}}")).collect();
    Fault::Response(200, vec![("link", format!("<{next}>; rel=\"next\""))], format!("[{}]", items.join(",")))
}

/// Returns the number of the requested page, if the request is for a page.
fn number(context: &FaultContext<'_>) -> Option<u64> {
    let path = context.request.path();
    let is_page = path.ends_with("/members") || path.ends_with("/repos");
    is_page.then(|| context.request.parameter("page").and_then(|page| page.parse().ok()).unwrap_or(1))
}

/// Returns the URL of the request without its query.
fn here(context: &FaultContext<'_>) -> String {
    format!("http://{}{}", context.request.all("host")[0], context.request.path())
}

/// An account that claims to have 2^64 - 1 repositories.
fn claims(context: &FaultContext<'_>) -> Option<Fault> {
    (context.request.path() == "/users/user-1")
        .then(|| Fault::Response(200, vec![], super::good("rest", "\"user-1\"", &u64::MAX.to_string())))
}

fn cases(
    name: &str,
    expected: &'static str,
    next: impl Fn(&FaultContext<'_>, u64) -> Fault + Send + Sync + 'static,
) -> Vec<Case> {
    let next = Arc::new(next);
    LISTS
        .iter()
        .map(|(list, arguments)| {
            let next = Arc::clone(&next);
            let case = Case::with(&format!("{list}: {name}"), "rest", expected, move |context| {
                claims(context).or_else(|| number(context).map(|number| next(context, number)))
            });
            let arguments = [arguments, &["--retries", "0"][..]].concat();
            case.arguments(&arguments).either(if *list == "--breakdown" { &[1] } else { &[2, 5] })
        })
        .collect()
}

#[test]
fn a_list_much_shorter_than_the_count_is_a_failure() {
    let expected = "unexpected response: the list of repositories is incomplete";
    let short = Case::with("--breakdown: no repositories of many", "rest", expected, |context| {
        claims(context).or_else(|| number(context).map(|_| Fault::Response(200, vec![], "[]".into())))
    });
    check_cases(vec![short.arguments(&["user-1", "--breakdown", "--retries", "0"])]);
}

#[test]
fn an_endless_list_is_a_failure() {
    let ever_on = |items: usize| {
        move |context: &FaultContext<'_>, number: u64| {
            page(items, number, &format!("{}?per_page=100&page={}", here(context), number + 1))
        }
    };
    let mut all = cases(
        "pages without an end",
        "pagination error: the list has too many pages",
        ever_on(size_in_ci(100, 10)),
    );
    all.extend(cases(
        "pages of nothing without an end",
        "pagination error: the list has too many pages",
        ever_on(0),
    ));
    if !is_thorough() {
        // The pages of a team are read like those of an organization.
        all.retain(|case| !case.name.starts_with("--team"));
    }
    let items = size_in_ci(300_000, 100_000);
    let mut huge = cases("a page of very many items", "unexpected response: not a list of ", ever_on(items));
    for case in huge.iter_mut().filter(|case| !case.name.starts_with("--breakdown")) {
        case.expected = "did not answer as GitHub: HTTP 200 with [";
    }
    all.extend(huge);
    all.extend(cases(
        "the same page again",
        "pagination error: the next page is an earlier one",
        |context, _| page(100, 0, &format!("{}?page=2", here(context))),
    ));
    all.extend(cases(
        "a link of 20 KB",
        "pagination error: the next page is on another host",
        |context, number| {
            page(1, number, &format!("{}?page={}&x={}", here(context), number + 1, "x".repeat(20_000)))
        },
    ));
    check_slow_cases(all);
}

/// URLs of another server that look like those of the queried one.
pub fn look_alike_urls(ours: &str, theirs: &str) -> Vec<String> {
    let port = |url: &str| url.rsplit(':').next().unwrap().to_owned();
    let (ours, theirs) = (port(ours), port(theirs));
    vec![
        format!("http://127.0.0.1:{theirs}/users/user-1"),
        format!("http://127.0.0.1:{ours}@127.0.0.1:{theirs}/users/user-1"),
        format!("http://user@127.0.0.1:{theirs}/users/user-1"),
        format!("//127.0.0.1:{theirs}/users/user-1"),
        format!("http:\\\\127.0.0.1:{theirs}/users/user-1"),
        format!("HTTP://LOCALHOST:{theirs}/users/user-1"),
        format!("http://127.0.0.1:{ours}.evil.example:{theirs}/users/user-1"),
        "http://127.0.0.1.evil.example/users/user-1".into(),
        format!("https://127.0.0.1:{theirs}/users/user-1"),
        "ftp://127.0.0.1/users/user-1".into(),
    ]
}

#[test]
fn a_next_page_on_another_server_is_not_followed() {
    for (list, arguments) in LISTS {
        let theirs = Fake::well_behaved();
        for next in look_alike_urls("http://127.0.0.1:8099", &theirs.url()) {
            let port = theirs.url().rsplit(':').next().unwrap().to_owned();
            let shown = next.replace(&port, "PORT");
            let case = Case::with(
                &format!("{list}: on to {shown}"),
                "rest",
                "pagination error: the next page is on another host",
                move |context| {
                    claims(context).or_else(|| number(context).map(|number| page(100, number, &next)))
                },
            );
            let status = if list == "--breakdown" { 1 } else { 2 };
            check_cases(vec![case.arguments(&[arguments, &["--retries", "0"][..]].concat()).status(status)]);
        }
        assert_eq!(theirs.connections(), 0, "{list}: the other server was queried");
    }
}
