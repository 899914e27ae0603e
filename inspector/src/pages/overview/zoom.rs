//! The zoom of the strip: how many ticks, or how much time, one of its columns stands for.

use std::time::Duration;

/// Zoom steps: ticks per column. The last step is the one that shows all kept ticks.
const COLUMN_TICKS: [usize; 8] = [1, 2, 5, 10, 20, 50, 100, 200];

/// Zoom steps beyond all kept ticks: time per column.
const COLUMN_TIMES: [Duration; 11] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(300),
    Duration::from_secs(600),
];

/// A live strip that shows time moves by a column a second at most: what moves faster cannot be followed.
const LIVE_MAX: Duration = Duration::from_secs(1);

/// What a column of the strip stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zoom {
    /// This many ticks.
    Ticks(usize),
    /// This much time.
    Time(Duration),
}

impl Zoom {
    /// The next step out or in; `None` at the ends. With `ticks_for_all` ticks a column, all kept ticks are shown.
    #[must_use]
    pub fn next(self, out: bool, ticks_for_all: usize) -> Option<Self> {
        match (self, out) {
            (Self::Ticks(ticks), true) if ticks >= ticks_for_all => Some(Self::Time(COLUMN_TIMES[0])),
            (Self::Ticks(ticks), true) => {
                let next = COLUMN_TICKS.into_iter().find(|next| *next > ticks);
                Some(Self::Ticks(next.unwrap_or(ticks_for_all).min(ticks_for_all)))
            }
            (Self::Ticks(ticks), false) => {
                COLUMN_TICKS.into_iter().rev().find(|next| *next < ticks).map(Self::Ticks)
            }
            (Self::Time(time), true) => COLUMN_TIMES.into_iter().find(|next| *next > time).map(Self::Time),
            (Self::Time(time), false) => {
                let finer = COLUMN_TIMES.into_iter().rev().find(|next| *next < time);
                Some(finer.map_or(Self::Ticks(ticks_for_all), Self::Time))
            }
        }
    }
}

/// The finest step at which `span_ns` fits into `cells` columns; of a `live` loop at most a second, and later columns push
/// out the earlier ones.
#[must_use]
pub fn column_time(span_ns: u64, cells: usize, live: bool) -> Duration {
    let fits = |step: &Duration| {
        let columns = span_ns / u64::try_from(step.as_nanos()).unwrap_or(u64::MAX) + 2;
        columns <= cells as u64 || live && *step >= LIVE_MAX
    };
    COLUMN_TIMES.into_iter().find(fits).unwrap_or(COLUMN_TIMES[COLUMN_TIMES.len() - 1])
}

/// The fewest ticks per column with which `cells` show all of `kept` ticks.
#[must_use]
pub fn column_ticks_for_all(kept: usize, cells: usize) -> usize {
    kept.div_ceil(cells.max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(from: Zoom, out: bool, ticks_for_all: usize) -> Vec<Zoom> {
        std::iter::successors(Some(from), |zoom| zoom.next(out, ticks_for_all)).collect()
    }

    #[test]
    fn steps_go_from_one_tick_to_ten_minutes_and_back() {
        let out = all(Zoom::Ticks(1), true, 87);
        let ticks: Vec<Zoom> = [1, 2, 5, 10, 20, 50, 87].map(Zoom::Ticks).into();
        assert_eq!(out[..7], ticks);
        assert_eq!(out[7..], COLUMN_TIMES.map(Zoom::Time));
        let mut back = all(*out.last().unwrap(), false, 87);
        back.reverse();
        assert_eq!(back, out);
        assert_eq!(all(Zoom::Ticks(1), true, 1)[..2], [Zoom::Ticks(1), Zoom::Time(COLUMN_TIMES[0])]);
        assert_eq!(Zoom::Ticks(200).next(true, 235), Some(Zoom::Ticks(235)));
        assert_eq!(Zoom::Ticks(235).next(false, 235), Some(Zoom::Ticks(200)));
    }

    #[test]
    fn the_finest_step_that_shows_everything_is_chosen() {
        let seconds = |seconds: u64| seconds * 1_000_000_000;
        let of = |span, live| column_time(seconds(span), 90, live).as_millis();
        assert_eq!([0, 8, 9, 17, 60, 3600].map(|span| of(span, true)), [100, 100, 200, 200, 1000, 1000]);
        assert_eq!([8, 60, 100, 600, 28_800].map(|span| of(span, false)), [100, 1000, 2000, 10_000, 600_000]);
        assert_eq!(column_time(u64::MAX, 0, false), Duration::from_secs(600));
    }

    #[test]
    fn the_furthest_step_in_ticks_fills_the_strip() {
        assert_eq!([70, 188].map(|cells| column_ticks_for_all(16_384, cells)), [235, 88]);
        assert_eq!((column_ticks_for_all(1, 188), column_ticks_for_all(0, 0)), (1, 1));
    }
}
