//! A `nats-server` of the bench's own with the configuration jindo generates, and its stream filled by the road every
//! publisher takes. Never measures.

use std::path::{Path, PathBuf};
use std::time::Instant;

use jindo::sign::KeyPair;
use jindo::stream::{self, Link, Login, NatsConfig, Outgoing, Server};

/// The stream.
pub const STREAM: &str = "LEDGER_1";
/// Messages handed to the publisher at once.
const MESSAGES: usize = 2_000;

/// A running server and the operator's link.
pub struct Intake {
    /// The child.
    pub server: Server,
    /// As what it runs.
    pub config: NatsConfig,
    dir: PathBuf,
    /// Key file of the operator.
    pub key: PathBuf,
    /// JetStream's folder.
    pub folder: PathBuf,
    /// The operator's.
    pub link: Link,
    /// Messages in the stream.
    pub size: u64,
    /// Bytes of what was put: subjects, headers and bodies.
    pub bytes: u64,
    waiting: Vec<Outgoing>,
}

impl Intake {
    /// Starts the server under `dir` and declares the stream.
    pub async fn start(dir: &Path) -> Self {
        std::fs::create_dir_all(dir).expect("a folder");
        let pair = KeyPair::generate().expect("a key");
        let key = dir.join("operator.nk");
        pair.save_new(&key).expect("a key file");
        let announcer = KeyPair::generate().expect("a key");
        announcer.save_new(&dir.join("announcer.nk")).expect("a key file");
        let folder = dir.join("jetstream");
        let config = NatsConfig {
            name: format!("bench-{}", uuid::Uuid::new_v4()),
            host: "127.0.0.1".to_owned(),
            port: -1,
            store_dir: folder.clone(),
            cluster: None,
            ports_dir: None,
            log_file: None,
            operators: vec![pair.public().to_owned()],
            agencies: Vec::new(),
            announcers: vec![announcer.public().to_owned()],
            dashboards: Vec::new(),
        };
        let server = Server::start(&dir.join("nats"), config.clone()).await.expect("nats-server starts");
        let link = connect(&server.url, &key).await;
        stream::declare(&link, STREAM, 1, 1).await.expect("the stream is declared");
        let dir = dir.to_owned();
        Intake { server, config, dir, key, folder, link, size: 0, bytes: 0, waiting: Vec::new() }
    }

    /// Stops the server and starts one on the same files; seconds until it listened.
    pub async fn again(self) -> (Self, f64) {
        let Intake { server, config, dir, key, folder, size, bytes, waiting, .. } = self;
        server.stop().await;
        let start = Instant::now();
        let server = Server::start(&dir.join("nats"), config.clone()).await.expect("nats-server starts again");
        let seconds = start.elapsed().as_secs_f64();
        let link = connect(&server.url, &key).await;
        (Intake { server, config, dir, key, folder, link, size, bytes, waiting }, seconds)
    }

    /// Takes one message; published with those around it.
    pub async fn put(&mut self, message: Outgoing) {
        self.bytes += bytes_of(&message);
        self.waiting.push(message);
        if self.waiting.len() >= MESSAGES {
            self.flush().await;
        }
    }

    /// Publishes what waits: all of it is on disk when this returns.
    pub async fn flush(&mut self) {
        for answer in stream::append(&self.link, STREAM, &std::mem::take(&mut self.waiting)).await {
            self.size += 1;
            assert_eq!(answer, Ok(self.size), "each message has the next sequence");
        }
    }
}

/// Bytes of a message: subject, headers and body.
pub fn bytes_of(message: &Outgoing) -> u64 {
    let headers: usize = message.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    (message.subject.len() + headers + message.body.len()) as u64
}

/// A link with the operator's key.
pub async fn connect(url: &str, key: &Path) -> Link {
    let pair = KeyPair::load(key).expect("the operator's key");
    stream::connect(url, &Login::plain(&pair.seed(), "bench")).await.expect("a connection")
}

/// Bytes of disk that a folder takes.
pub fn bytes_under(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let bytes = |path: PathBuf| match path.is_dir() {
        true => bytes_under(&path),
        // Slab files are sparse at their ends: count what is allocated.
        false => std::fs::metadata(&path).map_or(0, |file| file.blocks() * 512),
    };
    entries.map(|entry| bytes(entry.path())).sum()
}
