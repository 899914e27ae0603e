//! Measures the cost of one record, compared with its floor, in one run.
//!
//! `cargo bench -p loop-probes --bench record`. Every figure is the median of many short samples. Where two are
//! compared, their samples are interleaved and the ratio is the median of the pairs' ratios, because a shared
//! machine drifts. The reader of the second half is a separate process: this program, started again.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

use std::hint::black_box;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::Duration;

use loop_probes::clock::{Clock, SystemClock, TickUnit, monotonic_now};
use loop_probes::event::{ClockPoint, Event, Outcome};
use loop_probes::ids::{Tag, TaskId, Ticks, TimerId, Timestamp};
use loop_probes::process::{ProcessReader, ProcessState};
use loop_probes::recorder::{Recorder, Running};
use loop_probes::ring::Start;
use loop_probes::session::Session;

/// Records per sample: a few hundred microseconds.
const BATCH: u64 = 20_000;
const SAMPLES: usize = 201;
const PAIRS: usize = 101;
/// Samples per half of a pair: some milliseconds, so that the reader polls several times.
const LONG: usize = 48;
const BLAST_RECORDS: u64 = 50_000_000;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match (args.next().as_deref(), args.next()) {
        (Some("--read"), Some(path)) => read(Path::new(&path)),
        _ => bench(),
    }
}

fn event(number: u64, at: Ticks) -> Event<Ticks> {
    Event::TaskRan {
        task: TaskId(number),
        tag: Tag(7),
        outcome: Outcome::Done,
        queued: Ticks(at.0 - 900),
        start: Ticks(at.0 - 400),
    }
}

/// Nanoseconds per call, over a batch.
#[inline(always)]
fn sample(mut work: impl FnMut(u64)) -> f64 {
    let start = monotonic_now();
    for number in 0..BATCH {
        work(number);
    }
    monotonic_now().ns_since(start) as f64 / BATCH as f64
}

