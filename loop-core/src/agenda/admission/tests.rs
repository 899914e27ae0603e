//! Tests of admission on one thread.

use super::*;

#[test]
fn a_depth_counts_its_own_priority() {
    let admission = Admission::new();
    assert_eq!(admission.enter(Priority::Low), Some(1));
    assert_eq!(admission.enter(Priority::Low), Some(2));
    assert_eq!(admission.enter(Priority::High), Some(1));
    admission.left(Priority::Low);
    assert_eq!((admission.waiting(Priority::Low), admission.waiting(Priority::High)), (1, 1));
    assert!(!admission.is_empty());
}

#[test]
fn closed_admission_does_not_reopen() {
    let admission = Admission::new();
    assert_eq!(admission.state(), AdmissionState::Open);
    admission.close(AdmissionState::Shut);
    admission.close(AdmissionState::Finishing);
    assert_eq!(admission.state(), AdmissionState::Shut);
    assert_eq!(admission.enter(Priority::Normal), None);
    assert!(admission.is_empty(), "a refused tasklet is not counted");
}
