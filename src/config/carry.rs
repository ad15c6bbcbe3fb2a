//! Which columns of the roster are carried into the report, and that none of them takes the name of one of
//! the report's own.

use csv::ReaderBuilder;

use super::ConfigError;
use crate::report::{GroupTotals, is_reserved};

/// The columns of `--carry`, that of `--group-by` among them, and the subtotals by it.
pub(super) fn carry(
    lists: &[String],
    group_by: Option<&str>,
) -> Result<(Vec<String>, Option<GroupTotals>), ConfigError> {
    let mut names = Vec::new();
    for list in lists {
        // A name with a comma in it is quoted as in the sheet.
        let mut reader = ReaderBuilder::new().has_headers(false).from_reader(list.as_bytes());
        let listed = reader.records().next().and_then(Result::ok);
        let listed = listed.ok_or_else(|| ConfigError::NoColumns(list.clone()))?;
        for name in listed.iter().map(str::trim) {
            add(&mut names, name, list)?;
        }
    }
    let groups = match group_by.map(str::trim) {
        None => None,
        Some(by) => Some(GroupTotals::new(by.to_owned(), add(&mut names, by, by)?)),
    };
    Ok((names, groups))
}

/// Adds a column unless it is there, and tells its place.
fn add(names: &mut Vec<String>, name: &str, from: &str) -> Result<usize, ConfigError> {
    if name.is_empty() {
        return Err(ConfigError::NoColumns(from.to_owned()));
    }
    if is_reserved(name) {
        return Err(ConfigError::OwnColumn(name.to_owned()));
    }
    let same = |other: &String| other.to_lowercase() == name.to_lowercase();
    Ok(names.iter().position(same).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_split_at_commas_and_carried_once() {
        let carry = |lists: &[&str], by| {
            let lists: Vec<_> = lists.iter().map(|list| (*list).to_owned()).collect();
            carry(&lists, by)
                .map(|(names, groups)| (names.join("|"), groups.map(|groups| groups.by().to_owned())))
        };
        assert_eq!(carry(&[], None).unwrap(), (String::new(), None));
        assert_eq!(carry(&["name, team", "Team,site"], None).unwrap().0, "name|team|site");
        assert_eq!(carry(&[r#""Last, First",team"#], None).unwrap().0, "Last, First|team");
        assert_eq!(carry(&["name"], Some("team")).unwrap(), ("name|team".into(), Some("team".into())));
        assert_eq!(carry(&["Team"], Some("team")).unwrap().0, "Team");
        for wrong in ["", "a,", ",", "  "] {
            assert!(matches!(carry(&[wrong], None), Err(ConfigError::NoColumns(_))), "{wrong:?}");
        }
        assert!(matches!(carry(&["name,ID"], None), Err(ConfigError::OwnColumn(name)) if name == "ID"));
    }
}
