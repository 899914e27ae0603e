//! `loopscope rerun` without `--check`: re-executes the same arrivals with changes, and compares before and after.

mod table;

use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use loop_probes::text::printable_path;
use serde_json::{Value, json};

use super::drawing;
use crate::cli::{Global, RerunArgs};
use crate::io::exit::{CommandError, warn};
use crate::io::input::Input;
use crate::io::stdout;
use loop_rerun::what_if::{Side, Stop};
use loop_rerun::{Answer, Changes, ChosenLoop, Recorded, RerunError};

pub(super) fn run(args: &RerunArgs, global: &Global) -> Result<(), CommandError> {
    let changes = args.what_if.changes();
    let output = args.what_if.output.as_deref();
    let mut input = Input::open(&args.input)?;
    output.map_or(Ok(()), |output| input.spare(output))?;
    // Only JSON has the whole summaries.
    let read = if args.json { Recorded::read_loop } else { Recorded::read_figures };
    let recorded = read(input.source(), args.loop_name.as_deref()).map_err(failure)?;
    for warning in input.warnings() {
        warn(&warning);
    }
    let answer = answer(&recorded, &changes, output).map_err(failure)?;
    if args.json {
        return stdout::print_json(&to_json(&answer, recorded.chosen())?);
    }
    stdout::print(&table::render(&answer, &changes, drawing::theme(global), stdout::width()))?;
    match output {
        Some(output) => stdout::print(&format!("\nsaved to {}\n", printable_path(output))),
        None => Ok(()),
    }
}

/// Re-executes with the changes and, in parallel, without: the differences without changes are the model's error.
fn answer(recorded: &Recorded, changes: &Changes, output: Option<&Path>) -> Result<Answer, RerunError> {
    if changes.is_identity() {
        return recorded.what_if(changes, output);
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let (answer, own) = thread::scope(|scope| {
        let is_unwanted = Arc::clone(&is_over);
        let own = scope.spawn(move || {
            let stop: Stop = Arc::new(move || is_unwanted.load(Ordering::Relaxed));
            recorded.what_if_until(&Changes::default(), None, &stop)
        });
        let answer = recorded.what_if(changes, output);
        is_over.store(answer.is_err(), Ordering::Relaxed);
        (answer, own.join())
    });
    let own = own.unwrap_or_else(|panicked| resume_unwind(panicked));
    let mut answer = answer?;
    match own {
        Ok(own) => Ok(own.into_iter().fold(answer, Answer::against)),
        Err(why) => {
            answer
                .assumptions
                .push(format!("the model's error is unknown, so nothing counts as better or worse: {why}"));
            Ok(answer)
        }
    }
}

pub(super) fn failure(error: RerunError) -> CommandError {
    match error {
        RerunError::UnknownTag { .. }
        | RerunError::UnknownLoop { .. }
        | RerunError::ScaledTwice { .. }
        | RerunError::Policy(_) => CommandError::Usage(error.to_string()),
        error => CommandError::input(error),
    }
}

fn to_json(answer: &Answer, chosen: Option<&ChosenLoop>) -> Result<Value, CommandError> {
    let side = |side: &Side| {
        let mut value = serde_json::to_value(&side.summary)?;
        if let Some(tasks) = value.get_mut("tasks").and_then(|tasks| tasks.as_object_mut()) {
            tasks.insert("queue_wait_ns_p99".to_owned(), json!(side.queue_wait_ns.quantile(0.99)));
            if !side.tasklet_wait_ns.is_empty() {
                tasks.insert("tasklet_wait_ns_p99".to_owned(), json!(side.tasklet_wait_ns.quantile(0.99)));
            }
            tasks.insert("queue_depth_max".to_owned(), json!(side.queue_depth_max));
        }
        Ok(value)
    };
    // Without changes, recorded wakeups recur exactly.
    let error_ns = if answer.model.is_some() { answer.wake_ns } else { 0 };
    let estimate = |of: &Side| {
        let mut value = side(of)?;
        leave_out_below(&mut value, error_ns, false);
        Ok::<_, serde_json::Error>(value)
    };
    let all = || {
        let mut all = json!({
            "before": side(&answer.before)?,
            "after": estimate(&answer.after)?,
            "wait_error_ns": answer.model.as_ref().map(|_| error_ns),
            "compared": serde_json::to_value(&answer.rows)?,
            "left_out": answer.left_out,
            "open_tick": answer.open_tick,
            "changed": serde_json::to_value(&answer.changed)?,
            "assumptions": answer.assumptions,
        });
        if let Some(changed) = all["changed"].as_array_mut() {
            changed.iter_mut().for_each(|changed| leave_out_below(&mut changed["after"], error_ns, true));
        }
        if let Some(model) = &answer.model {
            all["model"] = estimate(model)?;
        }
        if let Some(chosen) = chosen {
            all["loop"] = json!(chosen.name);
            all["other_loops"] = json!(chosen.others);
        }
        if let Some(why) = answer.cut_short {
            all["cut_short"] = json!(why);
        }
        Ok(all)
    };
    all().map_err(|error: serde_json::Error| CommandError::input(error))
}

/// Replaces figures of waits that are below the model's error with null. `is_wait`: whether `value` is a distribution of
/// waits.
fn leave_out_below(value: &mut Value, error_ns: u64, is_wait: bool) {
    let is_wait_named = |name: &str| ["lag", "wait", "latency"].iter().any(|word| name.contains(word));
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let is_of_wait =
                    is_wait && (name.starts_with('p') || name.starts_with("max") || name.ends_with("mean"));
                let is_figure = is_of_wait || is_wait_named(name) && name.contains("_ns_p");
                match field.as_u64() {
                    Some(ns) if is_figure && ns < error_ns => *field = Value::Null,
                    _ => leave_out_below(field, error_ns, is_wait_named(name)),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| leave_out_below(item, error_ns, false)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_below_the_error_become_null() {
        let spread = json!({"count": 3, "mean": 5, "gmean": 4, "p50": 3, "p99": 20, "max": 30});
        let mut side = json!({"queue_wait_ns": spread, "run_ns": spread});
        leave_out_below(&mut side, 10, false);
        let left = json!({"count": 3, "mean": null, "gmean": null, "p50": null, "p99": 20, "max": 30});
        assert_eq!(side, json!({"queue_wait_ns": left, "run_ns": spread}));
    }
}
