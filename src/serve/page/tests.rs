//! Every page over ledgers that are not there: an empty one, and one whose agencies write what should break a page.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use super::*;
use crate::event::lang::Lang;
use crate::event::{Day, Text};
use crate::projector::changes::{Changes, Mark};
use crate::projector::receipts::Name;
use crate::serve::log::Content;
use crate::serve::scans::{Places, Stop};
use crate::serve::source::{AskEntries, Health, RecordsView, RefusedPage, SourceError};
use crate::serve::views::{AgenciesView, EntriesPage, EntryView, EventsView, SeriesView};
use crate::store::progress::view::{AgencyView, IndicatorsView, TargetView};

/// What an agency may write wherever it may write.
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;\u{202e}";

const PAGES: [&str; 15] = [
    "/",
    "/?view=table",
    "/?status=met&area=x&owner=%22%3E",
    "/?as_of=2026-01-01&known_at=1",
    "/reports",
    "/refused",
    "/agencies",
    "/verify",
    "/indicators/none",
    "/entries/7",
    "/entries/abc",
    "/?as_of=%3Cscript%3E",
    "/indicators/%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "/reports?verdict=%3Cscript%3E&from=-1",
    "/fragments/counts?status=%22%3E%3Cscript%3E",
];
const OF_ONE: [&str; 7] = [
    "/records/00000000-0000-0000-0000-000000000000",
    "/indicators/broken-words",
    "/indicators/broken-words/events",
    "/indicators/broken-words/events?path=part/fast&cursor=4",
    "/indicators/broken-words/chart.svg",
    "/fragments/card/broken-words",
    "/entries/1",
];

/// A ledger with nothing in it, or with one commitment that says [`HOSTILE`] wherever it says anything.
struct Made {
    hostile: bool,
}

fn text() -> Value {
    json!({ "ko": HOSTILE, "en": HOSTILE })
}

fn agency() -> Value {
    json!({ "code": HOSTILE, "name": text() })
}

fn figure(value: Value) -> Value {
    json!({ "value": value, "verified": 1, "not_deduplicated": 2, "reports": 3, "disputed": 1, "provisional": 1, "approximate": 1, "text": text() })
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    // Through text: amounts of this size are numbers that a JSON value in memory would round.
    serde_json::from_str(&value.to_string()).unwrap()
}

fn target() -> Value {
    let state = json!({
        "goal": "reach", "value": 100, "approximate": true, "due": "2026-H1", "due_precision": "half", "due_last_day": "2026-06-30",
        "due_as_printed": HOSTILE, "confirmed": false, "source": HOSTILE, "index": 1, "text": text(),
    });
    let revision = json!({
        "old": 1, "new": 100, "old_due": null, "new_due": "2034", "reason": HOSTILE, "authority": agency(), "announced": "2026-01-22", "index": 2,
        "text": text(),
    });
    json!({ "part": null, "period": null, "current": state, "original": state, "revisions": [revision] })
}

