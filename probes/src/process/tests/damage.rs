//! Tests ring files of dead processes with damaged words: readers count missing and impossible records.

use super::hostile::{SLOTS, whole};
use super::*;
use crate::record::{Packed, Stamp};
use crate::ring::mark_of;
use crate::shared::layout::head;

/// Reads a ring file of [`whole`] after changing its bytes.
fn read(change: impl FnOnce(&mut [u8])) -> (Vec<Stamped>, ProcessReader) {
    let (_folder, path, mut bytes) = whole();
    change(&mut bytes);
    std::fs::write(&path, &bytes).unwrap();
    let mut reader = ProcessReader::open(&path, Start::Oldest).unwrap();
    let events = flush(&mut reader);
    (events, reader)
}

/// Zeroes the stamps of the given slots.
fn with_holes(slots: impl Iterator<Item = usize>) -> (Vec<Stamped>, ProcessReader) {
    read(|bytes| {
        let at = bytes.len() - SLOTS * 32;
        slots.for_each(|slot| bytes[at + slot * 32 + 8..][..8].fill(0));
    })
}

pub(super) fn gaps(events: &[Stamped]) -> Vec<(u64, u64)> {
    let lost = events.iter().map(|stamped| match stamped.event {
        Event::Lost { count, .. } => Some((count, stamped.source.0.into())),
        _ => None,
    });
    lost.flatten().collect()
}

#[test]
fn a_hole_in_the_middle_is_lost_and_reported_at_the_next_record() {
    let (whole, reader) = with_holes(0..0);
    let before = reader.before_attach();
    assert_eq!((gaps(&whole), reader.lost_records()), (vec![], 0));
    // The writer wrote two more records, a label, so that slot 44 holds the newest.
    for slots in [80..82, 10..30, 100..128, 126..128] {
        let missing = slots.len() as u64;
        let (events, reader) = with_holes(slots.clone());
        assert_eq!(gaps(&events), [(missing, 1)], "{slots:?}");
        assert_eq!((reader.lost_records(), reader.before_attach()), (missing, before), "{slots:?}");
        assert_eq!(times(&events).len() as u64, 128 - missing, "all others are read");
    }
}

#[test]
fn missing_newest_records_are_reported_at_the_end() {
    let newest = whole_newest();
    let (events, reader) = with_holes(newest - 9..=newest);
    // Now running says that the last one was written, too.
    assert_eq!((gaps(&events), reader.lost_records(), reader.uncounted_gaps()), (vec![(10, 1)], 10, 0));
    assert!(matches!(events.last().unwrap().event, Event::Lost { .. }));
    let (events, reader) = read(|bytes| {
        let at = bytes.len() - SLOTS * 32;
        (newest - 9..=newest).for_each(|slot| bytes[at + slot * 32 + 8..][..8].fill(0));
        bytes[RUNNING_AT + 24..][..8].fill(0);
    });
    // Without it, the record after the last readable one may have been half written.
    assert_eq!((gaps(&events), reader.lost_records(), reader.uncounted_gaps()), (vec![(9, 1)], 9, 0));
}

/// A shared session with its ring in `folder`.
pub(super) fn shared_in(folder: &Path) -> Session {
    Session::builder("test").capacity(SLOTS as u32).shared_in(&folder.join("rings")).unwrap()
}

/// The ring file of a dead process that recorded this many events, of which it `noted` the first, and whose bytes `change`
/// then changed.
fn of_first_lap(
    written: u64,
    noted: u64,
    change: impl FnOnce(&mut Vec<u8>),
) -> (Vec<Stamped>, ProcessReader) {
    let folder = tempfile::tempdir().unwrap();
    let session = shared_in(folder.path());
    let recorder = session.recorder("loop");
    for at in 1..=written {
        mark(&recorder, at);
        if at == noted {
            recorder.set_running(Ticks(at), Running::Outside);
        }
    }
    read_copy(&session, folder.path(), change)
}

