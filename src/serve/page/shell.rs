//! What every page has around its content: landmarks, the moment it shows, language and theme, marks of what is not real.

use maud::{DOCTYPE, Markup, html};

use super::assets;
use super::fault::Fault;
use super::parts::SHAPES;
use super::visit::{Theme, Visit};
use super::words;
use crate::event::lang::Lang;
use crate::event::{Day, Time};
use crate::serve::source::{Health, Known};
use crate::store::progress::view::{IndicatorView, IndicatorsView};

/// The moment a page shows, and what to know of the ledger behind it.
#[derive(Debug, Clone)]
pub struct Stand {
    /// What had happened by the end of this day.
    pub as_of: Day,
    /// What had been recorded by then.
    pub known_at: Option<Time>,
    /// Log size.
    pub size: u64,
    /// Entries of it that a checkpoint covers.
    pub proven_size: u64,
    /// Figures of this page rest on simulated reports.
    pub simulated: bool,
    /// Figures of this page were entered from public sources.
    pub public_source: bool,
    /// Whether figures are current.
    pub health: Health,
    /// When this was asked.
    pub now: Time,
}

impl Stand {
    /// Of all indicators.
    #[must_use]
    pub fn of_all(all: &IndicatorsView, health: Health) -> Self {
        Stand {
            as_of: all.as_of,
            known_at: all.known_at,
            size: all.size,
            proven_size: all.proven_size,
            simulated: all.simulated || all.indicators.iter().any(|view| view.simulated),
            public_source: all.indicators.iter().any(|view| view.public_source),
            health,
            now: Time::now(),
        }
    }

    /// Of a page without figures: it need not say where figures come from.
    #[must_use]
    pub fn without_figures(self) -> Self {
        Stand { public_source: false, ..self }
    }

    /// Of one.
    #[must_use]
    pub fn of_one(view: &IndicatorView, health: Health) -> Self {
        Stand {
            as_of: view.as_of,
            known_at: view.known_at,
            size: view.size,
            proven_size: view.proven_size,
            simulated: view.simulated,
            public_source: view.public_source,
            health,
            now: Time::now(),
        }
    }
}

/// The pages in the order of the navigation: path, Korean, English.
const PAGES: [(&str, &str, &str); 5] = [
    ("/", "현황", "Overview"),
    ("/reports", "보고 기록", "Reports"),
    ("/refused", "반려", "Refused"),
    ("/agencies", "보고 기관", "Agencies"),
    ("/verify", "검증", "Verify"),
];

/// A whole page.
#[must_use]
pub fn page(visit: &Visit, stand: &Stand, title: &str, content: &Markup) -> Markup {
    let lang = visit.lang;
    let body = html! {
        (header(visit, Some(stand)))
        (notices(visit, stand))
        main #main tabindex="-1" { (content) }
        p.vh #news role="status" data-many=(lang.pick("과제 {}개의 수치가 바뀌었습니다", "{} commitments changed")) {}
        (footer(visit, stand))
    };
    document(visit, title, Some(stand), &body, lang)
}

/// A page that cannot be shown.
#[must_use]
pub fn fault(visit: &Visit, fault: &Fault) -> Markup {
    let lang = visit.lang;
    let title = lang.pick("보여 드릴 수 없습니다", "This page cannot be shown");
    let body = html! {
        (header(visit, None))
        main #main tabindex="-1" {
            h1 { (title) }
            p.lead { (words::sentence(lang.of(&fault.what))) }
            p { (words::sentence(lang.of(&fault.next))) }
            p { a href=(home(visit)) { (lang.pick("현황으로", "To the overview")) } }
        }
    };
    document(visit, title, None, &body, lang)
}

/// The overview of today: what is wrong with an address may be its moment.
fn home(visit: &Visit) -> String {
    let lang = visit.value("lang").filter(|_| visit.kept(&[]).any(|(name, _)| name == "lang"));
    lang.map_or_else(|| "/".to_owned(), |lang| format!("/?lang={lang}"))
}

fn document(visit: &Visit, title: &str, stand: Option<&Stand>, body: &Markup, lang: Lang) -> Markup {
    let live = stand.is_some() && !visit.is_past();
    html! {
        (DOCTYPE)
        html lang=(lang.pick("ko", "en")) data-theme=[visit.theme.map(Theme::word)] data-live[live] {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content=(visit.theme.map_or("light dark", Theme::word));
                title { (title) " · " (lang.pick("진도", "jindo")) }
                link rel="icon" href=(assets::ICON.address()) type="image/svg+xml";
                link rel="stylesheet" href=(assets::STYLE.address());
                link rel="alternate" hreflang=(lang.pick("en", "ko")) href=(visit.turned(&[("lang", lang.pick("en", "ko"))]));
                @if live { script src=(assets::SCRIPT.address()) defer {} }
            }
            body {
                a.skip href="#main" { (lang.pick("본문으로 건너뛰기", "Skip to content")) }
                (SHAPES)
                (body)
            }
        }
    }
}

