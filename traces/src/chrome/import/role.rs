//! Roles of the slices on a loop's thread, found by name for known producers.
//!
//! A Python event loop is one long call with its turns as slices inside. Elsewhere the loop itself has no slice, and
//! each slice that lies in no other is a task.

use serde::{Deserialize, Serialize};

use super::names::Names;
use super::posted::is_run_task;

/// The program that wrote the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Producer {
    /// Chromium, or a program built on it.
    Chromium,
    /// Node.js.
    Node,
    /// viztracer, for Python.
    Viztracer,
    /// An export by loopscope itself.
    Loopscope,
}

impl Producer {
    /// The name as reports show it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chromium => "Chromium",
            Self::Node => "Node.js",
            Self::Viztracer => "viztracer",
            Self::Loopscope => "loopscope",
        }
    }

    pub(super) fn of_thread(name: &str) -> Option<Self> {
        match name {
            "CrRendererMain" | "CrBrowserMain" | "Chrome_IOThread" | "Chrome_ChildIOThread" => {
                Some(Self::Chromium)
            }
            "JavaScriptMainThread" | "PlatformWorkerThread" => Some(Self::Node),
            _ => None,
        }
    }
}

/// The role of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A turn of the loop.
    Turn,
    /// A wait of the loop.
    Poll,
    /// The loop is awake: this slice contains what it runs, and until the next one it waits.
    Awake,
    /// Node's slice around the callbacks of one loop phase: awake, if the file contains the callbacks.
    Phase,
    /// A task, within a turn or while the loop is awake.
    Task,
    /// A call that leads to the task's own code, and does not name the task.
    Wrapper,
    /// A callback that Node records as an asynchronous pair, although it runs on its thread.
    Callback,
    /// An item that Node queues, with the id that its callback shares.
    Posts,
    /// A V8 collection that reports its effect on the heap.
    Gc,
    /// Our own instant for records that were lost.
    Lost,
    /// Anything else.
    Plain,
}

/// The name of the instant for lost records in our own exports.
pub(super) const RECORDS_LOST: &str = "records lost";

fn has(categories: &str, wanted: &str) -> bool {
    categories.split(',').any(|category| category == wanted)
}

fn role(name: &str, category: &str, producer: Option<Producer>) -> Role {
    if producer == Some(Producer::Loopscope) {
        return match category {
            "tick" => Role::Turn,
            "poll" => Role::Poll,
            "task" => Role::Task,
            "recorder" if name == RECORDS_LOST => Role::Lost,
            _ => Role::Plain,
        };
    }
    if name.starts_with("BaseEventLoop._run_once") {
        Role::Turn
    } else if name.contains("Selector.select (") || name.starts_with("IocpProactor.select (") {
        Role::Poll
    } else if name.starts_with("Handle._run (") || name.starts_with("TimerHandle._run (") {
        Role::Task
    } else if name == "ThreadController active" {
        Role::Awake
    } else if matches!(name, "RunTimers" | "CheckImmediate") && has(category, "node.environment") {
        Role::Phase
    } else if is_run_task(name) {
        Role::Task
    } else if name.ends_with("Context.run") {
        Role::Wrapper
    } else if matches!(name, "MinorGC" | "MajorGC") {
        Role::Gc
    } else if has(category, "node.async_hooks") {
        match name {
            "Immediate" | "TickObject" => Role::Posts,
            _ if name.ends_with("_CALLBACK") => Role::Callback,
            _ => Role::Plain,
        }
    } else {
        Role::Plain
    }
}

/// Cache of roles by name and category.
#[derive(Debug)]
pub(super) struct Roles {
    producer: Option<Producer>,
    known: std::collections::HashMap<(u32, u32), Role>,
}

impl Roles {
    pub(super) fn new(producer: Option<Producer>) -> Self {
        Self { producer, known: std::collections::HashMap::new() }
    }

    pub(super) fn of(&mut self, names: &Names, name: u32, category: u32) -> Role {
        let producer = self.producer;
        *self
            .known
            .entry((name, category))
            .or_insert_with(|| role(names.text(name), names.text(category), producer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_are_those_of_their_producers() {
        let of = |name, category| role(name, category, None);
        assert_eq!(
            of("BaseEventLoop._run_once (/usr/lib/python3.12/asyncio/base_events.py:1922)", "fee"),
            Role::Turn
        );
        assert_eq!(of("EpollSelector.select (/usr/lib/python3.12/selectors.py:451)", "fee"), Role::Poll);
        assert_eq!(of("Handle._run (/usr/lib/python3.12/asyncio/events.py:86)", "fee"), Role::Task);
        assert_eq!(of("Timeout_CALLBACK", "node,node.async_hooks"), Role::Callback);
        assert_eq!(of("Timeout_CALLBACK", "mine"), Role::Plain);
        assert_eq!(of("RunTimers", "node,node.environment"), Role::Phase);
        assert_eq!(of("RunTimers", "mine"), Role::Plain);
        assert_eq!(of("MessageLoop::RunTask", "task"), Role::Task);
        assert_eq!(of("ThreadController active", "base"), Role::Awake);
        assert_eq!(role("Echo", "task", Some(Producer::Loopscope)), Role::Task);
    }
}
