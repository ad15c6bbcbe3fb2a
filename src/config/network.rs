//! Which API is queried, and what answers.

use std::path::PathBuf;

use super::server::{Server, needs_token};
use super::{ConfigError, certificates, proxy};
use crate::cli::Way;
use crate::github::proxy::ProxyChoice;
use crate::github::transport;
use crate::report::ApiKind;

/// Where answers come from.
pub(super) fn source(
    record: Option<PathBuf>,
    replay: Option<PathBuf>,
) -> Result<transport::Source, ConfigError> {
    match (record, replay) {
        (_, Some(folder)) if !folder.is_dir() => Err(ConfigError::NoRecording(folder.display().to_string())),
        (_, Some(folder)) => Ok(transport::Source::Replay(folder)),
        (Some(folder), None) => Ok(transport::Source::Record(folder)),
        (None, None) => Ok(transport::Source::Network),
    }
}

/// Chooses the proxy for a server, and checks the certificates that the environment names.
pub(super) fn proxy(
    server: &Server,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<ProxyChoice, ConfigError> {
    if server.api.origin().starts_with("https://") {
        certificates::check_environment(env)?;
    }
    proxy::choose(&server.api, env)
}

/// The API to ask. A recording is asked for what it holds.
pub(super) fn via(
    way: Way,
    token: bool,
    server: &Server,
    source: &transport::Source,
) -> Result<ApiKind, ConfigError> {
    let recorded = match source {
        transport::Source::Replay(folder) => {
            Some(folder.join(server.api.graphql().trim_start_matches('/')).is_dir())
        }
        _ => None,
    };
    match (way, recorded) {
        (Way::Rest, _) | (Way::Auto, Some(false)) => Ok(ApiKind::Rest),
        (Way::Auto, None) if !token => Ok(ApiKind::Rest),
        (Way::Graphql, None) if !token => Err(needs_token("--api graphql", server)),
        (Way::Auto | Way::Graphql, _) => Ok(ApiKind::Graphql),
    }
}
