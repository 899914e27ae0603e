//! Tests the ready set with real descriptors.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::*;

const READ: u16 = 1;

fn wanted(fd: &impl AsRawFd, events: u16) -> PollFd {
    PollFd { fd: fd.as_raw_fd(), events, revents: 0 }
}

/// Whether a poller that watches the set's descriptor is notified.
fn is_ready(set: &ReadySet) -> bool {
    let mut outer = OsPoller::new().unwrap();
    let mut ready = Vec::new();
    outer.add(set.source().unwrap(), Interest::READABLE, 1).unwrap();
    outer.wait(Some(Duration::ZERO), &mut ready).unwrap();
    !ready.is_empty()
}

#[test]
fn it_is_ready_while_one_of_them_is() {
    let mut set = ReadySet::new().unwrap();
    let ((mut near, far), (_quiet, silent)) = (UnixStream::pair().unwrap(), UnixStream::pair().unwrap());
    assert!(set.watch(&[wanted(&far, READ), wanted(&silent, READ), wanted(&silent, READ)]).unwrap());
    assert!(!is_ready(&set));
    near.write_all(b"!").unwrap();
    assert!(is_ready(&set));
    assert!(set.watch(&[wanted(&silent, READ)]).unwrap());
    assert!(!is_ready(&set), "the other one is watched no more");
}

#[test]
fn a_regular_file_cannot_be_waited_for() {
    let mut set = ReadySet::new().unwrap();
    let file = File::open(std::env::current_exe().unwrap()).unwrap();
    assert!(!set.watch(&[wanted(&file, READ)]).unwrap());
    assert!(set.watch(&[]).unwrap());
}

#[test]
fn a_reused_descriptor_number_is_watched_again() {
    let mut set = ReadySet::new().unwrap();
    let (_near, far) = UnixStream::pair().unwrap();
    let mut far = std::os::fd::OwnedFd::from(far);
    let number = wanted(&far, READ);
    assert!(set.watch(&[number]).unwrap());
    let (mut near, next) = UnixStream::pair().unwrap();
    rustix::io::dup2(&next, &mut far).unwrap();
    assert!(set.watch(&[number]).unwrap());
    near.write_all(b"!").unwrap();
    assert!(is_ready(&set));
}

#[test]
fn a_hang_up_is_reported_even_without_other_interest() {
    let mut set = ReadySet::new().unwrap();
    let (near, far) = UnixStream::pair().unwrap();
    const HANG_UP: u16 = 16;
    assert!(set.watch(&[wanted(&far, HANG_UP)]).unwrap());
    assert!(!is_ready(&set));
    drop(near);
    assert!(is_ready(&set));
}
