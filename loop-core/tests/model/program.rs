//! Random programs: trees of callbacks, and external events.

use std::rc::Rc;
use std::sync::Arc;

use proptest::prelude::*;

/// Signals for which a program has a handler, and one for which it has none.
pub(super) const SIGNALS: [u8; 3] = [10, 12, 14];
/// Signals with a handler.
pub(super) const HANDLED: usize = 2;
/// Sources that a program starts with.
pub(super) const SOURCES: usize = 2;

/// Limit on the external events that callbacks cause: a handler that raises its own signal would never end.
pub(super) const HAPPENINGS_MAX: u32 = 40;

/// A whole program.
#[derive(Clone, Debug)]
pub(super) struct Program {
    /// Whether the loop is recorded: an unrecorded loop takes shortcuts.
    pub(super) recorded: bool,
    /// Posted before the first turn.
    pub(super) start: Vec<Node>,
    /// The callback of each handled signal.
    pub(super) handlers: [Node; HANDLED],
    /// The callback of each source.
    pub(super) sources: [Node; SOURCES],
    /// External events, by milliseconds since the start.
    pub(super) world: Vec<(u64, ExternalEvent)>,
}

/// A callback. Its name goes into the log.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) name: u32,
    pub(super) acts: Arc<Vec<Act>>,
}

/// An action of a callback.
#[derive(Clone, Debug)]
pub(super) enum Act {
    Post(Node),
    Micro(Node),
    Defer(u64, Node),
    Undefer(u64),
    Immediate(Node),
    AfterLoop(Node),
    Timer(u64, Node),
    /// Fires this many times, then clears itself.
    Interval(u64, u32, Node),
    /// Clears the timer with this number, modulo the number of timers so far.
    Clear(usize),
    /// Restarts a timer with its full delay.
    Refresh(usize),
    Reference(usize, bool),
    ClearImmediate(usize),
    ReferenceImmediate(usize, bool),
    ReferenceSource(usize, bool),
    RemoveSource(usize),
    /// A job with this run time, and the callback of its completion.
    Job(u64, Node),
    Hold,
    Release,
    ReleaseLater,
    /// The external event happens during the loop's next poll.
    World(ExternalEvent),
    Works(u64),
    Reload,
    Stop,
}

/// An external event.
#[derive(Clone, Debug)]
pub(super) enum ExternalEvent {
    /// Another thread posts.
    Post(Node),
    /// A signal arrives.
    Signal(usize),
    /// A source becomes ready to read or to write.
    Ready(usize, bool),
    /// Another thread takes or releases a reference.
    Hold(bool),
    /// Another thread asks the loop to stop.
    Stop,
}

fn node(depth: u32) -> BoxedStrategy<Node> {
    let acts = if depth == 0 {
        Just(Vec::new()).boxed()
    } else {
        prop::collection::vec(act(depth - 1), 0..5).boxed()
    };
    (any::<u32>(), acts).prop_map(|(name, acts)| Node { name, acts: Arc::new(acts) }).boxed()
}

fn act(depth: u32) -> BoxedStrategy<Act> {
    let inner = || node(depth);
    prop_oneof![
        6 => inner().prop_map(Act::Post),
        5 => inner().prop_map(Act::Micro),
        4 => (0..3_u64, inner()).prop_map(|(key, node)| Act::Defer(key, node)),
        1 => (0..3_u64).prop_map(Act::Undefer),
        5 => inner().prop_map(Act::Immediate),
        2 => inner().prop_map(Act::AfterLoop),
        8 => (0..6_u64, inner()).prop_map(|(delay, node)| Act::Timer(delay, node)),
        2 => (1..6_u64, 1..4_u32, inner()).prop_map(|(period, times, node)| Act::Interval(period, times, node)),
        3 => any::<usize>().prop_map(Act::Clear),
        3 => any::<usize>().prop_map(Act::Refresh),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(timer, on)| Act::Reference(timer, on)),
        1 => any::<usize>().prop_map(Act::ClearImmediate),
        1 => (any::<usize>(), any::<bool>()).prop_map(|(which, on)| Act::ReferenceImmediate(which, on)),
        1 => (0..SOURCES, any::<bool>()).prop_map(|(source, on)| Act::ReferenceSource(source, on)),
        1 => (0..SOURCES).prop_map(Act::RemoveSource),
        3 => (0..6_u64, inner()).prop_map(|(took, node)| Act::Job(took, node)),
        1 => Just(Act::Hold),
        1 => Just(Act::Release),
        1 => Just(Act::ReleaseLater),
        3 => external_event(depth).prop_map(Act::World),
        4 => (0..8_u64).prop_map(Act::Works),
        1 => Just(Act::Reload),
        1 => Just(Act::Stop),
    ]
    .boxed()
}

fn external_event(depth: u32) -> BoxedStrategy<ExternalEvent> {
    prop_oneof![
        4 => node(depth).prop_map(ExternalEvent::Post),
        3 => (0..SIGNALS.len()).prop_map(ExternalEvent::Signal),
        4 => (0..SOURCES, any::<bool>()).prop_map(|(source, writes)| ExternalEvent::Ready(source, writes)),
        1 => any::<bool>().prop_map(ExternalEvent::Hold),
        1 => Just(ExternalEvent::Stop),
    ]
    .boxed()
}

/// An arbitrary program.
pub(super) fn any_program() -> BoxedStrategy<Program> {
    let world = prop::collection::vec((0..40_u64, external_event(2)), 0..8);
    let start = prop::collection::vec(node(3), 1..4);
    (any::<bool>(), start, [node(2), node(2)], [node(2), node(2)], world)
        .prop_map(|(recorded, start, handlers, sources, world)| Program {
            recorded,
            start,
            handlers,
            sources,
            world,
        })
        .boxed()
}

/// Timers, immediates and holds by number, modulo how many exist.
pub(super) fn pick<T: Clone>(number: usize, of: &Rc<std::cell::RefCell<Vec<T>>>) -> Option<T> {
    let of = of.borrow();
    (!of.is_empty()).then(|| of[number % of.len()].clone())
}
