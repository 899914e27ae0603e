//! Measures the cost of arming, clearing and firing timers, from a thousand to a million of them.

mod crowded;
mod heaps;
mod loops;
mod ours;
mod runtimes;

use anyhow::Result;
use loop_probes::clock::monotonic_now;

use crate::measure::{Effort, Random, Samples, Subject, interleave, sleep_until};
use crate::peers;
use crate::table::{Report, Section, Target, figure, times};
use crate::uv;

const MS: u64 = 1_000_000;
/// Delays of the timers that are cleared: usual timeouts, none of which comes due during the bench.
const TIMEOUT_NS: (u64, u64) = (10_000 * MS, 70_000 * MS);
/// Delays of the timers that fire: short, and spread out.
const SOON_NS: (u64, u64) = (MS, 20 * MS);

/// Timers of one kind. The last call of each sample empties them, and they are reused.
pub(crate) trait Timers {
    /// Called before a sample, for work that is not measured.
    fn prepare(&mut self, _count: usize) {}

    /// Arms one timer for each delay, numbered from 0.
    fn insert(&mut self, delays_ns: &[u64]);

    /// Clears all timers, by their numbers.
    fn cancel(&mut self, order: &[usize]);

    /// Runs all timers, which are due.
    fn fire(&mut self, count: usize);

    /// Waits until the last timer is due and fires them all; returns the nanoseconds taken by the firing.
    fn fire_ns(&mut self, count: usize, delay_ns_max: u64) -> u64 {
        // Some kinds count whole milliseconds, and round up.
        sleep_until(monotonic_now().plus_ns(delay_ns_max + 2 * MS));
        let start = monotonic_now();
        self.fire(count);
        monotonic_now().ns_since(start)
    }
}

/// A kind of timers: its name, the largest number it can handle, and how to make it.
struct Kind {
    name: &'static str,
    count_max: usize,
    make: fn() -> Result<Option<Box<dyn Timers>>>,
}

const fn kind(name: &'static str, make: fn() -> Result<Option<Box<dyn Timers>>>) -> Kind {
    Kind { name, count_max: usize::MAX, make }
}

const KINDS: [Kind; 8] = [
    kind("**the timers alone (`TimerQueue`)**", || Ok(Some(Box::new(ours::Alone::new())))),
    kind("**on the loop**", || Ok(Some(Box::new(ours::OnLoop::new()?)))),
    kind("`BinaryHeap`, cleared lazily", || Ok(Some(Box::new(heaps::Heap::default())))),
    kind("hierarchical_hash_wheel_timer", || Ok(Some(Box::new(heaps::HashWheel::default())))),
    kind("tokio: `Sleep`", || Ok(Some(Box::new(runtimes::Tokio::new()?)))),
    kind("libuv", || Ok(loops::Libuv::new().map(|timers| Box::new(timers) as Box<dyn Timers>))),
    kind("async-io: `Timer`", || Ok(Some(Box::new(runtimes::AsyncIo::default())))),
    Kind {
        name: "calloop",
        // Each insertion scans all others.
        count_max: 10_000,
        make: || Ok(Some(Box::new(loops::Calloop::new()?))),
    },
];

/// Nanoseconds per insertion, per clearing and per firing.
fn sample(timers: &mut dyn Timers, count: usize, random: &mut Random) -> [f64; 3] {
    // Small sizes are repeated until there is enough to measure.
    let repeats = (2_000 / count).max(1);
    let later: Vec<u64> = (0..count).map(|_| random.between(TIMEOUT_NS.0, TIMEOUT_NS.1)).collect();
    let soon: Vec<u64> = (0..count).map(|_| random.between(SOON_NS.0, SOON_NS.1)).collect();
    let order = random.shuffled(count);
    let mut taken = [0; 3];
    for _ in 0..repeats {
        timers.prepare(count);
        let start = monotonic_now();
        timers.insert(&later);
        let inserted = monotonic_now();
        timers.cancel(&order);
        let cleared = monotonic_now();
        timers.prepare(count);
        timers.insert(&soon);
        let fired_ns = timers.fire_ns(count, SOON_NS.1);
        let spans = [inserted.ns_since(start), cleared.ns_since(inserted), fired_ns];
        taken.iter_mut().zip(spans).for_each(|(sum, span)| *sum += span);
    }
    taken.map(|sum| sum as f64 / (repeats * count) as f64)
}

