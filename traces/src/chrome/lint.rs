//! Lint: checks what viewers will make of a Chrome trace.
//!
//! The file is read once, as a stream, by the import's reader. Faults of a single event are reported at once. Faults
//! that only show between events (nesting, pairs, flows) are found by a replay in time order, sorted as the viewers
//! sort, and in bounded memory: [`LintReport::unchecked`] counts what did not fit.
//!
//! Source: the viewers' own importers; `rules` lists the versions.

mod event;
mod flows;
mod pairs;
mod replay;
mod rules;

use std::io::Read;

pub use event::LintReport;
pub use rules::{Effect, RULES, Rule, Viewer};

use super::read::{ChromeEvent, ChromeReader, Ending, Form, Item, Position, ReadError, Skip};
use event::Events;
use rules::Check;

/// Size above which Catapult's viewer gives up.
const LARGE_BYTES: u64 = 256 << 20;

/// Size above which Perfetto gives up, in a browser.
const LARGE_BY_FAR_BYTES: u64 = 2 << 30;

/// How far the Firefox Profiler looks for a first line that resembles folded stacks.
const FIRST_LINE_BYTES: u64 = 4096;

/// One place where a rule is broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule that is broken.
    pub rule: &'static Rule,
    /// Where: the event that breaks it, in the unpacked text.
    pub place: Position,
    /// Details beyond the rule, if any; printable.
    pub detail: String,
}

/// Checks one file; `on_finding` receives every finding, roughly in file order.
///
/// # Errors
///
/// [`ReadError`] if it cannot be read, or is not a Chrome trace at all. A damaged file is a finding, not an error.
pub fn lint(input: impl Read, mut on_finding: impl FnMut(Finding)) -> Result<LintReport, ReadError> {
    let mut emit = |check: Check, place, detail| on_finding(Finding { rule: check.rule(), place, detail });
    let mut reader = ChromeReader::new(input)?;
    let start = Position { offset: 0, line: 1 };
    if reader.has_bom() {
        emit(Check::ByteOrderMark, start, String::new());
    }
    let mut events = Events::of(reader.form());
    let mut first_line = FirstLine::default();
    let mut scratch = String::new();
    let damaged = loop {
        match reader.read() {
            Ok(Some(Item::Event { place, text })) => {
                first_line.see(place, text);
                match ChromeEvent::parse(text, &mut scratch) {
                    Ok(event) => events.see(&event, text, place, &mut emit),
                    Err(_) => {
                        events.has_unread = true;
                        event::no_json(text, place, &mut emit);
                    }
                }
            }
            Ok(Some(Item::Other { place, key, text })) => event::other(key, text, place, &mut emit),
            Ok(Some(Item::Skipped { place, why })) => match why {
                Skip::NoObject => emit(Check::NoObject, place, String::new()),
                Skip::Trailing => emit(Check::Trailing, place, String::new()),
                _ => events.unchecked += 1,
            },
            Ok(None) => break false,
            Err(ReadError::Damaged { place, found, expected }) => {
                emit(Check::NotJson, place, format!("expected {expected}, found {found}"));
                break true;
            }
            Err(error) => return Err(error),
        }
    };
    if let Some(place) = reader.bad_comma() {
        emit(Check::CommaMissing, place, String::new());
    }
    if reader.has_trailing_comma() && reader.ending() == Ending::Whole {
        emit(Check::CommaLast, reader.place(), String::new());
    }
    match (reader.ending(), reader.form()) {
        (Ending::CutOff(place) | Ending::Unclosed(place), Form::Object) => {
            emit(Check::ObjectCut, place, String::new());
        }
        (Ending::CutOff(place), Form::Array) => emit(Check::ArrayCut, place, String::new()),
        (Ending::Unclosed(place), Form::Array) => emit(Check::ArrayOpen, place, String::new()),
        _ => {}
    }
    let end = reader.place();
    if end.offset > LARGE_BY_FAR_BYTES {
        emit(Check::TooLargeByFar, start, format!("{} bytes", end.offset));
    } else if end.offset > LARGE_BYTES {
        emit(Check::TooLarge, start, format!("{} bytes", end.offset));
    }
    if let Some(place) = first_line.suspect.filter(|_| reader.form() == Form::Array)
        && first_line.breaks(end)
    {
        emit(Check::FirstLine, place, String::new());
    }
    let mut report = events.finish(!damaged, start, &mut emit);
    report.bytes = end.offset;
    Ok(report)
}

/// Whether the Firefox Profiler would take the file for folded stacks.
#[derive(Default)]
struct FirstLine {
    /// The event on the first line in which a digit follows a space.
    suspect: Option<Position>,
    /// Where the first line is known to have ended.
    over: Option<u64>,
}

impl FirstLine {
    fn see(&mut self, place: Position, text: &[u8]) {
        if self.over.is_some() {
            return;
        }
        if place.line > 1 {
            self.over = Some(place.offset);
            return;
        }
        let line_end = text.iter().position(|byte| *byte == b'\n');
        let line = &text[..line_end.unwrap_or(text.len())];
        if line.windows(2).any(|pair| pair[0] == b' ' && pair[1].is_ascii_digit()) {
            self.suspect.get_or_insert(place);
        }
        self.over = line_end.map(|at| place.offset + at as u64);
    }

    fn breaks(&self, end: Position) -> bool {
        let over = self.over.or((end.line > 1).then_some(end.offset));
        over.is_some_and(|over| over <= FIRST_LINE_BYTES)
    }
}

#[cfg(test)]
mod tests;
