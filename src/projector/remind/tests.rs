//! What gives a reminder, once; and what a webhook is sent.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::{Value, json};

use super::due::{AHEAD, of_indicator};
use super::*;
use crate::event::Day;
use crate::store::progress::view::IndicatorView;

fn view(status: &str, due: Option<&str>, last: Option<&str>) -> IndicatorView {
    let text = json!({"ko": "가", "en": "a"});
    let figure = json!({
        "value": 12, "verified": 0, "not_deduplicated": 0, "reports": 1, "disputed": 0, "provisional": 0, "approximate": 0,
        "text": text,
    });
    let last_day = due.map(|due| crate::event::Date::parse(due).unwrap().last_day());
    let state = json!({
        "goal": "reach", "value": 100, "approximate": false, "due": due, "due_precision": "day", "due_last_day": last_day,
        "due_as_printed": null, "confirmed": true, "source": null, "index": 3, "text": text,
    });
    let status = json!({"code": status, "text": text, "expected": null, "ratio": null, "code_original": null, "ratio_original": null});
    let last = last.map(|day| json!({"day": day, "recorded": null, "agency": null, "index": null}));
    serde_json::from_value(json!({
        "id": "ev-chargers", "row": 14, "title": text, "area": "cars", "owner": {"code": "mcee", "name": text}, "owners": [],
        "reporters": [], "verifiers": [], "authority": "motie", "unit": null, "fold": "sum", "figure": figure,
        "figure_period": null, "baseline": null, "start": null,
        "targets": [{"part": null, "period": null, "current": state, "original": state, "revisions": []}],
        "parts": [], "splits": [], "periods": [], "stages": [], "status": status, "forecast": null, "last_report": last,
        "source": {"fragment": "", "reference": "", "reading": text, "confirmed": false, "confirmed_by": null},
        "missing": [], "breaks": [], "simulated": false, "public_source": false, "as_of": "2026-11-23", "known_at": null,
        "size": 7,
    }))
    .unwrap()
}

#[test]
fn what_is_due_overdue_or_silent() {
    for (status, due, today, expected) in [
        ("behind", "2026-12-31", "2026-12-09", None),
        ("behind", "2026-12-31", "2026-12-10", Some(("due-21", 21))),
        ("on_track", "2026-12-31", "2026-12-16", Some(("due-21", 15))),
        ("on_track", "2026-12-31", "2026-12-17", Some(("due-14", 14))),
        ("not_started", "2026-12-31", "2026-12-24", Some(("due-7", 7))),
        ("behind", "2026-12-31", "2026-12-31", Some(("due-7", 0))),
        // Of a year, its last day counts.
        ("behind", "2026", "2026-12-25", Some(("due-7", 6))),
        ("overdue", "2026-12-31", "2027-01-01", Some(("overdue", -1))),
        ("overdue", "2026-12-31", "2027-06-01", Some(("overdue", -152))),
        ("met", "2026-12-31", "2026-12-30", None),
        ("unmeasurable", "2026-12-31", "2026-12-30", None),
    ] {
        let found = of_indicator(&view(status, Some(due), None), Day::parse(today).unwrap(), false);
        let told = found.first().map(|reminder| (reminder.id.as_str(), reminder.days_left.unwrap()));
        let expected = expected.map(|(step, left)| (format!("{step}.ev-chargers...{due}"), left));
        assert_eq!(told, expected.as_ref().map(|(id, left)| (id.as_str(), *left)), "{status} {due} {today}");
    }
    let today = Day::parse("2026-11-23").unwrap();
    let silent = |last| of_indicator(&view("no_report", None, last), today, true);
    assert_eq!(silent(None)[0].id, "silent.ev-chargers.never");
    assert_eq!(silent(Some("2026-03-01"))[0].id, "silent.ev-chargers.2026-03-01");
    assert!(silent(None)[0].simulated && AHEAD.is_sorted());
}

#[test]
fn each_is_told_once_whatever_happens_to_the_book() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reminders");
    let of = |today: &str| of_indicator(&view("behind", Some("2026-12-31"), None), Day::parse(today).unwrap(), false);
    let mut book = Book::open(&path).unwrap();
    assert_eq!((book.size, book.add(of("2026-12-10"), 7).unwrap()), (None, 1));
    assert_eq!(book.add(of("2026-12-11"), 8).unwrap(), 0);
    assert_eq!(book.add(of("2026-12-17"), 9).unwrap(), 1);
    book.delivered(&book.newest()[0].id.clone()).unwrap();
    drop(book);
    // A crash in the middle of a line.
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, [&whole, b"{\"reminder\":{\"id".as_slice()].concat()).unwrap();
    let mut book = Book::open(&path).unwrap();
    assert_eq!(book.size, Some(9));
    assert_eq!(book.add([of("2026-12-12"), of("2026-12-18")].concat(), 10).unwrap(), 0);
    assert_eq!(book.undelivered().map(|reminder| reminder.id.as_str()), Some("due-14.ev-chargers...2026-12-31"));
    assert_eq!(book.newest().len(), 2);
    std::fs::write(&path, [b"nonsense\n".as_slice(), &whole].concat()).unwrap();
    let told = Book::open(&path).err().unwrap().to_string();
    assert!(told.contains("remove it"), "{told}");
}

