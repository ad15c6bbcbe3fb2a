//! `--columns`: the columns that a report for people shows, in another order.

use super::{COLUMNS, Column, Columns, Role};

/// A column that a report does not have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChooseColumnError {
    #[error("--columns {key} requires {flag}")]
    NotRequested { key: &'static str, flag: &'static str },
    #[error("unknown column {name:?} in --columns: the columns are {known}")]
    Unknown { name: String, known: String },
}

impl Columns {
    /// Chooses columns by their keys, and carried ones by their names in any case. Without names all are chosen.
    pub(crate) fn choose(self, names: &[String]) -> Result<Self, ChooseColumnError> {
        if names.is_empty() {
            return Ok(self);
        }
        let mut chosen = Vec::new();
        for name in names {
            let column = self.find(name)?;
            if !chosen.contains(column) {
                chosen.push(column.clone());
            }
        }
        Ok(Self { chosen: Some(chosen), ..self })
    }

    fn find(&self, name: &str) -> Result<&Column, ChooseColumnError> {
        let lower = name.to_lowercase();
        if let Some(column) = self.iter().find(|column| column.key().to_lowercase() == lower) {
            return Ok(column);
        }
        let mut known = COLUMNS.iter().filter(|spec| spec.role != Role::Extra);
        if let Some((key, group)) =
            known.find_map(|spec| Some((spec.key, spec.group.filter(|_| spec.key == lower)?)))
        {
            return Err(ChooseColumnError::NotRequested { key, flag: group.flag });
        }
        let known: Vec<_> = self.iter().map(Column::key).collect();
        Err(ChooseColumnError::Unknown { name: name.to_owned(), known: known.join(", ") })
    }

    /// Returns the chosen columns. None if all are shown, in the way of the format.
    pub(crate) fn chosen(&self) -> Option<&[Column]> {
        self.chosen.as_deref()
    }

    /// Returns the columns of a format that has all columns unless some are chosen.
    pub(crate) fn shown(&self) -> Self {
        let list = self.chosen.as_ref().unwrap_or(&self.list).clone();
        Self { list, carried: self.carried.clone(), chosen: None }
    }
}

/// Returns true for a column that only a comparison has.
pub(crate) fn requires_baseline(name: &str) -> bool {
    let group = COLUMNS.iter().find(|spec| spec.key == name.to_lowercase()).and_then(|spec| spec.group);
    group.is_some_and(|group| group.flag == "--baseline")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::ReportSchema;

    fn choose(names: &[&str]) -> Result<String, String> {
        let schema = ReportSchema { carried: vec!["Team".into()], ..ReportSchema::default() };
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let columns = Columns::of(&schema).choose(&names).map_err(|error| error.to_string())?;
        Ok(columns.shown().iter().map(Column::key).collect::<Vec<_>>().join(","))
    }

    #[test]
    fn columns_are_chosen_in_the_order_of_their_names() {
        assert_eq!(choose(&["id", "team", "LOGIN", "id"]).unwrap(), "id,Team,login");
        assert_eq!(choose(&[]).unwrap(), "login,Team,status,type,public_repos,error,id,api,at,attempts");
    }

    #[test]
    fn a_column_without_its_flag_names_the_flag() {
        for (name, message) in [
            ("change", "--columns change requires --baseline"),
            ("forks", "--columns forks requires --breakdown"),
            (
                "repos",
                "unknown column \"repos\" in --columns: the columns are login, Team, status, type, public_repos, error, id, \
                 api, at, attempts",
            ),
        ] {
            assert_eq!(choose(&[name]).unwrap_err(), message);
        }
        assert!(choose(&["carried"]).unwrap_err().starts_with("unknown column"));
    }
}
