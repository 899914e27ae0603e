//! A heap near the threshold above which it is collected at once.

use std::cell::Cell;
use std::rc::Rc;

use loop_core::gc::Heap;
use loop_core::sim::SimClock;
use loop_core::{HeapHost, Policy};

use super::stage::{Stage, ms, us};

/// A heap whose collection takes time and leaves the live bytes.
#[derive(Clone)]
struct Cache {
    bytes: Rc<Cell<u64>>,
    live: u64,
    clock: Rc<Cell<Option<SimClock>>>,
}

impl Heap for Cache {
    fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    fn collect(&mut self) {
        self.bytes.set(self.live);
        if let Some(clock) = self.clock.take() {
            clock.advance(us(800));
            self.clock.set(Some(clock));
        }
    }
}

/// 1 MB is live. Every 5 ms a request allocates almost as much again, or slightly more: at up to twice the live
/// size the collection waits for the one-shot, above that it runs at once.
pub(crate) fn gc_thrash() -> Stage {
    const LIVE: u64 = 1 << 20;
    let cache = Cache { bytes: Rc::new(Cell::new(LIVE)), live: LIVE, clock: Rc::default() };
    let host = HeapHost(cache.clone());
    let mut stage = Stage::build(Policy::bun(), |builder| builder.host(host));
    cache.clock.set(Some(stage.sim.clock().clone()));
    let (bytes, mut turn) = (Rc::clone(&cache.bytes), 0_u64);
    let request = stage.repeat("Request", us(300), move |_| {
        turn += 1;
        // Exactly twice the live bytes, and one byte more every third time.
        let taken = if turn.is_multiple_of(3) { LIVE + 1 } else { LIVE / 2 };
        bytes.set((bytes.get() + taken).min(2 * LIVE + u64::from(turn.is_multiple_of(3))));
    });
    stage.lp.with(|cx| {
        cx.set_interval(ms(5), request).expect("a repeating closure runs again");
    });
    stage.run_until(ms(400));
    stage
}
