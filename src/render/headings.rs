//! What stands above the columns, where people read them.

use crate::report::{Column, Columns};

/// What stands above a column; none for what is for programs.
pub(super) fn heading(column: Column, columns: &Columns) -> Option<&str> {
    match column {
        Column::Login => Some("Login"),
        Column::Status => Some("Outcome"),
        Column::Kind => Some("Kind"),
        Column::PublicRepos => Some("Public repos"),
        Column::Sources => Some("Sources"),
        Column::Forks => Some("Forks"),
        Column::Archived => Some("Archived"),
        Column::PrivateRepos => Some("Private"),
        Column::Carried(_) => Some(columns.name(column)),
        Column::Was => Some("Was"),
        Column::Change => Some("Change"),
        Column::Verified => Some("Verified"),
        Column::Error => Some("Reason"),
        Column::Id | Column::Via | Column::At | Column::Attempts | Column::Exchange => None,
    }
}

/// The columns between the kind and the reason.
pub(super) fn middle(columns: &Columns) -> Vec<Column> {
    let is_middle = |column: &Column| {
        !matches!(column, Column::Login | Column::Status | Column::Kind | Column::Error)
            && heading(*column, columns).is_some()
    };
    columns.iter().filter(is_middle).collect()
}

/// Whether numbers stand in a column.
pub(super) fn is_number(column: Column) -> bool {
    !matches!(
        column,
        Column::Login | Column::Status | Column::Kind | Column::Carried(_) | Column::Verified | Column::Error
    )
}

/// What a row is, in a word: the kind of who was counted, what became of all others.
pub(super) fn kind(row: &crate::report::Row) -> &'static str {
    use crate::report::{AccountKind, Status};
    match (row.status, row.kind) {
        _ if row.is_gone() => "gone",
        (Status::Ok, kind) => kind.map_or("", AccountKind::as_str),
        (status, _) => outcome(status),
    }
}

/// What became of a login, in words.
pub(super) fn outcome(status: crate::report::Status) -> &'static str {
    match status {
        crate::report::Status::NotFound => "not found",
        status => status.as_str(),
    }
}