#[test]
fn newest_records_that_were_never_written_to_the_disk_are_an_end_of_unknown_length() {
    let count =
        |reader: &ProcessReader| (reader.lost_records(), reader.uncounted_gaps(), reader.before_attach());
    // Of 100 records, 80 were written when the emitter changed what it was doing.
    for (left, lost, uncounted) in [(100, 0, 0), (85, 0, 0), (80, 0, 0), (79, 1, 1), (40, 40, 1), (0, 80, 1)]
    {
        let (events, reader) = of_first_lap(100, 80, |bytes| {
            let at = bytes.len() - SLOTS * 32;
            bytes[at + left * 32..].fill(0);
        });
        assert_eq!(times(&events).len(), left);
        assert_eq!(count(&reader), (lost, uncounted, 0), "{left} left");
        assert_eq!(gaps(&events), Vec::from_iter((lost > 0).then_some((lost, 1))), "{left} left");
        assert_eq!(reader.rings_without_end(), uncounted);
    }
    // Pages of the lap before, in place of the newest ones.
    let (events, reader) = of_first_lap(200, 190, |bytes| {
        let at = bytes.len() - SLOTS * 32;
        for slot in 40..200 - SLOTS {
            bytes[at + slot * 32..][..8].copy_from_slice(&in_ring(slot as u64 + 1));
            bytes[at + slot * 32 + 12] = 1;
        }
    });
    assert_eq!((times(&events).len(), count(&reader)), (SLOTS, (22, 1, 40)));
    // Nothing is left of more than a lap.
    let (events, reader) = of_first_lap(200, 190, |bytes| {
        let at = bytes.len() - SLOTS * 32;
        bytes[at..].fill(0);
    });
    assert_eq!((times(&events).len(), count(&reader)), (0, (128, 1, 62)));
}

#[test]
fn a_ring_that_ends_behind_the_end_of_its_file_is_read_as_far_as_it_goes() {
    let count = |reader: &ProcessReader| (reader.lost_records(), reader.uncounted_gaps());
    // Slots in the file, what is read of 100 records, and what is lost.
    for (slots, read, lost) in [(SLOTS - 1, 100, 1), (100, 100, 1), (90, 90, 1), (50, 50, 30), (1, 1, 79)] {
        for half in [0, 16] {
            let (events, reader) = of_first_lap(100, 80, |bytes| {
                bytes.truncate(bytes.len() - (SLOTS - slots) * 32 + half);
            });
            assert_eq!((times(&events).len(), count(&reader)), (read, (lost, 1)), "{slots}");
            assert_eq!(reader.rings_without_end(), 1);
        }
    }
    let (events, reader) = of_first_lap(100, 80, |bytes| bytes.truncate(bytes.len() - SLOTS * 32));
    assert_eq!((times(&events).len(), count(&reader), reader.unreadable_sources()), (0, (1, 1), 1));
}

#[test]
fn a_table_of_rings_that_was_zeroed_is_missing_its_rings() {
    for bytes_gone in [8, 256, crate::shared::layout::PAGE_BYTES] {
        let (events, reader) = of_first_lap(100, 80, |bytes| {
            bytes[crate::shared::layout::PAGE_BYTES..][..bytes_gone].fill(0);
        });
        let seen = (reader.lost_records(), reader.uncounted_gaps(), reader.unreadable_sources());
        assert_eq!((gaps(&events), seen), (vec![(1, 0)], (1, 1, 1)), "{bytes_gone}");
    }
    // The number of changes may have reached the disk before the table, not after it.
    let (_, reader) = of_first_lap(100, 80, |bytes| bytes[head::TABLE_CHANGES * 8..][..8].fill(0));
    assert_eq!((reader.lost_records(), reader.unreadable_sources()), (0, 0));
}

#[test]
fn a_now_running_cell_from_before_the_session_is_impossible() {
    let started = |bytes: &[u8]| u64::from_ne_bytes(bytes[head::ANCHOR_FIRST * 8..][..8].try_into().unwrap());
    for (ago_s, is_believed) in [(None, false), (Some(3600), false), (Some(0), true)] {
        let (_, reader) = of_first_lap(100, 80, |bytes| {
            // The last record, and the cell, in the time of the session.
            let (at, now) = (bytes.len() - SLOTS * 32 + 99 * 32, started(bytes) + 1);
            bytes[at..][..8].copy_from_slice(&in_ring(now));
            let since = ago_s.map_or(0, |ago| now.saturating_sub(ago * 1_000_000_000));
            bytes[RUNNING_AT + 8..][..8].copy_from_slice(&since.to_ne_bytes());
        });
        assert_eq!(reader.running().unwrap().len(), usize::from(is_believed), "{ago_s:?}");
    }
}

