//! The GraphQL API: parsed queries, GitHub's prices, and partial responses.

mod enterprise;
mod errors;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, Mutex};

use graphql_parser::query::{
    Definition, Document, Field, FragmentDefinition, OperationDefinition, Selection, SelectionSet,
};
use graphql_parser::query::{TypeCondition, Value as Argument};
use serde_json::{Map, Value, json};

use self::errors::alias_error;
pub use self::errors::{AliasFault, NO_TOKEN, limited};
use super::{
    Account, Behavior, RepositoryOrder, Request, Response, VIEWER, account, repositories as repository_list,
};

/// A parsed query and its variables.
pub struct Query {
    parsed: Arc<Parsed>,
    variables: Value,
}

struct Parsed {
    document: Document<'static, String>,
    /// Names of the declared variables.
    declared: BTreeSet<String>,
}

/// Parsed documents by their text. Parsing every query again would make the fake the bottleneck of a benchmark.
static KNOWN: LazyLock<Mutex<HashMap<String, Arc<Parsed>>>> = LazyLock::new(Mutex::default);
const MAX_CACHED_QUERIES: usize = 200;

impl Parsed {
    fn of(text: &str) -> Result<Arc<Self>, String> {
        if let Some(known) = KNOWN.lock().expect("no panic").get(text) {
            return Ok(Arc::clone(known));
        }
        let document =
            graphql_parser::parse_query::<String>(text).map_err(|error| error.to_string())?.into_static();
        let queries = document.definitions.iter().filter_map(|definition| match definition {
            Definition::Operation(OperationDefinition::Query(query)) => Some(query),
            _ => None,
        });
        let declared = queries
            .flat_map(|query| &query.variable_definitions)
            .map(|variable| variable.name.clone())
            .collect();
        let parsed = Arc::new(Self { document, declared });
        let mut known = KNOWN.lock().expect("no panic");
        if known.len() >= MAX_CACHED_QUERIES {
            known.clear();
        }
        known.insert(text.to_owned(), Arc::clone(&parsed));
        Ok(parsed)
    }
}

/// Logins and cost of a query.
#[derive(Clone, Debug, Default)]
pub struct QuerySummary {
    /// The login of each alias, in lower case.
    pub logins: Vec<String>,
    /// Number of connections, which decides the cost.
    pub connections: usize,
}

impl QuerySummary {
    /// Cost in points.
    pub fn cost(&self) -> u64 {
        // GitHub's formula: connections divided by a hundred, rounded, at least 1.
        ((self.connections + 50) / 100).max(1) as u64
    }
}

impl Query {
    /// Parses a request's body.
    pub fn parse(request: &Request) -> Result<Self, String> {
        let mut body: Value = serde_json::from_slice(&request.body).map_err(|error| error.to_string())?;
        let text =
            body["query"].as_str().ok_or("A query attribute must be specified and must be a string.")?;
        let parsed = Parsed::of(text)?;
        Ok(Self { parsed, variables: body["variables"].take() })
    }