fn indicator() -> IndicatorView {
    let status = json!({ "code": "behind", "text": text(), "expected": 50, "ratio": 0.1, "code_original": HOSTILE, "ratio_original": null });
    read(json!({
        "id": "broken-words", "row": 9, "title": text(), "area": HOSTILE, "owner": agency(),
        "owners": [{ "agency": agency(), "from": "2026-01", "reason": HOSTILE, "index": 3 }], "reporters": [HOSTILE], "verifiers": [HOSTILE],
        "authority": HOSTILE, "unit": { "code": HOSTILE, "label": text() }, "fold": "sum",
        "figure": figure(json!(1_000_000_000_000_000_i64)), "figure_period": HOSTILE, "baseline": { "value": -5 }, "start": "2026-01-01", "targets": [target()],
        "parts": [{ "id": "fast", "title": text(), "figure": figure(json!(-3)), "status": status }],
        "splits": [
            { "id": "region", "title": text(), "values": [
                { "value": "11", "label": text(), "figure": figure(json!(7)), "succession": { "until": "2026-06-30", "successor": HOSTILE, "predecessors": [[HOSTILE, "2026-07-01"]] } },
                { "value": HOSTILE, "label": text(), "figure": figure(Value::Null) },
            ] },
        ],
        "periods": [{ "period": HOSTILE, "figure": figure(json!(1)), "status": null }],
        "stages": [{ "id": HOSTILE, "title": text(), "figure": figure(json!(1)) }], "status": status,
        "forecast": { "agency": agency(), "part": HOSTILE, "value": 5, "date": "2026-Q4", "outlook": HOSTILE, "remark": HOSTILE, "index": 4, "recorded": "2026-01-02T00:00:00Z" },
        "last_report": { "day": "2026-01-03", "recorded": "2026-01-03T00:00:00Z", "agency": agency(), "index": 5 },
        "source": { "fragment": HOSTILE, "reference": HOSTILE, "reading": text(), "confirmed": true, "confirmed_by": HOSTILE },
        "missing": [{ "what": HOSTILE, "note": text() }], "breaks": [{ "effective": "2026-02-01", "reason": HOSTILE, "index": 6 }],
        "simulated": true, "public_source": true, "as_of": "2026-03-01", "known_at": "2026-02-01T00:00:00Z", "size": 9,
    }))
}

fn series() -> SeriesView {
    let marks: Vec<Value> = ["correction", "dispute", "break", HOSTILE]
        .iter()
        .map(|kind| json!({ "kind": kind, "day": "2026-02-01", "text": HOSTILE, "agency": agency(), "event": null, "index": 3 }))
        .collect();
    read(json!({
        "id": "broken-words", "path": HOSTILE, "title": text(), "unit": { "code": "x", "label": text() }, "fold": "sum", "figure": figure(json!(7)),
        "points": [
            { "day": "2026-01-05", "value": 5, "verified": 1, "reports": 1 }, { "day": "2026-02-01", "value": null, "verified": null, "reports": 0 },
            { "day": "2026-02-07", "value": 1_000_000_000_000_000_i64, "verified": 7, "reports": 2 },
        ],
        "points_total": 3, "targets": [target()], "baseline": { "value": -5 }, "start": "2026-01-01", "expected": [{ "date": "2026-03", "value": 9 }],
        "marks": marks, "simulated": true, "public_source": true, "as_of": "2026-03-01", "known_at": null, "size": 9, "proven_size": 4,
    }))
}

fn events() -> EventsView {
    let mention = json!({ "agency": agency(), "id": Uuid::nil(), "index": 8 });
    read(json!({
        "id": "broken-words", "path": HOSTILE, "title": text(), "unit": null, "fold": "sum", "figure": figure(json!(7)), "next": 3, "simulated": true,
        "as_of": "2026-03-01", "known_at": null, "size": 9, "proven_size": 4, "exact": true,
        "events": [{
            "index": 1, "position": 2, "agency": agency(), "id": Uuid::nil(), "type": HOSTILE, "time": "2026-01-02T00:00:00Z", "recorded": "2026-01-02T00:00:00Z",
            "contributes": 7, "verified": 1, "not_deduplicated": 1, "counts": false, "things": [{ "identity": [HOSTILE], "claimed_by": [HOSTILE] }],
            "things_total": 9, "corrected": true, "verified_by": [mention], "disputed_by": [mention], "provisional": true, "approximate": true,
            "remark": HOSTILE, "simulated": true, "public_source": true,
        }],
    }))
}

fn entry() -> EntryView {
    read(json!({
        "index": 1, "recorded": "2026-01-02T00:00:00Z", "reported": null, "agency": agency(), "kid": HOSTILE, "subject": HOSTILE, "type": HOSTILE,
        "events": 1, "verdict": HOSTILE, "code": HOSTILE, "reason": text(), "indicators": [HOSTILE, "broken-words"], "time_first": null,
        "time_last": null, "bytes": 9, "withheld": true, "proven": true, "simulated": true, "public_source": true,
    }))
}