/// The time `at` as the first ring has it.
fn in_ring(at: u64) -> [u8; 8] {
    (at ^ mark_of(0)).to_ne_bytes()
}

/// The offset of the *now running* cell of the first ring.
const RUNNING_AT: usize = crate::shared::layout::PAGE_BYTES + 64;

/// The slot of the newest record of [`whole`].
fn whole_newest() -> usize {
    let (_folder, _, bytes) = whole();
    let at = bytes.len() - SLOTS * 32;
    let time = |slot: &usize| u64::from_ne_bytes(bytes[at + slot * 32..][..8].try_into().unwrap());
    (0..SLOTS).max_by_key(time).unwrap()
}

#[test]
fn impossible_and_unknown_events_are_distinguished() {
    // The kind is the byte above the tag and the part.
    let (events, reader) = read(|bytes| {
        let at = bytes.len() - SLOTS * 32;
        let kind = |slot: usize| at + slot * 32 + 8 + 3;
        // A task that ended in a way that does not exist; then an event of another version.
        let packed = Packed::new(
            Ticks(0),
            Event::TaskRan {
                task: crate::ids::TaskId(1),
                tag: Tag(1),
                outcome: crate::event::Outcome::Done,
                queued: Ticks(0),
                start: Ticks(0),
            },
        );
        let ran = Stamp(packed.record(0, 0)[1]);
        bytes[kind(60)] = ran.kind();
        bytes[at + 60 * 32 + 16..][..16].fill(9);
        bytes[kind(70)] = 200;
        bytes[kind(71)] = 201;
        bytes[kind(72)] = 0;
        // The writer knows kinds up to 200.
        bytes[head::KIND_MAX * 8..][..8].copy_from_slice(&u64::to_ne_bytes(200));
    });
    assert_eq!((reader.malformed_events(), reader.unknown_kinds(), reader.lost_records()), (3, 1, 0));
    assert_eq!(times(&events).len(), SLOTS - 4);
}

#[test]
fn an_unknown_kind_of_a_writer_of_this_version_or_an_older_one_is_damage() {
    for kind_max in [None, Some(0), Some(7), Some(1 << 40)] {
        let (_, reader) = read(|bytes| {
            let at = bytes.len() - SLOTS * 32;
            bytes[at + 70 * 32 + 8 + 3] = 84;
            if let Some(kind_max) = kind_max {
                bytes[head::KIND_MAX * 8..][..8].copy_from_slice(&u64::to_ne_bytes(kind_max));
            }
        });
        assert_eq!((reader.malformed_events(), reader.unknown_kinds()), (1, 0), "{kind_max:?}");
    }
}

#[test]
fn records_missing_from_the_beginning_of_a_ring_that_never_wrapped_are_lost() {
    for (written, slots) in [(100, 0..1), (100, 0..50), (100, 3..9), (SLOTS - 1, 0..SLOTS / 2)] {
        let folder = tempfile::tempdir().unwrap();
        let session = shared_in(folder.path());
        let recorder = session.recorder("loop");
        (1..=written as u64).for_each(|at| mark(&recorder, at));
        let (events, reader) = read_copy(&session, folder.path(), |bytes| {
            let at = bytes.len() - SLOTS * 32;
            slots.clone().for_each(|slot| bytes[at + slot * 32..][..32].fill(0));
        });
        let missing = slots.len() as u64;
        assert_eq!((reader.lost_records(), reader.before_attach()), (missing, 0), "{slots:?}");
        assert_eq!(gaps(&events), [(missing, 1)], "{slots:?}");
        assert_eq!(times(&events).len() as u64, written as u64 - missing, "{slots:?}");
    }
}

#[test]
fn times_in_the_future_are_impossible() {
    let future = u64::MAX - 5;
    let (events, reader) = read(|bytes| {
        let at = bytes.len() - SLOTS * 32;
        bytes[at + 60 * 32..][..8].copy_from_slice(&in_ring(future));
    });
    assert_eq!((reader.malformed_events(), times(&events).len()), (1, SLOTS - 1));
    let newest = times(&events).into_iter().map(|(_, at)| at).max().unwrap();
    assert!(newest <= reader.time_at(Ticks(1_000)).0, "{newest}");
}

