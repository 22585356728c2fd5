//! The routes. Each parses its parameters, asks the source on a thread that may block, and answers JSON or a problem.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;
use uuid::Uuid;

use super::Config;
use super::follow::{self, Hub};
use super::layers;
use super::log::{self, Content, LogFile};
use super::metrics::{self, Metrics};
use super::problem::{Problem, text};
use super::query::{self, Pairs};
use super::resources;
use super::scans::{Places, Stop, blocking};
use super::source::{Ask, Source, SourceError};
use super::waiting::Waiting;
use super::{intake, openapi};
use crate::limits::{AT_LEAST_AHEAD_MAX, HTTP_BODY_BYTES_MAX, SCAN_WAIT_MS};
use crate::projector::receipts::Name;

/// What every route has at hand.
#[derive(Clone)]
pub(super) struct App {
    pub source: Arc<dyn Source>,
    pub hub: Hub,
    pub metrics: Metrics,
    pub config: Config,
    pub waiting: Waiting,
    pub places: Places,
}

/// What a route gives.
pub(super) type Answer = Result<Response, Problem>;
/// What stands behind the `?`, if it can be read.
pub(super) type Asked = Result<Query<Pairs>, QueryRejection>;
/// What stands in the path, if it can be read.
pub(super) type Named = Result<Path<String>, PathRejection>;

/// The router over a source.
pub(super) fn router(source: Arc<dyn Source>, hub: Hub, config: Config) -> Router {
    let metrics = Metrics::new(&*source, &hub);
    let waiting = Waiting::new(config.waiting_bytes);
    let places = Places::by_processors(Duration::from_millis(SCAN_WAIT_MS));
    let router = Router::new()
        .merge(super::page::routes(source.clone(), places.clone()))
        .route("/v1/indicators/{id}", get(indicator))
        .route("/v1/records/{id}", get(records))
        .route("/v1/stream", get(stream))
        .route("/v1/entries/{index}", get(entry))
        .route("/v1/receipts/{name}", get(receipt))
        .route("/log/{*path}", get(log_file))
        .route("/metrics", get(async |State(app): State<App>| app.told().await))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/v1/reports", post(intake::reports))
        .route("/openapi.json", get(openapi::route))
        .merge(resources::routes())
        .fallback(nowhere)
        .method_not_allowed_fallback(async || Problem::method())
        .layer(DefaultBodyLimit::max(HTTP_BODY_BYTES_MAX))
        .with_state(App { source, hub, metrics: metrics.clone(), config, waiting: waiting.clone(), places });
    // Outermost: what is counted is what went out.
    layers::around(router, waiting).layer(from_fn_with_state(metrics, metrics::count))
}

impl App {
    /// Asks the source on a thread that may block.
    pub async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn Source) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, Problem> {
        let source = self.source.clone();
        blocking(move || ask(&*source)).await.ok_or_else(unavailable)?.map_err(problem)
    }

    /// The same for what goes through many entries: in its turn, and only while the client waits for it.
    pub async fn scan<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&dyn Source, &Stop) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, Problem> {
        let source = self.source.clone();
        let answer = self.places.scans.run(move |stop| ask(&*source, stop)).await;
        answer.ok_or_else(Problem::busy)?.map_err(problem)
    }

    /// The same for figures of a moment.
    pub async fn figures<T: Send + 'static>(
        &self,
        moment: Ask,
        ask: impl FnOnce(&dyn Source) -> Result<T, SourceError> + Send + 'static,
    ) -> Result<T, Problem> {
        let source = self.source.clone();
        let answer = self.places.figures(moment.is_past()).run(move |_| ask(&*source)).await;
        answer.ok_or_else(Problem::busy)?.map_err(problem)
    }

    /// What an operator watches; gauges may read disk.
    async fn told(self) -> Answer {
        blocking(move || self.metrics.answer()).await.unwrap_or_else(|| Err(unavailable()))
    }

    /// Waits until `size` entries are folded.
    pub async fn at_least(&self, size: Option<u64>) -> Result<(), Problem> {
        let Some(wanted) = size else { return Ok(()) };
        let mut sizes = self.source.sizes();
        let size = *sizes.borrow();
        if wanted > size.saturating_add(AT_LEAST_AHEAD_MAX) {
            return Err(Problem::not_yet(size, wanted));
        }
        let folded = sizes.wait_for(|size| *size >= wanted);
        match tokio::time::timeout(self.config.at_least_wait, folded).await {
            Ok(Ok(_)) => Ok(()),
            // Timed out, or the projector is gone and nothing will be folded any more.
            _ => Err(Problem::not_yet(*self.source.sizes().borrow(), wanted)),
        }
    }
}

