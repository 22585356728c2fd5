//! Small parts that several pages share: status with its shape, badges, remarks in another language, links to entries.

use maud::{Markup, PreEscaped, html};

use super::visit::Visit;
use super::words;
use crate::catalogue::indicator::FoldKind;
use crate::event::lang::Lang;
use crate::event::{Text, Time};
use crate::store::progress::view::{FigureView, IndicatorView};

/// The shapes of the statuses: each differs in outline, so that it is told without colour.
pub const SHAPES: PreEscaped<&str> = PreEscaped(concat!(
    r#"<svg class="shapes" aria-hidden="true" focusable="false"><defs>"#,
    r#"<symbol id="s-overdue" viewBox="0 0 16 16"><path d="M1 1h14v14H1z" fill="currentColor"/><path class="cut" d="M7 3h2v6H7zM7 11h2v2H7z"/></symbol>"#,
    r#"<symbol id="s-behind" viewBox="0 0 16 16"><path d="M1 2h14L8 15z" fill="currentColor"/></symbol>"#,
    r#"<symbol id="s-no_report" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2" stroke-dasharray="3.2 3.1"/></symbol>"#,
    r#"<symbol id="s-at_risk" viewBox="0 0 16 16"><path d="M8 2.5 14.3 14H1.7z" fill="none" stroke="currentColor" stroke-width="2" stroke-linejoin="round"/></symbol>"#,
    r#"<symbol id="s-on_track" viewBox="0 0 16 16"><path d="M2 8h10M8 3l5 5-5 5" fill="none" stroke="currentColor" stroke-width="2.4"/></symbol>"#,
    r#"<symbol id="s-not_started" viewBox="0 0 16 16"><circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2"/></symbol>"#,
    r#"<symbol id="s-met" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7.5" fill="currentColor"/><path class="cut-line" d="m4.5 8.2 2.4 2.5 4.6-5.2" fill="none" stroke-width="2"/></symbol>"#,
    r#"<symbol id="s-unmeasurable" viewBox="0 0 16 16"><path d="M3 5h10M3 11h10M11 2 5 14" fill="none" stroke="currentColor" stroke-width="2"/></symbol>"#,
    "</defs></svg>",
));

/// An event type by its name, its code beside it.
#[must_use]
pub fn kind(code: &str, title: Option<&Text>, lang: Lang) -> Markup {
    html! {
        @if let Some(title) = title { (remark(lang.of(title), lang)) " " }
        code.quiet { @for (at, part) in code.split_inclusive('.').enumerate() { @if at > 0 { wbr; } (part) } }
    }
}

/// A status: its shape and its word.
#[must_use]
pub fn status(code: &str, lang: Lang) -> Markup {
    told(code, &words::status(code, lang))
}

/// A status beside its figure.
#[must_use]
pub fn standing(code: &str, figure: &FigureView, lang: Lang) -> Markup {
    told(code, &words::standing(code, figure, lang))
}

/// The status of a whole.
#[must_use]
pub fn standing_of(view: &IndicatorView, lang: Lang) -> Markup {
    told(&view.status.code, &words::standing_of(view, lang))
}

fn told(code: &str, word: &str) -> Markup {
    html! { span class={ "status status-" (slug(code)) } { (shape(code)) (word) } }
}

/// The shape alone, for beside a word.
#[must_use]
pub fn shape(code: &str) -> Markup {
    html! { svg.shape aria-hidden="true" focusable="false" { use href={ "#s-" (slug(code)) } {} } }
}

/// A code of ours as part of a class name.
fn slug(code: &str) -> String {
    code.chars().filter(|char| char.is_ascii_lowercase() || *char == '_').collect()
}

/// What a reader must know before quoting the figure.
#[must_use]
pub fn badges(view: &IndicatorView, lang: Lang) -> Markup {
    let mut said = Vec::new();
    if view.simulated {
        said.push(lang.pick("모의 데이터", "simulated").to_owned());
    }
    if view.public_source {
        said.push(lang.pick("공개 자료에서 옮김", "entered from public sources").to_owned());
    }
    said.extend(verification(view, lang));
    said.extend(words::marks(&view.figure, lang));
    if view.figure.not_deduplicated.millionths() > 0 {
        said.push(lang.pick("중복 제거 안 됨", "not de-duplicated").to_owned());
    }
    if view.target().is_some_and(|target| !target.current.confirmed) {
        said.push(lang.pick("목표 미확인", "target unconfirmed").to_owned());
    }
    html! {
        @if !said.is_empty() { ul.badges { @for word in said { li { (word) } } } }
    }
}

/// Whether anybody but the reporter vouches for the figure.
fn verification(view: &IndicatorView, lang: Lang) -> Option<String> {
    let value = view.figure.value?;
    if view.fold == FoldKind::Narrative {
        return None;
    }
    match view.figure.verified {
        Some(verified) if verified >= value && value.millionths() > 0 => {
            Some(lang.pick("제3자 확인 완료", "verified").to_owned())
        }
        Some(verified) if verified.millionths() > 0 => {
            Some(format!("{} {}", lang.pick("제3자 확인", "verified"), words::amount(verified, view, lang)))
        }
        _ => Some(lang.pick("제3자 확인 없음", "not verified").to_owned()),
    }
}

/// A text of an agency or a source, in whatever language it is; what would turn the text around it stands there as a number.
#[must_use]
pub fn remark(text: &str, lang: Lang) -> Markup {
    let text = &super::entry::harmless(text);
    html! {
        @if lang == Lang::En && words::is_korean(text) { span lang="ko" { (text) } } @else { (text) }
    }
}

/// An entry of the log, as a link.
#[must_use]
pub fn entry(index: u64, visit: &Visit) -> Markup {
    html! { a.num href=(visit.link(&format!("/entries/{index}"))) { "#" (index) } }
}

/// A time in Seoul.
#[must_use]
pub fn time(time: Time, lang: Lang) -> Markup {
    html! { time.num datetime=(time) { (words::moment(time, lang)) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_turns_nothing_around() {
        let shown = remark("12 <b>\u{202e}met\u{2066}", Lang::En).into_string();
        assert_eq!(shown, "12 &lt;b&gt;\\u{202e}met\\u{2066}");
    }
}
