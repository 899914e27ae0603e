//! Gates on several loops: a gate that names no loop holds if it holds for each. Of the loops beyond the limit only the
//! totals are known.

use std::collections::BTreeSet;

use super::{Gate, Judgement, Limit, Outcome};
use crate::analysis::diff::Run;

/// Maximum number of loops named in a judgement; of more, only the number is given.
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
        Some(self.with_loops_beyond_limit(runs, self.judgement(outcome, numbers.join(", "), why)))
    }

    /// Takes the loops beyond the limit into account, given the judgement of the others. No loop exceeds the total of
    /// all loops. If none of the others has the maximum, a loop beyond the limit has it.
    fn with_loops_beyond_limit(&self, runs: &[Run], known: Judgement) -> Judgement {
        let is_beyond = runs.iter().any(|run| self.metric.has_loops_beyond_limit(&run.summary));
        if !is_beyond || known.outcome == Outcome::Failed {
            return known;
        }
        let beyond = "loops beyond the limit have no figures of their own";
        if let Limit::Max(max) = self.limit {
            let all = self.judge_values(runs);
            let is_one_of_them = self.metric.is_maximum() || max == 0.0;
            let numbers = format!("{} in all loops", all.numbers);
            match all.outcome {
                Outcome::Held => return Judgement { numbers, ..all },
                Outcome::Failed if is_one_of_them && runs.len() == 1 => {
                    return Judgement { numbers, why: Some(beyond.to_owned()), ..all };
                }
                _ => {}
            }
        }
        let why = known.why.filter(|_| known.outcome == Outcome::Undecided);
        Judgement { outcome: Outcome::Undecided, why: why.or_else(|| Some(beyond.to_owned())), ..known }
    }
}
