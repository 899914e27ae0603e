//! Tests whether GLib notifies a poller that watches its context, which needs private access. Other tests are in
//! `tests/run_loop/glib.rs`.

use super::*;
use crate::poller::os::OsPoller;
use crate::poller::{Interest, Poller};

#[test]
fn our_context_reports_sources_attached_by_its_own_thread() {
    let mut glib = GlibLoop::new();
    if glib.start().is_err() && std::env::var_os("LOOPSCOPE_NO_GLIB").is_some_and(|set| set == "1") {
        eprintln!("LOOPSCOPE_NO_GLIB=1: a test of GLib's main context is left out");
        return;
    }
    assert_eq!(glib.next_wait().unwrap(), None);
    let (mut outer, mut ready) = (OsPoller::new().unwrap(), Vec::new());
    outer.add(glib.readiness().unwrap(), Interest::READABLE, 1).unwrap();
    outer.wait(Some(Duration::ZERO), &mut ready).unwrap();
    assert!(ready.is_empty());
    // Bypasses our API, as another binding to GLib would.
    glib.started().unwrap().owned.context().invoke(|| ());
    outer.wait(Some(Duration::ZERO), &mut ready).unwrap();
    assert_eq!(ready.len(), 1);
    assert!(glib.iterate(Duration::ZERO).unwrap());
    assert_eq!(glib.next_wait().unwrap(), None);
}
