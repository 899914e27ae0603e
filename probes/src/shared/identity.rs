//! Process identity: pids are reused, but not together with the start time and the machine's boot id.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use rustix::io::Errno;

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
    /// Whether it can be believed: false if it comes from a header whose two copies of it differ.
    pub(crate) is_sound: bool,
}

/// State and start time of the process with a given pid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessStat {
    /// The letter of its state: `T` is stopped, `t` is stopped by a debugger, `Z` is dead.
    pub(crate) state: u8,
    pub(crate) start_time: u64,
    /// Whether the main thread is being torn down (`PF_EXITING`).
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
            start_time: stat_of("self").ok().flatten().map_or(0, |stat| stat.start_time),
            boot_id: boot_id().unwrap_or_default(),
            is_sound: true,
        }
    }
}

/// The inode of a namespace of this process, 0 if it cannot be read.
pub(crate) fn namespace(kind: &str) -> u64 {
    fs::metadata(format!("/proc/self/ns/{kind}")).map_or(0, |ns| ns.ino())
}

/// The machine's boot id, zeros if it has none. Never fails once it has succeeded.
///
/// # Errors
///
/// The error of the system if there are no descriptors left to read it with.
pub(crate) fn boot_id() -> io::Result<[u64; 2]> {
    static KNOWN: OnceLock<[u64; 2]> = OnceLock::new();
    if let Some(known) = KNOWN.get() {
        return Ok(*known);
    }
    let text = match fs::read_to_string("/proc/sys/kernel/random/boot_id") {
        Err(error) if is_out_of_descriptors(&error) => return Err(error),
        read => read.unwrap_or_default(),
    };
    let hex: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    let half = |range| hex.get(range).and_then(|half| u64::from_str_radix(half, 16).ok()).unwrap_or(0);
    Ok(*KNOWN.get_or_init(|| [half(0..16), half(16..32)]))
}

/// The current state of the process `pid`; `None` if it does not exist.
///
/// # Errors
///
/// The error of the system if there are no descriptors left to read it with.
pub(crate) fn process(pid: u32) -> io::Result<Option<ProcessStat>> {
    stat_of(&pid.to_string())
}

/// Whether a file could not be opened because too many are open: nothing is known about the file then.
fn is_out_of_descriptors(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE))
}

fn stat_of(pid: &str) -> io::Result<Option<ProcessStat>> {
    match fs::read(format!("/proc/{pid}/stat")) {
        Err(error) if is_out_of_descriptors(&error) => Err(error),
        read => Ok(read.ok().and_then(|text| parse(&text))),
    }
}

fn parse(text: &[u8]) -> Option<ProcessStat> {
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
        let stat = process(own.pid).unwrap().unwrap();
        assert_eq!((stat.start_time, stat.is_exiting), (own.start_time, false));
        assert!(own.start_time > 0 && own.pid_namespace > 0 && own.boot_id != [0; 2]);
    }

    #[test]
    fn an_unused_pid_has_no_process() {
        assert_eq!(process(u32::MAX).unwrap(), None);
    }
}
