//! GitHub's budgets, by name: REST and GraphQL are paid for from different ones, and an answer may tell of
//! either.

/// A budget that GitHub keeps: `x-ratelimit-resource`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resource {
    /// The REST API's requests.
    Core,
    /// The GraphQL API's points.
    Graphql,
}

impl Resource {
    /// Reads GitHub's word for it.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "core" => Some(Self::Core),
            "graphql" => Some(Self::Graphql),
            _ => None,
        }
    }
}

/// One thing for each budget.
#[derive(Debug, Default)]
pub(super) struct Each<T> {
    core: T,
    graphql: T,
}

impl<T> Each<T> {
    pub(super) fn new(make: impl Fn(Resource) -> T) -> Self {
        Self { core: make(Resource::Core), graphql: make(Resource::Graphql) }
    }

    pub(super) fn of(&self, resource: Resource) -> &T {
        match resource {
            Resource::Core => &self.core,
            Resource::Graphql => &self.graphql,
        }
    }

    pub(super) fn of_mut(&mut self, resource: Resource) -> &mut T {
        match resource {
            Resource::Core => &mut self.core,
            Resource::Graphql => &mut self.graphql,
        }
    }

    pub(super) fn both(&self) -> [&T; 2] {
        [&self.core, &self.graphql]
    }
}
