//! Tests of the pool on real threads, which synchronise through channels, never by sleeping.

use std::sync::mpsc::{Receiver, Sender, channel};

use loop_probes::event::Outcome;
use loop_probes::ids::{Tag, TaskId, Ticks};

use super::*;

type Results = Receiver<FinishedJob<u32>>;

fn pool(workers: u16) -> (WorkPool<u32>, Results) {
    let (send, results) = channel();
    let sink: JobSink<u32> = Box::new(move |finished| drop(send.send(finished)));
    let disabled: RecorderFactory = Box::new(|_| Recorder::disabled());
    (WorkPool::new(Some(workers), SystemClock::new(), disabled, sink).unwrap(), results)
}

fn job(task: u64, run: impl FnOnce(&Worker<'_>) -> u32 + Send + 'static) -> Job<u32> {
    Job { task: TaskId(task), tag: Tag(3), queued: SystemClock::new().ticks(), run: Box::new(run) }
}

/// A job that reports its start and ends on request.
fn gated(task: u64) -> (Job<u32>, Receiver<()>, Sender<()>) {
    let ((started, is_started), (go, may_go)) = (channel(), channel());
    let run = move |_: &Worker<'_>| {
        started.send(()).unwrap();
        may_go.recv().unwrap();
        1
    };
    (job(task, run), is_started, go)
}

/// A pool whose only worker is in job 1 until released.
fn busy_pool() -> (WorkPool<u32>, Results, Sender<()>) {
    let (mut pool, results) = pool(1);
    let (first, is_started, go) = gated(1);
    pool.submit(first).unwrap();
    is_started.recv().unwrap();
    (pool, results, go)
}

#[test]
fn b11_a_job_runs_on_a_worker_and_its_result_reaches_the_sink() {
    let (mut pool, results) = pool(2);
    let here = thread::current().id();
    pool.submit(job(7, move |worker| {
        assert_ne!(thread::current().id(), here);
        assert!(worker.index() < 2);
        42
    }))
    .unwrap();
    let finished = results.recv().unwrap();
    assert_eq!((finished.task, finished.tag, finished.result), (TaskId(7), Tag(3), Ok(42)));
    assert_eq!(finished.outcome, Outcome::Done);
    assert!(finished.queued <= finished.start && finished.start <= finished.end);
}

#[test]
fn b11_a_panic_is_a_rejected_result_and_the_worker_goes_on() {
    struct Grenade;
    impl Drop for Grenade {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }
    let (mut pool, results) = pool(1);
    pool.submit(job(1, |_| panic!("no \u{1b}[2Jluck"))).unwrap();
    pool.submit(job(2, |_| std::panic::panic_any(7_u8))).unwrap();
    pool.submit(job(3, |_| std::panic::panic_any(Grenade))).unwrap();
    pool.submit(job(4, |worker| {
        worker.fail();
        5
    }))
    .unwrap();
    let said = || {
        let finished = results.recv().unwrap();
        (finished.outcome, finished.result.map_err(|error| error.to_string()))
    };
    assert_eq!(said(), (Outcome::Panicked, Err("the job panicked: no \\u{1b}[2Jluck".into())));
    assert_eq!(said(), (Outcome::Panicked, Err("the job panicked: a panic without a message".into())));
    assert_eq!(said().0, Outcome::Panicked);
    assert_eq!(said(), (Outcome::Failed, Ok(5)));
}

#[test]
fn a_sink_that_panics_does_not_end_a_worker() {
    let (send, results) = channel();
    let sink: JobSink<u32> = Box::new(move |finished| {
        assert_ne!(finished.result, Ok(0), "the sink's own panic");
        send.send(finished.task).unwrap();
    });
    let disabled: RecorderFactory = Box::new(|_| Recorder::disabled());
    let mut pool = WorkPool::new(Some(1), SystemClock::new(), disabled, sink).unwrap();
    pool.submit(job(1, |_| 0)).unwrap();
    pool.submit(job(2, |_| 1)).unwrap();
    assert_eq!(results.recv().unwrap(), TaskId(2));
}

