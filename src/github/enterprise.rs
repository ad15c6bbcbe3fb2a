//! Members of an enterprise. Only the GraphQL API lists them, a hundred on a page, each page after the cursor of the one before.
//!
//! A response may be partial: organizations that the token cannot see are `null`, with an error beside the data.

use std::collections::{BTreeSet, HashSet};

use http::HeaderMap;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::Client;
use super::error::{LookupError, rate_limit_error, sso_url};
use super::graphql::{GraphqlError, Query, parse_lenient, reported_cost};
use super::members::{HiddenOrganizations, ListedMember, MemberList};
use super::rest::{BoundedVec, MAX_PAGES, Member, TOO_MANY_PAGES, parse_json};
use super::retry::{AttemptLog, RetryDecision};
use super::transport::Request;
use crate::login::Login;
use crate::object::Object;
use crate::rate_limit::{Resource, header_str};
use crate::stop::StopReason;

const PAGE_SIZE: usize = 100;
/// Cost of a page in points: its members, and a list of organizations for each.
const PAGE_COST: u64 = 1;
/// Upper bound on the distinct messages about organizations that are kept.
const MAX_MESSAGES: usize = 3;

/// Builds the query for a page of members. The account of a member has the organizations of the enterprise; a user has those that
/// the token can see.
fn page_query(size: usize) -> String {
    format!(
        "query EnterpriseMembers($slug: String!, $cursor: String) {{
  rateLimit {{ cost remaining resetAt }}
  enterprise(slug: $slug) {{
    members(deployment: CLOUD, first: {size}, after: $cursor) {{
      nodes {{
        __typename
        ... on EnterpriseUserAccount {{ login user {{ login }} organizations(first: 100) {{ nodes {{ login }} }} }}
        ... on User {{ login organizations(first: 100) {{ nodes {{ login }} }} }}
      }}
      pageInfo {{ hasNextPage endCursor }}
    }}
  }}
}}
"
    )
}

#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    data: Option<Object<Data<'a>>>,
    #[serde(borrow)]
    errors: Option<BoundedVec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow, rename = "rateLimit")]
    rate_limit: Option<&'a RawValue>,
    enterprise: Option<Object<Enterprise>>,
}

