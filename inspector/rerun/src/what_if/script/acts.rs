//! What callbacks did, in lists of packed acts: an act takes about 7 bytes instead of 24.

use loop_probes::ids::LabelId;
use loop_traces::format::varint;

use crate::act::Operation;
use crate::budget::bytes_of;

/// An index into a script's runs.
pub(in crate::what_if) type RunId = u32;

/// No index.
pub(in crate::what_if) const NONE: u32 = u32::MAX;

/// A change to something that exists, by the indices of a script.
pub(in crate::what_if) type Change = Operation<RunId, u32, u32, u32>;

/// Something that a callback did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::what_if) struct Act {
    /// Nanoseconds after the start of the callback.
    pub(in crate::what_if) after_ns: u64,
    pub(in crate::what_if) what: Op,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::what_if) enum Op {
    Post(RunId),
    Immediate(RunId),
    AfterLoop(RunId),
    Defer {
        key: u64,
        run: RunId,
    },
    Undefer(u64),
    Arm(u32),
    Work(u32),
    Register(u32),
    /// Changed something that existed: an immediate by its run, a timer, a source or a job by its number.
    Change(Change),
    /// Added a tasklet to the agenda.
    Tasklet(u32),
    /// A span of the program ended after `run_ns`.
    Span {
        label: LabelId,
        run_ns: u64,
    },
    Mark(LabelId),
    Hold(i32),
}

/// Ends a list.
const END: u8 = 0;

/// The codes of the operations.
mod code {
    pub(super) const POST: u8 = 1;
    pub(super) const IMMEDIATE: u8 = 2;
    pub(super) const AFTER_LOOP: u8 = 3;
    pub(super) const DEFER: u8 = 4;
    pub(super) const UNDEFER: u8 = 5;
    pub(super) const ARM: u8 = 6;
    pub(super) const WORK: u8 = 7;
    pub(super) const REGISTER: u8 = 8;
    pub(super) const CHANGE: u8 = 9;
    pub(super) const TASKLET: u8 = 10;
    pub(super) const SPAN: u8 = 11;
    pub(super) const MARK: u8 = 12;
    pub(super) const HOLD: u8 = 13;
}

/// Lists of acts, each named by its position. [`NONE`] is the empty list.
#[derive(Debug, Default)]
pub(in crate::what_if) struct ActLists {
    /// Of each act its code, its time and its operands; [`END`] after the last act of a list.
    packed: Vec<u8>,
    /// The operands of [`code::CHANGE`].
    changes: Vec<Change>,
    /// The list added last.
    last: u32,
}

