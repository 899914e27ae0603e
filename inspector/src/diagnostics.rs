//! loopscope's own diagnostics: through `tracing`, to a file, never onto the dashboard.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;

use crate::exit::Failure;

/// The environment variable with the level or filter, as `tracing_subscriber::EnvFilter` reads it.
const FILTER_VARIABLE: &str = "LOOPSCOPE_LOG";

/// Sends diagnostics to `path`, appended; without a path they go nowhere.
///
/// # Errors
///
/// [`Failure::Input`] where the file cannot be opened, [`Failure::Usage`] where the filter cannot be read.
pub fn start(path: Option<&Path>) -> Result<(), Failure> {
    let Some(path) = path else { return Ok(()) };
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file =
        file.map_err(|error| Failure::Input(format!("cannot open the log {}: {error}", path.display())))?;
    let filter = std::env::var(FILTER_VARIABLE).unwrap_or_else(|_| "info".to_owned());
    let filter = EnvFilter::try_new(&filter)
        .map_err(|error| Failure::Usage(format!("{FILTER_VARIABLE}={filter} is no filter: {error}")))?;
    let subscriber =
        tracing_subscriber::fmt().with_writer(Mutex::new(file)).with_ansi(false).with_env_filter(filter);
    subscriber.try_init().map_err(|error| Failure::Input(format!("cannot start the log: {error}")))
}
