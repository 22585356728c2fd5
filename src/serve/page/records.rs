//! A record with its versions: what was reported, corrected, retracted, verified and disputed, each with its entry.

use maud::{Markup, html};

use super::parts::{entry, kind, time};
use super::visit::Visit;
use super::words;
use crate::event::lang::Lang;
use crate::serve::source::{Mention, RecordView, RecordsView, VersionView};

/// The content of the page.
#[must_use]
pub fn content(view: &RecordsView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    html! {
        h1 { (lang.pick("한 보고의 이력", "History of one report")) }
        p { code { (view.id) } }
        @for record in &view.records { (one(record, visit)) }
        p.data { a href={ "/v1/records/" (view.id) } { "JSON" } }
    }
}

fn one(record: &RecordView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let left_out = record.versions_total.saturating_sub(u64::try_from(record.versions.len()).unwrap_or(u64::MAX));
    html! {
        section {
            h2 { (lang.of(&record.agency.name)) }
            @if left_out > 0 { p.quiet { (lang.pick("여기에 없는 판: ", "Versions not shown here: ")) (left_out) } }
            ol.versions { @for version in &record.versions { li { (told(version, visit)) } } }
        }
    }
}

fn told(version: &VersionView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let data = version.data.as_ref().map(|data| format!("{data:#}"));
    html! {
        p {
            strong { (state(version, lang)) } " · " (entry(version.index, visit)) " · " (kind(&version.kind, version.kind_title.as_ref(), lang))
            @if let Some(recorded) = version.recorded { " · " (lang.pick("기록 ", "recorded ")) (time(recorded, lang)) }
            " · " (lang.pick("있었던 날 ", "happened ")) (words::day(version.time.day(), lang))
        }
        @if let Some(by) = &version.retracted_by { p { (lang.pick("철회: ", "retracted by ")) (mention(by, visit)) } }
        @for by in &version.verified_by { p { (lang.pick("확인: ", "verified by ")) (mention(by, visit)) } }
        @for by in &version.disputed_by { p { (lang.pick("이의: ", "disputed by ")) (mention(by, visit)) } }
        @if version.withheld { p { (lang.pick("법에 따라 본문 일부가 가려졌습니다.", "Texts of the body were masked by law.")) } }
        @if let Some(data) = data { pre tabindex="0" aria-label=(lang.pick("보고 내용", "What was reported")) { (super::entry::harmless(&data)) } }
    }
}

fn state(version: &VersionView, lang: Lang) -> &'static str {
    match (version.stands, version.retracted_by.is_some()) {
        (true, _) => lang.pick("유효", "stands"),
        (false, true) => lang.pick("철회됨", "retracted"),
        (false, false) => lang.pick("정정되어 대체됨", "replaced by a correction"),
    }
}

fn mention(by: &Mention, visit: &Visit) -> Markup {
    html! { (visit.lang.of(&by.agency.name)) " " (entry(by.index, visit)) }
}
