//! Reads gates from TOML: from a gate file, or from a table of another file. Parsing is strict, because a gate that is
//! silently ignored would never fail.
//!
//! ```toml
//! [[gate]]
//! metric = "timer_lag.p99"
//! max = "2ms"
//! ```

use std::path::Path;

use loop_probes::text::{printable, printable_path};
use loop_traces::analysis::condition::{self, bound};
use loop_traces::analysis::gate::{Gate, Limit};
use loop_traces::analysis::metric::Metric;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::exit::CommandError;
use super::input::open_file;
use super::toml_text::{self, Wrong, document};

/// Size limit of a gate file, far above realistic sizes.
const BYTES_MAX: u64 = 1 << 20;

/// The keys that a `[[gate]]` may have.
const KEYS: &str = "metric, max, min, worse_by and same_within";

/// Which bounds gates may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bounds {
    /// All bounds, because there are a base and a candidate.
    OfTwoSides,
    /// Only `max` and `min`, because there is no base to compare with.
    OfOneRun,
}

/// Reads the gates of a file.
///
/// # Errors
///
/// [`CommandError::Input`] if the file cannot be read, [`CommandError::Usage`] with the line of an invalid gate.
pub fn read(path: &Path, bounds: Bounds) -> Result<Vec<Gate>, CommandError> {
    let text = open_file(path)
        .and_then(|file| toml_text::read(file, BYTES_MAX))
        .map_err(|error| CommandError::Input(format!("cannot read {}: {error}", printable_path(path))))?;
    parse(&text, bounds).map_err(|wrong| CommandError::Usage(wrong.describe(path, &text)))
}

fn parse(text: &str, bounds: Bounds) -> Result<Vec<Gate>, Wrong> {
    let mut document = document(text)?;
    let gates = take(document.get_mut(), bounds)?;
    if let Some((key, _)) = document.get_ref().iter().min_by_key(|(key, _)| key.span().start) {
        let other = printable(key.get_ref());
        return Err(Wrong::new(&key.span(), format!("unknown key \"{other}\"; write gates as [[gate]]")));
    }
    if gates.is_empty() { Err(Wrong::new(&(0..0), "the file has no [[gate]]")) } else { Ok(gates) }
}

/// Removes the gates from a table and returns them. Other keys stay.
///
/// # Errors
///
/// [`Wrong`] at the first invalid gate.
pub fn take(table: &mut DeTable<'_>, bounds: Bounds) -> Result<Vec<Gate>, Wrong> {
    let Some((key, value)) = table.remove_entry("gate") else { return Ok(Vec::new()) };
    let DeValue::Array(tables) = value.get_ref() else {
        return Err(Wrong::new(&key.span(), "write gates as [[gate]]"));
    };
    let gates: Result<Vec<Vec<Gate>>, Wrong> = tables.iter().map(|table| gate(table, bounds)).collect();
    gates.map(|gates| gates.concat())
}

/// Parses one `[[gate]]` into one gate per bound.
fn gate(table: &Spanned<DeValue<'_>>, bounds: Bounds) -> Result<Vec<Gate>, Wrong> {
    let DeValue::Table(keys) = table.get_ref() else {
        return Err(Wrong::new(&table.span(), "write a gate as [[gate]], with its metric and bound below"));
    };
    let metric = keys.iter().find(|(key, _)| key.get_ref() == "metric").map(|(_, value)| value);
    let metric = metric.ok_or_else(|| Wrong::new(&table.span(), "this gate has no metric"))?;
    let DeValue::String(name) = metric.get_ref() else {
        return Err(Wrong::new(&metric.span(), "write the metric as text: metric = \"timer_lag.p99\""));
    };
    let metric: Metric = name.parse().map_err(|error| Wrong::new(&metric.span(), format!("{error}")))?;
    let mut gates = Vec::new();
    for (key, value) in keys {
        let limit = match key.get_ref().as_ref() {
            "metric" => continue,
            "max" => Limit::Max(number(&metric, value)?),
            "min" => Limit::Min(number(&metric, value)?),
            "worse_by" => Limit::WorseBy(share("worse_by", value)?),
            "same_within" => Limit::SameWithin(share("same_within", value)?),
            other => {
                let other = printable(other);
                return Err(Wrong::new(&key.span(), format!("unknown key \"{other}\"; a gate has {KEYS}")));
            }
        };
        let gate =
            Gate::new(metric.clone(), limit).map_err(|error| Wrong::new(&key.span(), error.to_string()))?;
        if bounds == Bounds::OfOneRun {
            gate.needs_no_base().map_err(|error| Wrong::new(&key.span(), error.to_string()))?;
        }
        gates.push(gate);
    }
    if gates.is_empty() {
        return Err(Wrong::new(
            &table.span(),
            format!("the gate on {metric} has no bound; give it max, min, worse_by or same_within"),
        ));
    }
    Ok(gates)
}

