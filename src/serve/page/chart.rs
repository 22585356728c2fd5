//! The step line of what happened against the path to each target, as SVG: in the page, and as an address to embed.
//!
//! Lines are drawn in a stretched inner drawing, words in the outer one in its own pixels: so they keep their size on a phone.

use maud::{Markup, PreEscaped, html};

use super::scale::Scale;
use super::words;
use crate::catalogue::units;
use crate::event::governance::Goal;
use crate::event::lang::Lang;
use crate::event::{Amount, Date, Day};
use crate::serve::views::{MarkView, PointView, SeriesView};
use crate::store::progress::view::{TargetState, TargetView};

/// Pixels from the top of the drawing to that of the plot, and the plot's height.
const TOP: i128 = 22;
const HEIGHT: i128 = 220;
/// Where the plot of a drawing that stands alone begins, and how wide it is; in the page the stylesheet leaves room for its amounts.
const ALONE: (&str, &str) = ("66", "638");
/// Where the words of a legend begin, in pixels: the longest come last.
const LEGEND: [i128; 4] = [14, 130, 260, 440];
/// Marks that are drawn; the list below names them all.
pub const MARKS_MAX: usize = 24;

/// Where the drawing is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the page, with its stylesheet and its list of marks.
    Page,
    /// Alone: it brings its style, its legend and what it is.
    Alone,
}

/// Lines of a drawing that stands alone: what [`STYLE`] is to the page's own.
pub const STYLE: &str = "svg{font:13px system-ui,sans-serif;color-scheme:light dark}\
.c-paper{fill:#fff}.c-text,.c-mark-text{fill:#14191f}.c-quiet{fill:#4c5662}.c-grid{stroke:#d3d9e0}.c-value{stroke:#0b4a8f}\
.c-verified{stroke:#14191f}.c-path{stroke:#14191f}.c-original{stroke:#6a7480}.c-today{stroke:#6a7480}.c-mark{fill:#fff;stroke:#14191f}\
.c-break{stroke:#a8201a}.c-due{fill:#14191f}.c-end{fill:#0b4a8f}path,line{fill:none}\
@media(prefers-color-scheme:dark){.c-paper{fill:#0f1419}.c-text,.c-mark-text{fill:#e9edf2}.c-quiet{fill:#aab4bf}.c-grid{stroke:#2d3640}\
.c-value{stroke:#8cbcf2}.c-verified,.c-path{stroke:#e9edf2}.c-original,.c-today{stroke:#9aa5b1}.c-mark{fill:#0f1419;stroke:#e9edf2}\
.c-break{stroke:#ff9a90}.c-due{fill:#e9edf2}.c-end{fill:#8cbcf2}}";

/// The marks as numbered: those of one kind on one day share a number. Verifications have a line of their own.
#[must_use]
pub fn numbered(view: &SeriesView) -> Vec<Vec<&MarkView>> {
    let mut groups: Vec<Vec<&MarkView>> = Vec::new();
    for mark in view.marks.iter().filter(|mark| mark.kind != "verification") {
        match groups.iter_mut().find(|group| group[0].kind == mark.kind && group[0].day == mark.day) {
            Some(group) => group.push(mark),
            None => groups.push(vec![mark]),
        }
    }
    groups
}

/// A chart of one series.
#[derive(Debug)]
pub struct Chart<'a> {
    view: &'a SeriesView,
    scale: Scale,
    lang: Lang,
}

impl<'a> Chart<'a> {
    /// Lays it out.
    #[must_use]
    pub fn of(view: &'a SeriesView, lang: Lang) -> Self {
        let states = || view.targets.iter().flat_map(|target| [&target.current, &target.original]);
        let days = view.points.iter().map(|point| point.day);
        let days = days.chain(view.start.map(|start| start.first_day())).chain(std::iter::once(view.as_of));
        let days = days.chain(states().filter_map(|state| state.due_last_day));
        let days = days.chain(view.expected.iter().map(|point| point.date.last_day()));
        let amounts = view.points.iter().flat_map(|point| [point.value, point.verified]).flatten();
        let amounts = amounts.chain(states().filter_map(|state| state.value));
        let amounts = amounts.chain(view.baseline.as_ref().map(|baseline| baseline.value));
        Chart { view, scale: Scale::over(days, amounts, view.as_of), lang }
    }

