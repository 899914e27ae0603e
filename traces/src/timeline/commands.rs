//! External input to the loop: wakeups by other threads, commands through the self-pipe, pumps of a foreign loop.

use loop_probes::ids::Timestamp;

use super::baseline::Figures;
use crate::histogram::Histogram;

/// Wakeups by other threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wakes {
    /// Wakeups that reached the loop.
    pub count: u64,
    /// Further ones coalesced into these.
    pub coalesced: u64,
}

/// One command byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CommandStats {
    /// The byte that was received.
    pub byte: u8,
    /// Whether it names a command.
    pub known: bool,
    /// How often it arrived.
    pub count: u64,
    /// When it last arrived.
    pub last_at: Timestamp,
}

/// Command bytes through the self-pipe.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commands {
    /// Figures by byte, in order of first arrival.
    pub by_byte: Vec<CommandStats>,
}

impl Commands {
    /// Bytes received.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.by_byte.iter().map(|command| command.count).sum()
    }

    /// Bytes that name no command.
    #[must_use]
    pub fn unknown(&self) -> u64 {
        self.by_byte.iter().filter(|command| !command.known).map(|command| command.count).sum()
    }

    /// Its figures, for [`baseline`](super::baseline).
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        for CommandStats { byte, known, count, last_at: _ } in &mut self.by_byte {
            by.part(u64::from(*byte) << 1 | u64::from(*known), false, |by| by.count(count));
        }
    }

    pub(crate) fn command_received(&mut self, at: Timestamp, byte: u8, known: bool) {
        let same = |command: &CommandStats| (command.byte, command.known) == (byte, known);
        let place = self.by_byte.iter().position(same).unwrap_or_else(|| {
            self.by_byte.push(CommandStats { byte, known, count: 0, last_at: at });
            self.by_byte.len() - 1
        });
        let command = &mut self.by_byte[place];
        command.count += 1;
        command.last_at = at;
    }
}

/// Formats a command byte: as a character if printable, else in hexadecimal.
#[must_use]
pub fn command_name(byte: u8) -> String {
    if byte.is_ascii_graphic() { char::from(byte).to_string() } else { format!("0x{byte:02x}") }
}

/// Pumps of a foreign loop.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Pumps {
    /// Pumps that handled a source of the foreign loop.
    pub handled: u64,
    /// Pumps made because the foreign loop was ready; the others were made because time had passed.
    pub ready: u64,
    /// Durations of pumps. The count is the number of pumps.
    pub run_ns: Histogram,
    /// When the last one returned.
    pub last_at: Option<Timestamp>,
}

impl Pumps {
    /// Pumps.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.run_ns.count()
    }

    /// Pumps made because time had passed.
    #[must_use]
    pub fn polled(&self) -> u64 {
        self.count().saturating_sub(self.ready)
    }

    /// Its figures, for [`baseline`](super::baseline).
    pub(super) fn figures(&mut self, by: &mut impl Figures) {
        let Self { handled, ready, run_ns, last_at: _ } = self;
        by.counts([handled, ready]);
        by.histogram(run_ns);
    }

    pub(crate) fn add(&mut self, at: Timestamp, handled: bool, ready: bool, run_ns: u64) {
        self.handled += u64::from(handled);
        self.ready += u64::from(ready);
        self.run_ns.record(run_ns);
        self.last_at = Some(at);
    }
}