/// Why the ledger does not answer, for a program.
fn problem(error: SourceError) -> Problem {
    match error {
        SourceError::NotYet { size, wanted } => Problem::not_yet(size, wanted),
        SourceError::NotProven { size, index } => Problem::not_proven(size, index),
        SourceError::Withheld => Problem::withheld(),
        SourceError::Several(codes) => {
            let codes = codes.join(", ");
            let (ko, en) = (format!("필요합니다 (가능: {codes})"), format!("is needed (one of: {codes})"));
            Problem::parameter("agency", &ko, &en)
        }
        error @ SourceError::Broken(_) => broken(&error),
    }
}

fn broken(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "a read failed");
    unavailable()
}

fn unavailable() -> Problem {
    Problem::unavailable(text("원장을 읽지 못했습니다", "the ledger could not be read"))
}

/// An answer as JSON, with its tag.
pub(super) fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let mut response = layers::tagged(body).into_response();
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        Err(error) => broken(&error).into_response(),
    }
}

async fn indicator(State(app): State<App>, id: Named, pairs: Asked) -> Answer {
    let id = named(id)?;
    let (ask, at_least) = query::moment(&query_pairs(pairs)?)?;
    app.at_least(at_least).await?;
    let wanted = id.clone();
    let view = app.figures(ask, move |source| source.indicator(&wanted, ask)).await?;
    let id: String = id.chars().take(80).collect();
    let view = view.ok_or_else(|| {
        Problem::not_found(
            text(format!("지표 '{id}'이(가) 없습니다"), format!("there is no indicator '{id}'")),
            text("/v1/indicators가 모두 보여 줍니다.", "/v1/indicators lists them all"),
        )
    })?;
    Ok(json(&view))
}

async fn records(State(app): State<App>, id: Named, pairs: Asked) -> Answer {
    let id = named(id)?;
    let (agency, at_least) = query::record(&query_pairs(pairs)?)?;
    app.at_least(at_least).await?;
    let uuid = Uuid::parse_str(&id).ok().filter(|uuid| uuid.to_string() == id);
    let uuid = uuid.ok_or_else(|| Problem::parameter("id", "소문자 UUID여야 합니다", "must be a lower-case UUID"))?;
    let view = app.scan(move |source, _| source.records(uuid, agency.as_deref())).await?;
    if view.records.is_empty() {
        return Err(Problem::not_found(
            text(format!("{uuid}인 기록이 없습니다"), format!("no accepted event has the id {uuid}")),
            text("반려되었다면 /v1/refused에 이유가 있습니다.", "if it was refused, /v1/refused says why"),
        ));
    }
    Ok(json(&view))
}