    fn operation(&self) -> &SelectionSet<'static, String> {
        self.parsed
            .document
            .definitions
            .iter()
            .find_map(|definition| match definition {
                Definition::Operation(OperationDefinition::Query(query)) => Some(&query.selection_set),
                Definition::Operation(OperationDefinition::SelectionSet(set)) => Some(set),
                _ => None,
            })
            .expect("an operation")
    }

    fn fragment(&self, name: &str) -> &FragmentDefinition<'static, String> {
        self.parsed
            .document
            .definitions
            .iter()
            .find_map(|definition| match definition {
                Definition::Fragment(fragment) if fragment.name == name => Some(fragment),
                _ => None,
            })
            .expect("a fragment")
    }

    /// All fields of a selection for an object of `typename`, fragments resolved.
    fn fields<'a>(
        &'a self,
        set: &'a SelectionSet<'static, String>,
        typename: &str,
        into: &mut Vec<&'a Field<'static, String>>,
    ) {
        for selection in &set.items {
            match selection {
                Selection::Field(field) => into.push(field),
                Selection::FragmentSpread(spread) => {
                    let fragment = self.fragment(&spread.fragment_name);
                    let TypeCondition::On(on) = &fragment.type_condition;
                    if applies(on, typename) {
                        self.fields(&fragment.selection_set, typename, into);
                    }
                }
                Selection::InlineFragment(inline) => {
                    let on = inline.type_condition.as_ref().map(|TypeCondition::On(on)| on.as_str());
                    if on.is_none_or(|on| applies(on, typename)) {
                        self.fields(&inline.selection_set, typename, into);
                    }
                }
            }
        }
    }

    fn text(&self, argument: &Argument<'static, String>) -> Option<String> {
        match argument {
            Argument::String(text) => Some(text.clone()),
            Argument::Variable(name) => {
                assert!(self.parsed.declared.contains(name), "${name} is not declared");
                self.variables[name].as_str().map(str::to_owned)
            }
            _ => None,
        }
    }

    /// Returns the logins and connections of the query.
    pub fn summary(&self) -> QuerySummary {
        let mut fields = Vec::new();
        self.fields(self.operation(), "Query", &mut fields);
        let mut summary = QuerySummary::default();
        for field in fields.into_iter().filter(|field| field.name == "repositoryOwner") {
            summary.logins.push(self.login(field).to_ascii_lowercase());
            let mut inner = Vec::new();
            self.fields(&field.selection_set, "User", &mut inner);
            summary.connections += inner.iter().filter(|field| field.name == "repositories").count();
        }
        summary
    }

    fn login(&self, field: &Field<'static, String>) -> String {
        self.argument(field, "login").unwrap_or_default()
    }

    fn argument(&self, field: &Field<'static, String>, name: &str) -> Option<String> {
        let argument = field.arguments.iter().find(|(other, _)| other == name);
        argument.and_then(|(_, value)| self.text(value))
    }

    /// Executes the query. `fault` decides the fault of a login.
    pub fn execute(
        &self,
        behavior: &Behavior,
        limits: &Value,
        fault: impl Fn(&str) -> Option<AliasFault>,
    ) -> Response {
        let mut fields = Vec::new();
        self.fields(self.operation(), "Query", &mut fields);
        if let Some(argument) = behavior.unknown_argument
            && let Some(connection) = self.connection_with(argument)
        {
            return Response::json(200, &errors::unknown_argument(connection, argument).to_string());
        }
        let (mut data, mut errors) = (Map::new(), Vec::new());
        for field in fields {
            let alias = field.alias.clone().unwrap_or_else(|| field.name.clone());
            let value = match field.name.as_str() {
                "rateLimit" => limits.clone(),
                "viewer" => json!({"login": VIEWER}),
                "enterprise" => match self.enterprise(field, behavior) {
                    Ok((enterprise, hidden)) => {
                        errors.extend(hidden);
                        enterprise
                    }
                    Err(response) => return response,
                },
                "repositoryOwner" => {
                    let login = self.login(field).to_ascii_lowercase();
                    match (fault(&login), account(&login)) {
                        (Some(fault), _) => {
                            errors.push(alias_error(&fault, &alias, &login));
                            Value::Null
                        }
                        // A bot is not a RepositoryOwner.
                        (None, Some(account)) if account.kind != "Bot" => {
                            self.owner(field, &account, behavior.scopes)
                        }
                        _ => Value::Null,
                    }
                }
                other => {
                    let message = format!("Field '{other}' doesn't exist on type 'Query'");
                    let error = json!({"message": message, "extensions": {"code": "undefinedField"}});
                    return Response::json(200, &json!({"errors": [error]}).to_string());
                }
            };
            data.insert(alias, value);
        }
        let mut body = json!({"data": data});
        if !errors.is_empty() {
            body["errors"] = errors.into();
        }
        Response::json(200, &body.to_string())
    }

    /// Returns the alias of the first connection of an account that has this argument.
    fn connection_with(&self, argument: &str) -> Option<&str> {
        let fragment = self.fragment("Account");
        let mut fields = Vec::new();
        self.fields(&fragment.selection_set, "User", &mut fields);
        let has_argument =
            |field: &&&Field<'static, String>| field.arguments.iter().any(|(name, _)| name == argument);
        fields.iter().find(has_argument).and_then(|field| field.alias.as_deref())
    }

    fn owner(&self, field: &Field<'static, String>, account: &Account, scopes: Option<&str>) -> Value {
        let mut fields = Vec::new();
        self.fields(&field.selection_set, account.kind, &mut fields);
        let mut object = Map::new();
        for field in fields {
            let value = match field.name.as_str() {
                "__typename" => account.kind.into(),
                "login" => account.login.as_str().into(),
                "databaseId" => account.id.into(),
                "isViewer" => (account.login == VIEWER).into(),
                "viewerIsAMember" => is_member(account).into(),
                "viewerCanAdminister" => account.login.starts_with("org-owned").into(),
                "repositories" => connection(field, &visible_part(account, scopes)),
                other => panic!("no field {other}"),
            };
            object.insert(field.alias.clone().unwrap_or_else(|| field.name.clone()), value);
        }
        Value::Object(object)
    }
}