impl ActLists {
    /// Memory used, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        bytes_of::<u8>(self.packed.len()) + bytes_of::<Change>(self.changes.len())
    }

    /// Adds a list.
    pub(super) fn add(&mut self, acts: impl IntoIterator<Item = Act>) -> u32 {
        let place = self.packed.len();
        acts.into_iter().for_each(|act| self.put(act));
        if self.packed.len() == place {
            return NONE;
        }
        self.packed.push(END);
        self.last = place as u32;
        self.last
    }

    /// Adds acts to the end of `list`; only the list added last can grow. Returns the list.
    pub(super) fn extend(&mut self, list: u32, acts: impl IntoIterator<Item = Act>) -> u32 {
        if list == NONE {
            return self.add(acts);
        }
        if list == self.last {
            self.packed.pop();
            acts.into_iter().for_each(|act| self.put(act));
            self.packed.push(END);
        }
        list
    }

    /// The first act of a list, and the list of the acts after it.
    pub(in crate::what_if) fn next(&self, list: u32) -> Option<(Act, u32)> {
        let mut rest = self.packed.get(list as usize..)?;
        let before = rest.len();
        let code = rest.split_off_first()?;
        let after_ns = varint::take(&mut rest)?;
        let mut operand = || varint::take(&mut rest);
        let what = match *code {
            code::POST => Op::Post(operand()? as u32),
            code::IMMEDIATE => Op::Immediate(operand()? as u32),
            code::AFTER_LOOP => Op::AfterLoop(operand()? as u32),
            code::DEFER => Op::Defer { key: operand()?, run: operand()? as u32 },
            code::UNDEFER => Op::Undefer(operand()?),
            code::ARM => Op::Arm(operand()? as u32),
            code::WORK => Op::Work(operand()? as u32),
            code::REGISTER => Op::Register(operand()? as u32),
            code::CHANGE => Op::Change(*self.changes.get(operand()? as usize)?),
            code::TASKLET => Op::Tasklet(operand()? as u32),
            code::SPAN => Op::Span { label: LabelId(operand()? as u32), run_ns: operand()? },
            code::MARK => Op::Mark(LabelId(operand()? as u32)),
            code::HOLD => Op::Hold((operand()? as u32).cast_signed()),
            _ => return None,
        };
        Some((Act { after_ns, what }, list + (before - rest.len()) as u32))
    }

    fn put(&mut self, Act { after_ns, what }: Act) {
        let (code, operands) = match what {
            Op::Post(run) => (code::POST, [Some(run.into()), None]),
            Op::Immediate(run) => (code::IMMEDIATE, [Some(run.into()), None]),
            Op::AfterLoop(run) => (code::AFTER_LOOP, [Some(run.into()), None]),
            Op::Defer { key, run } => (code::DEFER, [Some(key), Some(run.into())]),
            Op::Undefer(key) => (code::UNDEFER, [Some(key), None]),
            Op::Arm(arm) => (code::ARM, [Some(arm.into()), None]),
            Op::Work(job) => (code::WORK, [Some(job.into()), None]),
            Op::Register(source) => (code::REGISTER, [Some(source.into()), None]),
            Op::Change(change) => {
                self.changes.push(change);
                (code::CHANGE, [Some((self.changes.len() - 1) as u64), None])
            }
            Op::Tasklet(tasklet) => (code::TASKLET, [Some(tasklet.into()), None]),
            Op::Span { label, run_ns } => (code::SPAN, [Some(label.0.into()), Some(run_ns)]),
            Op::Mark(label) => (code::MARK, [Some(label.0.into()), None]),
            Op::Hold(delta) => (code::HOLD, [Some(delta.cast_unsigned().into()), None]),
        };
        self.packed.push(code);
        varint::put(&mut self.packed, after_ns);
        operands.into_iter().flatten().for_each(|operand| varint::put(&mut self.packed, operand));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(lists: &ActLists, mut list: u32) -> Vec<Act> {
        let mut acts = Vec::new();
        while let Some((act, rest)) = lists.next(list) {
            acts.push(act);
            list = rest;
        }
        acts
    }

    #[test]
    fn acts_of_each_kind_come_back_unchanged() {
        let all = [
            Op::Post(0),
            Op::Immediate(7),
            Op::AfterLoop(NONE),
            Op::Defer { key: u64::MAX, run: 300 },
            Op::Undefer(1),
            Op::Arm(2),
            Op::Work(3),
            Op::Register(4),
            Op::Change(Operation::ClearTimer(5)),
            Op::Change(Operation::OnSignal(10, None)),
            Op::Tasklet(6),
            Op::Span { label: LabelId(8), run_ns: u64::MAX },
            Op::Mark(LabelId(9)),
            Op::Hold(-1),
            Op::Hold(i32::MAX),
        ];
        let times = [0, 1, 200, u64::MAX].into_iter().cycle();
        let acts: Vec<Act> =
            all.into_iter().zip(times).map(|(what, after_ns)| Act { after_ns, what }).collect();
        let mut lists = ActLists::default();
        let (empty, first, second) =
            (lists.add([]), lists.add(acts.clone()), lists.add(acts.iter().rev().copied()));
        assert_eq!(listed(&lists, empty), []);
        assert_eq!(listed(&lists, first), acts);
        assert_eq!(listed(&lists, second), acts.into_iter().rev().collect::<Vec<_>>());
    }

    #[test]
    fn only_the_last_list_grows() {
        let act = |run| Act { after_ns: 5, what: Op::Post(run) };
        let mut lists = ActLists::default();
        let first = lists.extend(NONE, [act(1)]);
        assert_eq!(lists.extend(first, [act(2)]), first);
        let second = lists.add([act(3)]);
        assert_eq!(lists.extend(first, [act(4)]), first);
        assert_eq!(listed(&lists, first), [act(1), act(2)]);
        assert_eq!(listed(&lists, second), [act(3)]);
    }
}
