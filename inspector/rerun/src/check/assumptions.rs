//! Assumed numbers of microtasks that callbacks left, where the recording does not show them.
//!
//! If the recording contradicts one before the checkpoint that runs them, the check starts over with another; a
//! difference that no number explains is a divergence.

/// An assumed number of microtasks that a callback left.
#[derive(Clone, Copy, Debug)]
struct Assumption {
    first: u64,
    most: u64,
    /// Numbers tried before.
    tried: u64,
}

impl Assumption {
    /// `first` in the first try, then the other numbers from 0 on.
    const fn count(self) -> u64 {
        match self.tried {
            0 => self.first,
            tried if tried <= self.first => tried - 1,
            tried => tried,
        }
    }
}

/// The assumptions for all such callbacks, in the order in which they ran.
#[derive(Clone, Debug, Default)]
pub(super) struct Assumptions {
    all: Vec<Assumption>,
    /// Number of assumptions that the loop has reached.
    begun: usize,
    /// Number of assumptions confirmed by their checkpoint.
    settled: usize,
}

impl Assumptions {
    /// The assumed number for the next callback: at first `first`, at most `most`.
    pub(super) fn next(&mut self, first: u64, most: u64) -> u64 {
        if self.begun == self.all.len() {
            self.all.push(Assumption { first: first.min(most), most, tried: 0 });
        }
        self.begun += 1;
        self.all.get(self.begun - 1).map_or(0, |assumption| assumption.count())
    }

    /// The next assumptions after a contradiction; `None` if all were tried.
    pub(super) fn otherwise(mut self) -> Option<Self> {
        self.all.truncate(self.begun);
        while self.all.len() > self.settled {
            let last = self.all.last_mut()?;
            if last.tried < last.most {
                last.tried += 1;
                return Some(Self { all: self.all, begun: 0, settled: 0 });
            }
            self.all.pop();
        }
        None
    }

    /// Called after a checkpoint.
    pub(super) const fn settle(&mut self) {
        self.settled = self.begun;
    }
}
