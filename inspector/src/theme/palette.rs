//! Palettes: the colours of a theme, for dark and light backgrounds, strong contrast, and readers who do not tell red
//! from green.
//!
//! A palette has no background of its own but that of selected rows: the dashboard is drawn on the terminal's. Contrasts
//! are those of [WCAG](https://www.w3.org/TR/WCAG22/#contrast-minimum): text has at least 4.5 to 1 against its
//! background, in [`Palette::HighContrast`] 7 to 1. The colours of [`Palette::ColorBlind`] follow those of Okabe and Ito,
//! which readers with protanopia, deuteranopia and tritanopia tell apart.

use loop_probes::event::Phase;

/// The colours of a theme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Palette {
    /// For dark backgrounds.
    #[default]
    Dark,
    /// For light backgrounds.
    Light,
    /// Strong contrasts, for dark backgrounds.
    HighContrast,
    /// Orange instead of red, blue instead of green, for dark backgrounds.
    ColorBlind,
}

/// Numbers of colours in the terminal's table of 256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colors {
    pub(super) dim: u8,
    pub(super) frame: u8,
    pub(super) focused_frame: u8,
    pub(super) title: u8,
    pub(super) over: u8,
    pub(super) live: u8,
    pub(super) held: u8,
    pub(super) selected_background: u8,
    pub(super) key: u8,
    pub(super) bar: u8,
    pub(super) unattributed: u8,
    phases: [u8; Phase::ALL.len()],
}

impl Colors {
    pub(super) const fn phase(&self, phase: Phase) -> u8 {
        self.phases[phase.code() as usize - 1]
    }
}

/// A table by phase, in the order of their codes.
const fn by_phase(of: &[(Phase, u8)]) -> [u8; Phase::ALL.len()] {
    let mut all = [0; Phase::ALL.len()];
    let mut place = 0;
    while place < of.len() {
        all[of[place].0.code() as usize - 1] = of[place].1;
        place += 1;
    }
    all
}

const DARK: Colors = Colors {
    dim: 244,
    frame: 239,
    focused_frame: 252,
    title: 250,
    over: 203,
    live: 114,
    held: 222,
    selected_background: 237,
    key: 252,
    bar: 67,
    unattributed: 246,
    phases: by_phase(&[
        (Phase::Timers, 221),
        (Phase::Signals, 176),
        (Phase::Concurrent, 37),
        (Phase::Tasks, 75),
        (Phase::Microtasks, 114),
        (Phase::Deferred, 151),
        (Phase::Immediates, 215),
        (Phase::Gc, 141),
        (Phase::Poll, 240),
        (Phase::Io, 80),
        (Phase::Pump, 187),
        (Phase::Agenda, 110),
        (Phase::Recorder, 250),
        (Phase::Shutdown, 174),
    ]),
};

const LIGHT: Colors = Colors {
    dim: 242,
    frame: 250,
    focused_frame: 238,
    title: 238,
    over: 160,
    live: 28,
    held: 94,
    selected_background: 254,
    key: 236,
    bar: 25,
    unattributed: 243,
    phases: by_phase(&[
        (Phase::Timers, 136),
        (Phase::Signals, 127),
        (Phase::Concurrent, 30),
        (Phase::Tasks, 26),
        (Phase::Microtasks, 28),
        (Phase::Deferred, 64),
        (Phase::Immediates, 166),
        (Phase::Gc, 91),
        (Phase::Poll, 248),
        (Phase::Io, 31),
        (Phase::Pump, 100),
        (Phase::Agenda, 61),
        (Phase::Recorder, 240),
        (Phase::Shutdown, 132),
    ]),
};

const HIGH_CONTRAST: Colors = Colors {
    dim: 252,
    frame: 248,
    focused_frame: 231,
    title: 255,
    over: 210,
    live: 120,
    held: 227,
    selected_background: 18,
    key: 231,
    bar: 117,
    unattributed: 251,
    phases: by_phase(&[
        (Phase::Timers, 221),
        (Phase::Signals, 213),
        (Phase::Concurrent, 43),
        (Phase::Tasks, 81),
        (Phase::Microtasks, 120),
        (Phase::Deferred, 158),
        (Phase::Immediates, 215),
        (Phase::Gc, 183),
        (Phase::Poll, 249),
        (Phase::Io, 123),
        (Phase::Pump, 230),
        (Phase::Agenda, 153),
        (Phase::Recorder, 255),
        (Phase::Shutdown, 218),
    ]),
};

const COLOR_BLIND: Colors = Colors {
    dim: 246,
    frame: 240,
    focused_frame: 252,
    title: 250,
    over: 208,
    live: 75,
    held: 228,
    selected_background: 237,
    key: 252,
    bar: 67,
    unattributed: 245,
    phases: by_phase(&[
        (Phase::Timers, 227),
        (Phase::Signals, 175),
        (Phase::Concurrent, 36),
        (Phase::Tasks, 74),
        (Phase::Microtasks, 79),
        (Phase::Deferred, 152),
        (Phase::Immediates, 223),
        (Phase::Gc, 33),
        (Phase::Poll, 239),
        (Phase::Io, 117),
        (Phase::Pump, 187),
        (Phase::Agenda, 111),
        (Phase::Recorder, 250),
        (Phase::Shutdown, 139),
    ]),
};

impl Palette {
    /// Every palette.
    pub const ALL: [Self; 4] = [Self::Dark, Self::Light, Self::HighContrast, Self::ColorBlind];

