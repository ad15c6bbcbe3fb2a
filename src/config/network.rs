//! The API to query, and the transport to it.

use std::path::PathBuf;

use super::server::{Server, needs_token};
use super::{ConfigError, certificates, proxy};
use crate::cli::ApiChoice;
use crate::github::transport::TransportMode;
use crate::network::proxy::ProxyChoice;
use crate::report::ApiKind;

/// Returns where responses come from, by `--record` and `--replay`.
pub(super) fn transport(
    record: Option<PathBuf>,
    replay: Option<PathBuf>,
) -> Result<TransportMode, ConfigError> {
    match (record, replay) {
        (_, Some(folder)) if !folder.is_dir() => Err(ConfigError::NoRecording(folder.display().to_string())),
        (_, Some(folder)) => Ok(TransportMode::Replay(folder)),
        (Some(folder), None) => Ok(TransportMode::Record(folder)),
        (None, None) => Ok(TransportMode::Network),
    }
}

/// Chooses the proxy for a server, and checks the certificates that the environment names.
pub(super) fn proxy(
    server: &Server,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<ProxyChoice, ConfigError> {
    if server.endpoint.origin().starts_with("https://") {
        certificates::check_environment(env)?;
    }
    proxy::choose(&server.endpoint, env)
}

/// Chooses the API. A recording decides by what it contains.
pub(super) fn via(
    way: ApiChoice,
    token: bool,
    server: &Server,
    transport: &TransportMode,
) -> Result<ApiKind, ConfigError> {
    let recorded = match transport {
        TransportMode::Replay(folder) => {
            Some(folder.join(server.endpoint.graphql().trim_start_matches('/')).is_dir())
        }
        _ => None,
    };
    match (way, recorded) {
        (ApiChoice::Rest, _) | (ApiChoice::Auto, Some(false)) => Ok(ApiKind::Rest),
        (ApiChoice::Auto, None) if !token => Ok(ApiKind::Rest),
        (ApiChoice::Graphql, None) if !token => Err(needs_token("--api graphql", server)),
        (ApiChoice::Auto | ApiChoice::Graphql, _) => Ok(ApiKind::Graphql),
    }
}
