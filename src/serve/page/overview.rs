//! The overview: how many commitments stand how, and each of them on a card or in a row, what needs attention first.

use maud::{Markup, html};

use super::card;
use super::parts::{shape, standing_of};
use super::visit::Visit;
use super::words::{self, BY_URGENCY};
use crate::event::Amount;
use crate::event::lang::Lang;
use crate::fold::status::Code;
use crate::store::progress::view::{IndicatorView, IndicatorsView};
use crate::store::progress::word;

/// Sections of the overview: Korean and English heading, and which statuses they hold.
const SECTIONS: [(&str, &str, &[Code]); 4] = [
    ("점검이 필요한 과제", "Needs attention", &[Code::Overdue, Code::Behind, Code::NoReport]),
    ("진행 중·시작 전", "Under way or not started", &[Code::AtRisk, Code::OnTrack, Code::NotStarted]),
    ("달성", "Met", &[Code::Met]),
    ("측정 불가", "Unmeasurable", &[Code::Unmeasurable]),
];

/// What is filtered by.
struct Filter<'a> {
    status: Option<&'a str>,
    area: Option<&'a str>,
    owner: Option<&'a str>,
}

impl<'a> Filter<'a> {
    fn of(visit: &'a Visit) -> Self {
        Filter { status: visit.value("status"), area: visit.value("area"), owner: visit.value("owner") }
    }

    fn is_set(&self) -> bool {
        self.status.is_some() || self.area.is_some() || self.owner.is_some()
    }

    fn takes(&self, view: &IndicatorView) -> bool {
        self.area.is_none_or(|area| area == view.area)
            && self.owner.is_none_or(|owner| owner == view.owner.code)
            && self.status.is_none_or(|status| status == view.status.code)
    }
}

/// The content of the page.
#[must_use]
pub fn content(all: &IndicatorsView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let filter = Filter::of(visit);
    let shown: Vec<&IndicatorView> = all.indicators.iter().filter(|view| filter.takes(view)).collect();
    html! {
        h1 { (lang.pick("이행 현황", "Where the commitments stand")) }
        (counts(all, visit))
        (filters(all, visit, &filter))
        @if shown.is_empty() {
            p.empty { @if all.indicators.is_empty() {
                (lang.pick("아직 등록된 과제가 없습니다.", "No commitment is registered yet."))
            } @else {
                (lang.pick("이 조건에 맞는 과제가 없습니다.", "No commitment fits these filters."))
            } }
        } @else if visit.value("view") == Some("table") {
            (table(&shown, visit))
        } @else {
            (key(visit))
            (cards(&shown, visit))
        }
    }
}

/// What is what on the bars of the cards.
fn key(visit: &Visit) -> Markup {
    let lang = visit.lang;
    let swatches = [
        ("bar-value", "6", lang.pick("보고된 값", "reported")),
        ("bar-value bar-verified", "6", lang.pick("제3자 확인", "verified")),
        ("bar-expected", "16", card::expected_by(visit)),
    ];
    html! {
        ul.legend aria-hidden="true" {
            @for (class, height, word) in swatches {
                @let (width, y) = if height == "16" { ("2", "0") } else { ("20", "5") };
                li { svg width=(width) height="16" focusable="false" { rect class=(class) width=(width) height=(height) y=(y) {} } (word) }
            }
        }
    }
}

/// The headline: how many stand how, each a link to those.
#[must_use]
pub fn counts(all: &IndicatorsView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let count = |code: &str| all.indicators.iter().filter(|view| view.status.code == code).count();
    let chosen = visit.value("status");
    // A fragment has a path of its own; its links are those of the overview.
    let link = |code: &str| {
        let own: Vec<(&str, &str)> =
            ["area", "owner", "view"].iter().filter_map(|name| Some((*name, visit.value(name)?))).collect();
        let code = if chosen == Some(code) { "" } else { code };
        let own: Vec<_> = own.into_iter().chain((!code.is_empty()).then_some(("status", code))).collect();
        visit.link_with("/", &own)
    };
    let own: Vec<(&str, &str)> =
        ["area", "owner", "view", "status"].iter().filter_map(|name| Some((*name, visit.value(name)?))).collect();
    html! {
        ul.counts #counts data-of="*" data-fragment=(visit.link_with("/fragments/counts", &own)) aria-label=(lang.pick("상태별 과제 수", "Commitments by status")) {
            @for code in BY_URGENCY {
                @let (code, said) = word(code);
                @let count = count(code);
                li class={ "count status-" (code) @if count == 0 { " none" } } {
                    a href=(link(code)) aria-current=[(chosen == Some(code)).then_some("true")] {
                        strong.num { (count) }
                        span { (shape(code)) (words::breaking(lang.of(&said))) }
                    }
                }
            }
        }
    }
}

