//! Folded stacks: one line per stack with the time spent in it but not deeper, for flame graphs.
//!
//! ```text
//! loop;phase tasks;ReadFile 12345
//! ```
//!
//! Times are whole nanoseconds. Ticks are not frames: what a loop did outside of any phase is its own time. So
//! everything under a loop, except for frames in brackets, sums to its busy time as the report shows it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{self, Write};

use super::json::JsonOut;
use super::name::Frame;
use super::passes::{each_event, surveyed};
use super::slices::{SliceKind, Slices, Stacks};
use super::survey::Survey;
use super::{ExportError, TimeRange};
use crate::source::{EventSource, SourceError};

/// Maximum number of distinct stacks; time of further ones counts for the stack around them.
const STACKS_MAX: usize = 1 << 20;

/// Maximum number of frames of a stack; time of deeper ones counts for the last.
const DEPTH_MAX: usize = 256;

/// What to export.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FoldedOptions {
    /// The part of the recording to export.
    pub range: TimeRange,
    /// Whether to include the time the loops waited in polls, under a root `poll`.
    pub poll: bool,
}

/// What was exported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FoldedStats {
    /// Number of lines, one for each stack with time of its own.
    pub stacks: u64,
    /// Total time of all stacks, in nanoseconds.
    pub total_ns: u64,
    /// Spans that overlapped without nesting and are in no stack.
    pub left_out: u64,
    /// Bytes written.
    pub bytes: u64,
}

