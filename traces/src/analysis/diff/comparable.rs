//! Checks whether runs can be compared: what else differs between the sides, apart from the build.
//!
//! Intended differences do not count: another version, and the settings by which the demo is made slower (`scale`,
//! `stall_ns`).

use std::collections::BTreeSet;

use loop_probes::text::printable;

use super::input::Run;
use crate::analysis::metric::Metric;
use crate::analysis::statistics::median;
use crate::loss::Bounds;
use crate::source::{IMPORT, RERUN, RERUN_OF};
use crate::summary::Summary;
use crate::units::{counted, duration, percent, rate};

/// The largest ratio between the sides' loads or lengths.
const LOAD_RATIO_MAX: f64 = 1.25;

/// The largest share of ticks that losses may affect.
const LOST_SHARE_MAX: f64 = 0.01;

/// Runs with losses that a note names.
const LOSSY_NAMED: usize = 3;

/// Settings whose effect is what is being compared.
const TREATMENTS: [&str; 2] = ["scale", "stall_ns"];

/// The setting that determines the arrivals.
const SEED: &str = "seed";

/// Why runs should not be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}; {way_out}")]
#[non_exhaustive]
pub struct Incomparable {
    /// The reason, including what differs.
    pub why: String,
    /// What to do about it.
    pub way_out: &'static str,
}

/// Everything that rules out the comparison, the gravest first; empty if nothing does.
#[must_use]
pub fn check(base: &[Run], candidate: &[Run]) -> Vec<Incomparable> {
    let runs: Vec<&Run> = base.iter().chain(candidate).collect();
    let mut found = Vec::new();
    found.extend(repeated(&runs));
    found.extend(empty(&runs));
    found.extend(losses(&runs));
    found.extend(differs(&runs, "the policy", "record both sides under one policy", |run| {
        // A re-execution may change the policy on purpose.
        rerun_of(run).is_none().then(|| run.summary.source.policy.clone())
    }));
    found.extend(differs(&runs, "the kind of source", "record both sides in the same way", |run| {
        Some(run.summary.source.kind.name().to_owned())
    }));
    found.extend(differs(&runs, "the host", "record both sides on one machine", |run| {
        run.metadata.as_ref().map(|metadata| metadata.host.clone())
    }));
    found.extend(differs(&runs, "the machine", "record both sides on one machine and kernel", |run| {
        run.metadata.as_ref().map(|metadata| metadata.machine.clone())
    }));
    found.extend(differs(&runs, "the build profile", "build both sides in the same way", profile));
    found.extend(differs(&runs, "the stall limit", "record both sides with one limit", |run| {
        Some(duration(run.summary.ticks.stall_limit_ns))
    }));
    found.extend(settings(&runs));
    found.extend(seeds(base, candidate));
    found.extend(load(base, candidate));
    found
}

/// A run counted twice understates the scatter, and turns chance into a verdict.
fn repeated(runs: &[&Run]) -> Option<Incomparable> {
    let pairs =
        runs.iter().enumerate().flat_map(|(place, one)| runs[..place].iter().map(move |first| (first, one)));
    let (first, again) =
        pairs.into_iter().find(|(first, again)| first.name == again.name || is_one(first, again))?;
    let why = if first.name == again.name {
        format!("{} is named twice", first.name)
    } else {
        format!("{} and {} are the same run", first.name, again.name)
    };
    Some(Incomparable { why, way_out: "name each run once" })
}

/// Whether they are one run, in whatever form it was saved: two runs with the same events never last equally long to
/// the nanosecond.
fn is_one(one: &Run, other: &Run) -> bool {
    let (one, other) = (&one.summary, &other.summary);
    one.span_ns > 0 && one.span_ns == other.span_ns && one.timers == other.timers && one.tasks == other.tasks
}

