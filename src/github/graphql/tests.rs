use super::*;

const PLAIN: CountSelection = CountSelection { breakdown: false, private: false };
const ALL: CountSelection = CountSelection { breakdown: true, private: true };

fn logins(number: usize) -> Vec<Login> {
    (0..number).map(|at| Login::parse(&format!("u{at}")).unwrap()).collect()
}

fn outcomes(body: &str, number: usize) -> Vec<String> {
    let answer = answer(&HeaderMap::new(), body.as_bytes(), &logins(number), PLAIN).unwrap();
    let told = |outcome: Result<Account, LookupError>| match outcome {
        Ok(account) => format!("{} {}", account.login, account.public_repos),
        Err(error) => format!("{}{error}", if error.is_transient() { "again: " } else { "" }),
    };
    answer.outcomes.into_iter().map(told).collect()
}

#[test]
fn the_document_holds_variables_and_no_logins() {
    insta::assert_snapshot!(document(2, ALL), @"
    query Accounts($l0: String!, $l1: String!) {
      rateLimit { cost remaining resetAt }
      a0: repositoryOwner(login: $l0) { ...Account }
      a1: repositoryOwner(login: $l1) { ...Account }
    }
    fragment Account on RepositoryOwner {
      __typename
      login
      ... on User { databaseId }
      ... on Organization { databaseId }
      public: repositories(privacy: PUBLIC, ownerAffiliations: OWNER) { totalCount }
      forks: repositories(privacy: PUBLIC, isFork: true, ownerAffiliations: OWNER) { totalCount }
      archived: repositories(privacy: PUBLIC, isArchived: true, ownerAffiliations: OWNER) { totalCount }
      private: repositories(privacy: PRIVATE, ownerAffiliations: OWNER) { totalCount }
    }
    ");
    let query = serde_json::to_string(&Query::new("Q", &logins(2))).unwrap();
    assert_eq!(query, r#"{"query":"Q","variables":{"l0":"u0","l1":"u1"}}"#);
}

#[test]
fn a_query_stays_within_a_point() {
    let breakdown = CountSelection { breakdown: true, private: false };
    let private = CountSelection { breakdown: false, private: true };
    assert_eq!([PLAIN, private, breakdown, ALL].map(most_accounts), [100, 74, 49, 37]);
    for measures in [PLAIN, private, breakdown, ALL] {
        assert_eq!(points(most_accounts(measures), measures), 1);
    }
    assert_eq!((points(100, breakdown), points(50, breakdown), points(1, PLAIN)), (3, 2, 1));
}

#[test]
fn every_login_has_its_own_outcome() {
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
        outcomes(&body, 7),
        [
            "U0 3",
            "no user or organisation has this login",
            "no user or organisation has this login",
            "GitHub refuses access: SAML",
            "again: GitHub gave no answer: Resource limits",
            "again: GitHub gave no answer: the answer left this login out",
            "again: GitHub gave no answer: Something went wrong",
        ]
    );
}

#[test]
fn a_null_beside_an_error_without_a_path_is_not_a_missing_account() {
    let body =
        r#"{"data":{"a0":null},"errors":[{"type":"RESOURCE_LIMITS_EXCEEDED","message":"Resource limits"}]}"#;
    assert_eq!(outcomes(body, 1), ["again: GitHub gave no answer: Resource limits"]);
}

#[test]
fn an_error_that_names_no_login_of_ours_puts_every_null_in_doubt() {
    for path in ["[1,1]", "[]", "\"a0\"", "{}", "[null]", "[[\"a0\"]]", "7"] {
        let body = format!(r#"{{"data":{{"a0":null}},"errors":[{{"path":{path},"message":"odd"}}]}}"#);
        assert_eq!(outcomes(&body, 1), ["again: GitHub gave no answer: odd"], "{path}");
    }
    let elsewhere = r#"{"data":{"a0":null},"errors":[{"path":["rateLimit"],"message":"odd"}]}"#;
    assert_eq!(outcomes(elsewhere, 1), ["no user or organisation has this login"]);
    let many = format!(r#"{{"data":{{"a0":null}},"errors":[{}{{}}]}}"#, "{},".repeat(1000));
    let error = answer(&HeaderMap::new(), many.as_bytes(), &logins(1), PLAIN).unwrap_err();
    assert_eq!(error, LookupError::Malformed("JSON, but no answer to a query"));
}

#[test]
fn an_oddity_beside_the_data_does_not_spoil_it() {
    let owner = r#""a0":{"login":"u0","databaseId":null,"public":{"totalCount":3}},"a1":null"#;
    let odd = r#"[{"path":["x"],"message":7,"type":[]}]"#;
    for errors in ["null", "[]", r#"[{"path":["rateLimit"],"message":"no"}]"#, odd] {
        for limit in ["null", "{}", r#"{"cost":null}"#, "7"] {
            let body = format!(r#"{{"data":{{"rateLimit":{limit},{owner}}},"errors":{errors}}}"#);
            assert_eq!(outcomes(&body, 2), ["u0 3", "no user or organisation has this login"], "{body}");
        }
    }
}

#[test]
fn without_data_an_error_speaks_for_its_own_login_alone() {
    let body = r#"{"data":null,"errors":[{"type":"FORBIDDEN","path":["a1"],"message":"SAML"}]}"#;
    let told = outcomes(body, 3);
    assert_eq!(told[1], "GitHub refuses access: SAML");
    assert!(told[0].starts_with("again: ") && told[2].starts_with("again: "), "{told:?}");
    let body = r#"{"errors":[{"message":"no field x","extensions":{"code":"undefinedField"}}]}"#;
    let refused = answer(&HeaderMap::new(), body.as_bytes(), &logins(1), PLAIN).unwrap_err();
    assert!(!refused.is_transient());
}

#[test]
fn a_limit_comes_with_a_success_and_in_two_spellings() {
    for kind in ["RATE_LIMITED", "RATE_LIMIT"] {
        for data in [r#""data":null,"#, "", r#""data":{"a0":null},"#] {
            let body =
                format!(r#"{{{data}"errors":[{{"type":"{kind}","message":"API rate limit exceeded"}}]}}"#);
            let error = answer(&HeaderMap::new(), body.as_bytes(), &logins(1), PLAIN).unwrap_err();
            assert_eq!(error, LookupError::RateLimited { status: 200, wait: None, primary: false });
        }
    }
    let body = r#"{"errors":[{"message":"limit","extensions":{"code":"graphql_rate_limit"}}]}"#;
    assert!(matches!(
        answer(&HeaderMap::new(), body.as_bytes(), &logins(1), PLAIN),
        Err(LookupError::RateLimited { .. })
    ));
}

#[test]
fn what_is_no_answer_is_an_error_and_never_a_count() {
    for (body, reason) in [
        ("<html>", "the answer was not JSON"),
        ("{}", "the answer was JSON, but no answer to a query"),
        ("[]", "the answer was JSON, but no answer to a query"),
        (
            r#"{"data":null,"errors":[{"message":"Something went wrong"}]}"#,
            "GitHub gave no answer: Something went wrong",
        ),
    ] {
        let error = answer(&HeaderMap::new(), body.as_bytes(), &logins(1), PLAIN).unwrap_err();
        assert_eq!(error.to_string(), reason, "{body}");
        assert!(error.is_transient());
    }
    let refused = r#"{"data":null,"errors":[{"type":"INSUFFICIENT_SCOPES","message":"Your token has not"}]}"#;
    assert!(!answer(&HeaderMap::new(), refused.as_bytes(), &logins(1), PLAIN).unwrap_err().is_transient());
    for owner in [
        "{}",
        r#"{"login":"u0"}"#,
        r#"{"login":"u0","public":null}"#,
        r#"{"login":"a b","public":{"totalCount":1}}"#,
        r#"{"login":"u0","public":{"totalCount":-1}}"#,
        "[]",
        r#"{"login":"u1","public":{"totalCount":1}}"#,
    ] {
        let told = outcomes(&format!(r#"{{"data":{{"a0":{owner}}}}}"#), 1);
        assert!(told[0].starts_with("again: the answer was "), "{told:?}");
    }
}

#[test]
fn an_alias_is_ours_and_an_owner_is_an_object() {
    let body =
        |alias: &str, count: &str| format!(r#"{{"data":{{"{alias}":{{"login":"u0","public":{count}}}}}}}"#);
    assert_eq!(outcomes(&body("a0", r#"{"totalCount":3}"#), 1), ["u0 3"]);
    for alias in ["a00", "a+0", "a"] {
        let told = outcomes(&body(alias, r#"{"totalCount":3}"#), 1);
        assert_eq!(told, ["again: GitHub gave no answer: the answer left this login out"], "{alias}");
    }
    assert_eq!(outcomes(&body("a0", "[3]"), 1), ["again: the answer was JSON, but no account"]);
    let list = r#"[{"a0":{"login":"u0","public":{"totalCount":3}}},null]"#;
    let refused = answer(&HeaderMap::new(), list.as_bytes(), &logins(1), PLAIN).unwrap_err();
    assert_eq!(refused.to_string(), "the answer was JSON, but no answer to a query");
}