fn agencies() -> AgenciesView {
    let key = json!({
        "kid": HOSTILE, "added_by": HOSTILE, "by_authority": true, "added": 1, "added_at": "2026-01-02T00:00:00Z", "revoked": 2, "revoked_at": null, "seq": 7,
        "gaps": [{ "first": 1, "last": 3, "noticed": "2026-01-02T00:00:00Z" }], "forks": [5],
    });
    let one = json!({
        "code": HOSTILE, "name": text(), "role": HOSTILE, "valid_from": null, "valid_to": null, "successor": null, "keys": [key], "accepted": 1,
        "duplicates": 2, "refused": 3, "events": 4, "last_report": { "index": 1, "recorded": "2026-01-02T00:00:00Z", "reported": null },
        "lateness": { "median_s": -1, "max_s": i64::MAX, "reports": 2 }, "indicators": [HOSTILE], "may_report": [HOSTILE],
    });
    read(json!({ "agencies": [one], "simulated": true, "size": 9, "counted": 8 }))
}

type Read<T> = Result<T, SourceError>;

impl Source for Made {
    fn sizes(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }

    fn health(&self) -> Health {
        let why = Text { ko: HOSTILE.into(), en: HOSTILE.into() };
        let proof_trouble = self.hostile.then(|| HOSTILE.to_owned());
        Health { ready: !self.hostile, state: "halted".into(), why, size: 0, proven_size: 0, proof_trouble }
    }

    fn indicators(&self, _: Ask) -> Read<IndicatorsView> {
        let indicators = if self.hostile { vec![indicator()] } else { Vec::new() };
        Ok(IndicatorsView {
            as_of: Day::parse("2026-03-01").unwrap(),
            known_at: None,
            size: 0,
            proven_size: 0,
            origin: HOSTILE.into(),
            simulated: self.hostile,
            indicators,
        })
    }

    fn indicator(&self, id: &str, _: Ask) -> Read<Option<IndicatorView>> {
        Ok((self.hostile && id == "broken-words").then(indicator))
    }

    fn series(&self, id: &str, _: Ask, _: &AskSeries) -> Read<Option<SeriesView>> {
        Ok((self.hostile && id == "broken-words").then(series))
    }

    fn events(&self, id: &str, _: Ask, _: &AskEvents) -> Read<Option<EventsView>> {
        Ok((self.hostile && id == "broken-words").then(events))
    }

    fn entries(&self, _: &AskEntries, _: &Stop) -> Read<EntriesPage> {
        let entries = if self.hostile { vec![entry()] } else { Vec::new() };
        Ok(EntriesPage { entries, next: None, simulated: true, size: 0, proven_size: 0 })
    }

    fn entry_view(&self, index: u64) -> Read<Option<EntryView>> {
        Ok((self.hostile && index == 1).then(entry))
    }

    fn agency_names(&self) -> Vec<AgencyView> {
        let all = self.agencies().unwrap().agencies.into_iter();
        all.map(|agency| AgencyView { code: agency.code, name: agency.name }).collect()
    }

    fn agencies(&self) -> Read<AgenciesView> {
        if self.hostile {
            Ok(agencies())
        } else {
            Ok(AgenciesView { agencies: Vec::new(), simulated: false, size: 0, counted: 0 })
        }
    }

    fn changes(&self, _: Day, _: &dyn Fn(&str, Mark, bool) -> bool) -> Read<Changes> {
        Err(SourceError::Broken("no page follows".into()))
    }

    fn registry(&self) -> Read<Arc<crate::catalogue::registry::Registry>> {
        Ok(Arc::default())
    }

    fn measure(&self, _: &mut prometheus_client::registry::Registry) {}

    fn reminders(&self) -> Arc<Vec<crate::projector::remind::Reminder>> {
        Arc::default()
    }

    fn signed(&self, _: [u8; 32]) -> Read<Option<u64>> {
        Ok(None)
    }

