//! A turn of our loop while many timers wait: the cost of a policy that scans all of them, compared with the
//! default.

use std::time::Duration;

use anyhow::Result;
use loop_core::{Context, EventLoop, Policy, Task};

use crate::measure::{Effort, Samples, Subject, interleave_one, ns_each};
use crate::table::{Report, Section, figure, times};

const WAITING: [usize; 4] = [0, 100, 1_000, 10_000];
/// Turns per sample.
const TURNS: usize = 50;

/// Re-arms itself with no delay: one timer is always due, and no poll waits.
struct Again;

impl Task for Again {
    type Remote = Self;
    loop_core::tags!("Again");

    fn run(self, cx: &mut Context<'_, Self>) {
        cx.set_timeout(Duration::ZERO, Self);
    }
}

fn turns(policy: &Policy, waiting: usize) -> Result<Subject<'static>> {
    let mut event_loop = EventLoop::<Again>::builder().policy(policy.clone()).build()?;
    event_loop.with(|cx| {
        for number in 0..waiting as u64 {
            cx.set_timeout(Duration::from_secs(3600 + number), Again);
        }
        cx.set_timeout(Duration::ZERO, Again);
    });
    Ok(Subject::new(policy.name.to_string(), move || {
        let ran = event_loop.metrics().tasks_run;
        let ns = ns_each(TURNS, || (0..TURNS).for_each(|_| event_loop.turn().expect("a loop can poll")));
        assert_eq!(event_loop.metrics().tasks_run - ran, TURNS as u64, "one timer fires in each turn");
        ns
    }))
}

pub(super) fn run(effort: Effort, report: &mut Report) -> Result<()> {
    let policies = [Policy::default(), Policy::quickjs()];
    let mut subjects = Vec::new();
    for policy in &policies {
        for waiting in WAITING {
            subjects.push(turns(policy, waiting)?);
        }
    }
    let columns = interleave_one(effort.rounds(9, 101), subjects);
    let text = "A whole turn, including its poll, that fires the one timer that is due, armed after the number of \
        waiting timers in the column head. `quickjs` is the policy that scans the timers in arming order.";
    let mut section = Section::new(
        "A turn while timers wait",
        text,
        &["ns", "none", "100", "1,000", "10,000", "10,000, relative to none"],
    );
    for (policy, columns) in policies.iter().zip(columns.chunks(WAITING.len())) {
        let growth = match columns {
            [none, .., most] => most.ratio(none),
            _ => f64::NAN,
        };
        let figures = columns.iter().map(Samples::median).map(figure);
        section.row(&format!("**policy `{}`**", policy.name), figures.chain([times(growth)]));
    }
    report.sections.push(section);
    Ok(())
}
