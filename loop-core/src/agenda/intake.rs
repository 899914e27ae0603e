//! What waits, counted by priority, and whether more may come: the agenda's door.
//!
//! A tasklet is counted before it is in a queue and until it was taken out of one. So a count of 0 means that
//! nothing of that priority waits, which lets a worker pass over it, and a closed door with nothing counted
//! means that nothing will ever come: whoever closes waits for the counts and finds every tasklet that was
//! let in.

#[cfg(test)]
#[cfg(loom)]
mod loom_tests;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;

use loop_probes::event::Priority;

use crate::sync::{AtomicU8, AtomicU32, Ordering, fence};

/// How far the agenda is closed. It only goes on from one to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Door {
    Open = 0,
    /// Nothing comes in; what waits still runs.
    Finishing = 1,
    /// Nothing comes in, and workers take nothing more.
    Shut = 2,
}

/// Counts on lines of their own: many threads write them at once.
#[derive(Debug)]
#[repr(align(128))]
struct Count(AtomicU32);

/// The door. See the [module](self).
#[derive(Debug)]
pub(crate) struct Intake {
    waiting: [Count; Priority::ALL.len()],
    door: AtomicU8,
}

impl Intake {
    pub(crate) fn new() -> Self {
        Self {
            waiting: std::array::from_fn(|_| Count(AtomicU32::new(0))),
            door: AtomicU8::new(Door::Open as u8),
        }
    }

    fn count(&self, priority: Priority) -> &AtomicU32 {
        &self.waiting[usize::from(priority.code())].0
    }

    /// Lets a tasklet in, which must go into a queue then, and says how many of its priority wait with it. `None`
    /// where the door is closed.
    pub(crate) fn enter(&self, priority: Priority) -> Option<u32> {
        let depth = self.count(priority).fetch_add(1, Ordering::Relaxed) + 1;
        fence(Ordering::SeqCst);
        if self.door.load(Ordering::Relaxed) != Door::Open as u8 {
            self.left(priority);
            return None;
        }
        Some(depth)
    }

    /// A tasklet was taken out of its queue.
    pub(crate) fn left(&self, priority: Priority) {
        self.count(priority).fetch_sub(1, Ordering::Release);
    }

    /// Tasklets of `priority` that wait, or are about to.
    pub(crate) fn waiting(&self, priority: Priority) -> u32 {
        self.count(priority).load(Ordering::Acquire)
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        Priority::ALL.iter().all(|priority| self.waiting(*priority) == 0)
    }

    pub(crate) fn door(&self) -> Door {
        match self.door.load(Ordering::Acquire) {
            0 => Door::Open,
            1 => Door::Finishing,
            _ => Door::Shut,
        }
    }

    /// Closes as far as `door`, and says how it stood. What was let in before is counted from here on.
    pub(crate) fn close(&self, door: Door) -> Door {
        let before = self.door.fetch_max(door as u8, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        match before {
            0 => Door::Open,
            1 => Door::Finishing,
            _ => Door::Shut,
        }
    }
}
