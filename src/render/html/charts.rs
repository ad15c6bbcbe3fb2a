//! Pictures: bars in tables, so that their figures are text for whoever cannot see them.

use crate::report::{Breakdown, Groups, Subtotal};
use crate::text::{format_delta, group_digits, pluralize};

/// The length of a bar's place; a bar is so many of it.
const FULL: u64 = 1000;

/// A piece of a bar.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Of the style sheet: `all`, `sources`, `forks`, `archived`, `up`, `down`.
    pub(super) class: &'static str,
    pub(super) from: u64,
    pub(super) length: u64,
    /// Its place from top to bottom, in tenths.
    pub(super) top: u64,
    pub(super) height: u64,
}

/// A line of a chart.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) name: String,
    /// Where the name leads to.
    pub(super) link: Option<String>,
    pub(super) pieces: Vec<Piece>,
    pub(super) value: String,
    /// What the picture shows beside the value, in words.
    pub(super) words: String,
}

/// A chart of bars.
#[derive(Debug)]
pub(super) struct Chart {
    /// What the bars are: `Account`, `team`.
    pub(super) of: String,
    /// What their length is.
    pub(super) measure: &'static str,
    /// Whether bars go to the left as well.
    pub(super) from_the_middle: bool,
    pub(super) bars: Vec<Bar>,
    /// What is not shown.
    pub(super) rest: Option<String>,
}

/// A bar for a count, and for what it consists of, where that is known.
pub(super) fn count(
    name: String,
    link: Option<String>,
    repos: u64,
    of: Option<Breakdown>,
    largest: u64,
) -> Bar {
    let piece = |class, from, length, (top, height)| Piece { class, from, length, top, height };
    let (pieces, words) = match of {
        None => (vec![piece("all", 0, share(repos, largest), (1, 8))], String::new()),
        Some(Breakdown { sources, forks, archived }) => {
            let length = share(sources, largest);
            let pieces = vec![
                piece("sources", 0, length, (0, 6)),
                piece("forks", length, share(forks, largest).min(FULL - length), (0, 6)),
                piece("archived", 0, share(archived, largest), (7, 2)),
            ];
            let words = format!(
                "{}, {}, {} archived",
                pluralize(sources, "source", "sources"),
                pluralize(forks, "fork", "forks"),
                group_digits(archived)
            );
            (pieces, words)
        }
    };
    let pieces = pieces.into_iter().filter(|piece| piece.length > 0).collect();
    Bar { name, link, pieces, value: group_digits(repos), words }
}

/// A bar to the right of the middle for growth, to the left for loss.
pub(super) fn change(name: String, link: Option<String>, by: i64, was: Option<u64>, largest: u64) -> Bar {
    let half = share(by.unsigned_abs(), largest) / 2;
    let (class, from) = if by > 0 { ("up", FULL / 2) } else { ("down", FULL / 2 - half) };
    let piece = Piece { class, from, length: half, top: 1, height: 8 };
    let words = was.map(|was| format!("from {}", group_digits(was))).unwrap_or_default();
    Bar { name, link, pieces: vec![piece], value: format_delta(by), words }
}

/// The groups, the largest first.
pub(super) fn groups(groups: &Groups, most: usize) -> Chart {
    let mut list = groups.in_order();
    list.sort_by_key(|(_, subtotal)| std::cmp::Reverse(subtotal.public_repos));
    let largest = list.first().map_or(0, |(_, subtotal)| subtotal.public_repos);
    let rest = list.split_off(list.len().min(most));
    let bar = |(name, subtotal): (Option<&str>, Subtotal)| {
        let name = name.map_or_else(|| format!("(no {})", groups.by()), str::to_owned);
        let Subtotal { logins, counted, public_repos } = subtotal;
        let bar = count(name, None, public_repos, None, largest);
        Bar { words: format!("{} of {} counted", group_digits(counted), group_digits(logins)), ..bar }
    };
    let others = rest.iter().map(|(_, subtotal)| subtotal.public_repos).fold(0, u64::saturating_add);
    let more = || format!("{} more have {} together.", group_digits(rest.len() as u64), repositories(others));
    Chart {
        of: groups.by().to_owned(),
        measure: "Repositories",
        from_the_middle: false,
        bars: list.into_iter().map(bar).collect(),
        rest: (!rest.is_empty()).then(more),
    }
}

/// How much of a bar's place `part` of `largest` takes: something, where there is anything.
pub(super) fn share(part: u64, largest: u64) -> u64 {
    let share = u128::from(part) * u128::from(FULL) / u128::from(largest.max(1));
    u64::try_from(share).unwrap_or(FULL).clamp(u64::from(part > 0) * 2, FULL)
}

/// `1 repository`, `1,234 repositories`.
pub(super) fn repositories(number: u64) -> String {
    pluralize(number, "repository", "repositories")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_bar_is_longer_than_its_place_whatever_a_server_claims() {
        for (part, largest, length) in
            [(0, 0, 0), (1, 100_000, 2), (5, 10, 500), (u64::MAX, u64::MAX, FULL), (u64::MAX, 1, FULL)]
        {
            assert_eq!(share(part, largest), length, "{part} of {largest}");
        }
        let of = Breakdown { sources: u64::MAX, forks: u64::MAX, archived: 0 };
        let bar = count("a".into(), None, 3, Some(of), 3);
        assert!(bar.pieces.iter().all(|piece| piece.from + piece.length <= FULL), "{bar:?}");
        for by in [i64::MIN, -1, i64::MAX] {
            let bar = change("a".into(), None, by, None, by.unsigned_abs());
            assert!(bar.pieces.iter().all(|piece| piece.from + piece.length <= FULL), "{bar:?}");
        }
    }
}
