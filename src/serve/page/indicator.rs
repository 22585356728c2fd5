//! One commitment: where it stands, how it got there, who says so, what the source says and what is not known.

use maud::{Markup, html};

use super::bar::{Bar, share};
use super::card;
use super::chart::{Chart, Place};
use super::map;
use super::parts::{badges, entry, remark, standing, status};
use super::visit::Visit;
use super::words;
use crate::catalogue::indicator::FoldKind;
use crate::event::lang::Lang;
use crate::event::{Amount, Date};
use crate::serve::views::{EventsView, PointView, SeriesView};
use crate::store::progress::view::{
    AgencyView, FigureView, IndicatorView, PeriodView, SplitValue, SplitView, StatusView, TargetView,
};

/// What the page of a commitment is made from, all of one moment.
#[derive(Debug)]
pub struct Commitment<'a> {
    /// Itself.
    pub view: &'a IndicatorView,
    /// The line of the whole.
    pub series: Option<&'a SeriesView>,
    /// The newest events behind the figure.
    pub events: Option<&'a EventsView>,
    /// What agencies are called.
    pub names: &'a [AgencyView],
}

/// The content of the page.
#[must_use]
pub fn content(of: &Commitment<'_>, visit: &Visit) -> Markup {
    let (view, lang) = (of.view, visit.lang);
    html! {
        div #live data-of=(view.id) data-fragment=(visit.turned(&[])) {
            p.over {
                a href=(visit.link_with("/", &[("area", &view.area)])) { (lang.of(&words::area(&view.area))) }
                " · " (lang.pick("과제 ", "no. ")) (view.row) " · " (lang.of(&view.owner.name))
            }
            h1 data-say=(lang.of(&view.title)) { (lang.of(&view.title)) }
            div.headline {
                (card::figure(view, view.target(), lang))
                (card::against(view))
                (card::standing(view, visit))
                (badges(view, lang))
            }
            (facts(view, visit))
            div.columns {
                div {
                    @if !view.stages.is_empty() { (stages(view, visit)) }
                    @if let Some(series) = of.series.filter(|series| is_drawn(view, series)) { (progress(view, series, visit)) }
                    (parts(view, visit))
                    @for split in view.splits.iter().filter(|split| !split.values.is_empty()) { (splits(view, split, visit)) }
                    @if let Some(events) = of.events.filter(|events| !events.events.is_empty()) { (recent(view, events, visit)) }
                    (targets(view, visit))
                }
                div {
                    (owners(view, of.names, visit))
                    (source(view, visit))
                }
            }
        }
    }
}

/// Whether values are stated for periods: what was said of one does not become another's with time.
#[must_use]
pub fn is_by_period(view: &IndicatorView) -> bool {
    view.fold == FoldKind::Latest && !view.periods.is_empty()
}

/// The line as it is drawn: of values stated for periods one point for each, on its last day, of periods as long as that of the
/// target or of the newest value.
#[must_use]
pub fn drawn(series: SeriesView, view: &IndicatorView) -> SeriesView {
    if !is_by_period(view) {
        return series;
    }
    let of = view.target().and_then(|target| target.period.as_deref()).or(view.figure_period.as_deref());
    let length = |period: &str| Date::parse(period).ok().map(|date| date.precision());
    let wanted = of.and_then(length);
    let point = |period: &PeriodView| {
        let day = Date::parse(&period.period).ok()?.last_day().min(view.as_of);
        let (value, verified) = (period.figure.value, period.figure.verified);
        Some(PointView { day, value, verified, reports: period.figure.reports })
    };
    let fits = view.periods.iter().filter(|period| wanted.is_none() || length(&period.period) == wanted);
    let mut points: Vec<PointView> = fits.filter_map(point).collect();
    // What was said of a period that is over says nothing of today.
    let over = points.last().map(|point| point.day).filter(|day| *day < view.as_of);
    points.extend(over.map(|day| PointView { day: day.plus(1), value: None, verified: None, reports: 0 }));
    let shown = view.periods.iter().find(|period| Some(period.period.as_str()) == of);
    let figure = shown.map(|period| period.figure.clone()).unwrap_or_default();
    let path = of.map_or(series.path, |period| format!("period/{period}"));
    SeriesView { points_total: points.len() as u64, points, figure, path, ..series }
}

