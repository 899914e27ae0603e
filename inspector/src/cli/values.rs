//! Parsers of option values.

use std::ffi::OsStr;
use std::time::Duration;

use clap::builder::{PossibleValue, TypedValueParser};

use crate::units::read_speed;
use loop_demo::POLICIES;

/// Lists the demo's policies in the help and the completions. Accepts any name, because the demo itself rejects unknown
/// ones, in one line.
#[derive(Clone, Debug)]
pub(super) struct PolicyName;

impl TypedValueParser for PolicyName {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        clap::builder::StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(POLICIES.into_iter().map(PossibleValue::new)))
    }
}

pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let fractional = text.strip_suffix('s').and_then(|seconds| seconds.parse::<f64>().ok());
    if let Some(seconds) = fractional.filter(|seconds| seconds.is_finite() && *seconds >= 0.0) {
        return Duration::try_from_secs_f64(seconds).map_err(|_| format!("{text} is too long for any clock"));
    }
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it as 10s, 1.5s, 40ms or 1m30s"))
}

/// Parses the duration of a stall. Limited to 10 s, because a demo that stops waits for the blocked handler.
pub(super) fn stall(text: &str) -> Result<Duration, String> {
    let most = Duration::from_secs(10);
    let stall = duration(text)?;
    if stall > most { Err(format!("a handler of the demo blocks {most:?} at most")) } else { Ok(stall) }
}

pub(super) fn speed(text: &str) -> Result<f64, String> {
    read_speed(text).ok_or_else(|| "write it as 2x or 0.1x, from 0.01x to 1000x".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_parsed_in_common_notations() {
        assert_eq!(duration("1.2s"), Ok(Duration::from_millis(1200)));
        assert_eq!(duration("40ms"), Ok(Duration::from_millis(40)));
        assert_eq!(duration("1m30s"), Ok(Duration::from_secs(90)));
        assert!(duration("-1s").is_err());
        assert!(duration("soon").is_err());
        assert!(duration("1e400s").is_err());
    }

    #[test]
    fn speeds_have_bounds() {
        assert_eq!(speed("2x"), Ok(2.0));
        assert_eq!(speed("0.1"), Ok(0.1));
        assert!(speed("0x").is_err());
        assert!(speed("NaNx").is_err());
    }
}
