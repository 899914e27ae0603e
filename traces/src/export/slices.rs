//! Turns the stream of what ended into nested enters and leaves, outer before inner, row by row.
//!
//! A row is emitted at the end of each tick. Anything that overlaps without nesting is left out and counted: stacks
//! cannot represent it. Times are exact, cut at the limits of the exported part.

use std::io;

use loop_probes::event::Event;
use loop_probes::ids::Timestamp;
use loop_probes::metadata::Metadata;
use loop_probes::recorder::Running;
use loop_probes::stamped::Stamped;

use super::agenda_tracks::AgendaTracks;
use super::layout::{LayoutItem, Row, RowPosition};
use super::name::Frame;
use super::survey::{Survey, start_of};
use crate::source::EventSource;
use crate::summary::StateSummary;
use crate::timeline::{Timeline, TimelineConfig, UnfinishedTick};

/// Maximum number of slices of a row held until the end of their tick.
pub(crate) const WAITING_MAX: usize = 1 << 18;

/// Maximum number of slices held for sorting, per row without ticks.
pub(crate) const WAITING_OUTSIDE: usize = 1 << 13;

/// Maximum number of slices held, over all rows.
pub(crate) const WAITING_ALL: usize = 1 << 19;

/// The frame around unfinished work.
const UNFINISHED: &str = "unfinished";

/// The relation of a slice to the loop's ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SliceKind {
    /// In a complete tick.
    Tick,
    /// In a tick with missing records.
    Incomplete,
    /// Outside of any tick.
    Outside,
}

/// Receives the stacks. Times are nanoseconds since [`Slices::zero`], and never go backwards within a row.
pub(crate) trait Stacks {
    /// A frame begins, inside what is open in its row.
    fn enter(&mut self, row: usize, at: u64, frame: Frame, stretch: SliceKind) -> io::Result<()>;

    /// The innermost frame of this row ends.
    fn leave(&mut self, row: usize, at: u64, frame: Frame) -> io::Result<()>;
}

#[derive(Debug)]
struct Lane {
    row: Row<Frame>,
    /// The open tick: its number and start.
    tick: Option<(u64, Timestamp)>,
    /// Whether records of the open tick are missing before the stacks held.
    damaged: bool,
    /// Whether records are missing after the stacks held.
    in_gap: bool,
}

/// The second pass of an export that produces stacks.
#[derive(Debug)]
pub(crate) struct Slices<'a> {
    survey: &'a Survey,
    /// Followed for what is unfinished at the end.
    timeline: Timeline,
    lanes: Vec<Lane>,
    tracks: AgendaTracks,
    open: Vec<(u64, Frame)>,
    waiting: usize,
    /// Slices that overlapped without nesting.
    pub(crate) left_out: u64,
}

impl<'a> Slices<'a> {
    pub(crate) fn new(survey: &'a Survey, metadata: &Metadata) -> Self {
        let lane = |_| Lane { row: Row::exact(), tick: None, damaged: false, in_gap: false };
        let lanes = survey.threads.iter().map(lane).collect();
        let (timeline, tracks) = (Timeline::new(TimelineConfig::followed(metadata)), AgendaTracks::default());
        Self { survey, timeline, lanes, tracks, open: Vec::new(), waiting: 0, left_out: 0 }
    }

    /// Where time begins.
    pub(crate) fn zero(survey: &Survey) -> Timestamp {
        survey.base.unwrap_or_default().max(survey.range().from.unwrap_or_default())
    }

    /// Takes the next event of the stream.
    pub(crate) fn push(&mut self, stamped: &Stamped, stacks: &mut impl Stacks) -> io::Result<()> {
        self.timeline.follow(stamped);
        if self.lanes.is_empty() {
            return Ok(());
        }
        let place = self.survey.row(stamped);
        let lane = &mut self.lanes[place];
        lane.damaged |= std::mem::take(&mut lane.in_gap);
        match stamped.event {
            Event::TickStart { tick } => {
                self.flush(place, self.held(place), stacks)?;
                let lane = &mut self.lanes[place];
                (lane.tick, lane.damaged) = (Some((tick, stamped.at)), false);
            }
            Event::TickEnd { tick, start, .. } => {
                self.add(place, start, stamped);
                let lane = &mut self.lanes[place];
                let whole = lane.tick.take() == Some((tick, start)) && !lane.damaged;
                self.flush(place, if whole { SliceKind::Tick } else { SliceKind::Incomplete }, stacks)?;
            }
            Event::Lost { .. } => self.lanes[place].in_gap = true,
            Event::WorkerState { .. } => {
                if let Some(since) = self.tracks.stood_since(place, stamped) {
                    self.add(place, since, stamped);
                }
            }
            _ if stamped.never_ran() => {}
            _ => self.add(place, start_of(stamped), stamped),
        }
        let lane = &mut self.lanes[place];
        let limit = if lane.tick.is_some() { WAITING_MAX } else { WAITING_OUTSIDE };
        if lane.row.len() >= limit {
            lane.damaged = true;
            self.flush(place, self.held(place), stacks)?;
        }
        if self.waiting > WAITING_ALL {
            self.make_room(stacks)?;
        }
        Ok(())
    }

