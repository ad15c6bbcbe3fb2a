//! Arguments that are meant as logins: an error for those that are something else.

use std::ffi::OsString;
use std::path::Path;

use super::ConfigError;
use crate::github::credentials::Token;
use crate::login::{LoginText, parse_text};

/// Checks that no argument is a token, or a file that is not a login either. Returns notes about logins that are files, too.
pub(super) fn check_arguments(
    arguments: &[OsString],
    web_host: &str,
    token_variable: &'static str,
) -> Result<Vec<String>, ConfigError> {
    let mut notes = Vec::new();
    for argument in arguments.iter().filter(|argument| *argument != "-") {
        let text = argument.to_string_lossy();
        if Token::has_known_form(&text) {
            return Err(ConfigError::TokenAsLogin(token_variable));
        }
        if !Path::new(argument).is_file() {
            continue;
        }
        if matches!(parse_text(&text, web_host), LoginText::One(Err(_))) {
            return Err(ConfigError::FileAsLogin(text.into_owned()));
        }
        notes.push(format!("{text:?} is looked up as a login; to read the file of this name use --file"));
    }
    Ok(notes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_among_the_arguments_is_refused_and_not_shown() {
        for token in ["ghp_S3cretS3cretS3cretS3cretS3cretS3cret", "github_pat_11S3cretS3cretS3cret_S3cret"] {
            let error = check_arguments(&["a".into(), token.into()], "github.com", "GH_TOKEN").unwrap_err();
            assert!(!format!("{error} {error:?}").contains("S3cret"), "{error}");
        }
        // Managed users with a short name.
        for login in ["ghp_acme", "gho_acme", "ghp-x"] {
            assert_eq!(check_arguments(&[login.into()], "github.com", "GH_TOKEN").unwrap(), [""; 0]);
        }
    }
}
