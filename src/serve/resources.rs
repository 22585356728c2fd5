//! Routes of lists and lines: indicators, series, events, entries, agencies, refused reports; each as JSON and as CSV.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;

use super::problem::{Problem, text};
use super::query::{self, Pairs};
use super::routes::{Answer, App, Asked, Named, json, named, query_pairs};
use super::table::Table;
use super::views::{AgenciesView, EntriesPage, EventsView, RemindersView, SeriesView};

/// The routes.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/indicators", get(async |app, pairs| indicators(app, pairs, Form::Json).await))
        .route("/v1/indicators.csv", get(async |app, pairs| indicators(app, pairs, Form::Csv).await))
        .route("/v1/indicators/{id}/series", get(async |app, id, pairs| series(app, id, pairs, Form::Json).await))
        .route("/v1/indicators/{id}/series.csv", get(async |app, id, pairs| series(app, id, pairs, Form::Csv).await))
        .route("/v1/indicators/{id}/events", get(async |app, id, pairs| events(app, id, pairs, Form::Json).await))
        .route("/v1/indicators/{id}/events.csv", get(async |app, id, pairs| events(app, id, pairs, Form::Csv).await))
        .route("/v1/entries", get(async |app, pairs| entries(app, pairs, Form::Json).await))
        .route("/v1/entries.csv", get(async |app, pairs| entries(app, pairs, Form::Csv).await))
        .route("/v1/agencies", get(async |app, pairs| agencies(app, pairs, Form::Json).await))
        .route("/v1/agencies.csv", get(async |app, pairs| agencies(app, pairs, Form::Csv).await))
        .route("/v1/agencies/{code}", get(agency))
        .route("/v1/reminders", get(async |app, pairs| reminders(app, pairs, Form::Json).await))
        .route("/v1/reminders.csv", get(async |app, pairs| reminders(app, pairs, Form::Csv).await))
        .route("/v1/refused", get(async |app, pairs| refused(app, pairs, Form::Json).await))
        .route("/v1/refused.csv", get(async |app, pairs| refused(app, pairs, Form::Csv).await))
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Csv,
}

impl Form {
    /// The parameters, and whether a byte order mark was asked for.
    fn parameters(self, pairs: Asked) -> Result<(Pairs, bool), Problem> {
        let mut pairs = query_pairs(pairs)?;
        let bom = self == Form::Csv && query::take_bom(&mut pairs)?;
        Ok((pairs, bom))
    }

    fn answer<T: Serialize>(self, view: &T, bom: bool, table: fn(&T) -> Table) -> Answer {
        match self {
            Form::Json => Ok(json(view)),
            Form::Csv => table(view).answer(bom),
        }
    }
}

