//! Delays of scripts: numbers of milliseconds, with the limits of browsers, Node and Bun. Native timers have nanosecond
//! resolution and no such limits.

use std::time::Duration;

/// The longest delay that a script can specify, in milliseconds: about 25 days.
pub const DELAY_MS_MAX: f64 = 2_147_483_647.0;

/// A script's delay after applying the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptDelay {
    /// The delay to use.
    pub delay: Duration,
    /// Why `delay` differs from the requested one; `None` if it does not.
    pub warning: Option<DelayWarning>,
}

/// Why a script's delay was replaced by 1 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DelayWarning {
    /// The delay is not a number.
    NotANumber,
    /// The delay is less than 1 ms.
    TooShort,
    /// The delay is more than [`DELAY_MS_MAX`].
    TooLong,
}

impl ScriptDelay {
    /// Converts `ms` milliseconds, truncated to a whole number. Values outside [1, 2^31 − 1] become 1 ms, with a warning.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use loop_core::low_level::timer::{DelayWarning, ScriptDelay};
    ///
    /// assert_eq!(ScriptDelay::from_ms(20.9).delay, Duration::from_millis(20));
    /// let long = ScriptDelay::from_ms(1e10);
    /// assert_eq!((long.delay, long.warning), (Duration::from_millis(1), Some(DelayWarning::TooLong)));
    /// ```
    #[must_use]
    pub fn from_ms(ms: f64) -> Self {
        let warning = if ms.is_nan() {
            DelayWarning::NotANumber
        } else if ms < 1.0 {
            DelayWarning::TooShort
        } else if ms > DELAY_MS_MAX {
            DelayWarning::TooLong
        } else {
            return Self { delay: Duration::from_millis(ms as u64), warning: None };
        };
        Self { delay: Duration::from_millis(1), warning: Some(warning) }
    }
}

impl DelayWarning {
    /// The warning as a sentence.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotANumber => "a timer's delay is not a number of milliseconds: 1 ms is taken",
            Self::TooShort => "a timer's delay is below 1 ms: 1 ms is taken",
            Self::TooLong => "a timer's delay is above 2147483647 ms: 1 ms is taken",
        }
    }
}
