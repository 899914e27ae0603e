//! Tests ring files with random, flipped or missing bytes: reading gives an error or some events, in bounded time,
//! and never panics.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::shared::layout::{MAGIC, head};

/// Number of slots in the ring of [`whole`], which ends the file.
pub(super) const SLOTS: usize = 128;

/// The bytes of a ring file left by a crash.
pub(super) fn whole() -> (tempfile::TempDir, PathBuf, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let session =
        Session::builder("test").capacity(SLOTS as u32).shared_in(&folder.path().join("rings")).unwrap();
    let recorder = session.recorder("loop");
    recorder.name_tag(Ticks(1), Tag(1), "Echo");
    (1..300).for_each(|at| mark(&recorder, at));
    recorder.set_running(Ticks(300), Running::Phase(Phase::Io));
    let path = folder.path().join("copy.ring");
    fs::copy(session.path().unwrap(), &path).unwrap();
    adopt(&path);
    let bytes = fs::read(&path).unwrap();
    (folder, path, bytes)
}

/// Reads everything, the way an inspector would.
fn read(path: &Path) -> Result<Vec<Stamped>, String> {
    let mut reader = ProcessReader::open(path, Start::Oldest).map_err(|error| error.to_string())?;
    let mut out = Vec::new();
    for _ in 0..3 {
        reader.poll(&mut out).map_err(|error| error.to_string())?;
        reader.running().map_err(|error| error.to_string())?;
    }
    reader.flush(&mut out).map_err(|error| error.to_string())?;
    let _figures = (reader.suggested_period(), reader.lost_records(), reader.before_attach(), reader.state());
    Ok(out)
}

#[test]
fn a_flush_is_bounded_and_takes_what_rings_of_the_default_size_hold() {
    let records = (FLUSH_POLLS_MAX as u64 + 1) * rings::POLL_RECORDS_MAX;
    assert!(records * size_of::<Stamped>() as u64 <= 560 << 20, "what SECURITY.md says");
    assert!(records >= 64 * crate::ring::CAPACITY_DEFAULT as u64);
}

#[test]
fn a_ring_that_nothing_locks_is_read_as_a_crash() {
    let (_folder, path, _) = whole();
    let mut reader = ProcessReader::open(&path, Start::Oldest).unwrap();
    let events = flush(&mut reader);
    assert_eq!(times(&events).len(), 128);
    assert_eq!(reader.state(), ProcessState::Crashed, "its lock is free");
    assert_eq!(reader.running().unwrap()[0].running, Running::Phase(Phase::Io));
}

#[test]
fn every_error_says_what_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.ring");
    let opened = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        ProcessReader::open(&path, Start::Oldest).unwrap_err()
    };
    assert!(matches!(opened(b""), OpenError::NotARing { .. }));
    assert!(matches!(opened(&[7; 10_000]), OpenError::NotARing { .. }));
    let (_folder, _, mut bytes) = whole();
    bytes[12] = 9;
    assert!(matches!(opened(&bytes), OpenError::OtherLayout { found: 9, .. }));
    // The layout in which times had no mark of their ring.
    bytes[12] = 2;
    let error = opened(&bytes);
    assert!(matches!(error, OpenError::OtherLayout { found: 2, .. }));
    assert!(error.to_string().contains("layout 2 of an older loopscope"), "{error}");
    bytes[12] = 3;
    bytes.truncate(5_000);
    assert!(matches!(opened(&bytes), OpenError::Damaged { .. }));
    let missing = ProcessReader::open(&folder.path().join("none"), Start::Oldest).unwrap_err();
    assert!(missing.to_string().contains("none"));
    let is_folder = ProcessReader::open(folder.path(), Start::Oldest).unwrap_err();
    assert!(matches!(is_folder, OpenError::NotAFile { .. }));
    let link = folder.path().join("link.ring");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    assert!(matches!(ProcessReader::open(&link, Start::Oldest).unwrap_err(), OpenError::NotAFile { .. }));
}

