//! Compares the wall time with the lower bound that latency, jobs and batch size set: rounds × time per round.

use std::time::Duration;

use crate::input::{Input, Shape};
use crate::measure::{Measured, ghrepos, once};
use crate::server::{Server, World};
use crate::table::{head, megabytes, number, ratio, row, time};

struct Case {
    logins: u64,
    jobs: u64,
    latency: u64,
    /// Milliseconds for each alias of a query. None for REST.
    alias: Option<u64>,
}

const fn rest(logins: u64, jobs: u64, latency: u64) -> Case {
    Case { logins, jobs, latency, alias: None }
}

const fn graphql(logins: u64, jobs: u64, latency: u64) -> Case {
    Case { logins, jobs, latency, alias: Some(1) }
}

const CASES: [Case; 15] = [
    rest(3, 10, 20),
    rest(200, 10, 20),
    rest(2000, 10, 20),
    rest(2000, 100, 20),
    rest(20_000, 100, 20),
    rest(3, 10, 150),
    rest(200, 10, 150),
    rest(2000, 100, 150),
    graphql(3, 10, 20),
    graphql(200, 10, 20),
    graphql(200, 100, 20),
    graphql(2000, 10, 20),
    graphql(20_000, 10, 20),
    graphql(200, 10, 150),
    graphql(20_000, 10, 150),
];

impl Case {
    fn bound(&self) -> Duration {
        let Some(alias) = self.alias else {
            return Duration::from_millis(self.latency)
                * u32::try_from(self.logins.div_ceil(self.jobs)).expect("few");
        };
        let batch = self.logins.div_ceil(self.jobs).min(100);
        let rounds = self.logins.div_ceil(batch).div_ceil(self.jobs);
        Duration::from_millis((self.latency + alias * batch) * rounds)
    }
}

pub fn measured(runs: usize) {
    head(
        &format!("Compared with the lower bound (medians of {runs}; 1 % of the logins do not exist)"),
        &[
            "API",
            "logins",
            "jobs",
            "time per request",
            "bound",
            "wall",
            "ratio",
            "CPU",
            "memory",
            "requests",
            "points",
        ],
    );
    for case in CASES {
        let input = Input { logins: case.logins, missing: true };
        let file = input.file();
        let Case { logins, jobs, latency, alias } = case;
        let (api, takes) = match alias {
            None => ("rest", format!("{latency} ms")),
            Some(alias) => ("graphql", format!("{latency} ms + {alias} ms per alias")),
        };
        let world = World { latency, alias: alias.unwrap_or(0), ..World::default() };
        let command = |server: &Server| {
            let mut command = ghrepos();
            command.args(["-q", "-F", "ndjson", "--api", api, "-j", &jobs.to_string()]);
            command.args(["--api-url", &server.url]).arg("-f").arg(&file);
            command
        };
        let runs: Vec<_> = (0..runs).map(|_| once(world, input, Shape::Ndjson, command)).collect();
        let measured = Measured::of(&runs).right();
        let used = measured.used;
        row(&[
            if alias.is_some() { "GraphQL".into() } else { "REST".into() },
            number(logins),
            jobs.to_string(),
            takes,
            time(case.bound()),
            time(used.wall),
            ratio(used.wall, case.bound()),
            time(used.cpu),
            megabytes(used.memory),
            number(measured.seen.requests),
            number(measured.seen.points),
        ]);
    }
}
