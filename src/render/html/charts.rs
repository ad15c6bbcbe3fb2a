//! Charts: bars in tables, so that screen readers get the figures as text.

use crate::report::{Breakdown, GroupTotals, Row, Subtotal, Total};
use crate::text::{format_delta, group_digits, pluralize};

/// Length of the longest bar, in units of the SVG.
const BAR_SCALE: u64 = 1000;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct BarSegment {
    /// CSS class: `all`, `sources`, `forks`, `archived`, `up`, `down`.
    pub(super) class: &'static str,
    pub(super) from: u64,
    pub(super) length: u64,
    /// Vertical position, in tenths.
    pub(super) top: u64,
    pub(super) height: u64,
}

/// A figure with its name.
pub(super) struct Stat {
    pub(super) name: &'static str,
    pub(super) value: String,
    pub(super) note: String,
}

impl Stat {
    pub(super) fn new(name: &'static str, value: impl Into<Total>, note: impl Into<String>) -> Self {
        Self { name, value: value.into().to_string(), note: note.into() }
    }
}

#[derive(Debug)]
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) link: Option<String>,
    pub(super) segments: Vec<BarSegment>,
    pub(super) value: String,
    /// The parts of the value, in words.
    pub(super) description: String,
}

#[derive(Debug)]
pub(super) struct Chart {
    /// Heading of the bars' names: `Account`, `team`.
    pub(super) category: String,
    pub(super) measure: &'static str,
    /// Bars start in the middle.
    pub(super) is_centered: bool,
    pub(super) bars: Vec<Bar>,
    pub(super) rest: Option<String>,
}

impl Bar {
    pub(super) fn of_count(name: String, count: impl Into<Total>, largest: u64) -> Self {
        let count = count.into();
        let length = scaled_length(count.sum.unwrap_or(0), largest);
        let segment = BarSegment { class: "all", from: 0, length, top: 1, height: 8 };
        Self::of_segments(name, vec![segment], count.to_string(), String::new())
    }

    /// Makes a bar for the repositories of an account, with their parts if they are known.
    pub(super) fn of_account(row: &Row, link: Option<String>, largest: u64) -> Self {
        let count = row.public_repos.unwrap_or(0);
        let Some(Breakdown { sources, forks, archived }) = row.breakdown else {
            return Self { link, ..Self::of_count(row.login.clone(), count, largest) };
        };
        let from = scaled_length(sources, largest);
        let length = scaled_length(forks, largest).min(BAR_SCALE - from);
        let archived_length = scaled_length(archived, largest);
        let segments = vec![
            BarSegment { class: "sources", from: 0, length: from, top: 0, height: 6 },
            BarSegment { class: "forks", from, length, top: 0, height: 6 },
            BarSegment { class: "archived", from: 0, length: archived_length, top: 7, height: 2 },
        ];
        let description = format!(
            "{}, {}, {} archived",
            pluralize(sources, "source", "sources"),
            pluralize(forks, "fork", "forks"),
            group_digits(archived)
        );
        Self { link, ..Self::of_segments(row.login.clone(), segments, group_digits(count), description) }
    }

    /// Makes a bar that goes to the right of the middle for growth, to the left for loss.
    pub(super) fn of_change(row: &Row, link: Option<String>, by: i64, largest: u64) -> Self {
        let length = scaled_length(by.unsigned_abs(), largest) / 2;
        let (class, from) = if by > 0 { ("up", BAR_SCALE / 2) } else { ("down", BAR_SCALE / 2 - length) };
        let segment = BarSegment { class, from, length, top: 1, height: 8 };
        let description = row.was.map(|was| format!("from {}", group_digits(was))).unwrap_or_default();
        Self { link, ..Self::of_segments(row.login.clone(), vec![segment], format_delta(by), description) }
    }

    fn of_segments(name: String, segments: Vec<BarSegment>, value: String, description: String) -> Self {
        let segments = segments.into_iter().filter(|segment| segment.length > 0).collect();
        Self { name, link: None, segments, value, description }
    }
}

