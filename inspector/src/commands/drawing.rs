//! Commands that draw: when they do, and how the dashboard is set up for them.

use loop_traces::source::EventSource;

use crate::cli::{Global, Live};
use crate::exit::Failure;
use crate::stdout;

/// Whether a live command draws.
pub(super) fn is_wanted(live: &Live) -> bool {
    !live.no_tui && !live.json && stdout::is_terminal()
}

/// Draws a live source.
pub(super) fn live(source: impl EventSource + 'static, live: &Live, global: &Global) -> Result<(), Failure> {
    let _ = (source, live, global);
    Ok(())
}
