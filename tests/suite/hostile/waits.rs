//! Absurd waits: the run ends or continues, and never sleeps longer than `--max-wait`.

use super::{Case, check_cases};
use crate::fake::{Fault, FaultContext, account};

const ABSURD: [&str; 6] = [
    "99999999999",
    "18446744073709551615",
    "99999999999999999999999999",
    "Fri, 01 Jan 9999 00:00:00 GMT",
    "253402300799",
    "9223372036854775807",
];

/// A valid response of either API with these headers, and no other rate limit headers.
fn counted(context: &FaultContext<'_>, headers: Vec<(&'static str, String)>) -> Fault {
    let api = if context.request.method == "POST" { "graphql" } else { "rest" };
    let login = if api == "rest" { context.login } else { "user-1" };
    let count = account(login).unwrap().public_repos;
    Fault::Response(200, headers, super::good(api, &format!("\"{login}\""), &count.to_string()))
}

/// Two logins in sequence: headers of the first response delay the second request.
const TWO: [&str; 8] = ["user-1", "user-2", "-j", "1", "--batch", "1", "--max-wait", "2s"];

#[test]
fn a_wait_beyond_max_wait_ends_the_run_at_once() {
    let mut cases = Vec::new();
    for api in ["rest", "graphql"] {
        for wait in ABSURD {
            let refused = Fault::Response(429, vec![("retry-after", wait.into())], "{}".into());
            let case =
                Case::new(&format!("429, retry-after: {wait}"), api, "rate limit lasts until", refused);
            cases.push(case.arguments(&TWO).status(5));
            let busy = Fault::Response(503, vec![("retry-after", wait.into())], "{}".into());
            let case = Case::new(&format!("503, retry-after: {wait}"), api, "", busy);
            cases.push(case.arguments(&TWO).status(5));
        }
        for reset in [
            "253402300799",
            "253402300800",
            "9223372036854775807",
            "18446744073709551615",
            "99999999999999999999999999",
        ] {
            let headers =
                vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", reset.into())];
            let refused = Fault::Response(403, headers, "{\"message\":\"API rate limit exceeded\"}".into());
            let case = Case::new(
                &format!("403, x-ratelimit-reset: {reset}"),
                api,
                "rate limit lasts until",
                refused,
            );
            cases.push(case.arguments(&TWO).status(5));
        }
    }
    // A date at the end of the calendar is ignored.
    let beyond = vec![("retry-after", "Fri, 31 Dec 9999 23:59:59 GMT".to_owned())];
    cases.push(Case::new(
        "503, retry-after: a date beyond the calendar",
        "rest",
        "HTTP 503",
        Fault::Response(503, beyond, "{}".into()),
    ));
    check_cases(cases);
}

#[test]
fn an_invalid_reset_or_date_delays_no_request() {
    let mut cases = Vec::new();
    for reset in ["-1", "0", "-9223372036854775808", "1.5", "soon", ""] {
        for remaining in ["0", "-1", "1"] {
            let name = format!("remaining: {remaining}, reset: {reset}");
            let headers =
                vec![("x-ratelimit-remaining", remaining.to_owned()), ("x-ratelimit-reset", reset.into())];
            let case =
                Case::with(&name, "rest", "ok", move |context| Some(counted(context, headers.clone())));
            cases.push(case.arguments(&TWO).status(0));
        }
    }
    for date in [
        "Thu, 01 Jan 1970 00:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Mon, 01 Jan 0001 00:00:00 GMT",
        "yesterday",
    ] {
        for reset in ["0", "253402300799"] {
            let name = format!("date: {date}, reset: {reset}");
            let headers = vec![
                ("date", date.to_owned()),
                ("x-ratelimit-remaining", "5".into()),
                ("x-ratelimit-reset", reset.into()),
            ];
            let case =
                Case::with(&name, "rest", "ok", move |context| Some(counted(context, headers.clone())));
            cases.push(case.arguments(&TWO).status(0));
        }
    }
    check_cases(cases);
}

#[test]
fn a_date_of_1970_with_a_reset_of_today_ends_the_run_at_once() {
    let reset = jiff::Timestamp::now().as_second() + 60;
    for api in ["rest", "graphql"] {
        let headers = vec![
            ("date", "Thu, 01 Jan 1970 00:00:00 GMT".to_owned()),
            ("x-ratelimit-remaining", "0".into()),
            ("x-ratelimit-reset", reset.to_string()),
        ];
        let case = Case::with(
            "date: 1970, nothing left until today",
            api,
            "rate limit lasts until",
            move |context| Some(counted(context, headers.clone())),
        );
        check_cases(vec![case.arguments(&TWO).status(5)]);
    }
}
