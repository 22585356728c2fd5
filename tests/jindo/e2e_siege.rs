//! Ten thousand connections of other processes that are no clients to be proud of, and what else strangers send: whoever asks
//! properly meanwhile is answered, reports are folded, and nothing beside the log's folder is told.
//!
//! Prints its figures (`--no-capture`).

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::e2e_house::{Folder, Guard, Ledger, PATIENCE, until};

const PROCESSES: usize = 4;
const CONNECTIONS: usize = 10_000;
/// How long a stranger may keep a request unfinished, and a margin for a busy machine.
const CUT_OFF: Duration = Duration::from_secs(10 + 20);

/// A process of strangers.
struct Siege {
    _child: Guard,
    ask: ChildStdin,
    told: BufReader<ChildStdout>,
}

impl Siege {
    fn begin(ledger: &Ledger) -> Siege {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python/siege.py");
        let (host, port) = address(ledger).rsplit_once(':').unwrap();
        let mut child = Command::new("python3")
            .args([script, host, port, &(CONNECTIONS / PROCESSES).to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (ask, told) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Siege { _child: Guard(child), ask, told }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.told.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    fn so_far(&mut self) -> Value {
        self.ask.write_all(b"?\n").unwrap();
        serde_json::from_str(&self.line()).unwrap()
    }
}

fn address(ledger: &Ledger) -> &str {
    ledger.http.trim_start_matches("http://")
}

/// Sends bytes on a connection of their own and reads to its end.
fn raw(ledger: &Ledger, bytes: &[u8]) -> Vec<u8> {
    let mut client = TcpStream::connect(address(ledger)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    // Who says too much may be cut off before all of it is taken, and answered all the same.
    let _ = client.write_all(bytes);
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer);
    answer
}

fn status(answer: &[u8]) -> u16 {
    let line = String::from_utf8_lossy(answer.get(..12).unwrap_or_default()).into_owned();
    line.strip_prefix("HTTP/1.1 ").and_then(|code| code.parse().ok()).unwrap_or(0)
}

fn peak_mb(ledger: &Ledger) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{}/status", ledger.pid())).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1_024
}

fn ask(ledger: &Ledger, path: &str) -> Duration {
    let began = Instant::now();
    let head = format!("GET {path} HTTP/1.1\r\nHost: ledger\r\nConnection: close\r\n\r\n");
    let answer = raw(ledger, head.as_bytes());
    assert_eq!(status(&answer), 200, "{path}: {}", String::from_utf8_lossy(&answer));
    began.elapsed()
}

#[test]
fn ten_thousand_idle_and_dripping_connections_keep_nobody_out() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    ledger.proven();
    let before = ledger.indicator("ev-chargers")["figure"]["value"].as_i64().unwrap_or(0);
    let mut strangers: Vec<Siege> = (0..PROCESSES).map(|_| Siege::begin(&ledger)).collect();
    strangers.iter_mut().for_each(|siege| assert_eq!(siege.line(), "ready"));
    // Until as many as came are or were inside: then those who ask properly compete with all of them.
    let count = |strangers: &mut Vec<Siege>, what: &str| {
        strangers.iter_mut().map(|siege| siege.so_far()[what].as_u64().unwrap()).sum::<u64>()
    };
    until("all of them", || (count(&mut strangers, "opened") >= CONNECTIONS as u64).then_some(()));
    let mut took = Vec::new();
    for path in ["/healthz", "/v1/indicators/ev-chargers", "/v1/entries?limit=5", "/"].iter().cycle().take(100) {
        took.push(ask(&ledger, path));
    }
    let args = ["report", "charger.installed", "--agency", "keco", "region=11", "class=fast", "count=12"];
    let out = folder.run(&args);
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    until("the report", || (ledger.indicator("ev-chargers")["figure"]["value"] == before + 12).then_some(()));
    took.sort_unstable();
    let at = |share: usize| took[(took.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!(
        "{CONNECTIONS} connections of {PROCESSES} processes: opened {}, cut off {}, held at most {}; beside them 100 of 100 asked \
         properly were answered in p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms; memory at most {} MB",
        count(&mut strangers, "opened"),
        count(&mut strangers, "cut off"),
        count(&mut strangers, "held at most"),
        at(50),
        at(99),
        at(100),
        peak_mb(&ledger)
    );
    assert!(peak_mb(&ledger) < 600);
    drop(strangers);
    assert!(ledger.terminate().success());
}

#[test]
fn unfinished_and_endless_requests_end() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    let post = "POST /v1/reports HTTP/1.1\r\nHost: ledger\r\nContent-Type: application/cloudevents+json\r\n";
    let cases: [(&str, Vec<u8>, &[u16]); 6] = [
        ("a head without end", [b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'x'; 64 << 10]].concat(), &[431]),
        ("a target of 9 KiB", format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(9 << 10)).into(), &[414]),
        ("a body said to be 1 GB", format!("{post}Content-Length: 1000000000\r\n\r\n").into(), &[413]),
        (
            "a body of 1 MB",
            [format!("{post}Content-Length: 1048576\r\n\r\n").as_bytes(), &vec![b'x'; 1 << 20]].concat(),
            &[413],
        ),
        (
            "chunks without end",
            [
                format!("{post}Transfer-Encoding: chunked\r\n\r\n").into_bytes(),
                b"1000\r\n".iter().copied().chain([b'x'; 4096]).chain(*b"\r\n").collect::<Vec<u8>>().repeat(64),
            ]
            .concat(),
            &[413],
        ),
        ("two lengths", format!("{post}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!").into(), &[400]),
    ];
    for (what, bytes, expected) in cases {
        let began = Instant::now();
        let answer = raw(&ledger, &bytes);
        println!("{what}: {} after {:.2} s", status(&answer), began.elapsed().as_secs_f64());
        assert!(expected.contains(&status(&answer)), "{what}: {}", String::from_utf8_lossy(&answer));
        assert!(began.elapsed() < CUT_OFF, "{what}");
    }
    let drips = ["GET / HTTP/1.1\r\nX: ".to_owned(), format!("{post}Content-Length: 50000\r\n\r\n")];
    let dripping: Vec<_> = drips
        .map(|head| {
            std::thread::spawn({
                let address = address(&ledger).to_owned();
                move || {
                    let mut client = TcpStream::connect(address).unwrap();
                    client.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
                    client.write_all(head.as_bytes()).unwrap();
                    let began = Instant::now();
                    let mut answer = Vec::new();
                    let mut part = [0; 4_096];
                    loop {
                        // A byte each time, and what comes back until it is closed.
                        let sent = client.write_all(b"x");
                        match client.read(&mut part) {
                            Ok(0) => break,
                            Ok(count) => answer.extend_from_slice(&part[..count]),
                            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock && sent.is_ok() => {}
                            Err(_) => break,
                        }
                        assert!(began.elapsed() < PATIENCE, "it may drip for ever");
                    }
                    (status(&answer), began.elapsed())
                }
            })
        })
        .into_iter()
        .collect();
    for (thread, what) in dripping.into_iter().zip(["a dripped head", "a dripped body"]) {
        let (status, after) = thread.join().unwrap();
        println!("{what}: {status} after {:.2} s", after.as_secs_f64());
        assert!([0, 408].contains(&status) && after < CUT_OFF, "{what}: {status} after {after:?}");
    }
    assert!(ledger.terminate().success());
}

