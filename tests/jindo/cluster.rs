//! A cluster of three `nats-server` processes on loopback, each with its own folder, and a ledger's stream on all of them.
//!
//! Routes run through wires of the test's own, one for each direction between two servers: a wire that is cut carries nothing
//! and breaks nothing, as a network does that loses every packet. Servers listen for routes on any free port; a wire looks it up
//! in the ports file whenever a route is opened, so a server may come back elsewhere.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jindo::{
    projector::bootstrap::key_of,
    stream::{
        self, AgencyUser, ClusterConfig, Link, Login, NatsConfig, Outgoing, Server, append, declare,
        read::{extent, fetch},
    },
};
use serde_json::Value;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    sync::watch,
};
use uuid::Uuid;

use crate::e2e_house::{Folder, Ledger, PATIENCE, signal, until};
use crate::e2e_load::{AGENCIES, STREAM};

pub const SERVERS: usize = 3;

/// The cluster, and a folder with the keys of a founded ledger, whose log is empty: it is to be folded from the stream.
pub struct Cluster {
    pub folder: Folder,
    /// The data folder that `jindo up` founded it in.
    pub before: Folder,
    pub runtime: Runtime,
    nodes: Vec<Node>,
    wires: Vec<Wire>,
    /// Entries that founded the ledger.
    pub founding: u64,
}

struct Node {
    dir: PathBuf,
    config: NatsConfig,
    server: Option<Server>,
}

/// Carries routes from one server to another.
struct Wire {
    ends: [usize; 2],
    address: String,
    cut: watch::Sender<bool>,
}

impl Wire {
    fn new(runtime: &Runtime, ends: [usize; 2], to: PathBuf) -> Wire {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (cut, is_cut) = watch::channel(false);
        runtime.spawn(async move {
            while let Ok((from, _)) = listener.accept().await {
                tokio::spawn(carry(from, to.clone(), is_cut.clone()));
            }
        });
        Wire { ends, address, cut }
    }
}

async fn carry(mut from: TcpStream, to: PathBuf, mut cut: watch::Receiver<bool>) {
    let Some(port) = routes_port(&to) else { return };
    let Ok(mut there) = TcpStream::connect(("127.0.0.1", port)).await else { return };
    tokio::select! {
        biased;
        held = cut.wait_for(|cut| *cut) => drop(held),
        _ = copy_bidirectional(&mut from, &mut there) => return,
    }
    // Both ends stay open and hear nothing; what was on its way is lost.
    let _ = cut.wait_for(|cut| !*cut).await;
}

/// Where the server of this folder listens for routes.
fn routes_port(dir: &Path) -> Option<u16> {
    let pid = std::fs::read_to_string(dir.join("nats-server.pid")).ok()?;
    let ports = std::fs::read(dir.join(format!("nats-server_{}.ports", pid.trim()))).ok()?;
    let ports: Value = serde_json::from_slice(&ports).ok()?;
    ports["cluster"][0].as_str()?.rsplit_once(':')?.1.parse().ok()
}

/// A connection with the operator's key.
pub fn operator(runtime: &Runtime, folder: &Folder, urls: &str) -> Link {
    let login = Login::plain(&folder.key("operator").seed(), "test operator");
    runtime.block_on(stream::connect(urls, &login)).unwrap()
}

/// The messages of a ledger's stream, to be published once more.
pub fn messages(runtime: &Runtime, link: &Link) -> Vec<Outgoing> {
    runtime.block_on(async {
        let name = STREAM.into();
        let last = extent(link, STREAM).await.unwrap().last;
        let mut messages = Vec::new();
        for sequence in 1..=last {
            let found = fetch(link, &name, sequence).await.unwrap().unwrap();
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let headers = found.headers.iter().filter(|(name, _)| !name.starts_with("Nats-"));
            let headers = headers.map(|(name, value)| (name.clone(), text(value))).collect();
            messages.push(Outgoing { subject: text(&found.subject), headers, body: found.body });
        }
        messages
    })
}

