//! An agenda to watch at work: `cargo run -p loop-core --example agenda`, with `loopscope attach` beside it.
//!
//! Pages are fetched (high), indexed (normal) and tidied up (low). Sometimes a tasklet fails, and now and then all
//! workers stop for a collection. `kill -TERM` ends the program. The bytes of the commands are described in
//! `loop_core::self_pipe`.
#![expect(clippy::print_stderr, reason = "a program on a terminal says what it does")]

use std::error::Error;
use std::time::Duration;

use loop_core::Builtin;
use loop_core::agenda::{AgendaHandle, AgendaLoop, Next, Priority, Tasklet, TaskletFailure};
use loop_core::self_pipe::Command;
use loop_core::work_pool::PendingWork;
use loop_probes::clock::monotonic_now;
use loop_probes::session::Session;

/// Works for this long.
fn work(micros: u64) {
    let until = monotonic_now().plus_ns(micros * 1000);
    while monotonic_now() < until {
        std::hint::spin_loop();
    }
}

fn fetch(number: u64, loop_handle: &loop_core::Handle<Builtin>) -> Tasklet {
    let tasklet = Tasklet::once("fetch page", move |worker| {
        work(200);
        if number.is_multiple_of(40) {
            return Err("no such page".into());
        }
        worker.add(Tasklet::once("index page", |_| {
            work(900);
        }))?;
        Ok::<_, Box<dyn Error + Send + Sync>>(())
    });
    tasklet.priority(Priority::High).owner(loop_handle, |failure: TaskletFailure| {
        Builtin::remote("page failed", move |cx| cx.fail(failure))
    })
}

fn tidy_up(agenda: &AgendaHandle) -> Result<(), Box<dyn Error>> {
    let tidy = Tasklet::repeat("tidy up", |worker| {
        work(400);
        if worker.is_closing() { Next::Done } else { Next::Again }
    });
    agenda.add(tidy.priority(Priority::Low))?;
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let session = Session::builder("agenda").policy("agenda").shared()?;
    let mut main = AgendaLoop::builder(Builtin::Any)
        .workers(2)
        .session(&session, "loop")
        .collector(|| work(2_000))
        .on_dump(|_, report| eprint!("{report}"))
        .build()?;
    let (agenda, handle, commands) = (main.agenda(), main.event_loop().handle(), main.commands().clone());
    tidy_up(&agenda)?;
    let mut number = 0_u64;
    let tick = Builtin::repeat("new pages", move |cx| {
        for _ in 0..2 {
            number += 1;
            if let Err(refused) = agenda.add(fetch(number, &handle)) {
                cx.fail(refused);
            }
        }
        // A failed write to a full pipe is counted.
        let _ = match number % 2_000 {
            0 => commands.send(Command::Dump),
            1_000 => commands.send(Command::Collect),
            _ => Ok(()),
        };
    });
    main.event_loop().with(|cx| cx.set_interval(Duration::from_millis(5), tick))?;
    eprintln!("process {}; Ctrl-C ends it", std::process::id());
    main.run()?;
    let end = main.shutdown(PendingWork::Finish, Some(Duration::from_secs(1)));
    eprintln!("{} tasklets handed back, {} workers not joined", end.handed_back.len(), end.unjoined.len());
    Ok(())
}
