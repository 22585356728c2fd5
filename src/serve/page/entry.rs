//! An entry of the log as the auditor sees it: header block and body as text, what was signed, and how to check the receipt.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use maud::{Markup, html};

use super::parts::{kind, time};
use super::reports::{agency, titles, verdict};
use super::visit::Visit;
use crate::event::lang::Lang;
use crate::limits::PAGE_ENTRY_CHARS_MAX;
use crate::serve::views::EntryView;
use crate::store::progress::view::IndicatorsView;

/// The content of the page.
#[must_use]
pub fn content(one: &EntryView, bytes: &[u8], all: &IndicatorsView, size: u64, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let text = String::from_utf8_lossy(bytes);
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    html! {
        p.over { a href=(visit.link("/reports")) { (lang.pick("보고 기록", "Reports")) } }
        h1 { (lang.pick("기록 ", "Entry ")) span.num { "#" (one.index) } }
        (facts(one, all, visit))
        section {
            h2 { (lang.pick("원문", "As it stands in the log")) }
            p.quiet { (lang.pick(
                "원문의 시각은 협정 세계시(UTC, 끝에 Z)입니다. 한국 표준시는 아홉 시간 빠릅니다.",
                "Times in the text are UTC (they end in Z); Korea Standard Time is nine hours ahead.",
            )) }
            h3 { (lang.pick("머리", "Header block")) }
            pre tabindex="0" aria-label=(lang.pick("머리", "Header block")) { (harmless(head)) }
            h3 { (lang.pick("본문", "Body")) }
            pre tabindex="0" aria-label=(lang.pick("본문", "Body")) { (harmless(body)) }
            @if let Some(claims) = claims(head) {
                h3 { (lang.pick("서명이 담고 있는 것", "What the signature says")) }
                pre tabindex="0" aria-label=(lang.pick("서명이 담고 있는 것", "What the signature says")) { (harmless(&claims)) }
            }
        }
        (proof(one, lang))
        (beside(one, size, visit))
    }
}

fn facts(one: &EntryView, all: &IndicatorsView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    html! {
        dl.facts {
            div { dt { (lang.pick("기관", "Agency")) } dd { (agency(one.agency.as_ref(), lang)) } }
            @if let Some(code) = &one.kind { div { dt { (lang.pick("보고 유형", "Type")) } dd { (kind(code, one.kind_title.as_ref(), lang)) } } }
            div { dt { (lang.pick("판정", "Verdict")) } dd { (verdict(one, lang)) } }
            div { dt { (lang.pick("서명한 때", "Signed")) } dd { @match one.reported { Some(at) => { (time(at, lang)) } None => { "–" } } } }
            div { dt { (lang.pick("기록된 때", "Recorded")) } dd { (time(one.recorded, lang)) } }
            @if !one.indicators.is_empty() {
                div { dt { (lang.pick("과제", "Commitments")) } dd { (titles(&one.indicators, all, visit)) } }
            }
            @if let Some(kid) = &one.kid { div { dt { (lang.pick("서명 키", "Key")) } dd { code { (kid) } } } }
            @if one.withheld {
                div { dt { (lang.pick("제거된 본문", "Withheld")) } dd { (lang.pick("법에 따라 본문 일부가 가려졌습니다.", "Texts of the body were masked by law.")) } }
            }
            @if one.simulated { div { dt { (lang.pick("모의", "Simulated")) } dd { (lang.pick("모의 기관의 보고입니다.", "Reported by a simulated agency.")) } } }
            @if one.public_source { div { dt { (lang.pick("출처", "Source")) } dd { (lang.pick("공개 자료에서 옮긴 것입니다.", "Entered from public sources.")) } } }
        }
    }
}

/// The receipt and how to check it without trusting this page.
fn proof(one: &EntryView, lang: Lang) -> Markup {
    let index = one.index;
    html! {
        section {
            h2 { (lang.pick("증명", "Proof")) }
            @if one.proven {
                p.prose { (lang.pick(
                    "서명된 체크포인트가 이 기록을 담고 있습니다. 접수증은 이 원장에 묻지 않고 오프라인으로 확인할 수 있습니다.",
                    "A signed checkpoint covers this entry. The receipt can be checked offline, without asking this ledger.",
                )) }
                p { a href={ "/v1/receipts/" (index) } { (lang.pick("접수증 (C2SP tlog-proof)", "Receipt (C2SP tlog-proof)")) } " · " a href={ "/v1/entries/" (index) } { (lang.pick("원문 그대로", "Exact bytes")) } }
                pre tabindex="0" aria-label=(lang.pick("확인하는 명령", "Commands to check it")) { "curl -o " (index) ".tlog-proof URL/v1/receipts/" (index) "\njindo verify " (index) ".tlog-proof --vkey KEY" }
            } @else {
                p { (lang.pick("아직 공개된 체크포인트에 들어가지 않았습니다. 잠시 뒤 다시 보세요.", "No published checkpoint covers it yet; look again shortly.")) }
            }
        }
    }
}

fn beside(one: &EntryView, size: u64, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let link = |index: u64| visit.link(&format!("/entries/{index}"));
    html! {
        nav.turn aria-label=(lang.pick("앞뒤 기록", "Entries beside")) {
            @if let Some(before) = one.index.checked_sub(1) { a rel="prev" href=(link(before)) { "← #" (before) } }
            @if one.index + 1 < size { a rel="next" href=(link(one.index + 1)) { "#" (one.index + 1) " →" } }
        }
    }
}

/// Header and claims of the signature, each as its own JSON, as signed.
fn claims(head: &str) -> Option<String> {
    let jws = head.lines().find_map(|line| line.strip_prefix("signature: "))?;
    let mut parts = jws.split('.');
    let mut read = || URL_SAFE_NO_PAD.decode(parts.next()?).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    Some(format!("{}\n{}", read()?, read()?))
}

/// At most so many characters, those that act on a reader shown as their numbers.
pub(super) fn harmless(text: &str) -> String {
    let acts = |char: char| {
        (char.is_control() && char != '\n' && char != '\t')
            || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let mut out = String::with_capacity(text.len());
    for char in text.chars().take(PAGE_ENTRY_CHARS_MAX) {
        if acts(char) { out.push_str(&format!("\\u{{{:x}}}", u32::from(char))) } else { out.push(char) }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_read_where_it_can_be() {
        let jws =
            format!("{}.{}.x", URL_SAFE_NO_PAD.encode(r#"{"alg":"EdDSA"}"#), URL_SAFE_NO_PAD.encode(r#"{"seq":1}"#));
        let head = format!("jindo-entry/v1\nsignature: {jws}");
        assert_eq!(claims(&head).as_deref(), Some("{\"alg\":\"EdDSA\"}\n{\"seq\":1}"));
        for broken in ["", "signature: ", "signature: %%%.%%%", "signature: eyJ"] {
            assert_eq!(claims(broken), None, "{broken}");
        }
    }

    #[test]
    fn what_acts_on_a_reader_is_shown_as_its_number() {
        assert_eq!(harmless("a\u{202e}b\u{0}\n한글"), "a\\u{202e}b\\u{0}\n한글");
        assert_eq!(harmless(&"x".repeat(PAGE_ENTRY_CHARS_MAX + 9)).len(), PAGE_ENTRY_CHARS_MAX);
    }
}
