//! Witnesses that answer what they like: none of it is published as a cosignature, none of it holds the others up, and what the
//! log's own key signed elsewhere stops everything.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jindo::event::Time;
use jindo::limits::{WITNESS_CALL_MS, WITNESS_TRIES};
use jindo::log::checkpoint::{Checkpoint, Head};
use jindo::log::disk::Files;
use jindo::log::folder::LogFolder;
use jindo::log::keyring::LogKeys;
use jindo::log::note::{self, KeyKind, Note, VerifierKey};
use jindo::log::policy::Policy;
use jindo::log::publish::{BeatFault, Publisher};
use jindo::log::tail::Tail;
use jindo::projector::witness::Witnesses;
use jindo::sign::{KeyPair, hex};
use tempfile::TempDir;

use crate::e2e_house::until;
use crate::gocheck::{Alone, entry};

const ORIGIN: &str = "jindo.test/witnessed";

/// What it does with a connection once the request was read; the number counts requests from 0.
type Does = Box<dyn Fn(&Request, usize, &mut TcpStream) + Send + Sync>;

struct Request {
    path: String,
    body: String,
}

impl Request {
    /// The three lines of the checkpoint sent.
    fn text(&self) -> String {
        let (_, note) = self.body.split_once("\n\n").unwrap();
        Note::parse(note).unwrap().text.to_owned()
    }
}

/// A witness of the test's own.
struct Fake {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Fake {
    fn start(does: Does) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (asked, does) = (Arc::new(AtomicUsize::new(0)), Arc::new(does));
        let counted = asked.clone();
        // Ends with the test's process, which nextest gives to each test.
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (does, counted) = (does.clone(), counted.clone());
                std::thread::spawn(move || {
                    let mut stream = stream;
                    let Some(request) = request(&stream) else { return };
                    does(&request, counted.fetch_add(1, Ordering::SeqCst), &mut stream);
                });
            }
        });
        Fake { url, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

fn request(stream: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).ok()?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { path: first.split(' ').nth(1)?.to_owned(), body: String::from_utf8(body).ok()? })
}

fn reply(stream: &mut TcpStream, status: &str, head: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{head}\r\n", body.len());
    // The other side may have hung up.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
}

fn size(stream: &mut TcpStream, size: &str) {
    reply(stream, "409 Conflict", "Content-Type: text/x.tlog.size\r\n", size.as_bytes());
}

fn now() -> u64 {
    u64::try_from(Time::now().ns() / 1_000_000_000).unwrap()
}

/// A log that grows, and what it publishes.
struct Log {
    dir: TempDir,
    tail: Tail,
    key: Arc<KeyPair>,
    publisher: Publisher,
    fence: Alone,
}

impl Log {
    fn new(key: &Arc<KeyPair>) -> Log {
        let dir = TempDir::new().unwrap();
        let (tail, _) = Tail::open(dir.path()).unwrap();
        let folder = LogFolder::new(dir.path());
        let publisher = Publisher::open(
            folder,
            Box::new(Files),
            LogKeys::of_pair(ORIGIN, key).unwrap(),
            vec![key.clone()],
            &tail.reader(),
        )
        .unwrap();
        Log { dir, tail, key: key.clone(), publisher, fence: Alone::default() }
    }

    fn grow(&mut self, count: u64) {
        let next = self.tail.size()..self.tail.size() + count;
        let (entries, times): (Vec<_>, Vec<_>) = next.map(entry).unzip();
        self.tail.append(&entries, &times).unwrap();
    }

    fn beat(&mut self, witnesses: &mut Witnesses) -> Result<Checkpoint, BeatFault> {
        self.publisher.beat(&self.tail.reader(), u64::MAX, &mut self.fence, witnesses, Time::now()).map(Option::unwrap)
    }

    fn vkey(&self) -> VerifierKey {
        VerifierKey::of_pair(ORIGIN, KeyKind::Log, &self.key).unwrap()
    }
}

