//! The key bindings, drawn over the page: all of them as help, or as a list of commands found by words.

use crate::app::layout::{below, first_row};
use crate::keymap::{self, BINDINGS, Binding, Group};
use crate::shell::app::Palette;
use crate::view::paint::Canvas;
use loop_traces::histogram::FEW_MARK;
use ratatui::layout::{Constraint, Rect};
use ratatui::widgets::{Clear, Widget as _};

/// Width of the keys.
const KEYS_WIDTH: u16 = 8;
/// Width of one of the two columns.
const COLUMN_WIDTH: u16 = 37;

/// Width of the list of commands, with its frame.
const COMMANDS_WIDTH: u16 = 56;
/// Maximum number of commands on the screen.
const COMMANDS_MAX: u16 = 14;

/// Draws the help in the middle of `body`, which is the whole screen except for the bottom row.
pub(crate) fn draw(canvas: &mut Canvas<'_>, replay: bool, body: Rect) {
    let of = |group: Group| {
        BINDINGS.iter().filter(move |it| it.group == group && it.is_listed && it.holds(replay))
    };
    let lines = |groups: &[Group]| -> Vec<Line> {
        let mut lines = Vec::new();
        for group in groups {
            if of(*group).next().is_some() {
                lines.push(Line::Title(group.title()));
                lines.extend(of(*group).map(Line::Key));
            }
        }
        lines
    };
    let rows = usize::from(body.height.saturating_sub(2));
    let first = if lines(&[Group::Time, Group::Move, Group::Keep]).len() <= rows { 3 } else { 2 };
    let order = [Group::Time, Group::Move, Group::Keep, Group::Show, Group::Leave];
    let (left, mut right) = (lines(&order[..first]), lines(&order[first..]));
    let shown = right.iter().rposition(|line| matches!(line, Line::Title(_))).unwrap_or(0);
    right.insert(shown, Line::Mark(FEW_MARK, "fewer than 100 samples: max"));
    let height = (left.len().max(right.len()) as u16 + 2).min(body.height);
    let width = (2 * COLUMN_WIDTH + 4).min(body.width);
    let area = body.centered(Constraint::Length(width), Constraint::Length(height));
    Clear.render(area, canvas.buffer);
    let inner = canvas.pane(area, "keys", "? or Esc closes", true);
    let column =
        |offset: u16| Rect { x: inner.x + offset, width: COLUMN_WIDTH.min(inner.width - offset), ..inner };
    draw_column(canvas, column(0), &left);
    draw_column(canvas, column(COLUMN_WIDTH + 1), &right);
    let foot = Rect::new(area.x + 2, area.y + area.height - 1, area.width.saturating_sub(4), 1);
    let dim = canvas.theme.dim();
    canvas.pen(foot, 0).right(&format!(" {MARKS} "), dim);
}

/// Explains the labels and marks of figures.
const MARKS: &str = "1s: last second  60s: the window  ~ records lost  ≥ at least";

enum Line {
    Title(&'static str),
    Key(&'static Binding),
    Mark(&'static str, &'static str),
}

fn draw_column(canvas: &mut Canvas<'_>, area: Rect, lines: &[Line]) {
    let theme = canvas.theme;
    for (row, line) in lines.iter().enumerate() {
        let mut pen = canvas.pen(area, row as u16);
        match line {
            Line::Title(title) => pen.gap(1).put(title, theme.title(true)),
            Line::Mark(mark, help) => pen.gap(2).left(mark, KEYS_WIDTH, theme.text()).put(help, theme.dim()),
            Line::Key(binding) => {
                pen.gap(2).left(&theme.arrow_keys(binding.shown), KEYS_WIDTH, theme.key());
                pen.put(binding.help, theme.dim())
            }
        };
    }
}

/// Draws the commands in the upper part of `body`.
pub(crate) fn commands(canvas: &mut Canvas<'_>, palette: &Palette, replay: bool, body: Rect) {
    let theme = canvas.theme;
    let upper = Rect { height: (COMMANDS_MAX + 3).min(body.height), ..body };
    let area = upper.centered_horizontally(Constraint::Length(COMMANDS_WIDTH.min(body.width)));
    Clear.render(area, canvas.buffer);
    // What is below cannot be clicked.
    canvas.targets.clear();
    let inner = canvas.pane(area, "commands", "Enter performs, Esc closes", true);
    let mut pen = canvas.pen(inner, 0);
    pen.gap(1).put(":", theme.key()).put(&palette.text, theme.strong()).put("▏", theme.key());
    let rows = below(inner, 1);
    let found: Vec<&Binding> = keymap::commands(&palette.text, replay).collect();
    if found.is_empty() {
        canvas.pen(rows, 0).gap(1).put("no command has these words", theme.dim());
    }
    let first = first_row(palette.row, rows.height);
    for (row, (place, binding)) in rows.rows().zip(found.iter().enumerate().skip(first)) {
        let mut pen = canvas.pen(row, 0);
        let (keys, name) = binding.command();
        pen.gap(1).left(&theme.arrow_keys(keys), KEYS_WIDTH, theme.key());
        pen.put(name, theme.text()).right(&format!("{} ", binding.group.title()), theme.dim());
        if place == palette.row {
            canvas.buffer.set_style(row, theme.selected());
        }
        canvas.target(row, binding.action);
    }
}