/// A process that holds the lock is running, whatever became of its identity in the header; one that does not is not
/// known to have crashed.
#[test]
fn a_damaged_identity_proves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::builder("test").shared_in(folder.path()).unwrap();
    let path = session.path().unwrap();
    let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
    let state = |path: &Path| ProcessReader::open(path, Start::Oldest).unwrap().state();
    let dead = folder.path().join("dead.ring");
    for word in (0..head::IDENTITY.len()).map(|index| head::IDENTITY_AGAIN + index).chain(head::IDENTITY) {
        let mut bytes = [0; 1];
        file.read_exact_at(&mut bytes, word as u64 * 8).unwrap();
        file.write_all_at(&[bytes[0] ^ 1], word as u64 * 8).unwrap();
        assert_eq!(state(path), ProcessState::Running, "word {word}");
        fs::copy(path, &dead).unwrap();
        assert_eq!(state(&dead), ProcessState::Unclosed, "word {word}");
        file.write_all_at(&bytes, word as u64 * 8).unwrap();
    }
    assert_eq!(state(path), ProcessState::Running);
}

#[test]
fn a_file_truncated_under_the_reader_is_an_error() {
    let (_folder, path, _) = whole();
    let mut reader = ProcessReader::open(&path, Start::Oldest).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(4096).unwrap();
    let error = reader.poll(&mut Vec::new()).unwrap_err();
    assert!(matches!(error, ReadError::Truncated { .. }), "{error}");
    assert!(error.to_string().contains("copy.ring"));
}

#[test]
fn a_file_without_rings_that_is_truncated_is_an_error_too() {
    let folder = tempfile::tempdir().unwrap();
    let session = Session::builder("empty").shared_in(folder.path()).unwrap();
    let path = folder.path().join("copy.ring");
    fs::copy(session.path().unwrap(), &path).unwrap();
    let mut reader = ProcessReader::open(&path, Start::Oldest).unwrap();
    reader.poll(&mut Vec::new()).unwrap();
    let length = fs::metadata(&path).unwrap().len();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length - 1).unwrap();
    let error = reader.poll(&mut Vec::new()).unwrap_err();
    assert!(matches!(error, ReadError::Truncated { .. }), "{error}");
}

#[test]
fn any_size_that_a_header_claims_is_harmless() {
    let (_folder, path, bytes) = whole();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    for word in 1..head::WORDS {
        for value in [0, 1, 7, 4096, u64::from(u32::MAX), i64::MAX as u64, u64::MAX] {
            file.write_all_at(&bytes[..head::WORDS * 8], 0).unwrap();
            file.write_all_at(&value.to_ne_bytes(), word as u64 * 8).unwrap();
            let _either = read(&path);
        }
    }
}

#[test]
fn rings_that_share_slots_are_read_once() {
    let (_folder, path, mut bytes) = whole();
    // Makes every place of the table a copy of the first.
    let first = bytes[4096..4096 + 256].to_vec();
    for place in 1..64 {
        bytes[4096 + place * 256..][..256].copy_from_slice(&first);
    }
    fs::write(&path, &bytes).unwrap();
    let events = read(&path).unwrap();
    assert_eq!(times(&events).len(), 128, "more records than the file has would be a way to fill memory");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn flipped_bytes(flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4_u8), 1..200)) {
        let (_folder, path, mut bytes) = whole();
        for (index, value, part) in flips {
            // In the header, the table, the slots, or anywhere: most of the file is empty.
            let slots = bytes.len() - SLOTS * 32;
            let at = match part {
                0 => 8 + index.index(300),
                1 => 4096 + index.index(300),
                2 => slots + index.index(SLOTS * 32),
                _ => index.index(bytes.len()),
            };
            bytes[at] = value;
        }
        fs::write(&path, &bytes).unwrap();
        let _either = read(&path);
    }

    #[test]
    fn missing_bytes(cut in any::<prop::sample::Index>()) {
        let (_folder, path, bytes) = whole();
        let cut = cut.index(bytes.len());
        fs::write(&path, &bytes[..cut]).unwrap();
        let read = read(&path);
        let is_missing = |stamped: &Stamped| matches!(stamped.event, Event::Lost { .. });
        if cut < bytes.len() - SLOTS * 32 {
            prop_assert!(read.is_err(), "what the rings rely on is missing");
        } else {
            prop_assert!(read.unwrap().iter().any(is_missing), "rings reach to the end of the file");
        }
    }

    #[test]
    fn random_bytes(mut bytes in prop::collection::vec(any::<u8>(), 0..20_000), with_magic: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("random.ring");
        if with_magic && bytes.len() > 16 {
            bytes[..8].copy_from_slice(&MAGIC.to_ne_bytes());
            bytes[8..16].copy_from_slice(&(u64::from(crate::shared::LAYOUT_MAJOR) << 32).to_ne_bytes());
        }
        fs::write(&path, &bytes).unwrap();
        prop_assert!(read(&path).is_err());
    }
}
