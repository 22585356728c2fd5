//! Who reported what and when: entries of the log, and refused ones with what was wrong.

use maud::{Markup, html};

use super::overview::select;
use super::parts::{entry, kind, time};
use super::visit::Visit;
use super::words;
use crate::event::lang::Lang;
use crate::serve::source::RefusedView;
use crate::serve::views::{EntriesPage, EntryView};
use crate::store::progress::view::{AgencyView, IndicatorsView};

/// What the list is filtered by; its tables are too.
const FILTERS: &[&str] = &["agency", "indicator", "verdict"];
const NEWEST: &[(&str, &str)] = &[("order", "desc")];

/// The list of reports.
#[must_use]
pub fn content(page: &EntriesPage, all: &IndicatorsView, agencies: &[AgencyView], visit: &Visit) -> Markup {
    let lang = visit.lang;
    html! {
        h1 { (lang.pick("누가 무엇을 언제 보고했는가", "Who reported what, and when")) }
        p.prose { (lang.pick(
            "접수되거나 반려된 모든 보고와 목표·책임 변경이 차례로 남습니다. 한 번 적힌 것은 바뀌지 않습니다.",
            "Every report, accepted or refused, and every change of a target or an owner stands here in order. What is written stays.",
        )) }
        (filters(all, agencies, visit))
        (list(page, all, visit))
        (turning(page.next, visit))
    }
}

fn filters(all: &IndicatorsView, agencies: &[AgencyView], visit: &Visit) -> Markup {
    let lang = visit.lang;
    let codes = agencies.iter().map(|agency| (agency.code.as_str(), lang.of(&agency.name).to_owned()));
    let indicators =
        all.indicators.iter().map(|view| (view.id.as_str(), format!("{}. {}", view.row, lang.of(&view.title))));
    let verdicts =
        ["accepted", "duplicate", "refused"].map(|verdict| (verdict, words::verdict(verdict, lang).to_owned()));
    html! {
        div.filters { form method="get" action="/reports" {
            @for (name, value) in visit.kept(&[]) { input type="hidden" name=(name) value=(value); }
            (select("agency", lang.pick("보고 기관", "Agency"), codes, visit.value("agency"), lang))
            (select("indicator", lang.pick("과제", "Commitment"), indicators, visit.value("indicator"), lang))
            (select("verdict", lang.pick("판정", "Verdict"), verdicts.into_iter(), visit.value("verdict"), lang))
            button type="submit" { (lang.pick("적용", "Apply")) }
            @if FILTERS.iter().any(|name| visit.value(name).is_some()) {
                a href=(visit.link("/reports")) { (lang.pick("조건 지우기", "Clear")) }
            }
        } }
    }
}

fn list(page: &EntriesPage, all: &IndicatorsView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    html! {
        div #entries data-of="*" data-fragment=(visit.turned(&[])) {
            @if page.entries.is_empty() { p.empty { (lang.pick("이 조건에 맞는 기록이 없습니다.", "No entry fits these filters.")) } }
            @else { div.scroll.stack role="region" tabindex="0" aria-label=(lang.pick("기록 표", "Table of entries")) { table {
                caption { (lang.pick("최근 기록부터. 번호를 누르면 감사인이 보는 원문이 나옵니다.", "Newest first. The number opens the entry as an auditor sees it.")) }
                thead { tr {
                    th scope="col" { (lang.pick("번호", "Entry")) }
                    th scope="col" { (lang.pick("기록된 때", "Recorded")) }
                    th scope="col" { (lang.pick("기관", "Agency")) }
                    th scope="col" { (lang.pick("보고 유형", "Type")) }
                    th.right scope="col" { (lang.pick("건수", "Events")) }
                    th scope="col" { (lang.pick("과제", "Commitments")) }
                    th scope="col" { (lang.pick("판정", "Verdict")) }
                    th scope="col" { (lang.pick("증명", "Proof")) }
                } }
                tbody { @for one in &page.entries { (row(one, all, visit)) } }
            } } }
        }
    }
}

fn row(one: &EntryView, all: &IndicatorsView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    html! {
        tr {
            th scope="row" { (entry(one.index, visit)) }
            td { (time(one.recorded, lang)) }
            td { (agency(one.agency.as_ref(), lang)) @if one.simulated { " " span.quiet { (lang.pick("(모의)", "(simulated)")) } } @if one.public_source { " " span.quiet { (lang.pick("(공개 자료)", "(public source)")) } } }
            td.wraps { @if let Some(code) = &one.kind { (kind(code, one.kind_title.as_ref(), lang)) } @else { "–" } }
            td.right.num data-th=(lang.pick("건수", "Events")) { (one.events.map_or_else(|| "–".to_owned(), |events| events.to_string())) }
            td.wraps { (titles(&one.indicators, all, visit)) }
            td.verdict { (verdict(one, lang)) }
            td { @if one.proven { (lang.pick("증명됨", "proven")) } @else { span.quiet { (lang.pick("곧", "pending")) } } }
        }
    }
}

