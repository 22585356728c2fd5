//! The page: the ledger for readers, rendered here, useful without JavaScript, in Korean and English.
//!
//! A page is rendered on a thread that may block, from one answer of the [`Source`], so its figures are of one moment. The
//! script swaps parts of it for fragments that the same functions render.

pub mod agencies;
pub mod assets;
pub mod bar;
pub mod card;
pub mod chart;
pub mod entry;
pub mod explain;
pub mod fault;
pub mod indicator;
mod log_routes;
pub mod map;
pub mod marks;
pub mod overview;
pub mod parts;
pub mod records;
pub mod reports;
pub mod scale;
pub mod shell;
pub mod verify;
pub mod visit;
pub mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::Markup;
use sha2::{Digest as _, Sha256};

use self::fault::Fault;
use self::shell::Stand;
use self::visit::Visit;
use super::problem::text;
use super::scans::{Places, Scans, Stop};
use super::source::{Ask, AskEvents, AskSeries, Known, Source};
use crate::limits::{PAGE_EVENTS_SHOWN, PAGE_NEWEST_SHOWN};
use crate::store::progress::view::IndicatorView;

/// What a page may load and do: its own files alone, and nobody may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

#[derive(Clone)]
struct Pages {
    source: Arc<dyn Source>,
    places: Places,
}

/// The routes of the page, to be merged into the router.
pub fn routes<S: Clone + Send + Sync + 'static>(source: Arc<dyn Source>, places: Places) -> Router<S> {
    Router::new()
        .route("/", get(overview))
        .route("/indicators/{id}", get(commitment))
        .route("/indicators/{id}/events", get(events))
        .route("/indicators/{id}/chart.svg", get(chart_svg))
        .route("/reports", get(log_routes::reports))
        .route("/refused", get(log_routes::refused))
        .route("/entries/{index}", get(log_routes::entry))
        .route("/records/{id}", get(log_routes::records))
        .route("/agencies", get(log_routes::agencies))
        .route("/verify", get(log_routes::verify))
        .route("/fragments/counts", get(counts))
        .route("/fragments/stand", get(stand))
        .route("/fragments/card/{id}", get(card_fragment))
        .route("/fragments/row/{id}", get(row_fragment))
        .route("/assets/{digest}/{name}", get(assets::answer))
        .with_state(Pages { source, places })
}

type Render = Box<dyn FnOnce(&dyn Source, &Visit, &Stop) -> Result<Markup, Fault> + Send>;

/// A page before it is rendered: what was asked, with what.
struct Asked {
    visit: Result<Visit, (Visit, Fault)>,
}

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Asked {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut axum::http::request::Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Asked { visit: Visit::read(parts.uri.path(), parts.uri.query(), &parts.headers) })
    }
}

impl Pages {
    /// Renders on a thread that may block, in its turn; what goes wrong becomes a page too.
    async fn render(
        self,
        asked: Asked,
        render: impl FnOnce(&dyn Source, &Visit) -> Result<Markup, Fault> + Send + 'static,
    ) -> Response {
        let past = asked.visit.as_ref().is_ok_and(|visit| visit.ask.is_past());
        let places = self.places.figures(past).clone();
        self.render_in(&places, asked, Box::new(move |source, visit, _| render(source, visit))).await
    }

    /// The same for what goes through many entries, and only while the reader waits for it.
    async fn scan(
        self,
        asked: Asked,
        render: impl FnOnce(&dyn Source, &Visit, &Stop) -> Result<Markup, Fault> + Send + 'static,
    ) -> Response {
        let places = self.places.scans.clone();
        self.render_in(&places, asked, Box::new(render)).await
    }

    async fn render_in(self, places: &Scans, asked: Asked, render: Render) -> Response {
        let visit = match asked.visit {
            Ok(visit) => visit,
            Err((visit, fault)) => return failed(&visit, &fault),
        };
        let kept = visit.clone();
        let source = self.source;
        match places.run(move |stop| render(&*source, &visit, stop)).await {
            Some(page) => shown(&kept, page),
            None => failed(&kept, &Fault::busy()),
        }
    }
}

fn shown(visit: &Visit, page: Result<Markup, Fault>) -> Response {
    match page {
        Ok(page) => answer(StatusCode::OK, page),
        Err(fault) => failed(visit, &fault),
    }
}

fn failed(visit: &Visit, fault: &Fault) -> Response {
    let mut response = answer(fault.status, shell::fault(visit, fault));
    if let Some(seconds) = fault.retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn answer(status: StatusCode, page: Markup) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (header::VARY, HeaderValue::from_static("accept-language")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
    ];
    (status, headers, page.into_string()).into_response()
}

/// An address where nothing is, for people.
pub fn nowhere(uri: &Uri, headers: &HeaderMap) -> Response {
    let visit = match Visit::read(uri.path(), uri.query(), headers) {
        Ok(visit) | Err((visit, _)) => visit,
    };
    let shown: String = uri.path().chars().take(80).collect();
    let what = text(format!("‘{shown}’ 주소에는 아무것도 없습니다."), format!("there is nothing at ‘{shown}’"));
    failed(&visit, &Fault::missing(what))
}

async fn overview(State(pages): State<Pages>, asked: Asked) -> Response {
    let render = |source: &dyn Source, visit: &Visit| {
        let all = source.indicators(visit.ask)?;
        let stand = Stand::of_all(&all, source.health());
        let title = visit.lang.pick("이행 현황", "Where the commitments stand");
        Ok(shell::page(visit, &stand, title, &overview::content(&all, visit)))
    };
    pages.render(asked, render).await
}

