//! Queue for the requests of one loop's futures.
//!
//! A future cannot borrow the loop that polls it, so it queues its requests. The loop carries them out in order at the
//! end of the poll or callback that made them, whether that returned or panicked, and so before the next checkpoint.
//! Requests made on the loop's thread while no callback runs are carried out before the loop's next poll.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use loop_probes::clock::Clock;

use super::inbox::{Inbox, LocalState, Plain};
use super::join::NewFuture;
use super::work::JobWait;
use crate::inbound::LoopShared;
use crate::payload::Payload;
use crate::tag::TagOf;
use crate::work_pool::Run;

/// Requests of futures.
pub(crate) enum Op<T: Payload> {
    Plain(Plain),
    Post(T),
    Microtask(T),
    Spawn(NewFuture<T>),
    /// Run a callback with the loop's context.
    With(T::Call),
    Work(TagOf, Rc<JobWait>, Run<Option<T::Remote>>),
}

/// The inbox of one loop.
pub(crate) struct LocalInbox<T: Payload> {
    ops: RefCell<VecDeque<Op<T>>>,
    state: LocalState,
    pub(crate) shared: Arc<LoopShared<T::Remote>>,
}

impl<T: Payload> LocalInbox<T> {
    pub(crate) fn new(clock: Box<dyn Clock>, shared: Arc<LoopShared<T::Remote>>) -> Rc<Self> {
        Rc::new(Self { ops: RefCell::default(), state: LocalState::new(clock), shared })
    }

    /// Whether the loop has ended: requests are no longer carried out.
    pub(crate) fn is_closed(&self) -> bool {
        self.state.closed.get()
    }

    pub(crate) fn push_op(&self, op: Op<T>) {
        if self.state.closed.get() {
            // Outside the borrow: dropping the request's contents may re-enter here.
            drop(op);
        } else {
            self.ops.borrow_mut().push_back(op);
        }
    }

    #[inline]
    pub(crate) fn has_ops(&self) -> bool {
        !self.ops.borrow().is_empty()
    }

    pub(crate) fn take_op(&self) -> Option<Op<T>> {
        self.ops.borrow_mut().pop_front()
    }

    /// Marks the loop as ended.
    pub(crate) fn close(&self) {
        self.state.closed.set(true);
        for op in self.ops.take() {
            if let Op::Spawn(new) = op {
                new.refuse();
            }
        }
        self.state.until_shutdown.take();
    }
}

impl<T: Payload> Inbox for LocalInbox<T> {
    fn push(&self, op: Plain) {
        self.push_op(Op::Plain(op));
    }

    fn state(&self) -> &LocalState {
        &self.state
    }
}