/// The verdict, and why where it is a refusal.
pub(super) fn verdict(one: &EntryView, lang: Lang) -> Markup {
    html! {
        (words::verdict(&one.verdict, lang))
        @if let Some(reason) = &one.reason { ": " (lang.of(reason)) }
        @else if let Some(code) = &one.code { ": " (code) }
    }
}

pub(super) fn agency(agency: Option<&AgencyView>, lang: Lang) -> Markup {
    html! { @match agency { Some(agency) => { (lang.of(&agency.name)) } None => { span.quiet { "–" } } } }
}

/// The first commitments of an entry by title, each a link.
pub(super) fn titles(ids: &[String], all: &IndicatorsView, visit: &Visit) -> Markup {
    let title = |id: &String| all.indicators.iter().find(|view| view.id == *id).map(|view| visit.lang.of(&view.title));
    html! {
        @for (at, id) in ids.iter().take(3).enumerate() {
            @if at > 0 { ", " }
            a href=(visit.link(&format!("/indicators/{id}"))) { (title(id).unwrap_or(id)) }
        }
        @if ids.len() > 3 { " +" (ids.len() - 3) }
    }
}

fn turning(next: Option<u64>, visit: &Visit) -> Markup {
    let lang = visit.lang;
    html! {
        p.data {
            @if visit.value("from").is_some() { a href=(visit.turned(&[("from", "")])) { (lang.pick("처음으로", "Newest")) } " · " }
            @if let Some(next) = next.map(|next| next.to_string()) { a href=(visit.turned(&[("from", &next)])) { (lang.pick("더 오래된 기록", "Older entries")) } " · " }
            a href=(visit.filtered("/v1/entries", NEWEST, FILTERS)) { "JSON" } " · " a href=(visit.filtered("/v1/entries.csv", NEWEST, FILTERS)) { "CSV" }
        }
    }
}

/// Refused reports: what was wrong, and what the agency can do.
#[must_use]
pub fn refused(rows: &[(EntryView, Option<RefusedView>)], next: Option<u64>, visit: &Visit) -> Markup {
    let lang = visit.lang;
    html! {
        h1 { (lang.pick("반려된 보고", "Refused reports")) }
        p.prose { (lang.pick(
            "반려된 보고도 기록에 남지만 수치에는 들어가지 않습니다. 이유와 바로잡는 방법을 함께 보여 줍니다.",
            "Refused reports are recorded too and count in no figure. Each says why, and what to do.",
        )) }
        div #entries data-of="*" data-fragment=(visit.turned(&[])) {
            @if rows.is_empty() { p.empty { (lang.pick("반려된 보고가 없습니다.", "Nothing was refused.")) } }
            @else { div.scroll.stack role="region" tabindex="0" aria-label=(lang.pick("반려된 보고 표", "Table of refused reports")) { table {
                caption { (lang.pick("최근 것부터", "Newest first")) }
                thead { tr {
                    th scope="col" { (lang.pick("번호", "Entry")) }
                    th scope="col" { (lang.pick("기록된 때", "Recorded")) }
                    th scope="col" { (lang.pick("이름을 댄 기관", "Agency named")) }
                    th scope="col" { (lang.pick("이유", "Reason")) }
                    th scope="col" { (lang.pick("바로잡는 방법", "What to do")) }
                } }
                tbody { @for (one, why) in rows { (refusal(one, why.as_ref(), visit)) } }
            } } }
        }
        p.data {
            @if let Some(next) = next.map(|next| next.to_string()) { a href=(visit.turned(&[("from", &next)])) { (lang.pick("더 오래된 기록", "Older entries")) } " · " }
            a href="/v1/refused" { "JSON" } " · " a href="/v1/refused.csv" { "CSV" }
        }
    }
}

fn refusal(one: &EntryView, why: Option<&RefusedView>, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let code = why.map(|why| why.code.as_str()).or(one.code.as_deref()).unwrap_or("–");
    html! {
        tr {
            th scope="row" { (entry(one.index, visit)) }
            td { (time(one.recorded, lang)) }
            td.whole { (agency(one.agency.as_ref(), lang)) }
            td.wraps data-th=(lang.pick("이유", "Reason")) {
                @if let Some(reason) = one.reason.as_ref().or(why.and_then(|why| why.reason.as_ref())) { (lang.of(reason)) " " }
                code.quiet { (code) }
                @if let Some(why) = why { ul { @for fault in why.faults.iter().take(5) { li.quiet {
                    @if let Some(event) = fault.event { (lang.pick("사건 ", "event ")) (event) ": " }
                    (fault.detail)
                } } } }
            }
            td.wraps data-th=(lang.pick("바로잡는 방법", "What to do")) { @if let Some(next) = why.and_then(|why| why.next.as_ref()) { (lang.of(next)) } @else { "–" } }
        }
    }
}