#[derive(Deserialize)]
struct Enterprise {
    members: Option<Object<MemberConnection>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MemberConnection {
    nodes: BoundedVec<Option<Object<MemberNode>>>,
    page_info: Object<PageInfo>,
}

/// A user, or the account of a user in the enterprise.
#[derive(Deserialize)]
struct MemberNode {
    login: String,
    user: Option<Object<Member>>,
    organizations: Option<Object<OrganizationConnection>>,
}

#[derive(Deserialize)]
struct OrganizationConnection {
    nodes: Option<BoundedVec<Option<Object<Member>>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageInfo {
    has_next_page: bool,
    end_cursor: Option<String>,
}

struct Page {
    /// None for members that the token cannot see.
    members: Vec<Option<ListedMember>>,
    next: Option<String>,
    hidden: HiddenOrganizations,
    cost: Option<u64>,
}

fn parse_page(headers: &HeaderMap, body: &[u8]) -> Result<Page, LookupError> {
    let Object(response): Object<Response<'_>> = parse_json(body, "not a list of members")?;
    let errors = response.errors.map_or_else(Vec::new, |BoundedVec(errors)| errors);
    let errors: Vec<GraphqlError> =
        errors.into_iter().map(|error| parse_lenient(error).unwrap_or_default()).collect();
    if errors.iter().any(GraphqlError::is_rate_limited) {
        return Err(rate_limit_error(200, headers));
    }
    if let Some(error) = errors.iter().find(|error| error.is_about_account()) {
        return Err(LookupError::Stopped(StopReason::Suspended(error.message())));
    }
    if errors.iter().any(GraphqlError::is_missing_scope) {
        return Err(LookupError::InsufficientScope);
    }
    if let Some(error) = errors.iter().find(|error| error.is_about_schema()) {
        return Err(LookupError::ListUnsupported(error.message()));
    }
    // An error of the server may be the reason for any null.
    if let Some(error) = errors.iter().find(|error| !error.is_forbidden() && !error.is_not_found()) {
        return Err(LookupError::PartialResponse(error.message()));
    }
    let Some(Object(data)) = response.data else {
        return Err(errors.first().map_or(LookupError::OtherJson("not a list of members"), |error| {
            error.to_lookup_error(headers)
        }));
    };
    let Some(Object(members)) = data.enterprise.and_then(|Object(enterprise)| enterprise.members) else {
        return Err(errors.first().map_or(LookupError::NotFound, |error| error.to_lookup_error(headers)));
    };
    let Object(PageInfo { has_next_page, end_cursor }) = members.page_info;
    if has_next_page && end_cursor.is_none() {
        return Err(LookupError::Pagination("the next page has no cursor"));
    }
    let mut hidden = hidden_organizations(headers, &errors);
    let members = members.nodes.0.into_iter().map(|node| Some(listed_member(node?.0, &mut hidden)));
    Ok(Page {
        members: members.collect(),
        next: end_cursor.filter(|_| has_next_page),
        hidden,
        cost: reported_cost(headers, data.rate_limit),
    })
}

/// The login of an account may be an e-mail address: that of its user is preferred.
fn listed_member(node: MemberNode, hidden: &mut HiddenOrganizations) -> ListedMember {
    let login = node.user.map_or(node.login, |Object(Member { login })| login);
    let nodes = node.organizations.and_then(|Object(organizations)| organizations.nodes);
    let mut organizations = Vec::new();
    for node in nodes.map(|BoundedVec(nodes)| nodes).into_iter().flatten() {
        match node.map(|Object(Member { login })| login).filter(|login| Login::exact(login).is_ok()) {
            Some(login) => organizations.push(login),
            None => hidden.memberships += 1,
        }
    }
    ListedMember { login, organizations }
}

/// Returns the organizations that the errors and the header of single sign-on name.
fn hidden_organizations(headers: &HeaderMap, errors: &[GraphqlError]) -> HiddenOrganizations {
    let mut hidden = HiddenOrganizations { sso_url: sso_url(headers), ..HiddenOrganizations::default() };
    for error in errors {
        let message = error.message();
        // "… the `acme` organization has enabled OAuth App access restrictions …"
        let quoted = message.split('`').skip(1).step_by(2).filter(|name| Login::exact(name).is_ok());
        hidden.names.extend(quoted.map(str::to_owned));
        if hidden.messages.len() < MAX_MESSAGES {
            hidden.messages.insert(message.trim_end_matches('.').to_owned());
        }
    }
    // "partial-results; organizations=21955855,20582480"
    let ids = header_str(headers, "x-github-sso").and_then(|value| value.split_once("organizations="));
    let ids = ids.map(|(_, ids)| ids.split([',', ';']).map(str::trim)).into_iter().flatten();
    hidden.ids = ids.filter_map(|id| id.parse().ok()).collect();
    hidden
}

impl Client {
    pub(super) async fn enterprise_members(&self, slug: &str) -> Result<MemberList, LookupError> {
        let (mut list, mut log, mut size) = (MemberList::default(), AttemptLog::default(), PAGE_SIZE);
        let (mut cursor, mut seen) = (None::<String>, HashSet::new());
        loop {
            log.start_request();
            let page = self.enterprise_page(&mut log, slug, cursor.as_deref(), &mut size).await?;
            let count = page.members.len();
            list.hidden.add(page.hidden);
            for member in page.members {
                match member {
                    Some(member) => list.members.push(member),
                    None => list.hidden_members += 1,
                }
            }
            let Some(next) = page.next else { return Ok(list) };
            if count == 0 || seen.len() >= MAX_PAGES {
                return Err(TOO_MANY_PAGES);
            }
            if !seen.insert(next.clone()) {
                return Err(LookupError::Pagination("the next page is an earlier one"));
            }
            cursor = Some(next);
        }
    }

    /// Requests a page, with retries. After a query that took too long the page is halved.
    async fn enterprise_page(
        &self,
        log: &mut AttemptLog,
        slug: &str,
        cursor: Option<&str>,
        size: &mut usize,
    ) -> Result<Page, LookupError> {
        loop {
            let error = match self.enterprise_page_once(log, slug, cursor, *size).await {
                Err(error @ (LookupError::NotFound | LookupError::Forbidden { .. })) if cursor.is_some() => {
                    LookupError::PartialResponse(format!("a list of an existing enterprise: {error}"))
                }
                Err(error) => error,
                page => return page,
            };
            let decision = log.on_failure(&error, 1, self.config().retries);
            if decision == RetryDecision::GiveUp {
                return Err(error);
            }
            if error.suggests_smaller_batch() {
                *size = (*size / 2).max(1);
            }
            tracing::info!(%error, ?decision, attempt = log.attempts, size, "retrying a page of members");
            if decision == RetryDecision::BackOff {
                self.limiter().back_off(log.retries).await;
            }
        }
    }