fn is_member(account: &Account) -> bool {
    account.login.starts_with("org-owned") || account.login.starts_with("org-member")
}

/// The account as the token's owner sees it. A member of an organization sees a part of its private repositories. Fine-grained
/// tokens, without scopes, see what they were made for: here nothing.
fn visible_part(account: &Account, scopes: Option<&str>) -> Account {
    let has_access = scopes.is_some_and(|scopes| scopes.split(", ").any(|scope| scope == "repo"));
    let (private_repos, internal_repos) = match account.login.as_str() {
        _ if !has_access => (0, 0),
        login if login == VIEWER || login.starts_with("org-owned") => {
            (account.private_repos, account.internal_repos)
        }
        _ if is_member(account) => (account.private_repos / 2, account.internal_repos),
        _ => (0, 0),
    };
    Account { private_repos, internal_repos, ..account.clone() }
}

fn applies(on: &str, typename: &str) -> bool {
    on == typename || (on == "RepositoryOwner" && typename != "Query")
}

/// A connection of repositories. Its nodes are in the order of pushes.
fn connection(field: &Field<'static, String>, account: &Account) -> Value {
    let mut connection = json!({"totalCount": repositories(field, account)});
    let has_nodes = field
        .selection_set
        .items
        .iter()
        .any(|selection| matches!(selection, Selection::Field(field) if field.name == "nodes"));
    if has_nodes {
        let argument = |name: &str| {
            let argument = field.arguments.iter().find(|(other, _)| other == name);
            argument.map(|(_, value)| value.to_string()).unwrap_or_default()
        };
        assert_eq!(argument("first"), "1", "GitHub requires the length of a page");
        assert_eq!(argument("orderBy"), "{direction: DESC, field: PUSHED_AT}");
        let nodes = repository_list(account, RepositoryOrder::LatestPush, 1, 1);
        connection["nodes"] = nodes.iter().map(|node| json!({"pushedAt": node.pushed_at})).collect();
    }
    connection
}

/// Number of repositories in a connection, with GitHub's defaults.
fn repositories(field: &Field<'static, String>, account: &Account) -> u64 {
    let arguments: BTreeMap<_, _> =
        field.arguments.iter().map(|(name, value)| (name.as_str(), value)).collect();
    let has = |name: &str, wanted: &str| match arguments.get(name) {
        Some(Argument::Enum(value)) => value == wanted,
        Some(Argument::List(values)) => {
            values.iter().any(|value| *value == Argument::Enum(wanted.to_owned()))
        }
        _ => false,
    };
    let is = |name: &str| match arguments.get(name) {
        Some(Argument::Boolean(value)) => Some(*value),
        _ => None,
    };
    let (public, private, internal) = match () {
        () if has("privacy", "PUBLIC") || has("visibility", "PUBLIC") => (true, false, false),
        () if has("privacy", "PRIVATE") => (false, true, true),
        () if has("visibility", "PRIVATE") => (false, true, false),
        () if has("visibility", "INTERNAL") => (false, false, true),
        () => (true, true, true),
    };
    let mut count = 0;
    if public {
        count += match (is("isFork"), is("isArchived")) {
            (Some(true), None) => account.forks(),
            (Some(false), None) => account.public_repos - account.forks(),
            (None, Some(true)) => account.archived(),
            (None, Some(false)) => account.public_repos - account.archived(),
            (None, None) => account.public_repos,
            both => panic!("not in this fake: {both:?}"),
        };
    }
    if private {
        count += account.private_repos;
    }
    if internal {
        count += account.internal_repos;
    }
    // By default a user's connection includes the repositories that it collaborates on.
    let defaulted = !arguments.contains_key("ownerAffiliations");
    if account.kind == "User" && (defaulted || has("ownerAffiliations", "COLLABORATOR")) {
        count += account.collaborations;
    }
    count
}
