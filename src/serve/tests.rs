//! The router over a fake ledger, asked through a real socket on a free port.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{oneshot, watch};
use uuid::Uuid;

use super::log::Content;
use super::scans::Stop;
use super::source::{Ask, AskEntries, AskEvents, AskSeries, Health, Known, RecordsView, RefusedPage, SourceError};
use super::views::{AgenciesView, EntriesPage, EntryView, EventsView, SeriesView};
use super::*;
use crate::event::{Day, Text};
use crate::projector::changes::{Changed, Changes, Mark};
use crate::projector::receipts::Name;
use crate::store::progress::view::{AgencyView, IndicatorView, IndicatorsView};

mod answers;
mod siege;

/// Bytes of a large answer: our sockets do not take it whole, those of the system's own size take several.
const LARGE: usize = 1024 * 1024;

pub(super) struct Fake {
    pub(super) sizes: watch::Sender<u64>,
    halted: AtomicBool,
    /// Who holds it keeps figures of the past from being read.
    past: Mutex<()>,
    /// Large answers made.
    read: AtomicUsize,
    /// What changes: indicator, mark, bytes of its JSON.
    pub(super) marks: Mutex<Vec<(&'static str, u64, usize)>>,
    /// How often it was asked for changes.
    pub(super) looks: AtomicUsize,
}

impl Fake {
    pub(super) fn new() -> Self {
        Fake {
            sizes: watch::channel(41).0,
            halted: AtomicBool::new(false),
            past: Mutex::new(()),
            read: AtomicUsize::new(0),
            marks: Mutex::new(vec![("a", 1, 0), ("b", 1, 0)]),
            looks: AtomicUsize::new(0),
        }
    }
}

/// What was asked comes back in the answer: that is what these tests look at.
fn view(id: &str, ask: Ask, size: u64) -> IndicatorView {
    let known = match ask.known_at {
        Some(Known::Size(size)) => size,
        Some(Known::Time(time)) => u64::try_from(time.ns() / 1_000_000_000).unwrap_or(0),
        None => size,
    };
    let text = json!({"ko": "가", "en": "a"});
    let figure = json!({
        "value": 12, "verified": 0, "not_deduplicated": 0, "reports": 1, "disputed": 0, "provisional": 0, "approximate": 0,
        "text": text,
    });
    serde_json::from_value(json!({
        "id": id, "row": 14, "title": text, "area": "cars", "owner": {"code": "mcee", "name": text}, "owners": [],
        "reporters": [], "verifiers": [], "authority": "motie", "unit": null, "fold": "sum", "figure": figure,
        "figure_period": null, "baseline": null, "start": null, "targets": [], "parts": [], "splits": [], "periods": [],
        "stages": [], "status": {"code": "no_report", "text": text, "expected": null, "ratio": null,
        "code_original": null, "ratio_original": null}, "forecast": null, "last_report": null,
        "source": {"fragment": "", "reference": "", "reading": text, "confirmed": false, "confirmed_by": null},
        "missing": [], "breaks": [], "simulated": false, "public_source": false,
        "as_of": ask.as_of.unwrap_or(Day::parse("2026-11-23").unwrap()), "known_at": null, "size": known,
    }))
    .unwrap()
}

impl Source for Fake {
    fn sizes(&self) -> watch::Receiver<u64> {
        self.sizes.subscribe()
    }

    fn health(&self) -> Health {
        let halted = self.halted.load(Ordering::SeqCst);
        let state = if halted { "halted" } else { "ready" };
        let why = Text { ko: "스트림".into(), en: "the stream went backwards".into() };
        Health {
            ready: !halted,
            state: state.into(),
            why,
            size: *self.sizes.borrow(),
            proven_size: 0,
            proof_trouble: None,
        }
    }

    fn indicators(&self, ask: Ask) -> Result<IndicatorsView, SourceError> {
        let one = view("ev-chargers", ask, *self.sizes.borrow());
        let (as_of, size) = (one.as_of, one.size);
        Ok(IndicatorsView {
            as_of,
            known_at: None,
            size,
            proven_size: 0,
            origin: "test".into(),
            simulated: false,
            indicators: vec![one],
        })
    }

