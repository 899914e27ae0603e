//! The demo's cache of rendered pages, which is the heap that the loop's GC controller watches. It grows with every miss,
//! and dropped pages stay allocated until a collection.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use loop_core::gc::Heap;
use loop_probes::ids::Timestamp;

/// Maximum number of pages kept.
const PAGES_MAX: usize = 4096;
/// Lifetime of a page.
const LIFETIME_NS: u64 = 1_500_000_000;

/// Pages by number, and the unreachable garbage.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    pages: HashMap<u32, Page>,
    /// Pages by age, oldest first. A page that was rendered again leaves a stale entry.
    ages: VecDeque<(u32, Timestamp)>,
    garbage: Vec<Rc<[u8]>>,
    bytes: u64,
    now: Timestamp,
}

#[derive(Debug)]
struct Page {
    body: Rc<[u8]>,
    made: Timestamp,
}

impl Cache {
    /// Returns the page if it is cached and has not expired.
    pub(crate) fn page(&self, number: u32, now: Timestamp) -> Option<Rc<[u8]>> {
        let page = self.pages.get(&number)?;
        (now.ns_since(page.made) < LIFETIME_NS).then(|| Rc::clone(&page.body))
    }

    /// Stores a page. A replaced page, and the oldest pages if there is no room, become garbage.
    pub(crate) fn keep(&mut self, number: u32, body: Rc<[u8]>, now: Timestamp) {
        self.now = now;
        self.bytes += body.len() as u64;
        self.ages.push_back((number, now));
        if let Some(old) = self.pages.insert(number, Page { body, made: now }) {
            self.garbage.push(old.body);
        }
        while self.pages.len() > PAGES_MAX && self.drop_oldest() {}
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((number, made)) = self.ages.pop_front() else { return false };
        if self.pages.get(&number).is_some_and(|page| page.made == made) {
            self.garbage.extend(self.pages.remove(&number).map(|page| page.body));
        }
        true
    }
}

impl Heap for Cache {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn collect(&mut self) {
        while self.ages.front().is_some_and(|(_, made)| self.now.ns_since(*made) >= LIFETIME_NS) {
            self.drop_oldest();
        }
        for body in self.garbage.drain(..) {
            self.bytes -= body.len() as u64;
        }
    }
}

/// The cache, shared between the handlers that fill it and the host that collects it.
#[derive(Clone, Debug, Default)]
pub(crate) struct SharedCache(pub(crate) Rc<RefCell<Cache>>);

impl Heap for SharedCache {
    fn bytes(&self) -> u64 {
        self.0.borrow().bytes()
    }

    fn collect(&mut self) {
        self.0.borrow_mut().collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(length: usize) -> Rc<[u8]> {
        vec![7; length].into()
    }

    #[test]
    fn what_was_replaced_stays_until_collected() {
        let mut cache = Cache::default();
        cache.keep(1, body(100), Timestamp(1));
        cache.keep(1, body(50), Timestamp(2));
        assert_eq!(cache.bytes(), 150);
        cache.collect();
        assert_eq!(cache.bytes(), 50);
        assert_eq!(cache.page(1, Timestamp(3)).map(|page| page.len()), Some(50));
    }

    #[test]
    fn old_pages_are_collected() {
        let mut cache = Cache::default();
        cache.keep(1, body(10), Timestamp(0));
        cache.keep(2, body(10), Timestamp(LIFETIME_NS));
        assert_eq!(cache.page(1, Timestamp(LIFETIME_NS)), None);
        cache.collect();
        assert_eq!(cache.bytes(), 10);
        assert!(cache.page(2, Timestamp(LIFETIME_NS)).is_some());
    }

    #[test]
    fn there_are_never_too_many() {
        let mut cache = Cache::default();
        for number in 0..2 * PAGES_MAX as u32 {
            cache.keep(number, body(1), Timestamp(u64::from(number)));
        }
        cache.collect();
        assert_eq!(cache.bytes(), PAGES_MAX as u64);
    }
}
