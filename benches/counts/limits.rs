//! Under limits as GitHub has them, in less than an hour.

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
    /// Whole windows before the last one.
    windows: u64,
}

const HOUR: u64 = 10;

const NO_LIMITS: World = World {
    latency: 0,
    alias: 0,
    limit: None,
    crowd: None,
    max_aliases: None,
    rejected_permille: 0,
    fault_percent: 0,
};

const CASES: [Case; 3] = [
    Case {
        name: "5,000 requests an hour, REST, three hours",
        api: "rest",
        jobs: 10,
        logins: 12_000,
        world: World { latency: 1, limit: Some((5000, HOUR)), ..NO_LIMITS },
        windows: 2,
    },
    Case {
        name: "5,000 points an hour, GraphQL, two hours",
        api: "graphql",
        jobs: 10,
        logins: 510_000,
        world: World { latency: 1, limit: Some((5000, HOUR)), ..NO_LIMITS },
        windows: 1,
    },
    Case {
        name: "a server that takes 20 at once, `-j 100`, REST at 20 ms",
        api: "rest",
        jobs: 100,
        logins: 3000,
        world: World { latency: 20, crowd: Some(20), ..NO_LIMITS },
        windows: 0,
    },
];

pub fn measured(runs: usize) {
    head(
        &format!("Under limits: an hour is {HOUR} s"),
        &["limit", "logins", "least possible", "took", "ratio", "requests", "refused"],
    );
    for Case { name, api, jobs, logins, world, windows } in CASES {
        let input = Input::new(logins);
        let file = input.file();
        let since = || SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let begun = since();
        // Where nothing depends on when a window begins.
        let runs = if world.crowd.is_some() { runs } else { 1 };
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
        let least = match world.crowd {
            Some(crowd) => {
                let rounds = logins.div_ceil(u64::try_from(crowd).expect("a few"));
                Duration::from_millis(world.latency * rounds)
            }
            // Windows begin at whole seconds, the first with the first request.
            None => Duration::from_secs(begun.as_secs() + windows * HOUR).saturating_sub(begun),
        };
        row(&[
            name.into(),
            number(logins),
            time(least),
            time(used.wall),
            ratio(used.wall, least),
            number(seen.requests),
            number(seen.refused),
        ]);
    }
}
