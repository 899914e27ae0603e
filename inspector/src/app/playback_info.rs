//! Position and pace of a replay, as shown by the header and the scrubber.

use std::sync::Arc;

use loop_probes::ids::Timestamp;
use loop_traces::diagnosis::Diagnosis;

/// Slowest speed of a replay.
const SPEED_MIN: f64 = 0.1;
/// Fastest speed of a replay.
const SPEED_MAX: f64 = 1000.0;

/// The speeds that `+` and `-` step through.
const SPEEDS: [f64; 13] = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0];

/// A replay's position and pace.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaybackInfo {
    /// The start of the trace.
    pub start: Timestamp,
    /// The end of the trace, as far as it was read.
    pub end: Timestamp,
    /// The time that the dashboard shows.
    pub position: Timestamp,
    /// The end of the tick that was sought; `position` is then the time by which everything that the tick delayed had
    /// finished waiting. `None` for all other positions.
    pub marked: Option<Timestamp>,
    /// Whether it is playing.
    pub playing: bool,
    /// The pace, as a multiple of real time.
    pub speed: f64,
    /// The ends of all stalls of the trace, in order.
    pub stalls: Arc<[Timestamp]>,
    /// What is wrong most in the whole trace; `None` until it was read.
    pub diagnosis: Option<Arc<Diagnosis>>,
}

impl PlaybackInfo {
    /// The position as a share of the whole.
    #[must_use]
    pub fn share(&self) -> f64 {
        self.share_of(self.position)
    }

    /// A time as a share of the whole.
    #[must_use]
    pub fn share_of(&self, at: Timestamp) -> f64 {
        let whole = self.end.ns_since(self.start);
        if whole == 0 { 0.0 } else { (at.ns_since(self.start) as f64 / whole as f64).min(1.0) }
    }

    /// The time at a share of the whole.
    #[must_use]
    pub fn at_share(&self, share: f64) -> Timestamp {
        self.start.plus_ns((self.end.ns_since(self.start) as f64 * share.clamp(0.0, 1.0)) as u64)
    }

    /// Whether the end is reached.
    #[must_use]
    pub fn at_end(&self) -> bool {
        self.position >= self.end
    }
}

/// The next speed up or down from `speed`.
#[must_use]
pub fn next_speed(speed: f64, faster: bool) -> f64 {
    if faster {
        SPEEDS.into_iter().find(|next| *next > speed * 1.001).unwrap_or(SPEED_MAX)
    } else {
        SPEEDS.into_iter().rev().find(|next| *next < speed * 0.999).unwrap_or(SPEED_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_go_up_and_down_within_their_bounds() {
        assert_eq!((next_speed(1.0, true), next_speed(1.0, false)), (2.0, 0.5));
        assert_eq!((next_speed(3.0, true), next_speed(3.0, false)), (5.0, 2.0));
        assert_eq!((next_speed(1000.0, true), next_speed(0.1, false)), (1000.0, 0.1));
    }

    #[test]
    fn positions_convert_to_shares_and_back() {
        let info = PlaybackInfo {
            start: Timestamp(100),
            end: Timestamp(300),
            position: Timestamp(150),
            marked: None,
            playing: true,
            speed: 1.0,
            stalls: Arc::from([]),
            diagnosis: None,
        };
        assert!((info.share() - 0.25).abs() < 1e-9);
        assert_eq!(info.at_share(0.5), Timestamp(200));
        assert_eq!((info.at_share(-1.0), info.at_share(9.0)), (Timestamp(100), Timestamp(300)));
        assert!(!info.at_end());
    }
}
