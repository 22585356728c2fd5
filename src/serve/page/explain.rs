//! Explain this number: the events behind a figure, each with what it adds, down to the signed entry.

use maud::{Markup, html};

use super::parts::{entry, remark, time};
use super::visit::Visit;
use super::words;
use crate::catalogue::indicator::FoldKind;
use crate::catalogue::units;
use crate::event::Amount;
use crate::event::lang::Lang;
use crate::serve::views::{EventView, EventsView};
use crate::store::progress::view::IndicatorView;

/// The content of the page.
#[must_use]
pub fn content(view: &IndicatorView, events: &EventsView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let title = lang.of(&events.title);
    let path = format!("/indicators/{}/events", view.id);
    let data = |ending: &str| visit.data(&format!("/v1{path}{ending}"), &[("path", &events.path)]);
    html! {
        p.over { a href=(visit.link(&format!("/indicators/{}", view.id))) { (lang.of(&view.title)) } }
        h1 { (lang.pick("이 수치의 근거", "Behind this number")) }
        p.figure {
            span { (title) } " "
            strong.figure-value { @if events.figure.text.ko.is_empty() { (lang.pick("보고된 값 없음", "nothing reported")) } @else { (lang.of(&events.figure.text)) } }
        }
        p.prose { (how(events, lang)) }
        @if events.events.is_empty() { p.empty { (lang.pick("이 수치를 이루는 보고가 없습니다.", "No report stands behind this figure.")) } }
        @else { (table(events, visit)) }
        (sum(events, visit))
        p.data {
            @if let Some(next) = events.next {
                @let next = next.to_string();
                a href=(visit.turned(&[("cursor", &next)])) { (lang.pick("다음 보고", "Next reports")) } " · "
            }
            a href=(data(".csv")) { "CSV" } " · " a href=(data("")) { "JSON" }
        }
    }
}

/// How contributions become the figure.
fn how(events: &EventsView, lang: Lang) -> &'static str {
    match events.fold {
        FoldKind::Sum => lang.pick(
            "아래 보고들이 더한 양을 모두 합하면 이 수치가 됩니다. 대상이 적힌 것은 한 번씩만 셉니다.",
            "What the reports below add makes this figure. Where things are listed, each counts once.",
        ),
        FoldKind::Distinct | FoldKind::Stage => lang.pick(
            "아래 보고들이 처음 주장한 서로 다른 대상의 수를 모두 합하면 이 수치가 됩니다. 같은 대상은 한 번만 셉니다.",
            "The different things that the reports below claim first make this figure; a thing counts once.",
        ),
        FoldKind::Latest => lang.pick(
            "마지막으로 보고된 값이 이 수치입니다. 앞선 보고는 참고로 보여 줍니다.",
            "The value stated last is this figure; earlier ones are shown beside it.",
        ),
        FoldKind::Narrative => lang.pick(
            "이 과제는 수치가 아니라 서술로 보고됩니다.",
            "This commitment is reported in words, not as a number.",
        ),
    }
}

/// Whether the contributions on this page make the figure; on one of several pages, what they add to it.
fn sum(events: &EventsView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    if matches!(events.fold, FoldKind::Latest | FoldKind::Narrative) || events.events.is_empty() {
        return html! {};
    }
    let add = |sum: Option<Amount>, event: &EventView| sum?.checked_add(event.contributes.unwrap_or_default());
    let Some(sum) = events.events.iter().fold(Some(Amount::ZERO), add) else { return html! {} };
    let said = |amount| lang.of(&units::say(amount, events.unit.as_ref(), false)).to_owned();
    let is_whole = events.next.is_none() && visit.value("cursor").is_none();
    html! {
        p.sum {
            (lang.pick("이 쪽에 있는 보고의 합: ", "These reports add up to ")) strong.num { (said(sum)) }
            @if is_whole && Some(sum) == events.figure.value { " = " (lang.pick("이 수치 전부", "the whole figure")) }
        }
    }
}