impl Chart {
    /// Makes a chart of the groups, the largest first.
    pub(super) fn of_groups(groups: &GroupTotals, max_bars: usize) -> Self {
        let mut list = groups.sorted();
        list.sort_by_key(|(_, subtotal)| std::cmp::Reverse(subtotal.public_repos));
        let largest = list.first().and_then(|(_, subtotal)| subtotal.public_repos.sum).unwrap_or(0);
        let rest = list.split_off(list.len().min(max_bars));
        let mut bars = Vec::new();
        for (name, Subtotal { logins, counted, public_repos }) in list {
            let description = format!("{} of {} counted", group_digits(counted), group_digits(logins));
            let bar = Bar::of_count(groups.label(name), public_repos, largest);
            bars.push(Bar { description, ..bar });
        }
        let others =
            rest.iter().map(|(_, subtotal)| subtotal.public_repos).fold(Total::default(), Total::plus);
        Self {
            category: groups.by().to_owned(),
            measure: "Repositories",
            is_centered: false,
            bars,
            rest: rest_note(rest.len() as u64, others),
        }
    }
}

/// Describes the bars that are not shown, if any.
pub(super) fn rest_note(others: u64, repos: impl Into<Total>) -> Option<String> {
    let note = format!("+ {}", pluralize(others, "other", "others"));
    let repos = repos.into().with_noun("repository", "repositories");
    (others > 0).then(|| repos.map_or_else(|| note.clone(), |repos| format!("{note} with {repos}")))
}

/// Returns the length of a bar for `part` of `largest`. It is visible if the part is not 0.
fn scaled_length(part: u64, largest: u64) -> u64 {
    let length = u128::from(part) * u128::from(BAR_SCALE) / u128::from(largest.max(1));
    u64::try_from(length).unwrap_or(BAR_SCALE).clamp(u64::from(part > 0) * 2, BAR_SCALE)
}

/// `1 repository`, `1,234 repositories`.
pub(super) fn repositories(number: u64) -> String {
    pluralize(number, "repository", "repositories")
}

#[derive(Debug, PartialEq, Eq)]
struct Bucket {
    /// `0`, `5–9`.
    label: String,
    accounts: u64,
}

/// Distribution of the counts: how many accounts have how many repositories.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Distribution {
    pub(super) median: u64,
    largest: u64,
    /// Percentage of all repositories that the top tenth of the accounts has. None if there are no repositories.
    top_decile_share: Option<u64>,
    buckets: Vec<Bucket>,
}

/// Largest count with a bucket for each count.
const MAX_UNIT_BUCKETS: u64 = 12;

impl Distribution {
    /// Returns None without counts.
    pub(super) fn of(mut counts: Vec<u64>) -> Option<Self> {
        counts.sort_unstable();
        let largest = *counts.last()?;
        // The lower of the two in the middle, so that it is the count of an account.
        let median = *counts.get((counts.len() - 1) / 2)?;
        let rest = counts.len() - counts.len().div_ceil(10);
        let share = (wide_sum(counts.get(rest..)?) * 100).checked_div(wide_sum(&counts));
        let top_decile_share = share.and_then(|share| u64::try_from(share).ok());
        let mut buckets = Vec::new();
        let mut begin = 0;
        for bounds in bucket_bounds(largest).windows(2) {
            let &[from, below] = bounds else { continue };
            let end = counts.partition_point(|count| *count < below || below == u64::MAX);
            buckets.push(Bucket { label: label(from, below), accounts: (end - begin) as u64 });
            begin = end;
        }
        Some(Self { median, largest, top_decile_share, buckets })
    }

    pub(super) fn description(&self) -> String {
        let (median, largest) = (group_digits(self.median), group_digits(self.largest));
        let text = format!("Half of the counted accounts have {median} or fewer, the largest has {largest}");
        match self.top_decile_share {
            Some(share) => format!("{text}; the top 10\u{a0}% have {share}\u{a0}% of all."),
            None => text + ".",
        }
    }

    pub(super) fn chart(self) -> Chart {
        let most = self.buckets.iter().map(|bucket| bucket.accounts).max().unwrap_or(0);
        let bars = self.buckets.into_iter();
        Chart {
            category: "Repositories".into(),
            measure: "Accounts",
            is_centered: false,
            bars: bars.map(|bucket| Bar::of_count(bucket.label, bucket.accounts, most)).collect(),
            rest: None,
        }
    }
}

