//! What is known of a run while its rows pass: totals, subtotals, rules, evidence. Rows are not kept, so each
//! sees every row once, here.

use std::sync::Arc;

use super::evidence::Evidence;
use crate::config::Config;
use crate::diff::Baseline;
use crate::fail_on::Rules;
use crate::report::{GroupTotals, Row, Summary};
use crate::shard::Shard;

/// Compares rows with the baseline, adds them up, and shows them to the rules.
pub(super) struct RowAggregator {
    pub(super) summary: Summary,
    pub(super) rules: Rules,
    pub(super) baseline: Option<Arc<Baseline>>,
    pub(super) evidence: Evidence,
}

impl RowAggregator {
    pub(super) fn new(
        config: &Config,
        groups: Option<GroupTotals>,
        baseline: Option<Arc<Baseline>>,
        evidence: Evidence,
    ) -> Self {
        let drift = baseline.as_deref().map(Baseline::drift);
        let summary = Summary { groups, drift, ..Summary::default() };
        Self { summary, rules: config.rules.clone(), baseline, evidence }
    }

    /// Takes rows of the roster.
    pub(super) fn take(&mut self, mut rows: Vec<Row>) -> Arc<Vec<Row>> {
        for row in &mut rows {
            self.evidence.take(row);
            if let Some(baseline) = &self.baseline {
                baseline.compare(row);
            }
        }
        self.add(&rows);
        Arc::new(rows)
    }

    /// Rows for those who are not in the roster any more, now that all of it was read.
    pub(super) fn gone(&mut self, shard: Option<Shard>) -> Arc<Vec<Row>> {
        let gone = self.baseline.as_ref().map(|baseline| baseline.gone(shard)).unwrap_or_default();
        self.add(&gone);
        Arc::new(gone)
    }

    fn add(&mut self, rows: &[Row]) {
        for row in rows {
            self.summary.add(row);
            self.rules.add(row);
        }
    }
}
