//! Members of an enterprise, whose slug ends with their number: `acme-437`.
//!
//! `missing…` does not exist. In `saml…` the organization `org-c` is protected by single sign-on. Every third member is a user
//! without an account in the enterprise, and member-5 is not visible.

use graphql_parser::query::{Field, Value as Argument};
use serde_json::{Map, Value, json};

use super::super::{Behavior, Response};
use super::Query;

/// Organizations of a member: one after the other, and in all of them the first.
fn organizations(member: u64) -> Vec<&'static str> {
    match member % 4 {
        0 => vec!["org-a"],
        1 => vec!["org-a", "org-b"],
        2 => vec!["org-c"],
        _ => vec![],
    }
}

impl Query {
    /// Returns the value of `enterprise(slug:)` and the errors beside it, or the response if the whole query fails.
    pub(super) fn enterprise(
        &self,
        field: &Field<'static, String>,
        behavior: &Behavior,
    ) -> Result<(Value, Vec<Value>), Response> {
        let slug = self.argument(field, "slug").unwrap_or_default();
        let (_, number) = slug.rsplit_once('-').unwrap_or_default();
        let number: u64 = match number.parse() {
            Ok(number) if !slug.starts_with("missing") => number,
            _ => {
                let message = "Could not resolve to a Business with the URL slug of 'missing'.";
                let error = json!({"type": "NOT_FOUND", "path": ["enterprise"], "message": message});
                return Ok((Value::Null, vec![error]));
            }
        };
        match behavior.scopes {
            None => {
                let message = "Resource not accessible by personal access token";
                let error =
                    json!({"type": "FORBIDDEN", "path": ["enterprise", "members"], "message": message});
                return Ok((json!({"members": null}), vec![error]));
            }
            Some(scopes) if !scopes.contains("read:enterprise") => {
                let message = format!(
                    "Your token has not been granted the required scopes to execute this query. The 'members' field requires \
                     one of the following scopes: ['admin:enterprise', 'read:enterprise'], but your token has only been granted \
                     the: ['{scopes}'] scopes. Please modify your token's scopes at: https://github.com/settings/tokens."
                );
                let body = json!({"errors": [{"type": "INSUFFICIENT_SCOPES", "message": message}]});
                return Err(Response::json(200, &body.to_string()));
            }
            Some(_) => {}
        }
        let (mut members, mut errors) = (Map::new(), Vec::new());
        let mut fields = Vec::new();
        self.fields(&field.selection_set, "Enterprise", &mut fields);
        for field in fields {
            assert_eq!(field.name, "members", "no other field");
            let is_cloud = |(name, value): &(String, Argument<'_, String>)| {
                name == "deployment" && *value == Argument::Enum("CLOUD".into())
            };
            assert!(field.arguments.iter().any(is_cloud), "members of a server are no accounts here");
            members.insert(field.name.clone(), self.members(field, number, &slug, &mut errors));
        }
        Ok((Value::Object(members), errors))
    }

    fn members(
        &self,
        field: &Field<'static, String>,
        number: u64,
        slug: &str,
        errors: &mut Vec<Value>,
    ) -> Value {
        let first = field.arguments.iter().find_map(|(name, value)| match value {
            Argument::Int(first) if name == "first" => first.as_i64(),
            _ => None,
        });
        let first = u64::try_from(first.expect("first")).expect("a number");
        assert!((1..=100).contains(&first), "at most 100 on a page");
        let begin = match self.argument(field, "after") {
            Some(cursor) => cursor.strip_prefix("Cursor:").expect("a cursor").parse().expect("a number"),
            None => 0,
        };
        let end = number.min(begin + first);
        let mut object = Map::new();
        let mut fields = Vec::new();
        self.fields(&field.selection_set, "EnterpriseMemberConnection", &mut fields);
        for field in fields {
            let value = match field.name.as_str() {
                "nodes" => (begin..end)
                    .map(|member| self.member(field, member, member - begin, slug, errors))
                    .collect(),
                "pageInfo" => json!({"hasNextPage": end < number, "endCursor": format!("Cursor:{end}")}),
                other => panic!("no field {other}"),
            };
            object.insert(field.name.clone(), value);
        }
        Value::Object(object)
    }

    fn member(
        &self,
        field: &Field<'static, String>,
        member: u64,
        index: u64,
        slug: &str,
        errors: &mut Vec<Value>,
    ) -> Value {
        if member == 5 {
            return Value::Null;
        }
        let typename = if member % 3 == 2 { "User" } else { "EnterpriseUserAccount" };
        let mut fields = Vec::new();
        self.fields(&field.selection_set, typename, &mut fields);
        let mut object = Map::new();
        for field in fields {
            let value = match field.name.as_str() {
                "__typename" => typename.into(),
                // The identifier of an account may be an e-mail address.
                "login" if member == 3 => "mona@example.com".into(),
                "login" => format!("member-{member}").into(),
                "user" => json!({"login": format!("member-{member}")}),
                "organizations" => {
                    let names = organizations(member).into_iter().enumerate();
                    let nodes = names.map(|(at, name)| {
                        if name != "org-c" || !slug.starts_with("saml") {
                            return json!({"login": name});
                        }
                        let path =
                            json!(["enterprise", "members", "nodes", index, "organizations", "nodes", at]);
                        errors.push(json!({
                            "type": "FORBIDDEN", "path": path, "extensions": {"saml_failure": true},
                            "message": "Resource protected by organization SAML enforcement: `org-c`."
                        }));
                        Value::Null
                    });
                    json!({"nodes": nodes.collect::<Vec<_>>()})
                }
                other => panic!("no field {other} of {typename}"),
            };
            object.insert(field.name.clone(), value);
        }
        Value::Object(object)
    }
}
