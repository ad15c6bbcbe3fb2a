//! Whom to ask, and how to get there.

use std::path::{Path, PathBuf};

use reqwest::Certificate;

use super::ConfigError;
use crate::cli::Way;
use crate::github::api::Api;
use crate::github::transport;
use crate::report::Via;
use crate::text::{visible, without_password};

const GITHUB: &str = "github.com";

/// Where the API is: an address, a host, or the host that `gh` would ask.
pub(super) fn api(
    url: Option<&str>,
    host: Option<&str>,
    source: &transport::Source,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Api, ConfigError> {
    if let Some(url) = url {
        return Api::parse(url)
            .map_err(|reason| ConfigError::NotAnApi { url: without_password(url), reason });
    }
    // Who plays a recording of github.com's back may well have another host for everyday use.
    let fits = match source {
        transport::Source::Replay(folder) => folder.join("api/v3").is_dir(),
        _ => true,
    };
    let set = || env("GH_HOST").filter(|host| fits && !host.trim().is_empty());
    let named = host.map(|host| (host.to_owned(), "--host")).or_else(|| Some((set()?, "GH_HOST")));
    match named {
        None => Ok(Api::default()),
        // One letter off: that is hardly anybody's server.
        Some((host, from)) if strsim::damerau_levenshtein(&host.trim().to_ascii_lowercase(), GITHUB) == 1 => {
            Err(ConfigError::MistypedHost { host: visible(&host).into_owned(), from, meant: GITHUB })
        }
        Some((host, from)) => {
            Api::of_host(&host).map_err(|reason| {
                // What stands before an @ may be a token.
                let host = visible(host.rsplit('@').next().unwrap_or_default()).into_owned();
                ConfigError::NotAHost { host, from, reason }
            })
        }
    }
}

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

/// The certificates in a file, in PEM format.
pub(super) fn authorities(path: &Path) -> Result<Vec<Certificate>, ConfigError> {
    let none = |reason| ConfigError::NoCertificate { path: path.display().to_string(), reason };
    let pem = std::fs::read(path).map_err(|error| none(crate::text::reason(&error)))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(found) if !found.is_empty() => Ok(found),
        Ok(_) => Err(none("there is no certificate in PEM format in it".into())),
        Err(error) => Err(none(crate::text::reason(&error))),
    }
}

/// The API to ask. A recording is asked for what it holds.
pub(super) fn via(way: Way, token: bool, api: &Api, source: &transport::Source) -> Result<Via, ConfigError> {
    let recorded = match source {
        transport::Source::Replay(folder) => {
            Some(folder.join(api.graphql().trim_start_matches('/')).is_dir())
        }
        _ => None,
    };
    match (way, recorded) {
        (Way::Rest, _) | (Way::Auto, Some(false)) => Ok(Via::Rest),
        (Way::Auto, None) if !token => Ok(Via::Rest),
        (Way::Graphql, None) if !token => Err(ConfigError::NeedsToken("--api graphql")),
        (Way::Auto | Way::Graphql, _) => Ok(Via::Graphql),
    }
}
