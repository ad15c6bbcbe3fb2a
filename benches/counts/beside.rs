//! Compares this build with another one, such as that of the commit before, in alternating runs.

use std::path::Path;
use std::process::Command;

use crate::input::{Input, Shape};
use crate::measure::{Measured, Run, ghrepos, once_at, program, run};
use crate::server::{Server, World};
use crate::table::{head, megabytes, number, ratio, row, time};

struct Case {
    name: &'static str,
    logins: u64,
    arguments: &'static [&'static str],
    world: World,
    /// Logins are read from standard input.
    is_pipe: bool,
}

fn cases() -> Vec<Case> {
    let rest = |name, logins, jobs: &'static [&'static str], world| Case {
        name,
        logins,
        arguments: jobs,
        world,
        is_pipe: false,
    };
    let world = World { latency: 20, ..World::default() };
    let graphql = World { alias: 1, ..world };
    vec![
        rest("REST, 20 ms, 10 jobs", 200, &["--api", "rest"], world),
        rest("REST, 20 ms, 10 jobs", 1000, &["--api", "rest"], world),
        rest("REST, no latency, 100 jobs", 20_000, &["--api", "rest", "-j", "100"], World::default()),
        rest("GraphQL, 20 ms + 1 ms per alias", 200, &[], graphql),
        rest("GraphQL, 20 ms + 1 ms per alias", 20_000, &[], graphql),
        rest("GraphQL, 502 above 30 logins", 3000, &[], World { max_aliases: Some(30), ..graphql }),
        rest(
            "20 in flight at most, 100 jobs",
            3000,
            &["--api", "rest", "-j", "100"],
            World { max_in_flight: Some(20), ..world },
        ),
        rest(
            "20 in flight at most, 100 jobs",
            20_000,
            &["--api", "rest", "-j", "100"],
            World { max_in_flight: Some(20), ..world },
        ),
        rest(
            "0.2 % rejected at random, 50 jobs",
            20_000,
            &["--api", "rest", "-j", "50", "--retries", "12"],
            World { rejected_permille: 2, ..world },
        ),
        rest(
            "30 % faults, REST",
            1000,
            &["--api", "rest", "--retries", "30"],
            World { fault_percent: 30, ..world },
        ),
        rest("30 % faults, GraphQL", 3000, &["--retries", "30"], World { fault_percent: 30, ..graphql }),
        Case {
            name: "a pipe, GraphQL, no latency",
            is_pipe: true,
            ..rest("", 1_000_000, &[], World::default())
        },
    ]
}

impl Case {
    fn once(&self, mut command: Command) -> Run {
        let input = Input::new(self.logins);
        let server = Server::start(self.world);
        command.args(["-q", "-F", "ndjson", "--api-url", &server.url]).args(self.arguments);
        if self.is_pipe {
            let (used, counted) = run(command.arg("-"), Some(input));
            let wrong = input.wrong(&counted, Shape::Ndjson);
            return Run { used, seen: server.end(), wrong };
        }
        once_at(server, input, Shape::Ndjson, |_| {
            command.arg("-f").arg(input.file());
            command
        })
    }
}

pub fn measured(runs: usize, other: &Path) {
    head(
        &format!("Compared with {} (medians of {runs}, alternating)", other.display()),
        &[
            "",
            "logins",
            "wall before",
            "after",
            "ratio",
            "requests before",
            "after",
            "memory before",
            "after",
        ],
    );
    for case in cases() {
        let (mut before, mut now) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            before.push(case.once(program(other)));
            now.push(case.once(ghrepos()));
        }
        let (before, now) = (Measured::of(&before).right(), Measured::of(&now).right());
        row(&[
            case.name.into(),
            number(case.logins),
            time(before.used.wall),
            time(now.used.wall),
            ratio(now.used.wall, before.used.wall),
            number(before.seen.requests),
            number(now.seen.requests),
            megabytes(before.used.memory),
            megabytes(now.used.memory),
        ]);
    }
}