    fn indicator(&self, id: &str, ask: Ask) -> Result<Option<IndicatorView>, SourceError> {
        if ask.is_past() {
            drop(self.past.lock());
        }
        match id {
            "ev-chargers" => Ok(Some(view(id, ask, *self.sizes.borrow()))),
            "broken" => Err(SourceError::Broken("secret path".into())),
            _ => Ok(None),
        }
    }

    fn series(&self, _id: &str, _ask: Ask, _which: &AskSeries) -> Result<Option<SeriesView>, SourceError> {
        Ok(None)
    }

    fn events(&self, _id: &str, _ask: Ask, _which: &AskEvents) -> Result<Option<EventsView>, SourceError> {
        Ok(None)
    }

    fn entries(&self, which: &AskEntries, _: &Stop) -> Result<EntriesPage, SourceError> {
        let next = which.newest_first.then_some(which.limit as u64);
        Ok(EntriesPage { entries: Vec::new(), next, simulated: false, size: 0, proven_size: 0 })
    }

    fn entry_view(&self, _index: u64) -> Result<Option<EntryView>, SourceError> {
        Ok(None)
    }

    fn agency_names(&self) -> Vec<AgencyView> {
        Vec::new()
    }

    fn agencies(&self) -> Result<AgenciesView, SourceError> {
        Ok(AgenciesView { agencies: Vec::new(), simulated: false, size: 0, counted: 0 })
    }

    fn records(&self, id: Uuid, _agency: Option<&str>) -> Result<RecordsView, SourceError> {
        Ok(RecordsView { id, records: Vec::new(), size: 0 })
    }

    fn refused(&self, from: u64, limit: usize) -> Result<RefusedPage, SourceError> {
        Ok(RefusedPage { refused: Vec::new(), next: Some(from + limit as u64), size: 0 })
    }

    fn changes(&self, _today: Day, told: &dyn Fn(&str, Mark, bool) -> bool) -> Result<Changes, SourceError> {
        self.looks.fetch_add(1, Ordering::SeqCst);
        let marks = self.marks.lock().unwrap().clone();
        let changed = marks.into_iter().filter(|(id, mark, _)| !told(id, *mark, true));
        let changed = changed.map(|(id, mark, bytes)| {
            let filler = "x".repeat(bytes);
            // In the order of the real ones: the moment comes last.
            let json = format!(
                r#"{{"id":"{id}","value":{mark},"filler":"{filler}","as_of":"2026-01-01","known_at":null,"size":1,"proven_size":0}}"#
            );
            Changed { id: id.to_owned(), mark, json: json.into_bytes() }
        });
        let (size, origin) = (*self.sizes.borrow(), "test".to_owned());
        let indicators = changed.collect();
        Ok(Changes { size, proven_size: 0, known_at: None, origin, simulated: false, indicators })
    }

    fn reminders(&self) -> std::sync::Arc<Vec<crate::projector::remind::Reminder>> {
        std::sync::Arc::default()
    }

    fn measure(&self, _: &mut prometheus_client::registry::Registry) {}

    fn entry(&self, index: u64) -> Result<Option<Vec<u8>>, SourceError> {
        Ok((index == 0).then(|| b"jindo-entry/v1\n<script>".to_vec()))
    }

    fn receipt(&self, name: Name, agency: Option<&str>) -> Result<Option<String>, SourceError> {
        match (name, agency) {
            (Name::Index(0), _) => Ok(Some("a receipt\n".to_owned())),
            (Name::Index(40), _) => Err(SourceError::NotProven { size: 7, index: 40 }),
            (Name::Event(_), None) => Err(SourceError::Several(vec!["keco".to_owned(), "kita".to_owned()])),
            _ => Ok(None),
        }
    }

    fn registry(&self) -> Result<Arc<crate::catalogue::registry::Registry>, SourceError> {
        Ok(Arc::default())
    }

    fn signed(&self, _sha256: [u8; 32]) -> Result<Option<u64>, SourceError> {
        Ok(None)
    }

    fn intake(&self) -> Option<super::intake::Intake> {
        None
    }

