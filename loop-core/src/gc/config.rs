//! Configuration of the GC controller, and the two environment variables that set it.

use std::env;

use loop_probes::text::printable;

const INTERVAL: &str = "LOOP_GC_TIMER_INTERVAL";
const DISABLE: &str = "LOOP_GC_TIMER_DISABLE";
const NS_PER_MS: u64 = 1_000_000;

/// Parameters of the controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GcConfig {
    /// If false, the heap is not measured, no check is made and no timer fires; only requested collections run.
    pub enabled: bool,
    /// The repeating timer's period in fast mode, in nanoseconds.
    pub fast_ns: u64,
    /// The repeating timer's period in slow mode, in nanoseconds.
    pub slow_ns: u64,
    /// Delay between a heap change and its collection, in nanoseconds.
    pub one_shot_ns: u64,
    /// Firings in a row with an unchanged heap after which the mode changes to slow.
    pub unchanged_max: u32,
    /// Shortest pause between two measurements of the heap, in nanoseconds. The pause is at least fifteen times as long
    /// as the measurement took, so that measuring takes at most a sixteenth of the time. With 0, every check measures.
    pub sample_ns: u64,
}

/// Bun's values (1 s, 30 s, 16 ms, 30 firings), and at most one measurement per millisecond.
impl Default for GcConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            fast_ns: 1_000 * NS_PER_MS,
            slow_ns: 30_000 * NS_PER_MS,
            one_shot_ns: 16 * NS_PER_MS,
            unchanged_max: 30,
            sample_ns: NS_PER_MS,
        }
    }
}

/// An environment variable with an invalid value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GcConfigError {
    /// The variable's value is invalid.
    #[error("invalid {name} \"{value}\": expected {wanted}")]
    Value {
        /// Name of the variable.
        name: &'static str,
        /// The invalid value, made printable.
        value: String,
        /// The accepted values.
        wanted: &'static str,
    },
}

impl GcConfig {
    /// The default, modified by two environment variables: `LOOP_GC_TIMER_INTERVAL` is the period in fast mode, in whole
    /// milliseconds; `LOOP_GC_TIMER_DISABLE` (1, true, yes or on) turns the controller off.
    ///
    /// # Errors
    ///
    /// [`GcConfigError`] if a variable has any other value.
    pub fn from_env() -> Result<Self, GcConfigError> {
        let read = |name| env::var_os(name).map(|value| value.to_string_lossy().into_owned());
        Self::parse(read(INTERVAL).as_deref(), read(DISABLE).as_deref())
    }

    /// Like [`from_env`](Self::from_env), from the two values. An empty value counts as unset.
    ///
    /// # Errors
    ///
    /// [`GcConfigError`] if a value is invalid.
    pub fn parse(interval: Option<&str>, disable: Option<&str>) -> Result<Self, GcConfigError> {
        let mut config = Self::default();
        if let Some(text) = interval.map(str::trim).filter(|text| !text.is_empty()) {
            let ns = text.parse::<u64>().ok().filter(|ms| *ms > 0).and_then(|ms| ms.checked_mul(NS_PER_MS));
            config.fast_ns =
                ns.ok_or_else(|| refuse(INTERVAL, text, "a whole number of milliseconds, 1 or more"))?;
            // The slow period is never shorter than the fast one.
            config.slow_ns = config.slow_ns.max(config.fast_ns);
        }
        if let Some(text) = disable.map(str::trim).filter(|text| !text.is_empty()) {
            config.enabled = match text.to_ascii_lowercase().as_str() {
                "1" | "true" | "yes" | "on" => false,
                "0" | "false" | "no" | "off" => true,
                _ => return Err(refuse(DISABLE, text, "1 (controller off) or 0 (on)")),
            };
        }
        Ok(config)
    }
}

fn refuse(name: &'static str, value: &str, wanted: &'static str) -> GcConfigError {
    GcConfigError::Value { name, value: printable(value), wanted }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn b16_the_interval_and_the_switch_are_configurable() {
        assert_eq!(GcConfig::parse(None, None), Ok(GcConfig::default()));
        assert_eq!(GcConfig::parse(Some(" "), Some("")), Ok(GcConfig::default()));
        let fast = GcConfig::parse(Some("250"), Some("0")).unwrap();
        assert_eq!((fast.fast_ns, fast.slow_ns, fast.enabled), (250 * NS_PER_MS, 30_000 * NS_PER_MS, true));
        assert_eq!(GcConfig::parse(Some("60000"), None).unwrap().slow_ns, 60_000 * NS_PER_MS);
        assert!(!GcConfig::parse(None, Some("True")).unwrap().enabled);
    }

    #[test]
    fn what_cannot_be_understood_is_named() {
        for text in ["0", "-1", "1.5", "soon", "99999999999999999999"] {
            assert!(GcConfig::parse(Some(text), None).is_err(), "{text}");
        }
        let error = GcConfig::parse(None, Some("\u{1b}maybe")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid LOOP_GC_TIMER_DISABLE \"\\u{1b}maybe\": expected 1 (controller off) or 0 (on)"
        );
    }
}