    #[cold]
    fn make_room(&mut self, stacks: &mut impl Stacks) -> io::Result<()> {
        let lanes = self.lanes.iter().enumerate();
        let Some((place, _)) = lanes.max_by_key(|(_, lane)| lane.row.len()) else { return Ok(()) };
        self.lanes[place].damaged = true;
        self.flush(place, self.held(place), stacks)
    }

    /// Emits everything still held, and the known part of ticks that had not ended when `source` did.
    pub(crate) fn finish(&mut self, source: &impl EventSource, stacks: &mut impl Stacks) -> io::Result<()> {
        if self.lanes.is_empty() {
            return Ok(());
        }
        let end = StateSummary::of(source, &self.timeline).end();
        for tick in self.timeline.unfinished_ticks_at(end) {
            self.finish_tick(&tick, stacks)?;
        }
        (0..self.lanes.len()).try_for_each(|place| self.flush(place, self.held(place), stacks))
    }

    /// Emits a tick that has not ended, as the fold counts it: from its beginning, or, if records of it are missing, from
    /// the beginning of its current activity.
    fn finish_tick(&mut self, tick: &UnfinishedTick, stacks: &mut impl Stacks) -> io::Result<()> {
        let place = self.survey.own_row(tick.source);
        let zero = Self::zero(self.survey);
        let row = &mut self.lanes[place].row;
        let behind = row.split_off(tick.as_of.ns_since(zero));
        let of_tick = row.split_off(tick.start.ns_since(zero));
        self.waiting -= behind.len() + of_tick.len();
        self.flush(place, self.held(place), stacks)?;
        self.hold(place, of_tick);
        if let Some((running, since)) = tick.running {
            let frame = match running {
                Running::Task { tag, .. } => Some(Frame::Task(tag)),
                Running::Phase(phase) => Some(Frame::Phase(phase)),
                Running::Poll { .. } => Some(Frame::Poll),
                Running::Outside => None,
            };
            for frame in frame.into_iter().chain([Frame::Own(UNFINISHED)]) {
                self.add_frame(place, since, tick.as_of, frame);
            }
        }
        self.add_frame(place, tick.start, tick.as_of, Frame::Tick);
        self.flush(place, SliceKind::Tick, stacks)?;
        self.hold(place, behind);
        Ok(())
    }

    fn hold(&mut self, place: usize, slices: Vec<LayoutItem<Frame>>) {
        self.waiting += slices.len();
        slices.into_iter().for_each(|slice| self.lanes[place].row.add(slice));
    }

    /// The relation to ticks of what a row holds, which no tick has ended.
    fn held(&self, place: usize) -> SliceKind {
        if self.lanes[place].tick.is_some() { SliceKind::Incomplete } else { SliceKind::Outside }
    }

    fn add(&mut self, place: usize, start: Timestamp, stamped: &Stamped) {
        if let Some(what) = Frame::of(&stamped.event) {
            self.add_frame(place, start, stamped.at, what);
        }
    }

    fn add_frame(&mut self, place: usize, start: Timestamp, at: Timestamp, what: Frame) {
        let (range, start) = (self.survey.range(), start.min(at));
        if !range.touches(start, at) {
            return;
        }
        let zero = Self::zero(self.survey);
        let end = range.to.map_or(at, |to| at.min(to)).ns_since(zero);
        let entry = LayoutItem {
            start: start.ns_since(zero).min(end),
            end,
            gives_way: what.gives_way(),
            // Busy time excludes the union of all polls.
            continues: what == Frame::Poll,
            what,
        };
        self.lanes[place].row.add(entry);
        self.waiting += 1;
    }

    fn flush(&mut self, place: usize, stretch: SliceKind, stacks: &mut impl Stacks) -> io::Result<()> {
        self.waiting -= self.lanes[place].row.len();
        let (open, left_out) = (&mut self.open, &mut self.left_out);
        self.lanes[place].row.flush(|position, frame| {
            let RowPosition::Slice { start, dur } = position else {
                *left_out += 1;
                return Ok(());
            };
            while let Some((end, ended)) = open.pop_if(|(end, _)| *end <= start) {
                stacks.leave(place, end, ended)?;
            }
            open.push((start + dur, *frame));
            stacks.enter(place, start, *frame, stretch)
        })?;
        while let Some((end, ended)) = open.pop() {
            stacks.leave(place, end, ended)?;
        }
        Ok(())
    }
}
