//! A commitment on a card: value against target, where it should be today, who says so and when. The live page swaps whole
//! cards, so this is the only place that draws one.

use maud::{Markup, html};

use super::bar::{of_whole, share};
use super::parts::{badges, remark, standing_of};
use super::visit::Visit;
use super::words;
use crate::catalogue::indicator::FoldKind;
use crate::event::governance::Goal;
use crate::event::lang::Lang;
use crate::event::{Amount, Date, Time};
use crate::store::progress::view::{IndicatorView, TargetView};

/// The card.
#[must_use]
pub fn card(view: &IndicatorView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let target = view.target();
    let id = format!("card-{}", view.id);
    let fragment = visit.link(&format!("/fragments/card/{}", view.id));
    html! {
        article.card id=(id) data-of=(view.id) data-fragment=(fragment) data-status=(view.status.code) {
            p.card-over {
                span { (lang.of(&words::area(&view.area))) }
                span.num { (lang.pick("과제 ", "no. ")) (view.row) }
            }
            h3.card-title data-say=(say(view, lang)) { a href=(visit.link(&format!("/indicators/{}", view.id))) { (lang.of(&view.title)) } }
            (figure(view, target, lang))
            (against(view))
            (standing(view, visit))
            dl.card-facts {
                dt { (lang.pick("기관 전망", "Agency’s forecast")) }
                dd { (forecast(view, lang)) }
                dt { (lang.pick("최근 보고", "Last report")) }
                dd { (last_report(view, lang)) }
                @if let Some(moved) = target.filter(|target| !target.revisions.is_empty()) {
                    dt { (lang.pick("처음 목표", "Original target")) }
                    dd { (original(moved, lang)) }
                }
                @if !view.missing.is_empty() {
                    dt { (lang.pick("빠진 것", "Missing")) }
                    dd { (missing(view, lang)) }
                }
            }
            (badges(view, lang))
        }
    }
}

/// What a screen reader is told when the card changes.
fn say(view: &IndicatorView, lang: Lang) -> String {
    let figure = lang.of(&view.figure.text);
    let status = words::standing_of(view, lang);
    format!("{}: {figure}, {status}", lang.of(&view.title))
}

/// Value and target.
pub(super) fn figure(view: &IndicatorView, target: Option<&TargetView>, lang: Lang) -> Markup {
    // A decision that is made says its step once.
    let is_said =
        |target: &&TargetView| view.fold == FoldKind::Stage && lang.of(&view.figure.text) == wanted(view, target, lang);
    let aim = target.filter(|target| target.current.value.is_some()).filter(|target| !is_said(target));
    html! {
        p.figure {
            @if view.figure.value.is_some() || view.figure.reports > 0 {
                strong.figure-value { (lang.of(&view.figure.text)) }
            } @else {
                strong.figure-value.silent { (lang.pick("보고된 값 없음", "nothing reported")) }
            }
            @if let Some(period) = period(view, target) { span.figure-period { "(" (period) ")" } }
            @if let Some(target) = aim {
                span.figure-target { (wanted_for(view, target, lang)) span.num { (wanted(view, target, lang)) } }
            }
        }
    }
}

/// The target in words: of a decision the step that makes it, for "1" says nothing.
pub(super) fn wanted<'a>(view: &'a IndicatorView, target: &'a TargetView, lang: Lang) -> &'a str {
    let is_decision = view.fold == FoldKind::Stage && target.current.value == Some(Amount::from_int(1));
    let step = view.stages.last().filter(|_| is_decision && target.part.is_none());
    step.map_or_else(|| lang.of(&target.current.text), |stage| lang.of(&stage.title))
}

/// The bar, and beside it the share of the target that is done.
pub(super) fn against(view: &IndicatorView) -> Markup {
    let Some(target) = view.target().filter(|target| target.current.value.is_some()) else { return html! {} };
    html! {
        div.against {
            (of_whole(view).draw())
            @if let Some(share) = share_of(view, target) { span.figure-share.num { (share) } }
        }
    }
}

