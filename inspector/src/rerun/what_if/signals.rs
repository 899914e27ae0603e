//! Signals of the virtual world: they arrive at their recorded times.

use loop_core::signal::{Arrival, SignalError, SignalSource};

use super::world::world;

/// The signals of this thread's world.
#[derive(Debug)]
pub(super) struct WorldSignals;

impl SignalSource for WorldSignals {
    fn install(&mut self, signo: i32) -> Result<(), SignalError> {
        if let (Some(world), Ok(signo)) = (world(), u8::try_from(signo)) {
            world.handled.borrow_mut().insert(signo);
        }
        Ok(())
    }

    fn uninstall(&mut self, signo: i32) -> bool {
        let (Some(world), Ok(signo)) = (world(), u8::try_from(signo)) else { return false };
        world.handled.borrow_mut().remove(&signo)
    }

    fn pending(&self) -> u32 {
        world().map_or(0, |world| world.signals.borrow().len() as u32)
    }

    fn take(&mut self) -> Option<Arrival> {
        world()?.signals.borrow_mut().pop_front()
    }

    fn dropped(&self) -> u64 {
        0
    }
}
