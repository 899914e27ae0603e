//! Progress display of an import.

use indicatif::ProgressBar;
use loop_traces::chrome::import::Progress;

use crate::commands::progress::bar;
use crate::units;

/// Shows the progress on standard error.
pub(super) struct Bar {
    bar: ProgressBar,
    size: Option<u64>,
}

impl Bar {
    /// A bar for an input of the given number of bytes, if known.
    pub(super) fn new(size: Option<u64>) -> Self {
        let template = if size.is_some() {
            "{msg:12} {wide_bar} {percent:>3}%  {bytes_per_sec:>12}  {eta:>4} left"
        } else {
            "{msg:12} {spinner} {bytes}"
        };
        Self { bar: bar(size, template), size }
    }

    pub(super) fn show(&self, progress: Progress) {
        match progress {
            Progress::Reading { bytes, .. } => {
                self.bar.set_message("reading");
                self.bar.set_position(self.size.map_or(bytes, |size| bytes.min(size)));
            }
            Progress::Sorting { records } => {
                self.bar.set_message(format!("sorting {}", units::count(records)));
            }
            Progress::Writing { events } => {
                self.bar.set_message(format!("writing {}", units::count(events)));
            }
            _ => {}
        }
    }

    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