#[test]
fn every_worker_records_what_it_ran_with_a_recorder_of_its_own() {
    let (send, records) = channel();
    // A capture cannot leave its thread, so the sink, which runs there, reads it.
    thread_local!(static CAPTURE: std::cell::RefCell<Option<loop_probes::recorder::Capture>> = const { std::cell::RefCell::new(None) });
    let recorders: RecorderFactory = Box::new(|_| {
        let (recorder, capture) = Recorder::capture();
        CAPTURE.set(Some(capture));
        recorder
    });
    let sink: JobSink<u32> = Box::new(move |_| {
        let events =
            CAPTURE.with_borrow(|capture| capture.as_ref().map(loop_probes::recorder::Capture::take));
        send.send(events.unwrap()).unwrap();
    });
    let mut pool = WorkPool::new(Some(1), SystemClock::new(), recorders, sink).unwrap();
    pool.submit(Job { queued: Ticks(5), ..job(8, |_| 0) }).unwrap();
    let events = records.recv().unwrap();
    let [(end, Event::WorkRan { task, tag, worker, outcome, queued, start })] = events.as_slice() else {
        panic!("one record, not {events:?}");
    };
    assert_eq!((*task, *tag, *worker, *outcome, *queued), (TaskId(8), Tag(3), 0, Outcome::Done, Ticks(5)));
    assert!(start <= end);
    pool.submit(job(9, |_| panic!("lost"))).unwrap();
    let events = records.recv().unwrap();
    assert!(matches!(events[0].1, Event::Exception { task: Some(TaskId(9)), .. }));
    assert!(matches!(events[1].1, Event::WorkRan { outcome: Outcome::Panicked, .. }));
}

#[test]
fn the_depth_counts_what_waits() {
    let (mut pool, results, go) = busy_pool();
    assert_eq!(pool.depth(), 0);
    assert_eq!(pool.submit(job(2, |_| 2)).unwrap(), 1);
    assert_eq!(pool.submit(job(3, |_| 3)).unwrap(), 2);
    assert_eq!(pool.depth(), 2);
    go.send(()).unwrap();
    let order: Vec<u64> = (0..3).map(|_| results.recv().unwrap().task.0).collect();
    assert_eq!((order, pool.depth()), (vec![1, 2, 3], 0));
}

#[test]
fn e03_a_shutdown_finishes_what_waits() {
    let (mut pool, results) = pool(2);
    for task in 1..=100 {
        pool.submit(job(task, |_| 0)).unwrap();
    }
    let left = pool.shutdown(PendingWork::Finish, None);
    assert_eq!((left.handed_back.len(), left.unjoined), (0, 0));
    assert_eq!(results.try_iter().count(), 100);
}

#[test]
fn e03_a_shutdown_hands_back_what_waits_and_takes_no_more() {
    let (mut pool, results, go) = busy_pool();
    for task in 2..=4 {
        pool.submit(job(task, |_| 0)).unwrap();
    }
    go.send(()).unwrap();
    let left = pool.shutdown(PendingWork::HandBack, None);
    let back: Vec<u64> = left.handed_back.iter().map(|job| job.task.0).collect();
    // The worker may have taken some jobs between the two statements above; none is lost and none runs twice.
    let ran: Vec<u64> = results.try_iter().map(|finished| finished.task.0).collect();
    assert_eq!([ran, back].concat(), [1, 2, 3, 4]);
    assert_eq!(pool.submit(job(5, |_| 0)).unwrap_err().task, TaskId(5));
    assert_eq!(pool.shutdown(PendingWork::Finish, None).unjoined, 0);
}

#[test]
fn e03_a_shutdown_ends_at_its_deadline_and_reports_what_was_left() {
    let (mut pool, results, go) = busy_pool();
    pool.submit(job(2, |_| 0)).unwrap();
    let left = pool.shutdown(PendingWork::Finish, Some(Duration::from_millis(1)));
    assert_eq!((left.handed_back.len(), left.unjoined), (1, 1));
    go.send(()).unwrap();
    assert_eq!(pool.shutdown(PendingWork::Finish, None).unjoined, 0);
    assert_eq!(results.try_iter().count(), 1);
}

#[test]
fn a_pool_can_be_dropped_by_its_own_job() {
    let (mut pool, results) = pool(1);
    let (send, receive) = channel::<WorkPool<u32>>();
    pool.submit(job(1, move |_| {
        drop(receive.recv().unwrap());
        6
    }))
    .unwrap();
    send.send(pool).unwrap();
    assert_eq!(results.recv().unwrap().result, Ok(6));
}

#[test]
fn a_pool_without_workers_is_refused() {
    let none =
        WorkPool::<u32>::new(Some(0), SystemClock::new(), Box::new(|_| Recorder::disabled()), Box::new(drop));
    assert!(matches!(none, Err(PoolError::NoWorkers)));
    let one_a_core =
        WorkPool::<u32>::new(None, SystemClock::new(), Box::new(|_| Recorder::disabled()), Box::new(drop));
    assert!(one_a_core.unwrap().workers() >= 1);
}