fn empty(runs: &[&Run]) -> Option<Incomparable> {
    let is_empty = |run: &&&Run| run.summary.ticks.count == 0 && run.summary.tasks.count == 0;
    let run = runs.iter().find(is_empty)?;
    Some(Incomparable {
        why: format!("{} holds no whole tick and no task", run.name),
        way_out: "leave it out",
    })
}

fn losses(runs: &[&Run]) -> Option<Incomparable> {
    let share = |run: &Run| {
        let ticks = &run.summary.ticks;
        let touched = ticks.incomplete.saturating_add(ticks.missing);
        touched as f64 / touched.saturating_add(ticks.count).max(1) as f64
    };
    let lossy = |run: &&&Run| run.summary.lost_records > 0 && share(run) > LOST_SHARE_MAX;
    let worst = runs.iter().filter(lossy).max_by(|a, b| share(a).total_cmp(&share(b)))?;
    Some(Incomparable {
        why: format!(
            "{} lost {}, which touch {} of its ticks",
            worst.name,
            lost_records(&worst.summary),
            percent(share(worst))
        ),
        way_out: "record it again with a larger ring or --record",
    })
}

/// The last word of the build: `debug` or `release`.
fn profile(run: &Run) -> Option<String> {
    let build = &run.metadata.as_ref()?.build;
    let last = build.split_whitespace().last()?;
    ["debug", "release"].contains(&last).then(|| last.to_owned())
}

/// Reports a difference between the runs that have the value.
fn differs(
    runs: &[&Run],
    what: &str,
    way_out: &'static str,
    of: impl Fn(&Run) -> Option<String>,
) -> Option<Incomparable> {
    let known: Vec<(&Run, String)> = runs.iter().filter_map(|run| Some((*run, of(run)?))).collect();
    let (first, one) = known.first()?;
    let (second, other) = known.iter().find(|(_, other)| other != one)?;
    Some(Incomparable {
        why: format!("{what} differs: {} in {}, {} in {}", shown(one), first.name, shown(other), second.name),
        way_out,
    })
}

fn shown(text: &str) -> String {
    if text.is_empty() { "none".to_owned() } else { printable(text) }
}

/// Checks settings other than the seed and the intended differences: the load, and environment variables.
fn settings(runs: &[&Run]) -> Vec<Incomparable> {
    let known = runs.iter().filter_map(|run| run.metadata.as_ref());
    let names: BTreeSet<&String> = known.flat_map(|metadata| metadata.settings.keys()).collect();
    let meant = |name: &str| [SEED, IMPORT, RERUN, RERUN_OF].contains(&name) || TREATMENTS.contains(&name);
    let judged = names.into_iter().filter(|name| !meant(name)).filter_map(|name| {
        let what = format!("the setting {}", printable(name));
        differs(runs, &what, "record both sides with the same settings", |run| {
            Some(run.metadata.as_ref()?.settings.get(name).cloned().unwrap_or_default())
        })
    });
    judged.collect()
}

/// The recording that a run re-executes, and what was changed in it.
fn rerun_of(run: &Run) -> Option<(&str, &str)> {
    let settings = &run.metadata.as_ref()?.settings;
    let changes = settings.get(RERUN)?;
    Some((settings.get(RERUN_OF).map_or("a recording", String::as_str), changes))
}

/// Compares the seeds: with different arrival schedules, the difference may be in the arrivals.
fn seeds(base: &[Run], candidate: &[Run]) -> Option<Incomparable> {
    let of = |side: &[Run]| -> Option<BTreeSet<String>> {
        let seed = |run: &Run| run.metadata.as_ref()?.settings.get(SEED).cloned();
        side.iter().map(seed).collect()
    };
    let (base, candidate) = (of(base)?, of(candidate)?);
    let (Some(one), Some(other)) = (base.first(), candidate.first()) else { return None };
    (base.len() == 1 && candidate.len() == 1 && one != other).then(|| Incomparable {
        why: format!("the seed differs: {} on one side, {} on the other", shown(one), shown(other)),
        way_out: "give both sides the same seed, or every run one of its own",
    })
}