/// A decision is one step: it has stages, not a line.
fn is_drawn(view: &IndicatorView, series: &SeriesView) -> bool {
    let one = Amount::from_int(1);
    let more = |value: Option<Amount>| value.is_some_and(|value| value > one);
    match view.fold {
        FoldKind::Narrative => false,
        FoldKind::Stage => {
            series.points.iter().any(|point| more(point.value))
                || view.target().is_some_and(|target| more(target.current.value))
        }
        // A target without a date is no line: alone it would be a level one under no time at all.
        _ => {
            let is_line = |target: &TargetView| target.current.value.is_some() && target.current.due.is_some();
            !series.points.is_empty() || view.target().is_some_and(is_line)
        }
    }
}

/// The address of the events behind a figure.
fn explain(view: &IndicatorView, path: &str, visit: &Visit) -> Markup {
    let lang = visit.lang;
    // The figure of the whole has no path: what it is of depends on how far things are.
    let own: &[(&str, &str)] = if path.is_empty() { &[] } else { &[("path", path)] };
    let address = visit.link_with(&format!("/indicators/{}/events", view.id), own);
    html! { a.why href=(address) { (lang.pick("근거", "why")) span.vh { ": " (lang.of(&view.title)) " " (path) } } }
}

fn said(figure: &FigureView, lang: Lang) -> Markup {
    html! {
        @if figure.value.is_none() && figure.text.ko.is_empty() { span.quiet { (lang.pick("보고 없음", "none")) } }
        @else { (lang.of(&figure.text)) }
    }
}

/// Reported beside verified, expected, forecast, last report: each with where it comes from.
fn facts(view: &IndicatorView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let figure = &view.figure;
    html! {
        dl.facts {
            div { dt { (lang.pick("보고된 값", "Reported")) } dd {
                (said(figure, lang))
                @if let Some(period) = card::period(view, view.target()) { " (" (period) ")" }
                " " (explain(view, "", visit))
            } }
            @if view.fold != FoldKind::Narrative {
                div { dt { (lang.pick("제3자 확인", "Verified")) } dd {
                    @match figure.verified.filter(|verified| *verified > Amount::ZERO) {
                        Some(verified) => { (words::amount(verified, view, lang)) }
                        None => { span.quiet { (lang.pick("확인된 값 없음", "nothing verified")) } }
                    }
                } }
            }
            @if let Some(expected) = view.status.expected.filter(|expected| *expected != Amount::ZERO) {
                div { dt { (words::capital(card::expected_by(visit))) } dd { (words::expected(expected, view, lang)) } }
            }
            @if let Some(share) = share(view.status.ratio, Some(Amount::from_int(1))) {
                div { dt { (lang.pick("예상 대비", "Share of expected")) } dd.num { (share) } }
            }
            @if let Some(original) = &view.status.code_original {
                div { dt { (lang.pick("처음 목표로 보면", "Against the original target")) } dd { (status(original, lang)) } }
            }
            div { dt { (lang.pick("기관 전망", "Agency’s forecast")) } dd { (forecast(view, visit)) } }
            div { dt { (lang.pick("최근 보고", "Last report")) } dd {
                (card::last_report(view, lang))
                @if let Some(index) = view.last_report.as_ref().and_then(|last| last.index) { " " (entry(index, visit)) }
            } }
            @if figure.not_deduplicated > Amount::ZERO {
                div { dt { (lang.pick("중복 제거 안 된 몫", "Not de-duplicated")) } dd { (words::amount(figure.not_deduplicated, view, lang)) } }
            }
            @if view.fold != FoldKind::Stage { div { dt { (lang.pick("보고 건수", "Reports")) } dd.num { (figure.reports) } } }
        }
    }
}

fn forecast(view: &IndicatorView, visit: &Visit) -> Markup {
    html! {
        (card::forecast(view, visit.lang))
        @if let Some(forecast) = &view.forecast {
            " · " (visit.lang.of(&forecast.agency.name)) " " (entry(forecast.index, visit))
            @if let Some(text) = &forecast.remark { br; (remark(text, visit.lang)) }
        }
    }
}

