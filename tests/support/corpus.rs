//! The corpus: saved regressions, each a small trace with a TOML file beside it that says what must hold.
//!
//! ```toml
//! about = "One slow task behind a hundred fast ones makes a timer late."   # what it is, a sentence
//! made_by = "slow-behind-fast"        # the scenario or the command that made it
//! check = true                        # re-execution makes the recorded decisions: unless said otherwise
//! again = true                        # its re-execution is held to the same gates: unless said otherwise
//! in_order = true                     # tasks run in the order in which they were posted
//! shows = ["timer_lag.max > 20ms"]    # what it is kept for
//!
//! [[gate]]                            # as in `loopscope report --gate`
//! metric = "timer_lag.max"
//! max = "29ms"
//!
//! [[ran]]                             # the tasks of a tag began then, after the first event
//! tag = "Slow"
//! at = ["5ms"]
//!
//! [[fired]]                           # the timers of a tag fired so late
//! tag = "Timer"
//! lag = ["29ms 50us"]
//!
//! [[what_if]]                         # under another rule: policy, scale, drop, budget, gc, workers
//! scale = { Slow = 0.1 }
//! [[what_if.gate]]
//! metric = "timer_lag.max"
//! max = "3ms"
//! ```
//!
//! `traces/corpus/README.md` says how to add one.

mod case;
mod spanned_text;
pub(crate) mod statement;

pub(crate) use case::{Case, cases};
