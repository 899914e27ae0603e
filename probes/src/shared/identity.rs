//! Process identity: pids are reused, but not together with the start time and the machine's boot id.

use std::fs;
use std::os::unix::fs::MetadataExt;

/// Identifies a process for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    pub(crate) pid_namespace: u64,
    /// Inode of the namespace in which its clocks have their origin.
    pub(crate) time_namespace: u64,
    /// Clock ticks from boot to the process's start, by the clocks of its time namespace.
    pub(crate) start_time: u64,
    pub(crate) boot_id: [u64; 2],
}

/// State and start time of the process with a given pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessStat {
    /// The letter of its state: `T` is stopped, `t` is stopped by a debugger, `Z` is dead.
    pub(crate) state: u8,
    pub(crate) start_time: u64,
    /// Its main thread is being torn down (`PF_EXITING`).
    pub(crate) is_exiting: bool,
}

/// The flag of a task that is being torn down, in the `flags` of `/proc/PID/stat` (proc_pid_stat(5); the kernel's
/// `include/linux/sched.h`).
const PF_EXITING: u64 = 0x4;

impl Identity {
    /// This process.
    pub(crate) fn own() -> Self {
        Self {
            pid: std::process::id(),
            pid_namespace: namespace("pid"),
            time_namespace: namespace("time"),
            start_time: stat_of("self").map_or(0, |stat| stat.start_time),
            boot_id: boot_id(),
        }
    }
}

/// The inode of a namespace of this process, 0 if it cannot be read.
pub(crate) fn namespace(kind: &str) -> u64 {
    fs::metadata(format!("/proc/self/ns/{kind}")).map_or(0, |ns| ns.ino())
}

/// The machine's boot id, zeros if it has none.
pub(crate) fn boot_id() -> [u64; 2] {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let hex: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let half = |range| hex.get(range).and_then(|half| u64::from_str_radix(half, 16).ok()).unwrap_or(0);
    [half(0..16), half(16..32)]
}

/// The current state of the process `pid`; `None` if it does not exist.
pub(crate) fn process(pid: u32) -> Option<ProcessStat> {
    stat_of(&pid.to_string())
}

fn stat_of(pid: &str) -> Option<ProcessStat> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    // The name, field 2, is in parentheses and may hold anything, parentheses too.
    let after_name = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(text.get(after_name + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let flags: u64 = fields.nth(5)?.parse().ok()?;
    let start_time = fields.nth(12)?.parse().ok()?;
    Some(ProcessStat { state, start_time, is_exiting: flags & PF_EXITING != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_an_identity() {
        let own = Identity::own();
        assert_eq!(process(own.pid).map(|stat| stat.start_time), Some(own.start_time));
        assert_eq!(process(own.pid).map(|stat| stat.is_exiting), Some(false));
        assert!(own.start_time > 0 && own.pid_namespace > 0 && own.boot_id != [0; 2]);
    }

    #[test]
    fn an_unused_pid_has_no_process() {
        assert_eq!(process(u32::MAX), None);
    }
}
