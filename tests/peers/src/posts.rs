//! Measures messages from many threads to one: the bare queues, and the loops and channels that wait for them.

mod queues;
mod waiting;

use std::sync::Barrier;

use anyhow::Result;
use loop_probes::clock::monotonic_now;

use crate::measure::{Effort, Samples, Subject, interleave_one, ns_each};
use crate::table::{Report, Section, Target, figure, times};
use crate::{peers, uv};

const PRODUCERS: [usize; 3] = [1, 2, 4];
/// With no other thread: the receiver sends this many itself, then takes them, and so on.
const ALONE: usize = 0;
const IN_A_ROW: usize = 500;

/// Sends to a queue from any thread.
trait Sender: Sync {
    fn send(&self, number: u64);
}

/// Nanoseconds per message: `producers` threads send `count` in total, and `receive` returns once it has them.
fn sample(producers: usize, count: usize, sender: &impl Sender, mut receive: impl FnMut(usize)) -> f64 {
    if producers == ALONE {
        let rows = count / IN_A_ROW;
        return ns_each(rows * IN_A_ROW, || {
            for _ in 0..rows {
                (0..IN_A_ROW as u64).for_each(|number| sender.send(number));
                receive(IN_A_ROW);
            }
        });
    }
    let each = count / producers;
    let start_line = Barrier::new(producers + 1);
    std::thread::scope(|scope| {
        for _ in 0..producers {
            scope.spawn(|| {
                start_line.wait();
                for number in 0..each as u64 {
                    sender.send(number);
                }
            });
        }
        start_line.wait();
        let start = monotonic_now();
        receive(each * producers);
        monotonic_now().ns_since(start) as f64 / (each * producers) as f64
    })
}

/// One part: its subjects with each number of producers.
fn measured(
    effort: Effort,
    producers: &[usize],
    subjects: fn(producers: usize, count: usize) -> Result<Vec<Subject<'static>>>,
) -> Result<Vec<Vec<Samples>>> {
    let count = if effort.quick { 40_000 } else { 200_000 };
    let columns = producers.iter().map(|&producers| {
        let subjects = subjects(producers, count)?;
        Ok(interleave_one(effort.rounds(9, 61), subjects))
    });
    columns.collect()
}

pub(crate) fn run(effort: Effort, report: &mut Report) -> Result<()> {
    let bare = measured(effort, &[&[ALONE], &PRODUCERS[..]].concat(), queues::subjects)?;
    let best: Vec<Samples> = bare.iter().map(|columns| columns[0].min(&columns[1])).collect();
    let text = "Nanoseconds per message from its sender to the single receiving thread. The receiver of a bare \
        queue never sleeps: it polls, and yields when the queue is empty. *Alone* is without another thread: 500 \
        sent, 500 received, and so on, the cost without any contention. `ArrayQueue` holds 65,536 and makes its \
        senders wait; the others are unbounded. All messages carry the same: a number, the sender, the time.";
    section(
        report,
        "Messages from other threads, the queue",
        text,
        "relative to the best of crossbeam",
        &bare,
        &best,
    );
    for ((columns, best), producers) in bare.iter().zip(&best).skip(1).zip(PRODUCERS) {
        let ratio = columns[2].ratio(best);
        let unbounded = columns[2].ratio(&columns[1]);
        let what = format!("the queue, {producers} at once, relative to crossbeam's unbounded one");
        report.targets.push(Target::at_most(1.5, " ×", what, unbounded));
        let what = format!("the queue, {producers} at once, relative to the best of crossbeam");
        report.targets.push(Target::at_most(1.5, " ×", what, ratio));
    }
    let waiting = measured(effort, &PRODUCERS, waiting::subjects)?;
    let first: Vec<Samples> = waiting.iter().map(|columns| columns[0].clone()).collect();
    let text = "The same with a receiver that sleeps when the queue is empty: a loop that is woken and runs a \
        callback, or a thread that blocks.";
    section(report, "Messages from other threads, to a loop", text, "relative to ours", &waiting, &first);
    Ok(())
}

fn section(
    report: &mut Report,
    title: &'static str,
    text: &str,
    beside: &str,
    columns: &[Vec<Samples>],
    floors: &[Samples],
) {
    let mut head = vec!["ns", "alone", "1 producer", "2 producers", "4 producers", beside];
    if columns.len() == PRODUCERS.len() {
        head.remove(1);
    }
    let mut section = Section::new(title, text, &head);
    let Some(first) = columns.first() else { return };
    for (index, subject) in first.iter().enumerate() {
        let figures = columns.iter().map(|columns| figure(columns[index].median()));
        let ratios = columns.iter().zip(floors).map(|(columns, floor)| times(columns[index].ratio(floor)));
        let ratios: Vec<String> = ratios.collect();
        section.row(&subject.name, figures.chain([ratios.join(" / ")]));
    }
    if title.ends_with("loop") && uv::version().is_none() {
        section.note(peers::NO_LIBUV);
    }
    report.sections.push(section);
}
