//! Redirects in a cycle, endless ones, and ones to invalid or other locations.

use super::{Case, check_cases};
use crate::fake::{Fake, Fault};

fn to(location: impl Into<String>) -> Fault {
    Fault::Response(302, vec![("location", location.into())], "{}".into())
}

#[test]
fn endless_or_invalid_redirects_are_failures() {
    let mut cases = Vec::new();
    for api in ["rest", "graphql"] {
        let often = "redirect not followed: too many redirects";
        cases.extend([
            Case::new("redirects in a circle", api, often, to("/users/user-1")),
            Case::with("redirects to ever new addresses", api, often, |context| {
                Some(to(format!("/users/{}", context.number)))
            }),
            Case::new("a redirect to file:///etc/passwd", api, "HTTP 302", to("file:///etc/passwd")),
            Case::new(
                "a redirect to file://localhost",
                api,
                "redirect not followed: it does not lead to an http or https URL",
                to("file://127.0.0.1/etc/passwd"),
            ),
            Case::new(
                "a redirect to ftp://",
                api,
                "redirect not followed: it does not lead to an http or https URL",
                to("ftp://127.0.0.1/users/user-1"),
            ),
            Case::new(
                "a redirect to a script",
                api,
                "redirect not followed: it does not lead to an http or https URL",
                to("javascript:alert(1)"),
            ),
            Case::new("a redirect to nowhere", api, "HTTP 302", to("http://")),
            Case::new(
                "a redirect without an address",
                api,
                "HTTP 302",
                Fault::Response(302, vec![], "{}".into()),
            ),
            Case::new(
                "a redirect to an address of 300 KB",
                api,
                "HTTP 302",
                to(format!("/{}", "x".repeat(300_000))),
            ),
        ]);
    }
    check_cases(cases);
}

#[test]
fn a_redirect_to_another_port_does_not_receive_the_token() {
    for api in ["rest", "graphql"] {
        let elsewhere = Fake::well_behaved();
        let url = elsewhere.url();
        let case = Case::with("a redirect to http:// on another port", api, "", move |_| {
            Some(to(format!("{url}/users/user-1")))
        });
        // A redirected query becomes a GET request.
        check_cases(vec![case.status(if api == "rest" { 0 } else { 1 })]);
        assert!(elsewhere.requests() == 1 && elsewhere.arrivals()[0].request.all("authorization").is_empty());
    }
}
