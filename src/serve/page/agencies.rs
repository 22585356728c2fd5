//! The agencies: what they reported, how late, with which keys, and what is missing in their chains.

use maud::{Markup, html};

use super::parts::{entry, time};
use super::visit::Visit;
use super::words;
use crate::event::lang::Lang;
use crate::serve::views::{AgenciesView, AgencyDetail, KeyView};

/// The content of the page.
#[must_use]
pub fn content(view: &AgenciesView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    html! {
        h1 { (lang.pick("보고 기관", "Agencies")) }
        @if view.counted < view.size {
            p.notice { (lang.pick("집계가 진행 중입니다: ", "Counts are being made: ")) (view.counted) " / " (view.size) }
        }
        @if view.agencies.is_empty() { p.empty { (lang.pick("등록된 기관이 없습니다.", "No agency is registered.")) } }
        @else {
            div.scroll.stack role="region" tabindex="0" aria-label=(lang.pick("기관 표", "Table of agencies")) { table {
                caption { (lang.pick("기관별 보고와 지연. 지연은 일이 있은 때부터 서명까지의 시간입니다.", "Reports and lateness by agency; lateness is the time from the event to the signature.")) }
                thead { tr {
                    th scope="col" { (lang.pick("기관", "Agency")) }
                    th scope="col" { (lang.pick("구분", "Role")) }
                    th.right scope="col" { (lang.pick("접수", "Accepted")) }
                    th.right scope="col" { (lang.pick("중복", "Duplicates")) }
                    th.right scope="col" { (lang.pick("반려", "Refused")) }
                    th scope="col" { (lang.pick("최근 보고", "Last report")) }
                    th.right scope="col" { (lang.pick("지연 중앙값", "Median lateness")) }
                    th.right scope="col" { (lang.pick("최대 지연", "Longest")) }
                    th scope="col" { (lang.pick("빠진 번호", "Gaps")) }
                } }
                tbody { @for agency in &view.agencies { (row(agency, visit)) } }
            } }
            h2 { (lang.pick("서명 키", "Keys")) }
            @for agency in view.agencies.iter().filter(|agency| !agency.keys.is_empty()) { (keys(agency, visit)) }
        }
        p.data { a href="/v1/agencies" { "JSON" } " · " a href="/v1/agencies.csv" { "CSV" } }
    }
}

fn role(word: &str, lang: Lang) -> &str {
    match word {
        "agency" => lang.pick("보고 기관", "agency"),
        "authority" => lang.pick("주무 부처", "authority"),
        "desk" => lang.pick("공개 자료 입력", "public source desk"),
        "simulated" => lang.pick("모의 기관", "simulated"),
        other => other,
    }
}

fn row(agency: &AgencyDetail, visit: &Visit) -> Markup {
    let lang = visit.lang;
    let (gaps, forks) = (agency.missing, agency.forks);
    let late = |seconds: Option<i64>| seconds.map_or_else(|| "–".to_owned(), |seconds| span(seconds, lang));
    let reports = visit.link_with("/reports", &[("agency", &agency.code)]);
    html! {
        tr {
            th scope="row" { a href=(reports) { (lang.of(&agency.name)) } }
            td { (role(&agency.role, lang)) }
            td.right.num data-th=(lang.pick("접수", "Accepted")) { (agency.accepted) }
            td.right.num data-th=(lang.pick("중복", "Duplicates")) { (agency.duplicates) }
            td.right.num data-th=(lang.pick("반려", "Refused")) { (agency.refused) }
            td data-th=(lang.pick("최근 보고", "Last report")) { @match &agency.last_report { Some(last) => { (time(last.recorded, lang)) " " (entry(last.index, visit)) } None => { span.quiet { (lang.pick("없음", "none")) } } } }
            td.right.num data-th=(lang.pick("지연 중앙값", "Median lateness")) { (late(agency.lateness.as_ref().map(|late| late.median_s))) }
            td.right.num data-th=(lang.pick("최대 지연", "Longest")) { (late(agency.lateness.as_ref().map(|late| late.max_s))) }
            td data-th=(lang.pick("빠진 번호", "Gaps")) {
                @if gaps == 0 && forks == 0 { span.quiet { (lang.pick("없음", "none")) } }
                @if gaps > 0 { (gaps) (lang.pick("건 빠짐", " missing")) }
                @if forks > 0 { " " (lang.pick("번호 겹침 ", "forks: ")) (forks) }
            }
        }
    }
}

/// A span of time in its largest unit.
fn span(seconds: i64, lang: Lang) -> String {
    let (sign, size) = (if seconds < 0 { "-" } else { "" }, seconds.unsigned_abs());
    let (count, ko, en) = match size {
        0..60 => (size, "초", "s"),
        60..3_600 => (size / 60, "분", "min"),
        3_600..172_800 => (size / 3_600, "시간", "h"),
        _ => (size / 86_400, "일", "days"),
    };
    match lang {
        Lang::Ko => format!("{sign}{count}{ko}"),
        Lang::En => format!("{sign}{count} {en}"),
    }
}

fn keys(agency: &AgencyDetail, visit: &Visit) -> Markup {
    let lang = visit.lang;
    html! {
        section id={ "keys-" (agency.code) } {
            h3 { (lang.of(&agency.name)) }
            @let shown = agency.keys.len() as u64;
            @if shown < agency.keys_total { p.quiet { (lang.pick("가장 새로운 키만 보여 줍니다: ", "The newest keys only: ")) (shown) " / " (agency.keys_total) } }
            ul.keys { @for key in &agency.keys { li { (one(key, visit)) } } }
        }
    }
}

fn one(key: &KeyView, visit: &Visit) -> Markup {
    let lang = visit.lang;
    html! {
        code { (key.kid) }
        p {
            (lang.pick("등록 ", "added ")) (entry(key.added, visit))
            @if let Some(at) = key.added_at { " " (time(at, lang)) }
            @if key.by_authority { " · " (lang.pick("주무 부처가 등록", "added by the authority alone")) }
            " · " (lang.pick("보고 번호 ", "sequence ")) span.num { (key.seq) } (lang.pick("까지", ""))
            @if let Some(revoked) = key.revoked { " · " strong { (lang.pick("폐기 ", "revoked ")) } (entry(revoked, visit)) @if let Some(at) = key.revoked_at { " " (time(at, lang)) } }
            @for gap in &key.gaps { " · " strong { (lang.pick("빠진 번호 ", "missing ")) (gap.first) "–" (gap.last) } " (" (words::moment(gap.noticed, lang)) ")" }
            @for fork in &key.forks { " · " strong { (lang.pick("번호 겹침 ", "forked at ")) } (entry(*fork, visit)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_their_largest_unit() {
        for (seconds, ko, en) in [
            (0, "0초", "0 s"),
            (61, "1분", "1 min"),
            (7_200, "2시간", "2 h"),
            (200_000, "2일", "2 days"),
            (-90, "-1분", "-1 min"),
            (i64::MIN, "-106751991167300일", "-106751991167300 days"),
        ] {
            assert_eq!((span(seconds, Lang::Ko).as_str(), span(seconds, Lang::En).as_str()), (ko, en));
        }
    }
}