/// Parses a bound: text with a unit, or a number if the metric has none.
fn number(metric: &Metric, value: &Spanned<DeValue<'_>>) -> Result<f64, Wrong> {
    let text = match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().replace('_', ""),
        DeValue::Float(number) => number.as_str().to_owned(),
        _ => {
            return Err(Wrong::new(
                &value.span(),
                format!("write the bound of {metric} as a number or as text"),
            ));
        }
    };
    bound(metric, &text).map_err(|error| Wrong::new(&value.span(), error.to_string()))
}

fn share(key: &str, value: &Spanned<DeValue<'_>>) -> Result<f64, Wrong> {
    let text = match value.get_ref() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        _ => String::new(),
    };
    let share = condition::share(&text).filter(|share| *share <= 1000.0);
    share.ok_or_else(|| Wrong::new(&value.span(), format!("write {key} as a share: \"10%\" or 0.1")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        let Err(CommandError::Usage(line)) = read_text(text) else { panic!("{text} was read") };
        line.rsplit_once("gates.toml:").expect("it names the file").1.to_owned()
    }

    fn read_text(text: &str) -> Result<Vec<Gate>, CommandError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gates.toml");
        std::fs::write(&path, text).unwrap();
        read(&path, Bounds::OfTwoSides)
    }

    #[test]
    fn a_gate_file_beyond_the_size_limit_is_refused() {
        let gate = "[[gate]]\nmetric = \"stalls\"\nmax = 0\n";
        let fill = |bytes: u64| format!("{gate}#{}\n{gate}", "x".repeat(bytes as usize - 2 * gate.len() - 2));
        assert_eq!(read_text(&fill(BYTES_MAX)).unwrap().len(), 2);
        let Err(CommandError::Input(line)) = read_text(&fill(BYTES_MAX + 1)) else { panic!("it was read") };
        assert!(line.ends_with("it is longer than 1048576 bytes"), "{line}");
    }

    #[test]
    fn gates_are_read() {
        let text = "# limits\n[[gate]]\nmetric = \"timer_lag.p99\"\nmax = \"2ms\"\n\n[[gate]]\nmetric = \"stalls\"\nmax = 0\n\
                    [[gate]]\nmetric = \"utilization\"\nmax = 0.8\nmin = \"1%\"\nworse_by = \"10%\"\nsame_within = \"5%\"\n";
        let gates: Vec<String> = read_text(text).unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(
            gates,
            [
                "timer_lag.p99 at most 2.00ms",
                "stalls at most 0",
                "utilization at most 80.0%",
                "utilization at least 1.0%",
                "utilization the same within 5.0%",
                "utilization at most 10.0% worse"
            ]
        );
    }

    #[test]
    fn mistakes_are_reported_with_their_line() {
        let gate = "[[gate]]\nmetric = \"stalls\"\n";
        assert_eq!(
            message(&format!("{gate}maximum = 3\n")),
            "3: unknown key \"maximum\"; a gate has metric, max, min, worse_by and same_within"
        );
        assert!(
            message("\n\n[[gate]]\nmetric = \"timerlag.p99\"\nmax=1")
                .starts_with("4: there is no metric \"timerlag.p99\"; did you mean timer_lag.p99")
        );
        assert!(message(&format!("{gate}max = \"2ms\"")).starts_with("3: \"2ms\" is no value of stalls"));
        assert!(message(&format!("{gate}max = 0x10")).starts_with("3: "));
        assert!(
            message(&format!("{gate}max = 0.9999999999999999999"))
                .starts_with("3: \"0.9999999999999999999\" has more digits than can be compared")
        );
        assert!(message(&format!("{gate}max = nan")).starts_with("3: "));
        assert!(message(gate).starts_with("1: the gate on stalls has no bound"));
        assert!(message("[[gate]]\nmax = 3").starts_with("1: this gate has no metric"));
        assert!(message("gate = 3").contains("write gates as [[gate]]"));
        assert!(message("[[gates]]\nmetric=\"stalls\"").starts_with("1: unknown key \"gates\""));
        let raw = message("\"\\u001b[31m\" = 1\n[[gate]]\nmetric=\"stalls\"\nmax=1");
        assert!(raw.starts_with("1: unknown key \"\\u{1b}[31m\""), "{raw}");
        assert!(message("[[gate]\n").starts_with("1: invalid TOML"));
        assert!(message("").contains("the file has no [[gate]]"));
        assert!(
            message("[[gate]]\nmetric = \"ticks.count\"\nworse_by = \"10%\"")
                .starts_with("3: ticks.count has no worse_by")
        );
        assert!(
            message("[[gate]]\nmetric = \"stalls\"\nworse_by = \"much\"").starts_with("3: write worse_by")
        );
        assert!(
            message("[[gate]]\nmetric = \"busy\"\nsame_within = 3000").starts_with("3: write same_within")
        );
    }
}
