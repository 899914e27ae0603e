//! Tests of the protocol on one thread.

use super::*;

fn is_last<J>(joined: &Joined<J>) -> bool {
    matches!(joined, Joined::Last(..))
}

fn waits<J>(joined: &Joined<J>) -> bool {
    matches!(joined, Joined::Wait(_))
}

#[test]
fn the_last_to_arrive_gets_the_job_and_ends_the_rendezvous() {
    let place = Rendezvous::new(3);
    assert!(matches!(place.join(0), Joined::Nothing), "no meeting was requested");
    let round = place.ask("job").unwrap();
    assert!(place.is_asked());
    assert!(waits(&place.join(1)) && waits(&place.join(0)));
    assert!(!place.wait(round, Some(Duration::ZERO)));
    let Joined::Last(last, job) = place.join(2) else { panic!("all are here") };
    assert_eq!((last, job), (round, "job"));
    assert!(place.give_up(round).is_none(), "the job is being done");
    assert_eq!(place.ask("another").unwrap_err(), (Refusal::Busy, "another"));
    place.finish(round);
    assert!(!place.is_asked() && place.wait(round, None));
}

#[test]
fn a_late_worker_is_named_and_joins_the_next_rendezvous() {
    let place = Rendezvous::new(3);
    let first = place.ask(1).unwrap();
    assert!(waits(&place.join(0)));
    let given_up = place.give_up(first).unwrap();
    assert_eq!((given_up.job, given_up.missing), (1, vec![1, 2]));
    assert!(place.wait(first, None), "a worker that arrived continues");
    assert!(matches!(place.join(1), Joined::Nothing), "that meeting is over");
    let second = place.ask(2).unwrap();
    assert_ne!(first, second);
    assert!(waits(&place.join(1)) && waits(&place.join(2)));
    place.finish(first);
    assert!(place.is_asked(), "an old number ends nothing");
    assert!(place.give_up(first).is_none());
    assert!(is_last(&place.join(0)));
    place.finish(second);
}

#[test]
fn a_closed_place_gives_the_job_back() {
    let place = Rendezvous::new(2);
    let round = place.ask("job").unwrap();
    assert!(waits(&place.join(0)));
    assert_eq!(place.close().unwrap().missing, [1]);
    assert!(place.wait(round, None));
    assert_eq!(place.ask("late").unwrap_err(), (Refusal::Closed, "late"));
}
