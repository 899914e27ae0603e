//! Virtual signals: they arrive at scripted times.

use std::collections::BTreeSet;

use loop_probes::clock::Clock;

use super::{Script, Sim, SimClock};
use crate::signal::{Arrival, SignalError, SignalSource};

/// Most signals waiting; further ones are dropped and counted.
pub const SIGNALS_MAX: usize = 8192;

/// The signals of a virtual world.
#[derive(Debug)]
pub struct SimSignals {
    sim: Sim,
    installed: BTreeSet<i32>,
}

impl SimSignals {
    pub(super) const fn new(sim: Sim) -> Self {
        Self { sim, installed: BTreeSet::new() }
    }
}

pub(super) fn arrive(script: &mut Script, signo: u8, clock: &SimClock) {
    if script.signals.len() < SIGNALS_MAX {
        script.signals.push_back(Arrival { signo, arrived: clock.ticks() });
    } else {
        script.signals_dropped += 1;
    }
}

impl SignalSource for SimSignals {
    fn pending(&self) -> u32 {
        self.sim.script.borrow().signals.len() as u32
    }

    fn take(&mut self) -> Option<Arrival> {
        self.sim.script.borrow_mut().signals.pop_front()
    }

    fn dropped(&self) -> u64 {
        self.sim.script.borrow().signals_dropped
    }

    fn install(&mut self, signo: i32) -> Result<(), SignalError> {
        // SIGKILL and SIGSTOP.
        if signo == 9 || signo == 19 {
            return Err(SignalError::Forbidden { signo });
        }
        self.installed.insert(signo);
        Ok(())
    }

    fn uninstall(&mut self, signo: i32) -> bool {
        self.installed.remove(&signo)
    }
}
