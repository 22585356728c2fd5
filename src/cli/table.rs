//! Tables in a terminal: wide Korean characters aligned, long cells cut to the width, nothing from a report able to move
//! the cursor or reverse the line. Colours only where the caller found a terminal.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Spaces between columns.
const GAP: usize = 2;
/// A column that may shrink keeps this much.
const SHRUNK_MIN: usize = 8;

/// Which side a column's cells stand on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// How a cell is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// As the terminal has it.
    #[default]
    Plain,
    /// Heading.
    Bold,
    /// Less important.
    Dim,
    /// Good.
    Green,
    /// Watch.
    Yellow,
    /// Bad.
    Red,
    /// Note.
    Cyan,
}

impl Style {
    const fn code(self) -> Option<&'static str> {
        match self {
            Style::Plain => None,
            Style::Bold => Some("1"),
            Style::Dim => Some("2"),
            Style::Green => Some("32"),
            Style::Yellow => Some("33"),
            Style::Red => Some("31"),
            Style::Cyan => Some("36"),
        }
    }

    /// The text in this style where `colour`, else the text.
    #[must_use]
    pub fn paint(self, text: &str, colour: bool) -> String {
        match self.code() {
            Some(code) if colour => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}

/// One cell.
#[derive(Debug, Clone, Default)]
pub struct Cell {
    text: String,
    style: Style,
}

/// A cell of plain text; made harmless here.
#[must_use]
pub fn cell(text: impl AsRef<str>) -> Cell {
    Cell { text: harmless(text.as_ref()), style: Style::Plain }
}

impl Cell {
    /// Coloured.
    #[must_use]
    pub fn style(mut self, style: Style) -> Self {
        self.style = style;
        self
    }
}

/// One column.
#[derive(Debug, Clone)]
struct Column {
    title: String,
    align: Align,
    shrinks: bool,
    /// Left out of a narrow terminal: the largest number first.
    spare: Option<u8>,
}

/// A table: columns first, then rows.
#[derive(Debug, Clone, Default)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Empty.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A column of text.
    #[must_use]
    pub fn left(self, title: &str) -> Self {
        self.column(title, Align::Left, false)
    }

    /// A column of text that is cut where the terminal is narrow.
    #[must_use]
    pub fn wide(self, title: &str) -> Self {
        self.column(title, Align::Left, true)
    }

    /// A column of numbers.
    #[must_use]
    pub fn right(self, title: &str) -> Self {
        self.column(title, Align::Right, false)
    }

    fn column(mut self, title: &str, align: Align, shrinks: bool) -> Self {
        self.columns.push(Column { title: harmless(title), align, shrinks, spare: None });
        self
    }

    /// The column added last is left out where the terminal is too narrow for all of them; the largest number goes first.
    #[must_use]
    pub fn spare(mut self, order: u8) -> Self {
        if let Some(column) = self.columns.last_mut() {
            column.spare = Some(order);
        }
        self
    }

    /// Adds a row; missing cells are empty, cells beyond the columns are dropped.
    pub fn row(&mut self, mut cells: Vec<Cell>) {
        cells.resize(self.columns.len(), Cell::default());
        self.rows.push(cells);
    }

    /// Rows so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// No row so far.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Lines of text. `width` is the terminal's; `None` cuts nothing.
    #[must_use]
    pub fn render(&self, width: Option<usize>, colour: bool) -> String {
        let widths = self.widths(width);
        let shown = self.shown(width);
        let titles: Vec<Cell> =
            self.columns.iter().map(|column| Cell { text: column.title.clone(), style: Style::Bold }).collect();
        let mut out = String::new();
        for row in std::iter::once(&titles).chain(&self.rows) {
            let mut line = String::new();
            for at in &shown {
                let (cell, column, width) = (&row[*at], &self.columns[*at], &widths[*at]);
                let text = cut(&cell.text, *width);
                let pad = " ".repeat(width.saturating_sub(text.width()));
                let text = cell.style.paint(&text, colour);
                match column.align {
                    Align::Left => line.extend([&text, pad.as_str()]),
                    Align::Right => line.extend([pad.as_str(), &text]),
                }
                line.push_str(&" ".repeat(GAP));
            }
            out.push_str(line.trim_end_matches(' '));
            out.push('\n');
        }
        out
    }

    /// Titles of the columns that a terminal of this width leaves out.
    #[must_use]
    pub fn left_out(&self, width: Option<usize>) -> Vec<&str> {
        let shown = self.shown(width);
        (0..self.columns.len()).filter(|at| !shown.contains(at)).map(|at| self.columns[at].title.as_str()).collect()
    }

    /// What each column needs.
    fn needed(&self) -> Vec<usize> {
        let needs = |at: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.text.width());
            cells.chain(std::iter::once(self.columns[at].title.width())).max().unwrap_or(0)
        };
        (0..self.columns.len()).map(needs).collect()
    }

    /// The columns that are shown, in order.
    fn shown(&self, terminal: Option<usize>) -> Vec<usize> {
        let mut shown: Vec<usize> = (0..self.columns.len()).collect();
        let Some(terminal) = terminal else { return shown };
        let needed = self.needed();
        let least = |at: &usize| if self.columns[*at].shrinks { needed[*at].min(SHRUNK_MIN) } else { needed[*at] };
        while line(shown.iter().map(least), shown.len()) > terminal {
            let spare = shown.iter().copied().filter(|at| self.columns[*at].spare.is_some());
            let Some(most) = spare.max_by_key(|at| self.columns[*at].spare) else { break };
            shown.retain(|at| *at != most);
        }
        shown
    }

    /// Widths of the columns: what they need, then the widest shrinking one gives until the line fits.
    fn widths(&self, terminal: Option<usize>) -> Vec<usize> {
        let mut widths = self.needed();
        let Some(terminal) = terminal else { return widths };
        let shown = self.shown(Some(terminal));
        while line(shown.iter().map(|at| widths[*at]), shown.len()) > terminal {
            let widest = shown
                .iter()
                .copied()
                .filter(|at| self.columns[*at].shrinks && widths[*at] > SHRUNK_MIN)
                .max_by_key(|at| widths[*at]);
            let Some(at) = widest else { break };
            widths[at] -= 1;
        }
        widths
    }
}

