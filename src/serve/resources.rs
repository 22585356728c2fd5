//! Routes of series, events, entries and agencies.

use axum::extract::State;
use axum::routing::get;
use axum::{Router, response::Response};

use super::problem::{Problem, text};
use super::query;
use super::routes::{Answer, App, Asked, Named, json, named, query_pairs};

/// The routes.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/indicators/{id}/series", get(series))
        .route("/v1/indicators/{id}/events", get(events))
        .route("/v1/entries", get(entries))
        .route("/v1/agencies", get(agencies))
        .route("/v1/agencies/{code}", get(agency))
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

async fn series(State(app): State<App>, id: Named, pairs: Asked) -> Answer {
    let id = named(id)?;
    let pairs = query_pairs(pairs)?;
    let (ask, at_least, which) = query::series(&pairs)?;
    app.at_least(at_least).await?;
    let (wanted, path) = (id.clone(), which.path.clone());
    let view = app.ask(move |source| source.series(&wanted, ask, &which)).await?;
    Ok(json(&view.ok_or_else(|| no_series(&id, path.as_deref()))?))
}

async fn events(State(app): State<App>, id: Named, pairs: Asked) -> Answer {
    let id = named(id)?;
    let pairs = query_pairs(pairs)?;
    let (ask, at_least, which) = query::events(&pairs)?;
    app.at_least(at_least).await?;
    let (wanted, path) = (id.clone(), which.path.clone());
    let view = app.ask(move |source| source.events(&wanted, ask, &which)).await?;
    Ok(json(&view.ok_or_else(|| no_series(&id, path.as_deref()))?))
}

async fn entries(State(app): State<App>, pairs: Asked) -> Answer {
    let (at_least, which) = query::entries(&query_pairs(pairs)?)?;
    app.at_least(at_least).await?;
    let page = app.ask(move |source| source.entries(&which)).await?;
    Ok(json(&page))
}

async fn agencies(State(app): State<App>, pairs: Asked) -> Answer {
    query::only(&query_pairs(pairs)?, &[])?;
    let view = app.ask(|source| source.agencies()).await?;
    Ok(json(&view))
}

async fn agency(State(app): State<App>, code: Named, pairs: Asked) -> Result<Response, Problem> {
    let code = named(code)?;
    query::only(&query_pairs(pairs)?, &[])?;
    let mut view = app.ask(|source| source.agencies()).await?;
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