fn progress(view: &IndicatorView, series: &SeriesView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let chart = Chart::of(series, lang);
    html! {
        section {
            h2 #progress { (lang.pick("경과", "Progress over time")) }
            figure {
                figcaption { (chart.said()) }
                (chart.draw(Place::Page))
                (super::marks::legend(&chart))
                @if is_by_period(view) {
                    p.quiet { (lang.pick("기간마다 한 점, 그 기간의 마지막 날에 그렸습니다.", "One point for each period, drawn on its last day.")) }
                }
            }
            (super::marks::list(series, visit))
            (super::marks::table(view, series, visit))
        }
    }
}

/// How many things reached each stage, or how far the one thing is.
fn stages(view: &IndicatorView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    html! {
        section {
            h2 { (lang.pick("단계", "Stages")) }
            ol.stages {
                @for stage in &view.stages {
                    @let reached = stage.figure.value.is_some_and(|value| value > Amount::ZERO);
                    li class=[reached.then_some("reached")] {
                        strong { (lang.of(&stage.title)) }
                        span {
                            @if reached { (said(&stage.figure, lang)) " " (explain(view, &format!("stage/{}", stage.id), visit)) }
                            @else { span.quiet { (lang.pick("아직", "not yet")) } }
                        }
                    }
                }
            }
        }
    }
}

fn target_of<'a>(view: &'a IndicatorView, part: Option<&str>, period: Option<&str>) -> Option<&'a TargetView> {
    view.targets.iter().find(|target| target.part.as_deref() == part && target.period.as_deref() == period)
}

/// A row of a table of parts: name, path of its series, figure, status, target.
type Row<'a> = (String, String, &'a FigureView, Option<&'a StatusView>, Option<&'a TargetView>);

fn parts(view: &IndicatorView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let part = view.parts.iter().map(|part| -> Row<'_> {
        let target = target_of(view, Some(&part.id), None);
        (lang.of(&part.title).to_owned(), format!("part/{}", part.id), &part.figure, part.status.as_ref(), target)
    });
    let period = view.periods.iter().map(|period| -> Row<'_> {
        let target = target_of(view, None, Some(&period.period));
        (period.period.clone(), format!("period/{}", period.period), &period.figure, period.status.as_ref(), target)
    });
    let rows: Vec<Row<'_>> = part.chain(period).collect();
    if rows.is_empty() {
        return html! {};
    }
    let has_target = rows.iter().any(|row| row.4.is_some());
    let title =
        if view.parts.is_empty() { lang.pick("기간별", "By period") } else { lang.pick("부문별", "Parts") };
    html! {
        section {
            h2 { (title) }
            div.scroll.stack role="region" tabindex="0" aria-label=(title) { table.bars {
                caption.vh { (lang.of(&view.title)) ", " (title) }
                thead { tr {
                    th scope="col" { (title) }
                    th.right scope="col" { (lang.pick("현재", "Now")) }
                    @if has_target {
                        th.right scope="col" { (lang.pick("목표", "Target")) }
                        th scope="col" { (lang.pick("목표 대비", "Against target")) }
                        th scope="col" { (lang.pick("상태", "Status")) }
                    }
                    th scope="col" { (lang.pick("근거", "Why")) }
                } }
                tbody { @for (name, path, figure, state, target) in &rows {
                    tr {
                        th.name scope="row" { (name) }
                        td.right.num data-th=(lang.pick("현재", "Now")) { (said(figure, lang)) }
                        @if has_target {
                            td.right.num data-th=(lang.pick("목표", "Target")) { (target.map_or("–", |target| lang.of(&target.current.text))) }
                            td.cell-bar { (Bar::of(figure, *target, *state).draw()) }
                            td { @if let Some(state) = state { (standing(&state.code, figure, lang)) } }
                        }
                        td.cell-why { (explain(view, path, visit)) }
                    }
                } }
            } }
        }
    }
}