#[test]
fn a_time_that_goes_back_leaves_the_figures_open() {
    let (events, reader) = read(|bytes| {
        let at = bytes.len() - SLOTS * 32;
        // Some seconds, whatever the clock, and still in the past.
        let later = SystemClock::of(TickUnit::detect()).ticks().0 / 2;
        bytes[at + 60 * 32..][..8].copy_from_slice(&in_ring(later));
    });
    assert_eq!((reader.malformed_events(), times(&events).len()), (1, SLOTS));
    let faults = reader.clock_faults();
    assert!(faults.count == 1 && faults.error_ns_max > 1_000_000_000, "{faults:?}");
}

#[test]
fn a_now_running_cell_is_believed_up_to_the_newest_record_and_the_heartbeat() {
    let clock = SystemClock::of(TickUnit::detect());
    for (since, is_believed) in [(300, true), (clock.ticks().0, false), (u64::MAX, false)] {
        let cell = |bytes: &mut [u8]| bytes[RUNNING_AT + 8..][..8].copy_from_slice(&since.to_ne_bytes());
        let (_folder, path, mut bytes) = whole();
        cell(&mut bytes);
        std::fs::write(&path, &bytes).unwrap();
        let mut reader = ProcessReader::open(&path, Start::Oldest).unwrap().with_heartbeat();
        let events = flush(&mut reader);
        let seen = events.iter().filter(|stamped| matches!(stamped.event, Event::Running { .. })).count();
        assert_eq!(
            (seen, reader.running().unwrap().len(), reader.malformed_events()),
            (usize::from(is_believed), usize::from(is_believed), u64::from(!is_believed)),
            "{since}"
        );
        // The process noted that it existed then.
        bytes[head::ALIVE_AT * 8..][..8].copy_from_slice(&clock.ticks().0.to_ne_bytes());
        std::fs::write(&path, &bytes).unwrap();
        let mut reader = ProcessReader::open(&path, Start::Oldest).unwrap();
        flush(&mut reader);
        assert_eq!(reader.running().unwrap().len(), usize::from(since != u64::MAX), "{since}");
    }
}

#[test]
fn a_ring_that_cannot_be_read_is_a_gap_of_unknown_size() {
    let place = crate::shared::layout::PAGE_BYTES;
    let count = |reader: &ProcessReader| {
        (
            reader.dropped_sources(),
            reader.unreadable_sources(),
            reader.uncounted_gaps(),
            reader.lost_records(),
        )
    };
    let (events, reader) = read(|_| {});
    assert_eq!((gaps(&events), count(&reader)), (vec![], (0, 0, 0, 0)));
    // State, offset and capacity of the only ring.
    for (word, value, found) in [
        (0, 1 << 32, (0, 1, 1, 1)),
        (1, 0, (1, 0, 1, 1)),
        (1, 7, (0, 1, 1, 1)),
        (1, 64, (0, 1, 1, 1)),
        (2, 0, (0, 1, 1, 1)),
        (2, 100, (0, 1, 1, 1)),
        (2, 1 << 60, (0, 1, 1, 1)),
    ] {
        let (events, reader) = read(|bytes| {
            bytes[place + word * 8..][..8].copy_from_slice(&u64::to_ne_bytes(value));
        });
        assert_eq!((gaps(&events), count(&reader)), (vec![(1, 0)], found), "word {word} is {value}");
    }
    // A second ring in the same slots.
    let (events, reader) = read(|bytes| bytes.copy_within(place..place + 256, place + 256));
    assert_eq!((gaps(&events), count(&reader)), (vec![(1, 0)], (0, 1, 1, 1)));
    assert_eq!(times(&events).len(), SLOTS);
}

#[test]
fn the_pressure_on_a_process_in_another_pid_namespace_is_unknown() {
    let (_, reader) = read(|_| {});
    assert_eq!(reader.image.pid_here(), Some(std::process::id()));
    let (_, reader) = read(|bytes| bytes[head::PID_NAMESPACE * 8] ^= 1);
    assert_eq!(reader.image.pid_here(), None, "its number is that of another process here");
}

