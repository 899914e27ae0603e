//! Counts system calls: this program runs itself again under ptrace, and counts the calls between two marks.
//!
//! This needs no installed tool and includes the threads that a library starts. Each call has its time, to
//! distinguish calls made while falling asleep from those made while asleep.
#![expect(unsafe_code, reason = "ptrace")]

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use loop_probes::clock::monotonic_now;
use loop_probes::ids::Timestamp;

/// The first argument of this program's second run, before the words of [`run`].
pub(crate) const SECOND_RUN: &str = "--second-run";

/// The call used as a mark: nothing here makes it otherwise, and its argument is never valid.
pub(crate) const MARK: (libc::c_long, i32) = (libc::SYS_getpgid, -77);

/// A system call made between the marks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) number: libc::c_long,
    pub(crate) at: Timestamp,
    /// Whether the process's first thread made it.
    pub(crate) by_main: bool,
}

/// The start of the kernel's `ptrace_syscall_info` on entry to a call.
#[repr(C)]
#[derive(Default)]
struct SyscallInfo {
    op: u8,
    _padding: [u8; 3],
    arch: u32,
    instruction_pointer: u64,
    stack_pointer: u64,
    number: u64,
    arguments: [u64; 6],
}

const ENTRY: u8 = 1;
/// A stop at a system call, as opposed to a signal (`PTRACE_O_TRACESYSGOOD`).
const SYSCALL_STOP: i32 = libc::SIGTRAP | 0x80;

/// Runs this program again with `words`; returns the calls between its two marks.
pub(crate) fn run(words: &[&str]) -> Result<Vec<Call>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(SECOND_RUN).args(words).stdin(Stdio::null()).stdout(Stdio::null());
    // SAFETY: only a bare system call is made between fork and exec.
    unsafe { command.pre_exec(|| ptrace(libc::PTRACE_TRACEME, 0, 0, 0)) };
    let child = command.spawn().context("ptrace is not allowed here")?;
    let main = child.id() as libc::pid_t;
    let (pid, status) = wait(main)?;
    ensure!(pid == main && libc::WIFSTOPPED(status), "the second run did not stop at its start");
    let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_EXITKILL;
    ptrace(libc::PTRACE_SETOPTIONS, main, 0, options as usize)?;
    ptrace(libc::PTRACE_SYSCALL, main, 0, 0)?;
    let (mut calls, mut marks) = (Vec::new(), 0);
    loop {
        let (pid, status) = wait(-1)?;
        if !libc::WIFSTOPPED(status) {
            if pid == main {
                ensure!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0, "the second run failed");
                break;
            }
            continue;
        }
        let mut signal = libc::WSTOPSIG(status);
        if signal == SYSCALL_STOP {
            match entered(pid)? {
                Some((number, argument)) if (number, argument) == MARK => marks += 1,
                Some((number, _)) if marks == 1 => {
                    calls.push(Call { number, at: monotonic_now(), by_main: pid == main });
                }
                _ => {}
            }
        }
        if signal == SYSCALL_STOP || signal == libc::SIGTRAP || signal == libc::SIGSTOP {
            // Stops caused by the tracing itself are hidden from the program.
            signal = 0;
        }
        // A thread that has been killed since is not an error.
        let _ = ptrace(libc::PTRACE_SYSCALL, pid, 0, signal as usize);
    }
    if marks != 2 {
        bail!("the second run passed {marks} marks");
    }
    Ok(calls)
}

/// The call that `pid` enters, and its first argument; `None` on return from a call.
fn entered(pid: libc::pid_t) -> io::Result<Option<(libc::c_long, i32)>> {
    let mut info = SyscallInfo::default();
    let pointer = &raw mut info as usize;
    ptrace(libc::PTRACE_GET_SYSCALL_INFO as _, pid, size_of::<SyscallInfo>(), pointer)?;
    Ok((info.op == ENTRY).then_some((info.number as libc::c_long, info.arguments[0] as i32)))
}

fn ptrace(request: u32, pid: libc::pid_t, address: usize, data: usize) -> io::Result<()> {
    // SAFETY: the requests in this file write at most to `data`, which is then a struct of size `address`.
    let returned = unsafe { libc::ptrace(request, pid, address, data) };
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn wait(pid: libc::pid_t) -> io::Result<(libc::pid_t, libc::c_int)> {
    let mut status = 0;
    // SAFETY: the status lives as long as the call.
    let stopped = unsafe { libc::waitpid(pid, &raw mut status, libc::__WALL) };
    if stopped < 0 { Err(io::Error::last_os_error()) } else { Ok((stopped, status)) }
}

/// Calls by name with their counts, as in `epoll_wait 1, read 2`.
pub(crate) fn by_name(calls: &[Call]) -> String {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(name(call.number)).or_insert(0) += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(name, count)| format!("{name} {count}")).collect();
    counts.join(", ")
}

fn name(number: libc::c_long) -> String {
    let known = [
        (libc::SYS_epoll_pwait, "epoll_pwait"),
        (libc::SYS_epoll_pwait2, "epoll_pwait2"),
        (libc::SYS_epoll_ctl, "epoll_ctl"),
        (libc::SYS_timerfd_settime, "timerfd_settime"),
        (libc::SYS_clock_gettime, "clock_gettime"),
        (libc::SYS_clock_nanosleep, "clock_nanosleep"),
        (libc::SYS_futex, "futex"),
        (libc::SYS_read, "read"),
        (libc::SYS_write, "write"),
        (libc::SYS_mmap, "mmap"),
        (libc::SYS_munmap, "munmap"),
        (libc::SYS_madvise, "madvise"),
        (libc::SYS_brk, "brk"),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_epoll_wait, "epoll_wait"),
        #[cfg(target_arch = "x86_64")]
        (libc::SYS_poll, "poll"),
    ];
    let known = known.into_iter().find(|(known, _)| *known == number);
    known.map_or_else(|| format!("#{number}"), |(_, name)| name.to_owned())
}