fn wide_sum(counts: &[u64]) -> u128 {
    counts.iter().map(|count| u128::from(*count)).sum()
}

/// Returns the first count of each bucket, and of the one after the last. Buckets grow with the counts, because a few accounts have
/// most of the repositories: 0, 1, 2, 5, 10, 20, 50 …
fn bucket_bounds(largest: u64) -> Vec<u64> {
    if largest <= MAX_UNIT_BUCKETS {
        return (0..=largest + 1).collect();
    }
    let mut bounds = vec![0];
    for power in 0..19 {
        bounds.extend([1, 2, 5].map(|digit| 10_u64.pow(power) * digit));
    }
    bounds.push(u64::MAX);
    bounds.truncate(bounds.partition_point(|bound| *bound <= largest).min(bounds.len() - 1) + 1);
    bounds
}

fn label(from: u64, below: u64) -> String {
    if below - from == 1 {
        group_digits(from)
    } else {
        format!("{}–{}", group_digits(from), group_digits(below - 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Status;

    #[test]
    fn a_hostile_count_has_no_longer_bar() {
        for (part, largest, length) in [
            (0, 0, 0),
            (1, 100_000, 2),
            (5, 10, 500),
            (u64::MAX, u64::MAX, BAR_SCALE),
            (u64::MAX, 1, BAR_SCALE),
        ] {
            assert_eq!(scaled_length(part, largest), length, "{part} of {largest}");
        }
        let of = Breakdown { sources: u64::MAX, forks: u64::MAX, archived: 0 };
        let row =
            Row { breakdown: Some(of), public_repos: Some(3), ..Row::without_count("a", Status::Ok, "") };
        let bar = Bar::of_account(&row, None, 3);
        assert!(bar.segments.iter().all(|segment| segment.from + segment.length <= BAR_SCALE), "{bar:?}");
        for by in [i64::MIN, -1, i64::MAX] {
            let bar = Bar::of_change(&row, None, by, by.unsigned_abs());
            assert!(bar.segments.iter().all(|segment| segment.from + segment.length <= BAR_SCALE), "{bar:?}");
        }
    }

    fn buckets(counts: &[u64]) -> Vec<(String, u64)> {
        let distribution = Distribution::of(counts.to_vec()).unwrap();
        let accounts = distribution.buckets.iter().map(|bucket| bucket.accounts).sum::<u64>();
        assert_eq!(accounts, counts.len() as u64, "every account is in one bucket");
        distribution.buckets.into_iter().map(|bucket| (bucket.label, bucket.accounts)).collect()
    }

    fn labels(counts: &[u64]) -> String {
        buckets(counts).into_iter().map(|(label, _)| label).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn small_counts_have_a_bucket_each() {
        assert_eq!(buckets(&[0, 2, 2]), [("0".into(), 1), ("1".into(), 0), ("2".into(), 2)]);
    }

    #[test]
    fn skewed_counts_have_growing_buckets() {
        assert_eq!(labels(&[30, 40, 44]), "0 1 2–4 5–9 10–19 20–49");
        assert_eq!(labels(&[0, 3, 150]), "0 1 2–4 5–9 10–19 20–49 50–99 100–199");
        assert_eq!(labels(&[0, 0, 1, 7_421]).split(' ').next_back(), Some("5,000–9,999"));
        let huge = buckets(&[0, 1, u64::MAX]);
        assert_eq!(huge.last().map(|(_, accounts)| *accounts), Some(1));
        assert!(buckets(&[u64::MAX, u64::MAX]).len() <= 60);
    }

    #[test]
    fn the_median_and_the_top_tenth_are_known() {
        let distribution = Distribution::of((1..=20).collect()).unwrap();
        assert_eq!(
            (distribution.median, distribution.largest, distribution.top_decile_share),
            (10, 20, Some(39 * 100 / 210))
        );
        assert_eq!(Distribution::of(vec![]), None);
        assert_eq!(Distribution::of(vec![0, 0]).unwrap().top_decile_share, None);
    }
}
