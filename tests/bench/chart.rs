//! Charts as SVG text: bars of what was reached, lines over events. Never depends on a library, never says what is not in the table.

use std::fmt::Write as _;

const WIDE: f64 = 860.0;
const INK: &str = "#1f2933";
const FAINT: &str = "#cbd2d9";
const MET: &str = "#1a7f5a";
const MISSED: &str = "#c2410c";
const COLOURS: [&str; 5] = ["#1d4ed8", "#1a7f5a", "#c2410c", "#7c3aed", "#64748b"];

/// One curve.
pub struct Curve<'a> {
    /// Its name.
    pub name: &'a str,
    /// Events and figure.
    pub points: &'a [(f64, f64)],
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, said: &str) {
    let _ = writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{}</text>", escape(said));
}

fn line(out: &mut String, from: (f64, f64), to: (f64, f64), colour: &str) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(out, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"{colour}\"/>");
}

fn framed(high: f64, title: &str, inside: &str) -> String {
    let title = escape(title);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDE}\" height=\"{high}\" viewBox=\"0 0 {WIDE} {high}\" role=\"img\" \
         aria-label=\"{title}\" font-family=\"system-ui, sans-serif\" font-size=\"12\" fill=\"{INK}\">\n\
         <rect width=\"{WIDE}\" height=\"{high}\" fill=\"#ffffff\"/>\n\
         <text x=\"16\" y=\"26\" font-size=\"15\" font-weight=\"600\">{title}</text>\n{inside}</svg>\n"
    )
}

/// Bars of measured ÷ goal on a logarithmic scale from a quarter to sixteen times, with a line where the goal is.
pub fn bars(title: &str, rows: &[(String, f64)]) -> String {
    const LEFT: f64 = 400.0;
    const HIGH: f64 = 22.0;
    let at = |reach: f64| LEFT + (reach.clamp(0.25, 16.0).log2() + 2.0) / 6.0 * (WIDE - LEFT - 60.0);
    let bottom = 60.0 + rows.len() as f64 * HIGH;
    let mut out = String::new();
    for mark in [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0] {
        line(&mut out, (at(mark), 50.0), (at(mark), bottom), if mark == 1.0 { INK } else { FAINT });
        text(&mut out, (at(mark), 44.0), "middle", &if mark == 1.0 { "goal".to_owned() } else { format!("{mark} ×") });
    }
    for (row, (what, reach)) in rows.iter().enumerate() {
        let y = 56.0 + row as f64 * HIGH;
        let colour = if *reach >= 1.0 { MET } else { MISSED };
        let wide = (at(*reach) - at(0.25)).max(1.0);
        text(&mut out, (LEFT - 8.0, y + 12.0), "end", what);
        let _ = writeln!(
            out,
            "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"15\" fill=\"{colour}\"/>",
            at(0.25)
        );
        text(&mut out, (at(*reach) + 6.0, y + 12.0), "start", &format!("{reach:.2}"));
    }
    framed(bottom + 16.0, title, &out)
}

/// Lines over events; `log` spaces events by their logarithm.
pub fn lines(title: &str, unit: &str, curves: &[Curve<'_>], log: bool) -> String {
    const LEFT: f64 = 80.0;
    const TOP: f64 = 60.0;
    const HIGH: f64 = 260.0;
    let all: Vec<(f64, f64)> = curves.iter().flat_map(|curve| curve.points.iter().copied()).collect();
    let scale = |x: f64| if log { x.log10() } else { x };
    let most = |of: &dyn Fn(&(f64, f64)) -> f64| all.iter().map(of).fold(0.0, f64::max);
    let (x_most, y_most) = (scale(most(&|point| point.0)), round_up(most(&|point| point.1)));
    let x_least = if log { all.iter().map(|point| scale(point.0)).fold(f64::INFINITY, f64::min) } else { 0.0 };
    let span = (x_most - x_least).max(f64::MIN_POSITIVE);
    let x = |events: f64| LEFT + (scale(events) - x_least) / span * (WIDE - LEFT - 60.0);
    let y = |value: f64| TOP + HIGH - value / y_most * HIGH;
    let mut out = String::new();
    for part in 0..=4 {
        let value = y_most * f64::from(part) / 4.0;
        line(&mut out, (LEFT, y(value)), (WIDE - 60.0, y(value)), FAINT);
        text(&mut out, (LEFT - 8.0, y(value) + 4.0), "end", &short(value));
    }
    text(&mut out, (LEFT, TOP - 12.0), "start", unit);
    let mut marks: Vec<f64> = all.iter().map(|point| point.0).collect();
    marks.sort_unstable_by(f64::total_cmp);
    marks.dedup();
    // Words that would lie on each other are left out.
    let mut last = f64::NEG_INFINITY;
    for mark in marks {
        if x(mark) - last > 48.0 {
            last = x(mark);
            text(&mut out, (last, TOP + HIGH + 18.0), "middle", &short(mark));
        }
    }
    text(&mut out, (WIDE - 60.0, TOP + HIGH + 36.0), "end", "events");
    for (number, (curve, colour)) in curves.iter().zip(COLOURS).enumerate() {
        let path: Vec<String> =
            curve.points.iter().map(|(events, value)| format!("{:.1},{:.1}", x(*events), y(*value))).collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            path.join(" ")
        );
        for (events, value) in curve.points {
            let _ =
                writeln!(out, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>", x(*events), y(*value));
        }
        let left = LEFT + number as f64 * 230.0;
        let _ = writeln!(
            out,
            "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"12\" height=\"12\" fill=\"{colour}\"/>",
            TOP + HIGH + 46.0
        );
        text(&mut out, (left + 18.0, TOP + HIGH + 56.0), "start", curve.name);
    }
    framed(TOP + HIGH + 72.0, title, &out)
}

/// The next of 1, 2, 4, 5 times a power of ten.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(f64::MIN_POSITIVE).log10().floor());
    [1.0, 2.0, 4.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= value).unwrap_or(1.0)
}

/// `1.5M`, `300k`, `0.25`.
fn short(value: f64) -> String {
    let trimmed = |value: f64, unit: &str| {
        let text = format!("{value:.2}");
        format!("{}{unit}", text.trim_end_matches('0').trim_end_matches('.'))
    };
    match value {
        value if value >= 1e6 => trimmed(value / 1e6, "M"),
        value if value >= 1e3 => trimmed(value / 1e3, "k"),
        value => trimmed(value, ""),
    }
}