#[test]
fn anchors_that_contradict_each_other_are_noticed() {
    let words = [head::ANCHOR_FIRST, head::ANCHOR_SECOND, head::ANCHOR_LATEST + 1];
    let faults = |damaged: &[usize]| {
        let (_, reader) = read(|bytes| {
            for word in damaged {
                // The monotonic clock, by a second.
                let at = (word + 1) * 8;
                let ns = u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
                bytes[at..at + 8].copy_from_slice(&(ns + 1_000_000_000 * *word as u64).to_ne_bytes());
            }
        });
        let faults = reader.clock_faults();
        (faults.contradicting_anchors, faults.count, faults.error_ns_max)
    };
    assert_eq!(faults(&[]), (0, 0, 0));
    for word in words {
        let (contradicting, ..) = faults(&[word]);
        assert_eq!(contradicting, 1, "{word}");
    }
    let (contradicting, count, error_ns) = faults(&words[..2]);
    assert!(contradicting > 0 && count == 1 && error_ns >= 900_000_000, "{contradicting} {count} {error_ns}");
    let (_, reader) = read(|bytes| bytes[head::ANCHOR_FIRST * 8..(head::ANCHOR_LATEST + 4) * 8].fill(0));
    assert_eq!(reader.clock_faults().error_ns_max, u64::MAX);
}

/// A ring in a file, and two readings of the clocks some time apart, to make up times between them.
struct Fresh {
    clock: SystemClock,
    folder: tempfile::TempDir,
    session: Session,
    recorder: Recorder,
    anchors: [Anchor; 2],
}

