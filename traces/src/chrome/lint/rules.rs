//! The rules as a table: the fault, its effect in each viewer, and the remedy.
//!
//! Every effect was observed: a small file with just that fault, loaded by the viewer's own importer (Perfetto's trace
//! processor v52, Catapult's `trace_event_importer`, speedscope 1.25, the Firefox Profiler of August 2026).

use loop_probes::text::printable;
use serde::Serialize;

use crate::chrome::read::Position;

/// A program that opens Chrome traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Viewer {
    /// ui.perfetto.dev and `trace_processor`.
    Perfetto,
    /// chrome://tracing and anything else built on Catapult's viewer.
    Catapult,
    /// speedscope.app.
    Speedscope,
    /// profiler.firefox.com.
    Firefox,
}

impl Viewer {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Perfetto, Self::Catapult, Self::Speedscope, Self::Firefox];

    /// The name as printed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Perfetto => "perfetto",
            Self::Catapult => "catapult",
            Self::Speedscope => "speedscope",
            Self::Firefox => "firefox",
        }
    }
}

/// How a viewer reacts to a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// The event is shown as intended.
    Fine,
    /// The event is shown incompletely, or with a complaint.
    Warns,
    /// The event is shown wrongly, without a warning.
    Wrong,
    /// The event is dropped, without a warning.
    Drops,
    /// The event is dropped, with a warning or an error count.
    Reports,
    /// The whole file is refused.
    Refuses,
}

impl Effect {
    /// Whether the viewer loses or misrepresents part of the file.
    #[must_use]
    pub const fn loses(self) -> bool {
        !matches!(self, Self::Fine | Self::Warns)
    }

    /// The reaction, as the end of a sentence that begins with the viewer's name.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Fine => "takes it",
            Self::Warns => "shows it, with less",
            Self::Wrong => "shows it wrongly",
            Self::Drops => "drops it silently",
            Self::Reports => "drops it and says so",
            Self::Refuses => "refuses the file",
        }
    }

    /// The reaction in one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Fine => "",
            Self::Warns => "warns",
            Self::Wrong => "wrong",
            Self::Drops => "drops",
            Self::Reports => "reports",
            Self::Refuses => "refuses",
        }
    }
}

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The identifier of the rule.
    pub id: &'static str,
    /// What is wrong with an event that breaks the rule.
    pub what: &'static str,
    /// How to fix it.
    pub fix: &'static str,
    effects: [Effect; 4],
}

impl Rule {
    /// The reaction of `viewer` to this fault.
    #[must_use]
    pub const fn effect(&self, viewer: Viewer) -> Effect {
        self.effects[viewer as usize]
    }
}

/// Shortens text from the file for display.
pub(super) fn cut(text: &str) -> String {
    const CHARS_MAX: usize = 40;
    let mut shown: String = text.chars().take(CHARS_MAX).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    printable(&shown)
}

macro_rules! rules {
    ($($check:ident $id:literal [$p:ident $c:ident $s:ident $f:ident] $what:literal, $fix:literal;)+) => {
        /// The rules, by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(super) enum Check { $($check,)+ }

        /// Every rule, in the order of the documentation.
        pub const RULES: &[Rule] = &[$(Rule {
            id: $id,
            what: $what,
            fix: $fix,
            effects: [Effect::$p, Effect::$c, Effect::$s, Effect::$f],
        },)+];
    };
}

/// Receives findings, in no particular order.
pub(super) trait Emit: FnMut(Check, Position, String) {}
impl<F: FnMut(Check, Position, String)> Emit for F {}

impl Check {
    pub(super) const fn rule(self) -> &'static Rule {
        &RULES[self as usize]
    }
}