/// Several samples in a row, more than a lap of the ring, so that the slots touched by the reader are written
/// again.
fn long_sample(work: fn(&Subjects) -> f64, subjects: &Subjects) -> f64 {
    (0..LONG).map(|_| work(subjects)).sum::<f64>() / LONG as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

struct Subjects {
    clock: SystemClock,
    own: Recorder,
    shared: Recorder,
    disabled: Recorder,
    /// The slots of a ring without stamps and laps: the floor for a record without a clock.
    bare: Vec<[u64; 4]>,
}

impl Subjects {
    fn new(session: &Session) -> Self {
        Self {
            clock: session.clock(),
            own: session.recorder("own timestamp"),
            shared: session.recorder("shared timestamp"),
            disabled: Recorder::disabled(),
            bare: vec![[0; 4]; 65_536],
        }
    }

    fn rdtsc(&self) -> f64 {
        sample(|_| {
            black_box(self.clock.ticks());
        })
    }

    fn own(&self) -> f64 {
        sample(|number| {
            let at = self.clock.ticks();
            self.own.record(at, event(number, at));
        })
    }

    fn shared(&self) -> f64 {
        let at = self.clock.ticks();
        sample(|number| self.shared.record(at, event(number, black_box(at))))
    }

    fn disabled(&self) -> f64 {
        let disabled = black_box(&self.disabled);
        let at = self.clock.ticks();
        sample(|number| disabled.record(at, event(number, black_box(at))))
    }

    fn running(&self) -> f64 {
        let at = self.clock.ticks();
        let running = |number| Running::Task { task: TaskId(number), tag: Tag(7) };
        sample(|number| self.own.set_running(black_box(at), running(number)))
    }

    /// A clock reading for re-execution: a single record, but with a field of more than 32 bits.
    fn wide(&self) -> f64 {
        let at = self.clock.ticks();
        sample(|number| {
            let now = Timestamp(black_box(1 << 50) + number);
            self.shared.record(at, Event::InputClock { point: ClockPoint::AfterPoll, now });
        })
    }

    /// A timer's firing: three records.
    fn long(&self) -> f64 {
        let at = self.clock.ticks();
        sample(|number| {
            let (due, fired) = (Timestamp(black_box(1 << 50)), Timestamp(black_box(1 << 50) + number));
            let (timer, tag, task) = (TimerId(number), Tag(7), TaskId(number));
            self.shared.record(at, Event::TimerFired { timer, tag, task, due, fired, skipped: 0 });
        })
    }

    fn bare(&mut self) -> f64 {
        let ring = black_box(self.bare.as_mut_slice());
        let slots = ring.len() - 1;
        let ns = sample(|number| ring[number as usize & slots] = [number, 7, number << 8, 500]);
        black_box(ring);
        ns
    }
}

fn bench() -> ExitCode {
    let folder = tempfile::tempdir().expect("a folder for the ring");
    let session =
        Session::builder("bench").shared_in(&folder.path().join("rings")).expect("a shared session");
    let mut subjects = Subjects::new(&session);
    let unit = match session.clock().unit() {
        TickUnit::Tsc => "rdtsc",
        TickUnit::Monotonic => "clock_gettime (no invariant TSC here)",
    };
    // Warms up every page and the clock frequency.
    for _ in 0..20 {
        let _warm = (subjects.own(), subjects.shared(), subjects.bare());
    }
    let mut columns: [Vec<f64>; 8] = Default::default();
    for _ in 0..SAMPLES {
        let row = [
            subjects.rdtsc(),
            subjects.bare(),
            subjects.own(),
            subjects.shared(),
            subjects.disabled(),
            subjects.running(),
            subjects.wide(),
            subjects.long(),
        ];
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    let ratio = median(columns[2].iter().zip(&columns[0]).map(|(own, floor)| own / floor).collect());
    let [rdtsc, bare, own, shared, disabled, running, wide, long] = columns.map(median);

    println!("one record, ns (median of {SAMPLES} samples of {BATCH})");
    println!("  {unit:<34} {rdtsc:8.2}");
    println!("  bare 32-byte ring store            {bare:8.2}");
    println!("  now running (beside the records)   {running:8.2}");
    println!("  a wide record, shared timestamp    {wide:8.2}");
    println!("  an event of three records          {long:8.2}");
    let mut met = true;
    let mut target = |name: &str, ns: f64, value: f64, limit: f64, what: &str| {
        met &= value <= limit;
        let verdict = if value <= limit { "met" } else { "MISSED" };
        println!("  {name:<34} {ns:8.2}   {value:.2} {what}, target {limit}: {verdict}");
    };
    target("record with its own timestamp", own, ratio, 1.1, "x rdtsc");
    target("record with a shared timestamp", shared, shared, 3.0, "ns");
    target("disabled", disabled, disabled, 1.0, "ns");

    println!("with a reader attached from another process (median ratio of {PAIRS} interleaved pairs)");
    // The reader is held and released between the halves of a pair.
    let mut attached = Reader::start(session.path().expect("a shared session has a path"));
    for (name, work) in
        [("own timestamp", Subjects::own as fn(&Subjects) -> f64), ("shared timestamp", Subjects::shared)]
    {
        let (mut ratios, mut without, mut with) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            attached.pause();
            let alone = long_sample(work, &subjects);
            attached.resume();
            let read = long_sample(work, &subjects);
            ratios.push(read / alone);
            without.push(alone);
            with.push(read);
        }
        let figures = format!("{:.2} -> {:.2}", median(without), median(with));
        let ratio = median(ratios);
        target(&format!("{name} {figures}"), ratio, ratio, 1.5, "x");
    }
    attached.resume();

    println!("full blast, {BLAST_RECORDS} records while the reader reads");
    let before = (subjects.own.written(), subjects.shared.written());
    let start = monotonic_now();
    for number in 0..BLAST_RECORDS {
        let at = subjects.clock.ticks();
        subjects.own.record(at, event(number, at));
    }
    let elapsed_ns = monotonic_now().ns_since(start);
    println!("  {:.1} million records a second", BLAST_RECORDS as f64 * 1e3 / elapsed_ns as f64);
    let written = subjects.own.written() + subjects.shared.written();
    assert_eq!(subjects.own.written() - before.0, BLAST_RECORDS);
    drop(subjects);
    session.finish();
    let account = attached.account();
    let [read, lost, before_attach] = account[..] else { panic!("the reader's account: {account:?}") };
    let sum = read + lost + before_attach;
    let verdict = if sum == written { "exact" } else { "NOT EXACT" };
    met &= sum == written;
    println!("  written {written} = read {read} + lost {lost} + before attach {before_attach}: {verdict}");
    if met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A second process that reads the ring while the benchmark writes it.
struct Reader {
    child: Child,
    answers: BufReader<ChildStdout>,
}

impl Reader {
    fn start(path: &Path) -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut child = Command::new(program)
            .args([Path::new("--read"), path])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the reader starts");
        let answers = BufReader::new(child.stdout.take().expect("it was asked for"));
        let mut reader = Self { child, answers };
        reader.answer();
        reader
    }

    /// Holds the reader; returns when it no longer reads.
    fn pause(&mut self) {
        self.say("pause");
    }

    fn resume(&mut self) {
        self.say("resume");
    }

    fn say(&mut self, word: &str) {
        let input = self.child.stdin.as_mut().expect("it was asked for");
        writeln!(input, "{word}").expect("the reader listens");
        self.answer();
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the reader answers");
        line
    }

    fn account(mut self) -> Vec<u64> {
        self.say("last");
        let line = self.answer();
        self.child.wait().expect("the reader ends");
        line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    }
}

/// The reader's side: polls at its own suggested interval, and follows the commands on standard input.
fn read(path: &Path) -> ExitCode {
    let mut reader = ProcessReader::open(path, Start::Oldest).expect("the ring opens");
    let (said, words) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if said.send(line).is_err() {
                break;
            }
        }
    });
    println!("ready");
    let mut events = Vec::new();
    let mut paused = false;
    loop {
        let wait = if paused { Duration::from_secs(3600) } else { reader.suggested_period() };
        match words.recv_timeout(wait) {
            Ok(word) => {
                paused = word == "pause";
                println!("{word}");
                if word == "last" {
                    break;
                }
            }
            Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {}
            Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return ExitCode::FAILURE,
        }
        if !paused {
            events.clear();
            reader.poll(&mut events).expect("the ring is whole");
        }
    }
    events.clear();
    let report = reader.flush(&mut events).expect("the ring is whole");
    assert_eq!(report.state, ProcessState::Ended);
    println!("{} {} {}", reader.records_read(), reader.lost_records(), reader.before_attach());
    ExitCode::SUCCESS
}
