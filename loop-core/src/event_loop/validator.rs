//! Checks that callbacks outside of ticks are followed by a drain.

/// Counts callbacks and drains outside ticks.
#[derive(Clone, Debug, Default)]
pub(super) struct Validator {
    callbacks: u32,
    drains: u32,
    last: Option<&'static str>,
}

/// More callbacks than drains ran outside a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{callbacks} callbacks ran outside a tick but only {drains} drains followed, the last callback was \
     {last}: enter before and exit after it, or use run_callback"
)]
pub(super) struct UndrainedCallback {
    /// Callbacks that ran outside a tick.
    pub callbacks: u32,
    /// Drains that ran outside a tick.
    pub drains: u32,
    /// The last callback.
    pub last: &'static str,
}

impl Validator {
    /// Counts a callback outside a tick. Do not call this for a nested callback, which shares the outer callback's drain.
    pub(super) fn callback(&mut self, label: &'static str) {
        self.callbacks += 1;
        self.last = Some(label);
    }

    /// Counts a drain outside a tick.
    pub(super) fn drain(&mut self) {
        // A drain covers the callbacks before it, but not later ones.
        self.drains = self.callbacks;
    }

    /// Checks and resets the counts at the start of a pass over the queue.
    ///
    /// # Errors
    ///
    /// [`UndrainedCallback`] if a callback was not followed by a drain.
    pub(super) fn pass(&mut self) -> Result<(), UndrainedCallback> {
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