    fn log_file(&self, path: &str) -> Result<Option<Content>, SourceError> {
        let bytes = match path {
            "checkpoint" | "tile/0/000" => Some(path.as_bytes().to_vec()),
            "tile/entries/000" => {
                self.read.fetch_add(1, Ordering::SeqCst);
                Some(vec![0; LARGE])
            }
            _ => None,
        };
        Ok(bytes.map(Content::Whole))
    }
}

struct Server {
    base: String,
    fake: Arc<Fake>,
    stop: oneshot::Sender<()>,
    done: tokio::task::JoinHandle<io::Result<()>>,
}

async fn start(config: Config) -> Server {
    let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let fake = Arc::new(Fake::new());
    let (stop, stopped) = oneshot::channel();
    let source: Arc<dyn Source> = fake.clone();
    let stopped = async {
        let _ = stopped.await;
    };
    let done = tokio::spawn(serve(listener, source, config, stopped));
    Server { base, fake, stop, done }
}

impl Server {
    /// Status, content type, body.
    async fn get(&self, path: &str) -> (u16, String, String) {
        let url = format!("{}{path}", self.base);
        let ask = move || {
            let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
            let mut response = agent.get(&url).call().unwrap();
            let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
            (response.status().as_u16(), kind.unwrap_or_default(), response.body_mut().read_to_string().unwrap())
        };
        tokio::task::spawn_blocking(ask).await.unwrap()
    }

