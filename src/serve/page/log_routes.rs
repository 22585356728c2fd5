//! Routes of the pages about the log: reports, refusals, one entry, agencies, how to verify.

use axum::extract::{Path, State};
use axum::response::Response;
use uuid::Uuid;

use super::fault::Fault;
use super::shell::{self, Stand};
use super::visit::Visit;
use super::{
    Asked, Pages, agencies as agencies_page, entry as entry_page, number, records as records_page,
    reports as reports_page, verify as verify_page,
};
use crate::limits::PAGE_ENTRIES_SHOWN;
use crate::serve::problem::text;
use crate::serve::scans::Stop;
use crate::serve::source::{AskEntries, Source};
use crate::store::progress::view::IndicatorsView;

/// Entries from the newest that was recorded by the moment asked for.
fn asked_for(visit: &Visit, all: &IndicatorsView) -> Result<AskEntries, Fault> {
    let newest = all.size.checked_sub(1).filter(|_| visit.ask.known_at.is_some());
    let own = |name: &str| visit.value(name).map(str::to_owned);
    let verdict = own("verdict");
    if verdict.as_deref().is_some_and(|verdict| !["accepted", "duplicate", "refused"].contains(&verdict)) {
        return Err(Fault::asked(text("그런 판정은 없습니다.", "there is no such verdict")));
    }
    let from = number(visit, "from")?;
    Ok(AskEntries {
        from: from.map(|from| newest.map_or(from, |newest| from.min(newest))).or(newest),
        limit: PAGE_ENTRIES_SHOWN,
        newest_first: true,
        agency: own("agency"),
        indicator: own("indicator"),
        verdict,
    })
}

pub(super) async fn reports(State(pages): State<Pages>, asked: Asked) -> Response {
    let render = |source: &dyn Source, visit: &Visit, stop: &Stop| {
        let all = source.indicators(visit.ask)?;
        let page = source.entries(&asked_for(visit, &all)?, stop)?;
        let stand = Stand::of_all(&all, source.health());
        let title = visit.lang.pick("보고 기록", "Reports");
        Ok(shell::page(visit, &stand, title, &reports_page::content(&page, &all, &source.agency_names(), visit)))
    };
    pages.scan(asked, render).await
}

pub(super) async fn refused(State(pages): State<Pages>, asked: Asked) -> Response {
    let render = |source: &dyn Source, visit: &Visit, stop: &Stop| {
        let all = source.indicators(visit.ask)?;
        let which = AskEntries { verdict: Some("refused".to_owned()), ..asked_for(visit, &all)? };
        let page = source.entries(&which, stop)?;
        let mut rows = Vec::new();
        for one in page.entries {
            let why = source.refused(one.index, 1)?.refused.into_iter().find(|why| why.index == one.index);
            rows.push((one, why));
        }
        let stand = Stand::of_all(&all, source.health()).without_figures();
        let title = visit.lang.pick("반려된 보고", "Refused reports");
        Ok(shell::page(visit, &stand, title, &reports_page::refused(&rows, page.next, visit)))
    };
    pages.scan(asked, render).await
}

pub(super) async fn entry(State(pages): State<Pages>, Path(index): Path<String>, asked: Asked) -> Response {
    let render = move |source: &dyn Source, visit: &Visit| {
        let missing = || Fault::missing(text("이 번호의 기록은 없습니다.", "there is no entry with this number"));
        let index: u64 = index.parse().ok().filter(|number: &u64| number.to_string() == index).ok_or_else(missing)?;
        let view = source.entry_view(index)?.ok_or_else(missing)?;
        let bytes = source.entry(index)?.ok_or_else(missing)?;
        let all = source.indicators(visit.ask)?;
        let stand = Stand::of_all(&all, source.health()).without_figures();
        let title = format!("{} #{index}", visit.lang.pick("기록", "Entry"));
        Ok(shell::page(visit, &stand, &title, &entry_page::content(&view, &bytes, &all, stand.health.size, visit)))
    };
    pages.render(asked, render).await
}

pub(super) async fn records(State(pages): State<Pages>, Path(id): Path<String>, asked: Asked) -> Response {
    let render = move |source: &dyn Source, visit: &Visit, _: &Stop| {
        let missing = || Fault::missing(text("이 번호의 보고는 없습니다.", "there is no report with this id"));
        let view = source.records(Uuid::parse_str(&id).map_err(|_| missing())?, visit.value("agency"))?;
        if view.records.is_empty() {
            return Err(missing());
        }
        let stand = Stand::of_all(&source.indicators(visit.ask)?, source.health()).without_figures();
        let title = visit.lang.pick("한 보고의 이력", "History of one report");
        Ok(shell::page(visit, &stand, title, &records_page::content(&view, visit)))
    };
    pages.scan(asked, render).await
}

pub(super) async fn agencies(State(pages): State<Pages>, asked: Asked) -> Response {
    let render = |source: &dyn Source, visit: &Visit, _: &Stop| {
        let stand = Stand::of_all(&source.indicators(visit.ask)?, source.health()).without_figures();
        let title = visit.lang.pick("보고 기관", "Agencies");
        Ok(shell::page(visit, &stand, title, &agencies_page::content(&source.agencies()?, visit)))
    };
    pages.scan(asked, render).await
}

pub(super) async fn verify(State(pages): State<Pages>, asked: Asked) -> Response {
    let render = |source: &dyn Source, visit: &Visit| {
        let stand = Stand::of_all(&source.indicators(visit.ask)?, source.health()).without_figures();
        let title = visit.lang.pick("검증", "Verify");
        let proof = verify_page::Proof::read(source)?;
        Ok(shell::page(visit, &stand, title, &verify_page::content(&proof, &stand.health, visit)))
    };
    pages.render(asked, render).await
}