/// A split as bars in a table; regions as a map beside it.
fn splits(view: &IndicatorView, split: &SplitView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let most = split.values.iter().filter_map(|value| value.figure.value).max();
    let title = lang.of(&split.title);
    html! {
        section {
            h2 { (title) }
            div class=[map::fits(split).then_some("beside")] {
                @if map::fits(split) { (map::draw(split, lang)) }
                div.scroll.stack role="region" tabindex="0" aria-label=(title) { table.bars {
                    caption.vh { (lang.of(&view.title)) ", " (title) }
                    thead { tr {
                        th scope="col" { (title) }
                        th.right scope="col" { (lang.pick("현재", "Now")) }
                        th scope="col" { (lang.pick("비교", "Compared")) }
                        th.right scope="col" { (lang.pick("제3자 확인", "Verified")) }
                        th scope="col" { (lang.pick("근거", "Why")) }
                    } }
                    tbody { @for value in &split.values {
                        tr {
                            th.name scope="row" {
                                (remark(label(view, split, value, lang), lang))
                                @if let Some(succession) = &value.succession { (succeeded(succession, lang)) }
                            }
                            td.right.num data-th=(lang.pick("현재", "Now")) { (said(&value.figure, lang)) }
                            td.cell-bar { (Bar { value: value.figure.value, verified: value.figure.verified, target: most, ..Bar::default() }.draw()) }
                            td.right.num data-th=(lang.pick("제3자 확인", "Verified")) { (value.figure.verified.map_or_else(|| "–".to_owned(), |verified| words::amount(verified, view, lang))) }
                            td.cell-why { (explain(view, &format!("{}/{}", split.id, value.value), visit)) }
                        }
                    } }
                } }
            }
        }
    }
}

/// A value's name; one that is a part too has the part's.
fn label<'a>(view: &'a IndicatorView, split: &SplitView, value: &'a SplitValue, lang: Lang) -> &'a str {
    let part =
        view.parts.iter().find(|part| part.id == value.value && value.label.ko == value.value && split.id != "region");
    part.map_or_else(|| lang.of(&value.label), |part| lang.of(&part.title))
}

fn succeeded(of: &crate::store::progress::view::SuccessionView, lang: Lang) -> Markup {
    html! {
        span.quiet {
            @if let Some(until) = of.until { " (" (words::date(until, lang)) (lang.pick("까지", " was its last day")) ")" }
            @for (_, from) in of.predecessors.iter().take(1) { " (" (words::day(*from, lang)) (lang.pick("부터", " was its first day")) ")" }
        }
    }
}

fn recent(view: &IndicatorView, events: &EventsView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    html! {
        section {
            h2 { (lang.pick("최근 보고", "Newest reports")) }
            (super::explain::table(events, visit))
            p { a href=(visit.link(&format!("/indicators/{}/events", view.id))) { (lang.pick("이 수치를 이루는 모든 보고", "Every report behind this figure")) } }
        }
    }
}

fn targets(view: &IndicatorView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    html! {
        section {
            h2 { (lang.pick("목표", "Targets")) }
            @if view.targets.is_empty() { p { (lang.pick("출처에 목표값이 없습니다.", "The source names no target.")) } }
            @else { div.scroll.stack role="region" tabindex="0" aria-label=(lang.pick("목표와 개정", "Targets and revisions")) { table {
                caption { (lang.pick("목표와 개정 내역. 처음 정한 목표도 남습니다.", "Targets and how they were revised; the first ones stay.")) }
                thead { tr {
                    th scope="col" { (lang.pick("대상", "Of")) }
                    th.right scope="col" { (lang.pick("목표", "Target")) }
                    th scope="col" { (lang.pick("기한", "Due")) }
                    th scope="col" { (lang.pick("정한 때·이유", "When and why")) }
                    th scope="col" { (lang.pick("기록", "Entry")) }
                } }
                tbody { @for target in &view.targets { (target_rows(view, target, visit)) } }
            } } }
        }
    }
}