/// Exports a recording; `open` is called twice and must yield the same events both times.
///
/// # Errors
///
/// [`ExportError`] if the recording cannot be read or the output cannot be written.
pub fn export<S: EventSource + Send>(
    mut open: impl FnMut() -> Result<S, SourceError>,
    options: FoldedOptions,
    out: impl Write,
) -> Result<FoldedStats, ExportError> {
    let survey = surveyed(&mut open, options.range)?;
    let source = open()?;
    let mut slices = Slices::new(&survey, source.metadata());
    let mut fold = Fold::new(&survey, options.poll);
    let source = each_event(source, |stamped| Ok(slices.push(stamped, &mut fold)?))?;
    slices.finish(&source, &mut fold)?;
    let stats = FoldedStats { left_out: slices.left_out, ..FoldedStats::default() };
    Ok(fold.write(stats, out)?)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Step {
    Row(usize),
    In(Frame),
    Group(&'static str),
}

/// A stack: a frame and the stack around it.
#[derive(Debug)]
struct Stack {
    outer: usize,
    step: Step,
    depth: usize,
    /// Whether the time of the stack is wait rather than busy time.
    is_wait: bool,
    /// Whether it is a callback, or within one.
    in_callback: bool,
    own_ns: u64,
}

/// The open frames of a row.
#[derive(Clone, Debug, Default)]
struct Lane {
    /// `None` for frames whose time is not counted.
    open: Vec<Option<usize>>,
    since: u64,
}

struct Fold<'a> {
    survey: &'a Survey,
    poll: bool,
    stacks: Vec<Stack>,
    places: HashMap<(usize, Step), usize>,
    lanes: Vec<Lane>,
}

const ROOT: usize = 0;

/// The root of poll waits.
const POLLS: Step = Step::Group("poll");

impl<'a> Fold<'a> {
    fn new(survey: &'a Survey, poll: bool) -> Self {
        let root = Stack {
            outer: ROOT,
            step: Step::Group(""),
            depth: 0,
            is_wait: false,
            in_callback: false,
            own_ns: 0,
        };
        let lanes = vec![Lane::default(); survey.threads.len()];
        Self { survey, poll, stacks: vec![root], places: HashMap::new(), lanes }
    }

    fn inside(&mut self, outer: usize, step: Step) -> usize {
        let depth = self.stacks[outer].depth + 1;
        if let Some(place) = self.places.get(&(outer, step)) {
            return *place;
        }
        if self.stacks.len() >= STACKS_MAX || depth > DEPTH_MAX {
            return outer;
        }
        let is_wait = self.stacks[outer].is_wait || (outer, step) == (ROOT, POLLS);
        let is_callback = matches!(step, Step::In(frame) if frame.is_callback());
        let in_callback = self.stacks[outer].in_callback || is_callback;
        self.stacks.push(Stack { outer, step, depth, is_wait, in_callback, own_ns: 0 });
        self.places.insert((outer, step), self.stacks.len() - 1);
        self.stacks.len() - 1
    }

    /// The stack around the outermost slice of a row.
    fn base(&mut self, root: usize, row: usize, stretch: SliceKind) -> usize {
        let own = self.inside(root, Step::Row(row));
        match stretch {
            SliceKind::Tick => own,
            SliceKind::Incomplete => self.inside(own, Step::Group("(incomplete ticks)")),
            SliceKind::Outside if self.survey.threads[row].is_loop => {
                self.inside(own, Step::Group("(outside ticks)"))
            }
            SliceKind::Outside => own,
        }
    }

    /// Adds the time until `at` to the row's current stack.
    fn count(&mut self, row: usize, at: u64) {
        let lane = &mut self.lanes[row];
        if let Some(Some(stack)) = lane.open.last() {
            self.stacks[*stack].own_ns += at - lane.since;
        }
        lane.since = at;
    }

    fn write(&self, mut stats: FoldedStats, out: impl Write) -> io::Result<FoldedStats> {
        let mut out = JsonOut::new(out);
        let mut inner: Vec<Vec<usize>> = vec![Vec::new(); self.stacks.len()];
        for (place, stack) in self.stacks.iter().enumerate().skip(1) {
            inner[stack.outer].push(place);
        }
        let mut line = String::new();
        let mut waiting: Vec<(usize, usize)> = inner[ROOT].iter().rev().map(|place| (*place, 0)).collect();
        while let Some((place, prefix)) = waiting.pop() {
            let stack = &self.stacks[place];
            line.truncate(prefix);
            if prefix > 0 {
                line.push(';');
            }
            self.name(stack.step, &mut line);
            let prefix = line.len();
            if stack.own_ns > 0 {
                out.raw(&line).raw(" ").plain(stack.own_ns).raw("\n").settle()?;
                stats.stacks += 1;
                stats.total_ns = stats.total_ns.saturating_add(stack.own_ns);
            }
            waiting.extend(inner[place].iter().rev().map(|place| (*place, prefix)));
        }
        out.flush()?;
        Ok(FoldedStats { bytes: out.bytes, ..stats })
    }

    fn name(&self, step: Step, line: &mut String) {
        let (prefix, name) = match step {
            Step::Row(row) => ("", Cow::Owned(self.survey.name(&self.survey.threads[row]))),
            Step::In(frame) => frame.name(&self.survey.labels),
            Step::Group(name) => {
                line.push_str(name);
                return;
            }
        };
        line.push_str(prefix);
        escape(&name, line);
    }
}

/// A frame must not contain `;`, which separates frames, nor end in a space and a number, which would read as a second
/// count. Only groups are in parentheses. Control characters are escaped already.
fn escape(name: &str, line: &mut String) {
    let number = name.bytes().rev().take_while(|byte| byte.is_ascii_digit() || *byte == b'.').count();
    let (text, number) = name.split_at(name.len() - number);
    let text = if number.is_empty() { text } else { text.strip_suffix(' ').map_or(text, |text| text) };
    let bare = text.len() + number.len() < name.len();
    let text = match text.strip_prefix('(') {
        Some(rest) if name.ends_with(')') => {
            line.push_str("\\u{28}");
            rest
        }
        _ => text,
    };
    for character in text.chars() {
        match character {
            ';' => line.push_str("\\u{3b}"),
            character if character.is_control() || character == '\u{2028}' || character == '\u{2029}' => {
                line.extend(character.escape_unicode());
            }
            character => line.push(character),
        }
    }
    if bare {
        line.push('_');
    }
    line.push_str(number);
}

impl Stacks for Fold<'_> {
    fn enter(&mut self, row: usize, at: u64, frame: Frame, stretch: SliceKind) -> io::Result<()> {
        self.count(row, at);
        let outer = match self.lanes[row].open.last() {
            Some(outer) => *outer,
            None => Some(self.base(ROOT, row, stretch)),
        };
        let within = match (outer, frame) {
            // Everything within a poll counts as waiting, as it does in the busy time of a tick.
            (None, _) => None,
            (Some(stack), _) if self.stacks[stack].is_wait => Some(stack),
            // A callback's own poll counts as part of the callback, as it does in the busy time of a tick.
            (Some(stack), Frame::Poll) if self.stacks[stack].in_callback => {
                Some(self.inside(stack, Step::In(frame)))
            }
            (Some(_), Frame::Poll) if self.poll => {
                let polls = self.inside(ROOT, POLLS);
                Some(self.base(polls, row, stretch))
            }
            (Some(_), Frame::Poll | Frame::Stopped(_)) => None,
            (Some(stack), Frame::Tick) => Some(stack),
            (Some(stack), frame) => Some(self.inside(stack, Step::In(frame))),
        };
        self.lanes[row].open.push(within);
        Ok(())
    }

    fn leave(&mut self, row: usize, at: u64, _: Frame) -> io::Result<()> {
        self.count(row, at);
        self.lanes[row].open.pop();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