impl Cluster {
    /// `jindo up` founds a ledger; what it published then goes into a stream of three replicas.
    pub fn found() -> Cluster {
        let (cluster, messages) = Cluster::bare();
        cluster.declare(&messages);
        cluster
    }

    /// The same without a stream, and what was published.
    pub fn bare() -> (Cluster, Vec<Outgoing>) {
        let runtime = Runtime::new().unwrap();
        let (before, folder) = (Folder::new(), Folder::new());
        let ledger = Ledger::up(&before);
        ledger.settled();
        let messages = messages(&runtime, &operator(&runtime, &before, &ledger.nats));
        assert!(ledger.terminate().success());
        std::fs::create_dir_all(folder.data()).unwrap();
        crate::ledger::copy_folder(&before.data().join("keys"), &folder.data().join("keys"));

        let dirs: Vec<PathBuf> = (0..SERVERS).map(|at| folder.beside(&format!("nats-{at}"))).collect();
        let pairs = (0..SERVERS).flat_map(|from| (0..SERVERS).map(move |to| [from, to]));
        let wires = pairs.filter(|[from, to]| from != to);
        let wires: Vec<Wire> = wires.map(|ends| Wire::new(&runtime, ends, dirs[ends[1]].clone())).collect();
        let run = Uuid::new_v4();
        let node = |(at, dir): (usize, PathBuf)| {
            let routes = wires.iter().filter(|wire| wire.ends[0] == at).map(|wire| wire.address.clone()).collect();
            Node { config: config(&folder, &dir, &format!("test-{run}-{at}"), routes), dir, server: None }
        };
        let nodes = dirs.into_iter().enumerate().map(node).collect();
        let founding = messages.len() as u64;
        let mut cluster = Cluster { folder, before, runtime, nodes, wires, founding };
        (0..SERVERS).for_each(|at| cluster.start(at));
        (cluster, messages)
    }

    fn declare(&self, messages: &[Outgoing]) {
        let link = self.operator(&self.urls());
        // Until the servers know each other there is no place for three replicas.
        until("the stream is declared", || self.runtime.block_on(declare(&link, STREAM, 1, 3)).ok());
        for answer in self.runtime.block_on(append(&link, STREAM, messages)) {
            answer.unwrap();
        }
    }

    /// Starts a server, where it was.
    pub fn start(&mut self, at: usize) {
        let node = &mut self.nodes[at];
        let server = self.runtime.block_on(Server::start(&node.dir, node.config.clone())).unwrap();
        node.config.port = server.url.rsplit_once(':').unwrap().1.parse().unwrap();
        node.server = Some(server);
    }

    /// Kills a server for good, as a machine that burns down.
    pub fn burn(&mut self, at: usize) {
        let server = self.nodes[at].server.take().unwrap();
        signal(server.pid().unwrap(), "-KILL");
        self.runtime.block_on(server.stop());
    }

    pub fn server(&self, at: usize) -> &Server {
        self.nodes[at].server.as_ref().unwrap()
    }

    pub fn pid(&self, at: usize) -> u32 {
        until("the server runs", || self.server(at).pid())
    }

    pub fn url(&self, at: usize) -> &str {
        &self.server(at).url
    }

    /// All of them, as `--nats` takes them.
    pub fn urls(&self) -> String {
        let running = self.nodes.iter().filter_map(|node| node.server.as_ref());
        running.map(|server| server.url.as_str()).collect::<Vec<_>>().join(",")
    }

    /// Cuts a server off from the others, or joins it to them again.
    pub fn cut(&self, at: usize, off: bool) {
        for wire in self.wires.iter().filter(|wire| wire.ends.contains(&at)) {
            wire.cut.send_replace(off);
        }
    }

    pub fn operator_key(&self) -> PathBuf {
        self.folder.data().join("keys/operator.nk")
    }

