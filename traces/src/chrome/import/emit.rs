//! The third pass: turns the loops' records into events of a trace.

use std::collections::HashMap;
use std::io;

use loop_probes::event::Event;
use loop_probes::ids::SourceId;
use loop_probes::stamped::Stamped;

use super::choose::slice_of;
use super::gather::Gathered;
use super::nest::depth_max;
use super::record::{EventRecord, Kind};
use super::role::{Role, Roles};
use super::sorted::Sorted;
use super::tally::{dropped, repaired};
use super::to_ticks::{Conversion, LoopConverter, LoopCounts, Post};
use super::unsorted::Unsorted;
use crate::chrome::read::hash;

/// Maximum number of flows open at once.
const FLOWS_MAX: usize = 1 << 20;

#[derive(Debug, Default)]
struct Flows {
    open: HashMap<u64, (Post, bool)>,
    linked: u64,
    starts_lost: u64,
    ends_lost: u64,
    refused: u64,
}

impl Flows {
    fn begin(&mut self, id: u64, post: Post) {
        if self.open.len() >= FLOWS_MAX && !self.open.contains_key(&id) {
            self.refused += 1;
            return;
        }
        if let Some((_, used)) = self.open.insert(id, (post, false)) {
            self.starts_lost += u64::from(!used);
        }
    }

    fn end(&mut self, id: u64) -> Option<Post> {
        // Flows that slices name themselves may lead to many slices; others lead to one.
        let found = if id & 1 == 1 {
            self.open.get_mut(&id).map(|(post, used)| {
                *used = true;
                *post
            })
        } else {
            self.open.remove(&id).map(|(post, _)| post)
        };
        if found.is_some() {
            self.linked += 1;
        } else {
            self.ends_lost += 1;
        }
        found
    }
}

/// The result of the pass.
#[derive(Debug)]
pub(super) struct EmittedLoops {
    pub(super) events: Sorted<Unsorted>,
    /// The events that introduce the names in them.
    pub(super) names: Vec<Stamped>,
    /// Counts of each loop, and whether it never waits.
    pub(super) loops: Vec<(LoopCounts, bool)>,
    pub(super) flows: u64,
    /// Records lost when the recording was made, by our own instants.
    pub(super) lost: u64,
}

