//! Gates on several loops: a gate that names no loop holds if it holds for each.

use std::collections::BTreeSet;

use super::{Gate, Judgement, Outcome};
use crate::analysis::diff::Run;

/// Most loops named in a judgement; of more, only the number is given.
const NAMED_MAX: usize = 4;

impl Gate {
    /// Combines the judgements of each loop, if there are several and each has the metric. The worst outcome counts,
    /// and its loops are named with their numbers.
    pub(super) fn judge_each_loop(
        &self,
        runs: &[Run],
        judge: impl Fn(&Self) -> Judgement,
    ) -> Option<Judgement> {
        if !self.metric.is_of_each_loop() || !runs.iter().any(|run| run.summary.has_several_loops()) {
            return None;
        }
        let names: BTreeSet<&str> =
            runs.iter().flat_map(|run| &run.summary.loops).map(|own| own.name.as_str()).collect();
        let judged: Vec<(&str, Judgement)> = names
            .into_iter()
            .map(|name| (name, Self { metric: self.metric.on_loop(name), ..self.clone() }))
            // A loop without timers has no lag to judge.
            .filter(|(_, gate)| runs.iter().any(|run| gate.metric.of(&run.summary).is_some()))
            .map(|(name, gate)| (name, judge(&gate)))
            .collect();
        let rank = |outcome: Outcome| match outcome {
            Outcome::Held => 0,
            Outcome::Undecided => 1,
            Outcome::Failed => 2,
        };
        let outcome = judged.iter().map(|(_, judgement)| judgement.outcome).max_by_key(|it| rank(*it))?;
        let worst: Vec<&(&str, Judgement)> =
            judged.iter().filter(|(_, judgement)| judgement.outcome == outcome).collect();
        let shown = worst.iter().take(NAMED_MAX);
        let mut numbers: Vec<String> =
            shown.map(|(name, judgement)| format!("{name} {}", judgement.numbers)).collect();
        if worst.len() > NAMED_MAX {
            numbers.push(format!("{} more loops", worst.len() - NAMED_MAX));
        }
        let why = worst.first().and_then(|(_, judgement)| judgement.why.clone());
        Some(self.judgement(outcome, numbers.join(", "), why))
    }
}