    /// What it shows, in a sentence.
    #[must_use]
    pub fn said(&self) -> String {
        let figure = self.lang.of(&self.view.figure.text);
        let day = words::day(self.view.as_of, self.lang);
        let day = match (self.view.path.strip_prefix("period/"), self.lang) {
            (None, _) => day,
            (Some(period), Lang::Ko) => format!("{}분, {day}", period_of(period, self.lang)),
            (Some(period), Lang::En) => format!("{day}, for {}", period_of(period, self.lang)),
        };
        let target = self.target().map(|target| self.lang.of(&target.current.text));
        match (self.lang, figure.is_empty(), target) {
            (Lang::Ko, true, _) => format!("{day} 현재 보고된 값이 없습니다."),
            (Lang::Ko, false, Some(target)) => format!("{day} 현재 {figure}, 목표는 {target}입니다."),
            (Lang::Ko, false, None) => format!("{day} 현재 {figure}입니다."),
            (Lang::En, true, _) => format!("Nothing reported as of {day}."),
            (Lang::En, false, Some(target)) => format!("{figure} as of {day}; the target is {target}."),
            (Lang::En, false, None) => format!("{figure} as of {day}."),
        }
    }

    /// The target that counts on the day shown: of the whole, or of the newest period that has begun.
    fn target(&self) -> Option<&TargetView> {
        let begun = |target: &&TargetView| {
            let first = target.period.as_deref().map(|period| Date::parse(period).map(Date::first_day));
            first.is_none_or(|first| first.is_ok_and(|first| first <= self.view.as_of))
        };
        self.view.targets.iter().filter(begun).max_by(|one, other| one.period.cmp(&other.period))
    }

    /// The drawing.
    #[must_use]
    pub fn draw(&self, place: Place) -> Markup {
        let alone = place == Place::Alone;
        let title = self.lang.of(&self.view.title);
        let height = TOP + HEIGHT + 26 + if alone { 96 } else { 0 };
        let top = if alone { TOP + 40 } else { TOP };
        html! {
            svg.chart xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="chart-title chart-desc"
                width=(if alone { "720" } else { "100%" }) height=(height) viewBox=[alone.then(|| format!("0 0 720 {height}"))] lang=(self.lang.pick("ko", "en")) {
                title #chart-title { (title) }
                desc #chart-desc { (self.said()) }
                @if alone { (self.dress(title, height)) }
                svg x=(if alone { ALONE.0 } else { "0" }) y=(top) width=(if alone { ALONE.1 } else { "100%" }) height=(HEIGHT) overflow="visible" {
                    (self.grid())
                    svg width="100%" height="100%" viewBox="0 0 1000 1000" preserveAspectRatio="none" overflow="visible" { (self.lines()) }
                    (self.ends())
                    (self.marks())
                }
            }
        }
    }

    /// Style, ground, heading and legend of a drawing that stands alone.
    fn dress(&self, title: &str, height: i128) -> Markup {
        let legend: Vec<(&str, &str, &str)> = self.legend();
        let place = |at: usize| LEGEND.get(at).copied().unwrap_or(LEGEND[0]);
        let source = match self.lang {
            Lang::Ko => format!("출처: 진도 원장, 로그 {}건 기준", self.view.size),
            Lang::En => format!("Source: jindo ledger, {} log entries", self.view.size),
        };
        let simulated =
            if self.view.simulated { self.lang.pick(" · 모의 데이터", " · SIMULATED DATA") } else { "" };
        let copied = if self.view.public_source {
            self.lang.pick(" · 공개 자료에서 옮김", " · entered from public sources")
        } else {
            ""
        };
        html! {
            style { (PreEscaped(STYLE)) }
            rect.c-paper width="100%" height="100%" {}
            text.c-text x="12" y="22" font-size="16" font-weight="650" { (title) }
            text.c-quiet x="12" y="42" { (self.said()) }
            @for (at, (class, dash, word)) in legend.iter().enumerate() {
                line class=(class) x1=(place(at)) x2=(place(at) + 26) y1=(height - 38) y2=(height - 38) stroke-width="2" stroke-dasharray=[(!dash.is_empty()).then_some(dash)] {}
                text.c-text x=(place(at) + 32) y=(height - 34) { (word) }
            }
            text.c-quiet x="12" y=(height - 12) { (source) (simulated) (copied) }
        }
    }

