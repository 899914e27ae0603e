//! A `tracing_subscriber` layer: spans become [`Span`](Event::Span), events become [`Mark`](Event::Mark).
//!
//! ```
//! use loop_probes::adapters::tracing::TracingLayer;
//! use loop_probes::session::Session;
//! use tracing_subscriber::layer::SubscriberExt;
//!
//! let session = Session::builder("my-program").private();
//! let subscriber = tracing_subscriber::registry().with(TracingLayer::new(&session));
//! tracing::subscriber::with_default(subscriber, || {
//!     let _span = tracing::info_span!("parse").entered();
//!     tracing::info!("a header");
//! });
//! ```
//!
//! A span is one record for each time it is entered, from enter to exit: the time an `async` span spends
//! between two polls is not counted as its work. Names are interned once per callsite and thread; after that
//! nothing allocates.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

use tracing::callsite::Identifier;
use tracing::span::{Attributes, Id};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::clock::Clock;
use crate::event::{Event, LabelKind};
use crate::ids::{LabelId, Ticks};
use crate::session::recorder::{Recorder, RingWriter};
use crate::session::{Handle, Session};

/// Capacity, in records, of a ring that a thread has only for tracing.
const CAPACITY: u32 = 8192;

/// Maximum number of spans a thread can be inside at once and still have them measured.
const DEPTH_MAX: usize = 256;

thread_local! {
    static THREAD: RefCell<Vec<ThreadRing>> = const { RefCell::new(Vec::new()) };
}

/// One thread's state for one session.
#[derive(Debug)]
struct ThreadRing {
    writer: Arc<RingWriter>,
    /// The recorder of a ring that the thread has only for tracing, dropped with the thread. It does not keep the
    /// session open.
    _own: Option<Recorder>,
    labels: HashMap<Identifier, LabelId>,
    entered: Vec<(u64, Ticks)>,
}

/// Sends the calling thread's spans and events to the ring of `writer`.
pub(crate) fn adopt(writer: &Arc<RingWriter>) {
    with_thread(|rings| {
        rings.retain(|ring| ring.is_in_use() && !ring.writer.is_sibling(writer));
        rings.push(ThreadRing::new(Arc::clone(writer), None));
    });
}

fn with_thread(work: impl FnOnce(&mut Vec<ThreadRing>)) {
    // The thread is exiting, or this code opened the span itself: nothing to record.
    let _gone = THREAD.try_with(|rings| {
        if let Ok(mut rings) = rings.try_borrow_mut() {
            work(&mut rings);
        }
    });
}

impl ThreadRing {
    fn new(writer: Arc<RingWriter>, own: Option<Recorder>) -> Self {
        Self { writer, _own: own, labels: HashMap::new(), entered: Vec::with_capacity(DEPTH_MAX) }
    }

    fn is_in_use(&self) -> bool {
        !self.writer.is_closed() && !self.writer.has_ended()
    }

    fn label(&mut self, at: Ticks, metadata: &'static Metadata<'static>, text: &str) -> LabelId {
        let writer = &self.writer;
        *self.labels.entry(metadata.callsite()).or_insert_with(|| writer.intern(at, LabelKind::Span, text))
    }
}

/// The layer. Each thread gets a ring of its own the first time it traces, unless its recorder
/// [adopted](Recorder::adopt_thread) it.
#[derive(Debug)]
pub struct TracingLayer {
    session: Weak<Handle>,
}

impl TracingLayer {
    /// A layer that records into `session` for as long as the session lasts; it does not keep the session open.
    #[must_use]
    pub fn new(session: &Session) -> Self {
        Self { session: session.handle().map_or_else(Weak::new, Arc::downgrade) }
    }

    fn with_ring(&self, work: impl FnOnce(&mut ThreadRing, Ticks)) {
        with_thread(|rings| {
            let mine = |ring: &ThreadRing| ring.writer.is_of(&self.session) && !ring.writer.is_closed();
            let index = match rings.iter().position(mine) {
                Some(index) => index,
                None => {
                    let Some(ring) = self.open() else { return };
                    rings.retain(ThreadRing::is_in_use);
                    rings.push(ring);
                    rings.len() - 1
                }
            };
            if let Some(ring) = rings.get_mut(index) {
                let now = ring.writer.clock().ticks();
                work(ring, now);
            }
        });
    }

    /// Opens a ring for the calling thread.
    #[cold]
    fn open(&self) -> Option<ThreadRing> {
        let handle = self.session.upgrade().filter(|handle| !handle.has_ended())?;
        let thread = std::thread::current();
        let writer = Arc::new(handle.open(thread.name().unwrap_or("thread"), CAPACITY, false)?);
        Some(ThreadRing::new(Arc::clone(&writer), Some(Recorder::sharing(writer))))
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for TracingLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        let metadata = attributes.metadata();
        self.with_ring(|ring, now| {
            ring.label(now, metadata, metadata.name());
        });
    }

    fn on_enter(&self, id: &Id, _: Context<'_, S>) {
        self.with_ring(|ring, now| {
            if ring.entered.len() < DEPTH_MAX {
                ring.entered.push((id.into_u64(), now));
            }
        });
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        let Some(metadata) = context.metadata(id) else { return };
        self.with_ring(|ring, now| {
            // Exits need not mirror enters: take the most recent entry of this span.
            let Some(index) = ring.entered.iter().rposition(|(entered, _)| *entered == id.into_u64()) else {
                return;
            };
            let (_, start) = ring.entered.remove(index);
            let label = ring.label(now, metadata, metadata.name());
            ring.writer.record(now, Event::Span { label, start });
        });
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        self.with_ring(|ring, now| {
            // The event's own name would be "event src/file.rs:12"; a constant message says more.
            let label = match ring.labels.get(&metadata.callsite()) {
                Some(label) => *label,
                None => {
                    let mut text = Text::default();
                    event.record(&mut text);
                    let text = text.0.unwrap_or_else(|| metadata.name().to_owned());
                    ring.label(now, metadata, &text)
                }
            };
            ring.writer.record(now, Event::Mark { label });
        });
    }
}

/// The message of an event, used as its callsite's label: the first message stands for all.
#[derive(Debug, Default)]
struct Text(Option<String>);

impl tracing::field::Visit for Text {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = Some(format!("{value:?}"));
        }
    }
}

#[cfg(test)]
mod tests;

impl Recorder {
    /// Sends the calling thread's `tracing` spans and events to this ring from now on, instead of one of their own
    /// (see [`TracingLayer`]). Call it on the recording thread; a recorder
    /// that moves to another thread afterwards would be written by two.
    pub fn adopt_thread(&self) {
        if let Some(writer) = self.ring_writer() {
            adopt(writer);
        }
    }
}