    async fn end(self) {
        self.stop.send(()).unwrap();
        self.done.await.unwrap().unwrap();
    }
}

fn config() -> Config {
    Config { at_least_wait: Duration::from_millis(50), shutdown: Duration::from_secs(2), ..Config::default() }
}

#[tokio::test]
async fn routes_answer_what_was_asked() {
    let server = start(config()).await;
    for (path, status, pointer, expected) in [
        ("/v1/indicators", 200, "/indicators/0/id", json!("ev-chargers")),
        ("/v1/indicators?as_of=2026-06-30", 200, "/as_of", json!("2026-06-30")),
        ("/v1/indicators/ev-chargers?known_at=7", 200, "/size", json!(7)),
        ("/v1/indicators/ev-chargers?known_at=2026-01-01T00:00:00Z", 200, "/size", json!(1_767_225_600)),
        ("/v1/indicators/ev-chargers?at_least=41", 200, "/size", json!(41)),
        ("/v1/indicators/ev-chargers?at_least=42", 503, "/code", json!("not-yet")),
        ("/v1/indicators/broken", 503, "/code", json!("unavailable")),
        ("/v1/indicators/none", 404, "/code", json!("not-found")),
        ("/v1/indicators?as_of=2026", 400, "/code", json!("parameter")),
        ("/v1/indicators?as-of=2026-01-01", 400, "/code", json!("parameter")),
        ("/v1/indicators?as_of=2026-01-01&as_of=2026-01-02", 400, "/code", json!("parameter")),
        ("/v1/indicators?known_at=-1", 400, "/code", json!("parameter")),
        ("/v1/records/00000000-0000-8000-8000-000000000001", 404, "/code", json!("not-found")),
        ("/v1/records/NOT-A-UUID", 400, "/code", json!("parameter")),
        ("/v1/refused?from=5&limit=10", 200, "/next", json!(15)),
        ("/v1/refused?limit=100000", 400, "/code", json!("parameter")),
        ("/v1/indicators/ev-chargers/series?path=region/11&part=fast", 404, "/code", json!("not-found")),
        ("/v1/indicators?known_at=9223372036854775808", 400, "/code", json!("parameter")),
        ("/v1/indicators?known_at=0049-02-28T23:00:00-04:48", 200, "/indicators/0/id", json!("ev-chargers")),
        ("/v1/indicators?known_at=9999-12-31T00:00:00Z", 200, "/indicators/0/id", json!("ev-chargers")),
        ("/v1/indicators?known_at=0049-02-30T23:00:00Z", 400, "/code", json!("parameter")),
        ("/v1/indicators/ev-chargers/series?path=colour/red", 404, "/code", json!("not-found")),
        ("/v1/indicators/ev-chargers/events?cursor=x", 400, "/code", json!("parameter")),
        ("/v1/entries?order=desc&limit=7", 200, "/next", json!(7)),
        ("/v1/entries?order=newest", 400, "/code", json!("parameter")),
        ("/v1/entries?verdict=maybe", 400, "/code", json!("parameter")),
        ("/v1/agencies", 200, "/size", json!(0)),
        ("/v1/agencies?code=keco", 400, "/code", json!("parameter")),
        ("/v1/agencies/nobody", 404, "/code", json!("not-found")),
        ("/v1/entries/9", 404, "/code", json!("not-found")),
        ("/v1/entries/00", 400, "/code", json!("parameter")),
        ("/v1/receipts/40", 503, "/code", json!("not-proven")),
        ("/v1/receipts/7", 404, "/code", json!("not-found")),
        ("/v1/receipts/007", 400, "/code", json!("parameter")),
        ("/v1/receipts/00000000-0000-8000-8000-000000000001", 400, "/code", json!("parameter")),
        ("/v1/receipts/00000000-0000-8000-8000-000000000001?agency=keco", 404, "/code", json!("not-found")),
        ("/log/tile/0/001", 404, "/code", json!("not-found")),
        ("/log/tail", 404, "/code", json!("not-found")),
        ("/log/..%2Fkeys%2Flog.nk", 404, "/code", json!("not-found")),
        ("/nothing", 404, "/code", json!("not-found")),
        ("/healthz", 200, "/state", json!("ready")),
        ("/readyz", 200, "/ready", json!(true)),
    ] {
        let (got, kind, body) = server.get(path).await;
        assert_eq!(got, status, "{path}: {body}");
        let problem = status >= 400;
        assert_eq!(kind, if problem { "application/problem+json" } else { "application/json" }, "{path}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body.pointer(pointer), Some(&expected), "{path}: {body}");
        if problem {
            let said = |name: &str| body[name].as_str().is_some_and(|text| !text.is_empty());
            assert!(["detail", "detail_ko", "next", "next_ko"].iter().all(|name| said(name)), "{path}: {body}");
            assert!(!body.to_string().contains("secret"), "{path}: {body}");
        }
    }
    server.end().await;
}

#[tokio::test]
async fn an_entry_is_text_that_no_browser_runs() {
    let server = start(config()).await;
    let (status, kind, body) = server.get("/v1/entries/0").await;
    assert_eq!((status, kind.as_str(), body.as_str()), (200, "text/plain; charset=utf-8", "jindo-entry/v1\n<script>"));
    server.end().await;
}

#[tokio::test]
async fn the_log_folder_is_served_with_its_cache_rules() {
    let server = start(config()).await;
    for (path, kind, cache, expected) in [
        ("/log/checkpoint", "text/plain; charset=utf-8", "no-cache", "checkpoint"),
        ("/log/tile/0/000", "application/octet-stream", "public, max-age=31536000, immutable", "tile/0/000"),
        ("/v1/receipts/0", "text/plain; charset=utf-8", "no-cache", "a receipt\n"),
    ] {
        let url = format!("{}{path}", server.base);
        let ask = move || {
            let mut response = ureq::get(&url).call().unwrap();
            let header = |name| response.headers().get(name).unwrap().to_str().unwrap().to_owned();
            let headers = (header("content-type"), header("cache-control"));
            (headers, response.body_mut().read_to_string().unwrap())
        };
        let (headers, body) = tokio::task::spawn_blocking(ask).await.unwrap();
        assert_eq!((headers.0.as_str(), headers.1.as_str(), body.as_str()), (kind, cache, expected), "{path}");
    }
    server.end().await;
}

#[tokio::test]
async fn at_least_waits_for_the_fold() {
    let server = start(Config { at_least_wait: Duration::from_secs(20), ..config() }).await;
    let fake = server.fake.clone();
    let asked = server.get("/v1/indicators/ev-chargers?at_least=42");
    let fold = async move {
        fake.sizes.send_replace(42);
    };
    let ((status, _, body), ()) = tokio::join!(asked, fold);
    assert_eq!(status, 200, "{body}");
    server.end().await;
}

#[tokio::test]
async fn a_halted_ledger_is_not_ready_and_says_why() {
    let server = start(config()).await;
    server.fake.halted.store(true, Ordering::SeqCst);
    let (status, _, body) = server.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(body.contains("the stream went backwards"), "{body}");
    assert_eq!(server.get("/healthz").await.0, 200);
    server.end().await;
}

#[tokio::test]
async fn a_slow_client_is_cut_off_and_others_are_served() {
    let server = start(Config { head_timeout: Duration::from_millis(100), connections_max: 1, ..config() }).await;
    let mut slow = TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
    slow.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n").await.unwrap();
    // The only seat is taken: this answer comes because the slow client loses it.
    assert_eq!(server.get("/healthz").await.0, 200);
    let mut rest = Vec::new();
    slow.read_to_end(&mut rest).await.unwrap();
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&rest));
    server.end().await;
}

