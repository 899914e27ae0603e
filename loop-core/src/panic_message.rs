//! Messages of caught panics, for the record: the loop and the workers of the pool both survive
//! panics.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use loop_probes::text::printable;

/// The same for a panic that is resumed.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    match (payload.downcast_ref::<&str>(), payload.downcast_ref::<String>()) {
        (Some(text), _) => printable(text),
        (_, Some(text)) => printable(text),
        _ => String::from("a panic without a message"),
    }
}

/// A panic's message, made printable.
pub(crate) fn panic_message(payload: Box<dyn Any + Send>) -> String {
    let message = panic_text(&*payload);
    // A payload may panic again when dropped.
    if catch_unwind(AssertUnwindSafe(|| drop(payload))).is_err() {
        return message + " (and its payload panicked)";
    }
    message
}