/// The events as a table.
#[must_use]
pub fn table(events: &EventsView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    html! {
        div.scroll.stack role="region" tabindex="0" aria-label=(lang.pick("보고 표", "Table of reports")) { table {
            caption { (lang.pick("보고와 각각이 더한 양", "Reports and what each adds")) }
            thead { tr {
                th scope="col" { (lang.pick("기록", "Entry")) }
                th scope="col" { (lang.pick("보고 기관", "Agency")) }
                th scope="col" { (lang.pick("있었던 날", "Happened")) }
                th scope="col" { (lang.pick("기록된 때", "Recorded")) }
                th.right scope="col" { (lang.pick("더한 양", "Adds")) }
                th.right scope="col" { (lang.pick("제3자 확인", "Verified")) }
                th scope="col" { (lang.pick("표시·대상·비고", "Marks, things, remark")) }
            } }
            tbody { @for event in &events.events { (row(event, events, visit)) } }
        } }
    }
}

fn row(event: &EventView, events: &EventsView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let said = |amount: Option<Amount>| {
        amount.map(|amount| lang.of(&units::say(amount, events.unit.as_ref(), false)).to_owned())
    };
    html! {
        tr class=[(!event.counts).then_some("beside-it")] {
            th scope="row" { (entry(event.index, visit)) @if event.position > 0 { span.quiet { "." (event.position) } } }
            td { (lang.of(&event.agency.name)) }
            td.num data-th=(lang.pick("있었던 날", "Happened")) { (words::day(event.time.day(), lang)) }
            td data-th=(lang.pick("기록된 때", "Recorded")) { (time(event.recorded, lang)) }
            td.right.num data-th=(lang.pick("더한 양", "Adds")) { (said(event.contributes).unwrap_or_else(|| "–".to_owned())) @if !event.counts { span.quiet { " " (lang.pick("(이전 값)", "(earlier)")) } } }
            td.right.num data-th=(lang.pick("제3자 확인", "Verified")) { (said(event.verified.filter(|verified| *verified > Amount::ZERO)).unwrap_or_else(|| "–".to_owned())) }
            td.wraps { (told(event, visit)) }
        }
    }
}

/// What else is to be said of an event.
fn told(event: &EventView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let mut words: Vec<String> = Vec::new();
    for (is_so, word) in [
        (event.simulated, lang.pick("모의", "simulated")),
        (event.public_source, lang.pick("공개 자료", "public source")),
        (event.provisional, lang.pick("잠정", "provisional")),
        (event.approximate, lang.pick("어림값", "approximate")),
        (event.corrected, lang.pick("정정됨", "corrected")),
        (event.not_deduplicated > Amount::ZERO, lang.pick("중복 제거 안 됨", "not de-duplicated")),
    ] {
        if is_so {
            words.push(word.to_owned());
        }
    }
    let things = event.things.iter().take(5).map(|thing| thing.identity.join(" / "));
    let things: Vec<String> = things.filter(|thing| !thing.is_empty()).collect();
    let mut told: Vec<Markup> = Vec::new();
    if !words.is_empty() {
        told.push(html! {
            (words.join(", "))
            @if event.corrected { " " a href=(visit.link(&format!("/records/{}", event.id))) { (lang.pick("이력", "history")) } }
        });
    }
    let named = [
        (&event.verified_by, lang.pick("확인 ", "verified by ")),
        (&event.disputed_by, lang.pick("이의 ", "disputed by ")),
    ];
    for (mentions, word) in named {
        told.extend(
            mentions
                .iter()
                .map(|mention| html! { (word) (lang.of(&mention.agency.name)) " " (entry(mention.index, visit)) }),
        );
    }
    if !things.is_empty() {
        told.push(html! {
            (things.join(", "))
            @if event.things_total > 5 { " " (lang.pick("외 ", "and ")) (event.things_total - 5) (lang.pick("", " more")) }
        });
    }
    told.extend(event.remark.as_ref().map(|text| remark(text, lang)));
    html! { @for (at, one) in told.iter().enumerate() { @if at > 0 { " · " } (one) } }
}
