use super::*;

const PLAIN: CountSelection = CountSelection { breakdown: false, private: false, last_push: false };
const ALL: CountSelection = CountSelection { breakdown: true, private: true, last_push: false };

fn logins(number: usize) -> Vec<Login> {
    (0..number).map(|at| Login::parse(&format!("u{at}")).unwrap()).collect()
}

fn results_of(body: &str, number: usize) -> Vec<String> {
    let results = parse_response(&HeaderMap::new(), body.as_bytes(), &logins(number), PLAIN)
        .map_or_else(|error| vec![Err(error)], |response| response.results);
    let describe = |result: Result<Account, LookupError>| match result {
        Ok(account) => format!("{} {}", account.login, account.public_repos),
        Err(error) => format!("{}{error}", if error.is_transient() { "again: " } else { "" }),
    };
    results.into_iter().map(describe).collect()
}

#[test]
fn a_query_has_variables_and_no_logins() {
    insta::assert_snapshot!(build_query(2, ALL, Schema::Current), @"
    query Accounts($l0: String!, $l1: String!) {
      rateLimit { cost remaining resetAt }
      a0: repositoryOwner(login: $l0) { ...Account }
      a1: repositoryOwner(login: $l1) { ...Account }
    }
    fragment Account on RepositoryOwner {
      __typename
      login
      ... on User { databaseId isViewer }
      ... on Organization { databaseId viewerIsAMember viewerCanAdminister }
      public: repositories(privacy: PUBLIC, ownerAffiliations: OWNER) { totalCount }
      forks: repositories(privacy: PUBLIC, isFork: true, ownerAffiliations: OWNER) { totalCount }
      archived: repositories(privacy: PUBLIC, isArchived: true, ownerAffiliations: OWNER) { totalCount }
      private: repositories(visibility: PRIVATE, ownerAffiliations: OWNER) { totalCount }
      internal: repositories(visibility: INTERNAL, ownerAffiliations: OWNER) { totalCount }
    }
    ");
    let query = serde_json::to_string(&Query::new("Q", &logins(2))).unwrap();
    assert_eq!(query, r#"{"query":"Q","variables":{"l0":"u0","l1":"u1"}}"#);
}

#[test]
fn aliases_are_those_of_a_query() {
    for (name, alias) in
        [("a0", Some(0)), ("a10", Some(10)), ("a01", None), ("a+1", None), ("b1", None), ("a", None)]
    {
        assert_eq!(parse_alias(name), alias, "{name}");
    }
    assert_eq!(parse_alias(&format!("a{}", MAX_ITEMS - 1)), Some(MAX_ITEMS - 1));
    assert_eq!(parse_alias(&format!("a{MAX_ITEMS}")), None);
}

#[test]
fn a_full_query_costs_one_point() {
    let breakdown = CountSelection { breakdown: true, private: false, last_push: false };
    let private = CountSelection { breakdown: false, private: true, last_push: false };
    assert_eq!([PLAIN, private, breakdown, ALL].map(max_accounts_per_point), [100, 49, 49, 29]);
    for counts in [PLAIN, private, breakdown, ALL] {
        assert_eq!(query_cost(max_accounts_per_point(counts), counts), 1);
    }
    assert_eq!((query_cost(100, breakdown), query_cost(50, breakdown), query_cost(1, PLAIN)), (3, 2, 1));
}

#[test]
fn the_latest_push_is_in_the_connection_of_the_count() {
    let counts = CountSelection { last_push: true, ..PLAIN };
    let connection = "  public: repositories(first: 1, orderBy: {field: PUSHED_AT, direction: DESC}, privacy: PUBLIC, \
                      ownerAffiliations: OWNER) { totalCount nodes { pushedAt } }\n";
    assert!(build_query(1, counts, Schema::Current).contains(connection));
    assert_eq!(build_query(1, counts, Schema::Current).matches("repositories(").count(), 1);
    assert_eq!((query_cost(100, counts), max_accounts_per_point(counts)), (1, 100));
}

#[test]
fn an_unknown_push_is_null_and_a_missing_one_an_error() {
    let counts = CountSelection { last_push: true, ..PLAIN };
    for (nodes, result) in [
        (r#","nodes":[{"pushedAt":"2024-02-29T10:11:12Z"}]"#, Ok(Some("2024-02-29T10:11:12Z"))),
        (r#","nodes":[{"pushedAt":null}]"#, Ok(None)),
        (r#","nodes":[null]"#, Ok(None)),
        (r#","nodes":[]"#, Ok(None)),
        (r#","nodes":null"#, Ok(None)),
        ("", Err(MISSING_FIELDS)),
        (r#","nodes":[{"pushedAt":"yesterday"}]"#, Err(MISSING_FIELDS)),
        (r#","nodes":7"#, Err(MISSING_FIELDS)),
    ] {
        let owner = format!(r#"{{"login":"u0","databaseId":1,"public":{{"totalCount":3{nodes}}}}}"#);
        let body = format!(r#"{{"data":{{"a0":{owner}}}}}"#);
        let response = parse_response(&HeaderMap::new(), body.as_bytes(), &logins(1), counts).unwrap();
        let push = response.results.into_iter().next().unwrap().map(|account| account.last_push);
        assert_eq!(push, result.map(|time| time.map(|time| time.parse().unwrap())), "{nodes}");
    }
}

#[test]
fn every_login_has_its_own_result() {
    let owner = |login: &str, count: u64| {
        format!(
            r#"{{"__typename":"User","login":"{login}","databaseId":1,"public":{{"totalCount":{count}}}}}"#
        )
    };
    let body = format!(
        r#"{{"data":{{"rateLimit":{{"cost":1}},"a0":{},"a1":null,"a2":null,"a3":null,"a4":null,"a6":{}}},
        "errors":[{{"type":"NOT_FOUND","path":["a2"],"message":"Could not resolve"}},
                  {{"type":"FORBIDDEN","path":["a3"],"message":"SAML","extensions":{{"saml_failure":true}}}},
                  {{"type":"RESOURCE_LIMITS_EXCEEDED","path":["a4"],"message":"Resource limits"}},
                  {{"message":"Something went wrong","path":["a6","public"]}}]}}"#,
        owner("U0", 3),
        owner("u6", 9)
    );
    assert_eq!(
        results_of(&body, 7),
        [
            "U0 3",
            "no such user or organization",
            "no such user or organization",
            "access forbidden: SAML",
            "again: incomplete response: Resource limits",
            "again: incomplete response: this login is missing",
            "again: incomplete response: Something went wrong",
        ]
    );
}

#[test]
fn null_beside_an_unscoped_error_is_not_a_missing_account() {
    let body =
        r#"{"data":{"a0":null},"errors":[{"type":"RESOURCE_LIMITS_EXCEEDED","message":"Resource limits"}]}"#;
    assert_eq!(results_of(body, 1), ["again: incomplete response: Resource limits"]);
}

#[test]
fn an_error_without_an_alias_may_explain_every_null() {
    let elsewhere = ["[\"a1\"]", "[\"query Accounts\"]", "[\"viewer\"]"];
    for path in
        ["[1,1]", "[]", "\"a0\"", "{}", "[null]", "[[\"a0\"]]", "7", "null"].into_iter().chain(elsewhere)
    {
        let body = format!(r#"{{"data":{{"a0":null}},"errors":[{{"path":{path},"message":"odd"}}]}}"#);
        assert_eq!(results_of(&body, 1), ["again: incomplete response: odd"], "{path}");
    }
    let elsewhere = r#"{"data":{"a0":null},"errors":[{"path":["rateLimit"],"message":"odd"}]}"#;
    assert_eq!(results_of(elsewhere, 1), ["no such user or organization"]);
    let many = format!(r#"{{"data":{{"a0":null}},"errors":[{}{{}}]}}"#, "{},".repeat(1000));
    let error = parse_response(&HeaderMap::new(), many.as_bytes(), &logins(1), PLAIN).unwrap_err();
    assert_eq!(error, LookupError::OtherJson("not a GraphQL response"));
}

#[test]
fn not_found_needs_a_null_and_no_other_error() {
    let other = r#"{"type":"RESOURCE_LIMITS_EXCEEDED","path":["a0"],"message":"limits"}"#;
    let missing = r#"{"type":"NOT_FOUND","path":["a0"],"message":"Could not resolve"}"#;
    for errors in [[other, missing], [missing, other]] {
        let body = format!(r#"{{"data":{{"a0":null}},"errors":[{}]}}"#, errors.join(","));
        assert_eq!(results_of(&body, 1), ["again: incomplete response: limits"]);
    }
    let owner = r#"{"login":"u0","databaseId":1,"public":{"totalCount":3}}"#;
    let body = format!(r#"{{"data":{{"a0":{owner}}},"errors":[{missing}]}}"#);
    assert_eq!(results_of(&body, 1), ["again: incomplete response: Could not resolve"]);
    let without_data = format!(r#"{{"data":null,"errors":[{missing}]}}"#);
    assert_eq!(results_of(&without_data, 1), ["no such user or organization"]);
}

#[test]
fn a_missing_field_is_not_a_missing_account() {
    for path in [r#"["a0","public"]"#, r#"["a0" , "public","totalCount"]"#, r#"["a0",0]"#] {
        let nested = format!(r#"{{"type":"NOT_FOUND","path":{path},"message":"no field"}}"#);
        let missing = r#"{"type":"NOT_FOUND","path":["a0"],"message":"no account"}"#;
        for data in [r#"{"a0":null}"#, r#"{"a1":null}"#, "null"] {
            for errors in [nested.clone(), format!("{nested},{missing}"), format!("{missing},{nested}")] {
                let body = format!(r#"{{"data":{data},"errors":[{errors}]}}"#);
                assert_eq!(results_of(&body, 1), ["again: incomplete response: no field"], "{body}");
            }
        }
    }
}

#[test]
fn an_invalid_part_does_not_affect_the_others() {
    let owner = r#""a0":{"login":"u0","databaseId":null,"public":{"totalCount":3}},"a1":null"#;
    let odd = r#"[{"path":["rateLimit"],"message":7,"type":[]}]"#;
    for errors in ["null", "[]", r#"[{"path":["rateLimit"],"message":"no"}]"#, odd] {
        for limit in ["null", "{}", r#"{"cost":null}"#, "7"] {
            let body = format!(r#"{{"data":{{"rateLimit":{limit},{owner}}},"errors":{errors}}}"#);
            assert_eq!(results_of(&body, 2), ["u0 3", "no such user or organization"], "{body}");
        }
    }
}

#[test]
fn without_data_an_error_is_about_its_own_login_only() {
    let body = r#"{"data":null,"errors":[{"type":"FORBIDDEN","path":["a1"],"message":"SAML"}]}"#;
    let results = results_of(body, 3);
    assert_eq!(results[1], "access forbidden: SAML");
    assert!(results[0].starts_with("again: ") && results[2].starts_with("again: "), "{results:?}");
    let body = r#"{"errors":[{"message":"no field x","extensions":{"code":"undefinedField"}}]}"#;
    let refused = parse_response(&HeaderMap::new(), body.as_bytes(), &logins(1), PLAIN).unwrap_err();
    assert!(!refused.is_transient());
}

#[test]
fn a_rate_limit_has_status_200_and_two_spellings() {
    for kind in ["RATE_LIMITED", "RATE_LIMIT"] {
        for data in [r#""data":null,"#, "", r#""data":{"a0":null},"#] {
            let body =
                format!(r#"{{{data}"errors":[{{"type":"{kind}","message":"API rate limit exceeded"}}]}}"#);
            let error = parse_response(&HeaderMap::new(), body.as_bytes(), &logins(1), PLAIN).unwrap_err();
            assert_eq!(
                error,
                LookupError::RateLimited { status: 200, retry_after: None, quota_exhausted: false }
            );
        }
    }
    let body = r#"{"errors":[{"message":"limit","extensions":{"code":"graphql_rate_limit"}}]}"#;
    assert!(matches!(
        parse_response(&HeaderMap::new(), body.as_bytes(), &logins(1), PLAIN),
        Err(LookupError::RateLimited { .. })
    ));
}

#[test]
fn an_unexpected_response_is_an_error_not_a_count() {
    for (body, reason) in [
        ("<html>", "unexpected response: not JSON"),
        ("{}", "unexpected response: not a GraphQL response"),
        ("[]", "unexpected response: not a GraphQL response"),
        (
            r#"{"data":null,"errors":[{"message":"Something went wrong"}]}"#,
            "incomplete response: Something went wrong",
        ),
    ] {
        let error = parse_response(&HeaderMap::new(), body.as_bytes(), &logins(1), PLAIN).unwrap_err();
        assert_eq!(error.to_string(), reason, "{body}");
        assert!(error.is_transient());
    }
    let refused = r#"{"data":null,"errors":[{"type":"INSUFFICIENT_SCOPES","message":"Your token has not"}]}"#;
    assert!(
        !parse_response(&HeaderMap::new(), refused.as_bytes(), &logins(1), PLAIN).unwrap_err().is_transient()
    );
    for owner in [
        "{}",
        r#"{"login":"u0"}"#,
        r#"{"login":"u0","public":null}"#,
        r#"{"login":"a b","public":{"totalCount":1}}"#,
        r#"{"login":"u0","public":{"totalCount":-1}}"#,
        "[]",
        r#"{"login":"u1","public":{"totalCount":1}}"#,
    ] {
        let results = results_of(&format!(r#"{{"data":{{"a0":{owner}}}}}"#), 1);
        assert!(results[0].starts_with("again: unexpected response: "), "{results:?}");
    }
}

#[test]
fn other_aliases_and_other_owners_are_not_counted() {
    let body =
        |alias: &str, count: &str| format!(r#"{{"data":{{"{alias}":{{"login":"u0","public":{count}}}}}}}"#);
    assert_eq!(results_of(&body("a0", r#"{"totalCount":3}"#), 1), ["u0 3"]);
    for alias in ["a00", "a+0", "a"] {
        let results = results_of(&body(alias, r#"{"totalCount":3}"#), 1);
        assert_eq!(results, ["again: incomplete response: this login is missing"], "{alias}");
    }
    assert_eq!(results_of(&body("a0", "[3]"), 1), ["again: unexpected response: missing account fields"]);
    let list = r#"[{"a0":{"login":"u0","public":{"totalCount":3}}},null]"#;
    let refused = parse_response(&HeaderMap::new(), list.as_bytes(), &logins(1), PLAIN).unwrap_err();
    assert_eq!(refused.to_string(), "unexpected response: not a GraphQL response");
}