    /// The lines there are: class, dashes, word.
    #[must_use]
    pub fn legend(&self) -> Vec<(&'static str, &'static str, &'static str)> {
        let lang = self.lang;
        let mut lines = Vec::new();
        if self.view.points.iter().any(|point| point.value.is_some()) {
            lines.push(("c-value", "", lang.pick("보고된 값", "reported")));
        }
        if self.view.points.iter().any(|point| point.verified.is_some_and(|verified| verified > Amount::ZERO)) {
            lines.push(("c-verified", "", lang.pick("제3자 확인", "verified")));
        }
        if self.view.targets.iter().any(|target| target.current.value.is_some()) {
            let is_path = self.view.targets.iter().any(|target| self.begins(&target.current).is_some());
            let word = if is_path {
                lang.pick("목표까지의 경로", "path to the target")
            } else {
                lang.pick("목표", "target")
            };
            lines.push(("c-path", "7 5", word));
        }
        if self.view.targets.iter().any(|target| !target.revisions.is_empty() && target.original.value.is_some()) {
            lines.push(("c-original", "2 4", lang.pick("처음 목표의 경로", "path to the original target")));
        }
        lines
    }

    fn grid(&self) -> Markup {
        let percent = |x: i128| format!("{}.{}%", x / 10, x % 10);
        let pixels = |y: i128| y * HEIGHT / 1_000;
        html! {
            @for amount in self.scale.amount_ticks() {
                @let y = pixels(self.scale.y(amount));
                line.c-grid x1="0" x2="100%" y1=(y) y2=(y) {}
                text.c-quiet x="-10" y=(y + 4) font-size="12" text-anchor="end" { (self.tick(amount)) }
            }
            @for (day, word) in self.scale.day_ticks(self.lang) {
                @let x = self.scale.x(day);
                line.c-grid x1=(percent(x)) x2=(percent(x)) y1=(HEIGHT) y2=(HEIGHT + 5) {}
                text.c-quiet x=(percent(x)) y=(HEIGHT + 19) font-size="12" text-anchor=(anchor(x)) { (word) }
            }
            @let today = percent(self.scale.x(self.view.as_of));
            line.c-today x1=(today) x2=(today) y1="-6" y2=(HEIGHT) stroke-dasharray="1 3" {}
            text.c-quiet x=(today) y="-9" font-size="12" text-anchor=(anchor(self.scale.x(self.view.as_of))) {
                (words::day(self.view.as_of, self.lang))
            }
        }
    }

    fn tick(&self, amount: Amount) -> String {
        // What they are of is said above the drawing; beside it they must be short.
        if amount < Amount::from_int(10_000) {
            return self.lang.of(&units::say(amount, None, false)).to_owned();
        }
        words::short(amount, self.lang)
    }

    /// Every line, the reported one on top.
    fn lines(&self) -> Markup {
        let value = |point: &PointView| point.value;
        let verified = |point: &PointView| point.verified.filter(|_| point.value.is_some());
        let has_verified =
            self.view.points.iter().any(|point| verified(point).is_some_and(|value| value > Amount::ZERO));
        html! {
            @for target in &self.view.targets {
                @if !target.revisions.is_empty() {
                    path.c-original d=(self.path(&target.original)) stroke-width="2" stroke-dasharray="2 4" vector-effect="non-scaling-stroke" {}
                }
                path.c-path d=(self.path(&target.current)) stroke-width="1.5" stroke-dasharray="7 5" vector-effect="non-scaling-stroke" {}
            }
            @if has_verified { path.c-verified d=(self.steps(verified)) stroke-width="1.5" vector-effect="non-scaling-stroke" {} }
            path.c-value d=(self.steps(value)) stroke-width="3" stroke-linejoin="round" vector-effect="non-scaling-stroke" {}
        }
    }

    /// A value holds until the next one, the last one until today.
    fn steps(&self, of: impl Fn(&PointView) -> Option<Amount>) -> String {
        let mut path = String::new();
        let mut drawing = false;
        for point in &self.view.points {
            let x = self.scale.x(point.day);
            if drawing {
                path.push_str(&format!("H{x}"));
            }
            match of(point).map(|value| self.scale.y(value)) {
                Some(y) if drawing => path.push_str(&format!("V{y}")),
                Some(y) => path.push_str(&format!("M{x} {y}")),
                None => {}
            }
            drawing = of(point).is_some();
        }
        if drawing {
            path.push_str(&format!("H{}", self.scale.x(self.view.as_of)));
        }
        path
    }