fn pair() -> Arc<KeyPair> {
    Arc::new(KeyPair::generate().unwrap())
}

fn line(name: &str, pair: &KeyPair, fake: &Fake) -> String {
    format!("witness {name} {} {}\n", VerifierKey::of_pair(name, KeyKind::Witness, pair).unwrap(), fake.url)
}

fn honest(pair: &Arc<KeyPair>) -> Fake {
    let pair = pair.clone();
    Fake::start(Box::new(move |request, _, stream| {
        let line = note::cosign("good", &pair, &request.text(), now()).unwrap();
        reply(stream, "200 OK", "", line.as_bytes());
    }))
}

fn signed(pair: &KeyPair, head: Head) -> String {
    let text = Checkpoint::new(ORIGIN, head).unwrap().text();
    format!("{text}\n{}", note::sign(ORIGIN, pair, &text).unwrap())
}

/// Answers `add-checkpoint` with 422 or 409, and shows this as the checkpoint it knows.
fn shows(status: &'static str, known: impl Fn(&Request) -> String + Send + Sync + 'static) -> Does {
    let last = Mutex::new(String::new());
    Box::new(move |request, _, stream| {
        if request.path.ends_with("/checkpoint") {
            let expected = format!("/{}/checkpoint", hex::encode(&hex::sha256(ORIGIN.as_bytes())));
            assert_eq!(request.path, expected);
            return reply(stream, "200 OK", "", last.lock().unwrap().as_bytes());
        }
        *last.lock().unwrap() = known(request);
        match status {
            "409" => size(stream, "4000\n"),
            _ => reply(stream, "422 Unprocessable Entity", "", b"no\n"),
        }
    })
}

/// What it does, by whom the witness's key is held, and what is said of it.
fn hostile(own: &Arc<KeyPair>, witness: &Arc<KeyPair>, elsewhere: &str) -> Vec<(&'static str, Does, &'static str)> {
    let cosigns = |pair: Arc<KeyPair>, text: fn(String) -> String, time: fn(u64) -> u64| -> Does {
        Box::new(move |request, _, stream| {
            let line = note::cosign("bad", &pair, &text(request.text()), time(now())).unwrap();
            reply(stream, "200 OK", "", line.as_bytes());
        })
    };
    let says = |status: &'static str, head: String, body: Vec<u8>| -> Does {
        Box::new(move |_, _, stream| reply(stream, status, &head, &body))
    };
    let raw = |bytes: &'static [u8]| -> Does { Box::new(move |_, _, stream| drop(stream.write_all(bytes))) };
    let forever = Duration::from_secs(3_600);
    let other = pair();
    vec![
        ("another key under its name", cosigns(pair(), |text| text, |time| time), "not taken"),
        ("another text", cosigns(witness.clone(), |text| format!("{text}x\n"), |time| time), "not taken"),
        ("an hour ago", cosigns(witness.clone(), |text| text, |time| time - 3_600), "its clock"),
        ("an hour ahead", cosigns(witness.clone(), |text| text, |time| time + 3_600), "its clock"),
        ("time zero", cosigns(witness.clone(), |text| text, |_| 0), "its clock"),
        ("nothing", says("200 OK", String::new(), Vec::new()), "not taken"),
        ("no UTF-8", says("200 OK", String::new(), vec![0xff; 300]), ""),
        ("escapes", says("500 Oops", String::new(), b"\x1b[2Jhello".to_vec()), "[2Jhello"),
        ("a huge body", says("200 OK", String::new(), vec![b'x'; 3 << 20]), "larger than"),
        ("no HTTP", raw(b"SSH-2.0-OpenSSH\r\n\r\n"), ""),
        ("a head without end", Box::new(|_, _, stream| while stream.write_all(&[b'x'; 4_096]).is_ok() {}), ""),
        ("hangs up", raw(b""), "disconnected"),
        ("elsewhere", says("302 Found", format!("Location: {elsewhere}\r\n"), Vec::new()), "elsewhere"),
        ("not found", says("404 Not Found", String::new(), Vec::new()), "does not know this log"),
        ("forbidden", says("403 Forbidden", String::new(), Vec::new()), "does not know this log's key"),
        ("a size without its type", says("409 Conflict", String::new(), b"3\n".to_vec()), "does not name it"),
        ("no size", Box::new(|_, _, stream| size(stream, "03\n")), "does not name it"),
        ("a size beyond numbers", Box::new(|_, _, stream| size(stream, "99999999999999999999\n")), "does not name it"),
        ("the size it was asked from", Box::new(|_, _, stream| size(stream, "0\n")), "names it itself"),
        ("always another", Box::new(|_, n, stream| size(stream, &format!("{}\n", n + 1))), "another size"),
        (
            "a larger one, and shows nothing",
            Box::new(|request, _, stream| match request.path.ends_with("/checkpoint") {
                true => reply(stream, "404 Not Found", "", b""),
                false => size(stream, "4000\n"),
            }),
            "does not show",
        ),
        (
            "shows what another key signed",
            shows("422", move |_| signed(&other, Head { size: 3, root: [7; 32] })),
            "nothing our key",
        ),
        ("shows garbage", shows("422", |_| "x".repeat(500)), "nothing our key"),
        (
            "shows our own",
            {
                let own = own.clone();
                shows("422", move |request| signed(&own, Checkpoint::parse(&request.text()).unwrap().head))
            },
            "of this log",
        ),
        ("says nothing", Box::new(move |_, _, _| std::thread::sleep(forever)), " answer"),
        (
            "trickles",
            Box::new(|_, _, stream| {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n");
                while stream.write_all(b"x").is_ok() {
                    std::thread::sleep(Duration::from_millis(50));
                }
            }),
            "",
        ),
    ]
}

