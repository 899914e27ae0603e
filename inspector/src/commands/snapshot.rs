//! `loopscope snapshot`: the dashboard as text, as a picture or as a recording of the screen.

use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime};

use loop_probes::ids::Timestamp;
use loop_probes::process::ProcessReader;
use loop_probes::ring::Start;
use loop_probes::stamped::Stamped;
use loop_probes::text::printable_path;
use loop_traces::source::{EventSource, SourceCounts};
use loop_traces::writer::{NewFile, TraceOutput as _, untouched};
use ratatui::buffer::Buffer;

use super::drawing::{ascii, first, palette};
use crate::cli::{Global, Press, SnapshotArgs, SnapshotFormat};
use crate::config::FPS;
use crate::dashboard::headless::{self, DrawnFrame, Step};
use crate::dashboard::picture::{self, Asciicast};
use crate::dashboard::{Options, Recording, Save};
use crate::io::exit::{CommandError, warn};
use crate::io::input::{self, Input, STDIN};
use crate::io::stdout;
use crate::playback::ReplayOptions;
use crate::theme::{ColorChoice, Theme};

/// How long a running loop is watched before the first key.
const AFTER: Duration = Duration::from_secs(2);

/// How long a recording of the screen goes on after the last key.
const DURATION: Duration = Duration::from_secs(5);

/// The longest recording of the screen: its frames wait in memory until the last one.
const RECORDED_MAX: Duration = Duration::from_secs(600);

/// Time for each key to show its effect: more than figures take to be refreshed.
const KEY: Duration = Duration::from_millis(300);

pub(super) fn run(args: &SnapshotArgs, global: &Global) -> Result<(), CommandError> {
    let format = format(args)?;
    if args.duration.is_some() && format != SnapshotFormat::Asciicast {
        return Err(CommandError::Usage(
            "--duration needs --format asciicast: a picture shows one moment".to_owned(),
        ));
    }
    let color =
        format != SnapshotFormat::Text && global.color.or(global.file.color) != Some(ColorChoice::Never);
    // A picture may be viewed in another locale.
    let theme = Theme::new(color, ascii(global, false)).with_palette(palette(global));
    let source = Source::open(args)?;
    let mut drawing = Drawing { last: Buffer::default(), cast: None, is_light: theme.is_light() };
    if format == SnapshotFormat::Asciicast {
        let started = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
        drawing.cast = Some(Asciicast::new(args.size, started, &source.title()));
    }
    let options = Options {
        name: None,
        command: None,
        since_attach: matches!(source, Source::Live(_)),
        fps: FPS,
        first: first(args.view, &global.file),
        duration: None,
        theme,
        saver: Box::new(NothingSaved),
    };
    let receive = |frame: DrawnFrame<'_>| drawing.receive(&frame);
    match source {
        Source::Live(ring) => {
            let steps = steps(args, args.after.unwrap_or(AFTER), format)?;
            headless::watch(*ring, options, args.size, &steps, receive).map_err(CommandError::input)?;
        }
        Source::Saved(input) => {
            for warning in input.warnings() {
                warn(&warning);
            }
            let at_ns = args.at.map_or(u64::MAX, |at| u64::try_from(at.as_nanos()).unwrap_or(u64::MAX));
            let replay = ReplayOptions { at_ns, paused: true, ..ReplayOptions::default() };
            let steps = steps(args, args.after.unwrap_or(Duration::ZERO), format)?;
            headless::watch_replay(input.into_rewind(), options, replay, args.size, &steps, receive)
                .map_err(CommandError::input)?;
        }
    }
    write(&args.output, &drawing.finish(format))
}

/// The format asked for, or that of the output's ending.
fn format(args: &SnapshotArgs) -> Result<SnapshotFormat, CommandError> {
    let ending = args.output.extension().and_then(|ending| ending.to_str());
    let by_name = match ending {
        _ if args.output == Path::new("-") => Some(SnapshotFormat::Text),
        Some("svg") => Some(SnapshotFormat::Svg),
        Some("txt") => Some(SnapshotFormat::Text),
        Some("cast") => Some(SnapshotFormat::Asciicast),
        _ => None,
    };
    args.format.or(by_name).ok_or_else(|| {
        let path = printable_path(&args.output);
        CommandError::Usage(format!(
            "the format of {path} is unknown: give --format, or a name that ends in .svg, .txt or .cast"
        ))
    })
}