    async fn enterprise_page_once(
        &self,
        log: &mut AttemptLog,
        slug: &str,
        cursor: Option<&str>,
        size: usize,
    ) -> Result<Page, LookupError> {
        let mut permit = self.acquire(Resource::Graphql, PAGE_COST).await.map_err(LookupError::Stopped)?;
        self.limiter().reserve_points(PAGE_COST).map_err(LookupError::Stopped)?;
        log.attempts += 1;
        let text = page_query(size);
        let request = Request::Graphql(Query::of_page(&text, slug, cursor));
        let page = self.send(&request, &mut permit, parse_page).await;
        drop(permit);
        let cost = match &page {
            Ok(page) => page.cost.unwrap_or(PAGE_COST),
            Err(LookupError::Connect(_)) => 0,
            Err(_) => PAGE_COST,
        };
        self.limiter().reconcile_points(PAGE_COST, cost);
        self.add_points(cost);
        page
    }
}

impl HiddenOrganizations {
    fn add(&mut self, other: Self) {
        self.names.extend(other.names);
        self.ids.extend(other.ids);
        self.memberships += other.memberships;
        self.sso_url = self.sso_url.take().or(other.sso_url);
        let messages: BTreeSet<_> = std::mem::take(&mut self.messages);
        self.messages = messages.into_iter().chain(other.messages).take(MAX_MESSAGES).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<Page, LookupError> {
        parse_page(&HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn an_account_has_the_login_of_its_user_and_its_organizations() {
        let page = parse(
            r#"{"data":{"rateLimit":{"cost":2},"enterprise":{"members":{"nodes":[
                {"__typename":"EnterpriseUserAccount","login":"mona@example.com","user":{"login":"mona_acme"},
                 "organizations":{"nodes":[{"login":"core"},null,{"login":"web"}]}},
                {"__typename":"EnterpriseUserAccount","login":"hubot","user":null,"organizations":null},
                {"__typename":"User","login":"octocat"},
                null
            ],"pageInfo":{"hasNextPage":true,"endCursor":"c1"}}}},"errors":[
                {"type":"FORBIDDEN","path":["enterprise","members","nodes",0,"organizations","nodes",1],
                 "message":"Although you appear to have the correct authorization credentials, the `secret` organization has an IP allow list enabled."}
            ]}"#,
        )
        .unwrap();
        let members: Vec<_> = page
            .members
            .iter()
            .map(|member| {
                member.as_ref().map(|member| (member.login.as_str(), member.organizations.join("; ")))
            })
            .collect();
        assert_eq!(
            members,
            [
                Some(("mona_acme", "core; web".to_owned())),
                Some(("hubot", String::new())),
                Some(("octocat", String::new())),
                None
            ]
        );
        assert_eq!((page.next.as_deref(), page.cost), (Some("c1"), Some(2)));
        assert_eq!(page.hidden.names, BTreeSet::from(["secret".to_owned()]));
        assert_eq!(page.hidden.memberships, 1);
    }

    #[test]
    fn a_response_without_members_has_a_reason() {
        let scope = "Your token has not been granted the required scopes to execute this query.";
        for (body, reason) in [
            (r#"{"data":{"enterprise":null}}"#.to_owned(), "no such user or organization"),
            (
                r#"{"data":{"enterprise":null},"errors":[{"type":"NOT_FOUND","path":["enterprise"],"message":"no"}]}"#
                    .to_owned(),
                "no such user or organization",
            ),
            (
                r#"{"data":{"enterprise":null},"errors":[{"type":"FORBIDDEN","path":["enterprise"],"message":"no"}]}"#
                    .to_owned(),
                "access forbidden: no",
            ),
            (format!(r#"{{"errors":[{{"message":"{scope}"}}]}}"#), "the token lacks a scope"),
            (
                r#"{"errors":[{"type":"INSUFFICIENT_SCOPES","message":"no"}]}"#.to_owned(),
                "the token lacks a scope",
            ),
            (
                r#"{"data":{"enterprise":null},"errors":[{"message":"Something went wrong"}]}"#.to_owned(),
                "incomplete response: Something went wrong",
            ),
            (
                r#"{"errors":[{"message":"Field 'enterprise' doesn't exist on type 'Query'"}]}"#.to_owned(),
                "the server cannot list them: Field 'enterprise' doesn't exist on type 'Query'",
            ),
            (
                r#"{"data":{"enterprise":{"members":{"nodes":[],"pageInfo":{"hasNextPage":true}}}}}"#.to_owned(),
                "pagination error: the next page has no cursor",
            ),
            ("[]".to_owned(), "unexpected response: not a list of members"),
            ("{}".to_owned(), "unexpected response: not a list of members"),
        ] {
            assert_eq!(parse(&body).err().unwrap().to_string(), reason, "{body}");
        }
    }

    #[test]
    fn an_enterprise_is_a_variable_and_never_query_text() {
        let text = page_query(100);
        let query = serde_json::to_value(Query::of_page(&text, "acme\") { x }", Some("c"))).unwrap();
        assert_eq!(query["variables"], serde_json::json!({"slug": "acme\") { x }", "cursor": "c"}));
        assert_eq!(query["query"], text);
    }

    #[test]
    fn organizations_of_single_sign_on_are_known_by_their_ids() {
        let mut headers = HeaderMap::new();
        headers.insert("x-github-sso", "partial-results; organizations=21955855,20582480".parse().unwrap());
        let hidden = hidden_organizations(&headers, &[]);
        assert_eq!(hidden.ids, BTreeSet::from([20_582_480, 21_955_855]));
    }
}
