//! The corpus: saved regressions, each a small trace with a TOML beside it that says what must hold.
//!
//! ```toml
//! about = "One slow task behind a hundred fast ones makes a timer late."   # what it is
//! made_by = "slow-behind-fast"      # how it came to be
//! check = true                      # re-execution makes the recorded decisions (default)
//! in_order = true                   # tasks run in the order in which they were posted
//!
//! [[gate]]                          # of the recording, and of its re-execution
//! metric = "timer_lag.max"
//! max = "29ms 50us"
//!
//! [[ran]]                           # the tasks of a tag began then
//! tag = "Slow"
//! at = ["5ms"]
//!
//! [[fired]]                         # the timers of a tag fired so late
//! tag = "Timer"
//! lag = ["29ms 50us"]
//! ```

mod statement;

pub use statement::{Fired, Ran, Span, out_of_order};