#[test]
fn no_answer_harms() {
    let (own, bad, good) = (pair(), pair(), pair());
    let elsewhere = honest(&bad);
    let moved = format!("{}/add-checkpoint", elsewhere.url);
    std::thread::scope(|scope| {
        for (what, does, words) in hostile(&own, &bad, &moved) {
            let (own, bad, good) = (&own, &bad, &good);
            scope.spawn(move || {
                let (fake, fine) = (Fake::start(does), honest(good));
                let lines = format!("{}{}", line("bad", bad, &fake), line("good", good, &fine));
                // It alone is not enough, and is told by name.
                let mut log = Log::new(own);
                log.grow(300);
                let mut alone = Witnesses::start(Policy::parse(&format!("{lines}quorum bad\n")).unwrap()).unwrap();
                let fault = log.beat(&mut alone).unwrap_err();
                assert!(matches!(fault, BeatFault::Cosign { size: 300, .. }) && !fault.is_finding(), "{what}: {fault}");
                let told = fault.to_string();
                assert!(told.contains("bad (http") && told.contains(words), "{what}: {told}");
                assert!(
                    !told.contains("good (http") && !told.contains('\u{1b}') && told.len() < 1_000,
                    "{what}: {told}"
                );
                assert!(fake.asked() <= WITNESS_TRIES + 1, "{what}: asked {} times", fake.asked());
                // Left alone for a while.
                let asked = fake.asked();
                assert!(log.beat(&mut alone).is_err(), "{what}");
                assert_eq!(fake.asked(), asked, "{what}");
                // With another beside it nothing waits for it.
                let any = format!("{lines}group g any bad good\nquorum g\n");
                let mut both = Witnesses::start(Policy::parse(&any).unwrap()).unwrap();
                for _ in 0..3 {
                    log.grow(1);
                    let started = Instant::now();
                    let size = log.beat(&mut both).unwrap_or_else(|fault| panic!("{what}: {fault}")).head.size;
                    assert!(started.elapsed() < Duration::from_millis(WITNESS_CALL_MS), "{what}");
                    let note = LogFolder::new(log.dir.path()).checkpoint().unwrap().unwrap();
                    assert_eq!((size, Note::parse(&note).unwrap().signatures.len()), (log.tail.size(), 2), "{what}");
                }
            });
        }
    });
    assert_eq!(elsewhere.asked(), 0, "nobody was sent there");
}

