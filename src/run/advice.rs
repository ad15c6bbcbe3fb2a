//! Advice about tokens, for the server that was queried and the kind of token that was used.

use crate::config::Config;
use crate::github::credentials::{Credentials, GH_CLI_SOURCE, Token, TokenKind};

/// Advice after the server refused the token.
pub(super) fn after_refusal(config: &Config) -> String {
    let Some(Credentials::Token(token)) = &config.settings.credentials else {
        return config.tokens.way_out();
    };
    let from = token.source();
    if is_of_job(token, config) {
        // A new one is issued for each job and cannot be made by hand.
        return format!(
            "Check that {from} is ${{{{ github.token }}}} of this job and that the job is still running"
        );
    }
    match config.tokens.gh_command("login") {
        Some(login) if from == GH_CLI_SOURCE => format!("Run {login} again"),
        _ => format!("Create a new token, or unset {from} to run without one"),
    }
}

/// Advice where the requests without a token do not suffice.
pub(super) fn for_quota(config: &Config) -> String {
    let tokens = &config.tokens;
    if tokens.can_use_job_token() || tokens.withheld().is_some() {
        format!("{} for more", tokens.way_out())
    } else if config.settings.endpoint.is_enterprise() {
        format!("set {} for more", tokens.variable())
    } else {
        format!("set {} for 5,000 points an hour (100 logins each)", tokens.variable())
    }
}

/// Advice where the token lacks the access that lists of members need, in terms of what its kind can have.
pub(super) fn for_members(config: &Config) -> String {
    const APP_PERMISSION: &str = "the app needs the organization permission Members: read";
    let variable = config.tokens.variable();
    let token = match &config.settings.credentials {
        None => return format!("set {variable} to a token with the scope read:org"),
        Some(Credentials::App(_)) => return APP_PERMISSION.into(),
        Some(Credentials::Token(token)) => token,
    };
    let refresh = || config.tokens.gh_command("refresh --scopes read:org");
    match token.kind() {
        TokenKind::Classic => "the token needs the scope read:org".into(),
        TokenKind::FineGrained => "the token needs the organization permission Members: read".into(),
        TokenKind::AppUser => APP_PERMISSION.into(),
        TokenKind::Installation | TokenKind::Unknown if is_of_job(token, config) => format!(
            "an Actions token cannot read organization members: set {variable} to a personal access token, or use --app-id"
        ),
        TokenKind::Installation => {
            format!("{APP_PERMISSION}, which an Actions token cannot have")
        }
        TokenKind::OAuthApp => {
            format!("run {}", refresh().unwrap_or_else(|| "gh auth refresh --scopes read:org".into()))
        }
        TokenKind::Unknown => match refresh() {
            Some(refresh) if token.source() == GH_CLI_SOURCE => format!("run {refresh}"),
            _ => "the token needs read:org (classic) or Members: read (fine-grained)".into(),
        },
    }
}

/// Whether the token is that of the Actions job, which no person can give a scope.
pub(super) fn uses_job_token(config: &Config) -> bool {
    match &config.settings.credentials {
        Some(Credentials::Token(token)) => is_of_job(token, config),
        Some(Credentials::App(_)) | None => false,
    }
}

fn is_of_job(token: &Token, config: &Config) -> bool {
    // A workflow may set the variable to a person's token, which has a prefix of its own.
    config.tokens.is_of_job(token.source())
        && matches!(token.kind(), TokenKind::Installation | TokenKind::Unknown)
}