/// Requests sent ahead for what no socket buffers, from a client that reads nothing.
async fn pipelining(server: &Server, requests: usize) -> TcpStream {
    let mut client = TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
    let ask = "GET /log/tile/entries/000 HTTP/1.1\r\nHost: x\r\n".to_owned();
    let asks = format!("{ask}\r\n").repeat(requests - 1) + &ask + "Connection: close\r\n\r\n";
    client.write_all(asks.as_bytes()).await.unwrap();
    client
}

/// A day: a test that waits for it hangs.
const NEVER: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn clients_that_do_not_read_are_cut_off_and_one_answer_each_is_made() {
    let stall = Duration::from_millis(200);
    let server = start(Config { write_stall: stall, seat_wait: NEVER, connections_max: 3, ..config() }).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(pipelining(&server, 40).await);
    }
    // All seats are taken: this answer comes because a client that does not read loses its own.
    assert_eq!(server.get("/healthz").await.0, 200);
    let read = server.fake.read.load(Ordering::SeqCst);
    assert!((1..=3).contains(&read), "{read} answers are held for three clients");
    drop(clients);
    server.end().await;
}

#[tokio::test]
async fn a_seat_is_given_up_by_who_waited_longest_for_its_client() {
    let wait = Duration::from_millis(20);
    let patient = Config { head_timeout: NEVER, write_stall: NEVER, at_least_wait: NEVER, ..config() };
    let patient = Config { seat_wait: wait, connections_max: 2, ..patient };
    let server = start(patient).await;
    let unread = pipelining(&server, 40).await;
    let idle = TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
    for _ in 0..4 {
        assert_eq!(server.get("/healthz").await.0, 200);
    }
    // One whose answer takes long keeps nobody out either.
    let mut asks = Vec::new();
    for _ in 0..2 {
        let mut client = TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
        client.write_all(b"GET /v1/indicators?at_least=999 HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        asks.push(client);
    }
    assert_eq!(server.get("/healthz").await.0, 200);
    drop((unread, idle, asks));
    server.end().await;
}

#[tokio::test]
async fn a_client_that_reads_late_gets_every_answer() {
    let server = start(config()).await;
    let mut client = pipelining(&server, 12).await;
    // It reads nothing before the first answer is made, which no socket takes whole.
    while server.fake.read.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    let mut all = Vec::new();
    client.read_to_end(&mut all).await.unwrap();
    assert_eq!(all.iter().filter(|byte| **byte == 0).count(), 12 * LARGE);
    assert_eq!(server.fake.read.load(Ordering::SeqCst), 12);
    server.end().await;
}

#[tokio::test]
async fn a_connection_has_an_end() {
    let server = start(Config { head_timeout: NEVER, life: Duration::from_millis(50), ..config() }).await;
    let mut client = TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());
    server.end().await;
}

#[tokio::test]
async fn methods_other_than_get_are_refused() {
    let server = start(config()).await;
    let mut client = TcpStream::connect(server.base.trim_start_matches("http://")).await.unwrap();
    client.write_all(b"DELETE /v1/indicators HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 405") && answer.contains("problem+json"), "{answer}");
    server.end().await;
}
