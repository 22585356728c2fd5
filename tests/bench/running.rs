//! `jindo run` as an operator starts it, and a reader of its HTTP over one connection. Never looks inside.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long it may take until it is ready.
const READY: Duration = Duration::from_secs(300);

/// The process.
pub struct Running {
    child: Child,
    /// Host and port.
    pub http: String,
}

impl Running {
    /// Starts it and waits until it answers that it has caught up; seconds that took.
    pub fn start(data: &Path, nats: &str, key: &Path) -> (Self, f64) {
        let start = Instant::now();
        let mut command = Command::new(env!("CARGO_BIN_EXE_jindo"));
        command.args(["run", "--http", "127.0.0.1:0", "--nats", nats, "--key-file"]).arg(key).arg("--data").arg(data);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("jindo starts");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("its output")).read_line(&mut line).expect("a line");
        let http = line.split_whitespace().find_map(|word| word.strip_prefix("http=http://"));
        let http = http.unwrap_or_else(|| panic!("it is not ready: {line}")).to_owned();
        let running = Running { child, http };
        let mut client = Client::connect(&running.http);
        while client.get("/readyz").0 != 200 {
            assert!(start.elapsed() < READY, "it does not become ready");
            std::thread::sleep(Duration::from_millis(2));
        }
        (running, start.elapsed().as_secs_f64())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// One connection that is kept.
pub struct Client {
    host: String,
    socket: BufReader<TcpStream>,
}

impl Client {
    /// Connects.
    pub fn connect(host: &str) -> Self {
        let socket = TcpStream::connect(host).expect("a connection");
        socket.set_nodelay(true).expect("no delay");
        Client { host: host.to_owned(), socket: BufReader::new(socket) }
    }

    /// Status and body of an answer.
    pub fn get(&mut self, path: &str) -> (u16, Vec<u8>) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.host);
        self.socket.get_mut().write_all(request.as_bytes()).expect("it is asked");
        let (mut status, mut length, mut line) = (0, None, String::new());
        loop {
            line.clear();
            self.socket.read_line(&mut line).expect("a head");
            let head = line.trim_end();
            if status == 0 {
                status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
            } else if let Some((name, value)) = head.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse::<usize>().ok();
            }
            if head.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length.expect("answers name their length")];
        self.socket.read_exact(&mut body).expect("a body");
        (status, body)
    }

    /// Milliseconds of so many answers, ascending.
    pub fn times(&mut self, count: usize, path: &mut dyn FnMut() -> String) -> Vec<f64> {
        let mut one = || {
            let path = path();
            let start = Instant::now();
            let (status, body) = self.get(&path);
            assert_eq!(status, 200, "{path}: {}", String::from_utf8_lossy(&body));
            start.elapsed().as_secs_f64() * 1e3
        };
        let mut times: Vec<f64> = (0..count).map(|_| one()).collect();
        times.sort_unstable_by(f64::total_cmp);
        times
    }
}