#[test]
fn one_that_is_refused_holds_up_no_other() {
    let (mut failures, refused) = (Failures::default(), Called::Refused("400".into()));
    for tried in 1..WEBHOOK_REFUSALS_MAX {
        assert_eq!(failures.after(&refused), Then::Again(pause(tried - 1)));
    }
    assert_eq!(failures.after(&refused), Then::Next);
    // Where everything is refused the pauses go on growing.
    assert_eq!(failures.after(&refused), Then::Again(pause(WEBHOOK_REFUSALS_MAX)));
    assert_eq!(failures.after(&Called::Taken), Then::Next);
    for tried in 0..20 {
        assert_eq!(failures.after(&Called::Later("503".into())), Then::Again(pause(tried)));
    }
    assert_eq!(failures.after(&Called::Gone), Then::End);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reminders");
    let mut book = Book::open(&path).unwrap();
    let of = |day: &str| of_indicator(&view("behind", Some("2026-12-31"), None), Day::parse(day).unwrap(), false);
    book.add(["2026-12-10", "2026-12-17", "2026-12-24"].map(of).concat(), 7).unwrap();
    let ids: Vec<String> = book.newest().into_iter().map(|reminder| reminder.id).collect();
    let next = |book: &Book| book.undelivered().map(|reminder| reminder.id.clone());
    book.delivered(&ids[1]).unwrap();
    assert_eq!(next(&book).as_ref(), Some(&ids[0]));
    book.delivered(&ids[0]).unwrap();
    assert_eq!(next(&book).as_ref(), Some(&ids[2]));
    drop(book);
    let mut book = Book::open(&path).unwrap();
    assert_eq!(next(&book).as_ref(), Some(&ids[2]));
    book.delivered(&ids[2]).unwrap();
    assert_eq!(next(&book), None);
}

/// Answers with these statuses, one connection each; what was sent.
fn receiver(statuses: &[u16]) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let statuses = statuses.to_vec();
    let serve = move || {
        let mut sent = Vec::new();
        for status in statuses {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            let whole = |request: &[u8]| {
                let text = String::from_utf8_lossy(request);
                let head = text.split_once("\r\n\r\n").map(|(head, _)| head.to_lowercase())?;
                let length =
                    head.lines().find_map(|line| line.strip_prefix("content-length: "))?.parse::<usize>().ok()?;
                (request.len() == head.len() + 4 + length).then(|| text.into_owned())
            };
            let text = loop {
                let mut buffer = [0; 4096];
                let read = stream.read(&mut buffer).unwrap();
                request.extend_from_slice(&buffer[..read]);
                if let Some(text) = whole(&request) {
                    break text;
                }
            };
            let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
            sent.push(text);
        }
        sent
    };
    (url, std::thread::spawn(serve))
}

#[test]
fn a_webhook_is_signed_as_the_standard_says() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("webhook.secret");
    // The example of the Standard Webhooks specification.
    std::fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
    let (url, served) = receiver(&[500, 204, 410, 429, 302, 400]);
    let webhook = Webhook::new(&url, &secret).unwrap();
    assert_eq!(
        webhook.signature("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}"),
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    );
    let today = Day::parse("2026-12-30").unwrap();
    let reminder = of_indicator(&view("behind", Some("2026-12-31"), None), today, false).remove(0);
    assert!(matches!(webhook.call(&reminder), Called::Later(why) if why.contains("500")));
    assert_eq!(webhook.call(&reminder), Called::Taken);
    assert_eq!(webhook.call(&reminder), Called::Gone);
    for _ in 0..2 {
        assert!(matches!(webhook.call(&reminder), Called::Later(_)));
    }
    assert!(matches!(webhook.call(&reminder), Called::Refused(why) if why.contains("400")));
    for text in served.join().unwrap() {
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).unwrap();
        let seconds = field("webhook-timestamp").parse().unwrap();
        assert_eq!(field("webhook-signature"), webhook.signature(field("webhook-id"), seconds, body));
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(
            (&body["type"], &body["data"]["id"]),
            (&json!("reminder.due"), &json!("due-7.ev-chargers...2026-12-31"))
        );
    }
    for (url, why) in [("ftp://x/", "https://"), ("nothing", "host"), ("http:///x", "address")] {
        let told = Webhook::new(url, &secret).err().unwrap();
        assert!(told.contains(why), "{told}");
    }
    // Addresses of webhooks carry secrets: no error repeats them.
    for url in ["ftp://me:pass-1@x.example/path-2?token=3", "https//x.example/path-2", "pass-1", "ht tp://pass-1"] {
        let told = Webhook::new(url, &secret).err().unwrap();
        assert!(!told.contains("pass-1") && !told.contains("path-2") && !told.contains("token"), "{told}");
    }
    std::fs::write(&secret, "whsec_AAAA\n").unwrap();
    assert!(Webhook::new(&url, &secret).err().unwrap().contains("24 bytes"));
    std::fs::remove_file(&secret).unwrap();
    Webhook::new(&url, &secret).unwrap();
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(pause(0) < pause(1) && pause(60) == pause(61));
}