fn header(visit: &Visit, stand: Option<&Stand>) -> Markup {
    let lang = visit.lang;
    html! {
        header.top {
            a.brand href=(visit.link("/")) {
                strong { (lang.pick("진도", "jindo")) }
                span { (lang.pick("2026 업무계획 이행 원장", "Progress ledger of the 2026 work plan")) }
            }
            nav aria-label=(lang.pick("주 메뉴", "Main")) {
                ul {
                    @for (path, ko, en) in PAGES {
                        li { a href=(visit.link(path)) aria-current=[current(visit, path)] { (lang.pick(ko, en)) } }
                    }
                }
            }
            div.tools {
                @if let Some(stand) = stand { (pill(visit, stand)) }
                a.choice href=(visit.turned(&[("lang", lang.pick("en", "ko"))])) lang=(lang.pick("en", "ko")) hreflang=(lang.pick("en", "ko")) {
                    (lang.pick("English", "한국어"))
                }
                (themes(visit))
            }
        }
    }
}

fn current(visit: &Visit, path: &str) -> Option<&'static str> {
    (visit.path == path).then_some("page")
}

fn themes(visit: &Visit) -> Markup {
    let lang = visit.lang;
    let choices = [
        ("", None, lang.pick("자동", "Auto")),
        ("light", Some(Theme::Light), lang.pick("밝게", "Light")),
        ("dark", Some(Theme::Dark), lang.pick("어둡게", "Dark")),
    ];
    html! {
        ul.themes aria-label=(lang.pick("화면 밝기", "Theme")) {
            @for (value, theme, word) in choices {
                li { a.choice href=(visit.turned(&[("theme", value)])) aria-current=[(visit.theme == theme).then_some("true")] { (word) } }
            }
        }
    }
}

/// What this page shows and whether it follows: without the script it says when it was made, which stays true.
fn pill(visit: &Visit, stand: &Stand) -> Markup {
    let lang = visit.lang;
    let made = words::clock(stand.now);
    let (state, said) = if visit.is_past() {
        ("past", lang.pick("과거 시점", "showing the past").to_owned())
    } else if stand.health.ready {
        ("made", format!("{made} {}", lang.pick("수치", "figures")))
    } else {
        ("halted", format!("{} · {made}", lang.pick("접수 확인 필요", "intake needs attention")))
    };
    html! {
        p.pill #pill data-state=(state) data-made=(made) data-size=(stand.size) data-day=(stand.as_of)
            data-polled=(lang.pick("자동 갱신", "updating"))
            data-live=(lang.pick("실시간", "live"))
            data-lost=(lang.pick("다시 연결 중 · {} 수치", "reconnecting · figures of {}"))
            data-halted=(lang.pick("접수 멈춤 · {} 수치", "intake halted · figures of {}")) {
            span.pill-dot aria-hidden="true" {}
            span #pill-text role="status" { (said) }
        }
    }
}

/// What every screen must say: the past, a halted intake, simulated and copied figures.
fn notices(visit: &Visit, stand: &Stand) -> Markup {
    let lang = visit.lang;
    html! {
        aside.notices aria-label=(lang.pick("이 화면에 대하여", "About this page")) {
            @if visit.is_past() {
                p.notice.past {
                    strong { (lang.pick("과거를 보고 있습니다. ", "You are looking at the past. ")) }
                    (shown(stand, lang)) " "
                    a href=(visit.turned(&[("as_of", ""), ("known_at", "")])) { (lang.pick("지금으로", "Back to now")) }
                }
            }
            p.notice.halted #halted hidden[stand.health.ready] {
                strong { (lang.pick("새 보고가 반영되지 않고 있습니다. ", "New reports are not being folded. ")) }
                span #halted-why { (lang.of(&stand.health.why)) }
            }
            @if stand.simulated {
                p.notice.simulated {
                    strong { (lang.pick("모의 데이터가 있습니다. ", "Contains simulated data. ")) }
                    (lang.pick("실제 실적이 아닙니다.", "These are not real results."))
                }
            }
            @if stand.public_source {
                p.notice {
                    (lang.pick(
                        "‘공개 자료에서 옮김’은 기관이 보고한 수치가 아니라 언론·정부 발표를 옮긴 것입니다.",
                        "“Entered from public sources”: copied from press or government releases, not reported by the body concerned.",
                    ))
                }
            }
        }
    }
}

