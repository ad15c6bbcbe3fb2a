//! The hint about a token when the hourly limit without one is spent.

use std::time::Duration;

use crate::fake::{Behavior, Fake, PrimaryLimit};
use crate::program::{Program, Run, file, path, users};

/// A server with 60 requests an hour for each address, of which some are already spent.
fn with_spent(spent: usize) -> Fake {
    let primary = Some(PrimaryLimit::new(60, Duration::from_hours(1)));
    let fake = Fake::start(Behavior { primary, ..Behavior::default() });
    if spent > 0 {
        let list = file(&users(spent));
        let run = Program::for_fake(&fake, &["-f", path(&list), "-q"]).run();
        assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    }
    fake
}

enum Source {
    Arguments,
    File,
    Pipe,
}

fn look_up(fake: &Fake, logins: usize, source: &Source, flags: &[&str]) -> Run {
    let flags = [&["-F", "ndjson", "--max-wait", "10m"], flags].concat();
    let list = users(logins);
    match source {
        Source::Arguments => {
            Program::for_fake(fake, &[&list.lines().collect::<Vec<_>>(), &flags[..]].concat()).run()
        }
        Source::File => {
            let list = file(&list);
            Program::for_fake(fake, &[&["-f", path(&list)], &flags[..]].concat()).run()
        }
        Source::Pipe => Program::for_fake(fake, &[&["-"], &flags[..]].concat()).run_with_input(&list),
    }
}

fn hints(run: &Run) -> Vec<&str> {
    run.stderr.lines().filter(|line| line.contains("set GH_TOKEN")).collect()
}

/// 5,000 logins are more than are read ahead.
#[test]
fn a_spent_hour_is_hinted_at_for_any_length_of_list() {
    for (spent, logins) in [(60, 1), (60, 3), (58, 3), (60, 61), (0, 61), (30, 61), (60, 5000), (0, 5000)] {
        for source in [Source::Arguments, Source::File, Source::Pipe] {
            if (spent, logins) == (60, 5000) && !matches!(source, Source::Pipe) {
                continue;
            }
            let fake = with_spent(spent);
            let before = fake.requests();
            let run = look_up(&fake, logins, &source, &[]);
            let counted = run.rows_of(logins).iter().filter(|row| row["status"] == "ok").count();
            assert_eq!((run.status, counted), (5, 60 - spent), "{spent}, {logins}: {}", run.stderr);
            let lines = hints(&run);
            assert_eq!(lines.len(), 1, "{spent}, {logins}: {}", run.stderr);
            assert!(
                lines[0].starts_with("ghrepos: unauthenticated limit: ")
                    && lines[0].ends_with(
                        " of 60 requests left this hour, not enough for this list; set GH_TOKEN for 5,000 points an hour (100 logins each)"
                    ),
                "{}",
                lines[0]
            );
            // The hour is not asked about again and again.
            assert!(fake.requests() - before <= (60 - spent) as u64 + 10, "{}", fake.requests());
        }
    }
}

#[test]
fn no_hint_is_given_where_it_would_not_help() {
    let without = |fake: &Fake, logins, flags: &[&str]| {
        let run = look_up(fake, logins, &Source::Arguments, flags);
        assert_eq!(hints(&run), [""; 0], "{}", run.stderr);
        run.status
    };
    assert_eq!(without(&with_spent(0), 60, &["-j", "1"]), 0, "the hour suffices");
    let fake = with_spent(60);
    let list = ["user-1", "user-2", "--api", "rest", "--max-wait", "10m"];
    let run = Program::for_fake(&fake, &list).env("GH_TOKEN", "ghp_sample").run();
    assert_eq!((run.status, hints(&run)), (5, vec![]), "{}", run.stderr);
    // Another limit than that of the hour.
    let secondary = Fake::with_faults(|_| Some(crate::fake::Fault::secondary(403, Some(3600))));
    assert_eq!(without(&secondary, 3, &[]), 5);
}

#[test]
fn a_spent_hour_is_hinted_at_once_with_quiet_and_deadline() {
    for (flags, source) in [
        (&["-q"][..], Source::Arguments),
        (&["-q", "--max-wait", "2h", "--deadline", "20m"], Source::File),
        (&["--max-wait", "2h", "--deadline", "20m"], Source::Pipe),
    ] {
        let run = look_up(&with_spent(60), 3, &source, flags);
        assert_eq!(run.status, 5, "{flags:?}: {}", run.stderr);
        assert_eq!(hints(&run).len(), 1, "{flags:?}: {}", run.stderr);
        let lines = if flags.contains(&"-q") { 1 } else { 2 };
        assert_eq!(run.stderr.lines().count(), lines, "{flags:?}: {}", run.stderr);
    }
}

#[test]
fn a_list_of_members_hints_at_a_token_too() {
    let fake = with_spent(60);
    let run = Program::for_fake(&fake, &["--members", "acme-3", "--max-wait", "10m"]).run();
    assert_eq!((run.status, hints(&run).len()), (5, 1), "{}", run.stderr);
}
