//! Decides whether a process still records: from its header, its lock, its pid with start time, and its boot
//! id.

use std::fs::File;

use rustix::fs::{FlockOperation, flock};

use crate::shared::identity::{self, Identity};

/// State of the process behind a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessState {
    /// The process is running.
    Running,
    /// The process is stopped, by SIGSTOP or a debugger.
    Stopped,
    /// The process is gone and did not end its session.
    Crashed,
    /// The process ended its session cleanly.
    Ended,
    /// Unknown, because the file is a copy: it shows nothing that followed the copying.
    Unclosed,
}

impl ProcessState {
    /// The name that lists and the dashboard print.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Crashed => "crashed",
            Self::Ended => "ended",
            Self::Unclosed => "unclosed",
        }
    }

    /// Whether the process is known to exist.
    #[must_use]
    pub const fn is_alive(self) -> bool {
        matches!(self, Self::Running | Self::Stopped)
    }
}

impl std::fmt::Display for ProcessState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// The state of a process that has not marked its file as ended. A copy of its file proves nothing about it: it may have
/// been made while the process was running. Where the identity is damaged, only the lock counts.
pub(crate) fn observe(file: &File, identity: &Identity, is_original: bool) -> ProcessState {
    let can_prove = is_original && identity.is_sound;
    if !can_prove && !is_locked(file) {
        return ProcessState::Unclosed;
    }
    if !identity.is_sound {
        return ProcessState::Running;
    }
    if is_of_another_boot(identity) || !is_locked(file) {
        return ProcessState::Crashed;
    }
    if identity.pid_namespace != identity::namespace("pid") {
        // Its pid means nothing in this namespace: only the lock counts.
        return ProcessState::Running;
    }
    // The same process has different start times in two time namespaces.
    let is_comparable = identity.time_namespace == identity::namespace("time");
    // A forked child holds the lock as well, so the lock is no evidence that the process itself still exists.
    match identity::process(identity.pid) {
        Ok(Some(stat)) if stat.start_time == identity.start_time || !is_comparable => match stat.state {
            b'T' | b't' => ProcessState::Stopped,
            b'Z' | b'X' | b'x' => ProcessState::Crashed,
            _ => ProcessState::Running,
        },
        Ok(_) => ProcessState::Crashed,
        // Only the lock is known.
        Err(_) => ProcessState::Running,
    }
}

/// Whether the machine was booted since the file was made. A reader that has opened the file knows the boot id.
fn is_of_another_boot(identity: &Identity) -> bool {
    identity::boot_id().is_ok_and(|boot_id| boot_id != identity.boot_id)
}

/// Whether the file has no writer any more.
pub(crate) fn is_still(file: &File, identity: &Identity) -> bool {
    // Another thread may outlive the main thread, or run in a forked child: each holds the lock.
    identity.is_sound && is_of_another_boot(identity) || !is_locked(file)
}

/// Whether the process is being torn down by the kernel, or is gone. False if its pid means nothing in this namespace or
/// is damaged.
pub(crate) fn is_exiting(identity: &Identity) -> bool {
    identity.is_sound
        && identity.pid_namespace == identity::namespace("pid")
        && identity::process(identity.pid).is_ok_and(|found| found.is_none_or(|stat| stat.is_exiting))
}

/// Whether the writer's lock is held. Ours is shared and brief, so readers do not disturb each other.
fn is_locked(file: &File) -> bool {
    match flock(file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => {
            let _unlocked = flock(file, FlockOperation::Unlock);
            false
        }
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_alone_proves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let owner = File::create(&path).unwrap();
        let reader = File::open(&path).unwrap();
        let own = Identity::own();
        assert_eq!(observe(&reader, &own, false), ProcessState::Unclosed, "it is a copy");
        let observe = |file: &File, identity: &Identity| observe(file, identity, true);
        assert_eq!(observe(&reader, &own), ProcessState::Crashed, "the lock is free");
        let damaged = Identity { start_time: own.start_time + 1, is_sound: false, ..own };
        assert_eq!(observe(&reader, &damaged), ProcessState::Unclosed);
        flock(&owner, FlockOperation::LockExclusive).unwrap();
        assert_eq!(observe(&reader, &own), ProcessState::Running);
        assert_eq!(observe(&reader, &damaged), ProcessState::Running, "the lock is held");
        assert!(!is_still(&reader, &Identity { boot_id: [1, 2], ..damaged }));

        // The lock is held, as by a child that was forked off, but the process is another one.
        let reused = Identity { start_time: own.start_time + 1, ..own };
        assert_eq!(observe(&reader, &reused), ProcessState::Crashed);
        let gone = Identity { pid: u32::MAX, ..own };
        assert_eq!(observe(&reader, &gone), ProcessState::Crashed);
        let before_reboot = Identity { boot_id: [1, 2], ..own };
        assert_eq!(observe(&reader, &before_reboot), ProcessState::Crashed);
        let other_clocks = Identity { start_time: own.start_time + 1, time_namespace: 1, ..own };
        assert_eq!(observe(&reader, &other_clocks), ProcessState::Running, "start times cannot be compared");
        let gone = Identity { pid: u32::MAX, time_namespace: 1, ..own };
        assert_eq!(observe(&reader, &gone), ProcessState::Crashed);
        let elsewhere = Identity { pid: u32::MAX, pid_namespace: 1, ..own };
        assert_eq!(
            observe(&reader, &elsewhere),
            ProcessState::Running,
            "in another namespace, only the lock counts"
        );
    }
}