// Perfetto, Catapult, speedscope, Firefox.
rules! {
    TimeText "time-text" [Fine Fine Wrong Drops] "a time in quotes", "write ts and dur as numbers";
    TimeBad "time-bad" [Reports Wrong Wrong Drops] "a time that is not a number, or 146 years or more from zero", "write ts and dur as decimal microseconds";
    TimeMissing "time-missing" [Reports Wrong Refuses Drops] "a slice without ts", "give every event but metadata a ts";
    TimeMissingElse "time-missing-else" [Reports Wrong Fine Drops] "an event without ts", "give every event but metadata a ts";
    TimeNegative "time-negative" [Reports Fine Fine Fine] "a time before zero", "subtract the first time from all";
    TimeFar "time-far" [Warns Warns Warns Warns] "a time so far from zero that a double loses its nanoseconds", "subtract the first time from all";
    NumberLarge "number-large" [Fine Wrong Wrong Wrong] "an integer above 2^53 among the args", "write it as text";
    Unit "display-unit" [Fine Refuses Fine Fine] "displayTimeUnit is neither ms nor ns", "write \"ms\" or \"ns\": it changes the display only";
    UnitNoText "display-unit-no-text" [Refuses Refuses Fine Fine] "displayTimeUnit is not text", "write \"ms\" or \"ns\": it changes the display only";
    ObjectCut "object-cut" [Refuses Refuses Refuses Refuses] "the object ends too early", "write the array form while recording, and close it";
    ArrayCut "array-cut" [Warns Refuses Refuses Refuses] "the list ends in the middle of an event", "write whole events at a time";
    ArrayOpen "array-open" [Fine Fine Fine Refuses] "the list has no ] at its end", "close it on exit";
    CommaLast "comma-last" [Fine Refuses Refuses Refuses] "a comma before the ] of the list", "write commas before events, not after";
    CommaMissing "comma-missing" [Fine Refuses Refuses Refuses] "no comma between two events, or one too many", "write one comma between two events";
    Trailing "trailing-text" [Fine Refuses Refuses Refuses] "text after the end of the JSON", "remove it";
    NoObject "no-object" [Refuses Refuses Refuses Refuses] "something among the events that is not an object", "remove it";
    NotJson "not-json" [Refuses Refuses Refuses Refuses] "text that is not JSON", "write it with a library";
    BadEscape "bad-escape" [Fine Refuses Refuses Refuses] "an escape that JSON does not have", "escape with \\\\ and \\u only";
    NotNumber "not-a-number" [Fine Refuses Refuses Refuses] "NaN or Infinity among the args", "write null or text";
    NotNumberTime "not-a-number-time" [Refuses Refuses Refuses Refuses] "NaN or Infinity as a time", "leave the event out";
    ControlCharacter "control-character" [Fine Refuses Refuses Refuses] "a control character in text", "escape it as \\u00XX";
    NotUtf8 "not-utf8" [Fine Warns Warns Refuses] "text that is not UTF-8", "write UTF-8";
    ByteOrderMark "byte-order-mark" [Refuses Fine Fine Fine] "the file begins with a byte order mark", "remove it";
    FirstLine "first-line" [Fine Fine Fine Refuses] "a list whose first line has a space before a digit: it is taken for folded stacks", "break no line in the first 4 KiB, or write no spaces, or use the object form";
    Empty "no-events" [Refuses Warns Refuses Refuses] "no events", "record some";
    NothingShown "no-slices" [Fine Fine Warns Refuses] "neither slices nor instants", "record some";
    TooLarge "too-large" [Fine Refuses Fine Fine] "more than 256 MiB", "export a part of it";
    TooLargeByFar "too-large-by-far" [Refuses Refuses Refuses Refuses] "more than 2 GiB", "export a part of it";
    DuplicateKey "duplicate-key" [Warns Warns Warns Warns] "a key that occurs twice: the last one counts", "write it once";
    NameMissing "name-missing" [Warns Refuses Warns Refuses] "a slice or an instant without a name", "give every event a name";
    EndNameless "end-nameless" [Fine Fine Wrong Refuses] "an E without a name", "repeat the name of its B";
    PairNameless "pair-nameless" [Warns Reports Fine Refuses] "a b, n, e, s, t or f without a name", "give every event a name";
    OtherNameless "other-nameless" [Warns Warns Fine Refuses] "an event without a name", "give every event a name";
    NameNoText "name-no-text" [Warns Refuses Fine Refuses] "a name that is not text", "write it in quotes";
    PhaseMissing "phase-missing" [Reports Reports Refuses Drops] "an event without ph", "give every event a ph of one letter";
    PhaseMissingEarly "phase-missing-early" [Reports Reports Refuses Refuses] "one of a list's first five events without ph", "give every event a ph of one letter";
    PhaseUnknown "phase-unknown" [Drops Reports Fine Fine] "an unknown ph", "use X, B, E, i, C, M, b, n, e, s, t or f";
    PhaseObsolete "phase-obsolete" [Drops Fine Fine Fine] "an obsolete ph (S, T, F, p)", "write b, n and e";
    PidMissing "pid-missing" [Fine Refuses Fine Warns] "an event without pid", "give every event a pid";
    ThreadMissing "thread-missing" [Fine Fine Refuses Warns] "a slice without pid or tid", "give every slice both";
    TidText "tid-text" [Fine Fine Refuses Fine] "a slice whose pid or tid is text, not a number", "number the threads, and name them with thread_name";
    DurMissing "dur-missing" [Reports Wrong Wrong Drops] "an X without dur", "give it a dur, or write B and E";
    DurNegative "dur-negative" [Wrong Wrong Wrong Wrong] "an X that ends before it begins", "take both ends from one clock";
    DurZero "dur-zero" [Fine Fine Warns Fine] "a slice of no length: no width in a flame graph", "make it 1 ns long";
    Overlap "overlap" [Reports Wrong Wrong Fine] "an X that overlaps another of its thread without nesting (rounded to ns)", "write b and e, or another tid; round both ends before subtracting";
    SumOverlaps "sum-overlaps" [Fine Fine Wrong Fine] "an X whose ts and dur, added as doubles once the thread's first ts is taken off, reach past what begins or ends there", "give dur the decimals that make the sum exact, or write B and E";
    TouchAlike "touch-alike" [Fine Fine Wrong Fine] "a slice that begins exactly when another of its name and args ends: it is drawn inside that one", "make dur a little shorter, by less than half a nanosecond";
    Crossing "crossing" [Fine Fine Wrong Fine] "an E before the end of an X inside", "end the inner slice first";
    EndOther "end-other" [Wrong Warns Wrong Wrong] "an E whose name differs from the slice it ends", "repeat the name of its B";
    EndOrder "end-order" [Reports Warns Fine Fine] "an E after a B of the same time", "at equal times write the E first";
    BeginOrder "begin-order" [Reports Fine Fine Fine] "an X within a B that begins at the same time: it is taken for the outer one, and ends the B", "write the B a little earlier, or as an X";
    EndAlone "end-alone" [Drops Reports Drops Wrong] "an E without a B", "write both, or X";
    BeginOpen "begin-open" [Warns Warns Warns Warns] "a B that never ends", "end open slices on exit";
    Backwards "backwards" [Fine Reports Fine Fine] "a B or E earlier than the slice that is open, in the order of the file", "sort the events of a thread by ts";
    Scope "instant-scope" [Fine Reports Fine Fine] "an instant whose s is not t, p or g", "write \"s\":\"t\"";
    CounterEmpty "counter-empty" [Reports Reports Fine Fine] "a counter without values", "give it numeric args";
    CounterText "counter-no-number" [Reports Wrong Fine Fine] "a counter with a value that is not a number", "give it numeric args";
    CounterSeries "counter-series" [Fine Wrong Fine Fine] "a counter whose series differ from its first event's", "write all series in every event";
    NameRow "metadata-empty" [Fine Refuses Fine Refuses] "a process or thread name without args", "give it args.name";
    AsyncId "async-id" [Reports Reports Fine Fine] "a b, n or e without id", "give it the id of its b";
    AsyncCategory "async-category" [Fine Reports Fine Fine] "a b, n or e without cat", "give it the cat of its b";
    AsyncEnd "async-end-alone" [Drops Warns Fine Wrong] "an e without a b of its pid, cat, id and name", "repeat all four";
    AsyncOpen "async-open" [Warns Warns Fine Warns] "a b without an e of its pid, cat, id and name", "end open slices on exit, repeating all four";
    FlowId "flow-id" [Reports Reports Fine Fine] "a flow without id", "give it one";
    FlowIdText "flow-id-text" [Reports Fine Fine Fine] "a flow whose id is neither an integer of 64 bits nor hexadecimal text", "number the flows";
    FlowIdForm "flow-id-form" [Fine Reports Fine Fine] "a flow whose ends write one id differently: text is hexadecimal to Perfetto, and merely text to Catapult", "write the id of a flow the same way everywhere";
    FlowIdAlike "flow-id-alike" [Wrong Fine Fine Fine] "two flows whose ids are one number to Perfetto, which takes text for hexadecimal", "write the ids of all flows in one form";
    FlowEnd "flow-end-alone" [Reports Reports Fine Fine] "a flow that continues or ends with no start of its id, cat and name (or its bind_id) before it", "write the start, repeating all three";
    FlowStart "flow-start-alone" [Drops Drops Fine Fine] "a flow that starts and never ends", "write its end";
    FlowAgain "flow-id-again" [Wrong Warns Fine Fine] "a flow whose id was used before: its ends are bound to the first start", "use each id once";
    FlowCategory "flow-category" [Fine Refuses Fine Fine] "an f without cat and without bp", "repeat the cat of its start";
    BindIdText "bind-id-text" [Drops Fine Fine Fine] "a bind_id that is neither an integer of 64 bits nor hexadecimal text", "number the flows";
    BindIdEmpty "bind-id-empty" [Fine Drops Fine Fine] "a bind_id of 0, or an empty one", "number the flows from 1";
    BindIdSmall "bind-id-small" [Wrong Fine Fine Fine] "a bind_id below the number of flows by s, t and f: Perfetto numbers those from 0", "write all flows of a file in one way";
    BindIdForm "bind-id-form" [Reports Fine Fine Fine] "a bind_id that is a number at one end and the same digits as text at another", "write a bind_id the same way everywhere";
    BindNowhere "bind-direction" [Reports Reports Fine Fine] "a bind_id without flow_in or flow_out", "write \"flow_out\":true where the flow starts, and \"flow_in\":true where it arrives";
    BindNoBool "bind-direction-no-bool" [Reports Fine Fine Fine] "a flow_in or flow_out that is not true, but taken for it", "write true";
    BindBegin "bind-begin" [Fine Drops Fine Fine] "a bind_id on a B, b or n", "write an X";
    BindPhase "bind-phase" [Drops Drops Fine Fine] "a bind_id on an event without a duration", "write an X";
    FlowOutside "flow-outside" [Reports Reports Fine Fine] "a flow that touches no slice of its thread", "write it inside a slice";
    FlowNext "flow-next" [Drops Reports Fine Fine] "an f without bp:\"e\", and no slice that begins after it", "write \"bp\":\"e\"";
    ArgsUnique "args-unique" [Fine Fine Warns Fine] "slices of one name with args that are never the same: they are not grouped", "leave numbers of single runs out of the args of slices";
}