/// What stands before a target: of one period it names it, so that nobody takes it for another year's.
fn wanted_for(view: &IndicatorView, target: &TargetView, lang: Lang) -> String {
    let period = target.period.as_ref();
    let said = period.map(|period| Date::parse(period).map_or_else(|_| period.clone(), |date| words::date(date, lang)));
    match (said, lang) {
        (None, Lang::Ko) => "목표 ".to_owned(),
        (None, Lang::En) if counts(view, target) => "of ".to_owned(),
        (None, Lang::En) => "target: ".to_owned(),
        (Some(period), Lang::Ko) => format!("{period} 목표 "),
        (Some(period), Lang::En) => format!("target for {period}: "),
    }
}

/// The period of the value, where the target shown is of another one or of none.
pub(super) fn period<'a>(view: &'a IndicatorView, target: Option<&TargetView>) -> Option<&'a str> {
    let period = view.figure_period.as_deref()?;
    (view.figure.value.is_some() && target.and_then(|target| target.period.as_deref()) != Some(period))
        .then_some(period)
}

/// A share says something of a total to be reached, not of a floor, a cap, a stage or another period.
fn share_of(view: &IndicatorView, target: &TargetView) -> Option<String> {
    counts(view, target).then(|| share(view.figure.value, target.current.value)).flatten()
}

fn counts(view: &IndicatorView, target: &TargetView) -> bool {
    matches!(view.fold, FoldKind::Sum | FoldKind::Distinct) && target.current.goal == Goal::Reach
}

/// Computed status, and what was expected by the day asked for.
pub(super) fn standing(view: &IndicatorView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    html! {
        p.standing {
            (standing_of(view, lang))
            @if let Some(target) = view.target() {
                span.due {
                    @if target.current.due.is_some() { (lang.pick("기한 ", "due ")) }
                    (words::due(&target.current, lang))
                }
            }
            @if let Some(expected) = view.status.expected.filter(|expected| view.status.code != "met" && *expected != Amount::ZERO) {
                span.expected {
                    (expected_by(visit)) " "
                    span.num { (words::expected(expected, view, lang)) }
                }
            }
        }
    }
}

/// By when: today, or the day that is looked at.
pub(super) fn expected_by(visit: &Visit) -> &'static str {
    match visit.ask.as_of.filter(|day| *day != Time::now().day()) {
        None => visit.lang.pick("오늘까지 예상", "expected by now"),
        Some(_) => visit.lang.pick("그날까지 예상", "expected by then"),
    }
}

/// What the agency expects of itself.
pub(super) fn forecast(view: &IndicatorView, lang: Lang) -> Markup {
    let Some(forecast) = &view.forecast else { return html! { span.quiet { (lang.pick("없음", "none stated")) } } };
    html! {
        (words::outlook(&forecast.outlook, lang))
        @if let Some(value) = forecast.value { ", " span.num { (words::amount(value, view, lang)) } }
        " (" (words::date(forecast.date, lang)) ")"
    }
}

/// Who reported last, when, and how fresh that is.
pub(super) fn last_report(view: &IndicatorView, lang: Lang) -> Markup {
    let Some(last) = &view.last_report else {
        // What has not reached the stage that counts moves no total.
        let is_on_its_way = !view.figure.text.ko.is_empty();
        let said = if is_on_its_way {
            lang.pick("중간 단계 보고만 있음", "earlier stages only")
        } else {
            lang.pick("없음", "none")
        };
        return html! { span.quiet { (said) } };
    };
    html! {
        @if let Some(day) = last.day {
            time.num datetime=(day) { (words::day(day, lang)) " (" (words::ago(day, view.as_of, lang)) ")" }
        }
        @if last.day.is_some() && last.agency.is_some() { " · " }
        @if let Some(agency) = &last.agency { (lang.of(&agency.name)) }
    }
}

fn original(target: &TargetView, lang: Lang) -> Markup {
    html! {
        span.num { (lang.of(&target.original.text)) }
        @if target.original.due != target.current.due { " · " (words::due(&target.original, lang)) }
        @if let Some(revision) = target.revisions.last() {
            @if let Some(day) = revision.announced { " → " (words::date(day, lang)) (lang.pick(" 개정", " revised")) }
        }
    }
}

fn missing(view: &IndicatorView, lang: Lang) -> Markup {
    let words: Vec<&str> = view.missing.iter().map(|missing| words::missing(&missing.what, lang)).collect();
    html! { (remark(&words.join(", "), lang)) }
}
