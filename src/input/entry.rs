//! What a roster is made of: a login, or why a text is none, and what the list says of it. What is no login goes
//! on as an entry, because it shall be a row.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

use crate::login::{Login, ParseLoginError};
use crate::report::Carried;

/// A login, or what stands where one should, and what else the roster says of it.
#[derive(Clone, Debug)]
pub(crate) struct InputRecord {
    /// Whom to ask for.
    pub(crate) login: Result<Login, ParseLoginError>,
    /// The columns that are carried into the report; nothing where a list has none.
    pub(crate) carried: Carried,
}

impl From<Result<Login, ParseLoginError>> for InputRecord {
    fn from(login: Result<Login, ParseLoginError>) -> Self {
        Self { login, carried: Carried::default() }
    }
}

impl InputRecord {
    /// Returns the login, or the text that is not a login, without blanks around it.
    pub(crate) fn text(&self) -> &str {
        match &self.login {
            Ok(login) => login.as_str(),
            Err(invalid) => invalid.text.trim(),
        }
    }

    /// What makes two entries the same.
    pub(super) fn key(&self) -> Box<str> {
        match &self.login {
            Ok(login) => login.case_folded(),
            // What is no login may be long, and there may be many; a hash of it has to do. A control
            // character cannot be part of a login: no confusion of the two.
            Err(not) => {
                let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(not.text.trim());
                format!("\0{hash:x}")
            }
        }
        .into()
    }
}