fn target_rows(view: &IndicatorView, target: &TargetView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let part = target.part.as_ref().and_then(|id| view.parts.iter().find(|part| part.id == *id));
    let whole = lang.pick("전체", "the whole");
    let of = part.map(|part| lang.of(&part.title)).or(target.period.as_deref()).unwrap_or(whole);
    html! {
        tr {
            th scope="row" { (of) }
            td.right.num data-th=(lang.pick("목표", "Target")) { (lang.of(&target.original.text)) }
            td.num data-th=(lang.pick("기한", "Due")) { (words::due(&target.original, lang)) }
            td.wraps data-th=(lang.pick("정한 때·이유", "When and why")) {
                (lang.pick("처음", "original"))
                @if let Some(source) = &target.original.source { ": " (remark(source, lang)) }
                @if !target.original.confirmed { " · " (lang.pick("미확인", "unconfirmed")) }
            }
            td { (entry(target.original.index, visit)) }
        }
        @for revision in &target.revisions {
            tr {
                th scope="row" { (of) }
                td.right.num data-th=(lang.pick("목표", "Target")) { (lang.of(&revision.text)) }
                td.num data-th=(lang.pick("기한", "Due")) { (revision.new_due.map_or_else(|| "–".to_owned(), |due| words::date(due, lang))) }
                td.wraps data-th=(lang.pick("정한 때·이유", "When and why")) {
                    @if let Some(day) = revision.announced { (words::date(day, lang)) " · " }
                    (lang.of(&revision.authority.name)) ": " (remark(&revision.reason, lang))
                }
                td { (entry(revision.index, visit)) }
            }
        }
    }
}

fn owners(view: &IndicatorView, names: &[AgencyView], visit: &Visit) -> Markup {
    let lang = visit.lang;
    let name = |code: &String| {
        let known = names.iter().find(|agency| agency.code == *code);
        known.map_or_else(|| code.clone(), |agency| lang.of(&agency.name).to_owned())
    };
    let agencies = |codes: &[String]| codes.iter().map(name).collect::<Vec<_>>().join(", ");
    html! {
        section {
            h2 { (lang.pick("책임과 보고", "Who answers, who reports")) }
            dl.facts.wide {
                @for owner in &view.owners {
                    div {
                        dt { (owner.from.map_or_else(|| lang.pick("처음 책임 기관", "Owner from the start").to_owned(), |from| format!("{}{}", words::date(from, lang), lang.pick("부터", " onwards")))) }
                        dd {
                            (lang.of(&owner.agency.name)) " " (entry(owner.index, visit))
                            @if let Some(reason) = &owner.reason { br; span.quiet { (remark(reason, lang)) } }
                        }
                    }
                }
                div { dt { (lang.pick("보고할 수 있는 기관", "May report")) } dd { (agencies(&view.reporters)) } }
                @if !view.verifiers.is_empty() {
                    div { dt { (lang.pick("확인할 수 있는 기관", "May verify")) } dd { (agencies(&view.verifiers)) } }
                }
                div { dt { (lang.pick("목표를 정하는 기관", "Sets the target")) } dd { (name(&view.authority)) } }
            }
        }
    }
}

/// The source's wording, our reading of it, and what is not known.
fn source(view: &IndicatorView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let source = &view.source;
    html! {
        section {
            h2 { (lang.pick("원문과 해석", "The source and our reading")) }
            blockquote lang="ko" { p { "“" (source.fragment) "”" } footer { (source.reference) } }
            dl.facts.wide {
                div { dt { (lang.pick("해석", "Our reading")) } dd {
                    (lang.of(&source.reading)) " "
                    span.quiet { "(" @match (&source.confirmed_by, source.confirmed) {
                        (Some(by), true) => { (lang.pick("확인: ", "confirmed by ")) (by) }
                        (None, true) => { (lang.pick("원문대로", "as the source says")) }
                        _ => { (lang.pick("책임 기관이 확인하지 않음", "not confirmed by the owner")) }
                    } ")" }
                } }
                @for missing in &view.missing {
                    div { dt { (lang.pick("빠진 것: ", "Missing: ")) (words::missing(&missing.what, lang)) } dd { (lang.of(&missing.note)) } }
                }
                @for series_break in &view.breaks {
                    div { dt { (lang.pick("정의 변경 ", "Definition changed ")) (words::date(series_break.effective, lang)) } dd { (remark(&series_break.reason, lang)) " " (entry(series_break.index, visit)) } }
                }
            }
        }
    }
}
