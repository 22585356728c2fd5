//! A `nats-server` of the bench's own with the configuration jindo generates, and its stream filled by the road every
//! publisher takes. Never measures.

use std::path::{Path, PathBuf};

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
    /// Key file of the operator.
    pub key: PathBuf,
    /// JetStream's folder.
    pub folder: PathBuf,
    link: Link,
    /// Messages in the stream.
    pub size: u64,
    waiting: Vec<Outgoing>,
}

impl Intake {
    /// Starts the server under `dir` and declares the stream.
    pub async fn start(dir: &Path) -> Self {
        std::fs::create_dir_all(dir).expect("a folder");
        let pair = KeyPair::generate().expect("a key");
        let key = dir.join("operator.nk");
        pair.save_new(&key).expect("a key file");
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
            announcers: Vec::new(),
            dashboards: Vec::new(),
        };
        let server = Server::start(&dir.join("nats"), config).await.expect("nats-server starts");
        let link = connect(&server.url, &key).await;
        stream::declare(&link, STREAM, 1, 1).await.expect("the stream is declared");
        Intake { server, key, folder, link, size: 0, waiting: Vec::new() }
    }

    /// Takes one message; published with those around it.
    pub async fn put(&mut self, message: Outgoing) {
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
