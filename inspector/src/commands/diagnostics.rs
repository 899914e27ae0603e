//! Destinations of `tracing`: loopscope's own diagnostics go to a file, because the terminal shows the dashboard. The
//! spans of the demo's handlers go into its ring, with the events of its loop.

use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Mutex;

use loop_probes::adapters::tracing::TracingLayer;
use loop_probes::session::Session;
use loop_probes::text::printable_path;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, filter, fmt};

use crate::io::exit::CommandError;

/// The environment variable with the level or filter, as `tracing_subscriber::EnvFilter` reads it.
const FILTER_VARIABLE: &str = "LOOPSCOPE_LOG";

/// The crate whose spans and events belong to the demo rather than to loopscope.
const DEMO: &str = "loop_demo";

/// Appends diagnostics to `log`, and records the demo's spans in `demo`. Drops them without such a destination.
///
/// # Errors
///
/// [`CommandError::Input`] if the file cannot be opened, [`CommandError::Usage`] if the filter cannot be parsed.
pub(super) fn start(log: Option<&Path>, demo: Option<&Session>) -> Result<(), CommandError> {
    let to_file = log.map(open).transpose()?;
    let to_ring = demo.map(|session| {
        TracingLayer::new(session)
            .with_filter(filter::filter_fn(|metadata| metadata.target().starts_with(DEMO)))
    });
    let subscriber = tracing_subscriber::registry().with(to_ring).with(to_file);
    subscriber.try_init().map_err(|error| CommandError::Input(format!("cannot start the log: {error}")))
}

fn open<S>(path: &Path) -> Result<impl tracing_subscriber::Layer<S>, CommandError>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let file = OpenOptions::new().create(true).append(true).open(path);
    let file = file.map_err(|error| {
        CommandError::Input(format!("cannot open the log {}: {error}", printable_path(path)))
    })?;
    let filter = std::env::var(FILTER_VARIABLE).unwrap_or_else(|_| "info".to_owned());
    let filter = EnvFilter::try_new(&filter).map_err(|error| {
        let way_out = "write a level (error, warn, info, debug, trace) or a filter of tracing";
        CommandError::Usage(format!("{FILTER_VARIABLE}={filter}: {error}; {way_out}"))
    })?;
    Ok(fmt::layer().with_writer(Mutex::new(file)).with_ansi(false).with_filter(filter))
}