async fn entry(State(app): State<App>, index: Named, pairs: Asked, headers: HeaderMap) -> Answer {
    let index = named(index)?;
    query::only(&query_pairs(pairs)?, &[])?;
    let number =
        index.parse::<u64>().ok().filter(|number| number.to_string() == index && i64::try_from(*number).is_ok());
    let number = number.ok_or_else(|| {
        Problem::parameter("index", "0 이상의 정수여야 합니다", "must be a whole number, not negative")
    })?;
    let nothing = || {
        Problem::not_found(
            text(format!("{number}번 항목은 아직 없습니다"), format!("there is no entry {number} yet")),
            text("/healthz가 로그 크기를 말합니다.", "/healthz tells the log's size"),
        )
    };
    // The bytes are what the log holds; who asks for JSON by name gets them read.
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    if accept.is_some_and(|accept| accept.trim_start().starts_with("application/json")) {
        let view = app.ask(move |source| source.entry_view(number)).await?;
        return Ok(vary(json(&view.ok_or_else(nothing)?)));
    }
    let bytes = app.ask(move |source| source.entry(number)).await?.ok_or_else(nothing)?;
    // An entry never changes; its body is whatever somebody sent, so no browser may interpret it.
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
        (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
    ];
    Ok(vary((headers, bytes).into_response()))
}

/// The answer depends on what was asked for: caches keep the two apart.
fn vary(mut response: Response) -> Response {
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

/// A browser that reconnects says where it was in a header; others may say it in the query.
async fn stream(State(app): State<App>, headers: HeaderMap, pairs: Asked) -> Answer {
    let (wanted, last) = query::stream(&query_pairs(pairs)?)?;
    let header = headers.get("last-event-id").and_then(|last| last.to_str().ok()).map(str::to_owned);
    follow::answer(&app.hub, &app.waiting, wanted, header.or(last)).await
}

async fn receipt(State(app): State<App>, name: Named, pairs: Asked) -> Answer {
    let name = named(name)?;
    let agency = query::agency(&query_pairs(pairs)?)?;
    let parsed = Name::parse(&name).ok_or_else(|| {
        Problem::parameter(
            "name",
            "항목 번호, 서명의 SHA-256, 또는 사건 UUID여야 합니다",
            "must be an entry index, the SHA-256 of a signature, or an event's UUID",
        )
    })?;
    let receipt = app.ask(move |source| source.receipt(parsed, agency.as_deref())).await?;
    let receipt = receipt.ok_or_else(|| {
        Problem::not_found(
            text(format!("'{name}'인 항목이 없습니다"), format!("no entry is named '{name}'")),
            text("/v1/records/{id}와 /v1/refused를 보세요.", "see /v1/records/{id} and /v1/refused"),
        )
    })?;
    Ok(log::answer(LogFile::Text, Content::Whole(receipt.into_bytes())))
}

async fn log_file(State(app): State<App>, path: Named) -> Answer {
    let path = named(path)?;
    let file = log::named(&path).ok_or_else(log::nothing)?;
    let content = app.ask(move |source| source.log_file(&path)).await?;
    Ok(log::answer(file, content.ok_or_else(log::nothing)?))
}

/// The process lives.
async fn healthz(State(app): State<App>) -> Response {
    json(&app.source.health())
}

/// The figures are current.
async fn readyz(State(app): State<App>) -> Response {
    let health = app.source.health();
    let status = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, json(&health)).into_response()
}

/// Browsers name HTML first; they get a page where no program would ask.
async fn nowhere(uri: Uri, headers: HeaderMap) -> Response {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if accept.starts_with("text/html") && !uri.path().starts_with("/v1/") {
        return super::page::nowhere(&uri, &headers);
    }
    Problem::not_found(
        text("이런 주소는 없습니다", "there is no such address"),
        text("/v1/indicators부터 시작하세요.", "start at /v1/indicators"),
    )
    .into_response()
}

pub(super) fn query_pairs(pairs: Asked) -> Result<Pairs, Problem> {
    let malformed = |_| Problem::parameter("query", "해석할 수 없는 질의입니다", "the query string cannot be read");
    pairs.map(|Query(pairs)| pairs).map_err(malformed)
}

pub(super) fn named(name: Named) -> Result<String, Problem> {
    let malformed = |_| Problem::parameter("path", "UTF-8이 아닙니다", "not UTF-8");
    name.map(|Path(name)| name).map_err(malformed)
}
