//! Runs under GitHub's rate limits, with an hour shortened to ten seconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::input::{Input, Shape};
use crate::measure::{Measured, ghrepos, once};
use crate::server::World;
use crate::table::{head, number, ratio, row, time};

struct Case {
    name: &'static str,
    api: &'static str,
    jobs: u64,
    logins: u64,
    world: World,
    /// Full windows before the last one.
    windows: u64,
}

const HOUR: u64 = 10;

const NO_LIMITS: World = World {
    latency: 0,
    alias: 0,
    limit: None,
    max_in_flight: None,
    max_aliases: None,
    rejected_permille: 0,
    fault_percent: 0,
    limits_cpu_time: false,
};

const CASES: [Case; 3] = [
    Case {
        name: "5,000 requests per hour, REST, three hours",
        api: "rest",
        jobs: 10,
        logins: 12_000,
        world: World { latency: 1, limit: Some((5000, HOUR)), ..NO_LIMITS },
        windows: 2,
    },
    Case {
        name: "5,000 points per hour, GraphQL, two hours",
        api: "graphql",
        jobs: 10,
        logins: 510_000,
        world: World { latency: 1, limit: Some((5000, HOUR)), ..NO_LIMITS },
        windows: 1,
    },
    Case {
        name: "at most 20 requests in flight, `-j 100`, REST at 20 ms",
        api: "rest",
        jobs: 100,
        logins: 3000,
        world: World { latency: 20, max_in_flight: Some(20), ..NO_LIMITS },
        windows: 0,
    },
];

pub fn measured(runs: usize) {
    head(
        &format!("Under limits: an hour is {HOUR} s"),
        &["limit", "logins", "lower bound", "wall", "ratio", "requests", "rejected"],
    );
    for Case { name, api, jobs, logins, world, windows } in CASES {
        let input = Input::new(logins);
        let file = input.file();
        let since = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let begun = since();
        // Cases with a window run once: their time depends on the start of the window.
        let runs = if world.max_in_flight.is_some() { runs } else { 1 };
        let runs: Vec<_> = (0..runs)
            .map(|_| {
                once(world, input, Shape::Ndjson, |server| {
                    let mut command = ghrepos();
                    command.args(["-q", "-F", "ndjson", "--api", api, "-j", &jobs.to_string()]);
                    command.args(["--api-url", &server.url, "-f"]).arg(&file);
                    command
                })
            })
            .collect();
        let Measured { used, seen, .. } = Measured::of(&runs).right();
        let least = match world.max_in_flight {
            Some(max) => {
                let rounds = logins.div_ceil(u64::try_from(max).expect("a few"));
                Duration::from_millis(world.latency * rounds)
            }
            // Windows begin at whole seconds; the first one begins with the first request.
            None => Duration::from_secs(begun.as_secs() + windows * HOUR).saturating_sub(begun),
        };
        row(&[
            name.into(),
            number(logins),
            time(least),
            time(used.wall),
            ratio(used.wall, least),
            number(seen.requests),
            number(seen.rejected),
        ]);
    }
}
