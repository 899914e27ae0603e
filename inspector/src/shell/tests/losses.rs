//! Losses that a source reports without events apply at every position of a replay.

use super::*;
use crate::app::fold::Fold;

#[test]
fn losses_at_unknown_times_apply_at_every_position() {
    let (mut app, rest) = live();
    let counts = SourceCounts { lost_records: 7, malformed: 1, ..SourceCounts::default() };
    let (at, running, process) = (Timestamp(0), &[][..], Process::Ended);
    update(&mut app, Message::Watched(Watched { at, running, counts, lost_elsewhere: 7, process }));
    let known = |app: &App| {
        (app.state.live.fold.timeline.lost_in_all(), app.state.live.fold.timeline.counts.malformed)
    };
    assert_eq!(known(&app), (7, 1));
    let from = [(Timestamp(1), Event::Lost { count: 3, from: Timestamp(1) })];
    let lost = from.map(|(at, event)| Stamped { at, source: SourceId(1), event });
    let nothing = Fold::new(app.state.live.fold.timeline.config().clone());
    update(&mut app, Message::Rewound(Box::new(nothing)));
    assert_eq!(known(&app), (7, 1), "also at another position");
    update(&mut app, Message::Events(&lost));
    update(&mut app, Message::Events(&rest));
    assert_eq!(known(&app), (10, 1));
}
