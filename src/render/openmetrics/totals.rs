//! Figures of the run as a whole, for alarms: whether it was complete, what it cost, when it was.

use super::family::Family;
use crate::render::Meta;
use crate::report::{Status, Summary};

/// Figures of the run.
pub(super) fn run(meta: &Meta, summary: &Summary) -> Vec<Family> {
    let mut families = Vec::new();
    let mut single = |name, help, value: Option<String>| {
        let mut family = Family::new(name, help);
        if let Some(value) = value {
            family.sample(&[], &value);
            families.push(family);
        }
    };
    let number = |number: u64| Some(number.to_string());
    single(
        "ghrepos_public_repositories",
        "Public repositories of all accounts.",
        number(summary.public_repos),
    );
    single("ghrepos_run_complete", "1 if every login was asked for.", number(u64::from(summary.complete)));
    let spent = |number: Option<u64>| number.map(|number| number.to_string());
    single("ghrepos_run_duplicate_logins", "Logins that were named again.", spent(summary.duplicates));
    single("ghrepos_run_requests", "Requests sent.", spent(summary.requests));
    single("ghrepos_run_points", "Points of the GraphQL API's budget spent.", spent(summary.points));
    let seconds = summary.seconds.map(|seconds| seconds.to_string());
    single("ghrepos_run_duration_seconds", "Time that the run took.", seconds);
    single(
        "ghrepos_run_start_timestamp_seconds",
        "When the run began, since 1970.",
        Some(meta.started.as_second().to_string()),
    );
    let mut logins = Family::new("ghrepos_logins", "Logins by what became of them.");
    for (status, number) in [
        (Status::Ok, summary.ok),
        (Status::NotFound, summary.not_found),
        (Status::Forbidden, summary.forbidden),
        (Status::Invalid, summary.invalid),
        (Status::Failed, summary.failed),
        (Status::Skipped, summary.skipped),
    ] {
        logins.sample(&[("status", status.as_str())], &number);
    }
    let mut run = Family::new("ghrepos_run_info", "1, and what made the report.");
    let api = meta.api.as_deref().unwrap_or_default();
    run.sample(&[("api", api), ("generator", &meta.generator)], &1);
    families.extend([logins, run]);
    families
}

/// Figures of each group.
pub(super) fn groups(summary: &Summary) -> Vec<Family> {
    let mut logins = Family::new("ghrepos_group_logins", "Logins of a group.");
    let mut counted = Family::new("ghrepos_group_counted_logins", "Logins of a group that were counted.");
    let mut repos = Family::new("ghrepos_group_public_repositories", "Public repositories of a group.");
    if let Some(groups) = &summary.groups {
        for (group, subtotal) in groups.in_order() {
            let labels = [("by", groups.by()), ("group", group.unwrap_or_default())];
            logins.sample(&labels, &subtotal.logins);
            counted.sample(&labels, &subtotal.counted);
            repos.sample(&labels, &subtotal.public_repos);
        }
    }
    vec![logins, counted, repos]
}

/// Figures of what has changed.
pub(super) fn drift(summary: &Summary) -> Vec<Family> {
    let mut logins = Family::new("ghrepos_baseline_logins", "Logins by what has changed since the baseline.");
    let mut repos =
        Family::new("ghrepos_baseline_repositories", "Repositories that came and went since the baseline.");
    if let Some(drift) = &summary.drift {
        for (change, number) in [
            ("new", drift.new),
            ("gone", drift.gone),
            ("renamed", drift.renamed),
            ("replaced", drift.replaced),
            ("unknown", drift.unknown),
            ("grown", drift.grown),
            ("shrunk", drift.shrunk),
            ("unchanged", drift.unchanged),
        ] {
            logins.sample(&[("change", change)], &number);
        }
        for (change, number) in [
            ("come", drift.repositories_come),
            ("gone", drift.repositories_gone),
            ("of_new", drift.repositories_of_new),
            ("of_gone", drift.repositories_of_gone),
        ] {
            repos.sample(&[("change", change)], &number);
        }
    }
    vec![logins, repos]
}
