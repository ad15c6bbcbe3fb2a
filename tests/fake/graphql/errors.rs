//! Errors of the GraphQL API: for one login, for a limit, for a missing token.

use serde_json::{Value, json};

use super::super::Response;

/// A fault in the response for one login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AliasFault {
    /// `null` and an error of type `RESOURCE_LIMITS_EXCEEDED`.
    ResourceLimits,
    /// `null` and an error of type `FORBIDDEN`, with the extension for single sign-on.
    Forbidden,
    /// `null` and an error of type `NOT_FOUND`, as `user(login:)` has it.
    NotFound,
    /// `null` and an error without a type.
    Wrong,
    /// `null` and an error without a path.
    Unscoped,
}

pub(super) fn alias_error(fault: &AliasFault, alias: &str, login: &str) -> Value {
    let place = json!([{"line": 3, "column": 3}]);
    match fault {
        AliasFault::ResourceLimits => json!({
            "type": "RESOURCE_LIMITS_EXCEEDED", "path": [alias], "locations": place,
            "message": "Resource limits for this query exceeded."
        }),
        AliasFault::Forbidden => json!({
            "type": "FORBIDDEN", "path": [alias], "locations": place, "extensions": {"saml_failure": true},
            "message": "Resource protected by organization SAML enforcement. You must grant your OAuth token access to this organization."
        }),
        AliasFault::NotFound => json!({
            "type": "NOT_FOUND", "path": [alias], "locations": place,
            "message": format!("Could not resolve to a User with the login of '{login}'.")
        }),
        AliasFault::Unscoped => json!({"message": "Something went wrong while executing your query."}),
        AliasFault::Wrong => json!({
            "path": [alias], "locations": place,
            "message": "Something went wrong while executing your query. Please include `0000:SAMPLE` when reporting this issue."
        }),
    }
}

/// The response of a server whose `repositories` does not have this argument.
pub(super) fn unknown_argument(connection: &str, argument: &str) -> Value {
    let error = json!({
        "path": ["fragment Account", connection, argument], "locations": [{"line": 9, "column": 25}],
        "extensions": {
            "code": "argumentNotAccepted", "name": "repositories", "typeName": "Field", "argumentName": argument
        },
        "message": format!("Field 'repositories' doesn't accept argument '{argument}'")
    });
    json!({"errors": [error]})
}

/// A rejection by the primary limit. Its status is 200, and its error type has two spellings.
pub fn limited(error_type: &str) -> Response {
    let error = json!({
        "type": error_type, "code": "graphql_rate_limit",
        "message": "API rate limit already exceeded for user ID 1."
    });
    Response::json(200, &json!({"errors": [error]}).to_string())
}

/// Body of the 401 for a request without a token.
pub const NO_TOKEN: &str = r#"{"message":"This endpoint requires you to be authenticated.","documentation_url":"https://docs.github.com/graphql/guides/forming-calls-with-graphql#authenticating-with-graphql","status":"401"}"#;
