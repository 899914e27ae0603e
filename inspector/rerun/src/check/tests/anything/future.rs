//! What the futures of a program do, and what its callbacks ask for as futures do.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use loop_core::sim::SimSource;
use loop_core::{JoinHandle, Options, Shutdown};

use super::program::{Program, ms, panic};

type Doing = Pin<Box<dyn Future<Output = ()>>>;

impl Program {
    /// Asks for something through a local handle, from whatever runs.
    pub(super) fn ask(&self) {
        let (lp, again) = (self.local(), self.clone());
        match self.roll(10) {
            0 => {
                self.begin("LocalHandle::post");
                lp.post(self.once("asked"));
            }
            1 | 2 => {
                self.begin("LocalHandle::microtask");
                lp.microtask(self.once("asked"));
            }
            3 | 4 => {
                self.begin("LocalHandle::with");
                lp.with(move |cx| again.act(cx));
            }
            5 if self.roll(8) == 0 => {
                self.begin("LocalHandle::stop");
                lp.stop();
            }
            5 if self.roll(80) == 0 => {
                self.begin("LocalHandle::shutdown");
                lp.shutdown(Shutdown::within(self.delay()));
            }
            6 => {
                let future = self.0.borrow_mut().futures.pop();
                if let Some(future) = future {
                    self.begin("JoinHandle::cancel, unref");
                    let future = if self.coin() { future } else { future.unref() };
                    future.cancel();
                }
            }
            7 => {
                self.begin("LocalHandle::work");
                drop(lp.work("asked", |_| ()));
            }
            _ => {
                self.begin("LocalHandle::spawn");
                let options = Options::new("asked").on_error(self.rule()).on_shutdown(self.on_shutdown());
                let options = if self.coin() { options } else { options.unreferenced() };
                let future = lp.spawn(options, move |_| again.live(2));
                self.keep(future);
            }
        }
    }

    pub(super) fn keep(&self, future: JoinHandle<()>) {
        if self.coin() {
            self.0.borrow_mut().futures.push(future);
        }
    }

    /// What a future does.
    pub(super) fn live(self, depth: u32) -> Doing {
        Box::pin(async move {
            let _guard = self.coin().then(|| Guard(self.clone()));
            for _ in 0..self.roll(4) {
                self.live_once(depth).await;
            }
        })
    }

    async fn live_once(&self, depth: u32) {
        let (lp, delay) = (self.local(), self.delay());
        let inner = || self.clone().live(depth.saturating_sub(1));
        match self.roll(12) {
            0 => {
                self.begin("sleep");
                lp.sleep(delay).await;
            }
            1 => {
                self.begin("yield_now");
                lp.yield_now().await;
            }
            2 => {
                self.begin("interval");
                let mut interval = lp.interval(ms(1) + delay);
                interval.tick().await;
                interval.tick().await;
            }
            3 if depth > 0 => {
                self.begin("timeout");
                let _ = lp.timeout(delay, inner()).await;
            }
            4 if depth > 0 => {
                self.begin("join");
                let inner = inner();
                let child = lp.spawn("child", |_| inner);
                if self.coin() {
                    lp.sleep(delay).await;
                }
                if self.coin() {
                    child.cancel();
                }
                let _ = child.await;
            }
            5 if depth > 0 => {
                self.begin("spawn_checked");
                let inner = inner();
                let child = lp.spawn_checked(Options::new("checked").on_error(self.rule()), |_| async move {
                    inner.await;
                    Err::<(), _>("it had to")
                });
                let _ = child.await;
            }
            6 => {
                self.begin("an awaited job");
                let panics = self.roll(4) == 0 && self.0.borrow().panics;
                let job = lp.work("awaited", move |_| {
                    if panics {
                        panic()
                    }
                });
                let _ = lp.timeout(delay, job).await;
            }
            7 => {
                self.begin("watch_shared");
                let source = SimSource::new();
                self.0.borrow_mut().watched.insert(0, Arc::clone(&source));
                self.arrive();
                let watched = lp.watch_shared(source);
                let _ = lp.timeout(delay, watched.readable()).await;
                let _ = lp.timeout(delay, watched.writable()).await;
            }
            8 => {
                self.begin("until_shutdown");
                let _ = lp.timeout(delay, lp.until_shutdown(lp.sleep(ms(2)))).await;
            }
            9 => lp.fail("it had to"),
            10 if self.0.borrow().panics && self.roll(3) == 0 => {
                self.begin("a panic in a future");
                panic();
            }
            _ => (0..self.roll(4)).for_each(|_| self.ask()),
        }
    }
}

/// Asks for something when its future is dropped.
struct Guard(Program);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.ask();
        if self.0.0.borrow().panics && self.0.roll(6) == 0 && !std::thread::panicking() {
            panic();
        }
    }
}