fn load(base: &[Run], candidate: &[Run]) -> Vec<Incomparable> {
    let of = |side: &[Run], of: fn(&Run) -> f64| median(&side.iter().map(of).collect::<Vec<f64>>());
    let span = |run: &Run| run.summary.span_ns as f64;
    let tasks = |run: &Run| run.summary.tasks.count as f64 * 1e9 / (run.summary.span_ns as f64).max(1.0);
    let mut found = Vec::new();
    if let (Some(one), Some(other)) = (of(base, span), of(candidate, span))
        && is_distinct(one, other)
    {
        found.push(Incomparable {
            why: format!(
                "the length differs: {} against {}; maxima and counts grow with it",
                duration(one as u64),
                duration(other as u64)
            ),
            way_out: "record both sides for the same time",
        });
    }
    // When the load saturates the loop, a slower loop runs fewer tasks: there the rate is a result.
    let saturated = |run: &Run| {
        let load = run.metadata.as_ref().and_then(|metadata| metadata.settings.get("load"));
        load.is_some_and(|load| load == "max")
    };
    if let (Some(one), Some(other)) = (of(base, tasks), of(candidate, tasks))
        && is_distinct(one, other)
        && !base.iter().chain(candidate).all(saturated)
    {
        found.push(Incomparable {
            why: format!("the load differs: {} tasks a second against {}", rate(one), rate(other)),
            way_out: "put the same load on both sides",
        });
    }
    found
}

fn is_distinct(one: f64, other: f64) -> bool {
    let (less, more) = (one.min(other), one.max(other));
    more > 0.0 && more > less * LOAD_RATIO_MAX
}

/// Remarks for the reader that do not rule out the comparison.
#[must_use]
pub fn notes(base: &[Run], candidate: &[Run]) -> Vec<String> {
    let runs: Vec<&Run> = base.iter().chain(candidate).collect();
    let mut notes = Vec::new();
    for name in TREATMENTS {
        let of = |run: &Run| {
            run.metadata.as_ref().map(|found| found.settings.get(name).cloned().unwrap_or_default())
        };
        if let Some(found) = differs(&runs, name, "", of) {
            notes.push(found.why);
        }
    }
    for (run, (of, changes)) in runs.iter().filter_map(|run| Some((run, rerun_of(run)?))) {
        notes.push(format!(
            "{} is an estimate: {} re-executed by a model, {}; `loopscope rerun` says by how much the model may be off",
            run.name,
            printable(of),
            printable(changes)
        ));
    }
    notes.extend(lossy(&runs));
    let cut = runs.iter().filter(|run| run.summary.is_cut()).count();
    if cut > 0 {
        notes.push(format!(
            "in {cut} of {} runs the recording was cut off: a verdict that the rest could overturn is undecided",
            runs.len()
        ));
    }
    let unfinished = runs.iter().filter(|run| run.summary.has_unfinished() && !run.summary.is_cut()).count();
    if unfinished > 0 {
        notes.push(format!(
            "in {unfinished} of {} runs something has not ended: it counts as what it is at least",
            runs.len()
        ));
    }
    if runs.iter().filter_map(|run| profile(run)).all(|profile| profile == "debug")
        && runs.iter().any(|run| profile(run).is_some())
    {
        notes.push("both sides are debug builds: not representative of release builds".to_owned());
    }
    if runs.iter().any(|run| run.metadata.is_none()) {
        notes.push(
            "a saved summary does not know its machine, build and settings: these were not compared"
                .to_owned(),
        );
    }
    let settings = runs.iter().filter_map(|run| run.metadata.as_ref()).map(|metadata| &metadata.settings);
    let seeds: BTreeSet<&String> = settings.filter_map(|settings| settings.get(SEED)).collect();
    if seeds.len() > 1 {
        notes.push(
            "the runs have several seeds: what arrives differs from run to run and hides small changes; to see them, \
             record all with one seed, longer, and in turn"
                .to_owned(),
        );
    }
    notes.extend(one_after_the_other(base, candidate));
    notes
}

