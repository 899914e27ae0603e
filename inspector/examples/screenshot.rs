//! Takes a picture of the real program on a real terminal, for the README and the book.
//!
//! ```text
//! cargo run --release --example screenshot -- OUT.svg COLUMNSxROWS SECONDS KEYS -- demo --stall 40ms
//! ```
//!
//! After SECONDS it types KEYS (a comma-separated list; `_` waits half a second), waits one more second, and
//! takes the picture.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use vt100::Color;

#[expect(dead_code, reason = "the tests use the rest of it")]
#[path = "../../tests/support/terminal.rs"]
mod terminal;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let usage = "usage: screenshot OUT.svg COLUMNSxROWS SECONDS KEYS -- LOOPSCOPE-ARGUMENTS";
    let [out, size, seconds, keys, separator, command @ ..] = arguments.as_slice() else {
        anyhow::bail!(usage)
    };
    anyhow::ensure!(separator == "--", usage);
    let (columns, rows) = size.split_once('x').context(usage)?;
    let size = (columns.parse()?, rows.parse()?);
    let program = std::env::current_exe()?.with_file_name("../loopscope");
    let program = program.to_str().context("the path of the program is not UTF-8")?;
    let mut terminal = terminal::Terminal::start(program, command, &[], size)?;
    std::thread::sleep(Duration::from_secs_f64(seconds.parse()?));
    for key in keys.split(',').filter(|key| !key.is_empty()) {
        match key {
            "_" => std::thread::sleep(Duration::from_millis(500)),
            "Enter" => terminal.send("\r")?,
            "Space" => terminal.send(" ")?,
            "Esc" => terminal.send("\x1b")?,
            "Left" => terminal.send("\x1b[D")?,
            "Tab" => terminal.send("\t")?,
            key => terminal.send(key)?,
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    std::thread::sleep(Duration::from_secs(1));
    let ansi = terminal.look(|screen| ansi_of(screen, size));
    let svg = anstyle_svg::Term::new().min_width_px(usize::from(size.0) * 8).render_svg(&ansi);
    std::fs::write(out, svg).with_context(|| format!("cannot write {out}"))?;
    terminal.send("q")?;
    terminal.wait();
    Ok(())
}

/// The screen as text with colours, line by line, including empty cells.
fn ansi_of(screen: &vt100::Screen, (columns, rows): (u16, u16)) -> String {
    let mut ansi = String::new();
    for row in 0..rows {
        for column in 0..columns {
            let Some(cell) = screen.cell(row, column) else { continue };
            if cell.is_wide_continuation() {
                continue;
            }
            ansi.push_str("\x1b[0");
            for (on, code) in [
                (cell.bold(), 1),
                (cell.dim(), 2),
                (cell.italic(), 3),
                (cell.underline(), 4),
                (cell.inverse(), 7),
            ] {
                if on {
                    let _ = write!(ansi, ";{code}");
                }
            }
            ansi.push('m');
            push_color(&mut ansi, 38, cell.fgcolor());
            push_color(&mut ansi, 48, cell.bgcolor());
            ansi.push_str(if cell.has_contents() { cell.contents() } else { " " });
        }
        ansi.push_str("\x1b[0m\n");
    }
    ansi
}

/// Each colour gets an escape sequence of its own: given two in one sequence, the renderer uses the second for
/// both.
fn push_color(ansi: &mut String, code: u8, color: Color) {
    let _ = match color {
        Color::Default => Ok(()),
        Color::Idx(index) => write!(ansi, "\x1b[{code};5;{index}m"),
        Color::Rgb(red, green, blue) => write!(ansi, "\x1b[{code};2;{red};{green};{blue}m"),
    };
}