/// Makes the events of `loops`, the threads that are loops.
pub(super) fn emit(
    gathered: &mut Gathered,
    records: &Sorted<EventRecord>,
    loops: &[u32],
) -> io::Result<EmittedLoops> {
    let (names, heaps) = (std::mem::take(&mut gathered.names), std::mem::take(&mut gathered.heaps));
    let mut conversion = Conversion::new(&names, &heaps, Roles::new(gathered.producer));
    let depth = depth_max(gathered.threads.len());
    let mut converter: Vec<LoopConverter> = loops
        .iter()
        .enumerate()
        .map(|(place, thread)| LoopConverter::new(place as u32 + 1, gathered.threads.get(*thread), depth))
        .collect();
    let mut place_of: Vec<Option<usize>> = vec![None; gathered.threads.len()];
    for (place, thread) in loops.iter().enumerate() {
        place_of[*thread as usize] = Some(place);
    }
    let mut flows = Flows::default();
    let mut posts: HashMap<u64, Post> = HashMap::new();
    let (mut other_instants, mut asynchronous, mut lost) = (0, 0, 0);
    for record in records.iter()? {
        let record = record?;
        let own = place_of[record.thread as usize];
        let post = Post {
            at: record.ts,
            task: own.map_or(0, |place| converter[place].running(record.ts)),
            source: own.map_or(0, |place| converter[place].source),
        };
        match record.kind {
            Kind::FlowOut => flows.begin(record.value, post),
            Kind::FlowIn | Kind::FlowNext => {
                if let (Some(post), Some(place)) = (flows.end(record.value), own) {
                    match record.kind {
                        Kind::FlowNext => converter[place].next = Some(post),
                        _ => converter[place].arrived(post, record.ts),
                    }
                }
            }
            _ => {}
        }
        let Some(place) = own else {
            other_instants += u64::from(matches!(record.kind, Kind::Instant | Kind::Point));
            asynchronous += u64::from(record.kind == Kind::AsyncBegin);
            continue;
        };
        let converter = &mut converter[place];
        let role = conversion.roles.of(&names, record.name, record.category);
        match record.kind {
            Kind::Begin | Kind::Complete => {
                let mut slice = slice_of(&record);
                slice.extra = match role {
                    Role::Gc => record.place,
                    Role::Task => u64::from(record.runs),
                    _ => 0,
                };
                converter.begin(&mut conversion, slice, role, gathered.enclosing.contains(&record.place));
            }
            Kind::End | Kind::EndAtBegin => {
                let heap = heaps.get(&record.place).and_then(|heap| heap.after);
                converter.end(&mut conversion, record.ts, record.name, record.category, heap)
            }
            Kind::Instant if role == Role::Lost => {
                let loss = gathered.losses.get(&record.place);
                let within_us = loss.and_then(|loss| loss.within_us);
                // Where the file does not say since when, it may have been since the beginning.
                let from = within_us.map_or(0, |us| record.ts.saturating_sub((us * 1e3).round() as i64));
                let count = loss.map_or(0, |loss| loss.count);
                lost = u64::saturating_add(lost, count);
                converter.lost(&mut conversion, record.ts, count, from);
            }
            Kind::Instant | Kind::Point => converter.mark(&mut conversion, record.ts, record.name),
            Kind::Depth => converter.depth(&mut conversion, record.ts, record.name, record.value),
            Kind::AsyncBegin if role == Role::Callback => {
                converter.begin(&mut conversion, slice_of(&record), role, false);
                if let Some(post) = posts.remove(&post_id(&record)) {
                    converter.arrived(post, record.ts);
                }
            }
            Kind::AsyncEnd if role == Role::Callback => {
                converter.end(&mut conversion, record.ts, record.name, record.category, None);
            }
            Kind::AsyncBegin => {
                asynchronous += 1;
                if role == Role::Posts && posts.len() < FLOWS_MAX {
                    posts.insert(post_id(&record), post);
                }
            }
            Kind::AsyncEnd | Kind::FlowIn | Kind::FlowOut | Kind::FlowNext => {}
        }
        conversion.check()?;
    }
    for (converter, thread) in converter.iter_mut().zip(loops) {
        converter.finish(&mut conversion, gathered.threads.get(*thread).last);
    }
    conversion.check()?;
    let other_slices: u64 = gathered
        .threads
        .all()
        .zip(&place_of)
        .filter(|(_, place)| place.is_none())
        .map(|(thread, _)| thread.slices)
        .sum();
    flows.starts_lost += flows.open.values().filter(|(_, used)| !used).count() as u64;
    gathered.dropped.add(dropped::FLOW_START, flows.starts_lost);
    gathered.dropped.add(dropped::FLOW_END, flows.ends_lost);
    gathered.dropped.add(dropped::OTHER_THREADS, other_slices);
    gathered.dropped.add(dropped::OTHER_INSTANTS, other_instants);
    gathered.dropped.add(dropped::ASYNC, asynchronous);
    gathered.repaired.add(repaired::FORGOTTEN, flows.refused);
    gathered.repaired.add(repaired::TOO_MANY_NAMES, conversion.named_as.sharing());
    gathered.repaired.add(repaired::AROUND_LOOP, converter.iter().map(|converter| converter.enclosing).sum());
    let loops = converter.iter().map(|converter| (converter.counts, converter.never_waits())).collect();
    let introductions = conversion.named_as.introductions(&names);
    let events = std::mem::take(&mut conversion.out).finish()?;
    Ok(EmittedLoops { events, names: introductions, loops, flows: flows.linked, lost })
}

/// The id of an item that Node queues, unique within its thread.
fn post_id(record: &EventRecord) -> u64 {
    hash((record.value, record.thread))
}

/// Completes the made events in order: the depth of a queue is known only then.
#[derive(Debug, Default)]
pub(super) struct Depths {
    waiting: HashMap<SourceId, u32>,
}

impl Depths {
    /// The event itself; `None` if it stands for none.
    pub(super) fn complete(&mut self, unsorted: Unsorted) -> Option<Stamped> {
        let Unsorted { at, source, mut event, .. } = unsorted;
        match &mut event {
            Some(Event::TaskQueued { place, .. }) => {
                let waiting = self.waiting.entry(source).or_default();
                *waiting += 1;
                place.depth = *waiting;
            }
            None => {
                let waiting = self.waiting.entry(source).or_default();
                *waiting = waiting.saturating_sub(1);
            }
            _ => {}
        }
        event.map(|event| Stamped { at, source, event })
    }
}