/// Names the runs that lost records, the worst first.
fn lossy(runs: &[&Run]) -> Option<String> {
    let mut lossy: Vec<&Run> = runs.iter().filter(|run| run.summary.lost_records > 0).copied().collect();
    lossy.sort_by_key(|run| std::cmp::Reverse(run.summary.lost_records));
    let more = lossy.len().saturating_sub(LOSSY_NAMED);
    let named = lossy.iter().take(LOSSY_NAMED).map(|run| {
        let lost = lost_records(&run.summary);
        let incomplete = match run.summary.ticks.incomplete {
            0 => String::new(),
            ticks => format!(" ({})", counted(ticks, "incomplete tick", "incomplete ticks")),
        };
        format!("{} lost {lost}{incomplete}", run.name)
    });
    let mut parts: Vec<String> = named.collect();
    parts.extend((more > 0).then(|| format!("{more} more runs lost some, too")));
    (!lossy.is_empty()).then(|| format!("{}: what that could overturn is undecided", parts.join("; ")))
}

/// The number of lost records as far as it is known.
fn lost_records(summary: &Summary) -> String {
    match summary.lost_records_bounds {
        Some(Bounds { lo: 0, .. }) => "an unknown number of records".to_owned(),
        Some(Bounds { lo, .. }) => format!("at least {}", counted(lo, "record", "records")),
        None => counted(summary.lost_records, "record", "records"),
    }
}

/// A remark that a metric of `primaries` is not measured across several loops, and how to compare one loop. `None`
/// if every metric has a value, or lacks one for another reason.
pub(super) fn several_loops(base: &[Run], candidate: &[Run], primaries: &[Metric]) -> Option<String> {
    let summaries = || base.iter().chain(candidate).map(|run| &run.summary);
    let several = || summaries().filter(|summary| summary.has_several_loops());
    // If it has no value in any loop, the number of loops is not the reason.
    let of_loop = primaries.iter().filter(|metric| metric.is_of_each_loop()).find_map(|metric| {
        let without = several().filter(|summary| metric.of(summary).is_none());
        let owns = without.flat_map(|summary| summary.loops.iter().map(move |own| (summary, own)));
        let of_one = owns.map(|(summary, own)| (summary, metric.on_loop(&own.name)));
        let mut measured = of_one.filter(|(summary, of_one)| of_one.of(summary).is_some());
        measured.next().map(|(_, of_one)| (metric, of_one))
    });
    let (metric, of_one) = of_loop?;
    let names: BTreeSet<&str> =
        several().flat_map(|summary| &summary.loops).map(|own| own.name.as_str()).collect();
    let names: Vec<&str> = names.into_iter().collect();
    Some(printable(&format!(
        "{metric} is not measured across several loops ({}): `--primary {of_one}` compares one",
        names.join(", "),
    )))
}

/// All runs of one side came before all of the other: any change of the machine in between looks like a difference
/// between the builds.
fn one_after_the_other(base: &[Run], candidate: &[Run]) -> Option<String> {
    let times = |side: &[Run]| -> Option<Vec<u64>> {
        side.iter().map(|run| run.metadata.as_ref().map(|metadata| metadata.started.wall_ns)).collect()
    };
    let (base, candidate) = (times(base)?, times(candidate)?);
    if base.len() < 2 || candidate.len() < 2 || base.iter().chain(&candidate).any(|at| *at == 0) {
        return None;
    }
    let apart = base.iter().max() < candidate.iter().min() || candidate.iter().max() < base.iter().min();
    apart.then(|| {
        "one side was recorded after the other: changes of the machine in between look like a difference; record \
         them in turn"
            .to_owned()
    })
}
