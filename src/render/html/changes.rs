//! What has changed since an earlier report, for the page.

use std::cmp::Reverse;

use super::charts::{self, Bar, Chart, repositories};
use super::page::Tile;
use crate::report::{Change, DiffSummary, Row};
use crate::text::group_digits;

/// Names of a kind that are listed.
const NAMES: usize = 60;
/// Differences in the picture.
const BARS: usize = 12;

/// Gathers who has changed.
#[derive(Default)]
pub(super) struct Changes {
    new: Names,
    gone: Names,
    renamed: Names,
    replaced: Names,
    moved: Vec<Moved>,
}

/// Some of many names.
#[derive(Clone, Default)]
pub(super) struct Names {
    pub(super) names: Vec<Named>,
    pub(super) more: u64,
}

#[derive(Clone)]
pub(super) struct Named {
    pub(super) name: String,
    pub(super) link: Option<String>,
    pub(super) note: String,
}

impl Names {
    pub(super) fn more_in_words(&self) -> String {
        group_digits(self.more)
    }
}

/// Somebody whose count is another now.
struct Moved {
    name: String,
    link: Option<String>,
    by: i64,
    was: Option<u64>,
}

/// What the page shows of it.
pub(super) struct Shown {
    pub(super) since: String,
    pub(super) tiles: Vec<Tile>,
    pub(super) chart: Chart,
    pub(super) new: Names,
    pub(super) gone: Names,
    pub(super) renamed: Names,
    pub(super) replaced: Names,
}

impl Changes {
    pub(super) fn add(&mut self, row: &Row, link: Option<&str>) {
        let Some(change) = row.change else { return };
        let link = link.map(str::to_owned);
        let is = || row.public_repos.map(repositories).unwrap_or_default();
        let was = || row.was.map(|was| format!("had {}", repositories(was))).unwrap_or_default();
        let (list, note) = match change {
            Change::New => (&mut self.new, is()),
            Change::Gone => (&mut self.gone, was()),
            Change::Renamed => (&mut self.renamed, is()),
            Change::Replaced => (&mut self.replaced, is()),
            Change::By(by) if by != 0 => {
                self.moved.push(Moved { name: row.login.clone(), link, by, was: row.was });
                if self.moved.len() > BARS * 8 {
                    self.shorten();
                }
                return;
            }
            Change::By(_) | Change::Unknown => return,
        };
        if list.names.len() < NAMES {
            list.names.push(Named { name: row.login.clone(), link, note });
        } else {
            list.more += 1;
        }
    }

    fn shorten(&mut self) {
        self.moved.sort_by_key(|moved| Reverse(moved.by.unsigned_abs()));
        self.moved.truncate(BARS);
    }

    pub(super) fn shown(&mut self, drift: &DiffSummary) -> Shown {
        self.shorten();
        let largest = self.moved.first().map_or(0, |moved| moved.by.unsigned_abs());
        let bar = |moved: &Moved| -> Bar {
            charts::change(moved.name.clone(), moved.link.clone(), moved.by, moved.was, largest)
        };
        let tile = |name, number: u64, note: String| Tile { name, value: group_digits(number), note };
        let tiles = [
            tile("New", drift.new, format!("with {}", repositories(drift.repositories_of_new))),
            tile("Gone", drift.gone, format!("had {}", repositories(drift.repositories_of_gone))),
            tile("Grown", drift.grown, format!("by {}", repositories(drift.repositories_come))),
            tile("Shrunk", drift.shrunk, format!("by {}", repositories(drift.repositories_gone))),
            tile("Unchanged", drift.unchanged, String::new()),
            tile("Renamed", drift.renamed, String::new()),
            tile("Replaced", drift.replaced, "another account now".into()),
            tile("Not known", drift.unknown, "then or now".into()),
        ];
        Shown {
            since: drift.baseline.clone(),
            tiles: tiles.into_iter().filter(|tile| tile.value != "0").collect(),
            chart: Chart {
                of: "Account".into(),
                measure: "Change",
                from_the_middle: true,
                bars: self.moved.iter().map(bar).collect(),
                rest: None,
            },
            new: self.new.clone(),
            gone: self.gone.clone(),
            renamed: self.renamed.clone(),
            replaced: self.replaced.clone(),
        }
    }
}