    fn intake(&self) -> Option<crate::serve::intake::Intake> {
        None
    }

    fn records(&self, id: Uuid, _: Option<&str>) -> Read<RecordsView> {
        let mention = json!({ "agency": agency(), "id": id, "index": 8 });
        let version = json!({
            "id": id, "type": HOSTILE, "index": 1, "position": 0, "verdict": HOSTILE, "recorded": null, "time": "2026-01-02T00:00:00Z", "stands": false,
            "replaced_by": null, "retracted_by": mention, "verified_by": [mention], "disputed_by": [mention], "indicators": [], "data": { "x": HOSTILE },
            "withheld": true,
        });
        let record = read(json!({ "agency": agency(), "versions": [version], "versions_total": 3 }));
        Ok(RecordsView { id, records: if self.hostile { vec![record] } else { Vec::new() }, size: 0 })
    }

    fn refused(&self, _: u64, _: usize) -> Read<RefusedPage> {
        let row = json!({
            "index": 1, "recorded": "2026-01-02T00:00:00Z", "agency": HOSTILE, "code": HOSTILE, "reason": text(), "next": text(),
            "faults": [{ "event": 1, "code": HOSTILE, "detail": HOSTILE }],
        });
        Ok(RefusedPage { refused: vec![read(row)], next: None, size: 0 })
    }

    fn entry(&self, index: u64) -> Read<Option<Vec<u8>>> {
        let head = format!("jindo-entry/v1\nsignature: x.y.z\n{HOSTILE}\n\n{HOSTILE}");
        Ok((self.hostile && index < 2).then(|| head.into_bytes()))
    }

    fn receipt(&self, _: Name, _: Option<&str>) -> Read<Option<String>> {
        Ok(None)
    }

    fn log_file(&self, _: &str) -> Read<Option<Content>> {
        let text = || format!("{HOSTILE}\n1\nx\n\n\u{2014} {HOSTILE} AAAA\n");
        Ok(self.hostile.then(|| Content::Whole(text().into_bytes())))
    }
}

async fn open(hostile: bool, path: &str) -> (u16, Response<String>) {
    let router: Router = routes::<()>(Arc::new(Made { hostile }), Places::by_processors(Duration::MAX)).with_state(());
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = TowerToHyperService::new(router).call(request).await.unwrap();
    let (head, body) = answer.into_parts();
    let body = String::from_utf8(to_bytes(body, usize::MAX).await.unwrap().to_vec()).unwrap();
    (head.status.as_u16(), Response::from_parts(head, body))
}

#[tokio::test]
async fn every_page_renders_whatever_the_ledger_holds() {
    for hostile in [false, true] {
        for path in PAGES.iter().chain(&OF_ONE) {
            for lang in ["ko", "en"] {
                let sign = if path.contains('?') { '&' } else { '?' };
                let (status, answer) = open(hostile, &format!("{path}{sign}lang={lang}")).await;
                assert!([200, 400, 404].contains(&status), "{path}: {status}");
                if hostile && OF_ONE.contains(path) {
                    assert_eq!(status, 200, "{path}");
                }
                let (page, headers) = (answer.body(), answer.headers());
                // Whatever is written, no markup comes of it.
                for markup in ["<script>", "<img"] {
                    assert!(!page.contains(markup), "{path}: {markup} in {page}");
                }
                let policy = headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
                assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
                assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
                // No style in attributes or elements: the policy would drop it. The chart names its own by hash.
                assert!(!page.contains(" style=") && (path.ends_with(".svg") || !page.contains("<style")), "{path}");
            }
        }
    }
}

