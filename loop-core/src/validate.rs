//! Validation of the drain rule: a callback that runs outside a tick must be followed by a drain.
//!
//! Bun's debug builds hold the same rule. Breaking it is easy (call a callback without `enter` and `exit`) and
//! shows late: a promise that settles one task too late.

/// Counts callbacks and drains outside ticks.
#[derive(Clone, Debug, Default)]
pub struct Validator {
    callbacks: u32,
    drains: u32,
    last: Option<&'static str>,
}

/// More callbacks ran outside a tick than drains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{callbacks} callbacks ran outside a tick but only {drains} drains followed, the last callback was \
     {last}: enter before and exit after it, or use run_callback"
)]
pub struct UndrainedCallback {
    /// Callbacks that ran outside a tick.
    pub callbacks: u32,
    /// Drains made outside it.
    pub drains: u32,
    /// The last callback.
    pub last: &'static str,
}

impl Validator {
    /// A callback ran outside a tick. One that nests in another shares its drain and is not told here.
    pub fn callback(&mut self, label: &'static str) {
        self.callbacks += 1;
        self.last = Some(label);
    }

    /// A drain was made outside a tick.
    pub fn drain(&mut self) {
        // A drain settles what came before it, and is no credit for what comes after.
        self.drains = self.callbacks;
    }

    /// A pass over the queue starts: the account is closed.
    ///
    /// # Errors
    ///
    /// [`UndrainedCallback`] where a callback was not followed by a drain.
    pub fn pass(&mut self) -> Result<(), UndrainedCallback> {
        let Self { callbacks, drains, last } = std::mem::take(self);
        match last {
            Some(last) if callbacks > drains => Err(UndrainedCallback { callbacks, drains, last }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_is_no_credit_for_later_callbacks() {
        let mut validator = Validator::default();
        validator.drain();
        validator.callback("first");
        validator.drain();
        validator.callback("second");
        let broken = validator.pass().unwrap_err();
        assert_eq!(broken, UndrainedCallback { callbacks: 2, drains: 1, last: "second" });
        assert_eq!(validator.pass(), Ok(()));
    }
}
