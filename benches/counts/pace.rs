//! `--pace documented` against a fake that enforces GitHub's limit on CPU time, compared with the lower bound and with `--plan`.

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::input::{Input, Shape, folder};
use crate::measure::ghrepos;
use crate::server::{Server, World};
use crate::table::{head, number, ratio, row, time};

/// CPU time and response time of an alias, in milliseconds: a full query takes the second that `--plan` assumes.
const ALIAS: u64 = 10;
const BATCH: u64 = 100;
const JOBS: u64 = 10;
/// Full queries within the CPU time of a minute.
const PER_MINUTE: u64 = 60;

#[derive(Deserialize)]
struct Plan {
    seconds: u64,
    limited_by: Option<String>,
}

/// Returns the time of a client that knows when the server counts each query.
fn least(logins: u64) -> Duration {
    let queries = logins.div_ceil(BATCH);
    let minutes = queries.saturating_sub(1) / PER_MINUTE;
    let last = queries - minutes * PER_MINUTE;
    Duration::from_secs(60 * minutes) + Duration::from_millis(ALIAS * BATCH * last.div_ceil(JOBS))
}

pub fn measured(sizes: &[u64]) {
    let sizes = if sizes.is_empty() { &[1_000, 10_000, 20_000][..] } else { sizes };
    head(
        "`--pace documented`, 10 ms of CPU time per login, GitHub's limit on CPU time",
        &[
            "logins",
            "lower bound",
            "wall",
            "ratio",
            "planned",
            "ratio",
            "rejected",
            "limit of the plan",
            "waits of the run",
        ],
    );
    for &logins in sizes {
        let input = Input::new(logins);
        let file = input.file();
        let server = Server::start(World { alias: ALIAS, limits_cpu_time: true, ..World::default() });
        let command = || {
            let mut command = ghrepos();
            command.args(["--pace", "documented", "--api-url", &server.url, "-f"]).arg(&file);
            command
        };
        let plan = command().args(["--plan", "-F", "json"]).output().expect("a plan");
        let plan: Plan = serde_json::from_slice(&plan.stdout).expect("a plan as JSON");
        let planned = Duration::from_secs(plan.seconds);
        let start = Instant::now();
        let run = command().args(["-F", "ndjson"]).output().expect("a run");
        let wall = start.elapsed();
        let counted = folder().join("counted");
        std::fs::write(&counted, &run.stdout).expect("room");
        assert_eq!(input.wrong(&counted, Shape::Ndjson), None, "a wrong count");
        let stderr = String::from_utf8(run.stderr).expect("text");
        let waited = stderr.lines().last().filter(|line| line.contains("waited")).unwrap_or("none");
        let least = least(logins);
        row(&[
            number(logins),
            time(least),
            time(wall),
            ratio(wall, least),
            time(planned),
            ratio(wall, planned),
            number(server.end().rejected),
            plan.limited_by.unwrap_or_else(|| "none".into()),
            waited.trim_start_matches("ghrepos: waited ").into(),
        ]);
    }
}