/// Columns of the terminal that a line of so many cells takes.
fn line(widths: impl Iterator<Item = usize>, cells: usize) -> usize {
    widths.sum::<usize>() + GAP * cells.saturating_sub(1)
}

/// Cuts to `width` columns, with `…` where something is gone.
#[must_use]
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for char in text.chars() {
        let wide = char.width().unwrap_or(0);
        if used + wide + 1 > width {
            break;
        }
        used += wide;
        out.push(char);
    }
    if width > 0 {
        out.push('…');
    }
    out
}

/// Whether a character may act on the terminal or hide what is written: controls, bidi controls, invisible ones.
fn acts(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The text with every acting character escaped (`\u{202e}`), for one line of output.
#[must_use]
pub fn harmless(text: &str) -> String {
    if !text.chars().any(acts) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if acts(char) {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\u{{{:x}}}", u32::from(char));
        } else {
            out.push(char);
        }
    }
    out
}

/// The text harmless, its line breaks kept: for a document shown whole.
#[must_use]
pub fn harmless_lines(text: &str) -> String {
    text.split('\n').map(|line| harmless(line.trim_end_matches('\r'))).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new().wide("제목").right("값").left("상태");
        table.row(vec![cell("전기차 충전기"), cell("7만 1,450기"), cell("정상").style(Style::Green)]);
        table.row(vec![cell("EV"), cell("3"), cell("on track")]);
        table
    }

    #[test]
    fn wide_characters_align() {
        let text = table().render(None, false);
        let expected = "제목                    값  상태\n전기차 충전기  7만 1,450기  정상\nEV                       3  on track\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_narrow_terminal_cuts_only_what_may_be_cut() {
        let text = table().render(Some(30), false);
        assert!(text.lines().all(|line| line.width() <= 32), "{text}");
        assert!(text.contains('…') && text.contains("7만 1,450기"), "{text}");
    }

    #[test]
    fn a_narrow_terminal_leaves_spare_columns_out() {
        let mut table = Table::new().right("#").spare(1).wide("제목").right("값").left("최근 보고").spare(2);
        table.row(vec![cell("1"), cell("전기차 충전기 보급"), cell("7만 1,450기"), cell("2026-03-02 keco")]);
        let last = &["최근 보고"][..];
        for (width, left_out) in
            [(60, &[][..]), (41, &[]), (40, last), (24, last), (23, &["#", "최근 보고"]), (21, &["#", "최근 보고"])]
        {
            assert_eq!(table.left_out(Some(width)), left_out, "{width}");
            let text = table.render(Some(width), false);
            assert!(text.lines().all(|line| line.width() <= width), "{text}");
        }
        assert!(table.render(None, false).contains("keco"));
    }

    #[test]
    fn colours_are_outside_of_the_width() {
        let coloured = table().render(None, true);
        assert!(coloured.contains("\x1b[32m정상\x1b[0m"));
        assert!(!table().render(None, false).contains('\x1b'));
    }

    #[test]
    fn nothing_acts_on_the_terminal() {
        for (text, expected) in [
            ("plain 한글", "plain 한글"),
            ("a\x1b[2Jb", "a\\u{1b}[2Jb"),
            ("x\u{202e}gpj", "x\\u{202e}gpj"),
            ("a\nb\0", "a\\u{a}b\\u{0}"),
            ("\u{feff}id", "\\u{feff}id"),
        ] {
            assert_eq!(harmless(text), expected);
        }
        assert_eq!(harmless_lines("a\r\nb\x07"), "a\nb\\u{7}");
    }

    #[test]
    fn cutting_counts_columns() {
        for (text, width, expected) in
            [("한글날", 6, "한글날"), ("한글날", 5, "한글…"), ("한글날", 4, "한…"), ("abc", 2, "a…"), ("abc", 0, "")]
        {
            assert_eq!(cut(text, width), expected, "{text} {width}");
        }
    }
}