/// One size: insertion, clearing and firing for each kind that can handle it.
fn measured(effort: Effort, count: usize) -> Result<Vec<[Samples; 3]>> {
    let rounds = match count {
        ..100_000 => effort.rounds(3, 31),
        100_000..1_000_000 => effort.rounds(1, 11),
        _ => effort.rounds(1, 5),
    };
    let mut subjects = Vec::new();
    for kind in KINDS.iter().filter(|kind| count <= kind.count_max) {
        let Some(mut timers) = (kind.make)()? else { continue };
        let mut random = Random(count as u64);
        subjects.push(Subject::of(kind.name, move || sample(&mut *timers, count, &mut random)));
    }
    Ok(interleave(rounds, subjects))
}

pub(crate) fn run(effort: Effort, report: &mut Report) -> Result<()> {
    let text = "The number of timers in the column head is armed for 10 to 70 s from now, then all are cleared in \
        random order; the same number is armed for the next 20 ms, and all fire together when the last is due. \
        Nanoseconds per timer, the average over all. libuv's handles are initialised beforehand; tokio's and \
        async-io's are futures that a counting waker polls; async-io also fires on a thread of its own, so its \
        figure is processor time.";
    let counts = [1_000, 10_000, 100_000, 1_000_000];
    let mut by_count = Vec::new();
    for count in counts {
        by_count.push(measured(effort, count)?);
    }
    let steps = ["Arming a timer", "Clearing a timer", "Firing a timer"];
    for (step, title) in steps.into_iter().enumerate() {
        let text = if step == 0 { text } else { "The same run." };
        let head = ["ns", "10³", "10⁴", "10⁵", "10⁶", "10⁶, relative to ours alone"];
        let mut section = Section::new(title, text, &head);
        for kind in &KINDS {
            let cell =
                |columns: &[[Samples; 3]]| find(columns, kind.name).map(|samples| samples[step].clone());
            let cells: Vec<Option<Samples>> = by_count.iter().map(|columns| cell(columns)).collect();
            if cells.iter().all(Option::is_none) {
                continue;
            }
            let ratio = || Some(cells.last()?.as_ref()?.ratio(&find(by_count.last()?, KINDS[0].name)?[step]));
            let figures = cells.iter().map(|cell| figure(cell.as_ref().map_or(f64::NAN, Samples::median)));
            section.row(kind.name, figures.chain([times(ratio().unwrap_or(f64::NAN))]));
        }
        if uv::version().is_none() && step == 0 {
            section.note(peers::NO_LIBUV);
        }
        report.sections.push(section);
    }
    crowded::run(effort, report)?;
    let (Some(few), Some(many)) = (by_count.first(), by_count.last()) else { return Ok(()) };
    let (Some(few), Some(many)) = (find(few, KINDS[0].name), find(many, KINDS[0].name)) else {
        return Ok(());
    };
    for (step, (what, limit)) in
        [("arming", 10.0), ("clearing", 20.0), ("firing", 200.0)].into_iter().enumerate()
    {
        let what = format!("{what} one of 10⁶ timers");
        report.targets.push(Target::at_most(limit, " ns", what, many[step].median()));
    }
    for (step, what) in ["arming", "clearing", "firing"].into_iter().enumerate() {
        let growth = many[step].median() / few[step].median();
        report.targets.push(Target::at_most(
            2.0,
            " ×",
            format!("{what}: one of 10⁶ relative to one of 10³"),
            growth,
        ));
    }
    Ok(())
}

fn find<'a>(columns: &'a [[Samples; 3]], name: &str) -> Option<&'a [Samples; 3]> {
    columns.iter().find(|[first, ..]| first.name == name)
}