/// The moment in words.
fn shown(stand: &Stand, lang: Lang) -> String {
    let day = words::day(stand.as_of, lang);
    let known = stand.known_at.map(|time| words::moment(time, lang));
    match (lang, known) {
        (Lang::Ko, Some(known)) => {
            format!("{day}까지 있었던 일을 {known}까지 기록된 사실({}건)로 보여 줍니다.", stand.size)
        }
        (Lang::Ko, None) => format!("{day} 기준이며, 그때까지 기록된 사실이 없습니다."),
        (Lang::En, Some(known)) => {
            format!("What had happened by {day}, as recorded by {known} ({} entries).", stand.size)
        }
        (Lang::En, None) => format!("As of {day}; nothing had been recorded by then."),
    }
}

fn footer(visit: &Visit, stand: &Stand) -> Markup {
    let lang = visit.lang;
    let (day, size) = (stand.as_of.to_string(), stand.size.to_string());
    html! {
        footer.bottom {
            (time_machine(visit))
            (figures_of(visit, stand))
            p {
                a href=(visit.turned(&[("as_of", &day), ("known_at", &size)])) {
                    (lang.pick("이 화면의 고정 주소", "Permanent address of this page"))
                }
                " · "
                a href=(visit.data("/v1/indicators", &[])) { "JSON" }
                " · "
                a href=(visit.data("/v1/indicators.csv", &[])) { "CSV" }
            }
            p.quiet {
                (lang.pick(
                    "모든 시각은 한국 표준시입니다. 상태는 목표 경로와 수치로 계산한 것이며 기관의 전망과 따로 표시합니다.",
                    "All times are Korea Standard Time. Status is computed from figures and the path to the target, and stands apart from what agencies forecast.",
                ))
            }
        }
    }
}

/// As of when, known when, how much of the log: the line below every figure.
#[must_use]
pub fn figures_of(visit: &Visit, stand: &Stand) -> Markup {
    html! {
        p #stand data-of="*" data-fragment=(visit.link("/fragments/stand")) { (shown_now(stand, visit.lang)) }
    }
}

fn shown_now(stand: &Stand, lang: Lang) -> String {
    let day = words::day(stand.as_of, lang);
    let known = match (stand.known_at.map(|time| words::moment(time, lang)), lang) {
        (Some(known), Lang::Ko) => format!("{known}까지 기록"),
        (Some(known), Lang::En) => format!("recorded by {known}"),
        (None, _) => lang.pick("기록된 것 없음", "nothing recorded").to_owned(),
    };
    let (size, proven) = (stand.size, stand.proven_size);
    match lang {
        Lang::Ko => {
            format!("{day} 기준 · {known} · 로그 {size}건, 그중 {proven}건은 서명된 체크포인트로 증명됨")
        }
        Lang::En => {
            format!("As of {day} · {known} · {size} log entries, {proven} of them proven by a signed checkpoint")
        }
    }
}

/// The form that asks for a past moment.
fn time_machine(visit: &Visit) -> Markup {
    let lang = visit.lang;
    let known = visit.value("known_at").unwrap_or_default();
    let is_size = matches!(visit.ask.known_at, Some(Known::Size(_)));
    let local = match visit.ask.known_at {
        Some(Known::Time(time)) => format!("{}T{}", time.day(), words::clock(time)),
        _ => known.to_owned(),
    };
    html! {
        form.machine method="get" action=(visit.path) aria-labelledby="machine" {
            h2 #machine { (lang.pick("시점 바꿔 보기", "Look at another moment")) }
            @for (name, value) in visit.kept(&["as_of", "known_at"]) { input type="hidden" name=(name) value=(value); }
            label {
                span { (lang.pick("이날까지 있었던 일", "What had happened by")) }
                input type="date" name="as_of" value=[visit.ask.as_of];
            }
            label {
                span { (lang.pick("이때까지 기록된 사실", "What had been recorded by")) }
                @if is_size { input type="text" name="known_at" value=(local) inputmode="numeric"; }
                @else { input type="datetime-local" name="known_at" value=(local); }
            }
            button type="submit" { (lang.pick("보기", "Show")) }
        }
    }
}
