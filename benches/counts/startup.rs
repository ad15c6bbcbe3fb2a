//! Start-up time.

use crate::measure::{ghrepos, middle, run};
use crate::table::{head, megabytes, row, time};

pub fn measured(runs: usize) {
    let replay = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/github");
    head("Start-up", &["`ghrepos …`", "wall", "CPU", "memory"]);
    for arguments in [&["--version"][..], &["--replay", replay, "torvalds", "gvanrossum", "antirez"]] {
        let all: Vec<_> = (0..4 * runs).map(|_| run(ghrepos().args(arguments), None).0).collect();
        let used = middle(&all);
        let name = arguments.join(" ").replace(replay, "fixtures/github");
        row(&[format!("`{name}`"), time(used.wall), time(used.cpu), megabytes(used.memory)]);
    }
}