    pub(super) const fn colors(self) -> &'static Colors {
        match self {
            Self::Dark => &DARK,
            Self::Light => &LIGHT,
            Self::HighContrast => &HIGH_CONTRAST,
            Self::ColorBlind => &COLOR_BLIND,
        }
    }

    /// The name of the colour of what is over its limit.
    pub(super) const fn over_word(self) -> &'static str {
        match self {
            Self::ColorBlind => "orange",
            _ => "red",
        }
    }

    /// Whether it is for light backgrounds.
    #[must_use]
    pub const fn is_light(self) -> bool {
        matches!(self, Self::Light)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The colour of a number in xterm's table, from 16 on.
    fn rgb(number: u8) -> [f64; 3] {
        let cube = |level: u8| if level == 0 { 0.0 } else { 55.0 + 40.0 * f64::from(level) };
        let of_256 = match number {
            0..16 => panic!("the first 16 colours are the terminal's"),
            16..232 => [(number - 16) / 36, (number - 16) / 6 % 6, (number - 16) % 6].map(cube),
            232.. => [8.0 + 10.0 * f64::from(number - 232); 3],
        };
        of_256.map(|level: f64| {
            let level = level / 255.0;
            if level <= 0.04045 { level / 12.92 } else { ((level + 0.055) / 1.055).powf(2.4) }
        })
    }

    const WHITE: [f64; 3] = [1.0; 3];
    const BLACK: [f64; 3] = [0.0; 3];

    /// The contrast by WCAG's definition.
    fn contrast(one: [f64; 3], other: [f64; 3]) -> f64 {
        let luminance = |[red, green, blue]: [f64; 3]| 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05;
        let (one, other) = (luminance(one), luminance(other));
        one.max(other) / one.min(other)
    }

    #[test]
    fn text_is_readable_on_its_background() {
        for palette in Palette::ALL {
            let colors = palette.colors();
            let background = if palette.is_light() { WHITE } else { BLACK };
            let least = if palette == Palette::HighContrast { 7.0 } else { 4.5 };
            let Colors { dim, title, over, live, held, key, unattributed, .. } = *colors;
            for color in [dim, title, over, live, held, key, unattributed] {
                let shown = contrast(rgb(color), background);
                assert!(shown >= least, "{palette:?}: {color} has {shown:.1}");
            }
            // Bars are shapes, for which 3 to 1 suffices; the poll and frames are meant to recede.
            for phase in Phase::ALL.iter().filter(|phase| **phase != Phase::Poll) {
                let shown = contrast(rgb(colors.phase(*phase)), background);
                assert!(shown >= 3.0, "{palette:?}: {phase} has {shown:.1}");
            }
            let selected = rgb(colors.selected_background);
            let (text, least) = if palette.is_light() { (BLACK, 7.0) } else { (WHITE, 7.0) };
            assert!(contrast(text, selected) >= least, "{palette:?}: the selected row");
        }
    }

    #[test]
    fn no_phase_looks_like_a_fault_and_no_two_share_a_colour() {
        for palette in Palette::ALL {
            let colors = palette.colors();
            let mut seen = std::collections::HashSet::new();
            for phase in Phase::ALL {
                let color = colors.phase(*phase);
                assert!(color >= 16 && seen.insert(color), "{palette:?}: {phase} shares its colour");
                assert_ne!(color, colors.over, "{palette:?}: {phase}");
            }
        }
    }

    /// What somebody without one kind of cone sees, by the matrices of Machado, Oliveira and Fernandes (2009).
    const DEFICIENCIES: [(&str, [[f64; 3]; 3]); 3] = [
        (
            "protanopia",
            [
                [0.152286, 1.052583, -0.204868],
                [0.114503, 0.786281, 0.099216],
                [-0.003882, -0.048116, 1.051998],
            ],
        ),
        (
            "deuteranopia",
            [
                [0.367322, 0.860646, -0.227968],
                [0.280085, 0.672501, 0.047413],
                [-0.011820, 0.042940, 0.968881],
            ],
        ),
        (
            "tritanopia",
            [
                [1.255528, -0.076749, -0.178779],
                [-0.078411, 0.930809, 0.147602],
                [0.004733, 0.691367, 0.303900],
            ],
        ),
    ];

    /// CIE L*a*b* of linear sRGB, white point D65.
    fn lab([red, green, blue]: [f64; 3]) -> [f64; 3] {
        let x = (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505;
        let y = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
        let z = (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089;
        let root = |t: f64| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        let [x, y, z] = [x, y, z].map(root);
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    fn difference(one: [f64; 3], other: [f64; 3]) -> f64 {
        let [one, other] = [lab(one), lab(other)];
        one.iter().zip(other).map(|(one, other)| (one - other).powi(2)).sum::<f64>().sqrt()
    }

    #[test]
    fn signs_differ_without_red_or_green() {
        let seen = |matrix: &[[f64; 3]; 3], color: u8| {
            let color = rgb(color);
            matrix.map(|row| row.iter().zip(color).map(|(by, level)| by * level).sum::<f64>().clamp(0.0, 1.0))
        };
        let least = |palette: Palette| {
            let colors = palette.colors();
            let signs = [colors.over, colors.live, colors.held, colors.dim, colors.phase(Phase::Tasks)];
            let mut least = f64::MAX;
            for (_, matrix) in &DEFICIENCIES {
                for (place, one) in signs.iter().enumerate() {
                    for other in signs[place + 1..].iter().filter(|other| *other != one) {
                        // Running and tasks are both good news, and never beside each other.
                        if [*one, *other] != [colors.live, colors.phase(Phase::Tasks)] {
                            least = least.min(difference(seen(matrix, *one), seen(matrix, *other)));
                        }
                    }
                }
            }
            least
        };
        let (blind, dark) = (least(Palette::ColorBlind), least(Palette::Dark));
        assert!(blind > 25.0 && blind > dark, "{blind:.0}, {dark:.0} in the dark palette");
    }
}
