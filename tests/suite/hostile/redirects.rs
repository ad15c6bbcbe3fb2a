//! Redirects in a cycle, endless ones, and ones to invalid or other locations.

use super::{Case, check_cases};
use crate::fake::{Fake, Fault};

fn to(location: impl Into<String>) -> Fault {
    Fault::Response(302, vec![("location", location.into())], "{}".into())
}

#[test]
fn endless_or_invalid_redirects_are_failures() {
    let mut cases = Vec::new();
    let second = "not a response from GitHub: HTTP 302 redirects to http://127";
    cases.extend([
        Case::new("redirects in a circle", "rest", second, to("/users/user-1")),
        Case::with("redirects to ever new addresses", "rest", second, |context| {
            Some(to(format!("/users/user-{}", context.number)))
        }),
    ]);
    for api in ["rest", "graphql"] {
        cases.extend([
            Case::new(
                "a redirect to file:///etc/passwd",
                api,
                "not a response from GitHub: HTTP 302 redirects to file:///etc/passwd",
                to("file:///etc/passwd"),
            ),
            Case::new(
                "a redirect to ftp://",
                api,
                "ftp://127.0.0.1/users",
                to("ftp://127.0.0.1/users/user-1"),
            ),
            Case::new("a redirect to a script", api, "javascript:alert(1)", to("javascript:alert(1)")),
            Case::new("a redirect to nowhere", api, "HTTP 302 with {} at http://127", to("http://")),
            Case::new(
                "a redirect without an address",
                api,
                "HTTP 302 with {} at http://127",
                Fault::Response(302, vec![], "{}".into()),
            ),
            Case::new(
                "a redirect to an address of 300 KB",
                api,
                "HTTP 302 redirects to http://127",
                to(format!("/{}", "x".repeat(300_000))),
            ),
        ]);
    }
    check_cases(cases);
}

#[test]
fn a_redirect_to_another_server_is_not_followed() {
    for api in ["rest", "graphql"] {
        let elsewhere = Fake::well_behaved();
        let url = elsewhere.url();
        let case =
            Case::with("a redirect to http:// on another port", api, "HTTP 302 redirects to", move |_| {
                Some(to(format!("{url}/users/user-1")))
            });
        check_cases(vec![case]);
        assert_eq!(elsewhere.connections(), 0);
    }
}