async fn counts(State(pages): State<Pages>, asked: Asked) -> Response {
    pages.render(asked, |source, visit| Ok(overview::counts(&source.indicators(visit.ask)?, visit))).await
}

async fn stand(State(pages): State<Pages>, asked: Asked) -> Response {
    let render = |source: &dyn Source, visit: &Visit| {
        let stand = Stand::of_all(&source.indicators(visit.ask)?, source.health());
        Ok(shell::figures_of(visit, &stand))
    };
    pages.render(asked, render).await
}

/// One commitment of the moment asked for.
fn one(source: &dyn Source, id: &str, visit: &Visit) -> Result<IndicatorView, Fault> {
    source.indicator(id, visit.ask)?.ok_or_else(|| {
        let shown: String = id.chars().take(80).collect();
        Fault::missing(text(format!("과제 ‘{shown}’이(가) 없습니다."), format!("there is no commitment ‘{shown}’")))
    })
}

async fn commitment(State(pages): State<Pages>, Path(id): Path<String>, asked: Asked) -> Response {
    let render = move |source: &dyn Source, visit: &Visit| {
        let view = one(source, &id, visit)?;
        // Everything of one moment, also where reports come in meanwhile.
        let ask = Ask { as_of: Some(view.as_of), known_at: Some(Known::Size(view.size)) };
        let series = source.series(&view.id, ask, &AskSeries::default())?.map(|series| indicator::drawn(series, &view));
        let which = AskEvents { newest_first: true, limit: PAGE_NEWEST_SHOWN, ..AskEvents::default() };
        let events = source.events(&view.id, ask, &which)?;
        let stand = Stand::of_one(&view, source.health());
        let names = source.agency_names();
        let of = indicator::Commitment { view: &view, series: series.as_ref(), events: events.as_ref(), names: &names };
        Ok(shell::page(visit, &stand, visit.lang.of(&view.title), &indicator::content(&of, visit)))
    };
    pages.render(asked, render).await
}

async fn events(State(pages): State<Pages>, Path(id): Path<String>, asked: Asked) -> Response {
    let render = move |source: &dyn Source, visit: &Visit, _: &Stop| {
        let view = one(source, &id, visit)?;
        let ask = Ask { as_of: Some(view.as_of), known_at: Some(Known::Size(view.size)) };
        let cursor = number(visit, "cursor")?;
        let which = AskEvents { path: path(visit), cursor, newest_first: true, limit: PAGE_EVENTS_SHOWN };
        let events = source.events(&view.id, ask, &which)?.ok_or_else(no_series)?;
        let stand = Stand::of_one(&view, source.health());
        let title = visit.lang.pick("이 수치의 근거", "Behind this number");
        Ok(shell::page(
            visit,
            &stand,
            &format!("{title} · {}", visit.lang.of(&view.title)),
            &explain::content(&view, &events, visit),
        ))
    };
    pages.scan(asked, render).await
}

/// The series asked for.
fn path(visit: &Visit) -> Option<String> {
    visit.value("path").map(str::to_owned)
}

fn no_series() -> Fault {
    Fault::missing(text("이 과제에 그런 구분이 없습니다.", "this commitment has no such part"))
}

/// A whole number of a page's own.
fn number(visit: &Visit, name: &str) -> Result<Option<u64>, Fault> {
    let wrong = |_| {
        Fault::asked(text(format!("{name}은(는) 0 이상의 정수여야 합니다"), format!("{name} must be a whole number")))
    };
    visit.value(name).map(str::parse).transpose().map_err(wrong)
}

/// The chart alone, for the pages of others.
async fn chart_svg(State(pages): State<Pages>, Path(id): Path<String>, asked: Asked) -> Response {
    let render = move |source: &dyn Source, visit: &Visit| {
        let view = one(source, &id, visit)?;
        let ask = Ask { as_of: Some(view.as_of), known_at: Some(Known::Size(view.size)) };
        let which = AskSeries { path: path(visit), ..AskSeries::default() };
        let series = source.series(&id, ask, &which)?.ok_or_else(no_series)?;
        let series = if which.path.is_none() { indicator::drawn(series, &view) } else { series };
        Ok(chart::Chart::of(&series, visit.lang).draw(chart::Place::Alone))
    };
    let mut response = pages.render(asked, render).await;
    if response.status().is_success() {
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("image/svg+xml"));
        headers
            .insert(HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));
        if let Ok(policy) = HeaderValue::from_str(&chart_policy()) {
            headers.insert(header::CONTENT_SECURITY_POLICY, policy);
        }
    }
    response
}

/// The chart brings one style, named by its hash; anybody may frame it.
fn chart_policy() -> String {
    let hash = STANDARD.encode(Sha256::digest(chart::STYLE));
    format!("default-src 'none'; style-src 'sha256-{hash}'")
}

async fn card_fragment(State(pages): State<Pages>, Path(id): Path<String>, asked: Asked) -> Response {
    pages.render(asked, move |source, visit| Ok(card::card(&one(source, &id, visit)?, visit))).await
}

async fn row_fragment(State(pages): State<Pages>, Path(id): Path<String>, asked: Asked) -> Response {
    pages.render(asked, move |source, visit| Ok(overview::row(&one(source, &id, visit)?, visit))).await
}

#[cfg(test)]
mod tests;