fn filters(all: &IndicatorsView, visit: &Visit, filter: &Filter<'_>) -> Markup {
    let lang = visit.lang;
    let mut areas: Vec<&str> = Vec::new();
    let mut owners: Vec<(&str, &str)> = Vec::new();
    for view in &all.indicators {
        if !areas.contains(&view.area.as_str()) {
            areas.push(&view.area);
        }
        if owners.iter().all(|(code, _)| *code != view.owner.code) {
            owners.push((&view.owner.code, lang.of(&view.owner.name)));
        }
    }
    let is_table = visit.value("view") == Some("table");
    let areas = areas.iter().map(|area| (*area, lang.of(&words::area(area)).to_owned()));
    let owners = owners.iter().map(|(code, name)| (*code, (*name).to_owned()));
    let statuses = BY_URGENCY.map(|code| (word(code).0, lang.of(&word(code).1).to_owned()));
    html! {
        div.filters {
            form method="get" action="/" {
                @for (name, value) in visit.kept(&[]) { input type="hidden" name=(name) value=(value); }
                @if is_table { input type="hidden" name="view" value="table"; }
                (select("area", lang.pick("분야", "Area"), areas, filter.area, lang))
                (select("owner", lang.pick("책임 기관", "Owner"), owners, filter.owner, lang))
                (select("status", lang.pick("상태", "Status"), statuses.into_iter(), filter.status, lang))
                button type="submit" { (lang.pick("적용", "Apply")) }
                @if filter.is_set() {
                    a href=(visit.turned(&[("area", ""), ("owner", ""), ("status", "")])) { (lang.pick("조건 지우기", "Clear")) }
                }
            }
            p.views {
                a href=(visit.turned(&[("view", "")])) aria-current=[(!is_table).then_some("true")] { (lang.pick("카드", "Cards")) }
                a href=(visit.turned(&[("view", "table")])) aria-current=[is_table.then_some("true")] { (lang.pick("표", "Table")) }
            }
        }
    }
}

/// A choice among values, or all of them.
pub(super) fn select<'a>(
    name: &str,
    label: &str,
    values: impl Iterator<Item = (&'a str, String)>,
    chosen: Option<&str>,
    lang: Lang,
) -> Markup {
    html! {
        label {
            span { (label) }
            select name=(name) {
                option value="" { (lang.pick("전체", "All")) }
                @for (value, word) in values { option value=(value) selected[chosen == Some(value)] { (word) } }
            }
        }
    }
}

fn cards(shown: &[&IndicatorView], visit: &Visit) -> Markup {
    let lang = visit.lang;
    html! {
        @for (ko, en, codes) in SECTIONS {
            @let held = held(shown, codes);
            @if !held.is_empty() {
                section.group {
                    h2 { (lang.pick(ko, en)) " " span.num.quiet { (held.len()) } }
                    div.cards { @for view in held { (card::card(view, visit)) } }
                }
            }
        }
    }
}

/// The commitments of a section: by status as given, then by row.
fn held<'a>(shown: &[&'a IndicatorView], codes: &[Code]) -> Vec<&'a IndicatorView> {
    let by_code = codes.iter().map(|code| word(*code).0);
    by_code.flat_map(|code| shown.iter().copied().filter(move |view| view.status.code == code)).collect()
}

fn table(shown: &[&IndicatorView], visit: &Visit) -> Markup {
    let lang = visit.lang;
    let rows: Vec<&IndicatorView> = held(shown, &BY_URGENCY);
    html! {
        div.scroll.stack role="region" tabindex="0" aria-label=(lang.pick("과제 표", "Table of commitments")) {
            table.all {
                caption { (lang.pick("과제별 현재 값, 목표, 상태", "Value, target and status of each commitment")) }
                thead { tr {
                    th scope="col" { (lang.pick("번호", "No.")) }
                    th scope="col" { (lang.pick("과제와 책임 기관", "Commitment and owner")) }
                    th scope="col" { (lang.pick("상태", "Status")) }
                    th.right scope="col" { (lang.pick("현재", "Now")) }
                    th.right scope="col" { (lang.pick("목표", "Target")) }
                    th.right scope="col" { (words::capital(card::expected_by(visit))) }
                    th scope="col" { (lang.pick("기한", "Due")) }
                    th scope="col" { (lang.pick("기관 전망", "Forecast")) }
                    th scope="col" { (lang.pick("최근 보고", "Last report")) }
                    th scope="col" { (lang.pick("표시", "Marks")) }
                } }
                tbody { @for view in rows { (row(view, visit)) } }
            }
        }
    }
}

/// A row of the table.
#[must_use]
pub fn row(view: &IndicatorView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let target = view.target();
    let expected = view.status.expected.filter(|expected| view.status.code != "met" && *expected != Amount::ZERO);
    let fragment = visit.link(&format!("/fragments/row/{}", view.id));
    html! {
        tr id={ "row-" (view.id) } data-of=(view.id) data-fragment=(fragment) {
            td.num data-th=(lang.pick("번호", "No.")) { (view.row) }
            th.title scope="row" data-say=(lang.of(&view.title)) {
                a href=(visit.link(&format!("/indicators/{}", view.id))) { (lang.of(&view.title)) }
                span.owner { (lang.of(&view.owner.name)) }
            }
            td.state { (standing_of(view, lang)) }
            td.right.num data-th=(lang.pick("현재", "Now")) {
                @if view.figure.text.ko.is_empty() { span.quiet { (lang.pick("보고 없음", "none")) } }
                @else { (lang.of(&view.figure.text)) @if let Some(period) = card::period(view, view.target()) { " (" (period) ")" } }
            }
            td.right.num.target data-th=(lang.pick("목표", "Target")) { (target.filter(|target| target.current.value.is_some()).map_or("–", |target| card::wanted(view, target, lang))) }
            td.right.num data-th=(words::capital(card::expected_by(visit))) {
                @if let Some(expected) = expected { (words::expected(expected, view, lang)) } @else { "–" }
            }
            td.when data-th=(lang.pick("기한", "Due")) { (target.map_or_else(|| "–".to_owned(), |target| words::due(&target.current, lang))) }
            td data-th=(lang.pick("기관 전망", "Forecast")) { (card::forecast(view, lang)) }
            td.last data-th=(lang.pick("최근 보고", "Last report")) { (card::last_report(view, lang)) }
            td.marked { (super::parts::badges(view, lang)) }
        }
    }
}