impl Fresh {
    /// `None` where the record clock is the monotonic one.
    fn new() -> Option<Self> {
        let clock = SystemClock::new();
        if clock.unit() != TickUnit::Tsc {
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let session = Session::builder("test").shared_in(&folder.path().join("rings")).unwrap();
        let recorder = session.recorder("loop");
        let before = clock.anchor();
        std::thread::sleep(Duration::from_millis(50));
        let anchors = [before, clock.anchor()];
        Some(Self { clock, folder, session, recorder, anchors })
    }
}

/// How far the record clock goes in `of_ns`, by its rate between two readings.
fn ticks_of(of_ns: u64, before: Anchor, after: Anchor) -> u64 {
    let (ticks, ns) = (after.ticks.0 - before.ticks.0, after.monotonic.ns_since(before.monotonic));
    (u128::from(ticks) * u128::from(of_ns) / u128::from(ns)) as u64
}

/// Moves the start of the session in its metadata back, from `from`. The text keeps its length.
fn started_at(bytes: &mut [u8], from: Timestamp, to_ns: u64) {
    let text = |ns: u64| format!("\"monotonic\":{ns:>width$}", width = from.0.to_string().len()).into_bytes();
    let (old, new) = (text(from.0), text(to_ns));
    let at = bytes.windows(old.len()).position(|window| window == old).unwrap();
    bytes[at..at + new.len()].copy_from_slice(&new);
}

/// The ring file of a process that died three seconds after its start, without the stamp of the header's latest
/// anchor: the error of its last record's time, the error bound, and whether the reader's own clock gives the rate.
/// The second anchor of the header is late by two microseconds.
fn without_latest_anchor(calibrates: bool) -> Option<(u64, u64, bool)> {
    const AGO_NS: u64 = 3_000_000_000;
    const APART_NS: u64 = 1_000_000;
    let Fresh { clock, folder, session, recorder, anchors: [before, now] } = Fresh::new()?;
    let ticks = |of_ns| ticks_of(of_ns, before, now);
    recorder.record(Ticks(now.ticks.0 - ticks(AGO_NS)), Event::TickStart { tick: 1 });
    if calibrates {
        let Anchor { ticks, monotonic, wall_ns } = now;
        recorder.record(ticks, Event::Calibration { ticks, monotonic, wall_ns });
    }
    recorder.record(now.ticks, Event::TickStart { tick: 2 });
    let (events, reader) = read_copy(&session, folder.path(), |bytes| {
        for (word, since_ns, late_ns) in [(head::ANCHOR_FIRST, 0, 0), (head::ANCHOR_SECOND, APART_NS, 2_000)]
        {
            let at = now.ticks.0 - ticks(AGO_NS) + ticks(since_ns);
            let monotonic = now.monotonic.0 - AGO_NS + since_ns + late_ns;
            bytes[word * 8..][..8].copy_from_slice(&at.to_ne_bytes());
            bytes[(word + 1) * 8..][..8].copy_from_slice(&monotonic.to_ne_bytes());
        }
        bytes[head::ANCHOR_LATEST * 8..][..8].fill(0);
        started_at(bytes, session.metadata().unwrap().started.monotonic, now.monotonic.0 - AGO_NS);
    });
    let last = events.last().unwrap().at;
    let has_own = reader.image.own_anchor(clock).is_some();
    Some((last.0.abs_diff(now.monotonic.0), reader.clock_faults().error_ns_max, has_own))
}

#[test]
fn a_damaged_latest_anchor_is_replaced_by_a_calibration_or_its_absence_reported() {
    for calibrates in [true, false] {
        let Some((wrong_ns, told_ns, has_own)) = without_latest_anchor(calibrates) else { return };
        if calibrates || has_own {
            assert!(wrong_ns <= 1_000_000 && told_ns == 0, "{wrong_ns} {told_ns}");
        } else {
            assert!(wrong_ns > 1_000_000 && told_ns >= wrong_ns, "{wrong_ns} {told_ns}");
        }
    }
}

/// The ring file of a process that ran while the machine slept for five seconds and the record clock went on. Returns
/// the reported error of its times, and whether they are right before and after the sleep.
fn asleep(is_recorded: bool) -> Option<(u64, bool)> {
    const ASLEEP_NS: u64 = 5_000_000_000;
    let Fresh { clock, folder, session, recorder, anchors: [before, after] } = Fresh::new()?;
    let ticks = ticks_of(ASLEEP_NS, before, after);
    // Records from before the sleep have lower ticks.
    let earlier = |at: Ticks| Ticks(at.0 - ticks);
    recorder.record(earlier(before.ticks), Event::TickStart { tick: 1 });
    let alive = earlier(after.ticks);
    if is_recorded {
        recorder.record(after.ticks, Event::Suspended { asleep_ns: ASLEEP_NS, alive, start: after.ticks });
    }
    recorder.calibrate_if_due(clock.ticks());
    recorder.record(clock.ticks(), Event::TickStart { tick: 2 });
    let (events, reader) = read_copy(&session, folder.path(), |bytes| {
        for word in [head::ANCHOR_FIRST, head::ANCHOR_SECOND] {
            let at = word * 8;
            let ticks = u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
            bytes[at..at + 8].copy_from_slice(&earlier(Ticks(ticks)).0.to_ne_bytes());
        }
    });
    let begun = |number| {
        let begins = |it: &&Stamped| matches!(it.event, Event::TickStart { tick } if tick == number);
        events.iter().find(begins).unwrap().at
    };
    let now = clock.now();
    let are_right = begun(1).0.abs_diff(before.monotonic.0) < 1_000_000
        && (after.monotonic..=Timestamp(now.0 + 1_000_000)).contains(&begun(2));
    Some((reader.clock_faults().error_ns_max, are_right))
}

#[test]
fn a_process_that_ran_while_the_machine_slept_has_certain_times() {
    let Some(seen) = asleep(true) else { return };
    assert_eq!(seen, (0, true));
    let (error_ns, _) = asleep(false).unwrap();
    assert!(error_ns > 1_000_000_000, "nothing explains it: {error_ns}");
}

#[test]
fn a_table_with_fewer_places_than_rings_is_damaged() {
    let (_folder, path, mut bytes) = whole();
    let place = crate::shared::layout::PAGE_BYTES;
    bytes.copy_within(place..place + 256, place + 5 * 256);
    for (places, is_damaged) in [(0, true), (1, true), (5, true), (6, false), (64, false)] {
        bytes[head::PLACES * 8..][..8].copy_from_slice(&u64::to_ne_bytes(places));
        std::fs::write(&path, &bytes).unwrap();
        let opened = ProcessReader::open(&path, Start::Oldest);
        assert_eq!(matches!(opened, Err(OpenError::Damaged { .. })), is_damaged, "{places}");
    }
}
