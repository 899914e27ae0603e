//! Configures a session before it begins.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::error::SessionError;
use super::inner::Inner;
use super::registry::Registry;
use super::{Session, suspensions};
use crate::clock::{Anchor, SystemClock, TickUnit};
use crate::memory::{Region, WORD_BYTES};
use crate::metadata::{Metadata, STALL_LIMIT_NS_DEFAULT};
use crate::ring::{CAPACITY_DEFAULT, nearest_capacity};
use crate::shared::create::{SharedFile, size_limit};
use crate::shared::folder::{self, Folder};
use crate::shared::header::Header;
use crate::shared::identity::Identity;
use crate::shared::layout::{LABELS_DEFAULT, META_BYTES_MAX, PLACES_DEFAULT, PLACES_MAX, Plan};
use crate::truncation;

/// Time between the two anchors that give the first rate of the record clock.
const ANCHOR_GAP: Duration = Duration::from_millis(1);

/// Configures a [`Session`]; the last call begins it.
#[derive(Clone, Debug)]
#[must_use]
pub struct SessionBuilder {
    program: String,
    policy: String,
    build: String,
    settings: BTreeMap<String, String>,
    stall_limit_ns: u64,
    capacity: u32,
    places: usize,
    unit: TickUnit,
    guarded: bool,
    suspensions: Option<bool>,
}

impl Session {
    /// Returns a builder for a session of the program `program`.
    pub fn builder(program: impl Into<String>) -> SessionBuilder {
        SessionBuilder {
            program: program.into(),
            policy: "unknown".to_owned(),
            build: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
            settings: BTreeMap::new(),
            stall_limit_ns: STALL_LIMIT_NS_DEFAULT,
            capacity: CAPACITY_DEFAULT,
            places: PLACES_DEFAULT,
            unit: TickUnit::detect(),
            suspensions: None,
            guarded: false,
        }
    }
}

impl SessionBuilder {
    /// The loop's policy; "unknown" by default.
    pub fn policy(mut self, policy: impl Into<String>) -> Self {
        self.policy = policy.into();
        self
    }

    /// Version and build profile of the program.
    pub fn build(mut self, build: impl Into<String>) -> Self {
        self.build = build.into();
        self
    }

    /// A setting that trace comparisons check: a limit, a load, a seed, an environment variable.
    pub fn setting(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.settings.insert(name.into(), value.to_string());
        self
    }

    /// A tick busier than this is a stall; [`STALL_LIMIT_NS_DEFAULT`] by default.
    pub const fn stall_limit_ns(mut self, limit_ns: u64) -> Self {
        self.stall_limit_ns = limit_ns;
        self
    }

    /// Records of each ring: the next power of two, between [`CAPACITY_MIN`](crate::ring::CAPACITY_MIN) and
    /// [`CAPACITY_MAX`](crate::ring::CAPACITY_MAX);
    /// [`CAPACITY_DEFAULT`] by default. A record takes 32 bytes.
    pub fn capacity(mut self, records: u32) -> Self {
        self.capacity = nearest_capacity(records);
        self
    }

    /// Maximum number of recorders open at a time, 1 to 4,096; 64 by default. A ring takes memory only once it is
    /// opened.
    pub fn recorders_max(mut self, recorders: usize) -> Self {
        self.places = recorders.clamp(1, PLACES_MAX);
        self
    }

    /// The unit of the record clock; by default the cheapest one that this machine keeps reliably.
    pub const fn tick_unit(mut self, unit: TickUnit) -> Self {
        self.unit = unit;
        self
    }

    /// Keeps the program running when the ring file of a shared session is truncated, which root and any process of
    /// the same user can do. The file is mapped, so otherwise the first record after a truncation kills the program
    /// with `SIGBUS`. With this, the session is off from then on and [`Session::check`] fails.
    ///
    /// This installs a handler of `SIGBUS` for the whole process. Faults outside of ring files go to the previously
    /// installed handler, or have their default effect. A program that installs its own handler *later* must chain to
    /// the one that it replaces.
    pub const fn survive_truncation(mut self) -> Self {
        self.guarded = true;
        self
    }

    /// Whether a thread detects when the whole process was suspended, because a signal stopped it or the machine
    /// slept, and records it as [`Suspended`](crate::event::Event::Suspended). The thread wakes up 20 times a second
    /// and takes no signals. On by default for a shared session, off for a private one.
    pub const fn watch_suspensions(mut self, watch: bool) -> Self {
        self.suspensions = Some(watch);
        self
    }