#[test]
fn a_value_of_one_period_is_not_held_against_the_target_of_another() {
    let visit = |lang: &str| Visit::read("/", Some(lang), &Default::default()).unwrap();
    for (of, target, drawn) in [("2025", "2026", false), ("2026", "2026", true)] {
        let mut view = indicator();
        view.figure_period = Some(of.to_owned());
        view.targets[0].period = Some(target.to_owned());
        let card = card::card(&view, &visit("lang=en")).into_string();
        assert!(card.contains(&format!("target for {target}: ")), "{card}");
        assert_eq!(card.contains(r#"class="bar-value" x="0" y="5" width="0""#), !drawn, "{of} {target}: {card}");
        assert_eq!(card.contains("(2025)"), !drawn, "{card}");
        assert!(card::card(&view, &visit("lang=ko")).into_string().contains("2026년 목표 "));
    }
}

#[tokio::test]
async fn assets_are_kept_under_their_digest() {
    for asset in [&assets::STYLE, &assets::SCRIPT, &assets::ICON] {
        let (status, answer) = open(false, asset.address()).await;
        assert_eq!(
            (status, answer.headers()[header::CACHE_CONTROL].to_str().unwrap()),
            (200, "public, max-age=31536000, immutable")
        );
    }
    let (status, answer) = open(false, "/assets/0/page.css").await;
    assert_eq!((status, answer.headers()[header::CACHE_CONTROL].to_str().unwrap()), (200, "no-cache"));
    assert_eq!(open(false, "/assets/0/..%2Fpage.css").await.0, 404);
}

/// Found by a newcomer: what was said of 2025 was drawn all across 2026 and called today's value.
#[test]
fn a_line_of_periods_says_which_one_it_is_of() {
    let mut view = indicator();
    let (said, known): (_, Value) = (json!("USD 700bn"), json!("700000000000"));
    let mut period = figure(known);
    period["text"] = json!({ "ko": said, "en": said });
    view.fold = crate::catalogue::indicator::FoldKind::Latest;
    view.periods = read(json!([{ "period": "2025", "figure": period, "status": null }]));
    view.figure_period = Some("2025".to_owned());
    view.as_of = Day::parse("2026-11-24").unwrap();
    for (period, said) in
        [("2026", "Nothing reported as of 24 Nov 2026, for 2026."), ("2025", "USD 700bn as of 24 Nov 2026, for 2025")]
    {
        let mut wanted: TargetView = read(target());
        wanted.period = Some(period.to_owned());
        view.targets = vec![wanted.clone()];
        let line = SeriesView { targets: vec![wanted], as_of: view.as_of, ..series() };
        let line = indicator::drawn(line, &view);
        let days: Vec<String> = line.points.iter().map(|point| point.day.to_string()).collect();
        assert_eq!(days, ["2025-12-31", "2026-01-01"], "it ends with its period");
        assert_eq!(line.points[1].value, None);
        let chart = chart::Chart::of(&line, Lang::En).said().replace('\u{a0}', " ");
        assert!(chart.starts_with(said), "{chart}");
    }
}

fn asked(lang: &str) -> Visit {
    Visit::read("/", Some(lang), &Default::default()).unwrap()
}

/// Seen on a phone: figures of a region that others were joined to stood nowhere on the map.
#[test]
fn the_map_shows_a_region_that_others_were_joined_to() {
    let mut view = indicator();
    let split = &mut view.splits[0];
    split.values[1].value = "jeonnam-gwangju".to_owned();
    split.values[1].label = Text { ko: "전남광주통합특별시".into(), en: "Jeonnam–Gwangju".into() };
    split.values[1].figure = read(figure(json!(12_345)));
    let map = map::draw(split, Lang::Ko).into_string();
    assert!(map.contains(">전남광주통합특별시</text>") && map.contains(">1.2만</text>"), "{map}");
    assert!(map.contains("tile-3"), "it is the largest: {map}");
    // A name keeps within its tile.
    split.values[1].label.en = "W".repeat(99);
    let map = map::draw(split, Lang::En).into_string();
    assert!(map.contains(&"W".repeat(18)) && !map.contains(&"W".repeat(19)), "{map}");
}

/// Seen on the overview: "no report" beside a value and a report of today.
#[test]
fn silence_is_said_for_what_it_is() {
    let mut view = indicator();
    view.status.code = "no_report".to_owned();
    view.figure_period = None;
    let said = |view: &IndicatorView| words::standing_of(view, Lang::En);
    assert_eq!(said(&view), "no recent report");
    view.targets[0].period = Some("2026".to_owned());
    view.figure_period = Some("2025".to_owned());
    assert_eq!(
        (said(&view).as_str(), words::standing_of(&view, Lang::Ko).as_str()),
        ("no report for 2026", "2026년 보고 없음")
    );
    view.figure = read(figure(Value::Null));
    view.targets[0].period = None;
    assert_eq!(said(&view), "no report");
    view.status.code = "behind".to_owned();
    assert_eq!(said(&view), "behind");
}

/// Seen on cards: "Established of 1".
#[test]
fn the_target_of_a_decision_is_its_step() {
    let mut view = indicator();
    view.fold = crate::catalogue::indicator::FoldKind::Stage;
    view.targets[0].current.value = Some(crate::event::Amount::from_int(1));
    view.targets[0].current.text = Text { ko: "1건".into(), en: "1".into() };
    view.stages[0].title = Text { ko: "신설".into(), en: "Established".into() };
    for (lang, wanted) in
        [("lang=ko", "목표 <span class=\"num\">신설"), ("lang=en", "target: <span class=\"num\">Established")]
    {
        let card = card::card(&view, &asked(lang)).into_string();
        assert!(card.contains(wanted), "{card}");
    }
}

/// Seen on a commitment without a date: an empty plot with a level line called the path to the target. And ratios to six digits.
#[test]
fn what_has_no_date_is_no_path_and_ratios_are_shares() {
    let mut view = indicator();
    let mut line = series();
    let page = |view: &IndicatorView, line: &SeriesView| {
        let of = indicator::Commitment { view, series: Some(line), events: None, names: &[] };
        indicator::content(&of, &asked("lang=en")).into_string()
    };
    let drawn = page(&view, &line);
    assert!(drawn.contains(r#"class="chart""#) && drawn.contains("path to the target"), "{drawn}");
    assert!(drawn.contains(r#"<dd class="num">10.0%</dd>"#), "{drawn}");
    for target in view.targets.iter_mut().chain(&mut line.targets) {
        target.current.due = None;
        target.current.due_last_day = None;
    }
    let level = chart::Chart::of(&line, Lang::En).legend();
    assert!(level.iter().any(|(_, _, word)| *word == "target"), "{level:?}");
    line.points.clear();
    assert!(!page(&view, &line).contains(r#"class="chart""#));
}

/// Where it is framed or shown as an image it takes the width it is given.
#[tokio::test]
async fn the_chart_to_embed_scales() {
    let (_, answer) = open(true, "/indicators/broken-words/chart.svg").await;
    assert!(answer.body().contains(r#"width="720" height="364" viewBox="0 0 720 364""#), "{}", answer.body());
}

#[test]
fn what_is_told_of_a_report_is_joined_only_where_there_is_something() {
    let mut of = events();
    let event = &mut of.events[0];
    (event.verified_by, event.disputed_by, event.remark) = (Vec::new(), Vec::new(), None);
    event.things[0].identity = vec![String::new()];
    let table = explain::table(&of, &asked("lang=en")).into_string();
    assert!(table.contains("history</a></td>"), "{table}");
}

/// Seen with a filter set: the tables to download held everything.
#[tokio::test]
async fn downloads_of_the_reports_are_filtered_as_the_page_is() {
    let (_, answer) = open(true, "/reports?agency=keco&verdict=refused&lang=en").await;
    let link = "/v1/entries.csv?order=desc&amp;agency=keco&amp;verdict=refused";
    assert!(answer.body().contains(link) && answer.body().contains(">Clear</a>"), "{}", answer.body());
    assert!(open(true, "/reports").await.1.body().contains("\"/v1/entries.csv?order=desc\""));
}
