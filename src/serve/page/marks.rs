//! Beside a chart: its legend, what its numbers mark, and the same as a table, CSV and an address to embed.

use maud::{Markup, html};

use super::chart::{Chart, MARKS_MAX, numbered};
use super::parts::{entry, remark};
use super::visit::Visit;
use super::words;
use crate::event::lang::Lang;
use crate::limits::PAGE_POINTS_SHOWN;
use crate::serve::views::{MarkView, SeriesView};
use crate::store::progress::view::IndicatorView;

/// Entries named for one number.
const MARKS_LISTED: usize = 6;

/// Which line is what.
#[must_use]
pub fn legend(chart: &Chart<'_>) -> Markup {
    html! {
        ul.legend {
            @for (class, dash, word) in chart.legend() {
                li {
                    svg width="28" height="10" aria-hidden="true" focusable="false" {
                        line class=(class) x1="0" x2="28" y1="5" y2="5" stroke-width=(if dash.is_empty() && class == "c-value" { "3" } else { "2" }) stroke-dasharray=[(!dash.is_empty()).then_some(dash)] {}
                    }
                    (word)
                }
            }
        }
    }
}

fn kind(mark: &MarkView, lang: Lang) -> &str {
    match mark.kind.as_str() {
        "correction" => lang.pick("정정", "correction"),
        "retraction" => lang.pick("철회", "retraction"),
        "dispute" => lang.pick("이의 제기", "dispute"),
        "verification" => lang.pick("제3자 확인", "verification"),
        "resolution" => lang.pick("중복 주장 정리", "claim resolved"),
        "remark" => lang.pick("비고", "remark"),
        "break" => {
            lang.pick("정의 변경: 앞뒤를 그대로 비교할 수 없음", "definition changed: not comparable across this day")
        }
        "revision" => lang.pick("목표 개정", "target revised"),
        "succession" => lang.pick("지역 개편", "region succeeded"),
        other => other,
    }
}

/// The marks by the numbers they have on the chart.
#[must_use]
pub fn list(series: &SeriesView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let groups = numbered(series);
    html! {
        @if !groups.is_empty() {
            h3 { (lang.pick("그림의 표시", "Marks on the chart")) }
            ol.marks {
                @for group in groups.iter().take(MARKS_MAX) { li { (one(group, visit)) } }
            }
            @if groups.len() > MARKS_MAX {
                p.quiet { (lang.pick("표시가 더 있습니다: ", "There are more marks: ")) (groups.len() - MARKS_MAX) }
            }
        }
    }
}

/// One number: what was said once, and every entry that says something.
fn one(group: &[&MarkView], visit: &Visit) -> Markup {
    let lang = visit.lang;
    let Some(first) = group.first() else { return html! {} };
    let texts: Vec<&str> = group.iter().filter_map(|mark| mark.text.as_deref()).collect();
    let same = texts.iter().all(|text| Some(text) == texts.first());
    html! {
        span.num { (words::day(first.day, lang)) } " "
        strong { (kind(first, lang)) }
        @if let Some(agency) = first.agency.as_ref().filter(|_| group.iter().all(|mark| mark.agency == first.agency)) {
            " · " (lang.of(&agency.name))
        }
        @if let (Some(text), true) = (texts.first(), same) { " · " (remark(text, lang)) }
        @for mark in group.iter().take(MARKS_LISTED) {
            @if let (Some(text), false) = (&mark.text, same) { " · " (remark(text, lang)) }
            @if let Some(index) = mark.index { " " (entry(index, visit)) }
        }
        @if group.len() > MARKS_LISTED { " +" (group.len() - MARKS_LISTED) }
    }
}

/// The chart's numbers, and where else they are to be had.
#[must_use]
pub fn table(view: &IndicatorView, series: &SeriesView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let shown = series.points.iter().rev().take(PAGE_POINTS_SHOWN);
    let amount = |value: Option<crate::event::Amount>| {
        value.map_or_else(|| "–".to_owned(), |value| words::amount(value, view, lang))
    };
    let base = format!("/v1/indicators/{}/series", view.id);
    // A line of periods is drawn from all of them: its address names none.
    let (named, whole): (&[(&str, &str)], &[_]) = (&[("path", &series.path)], &[]);
    let own = if super::indicator::is_by_period(view) { whole } else { named };
    html! {
        details #points {
            summary { (lang.pick("표로 보기", "As a table")) }
            div.scroll role="region" tabindex="0" aria-label=(lang.pick("경과 표", "Progress as a table")) { table {
                caption { (lang.pick("값이 바뀐 날, 최근부터", "Days on which the value changed, newest first")) }
                thead { tr {
                    th scope="col" { (lang.pick("날짜", "Day")) }
                    th.right scope="col" { (lang.pick("보고된 값", "Reported")) }
                    th.right scope="col" { (lang.pick("제3자 확인", "Verified")) }
                    th.right scope="col" { (lang.pick("보고 건수", "Reports")) }
                } }
                tbody { @for point in shown {
                    tr {
                        th scope="row" { (words::day(point.day, lang)) }
                        td.right.num { (amount(point.value)) }
                        td.right.num { (amount(point.verified)) }
                        td.right.num { (point.reports) }
                    }
                } }
            } }
        }
        p.data {
            a href=(visit.data(&format!("{base}.csv"), own)) { "CSV" } " · "
            a href=(visit.data(&base, own)) { "JSON" } " · "
            a href=(visit.link_with(&format!("/indicators/{}/chart.svg", view.id), own)) { (lang.pick("옮겨 실을 수 있는 그림 (SVG)", "chart to embed (SVG)")) }
        }
    }
}
