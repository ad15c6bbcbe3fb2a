//! Databases: rosters from them, runs saved to them.

use super::ConfigError;
use crate::cli::Cli;
#[cfg(feature = "sql")]
use crate::database::DatabaseUrl;
#[cfg(feature = "sql")]
use crate::database::SaveTarget;

/// The databases of a run; without the feature `sql` there are none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Databases {
    /// Where logins come from: a database, and what it is asked.
    #[cfg(feature = "sql")]
    pub(crate) queried: Option<(DatabaseUrl, String)>,
    /// Where the run is saved.
    #[cfg(feature = "sql")]
    pub(crate) saving: Option<SaveTarget>,
}

#[cfg(feature = "sql")]
impl Databases {
    pub(super) fn of(cli: &Cli) -> Result<Self, ConfigError> {
        let address = |url: &String| {
            let shown = || crate::text::redact_url(url);
            url.parse().map_err(|reason| ConfigError::NotADatabase { url: shown(), reason })
        };
        if cli.query.as_ref().is_some_and(|query| query.trim().is_empty()) {
            return Err(ConfigError::EmptyQuery);
        }
        if cli.save.is_some() && cli.shard.is_some() && cli.run_name.is_none() {
            return Err(ConfigError::NamelessShard);
        }
        let asked = cli.sql.as_ref().zip(cli.query.clone());
        let queried = asked.map(|(url, query)| Ok::<_, ConfigError>((address(url)?, query))).transpose()?;
        let saved = |url| {
            Ok::<_, ConfigError>(SaveTarget {
                address: address(url)?,
                name: cli.run_name.clone(),
                shard: cli.shard,
            })
        };
        Ok(Self { queried, saving: cli.save.as_ref().map(saved).transpose()? })
    }

    /// Whether logins come from one.
    pub(crate) fn name_logins(&self) -> bool {
        self.queried.is_some()
    }
}

#[cfg(not(feature = "sql"))]
impl Databases {
    #[expect(clippy::unnecessary_wraps, reason = "with databases it may fail")]
    pub(super) fn of(_: &Cli) -> Result<Self, ConfigError> {
        Ok(Self::default())
    }

    #[expect(clippy::unused_self, reason = "with databases there may be one")]
    pub(crate) fn name_logins(&self) -> bool {
        false
    }
}
