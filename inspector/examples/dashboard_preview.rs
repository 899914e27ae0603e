//! The dashboard over an imagined loop: `live`, `hang`, `crash`, or `replay`, then `--ascii` or `--mono`.

use std::time::Duration;

use loop_probes::clock::monotonic_now;
use loop_probes::event::Event;
use loop_probes::ids::{SourceId, Tag, TaskId, Timestamp};
use loop_probes::metadata::Metadata;
use loop_probes::process::ProcessState;
use loop_probes::recorder::Running;
use loop_probes::stamped::Stamped;
use loop_traces::source::*;
use loop_traces::synthetic::Script;
use loopscope::dashboard::{self, Options};
use loopscope::playback::{KeptSource, ReplayOptions};
use loopscope::theme::Theme;

#[derive(Debug)]
struct Paced {
    metadata: Metadata,
    events: std::vec::IntoIter<Stamped>,
    next: Option<Stamped>,
    offset: u64,
    stop: Option<(Timestamp, ProcessState)>,
    panics: bool,
}

trait Pipe {
    fn pipe(self, offset: u64) -> Self;
}
impl Pipe for Timestamp {
    fn pipe(self, offset: u64) -> Self {
        Timestamp(self.0.wrapping_add(offset))
    }
}

impl Paced {
    fn shift(&self, stamped: Stamped) -> Stamped {
        let offset = self.offset;
        Stamped {
            at: stamped.at.pipe(offset),
            source: stamped.source,
            event: match stamped.event.map_time(|at| at.pipe(offset)) {
                Event::TimerFired { timer, tag, task, due, fired, skipped } => Event::TimerFired {
                    timer,
                    tag,
                    task,
                    due: due.pipe(offset),
                    fired: fired.pipe(offset),
                    skipped,
                },
                other => other,
            },
        }
    }
}

impl EventSource for Paced {
    fn metadata(&self) -> &Metadata {
        &self.metadata
    }
    fn kind(&self) -> SourceKind {
        SourceKind::Ring
    }
    fn name(&self) -> &str {
        "demo"
    }
    fn poll(&mut self, out: &mut Vec<Stamped>) -> Result<SourceState, SourceError> {
        let mut now = monotonic_now();
        assert!(!(self.panics && self.stop.is_some_and(|(at, _)| now > at)), "as asked");
        if let Some((at, _)) = self.stop {
            now = now.min(at);
        }
        loop {
            let next = self.next.take().or_else(|| self.events.next());
            let Some(next) = next else { return Ok(SourceState::Ended) };
            let shifted = self.shift(next);
            if shifted.at > now {
                self.next = Some(next);
                break;
            }
            out.push(shifted);
        }
        match self.stop {
            Some((at, ProcessState::Crashed)) if monotonic_now() > at => Ok(SourceState::Ended),
            _ => Ok(SourceState::Live),
        }
    }
    fn counts(&self) -> SourceCounts {
        SourceCounts::default()
    }
    fn running(&mut self) -> Vec<NowRunning> {
        let now = monotonic_now();
        let hung = self.stop.is_some_and(|(at, _)| now > at);
        let running = if hung {
            Running::Task { task: TaskId(8812), tag: Tag(3) }
        } else {
            Running::Poll { deadline: Some(now.plus_ns(1_000_000)) }
        };
        let since = if hung { self.stop.map_or(now, |(at, _)| at) } else { now };
        vec![NowRunning { source: SourceId(1), running, since }]
    }
    fn process_state(&self) -> Option<ProcessState> {
        match self.stop {
            Some((at, state)) if monotonic_now() > at => Some(state),
            _ => Some(ProcessState::Alive),
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let has = |arg: &str| args.iter().any(|it| it == arg);
    let script = Script { ticks: 60_000, ..Script::default() };
    let options = Options {
        theme: Theme::new(!has("--mono"), has("--ascii")),
        since_attach: has("--attach"),
        ..Options::default()
    };
    let exit = if has("replay") {
        let mut source = script.source();
        let kept = KeptSource::read(&mut source).unwrap();
        dashboard::replay(kept, options, ReplayOptions::default())
    } else {
        let events = script.events();
        let now = monotonic_now();
        let in_3s = now.plus_ns(3_000_000_000);
        let stop = if has("hang") || has("panic") {
            std::thread::spawn(|| panic!("elsewhere"));
            Some((in_3s, ProcessState::Alive))
        } else if has("crash") {
            Some((in_3s, ProcessState::Crashed))
        } else if has("stopped") {
            Some((in_3s, ProcessState::Stopped))
        } else {
            None
        };
        let offset = now.as_ns().wrapping_sub(events[0].at.as_ns());
        let source =
            Paced { metadata: script.metadata(), events: events.into_iter(), next: None, offset, stop, panics: has("panic") };
        dashboard::run(source, options)
    };
    let _ = Duration::ZERO;
    eprintln!("{exit:?}");
}
