//! The door, step by step.

use super::*;

#[test]
fn a_depth_counts_its_own_priority() {
    let intake = Intake::new();
    assert_eq!(intake.enter(Priority::Low), Some(1));
    assert_eq!(intake.enter(Priority::Low), Some(2));
    assert_eq!(intake.enter(Priority::High), Some(1));
    intake.left(Priority::Low);
    assert_eq!((intake.waiting(Priority::Low), intake.waiting(Priority::High)), (1, 1));
    assert!(!intake.is_empty());
}

#[test]
fn a_door_closes_and_does_not_open_again() {
    let intake = Intake::new();
    assert_eq!(intake.close(Door::Shut), Door::Open);
    assert_eq!(intake.close(Door::Finishing), Door::Shut);
    assert_eq!(intake.door(), Door::Shut);
    assert_eq!(intake.enter(Priority::Normal), None);
    assert!(intake.is_empty(), "who was refused is not counted");
}
