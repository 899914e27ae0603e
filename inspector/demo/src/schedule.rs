//! The schedule of arrivals at the demo: open-loop, and determined by the seed alone.
//!
//! Each kind of arrival is an independent stream with exponential gaps, so that changing the rate of one does not move
//! the others; the schedule is the merge of the streams by time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fastrand::Rng;

/// Connections that send lines to be echoed.
pub const ECHO_CONNECTIONS: usize = 8;
/// Connections that send HTTP requests.
pub const HTTP_CONNECTIONS: usize = 8;
/// Files that the demo serves.
pub const FILES: usize = 24;

/// Operator commands, drawn at random: mostly a report, sometimes a collection or an unknown command.
const COMMANDS: [u8; 6] = *b"DDDDG?";

/// An arrival from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arrival {
    /// A line to be echoed.
    Echo {
        /// The number of the connection.
        connection: usize,
        /// The line's length without the newline, in bytes.
        length: usize,
    },
    /// An HTTP request.
    Http {
        /// The number of the connection.
        connection: usize,
        /// The route that is requested.
        route: Route,
    },
    /// Posts from another thread, all at once.
    Posts {
        /// The number of posts.
        count: u32,
    },
    /// A signal.
    Signal {
        /// `true` for `SIGUSR1`, `false` for `SIGUSR2`.
        usr1: bool,
    },
    /// A command that an operator sends through the loop's self-pipe, if the loop has one.
    Command {
        /// The command byte.
        byte: u8,
    },
}

/// The HTTP routes of the demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    /// `/`: a small page.
    Index,
    /// `/file/N`: a file, read on the work pool.
    File(usize),
    /// `/cache/N`: an entry of the cache, rendered if missing.
    Cache(u32),
    /// `/report?rows=N`: computed on the loop's thread, as a deliberate mistake.
    Report(u32),
}

/// Streams of arrivals, by mean rate.
#[derive(Clone, Copy, Debug)]
enum Stream {
    Echo,
    Index,
    File,
    Cache,
    Report,
    Posts,
    Usr1,
    Usr2,
    Command,
}

const STREAMS: [Stream; 9] = [
    Stream::Echo,
    Stream::Index,
    Stream::File,
    Stream::Cache,
    Stream::Report,
    Stream::Posts,
    Stream::Usr1,
    Stream::Usr2,
    Stream::Command,
];

impl Stream {
    /// Arrivals per second at a load of `rate` requests per second. Arrivals other than requests have fixed rates.
    fn rate(self, rate: f64) -> f64 {
        match self {
            Self::Echo => rate * 0.45,
            Self::Index => rate * 0.25,
            Self::Cache => rate * 0.2,
            Self::File => rate * 0.1,
            Self::Report => 0.4,
            Self::Posts => 25.0,
            Self::Usr1 => 2.0,
            Self::Usr2 => 0.5,
            Self::Command => 1.0,
        }
    }

    fn arrival(self, rng: &mut Rng) -> Arrival {
        let http = |route, rng: &mut Rng| Arrival::Http { connection: rng.usize(..HTTP_CONNECTIONS), route };
        match self {
            Self::Echo => {
                Arrival::Echo { connection: rng.usize(..ECHO_CONNECTIONS), length: rng.usize(16..256) }
            }
            Self::Index => http(Route::Index, rng),
            Self::File => http(Route::File(rng.usize(..FILES)), rng),
            Self::Cache => http(Route::Cache(rng.u32(..20_000)), rng),
            Self::Report => http(Route::Report(rng.u32(14..36)), rng),
            Self::Posts => Arrival::Posts { count: rng.u32(1..6) },
            Self::Usr1 => Arrival::Signal { usr1: true },
            Self::Usr2 => Arrival::Signal { usr1: false },
            Self::Command => Arrival::Command { byte: COMMANDS[rng.usize(..COMMANDS.len())] },
        }
    }
}

/// The endless sequence of arrivals of one run, in time order.
#[derive(Debug)]
pub struct Schedule {
    rate: f64,
    generators: Vec<Rng>,
    next: BinaryHeap<Reverse<(u64, usize)>>,
}

impl Schedule {
    /// The schedule of `seed` at `rate` requests a second.
    #[must_use]
    pub fn new(seed: u64, rate: f64) -> Self {
        let generators = (0..STREAMS.len())
            .map(|stream| Rng::with_seed(seed.wrapping_mul(31).wrapping_add(stream as u64)));
        let mut schedule = Self { rate, generators: generators.collect(), next: BinaryHeap::new() };
        for stream in 0..STREAMS.len() {
            schedule.arm(stream, 0);
        }
        schedule
    }

    fn arm(&mut self, stream: usize, after_ns: u64) {
        let uniform = self.generators[stream].f64();
        let gap_s = -(1.0 - uniform).ln() / STREAMS[stream].rate(self.rate);
        self.next.push(Reverse((after_ns.saturating_add((gap_s * 1e9) as u64), stream)));
    }
}

impl Iterator for Schedule {
    /// Nanoseconds from the start, and the arrival.
    type Item = (u64, Arrival);

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((at_ns, stream)) = self.next.pop()?;
        let arrival = STREAMS[stream].arrival(&mut self.generators[stream]);
        self.arm(stream, at_ns);
        Some((at_ns, arrival))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first_seconds(seed: u64, rate: f64, seconds: u64) -> Vec<(u64, Arrival)> {
        Schedule::new(seed, rate).take_while(|(at_ns, _)| *at_ns < seconds * 1_000_000_000).collect()
    }

    #[test]
    fn the_seed_fixes_everything() {
        assert_eq!(first_seconds(7, 600.0, 5), first_seconds(7, 600.0, 5));
        assert_ne!(first_seconds(7, 600.0, 5), first_seconds(8, 600.0, 5));
    }

    #[test]
    fn arrivals_come_in_order_and_at_their_rate() {
        let arrivals = first_seconds(1, 500.0, 60);
        assert!(arrivals.is_sorted_by_key(|(at_ns, _)| *at_ns));
        let requests =
            arrivals.iter().filter(|(_, a)| matches!(a, Arrival::Echo { .. } | Arrival::Http { .. })).count();
        // 30,024 expected; a Poisson count of that size strays by 173 in one run of three.
        assert!((29_000..31_100).contains(&requests), "{requests}");
    }

    #[test]
    fn another_rate_leaves_the_other_streams_alone() {
        let signals = |rate| {
            let arrivals = first_seconds(3, rate, 20).into_iter();
            arrivals.filter(|(_, arrival)| matches!(arrival, Arrival::Signal { .. })).collect::<Vec<_>>()
        };
        assert_eq!(signals(100.0), signals(2000.0));
        assert!(!signals(100.0).is_empty());
    }
}