    pub fn operator(&self, urls: &str) -> Link {
        operator(&self.runtime, &self.folder, urls)
    }

    pub fn agency(&self, agency: &str, urls: &str) -> Link {
        let login = Login::agency(agency, &self.folder.key(agency).seed());
        self.runtime.block_on(stream::connect(urls, &login)).unwrap()
    }

    /// What the servers say of the stream.
    pub fn info(&self, link: &Link) -> Option<Value> {
        let asked = async { link.api(&format!("STREAM.INFO.{STREAM}"), &Value::Null).await };
        let limit = Duration::from_secs(2);
        self.runtime.block_on(async { tokio::time::timeout(limit, asked).await }).ok()?.ok()
    }

    /// The server that leads the stream.
    pub fn leader(&self, link: &Link) -> usize {
        until("the stream has a leader", || {
            let info = self.info(link)?;
            let name = info.pointer("/cluster/leader")?.as_str()?;
            self.nodes.iter().position(|node| node.config.name == name)
        })
    }

    /// Waits until every server holds everything.
    pub fn whole(&self, link: &Link) {
        until("every server has everything", || {
            let info = self.info(link)?;
            let replicas = info.pointer("/cluster/replicas")?.as_array()?;
            let current = |replica: &Value| replica["current"] == true && replica["lag"].as_u64().unwrap_or(0) == 0;
            (replicas.len() == SERVERS - 1 && replicas.iter().all(current)).then_some(())
        });
    }

    /// `jindo run` in a folder with more arguments, ready.
    pub fn run(&self, folder: &Folder, urls: &str, more: &[&str]) -> Ledger {
        self.run_at(folder, "127.0.0.1:0", urls, more)
    }

    /// The same at an address of its own.
    pub fn run_at(&self, folder: &Folder, http: &str, urls: &str, more: &[&str]) -> Ledger {
        let key = self.operator_key();
        let mut args = vec!["run", "--http", http, "--nats", urls, "--key-file", key.to_str().unwrap()];
        args.extend(more);
        Ledger::start(folder, &args)
    }
}

/// A server's configuration: one of the cluster where it has routes, else alone.
pub fn config(folder: &Folder, dir: &Path, name: &str, routes: Vec<String>) -> NatsConfig {
    let public = |name: &str| key_of(&folder.data().join("keys"), name).unwrap().public().to_owned();
    let agency = |code: &&str| AgencyUser { agency: (*code).to_owned(), key: public(code) };
    NatsConfig {
        name: name.to_owned(),
        host: "127.0.0.1".to_owned(),
        port: -1,
        store_dir: dir.join("jetstream"),
        cluster: (!routes.is_empty()).then(|| ClusterConfig {
            name: "test".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: -1,
            // Nobody listens there: servers reach each other over the wires alone.
            advertise: Some("127.0.0.1:1".to_owned()),
            routes,
            tls: None,
        }),
        ports_dir: None,
        log_file: None,
        operators: vec![public("operator")],
        agencies: AGENCIES.iter().map(agency).collect(),
        announcers: vec![public("announcer")],
        dashboards: vec![public("dashboard")],
    }
}

/// The longest time between two of the same.
#[derive(Debug, Clone, Copy)]
pub struct Pause {
    last: Instant,
    pub longest: Duration,
}

impl Pause {
    pub fn new() -> Pause {
        Pause { last: Instant::now(), longest: Duration::ZERO }
    }

    /// It happened now.
    pub fn now(&mut self, what: &str) {
        let pause = self.last.elapsed();
        if pause > Duration::from_secs(2) {
            eprintln!("{what}: a pause of {pause:?}");
        }
        self.longest = self.longest.max(pause);
        self.last = Instant::now();
    }
}

/// Waits as long as a cluster may take to elect a leader, many times over.
pub fn patience() -> Instant {
    Instant::now() + PATIENCE
}
