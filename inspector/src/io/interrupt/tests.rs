//! Tests of the time limit and its start.

use super::*;

#[test]
fn end_after_restarts_the_time_limit() {
    let hour = Some(Duration::from_secs(3_600));
    let mut interrupt = Interrupt::new(Some(Duration::ZERO)).unwrap();
    assert!(interrupt.is_due());
    interrupt.end_after(hour);
    assert!(!interrupt.is_due() && interrupt.left() > Some(Duration::from_secs(3_000)));
    interrupt.end_after(None);
    assert!(!interrupt.is_due() && interrupt.left().is_none());
    interrupt.asked.store(true, Ordering::Relaxed);
    assert!(interrupt.is_due(), "a signal ends it, whatever the time");
}
