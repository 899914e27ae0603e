//! What is shown while a command works: a line on a terminal's standard error, nothing elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How often it is drawn, a second.
const HZ: u8 = 10;

/// A bar for work of so much, where that is known, drawn as `template` says.
pub(super) fn bar(size: Option<u64>, template: &str) -> ProgressBar {
    // Hidden by itself where standard error is no terminal.
    let bar = ProgressBar::with_draw_target(size, ProgressDrawTarget::stderr_with_hz(HZ));
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style.progress_chars("━╸ ")),
        Err(_) => bar,
    }
}

/// The same for work of which nobody knows how much there is: it moves although nothing is told.
pub(super) fn spinner(template: &str) -> ProgressBar {
    let bar = bar(None, template);
    bar.enable_steady_tick(Duration::from_secs(1) / u32::from(HZ));
    bar
}
