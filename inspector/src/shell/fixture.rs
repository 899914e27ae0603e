//! Common fixture for tests of the state and of the view: a dashboard that watches a synthetic loop.

use loop_probes::ids::Timestamp;
use loop_probes::stamped::Stamped;
use loop_traces::source::SourceKind;
use loop_traces::synthetic::Script;
use loop_traces::timeline::TimelineConfig;

use super::app::App;
use crate::app::fold::Fold;
use crate::app::state::{AppState, SourceInfo};

/// A dashboard that watches the script's process and has received no events.
pub(crate) fn app(script: &Script) -> App {
    let config = TimelineConfig { history: true, ..TimelineConfig::of(&script.metadata()) };
    let about = SourceInfo {
        name: "demo".to_owned(),
        pid: 4121,
        policy: script.metadata().policy,
        kind: SourceKind::Ring,
        made: None,
        command: Some("loopscope attach 4121".to_owned()),
        since_attach: false,
        stall_limit_ns: config.stall_limit_ns,
    };
    App::new(AppState::new(about, Fold::new(config)))
}

/// The time of the last of `events`.
pub(crate) fn end(events: &[Stamped]) -> Timestamp {
    events.last().map(|stamped| stamped.at).unwrap()
}