    /// First and last day of the path to a target; `None` where the target is level.
    fn begins(&self, target: &TargetState) -> Option<(Day, Day)> {
        let start = self.view.start.filter(|_| target.goal == Goal::Reach)?;
        Some((start.first_day(), target.due_last_day?))
    }

    /// From the baseline over the stated points to the target; a floor or a cap is level.
    fn path(&self, target: &TargetState) -> String {
        let Some(value) = target.value else { return String::new() };
        let Some((start, due)) = self.begins(target) else {
            return format!("M0 {y}H1000", y = self.scale.y(value));
        };
        // A period that ended before the line began has a target and no path.
        if due <= start {
            return String::new();
        }
        let baseline = self.view.baseline.as_ref().map_or(Amount::ZERO, |baseline| baseline.value);
        let between = self.view.expected.iter().map(|point| (point.date.last_day(), point.value));
        let between = between.filter(|(day, _)| *day > start && *day < due);
        let points = std::iter::once((start, baseline)).chain(between).chain(std::iter::once((due, value)));
        let said: Vec<String> =
            points.map(|(day, value)| format!("{} {}", self.scale.x(day), self.scale.y(value))).collect();
        format!("M{}", said.join("L"))
    }

    /// Where each target lies, and where the reported line ends.
    fn ends(&self) -> Markup {
        let last = self.view.points.last().and_then(|point| point.value);
        let due =
            self.view.targets.iter().filter_map(|target| Some((target.current.due_last_day?, target.current.value?)));
        html! {
            @for (day, value) in due {
                circle.c-due cx=(percent(self.scale.x(day))) cy=(self.scale.y(value) * HEIGHT / 1_000) r="4" {}
            }
            @if self.view.path.starts_with("period/") {
                @for (day, value) in self.view.points.iter().filter_map(|point| Some((point.day, point.value?))) {
                    circle.c-end cx=(percent(self.scale.x(day))) cy=(self.scale.y(value) * HEIGHT / 1_000) r="4.5" {}
                }
            } @else if let Some(value) = last {
                circle.c-end cx=(percent(self.scale.x(self.view.as_of))) cy=(self.scale.y(value) * HEIGHT / 1_000) r="4" {}
            }
        }
    }

    /// Marks as numbers on the line; a break crosses the whole plot.
    fn marks(&self) -> Markup {
        let mut taken: Vec<(i128, i128)> = Vec::new();
        let mut drawn = Vec::new();
        for (at, group) in numbered(self.view).into_iter().take(MARKS_MAX).enumerate() {
            let mark = group[0];
            let x = self.scale.x(mark.day);
            let mut y = self.value_on(mark.day).map_or(HEIGHT, |value| self.scale.y(value) * HEIGHT / 1_000) - 14;
            // Numbers that would cover each other are stacked.
            while taken.iter().any(|(other, height)| (other - x).abs() < 30 && (height - y).abs() < 17) && y > -4 {
                y -= 17;
            }
            taken.push((x, y));
            drawn.push((at + 1, x, y, is_break(mark)));
        }
        html! {
            @for (number, x, y, breaks) in drawn {
                @if breaks { line.c-break x1=(percent(x)) x2=(percent(x)) y1="0" y2=(HEIGHT) stroke-width="1.5" stroke-dasharray="5 3" {} }
                circle.c-mark cx=(percent(x)) cy=(y) r="8.5" stroke-width="1.2" {}
                text.c-mark-text x=(percent(x)) y=(y + 4) font-size="11" text-anchor="middle" { (number) }
            }
        }
    }

    fn value_on(&self, day: Day) -> Option<Amount> {
        self.view.points.iter().take_while(|point| point.day <= day).last().and_then(|point| point.value)
    }
}

fn period_of(period: &str, lang: Lang) -> String {
    Date::parse(period).map_or_else(|_| period.to_owned(), |date| words::date(date, lang))
}

fn is_break(mark: &MarkView) -> bool {
    matches!(mark.kind.as_str(), "break" | "succession")
}

fn percent(x: i128) -> String {
    format!("{}.{}%", x / 10, x % 10)
}

/// Words at an edge stay inside.
fn anchor(x: i128) -> &'static str {
    match x {
        ..=140 => "start",
        141..860 => "middle",
        _ => "end",
    }
}
