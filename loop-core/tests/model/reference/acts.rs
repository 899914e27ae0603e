//! The effects of a callback's actions on the model.

use super::{Deferred, Entry, Immediate, Model, Timer, World};
use crate::model::program::{Act, HAPPENINGS_MAX, Node};

impl Model {
    pub(super) fn call(&mut self, node: &Node) {
        self.log.push((self.now, node.name));
        for act in node.acts.iter() {
            self.act(act);
        }
    }

    fn arm(&mut self, delay: u64, interval: Option<(u64, u32)>, node: &Node) {
        self.armings += 1;
        let (due, armed) = (self.now + delay, Some(self.armings));
        let node = node.clone();
        self.timers.push(Timer { due, armed, firing: false, referenced: true, interval, delay, node });
    }

    fn act(&mut self, act: &Act) {
        let timers = self.timers.len();
        match act {
            Act::Post(node) => self.tasks.push_back(Entry { node: node.clone(), job: false }),
            Act::Micro(node) => self.micro.push_back(node.clone()),
            Act::Defer(key, node) => {
                if self.deferred.iter().all(|other| other.key != *key) {
                    let number = self.deferred_posted;
                    self.deferred_posted += 1;
                    self.deferred.push_back(Deferred { number, key: *key, node: node.clone() });
                }
            }
            Act::Undefer(key) => self.deferred.retain(|other| other.key != *key),
            Act::Immediate(node) => {
                let number = self.immediates_set;
                self.immediates_set += 1;
                self.immediates.push(Immediate { number, node: node.clone(), referenced: true });
            }
            Act::AfterLoop(node) => self.after_loop.push(node.clone()),
            Act::Timer(delay, node) => self.arm(*delay, None, node),
            Act::Interval(period, times, node) => self.arm(*period, Some((*period, *times)), node),
            Act::Clear(timer) if timers > 0 => {
                let timer = &mut self.timers[timer % timers];
                (timer.armed, timer.firing) = (None, false);
            }
            Act::Refresh(timer) if timers > 0 => {
                let timer = &mut self.timers[timer % timers];
                // A one-shot timer cannot be refreshed while it fires.
                if timer.armed.is_some() || (timer.firing && timer.interval.is_some()) {
                    self.armings += 1;
                    (timer.due, timer.armed) = (self.now + timer.delay, Some(self.armings));
                }
            }
            Act::Reference(timer, on) if timers > 0 => self.timers[timer % timers].referenced = *on,
            Act::Clear(_) | Act::Refresh(_) | Act::Reference(..) => {}
            Act::ClearImmediate(number) if self.immediates_set > 0 => {
                let number = number % self.immediates_set;
                self.immediates.retain(|immediate| immediate.number != number);
            }
            Act::ReferenceImmediate(number, on) if self.immediates_set > 0 => {
                let number = number % self.immediates_set;
                let immediate = self.immediates.iter_mut().find(|immediate| immediate.number == number);
                if let Some(immediate) = immediate {
                    immediate.referenced = *on;
                }
            }
            Act::ClearImmediate(_) | Act::ReferenceImmediate(..) => {}
            Act::ReferenceSource(source, on) => self.sources[*source].referenced = *on,
            Act::RemoveSource(source) => self.sources[*source].registered = false,
            Act::Job(took, node) => {
                self.jobs += 1;
                self.worker_free = self.worker_free.max(self.now) + took;
                self.plan(self.worker_free, World::JobEnds(node.clone()));
            }
            Act::Hold => self.holds += 1,
            Act::Release => self.holds -= 1,
            Act::ReleaseLater => self.releases_later += 1,
            Act::World(external_event) if self.caused_count < HAPPENINGS_MAX => {
                self.caused_count += 1;
                self.plan(self.now, World::Happens(external_event.clone()));
            }
            Act::World(_) => {}
            Act::Works(took) => self.now += took,
            Act::Reload => self.reload = true,
            Act::Stop => self.stop = true,
        }
    }
}