#[test]
fn no_path_leads_out_of_the_log() {
    let folder = Folder::new();
    let ledger = Ledger::up(&folder);
    ledger.proven();
    std::fs::write(folder.data().join("log/private"), "private").unwrap();
    let paths = [
        "/log/../keys/operator.nk",
        "/log/%2e%2e/keys/operator.nk",
        "/log/%2e%2e%2fkeys%2foperator.nk",
        "/log/..%5ckeys%5coperator.nk",
        "/log/tile/../../keys/operator.nk",
        "/log/tile/0/../../../keys/operator.nk",
        "/log/history/../../keys/operator.nk",
        "/log/history/..%2f..%2fkeys%2foperator.nk",
        "/log//etc/passwd",
        "/log/%00",
        "/log/checkpoint%00.txt",
        "/log/checkpoint/",
        "/log/checkpoint/../private",
        "/log/./private",
        "/log/private",
        "/log/tail",
        "/log/tail.lock",
        "/log/tail.index",
        "/log/tile/0/000/",
        "/log/tile/0/x000/000",
        "/log/tile/0/000.p/0",
        "/log/tile/0/000.p/257",
        "/log/tile/0/000.p/-1",
        "/log/tile/64/000",
        "/log/tile/0/99999999999999999999999",
        "/log/tile/entries/..",
        "/log/tile/entries/%F0%9F%92%A9",
        "/log/",
        "/log",
        "http://127.0.0.1/log/../keys/operator.nk",
        "//log/../keys/operator.nk",
        "/keys/operator.nk",
        "/../keys/operator.nk",
        "*",
    ];
    let seeds: Vec<String> =
        ["operator", "log", "motie", "keco"].map(|name| folder.key(name).seed().to_string()).into();
    for path in paths {
        let head = format!("GET {path} HTTP/1.1\r\nHost: ledger\r\nConnection: close\r\n\r\n");
        let answer = raw(&ledger, head.as_bytes());
        let text = String::from_utf8_lossy(&answer);
        assert!((400..500).contains(&status(&answer)), "{path}: {text}");
        assert!(!text.contains("private") || path.contains("private"), "{path}: {text}");
        assert!(seeds.iter().all(|seed| !text.contains(seed.as_str())), "{path} tells a key");
    }
    println!("{} paths: every one refused", paths.len());
    assert_eq!(ask(&ledger, "/log/checkpoint").as_secs(), 0);
}