/// Says where the next page is: RFC 8288. The JSON says it too, a table has no other place.
fn linked(mut response: Response, pairs: &Pairs, cursor: &str, next: Option<u64>) -> Response {
    let Some(next) = next else { return response };
    let mut target = format!("<?{cursor}={next}");
    for (name, value) in pairs.iter().filter(|(name, _)| name != cursor) {
        target.push('&');
        target.push_str(name);
        target.push('=');
        target.extend(value.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'/' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        }));
    }
    target.push_str(">; rel=\"next\"");
    if let Ok(link) = HeaderValue::from_str(&target) {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

/// No such indicator, or it has no such series.
fn no_series(id: &str, path: Option<&str>) -> Problem {
    let short = |text: &str| text.chars().take(80).collect::<String>();
    let (id, path) = (short(id), short(path.unwrap_or("total")));
    Problem::not_found(
        text(
            format!("지표 '{id}'에 '{path}' 계열이 없습니다"),
            format!("there is no series '{path}' of an indicator '{id}'"),
        ),
        text(
            "/v1/indicators/{id}가 부분, 단계, 기간, 구분을 보여 줍니다.",
            "/v1/indicators/{id} shows its parts, stages, periods and splits",
        ),
    )
}

async fn indicators(State(app): State<App>, pairs: Asked, form: Form) -> Answer {
    let (pairs, bom) = form.parameters(pairs)?;
    let (ask, at_least) = query::moment(&pairs)?;
    app.at_least(at_least).await?;
    let view = app.figures(ask, move |source| source.indicators(ask)).await?;
    form.answer(&view, bom, Table::indicators)
}

async fn series(State(app): State<App>, id: Named, pairs: Asked, form: Form) -> Answer {
    let id = named(id)?;
    let (pairs, bom) = form.parameters(pairs)?;
    let (ask, at_least, which) = query::series(&pairs)?;
    app.at_least(at_least).await?;
    let (wanted, path) = (id.clone(), which.path.clone());
    let view: Option<SeriesView> = app.figures(ask, move |source| source.series(&wanted, ask, &which)).await?;
    form.answer(&view.ok_or_else(|| no_series(&id, path.as_deref()))?, bom, Table::series)
}

async fn events(State(app): State<App>, id: Named, pairs: Asked, form: Form) -> Answer {
    let id = named(id)?;
    let (pairs, bom) = form.parameters(pairs)?;
    let (ask, at_least, which) = query::events(&pairs)?;
    app.at_least(at_least).await?;
    let (wanted, path) = (id.clone(), which.path.clone());
    let view: Option<EventsView> = app.scan(move |source, _| source.events(&wanted, ask, &which)).await?;
    let view = view.ok_or_else(|| no_series(&id, path.as_deref()))?;
    Ok(linked(form.answer(&view, bom, Table::events)?, &pairs, "cursor", view.next))
}

async fn entries(State(app): State<App>, pairs: Asked, form: Form) -> Answer {
    let (pairs, bom) = form.parameters(pairs)?;
    let (at_least, which) = query::entries(&pairs)?;
    app.at_least(at_least).await?;
    let page: EntriesPage = app.scan(move |source, stop| source.entries(&which, stop)).await?;
    Ok(linked(form.answer(&page, bom, Table::entries)?, &pairs, "from", page.next))
}

async fn agencies(State(app): State<App>, pairs: Asked, form: Form) -> Answer {
    let (pairs, bom) = form.parameters(pairs)?;
    app.at_least(query::at_least(&pairs)?).await?;
    let view: AgenciesView = app.scan(|source, _| source.agencies()).await?;
    form.answer(&view, bom, Table::agencies)
}

async fn agency(State(app): State<App>, code: Named, pairs: Asked) -> Answer {
    let code = named(code)?;
    app.at_least(query::at_least(&query_pairs(pairs)?)?).await?;
    let mut view = app.scan(|source, _| source.agencies()).await?;
    view.agencies.retain(|agency| agency.code == code);
    if view.agencies.is_empty() {
        let code: String = code.chars().take(80).collect();
        return Err(Problem::not_found(
            text(format!("기관 '{code}'이(가) 없습니다"), format!("there is no agency '{code}'")),
            text("/v1/agencies가 모두 보여 줍니다.", "/v1/agencies lists them all"),
        ));
    }
    Ok(json(&view))
}

async fn refused(State(app): State<App>, pairs: Asked, form: Form) -> Answer {
    let (pairs, bom) = form.parameters(pairs)?;
    let (from, limit) = query::page(&pairs)?;
    app.at_least(query::number(&pairs, "at_least")?).await?;
    let page = app.ask(move |source| source.refused(from, limit)).await?;
    Ok(linked(form.answer(&page, bom, Table::refused)?, &pairs, "from", page.next))
}

async fn reminders(State(app): State<App>, pairs: Asked, form: Form) -> Answer {
    let (pairs, bom) = form.parameters(pairs)?;
    let wanted = query::reminders(&pairs)?;
    let all = app.source.reminders();
    let is = |wanted: &Option<String>, found: Option<&String>| wanted.is_none() || wanted.as_ref() == found;
    let mine = all.iter().rev().filter(|reminder| {
        is(&wanted.kind, Some(&reminder.kind))
            && is(&wanted.indicator, reminder.indicator.as_ref())
            && is(&wanted.agency, reminder.agency.as_ref())
    });
    let view = RemindersView { reminders: mine.take(wanted.limit).cloned().collect() };
    form.answer(&view, bom, Table::reminders)
}