    /// Begins a session in this process's memory, which no other process can read.
    #[must_use]
    pub fn private(self) -> Session {
        let watch = self.suspensions.unwrap_or(false);
        let started = self.start();
        let region = Region::heap(started.plan.fixed_bytes / WORD_BYTES);
        let header = started.header(region);
        watched(started.session(header, None), watch)
    }

    /// Begins a session in a file of the first suitable [runtime folder](crate::discover::runtime_folders), where
    /// readers find it. If another user has taken the name of the last one, uses another name.
    ///
    /// # Errors
    ///
    /// [`SessionError`] if no folder is ours or the filesystem is full; if several folders fail, the error of the
    /// first.
    pub fn shared(self) -> Result<Session, SessionError> {
        self.shared_under(folder::prepare_first()?)
    }

    /// Like [`shared`](Self::shared), in a folder that the caller chooses.
    ///
    /// # Errors
    ///
    /// [`SessionError`] if the folder is not ours or the filesystem is full.
    pub fn shared_in(self, folder: &Path) -> Result<Session, SessionError> {
        self.shared_under(Folder::prepare(folder)?)
    }

    fn shared_under(self, folder: Folder) -> Result<Session, SessionError> {
        let (guarded, watch) = (self.guarded, self.suspensions.unwrap_or(true));
        if guarded {
            truncation::install().map_err(SessionError::Handler)?;
        }
        let started = self.start();
        let bytes = started.plan.fixed_bytes;
        if let Some(limit) = size_limit().filter(|limit| bytes as u64 > *limit) {
            return Err(SessionError::FileLimit { bytes, limit });
        }
        let path = folder.path().to_owned();
        let failed = |source| SessionError::File { folder: path.clone(), bytes, source };
        let (mut file, region) =
            SharedFile::create(folder, &started.identity, bytes, guarded).map_err(failed)?;
        let header = started.header(region);
        header.set_file(file.identity().map_err(failed)?);
        file.publish().map_err(failed)?;
        Ok(watched(started.session(header, Some(file)), watch))
    }

    fn start(self) -> Started {
        let clock = SystemClock::with_unit(self.unit);
        let first = clock.anchor();
        std::thread::sleep(ANCHOR_GAP);
        let anchors = [first, clock.anchor()];
        let identity = Identity::own();
        let mut metadata = Metadata {
            program: self.program,
            pid: identity.pid,
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            command: std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect(),
            build: self.build,
            policy: self.policy,
            machine: machine(),
            tick_unit: clock.unit(),
            started: first,
            stall_limit_ns: self.stall_limit_ns,
            settings: self.settings,
        };
        let mut json = to_json(&metadata);
        if json.len() > META_BYTES_MAX {
            // Only the command line and the settings can be that long.
            metadata.command.truncate(1);
            metadata.settings.clear();
            json = to_json(&metadata);
        }
        let plan = Plan::new(self.places, LABELS_DEFAULT, json.len());
        Started { clock, anchors, identity, metadata, json, plan, capacity: self.capacity }
    }
}

fn watched(session: Session, watch: bool) -> Session {
    if let Some(handle) = session.handle().filter(|_| watch) {
        suspensions::watch(handle);
    }
    session
}

/// A session without its memory.
struct Started {
    clock: SystemClock,
    anchors: [Anchor; 2],
    identity: Identity,
    metadata: Metadata,
    json: Vec<u8>,
    plan: Plan,
    capacity: u32,
}

impl Started {
    fn header(&self, region: Region) -> Header {
        Header::new(region, self.plan, &self.identity, self.clock.unit(), self.anchors, &self.json)
    }

    fn session(self, header: Header, file: Option<SharedFile>) -> Session {
        Session::new(Inner {
            header,
            pid: self.identity.pid,
            metadata: self.metadata,
            clock: self.clock,
            anchors: self.anchors,
            file,
            capacity: self.capacity,
            registry: Mutex::new(Registry::default()),
            ended: AtomicBool::new(false),
            finished: AtomicBool::new(false),
            off: AtomicBool::new(false),
        })
    }
}

fn to_json(metadata: &Metadata) -> Vec<u8> {
    serde_json::to_vec(metadata).expect("text, numbers and a map with text keys are always JSON")
}

fn machine() -> String {
    let system = rustix::system::uname();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let processor = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(|| system.machine().to_string_lossy().into_owned());
    format!(
        "{} {}, {processor}, {cores} cores",
        system.sysname().to_string_lossy(),
        system.release().to_string_lossy()
    )
}