/// What to do: `after` waiting, the keys with time to take effect, and what a recording shows after them.
fn steps(args: &SnapshotArgs, after: Duration, format: SnapshotFormat) -> Result<Vec<Step>, CommandError> {
    let keys = args.keys.iter().flat_map(|press| match press {
        Press::Key(key) => vec![Step::Press(*key), Step::Watch(KEY)],
        Press::Wait(time) => vec![Step::Watch(*time)],
    });
    let rest = (format == SnapshotFormat::Asciicast).then(|| args.duration.unwrap_or(DURATION));
    let steps: Vec<Step> =
        [Step::Watch(after)].into_iter().chain(keys).chain(rest.map(Step::Watch)).collect();
    let time = |step: &Step| if let Step::Watch(time) = step { *time } else { Duration::ZERO };
    let total = steps.iter().map(time).fold(Duration::ZERO, Duration::saturating_add);
    if format == SnapshotFormat::Asciicast && total > RECORDED_MAX {
        let most =
            "a recording of the screen is at most 10 minutes long, with the time before it and the keys";
        return Err(CommandError::Usage(most.to_owned()));
    }
    Ok(steps)
}

/// What is shown.
enum Source {
    Live(Box<ProcessReader>),
    Saved(Input),
}

impl Source {
    fn open(args: &SnapshotArgs) -> Result<Self, CommandError> {
        let Some(word) = &args.input else { return Self::live(args) };
        if word == STDIN {
            let way_out = "save it to a file first";
            return Err(CommandError::Usage(format!(
                "a snapshot cannot be made of standard input: {way_out}"
            )));
        }
        match Input::open(word)? {
            Input::Ring(..) if args.at.is_none() && is_alive(word) => Self::live(args),
            input => {
                if args.output != Path::new("-") {
                    input.spare(&args.output)?;
                }
                if let Some(at) = args.at {
                    input.at("--at", at)?;
                }
                Ok(Self::Saved(input))
            }
        }
    }

    /// A running loop, as `attach` shows it.
    fn live(args: &SnapshotArgs) -> Result<Self, CommandError> {
        if args.at.is_some() {
            return Err(CommandError::Usage(
                "--at needs a trace: a running loop is shown as it is".to_owned(),
            ));
        }
        let path = input::ring(args.input.as_deref())?;
        Ok(Self::Live(Box::new(input::open_ring(&path, Start::Newest)?.with_pressure())))
    }

    fn title(&self) -> String {
        match self {
            Self::Live(ring) => format!("loopscope: {}", ring.name()),
            Self::Saved(_) => "loopscope".to_owned(),
        }
    }
}

/// Whether a ring's process still runs.
fn is_alive(word: &std::ffi::OsStr) -> bool {
    let ring = input::ring(Some(word)).and_then(|path| input::open_ring(&path, Start::Newest));
    ring.is_ok_and(|ring| ring.state().is_alive())
}

/// What was drawn: the last frame, and all of them for a recording.
struct Drawing {
    last: Buffer,
    cast: Option<Asciicast>,
    /// Whether the theme is for light backgrounds.
    is_light: bool,
}

impl Drawing {
    fn receive(&mut self, frame: &DrawnFrame<'_>) {
        self.last.clone_from(frame.cells);
        if let Some(cast) = &mut self.cast {
            cast.frame(frame.at, frame.bytes);
        }
    }

    fn finish(self, format: SnapshotFormat) -> String {
        match (format, self.cast) {
            (SnapshotFormat::Svg, _) => picture::svg(&self.last, self.is_light),
            (_, Some(cast)) => cast.finish(),
            (_, None) => picture::text(&self.last),
        }
    }
}

/// Writes to standard output, or to a file that appears only when it is complete.
fn write(output: &Path, text: &str) -> Result<(), CommandError> {
    if output == Path::new("-") {
        return stdout::settle(stdout::lock()?.write_all(text.as_bytes()));
    }
    let failed = |error: &std::io::Error| {
        let rest = untouched(output);
        CommandError::Input(format!("cannot write {}: {error}{rest}", printable_path(output)))
    };
    let mut file = NewFile::create(output).map_err(CommandError::input)?;
    file.write_all(text.as_bytes()).and_then(|()| file.finish()).map_err(|error| failed(&error))
}

/// The saver of a dashboard that nobody sits at.
#[derive(Debug)]
struct NothingSaved;

impl NothingSaved {
    fn why<T>() -> Result<T, String> {
        Err("a snapshot saves nothing else".to_owned())
    }
}

impl Save for NothingSaved {
    fn events(&mut self, _events: &[Stamped], _counts: SourceCounts) -> Result<(), String> {
        Ok(())
    }

    fn is_recording(&self) -> bool {
        false
    }

    fn toggle(&mut self) -> Result<Recording, String> {
        Self::why()
    }

    fn save_last(&mut self) -> Result<String, String> {
        Self::why()
    }

    fn export(&mut self, _from: Timestamp, _to: Timestamp) -> Result<String, String> {
        Self::why()
    }
}
