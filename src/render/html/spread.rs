//! How counts are distributed: how many accounts have how many repositories.

use crate::text::group_digits;

/// A class of counts, and how many accounts are in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Class {
    /// `0`, `5–9`, `1,000 and more`.
    pub(super) label: String,
    pub(super) accounts: u64,
}

/// What can be said of many counts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spread {
    pub(super) median: u64,
    pub(super) largest: u64,
    /// The percentage of all repositories that the largest tenth of the accounts has.
    pub(super) tenth: u64,
    pub(super) classes: Vec<Class>,
}

/// Up to this count each has a class of its own.
const SINGLE: u64 = 12;
/// About so many classes of the same width.
const CLASSES: u64 = 10;
/// Where the largest is more than so many medians, classes grow with the counts.
const SKEWED: u64 = 6;

impl Spread {
    /// The distribution of at least one count.
    pub(super) fn of(mut counts: Vec<u64>) -> Option<Self> {
        counts.sort_unstable();
        let largest = *counts.last()?;
        // Of an even number the lower of the two in the middle: a count that somebody has.
        let median = *counts.get((counts.len() - 1) / 2)?;
        let sum = |counts: &[u64]| counts.iter().map(|count| u128::from(*count)).sum::<u128>();
        let rest = counts.len() - counts.len().div_ceil(10);
        let tenth = sum(counts.get(rest..)?) * 100 / sum(&counts).max(1);
        let bounds = bounds(median, largest);
        let mut classes = Vec::with_capacity(bounds.len());
        for (at, from) in bounds.iter().enumerate() {
            let below = bounds.get(at + 1);
            let end = below.map_or(counts.len(), |below| counts.partition_point(|count| count < below));
            let begin = counts.partition_point(|count| count < from);
            classes.push(Class { label: label(*from, below.copied()), accounts: (end - begin) as u64 });
        }
        Some(Self { median, largest, tenth: u64::try_from(tenth).unwrap_or(100), classes })
    }
}

/// Where the classes begin.
fn bounds(median: u64, largest: u64) -> Vec<u64> {
    if largest <= SINGLE {
        return (0..=largest).collect();
    }
    if largest > median.saturating_mul(SKEWED) {
        let mut bounds = vec![0];
        bounds.extend(powers().take_while(|bound| *bound <= largest));
        return bounds;
    }
    let width = powers().find(|width| largest / width < CLASSES).unwrap_or(u64::MAX);
    (0..=largest / width).map(|class| class * width).collect()
}

/// 1, 2, 5, 10, 20, 50 …
fn powers() -> impl Iterator<Item = u64> {
    (0..20).flat_map(|power| [1, 2, 5].map(|digit| 10_u64.checked_pow(power)?.checked_mul(digit))).flatten()
}

fn label(from: u64, below: Option<u64>) -> String {
    match below {
        Some(below) if below - from == 1 => group_digits(from),
        Some(below) => format!("{}–{}", group_digits(from), group_digits(below - 1)),
        None if from <= SINGLE => group_digits(from),
        None => format!("{} and more", group_digits(from)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(counts: &[u64]) -> Vec<(String, u64)> {
        let spread = Spread::of(counts.to_vec()).unwrap();
        let accounts = spread.classes.iter().map(|class| class.accounts).sum::<u64>();
        assert_eq!(accounts, counts.len() as u64, "every account is in one class");
        spread.classes.into_iter().map(|class| (class.label, class.accounts)).collect()
    }

    fn labels(counts: &[u64]) -> String {
        classes(counts).into_iter().map(|(label, _)| label).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn few_repositories_have_a_class_for_each_count() {
        assert_eq!(classes(&[0, 2, 2]), [("0".into(), 1), ("1".into(), 0), ("2".into(), 2)]);
    }

    #[test]
    fn buckets_are_equal_or_widen_with_skewed_counts() {
        assert_eq!(labels(&[30, 40, 44]), "0–4 5–9 10–14 15–19 20–24 25–29 30–34 35–39 40 and more");
        assert_eq!(labels(&[0, 3, 150]), "0 1 2–4 5–9 10–19 20–49 50–99 100 and more");
        assert_eq!(labels(&[0, 0, 1, 7_421]).split(' ').next_back(), Some("more"));
        let huge = classes(&[0, 1, u64::MAX]);
        assert_eq!(huge.last().map(|(_, accounts)| *accounts), Some(1));
        assert!(classes(&[u64::MAX, u64::MAX]).len() <= 20);
    }

    #[test]
    fn the_middle_and_the_largest_tenth_are_told() {
        let spread = Spread::of((1..=20).collect()).unwrap();
        assert_eq!((spread.median, spread.largest, spread.tenth), (10, 20, 39 * 100 / 210));
        assert_eq!(Spread::of(vec![]), None);
        assert_eq!(Spread::of(vec![0, 0]).unwrap().tenth, 0);
    }
}
