//! Messages from many threads to one: the bare queues, and the loops and channels that wait for them.

mod queues;
mod waiting;

use std::sync::Barrier;

use anyhow::Result;
use loop_probes::clock::monotonic_now;

use crate::measure::{Effort, Samples, Subject, interleave_one};
use crate::table::{Report, Section, Target, figure, times};
use crate::{peers, uv};

const PRODUCERS: [usize; 3] = [1, 2, 4];

/// Sends to a queue from any thread.
trait Sender: Sync {
    fn send(&self, number: u64);
}

/// Nanoseconds a message: `producers` threads send `count` in all, `receive` returns when it has them.
fn sample(producers: usize, count: usize, sender: &impl Sender, receive: impl FnOnce(usize)) -> f64 {
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
    subjects: fn(producers: usize, count: usize) -> Result<Vec<Subject<'static>>>,
) -> Result<Vec<Vec<Samples>>> {
    let count = if effort.quick { 40_000 } else { 200_000 };
    let columns = PRODUCERS.map(|producers| {
        let subjects = subjects(producers, count)?;
        Ok(interleave_one(effort.rounds(9, 61), subjects))
    });
    columns.into_iter().collect()
}

pub(crate) fn run(effort: Effort, report: &mut Report) -> Result<()> {
    let bare = measured(effort, queues::subjects)?;
    let best: Vec<Samples> = bare.iter().map(|columns| columns[0].min(&columns[1])).collect();
    let text = "Nanoseconds of one message from its sender to the one thread that takes them. The receiver of a bare \
        queue never sleeps: it looks again, and lets others run when it found nothing.";
    section(
        report,
        "Messages from other threads, the queue",
        text,
        "beside the best of crossbeam, 1 / 2 / 4",
        &bare,
        &best,
    );
    for ((columns, best), producers) in bare.iter().zip(&best).zip(PRODUCERS) {
        let ratio = columns[2].ratio(best);
        let what = format!("the queue, {producers} at once, beside the best of crossbeam");
        report.targets.push(Target::at_most(1.5, " ×", what, ratio));
    }
    let waiting = measured(effort, waiting::subjects)?;
    let first: Vec<Samples> = waiting.iter().map(|columns| columns[0].clone()).collect();
    let text = "The same to a receiver that waits when it found nothing: a loop that is woken and calls back, or a \
        thread that blocks.";
    section(
        report,
        "Messages from other threads, to a loop",
        text,
        "beside ours, 1 / 2 / 4",
        &waiting,
        &first,
    );
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
    let mut section = Section::new(title, text, &["ns", "1 producer", "2 producers", "4 producers", beside]);
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