#[test]
fn a_root_of_our_own_key_beyond_our_log_holds_everything_and_is_judged_once_we_are_there() {
    let (own, bad, good) = (pair(), pair(), pair());
    // The same tree, further on: nothing is wrong, it only has to wait. Or another one.
    for forked in [false, true] {
        let mut ahead = Log::new(&own);
        ahead.grow(4_000);
        let true_head = Head { size: 4_000, root: root_of(&ahead) };
        let head = if forked { Head { root: [9; 32], ..true_head } } else { true_head };
        let key = own.clone();
        let (fake, fine) = (Fake::start(shows("409", move |_| signed(&key, head))), honest(&good));
        let lines = format!("{}{}", line("bad", &bad, &fake), line("good", &good, &fine));
        let any = format!("{lines}group g any bad good\nquorum g\n");
        let mut witnesses = Witnesses::start(Policy::parse(&any).unwrap()).unwrap();
        let mut log = Log::new(&own);
        until("it is known", || {
            log.grow(1);
            let fault = log.beat(&mut witnesses).err()?;
            assert!(fault.to_string().contains("holds a checkpoint of 4000 entries") && !fault.is_finding(), "{fault}");
            Some(())
        });
        let asked = fine.asked();
        log.grow(100);
        assert!(log.beat(&mut witnesses).is_err());
        assert_eq!(fine.asked(), asked, "the others are not asked for what may be a fork");
        log.grow(4_500 - log.tail.size());
        let ended = log.beat(&mut witnesses);
        if !forked {
            assert_eq!(ended.unwrap().head.size, 4_500);
            continue;
        }
        let fault = ended.unwrap_err();
        let BeatFault::Conflict { file, .. } = &fault else { panic!("{fault}") };
        assert!(fault.is_finding());
        let fork = jindo::log::fork::Fork::parse(&std::fs::read_to_string(file).unwrap()).unwrap();
        let proven = fork.verify(Some(&log.vkey()), None).unwrap();
        assert_eq!((proven.first.size, proven.second), (4_500, head));
        // The same again is not kept twice, and the folder is not filled without end.
        assert!(matches!(log.beat(&mut witnesses), Err(BeatFault::Conflict { .. })));
        assert_eq!(LogFolder::new(log.dir.path()).conflicts().unwrap().len(), 1);
    }
}

fn root_of(log: &Log) -> [u8; 32] {
    let mut frontier = jindo::log::frontier::Frontier::default();
    log.tail.reader().iter(0).for_each(|item| frontier.push(jindo::log::entry::leaf_hash(&item.unwrap().1)));
    frontier.root()
}

/// Evidence kept is bounded, whoever holds a copy of the key.
#[test]
fn a_folder_of_conflicts_has_an_end() {
    let (own, bad) = (pair(), pair());
    let (key, count) = (own.clone(), AtomicUsize::new(0));
    let fake = Fake::start(shows("422", move |_| {
        let number = u8::try_from(count.fetch_add(1, Ordering::SeqCst)).unwrap();
        signed(&key, Head { size: 1, root: [number; 32] })
    }));
    let mut log = Log::new(&own);
    log.grow(5);
    let policy = Policy::parse(&format!("{}quorum bad\n", line("bad", &bad, &fake))).unwrap();
    let mut witnesses = Witnesses::start(policy).unwrap();
    for _ in 0..jindo::limits::CONFLICTS_KEPT_MAX + 5 {
        assert!(matches!(log.beat(&mut witnesses), Err(BeatFault::Conflict { .. })));
    }
    let kept = LogFolder::new(log.dir.path()).conflicts().unwrap();
    assert_eq!(kept.len(), jindo::limits::CONFLICTS_KEPT_MAX);
}
