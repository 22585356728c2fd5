//! `jindo up`: everything on one machine. A supervised nats-server, the ledger, catalogue and facts, projector, HTTP.
//!
//! The story: keys, nats-server, stream, projector, HTTP, founding, the ready line, then wait for a signal and stop in the
//! opposite order. Listens on loopback unless told otherwise.

mod demo;
mod found;
mod users;
pub(super) mod witnesses;

pub(super) use found::write_running;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use self::users::Users;
use super::Context;
use super::exit::{Exit, could, file};
use super::ledger::Running;
use crate::event::subject::OWN_KEYS;
use crate::log::publish::Fence;
use crate::log::tail::TailFault;
use crate::projector::beat::{Beat, ReadKeys};
use crate::projector::bootstrap::{BootstrapError, key_of, log_keys};
use crate::projector::core::Core;
use crate::projector::halt::Halt;
use crate::projector::remind::{self, webhook::Webhook};
use crate::projector::run::{self, Ledger, Projector};
use crate::projector::{Health, Shared, announce, service};
use crate::serve::descriptors::{connections, raise};
use crate::serve::intake::Intake;
use crate::serve::{self, live::Live};
use crate::sign::KeyPair;
use crate::stream::config::{AgencyUser, NatsConfig};
use crate::stream::fence::NatsFence;
use crate::stream::read;
use crate::stream::roam::roam;
use crate::stream::server::Server;
use crate::stream::{Finding, Link, Login, Past, ReadError, StreamError, connect, declare, stream_name, succession};

/// Start everything on this machine
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jindo up                                  ledger in ./data, HTTP on 127.0.0.1:8180
  jindo up --data /srv/jindo --http 127.0.0.1:0
  jindo up --data ./demo --demo             with simulated agencies, marked simulated everywhere

Prints one line `ready http=<url> nats=<url>` when catalogue and facts are folded. Ctrl-C stops it cleanly.")]
pub struct Args {
    /// Address of HTTP; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:8180", value_name = "ADDR")]
    http: SocketAddr,
    /// Port of NATS on 127.0.0.1; 0 takes any free one
    #[arg(long, default_value_t = 4222, allow_negative_numbers = true, value_name = "PORT")]
    nats_port: i32,
    /// Origin of a new ledger, signed into every report
    #[arg(long, default_value = "jindo.local/motie-2026", value_name = "ORIGIN")]
    origin: String,
    /// Catalogue [default: the work plan of 2026, built in]
    #[arg(long, value_name = "FILE")]
    catalogue: Option<PathBuf>,
    /// Public facts as NDJSON [default: those of the work plan, built in]
    #[arg(long, value_name = "FILE")]
    facts: Option<PathBuf>,
    /// Reason for targets or definitions that the catalogue changes
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Witnesses that must cosign checkpoints, a C2SP tlog-policy [default: DIR/witnesses.policy, where it exists]
    #[arg(long, value_name = "FILE")]
    witnesses: Option<PathBuf>,
    /// Address that reminders are sent to, signed with DIR/keys/webhook.secret
    #[arg(long, env = "JINDO_WEBHOOK", hide_env_values = true, value_name = "URL")]
    webhook: Option<String>,
    /// Also play simulated agencies; only in a new data folder
    #[arg(long)]
    demo: bool,
}

/// Runs until a signal.
///
/// # Errors
/// What could not be started, and why.
pub fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    super::runtime()?.block_on(up(&args, context))
}

async fn up(args: &Args, context: &Context) -> anyhow::Result<Exit> {
    let data = &context.data;
    for folder in ["keys", "log", "nats", "outbox"] {
        let path = data.join(folder);
        std::fs::create_dir_all(&path).map_err(|error| file(&path, &error))?;
    }
    let plan = found::Plan::read(args)?;
    let watch = witnesses::read(args.witnesses.as_deref(), data)?;
    let core = open(data)?;
    plan.suits(&core.registry(), data)?;
    let listener = listening(args.http)?;
    let users = known_users(data, &plan)?;
    let told = users.of(&core.registry());
    let server = nats(args, data, told.clone()).await?;
    let operator = key_of(&data.join("keys"), "operator")?;
    let link = operator_link(&server.url, &operator, "jindo projector").await?;
    let found = stream_of(&link, &core, None, Some(1)).await?;
    let (projector, stream) = projector(core, link, data, found).await?;
    let announcer = key_of(&data.join("keys"), "announcer")?;
    let mut tasks = attend(&server.url, &operator, Some(&announcer), &projector.shared, &stream).await?;
    tasks.extend(remind(args.webhook.as_deref(), data, &projector.shared)?);
    let founding = *projector.shared.sizes().borrow() == 0;
    let making = Beating { url: &server.url, operator: &operator, data, stream: &stream, founding, watch };
    let beat = beat(making, &projector.shared).await?;
    let gateway = Intake::new(operator_link(&server.url, &operator, "jindo gateway").await?, &stream);
    let live = Live::new(projector.shared.clone(), true).with_intake(gateway);
    let (http, stop, serving) = http(listener, live)?;
    let running = Running {
        http: format!("http://{http}"),
        nats: server.url.clone(),
        origin: String::new(),
        pid: std::process::id(),
        stream: stream.clone(),
    };
    let mut ended = Stop::listen()?;
    let founded = tokio::select! {
        biased;
        why = halted(&projector.shared) => serve_halted(data, &running, &projector.shared, &why),
        founded = found::found(&plan, data, &running, &projector.shared) => founded,
        () = ended.wait() => Err(could("시작하는 동안 중단되었습니다", "interrupted while starting").into()),
    };
    let played = match &founded {
        Ok(running) => {
            println!("ready http={} nats={}", running.http, running.nats);
            let demo =
                plan.demo.then(|| tokio::spawn(demo::play(data.clone(), running.clone(), projector.shared.clone())));
            tokio::select! {
                () = ended.wait() => {}
                () = users.follow(&server, told, &projector.shared) => {}
            }
            demo
        }
        Err(_) => None,
    };
    if let Some(played) = played {
        played.abort();
    }
    // Nobody waits any more where HTTP ended by itself.
    let _ = stop.send(true);
    let _ = serving.await;
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    let halted = projector.stop().await;
    end(beat).await;
    server.stop().await;
    let _ = std::fs::remove_file(data.join("running.json"));
    founded?;
    halted.map_err(|halt| could(format!("접수가 멈췄습니다: {halt}"), format!("intake halted: {halt}")))?;
    Ok(Exit::Ok)
}

/// Intake is halted: what is folded is served all the same, where there is anything.
fn serve_halted(data: &Path, running: &Running, shared: &Shared, why: &str) -> anyhow::Result<Running> {
    let origin = shared.registry().origin.clone();
    if origin.is_empty() {
        return Err(could(format!("접수가 멈췄습니다: {why}"), format!("intake halted: {why}")).into());
    }
    let running = Running { origin, ..running.clone() };
    write_running(data, &running)?;
    Ok(running)
}

/// The stream to read: as given, else the newest. Where the ledger is about to begin it is declared, with so many replicas;
/// `None` declares nothing. A stream that the log says something else of is a finding.
pub(super) async fn stream_of(
    link: &Link,
    core: &Core,
    given: Option<u32>,
    replicas: Option<u32>,
) -> anyhow::Result<Result<String, Finding>> {
    let last = core.size().checked_sub(1).and_then(|last| Past::entry(&core.log(), last));
    let named = last.and_then(|entry| succession::number_of(&entry.stream));
    let newest = match given {
        Some(number) => Ok(Some(stream_name(number))),
        None => succession::newest(link, named).await,
    };
    let name = match newest {
        Ok(name) => name.unwrap_or_else(|| stream_name(1)),
        Err(ReadError::Finding(finding)) => return Ok(Err(finding)),
        Err(ReadError::Stream(error)) => return Err(error.into()),
    };
    // One made anew would not hold what the log was read from.
    if core.size() > 0 && succession::stage(link, &name).await?.is_none() {
        return Ok(Err(Finding::Gone { stream: name.into() }));
    }
    if let Some(replicas) = replicas {
        declare::declare(link, &name, core.size() + 1, replicas).await?;
    }
    Ok(Ok(name))
}

/// The projector on this stream, or halted with what is wrong with it; and the stream's name.
pub(super) async fn projector(
    core: Core,
    link: Link,
    data: &Path,
    found: Result<String, Finding>,
) -> anyhow::Result<(Projector, String)> {
    let stream = found.as_ref().map_or_else(|finding| finding.stream().to_owned(), Clone::clone);
    let ledger = Ledger::in_folder(data, &stream);
    let projector = match found {
        Ok(_) => Projector::start(core, link, ledger).await?,
        Err(finding) => Projector::halted(core, ledger, finding)?,
    };
    Ok((projector, stream))
}

/// Opens log and store, telling how far folding is where it takes long.
pub(super) fn open(data: &Path) -> anyhow::Result<Core> {
    let ledger = Ledger::in_folder(data, &stream_name(1));
    let bar = super::progress::bar("folding");
    let core = run::open(&ledger, &mut |done, all| bar.set(done, all));
    bar.finish();
    Ok(core.map_err(|halt| {
        let failed = could(format!("원장을 열 수 없습니다: {halt}"), format!("the ledger cannot be opened: {halt}"));
        match (&halt, Running::in_folder(data)) {
            (Halt::Tail(TailFault::Locked(_)), Ok(Some(Running { http, nats, pid, .. }))) => failed.next(
                format!("이미 실행 중입니다: http={http} nats={nats}, 프로세스 {pid}. 그대로 쓰거나 먼저 끝내세요."),
                format!("it runs already: http={http} nats={nats}, process {pid}; use it, or stop it first"),
            ),
            _ => failed,
        }
    })?)
}

/// Who has a key in the folder.
fn known_users(data: &Path, plan: &found::Plan) -> anyhow::Result<Users> {
    let keys = data.join("keys");
    let public = |name: &str| key_of(&keys, name).map(|pair| pair.public().to_owned());
    let own = plan.agencies().map(|agency| Ok(AgencyUser { agency: agency.to_owned(), key: public(agency)? }));
    let own = own.collect::<Result<_, BootstrapError>>()?;
    Ok(Users { own, kept: OWN_KEYS.map(public).into_iter().collect::<Result<_, _>>()? })
}

async fn nats(args: &Args, data: &Path, agencies: Vec<AgencyUser>) -> anyhow::Result<Server> {
    let keys = data.join("keys");
    let public = |name: &str| key_of(&keys, name).map(|pair| pair.public().to_owned());
    let operator = public("operator")?;
    let config = NatsConfig {
        // Of this ledger alone: another one's server on this port must not be taken for ours.
        name: format!("jindo-{operator}"),
        host: "127.0.0.1".to_owned(),
        port: if args.nats_port == 0 { -1 } else { args.nats_port },
        store_dir: data.join("nats/jetstream"),
        cluster: None,
        ports_dir: None,
        log_file: None,
        operators: vec![operator],
        agencies,
        announcers: vec![public("announcer")?],
        dashboards: vec![public("dashboard")?],
    };
    std::fs::create_dir_all(&config.store_dir).map_err(|error| file(&config.store_dir, &error))?;
    let config = NatsConfig { store_dir: std::fs::canonicalize(&config.store_dir)?, ..config };
    let port = config.port;
    Ok(Server::start(&data.join("nats"), config).await.map_err(|error| {
        let failed = could(format!("NATS를 시작할 수 없습니다: {error}"), error.to_string());
        // The port is asked for only after the fact: nats-server is the one to say it is taken.
        let taken = u16::try_from(port).is_ok_and(|port| std::net::TcpListener::bind(("127.0.0.1", port)).is_err());
        match error {
            StreamError::Start { .. } if taken => failed.next(
                format!("포트 {port}를 다른 프로그램이 쓰고 있습니다. --nats-port 0이나 다른 포트를 주세요."),
                format!("another program uses port {port}: give --nats-port 0, or another port"),
            ),
            _ => failed,
        }
    })?)
}

/// A connection with a key of the projector's, which leaves a server that its cluster is gone from.
pub(super) async fn operator_link(url: &str, operator: &KeyPair, name: &str) -> anyhow::Result<Link> {
    let link = connect(url, &Login::plain(&operator.seed(), name)).await?;
    drop(roam(&link));
    Ok(link)
}

/// The status service, and announcements where there is a key for them, each on a connection of its own: strange messages
/// cut the reader's.
pub(super) async fn attend(
    url: &str,
    operator: &KeyPair,
    announcer: Option<&KeyPair>,
    shared: &Shared,
    stream: &str,
) -> anyhow::Result<Vec<tokio::task::JoinHandle<()>>> {
    let link = operator_link(url, operator, "jindo service").await?;
    // The bucket is held by as many servers as the stream is.
    let replicas = read::extent(&link, stream).await.map_or(1, |extent| extent.replicas);
    let (answering, stream) = (shared.clone(), stream.to_owned());
    let mut tasks = vec![tokio::spawn(async move {
        if let Err(error) = service::serve(link, answering, stream).await {
            tracing::error!(%error, "the status service ended");
        }
    })];
    if let Some(announcer) = announcer {
        let link = operator_link(url, announcer, "jindo announcer").await?;
        tasks.push(tokio::spawn(announce::announce(link, shared.clone(), usize::try_from(replicas).unwrap_or(1))));
    }
    Ok(tasks)
}

/// Reminders, to a webhook where one is given; listed in any case.
pub(super) fn remind(
    webhook: Option<&str>,
    data: &Path,
    shared: &Shared,
) -> anyhow::Result<Vec<tokio::task::JoinHandle<()>>> {
    let webhook = webhook.map(|url| Webhook::new(url, &data.join("keys/webhook.secret"))).transpose();
    let webhook = webhook.map_err(|why| {
        could(format!("웹훅: {why}"), format!("webhook: {why}")).next("--webhook을 고치세요.", "correct --webhook")
    })?;
    let book = data.join("reminders");
    Ok(remind::start(shared.clone(), &book, webhook).map_err(|error| file(&book, &error))?)
}

/// What the beat is made of.
pub(super) struct Beating<'a> {
    /// Address of NATS.
    pub url: &'a str,
    /// The operator's key.
    pub operator: &'a KeyPair,
    /// The data folder.
    pub data: &'a Path,
    /// Name of the stream.
    pub stream: &'a str,
    /// Whether a log key may be made.
    pub founding: bool,
    /// Whose cosignatures it takes.
    pub watch: Option<witnesses::Watch>,
}

/// The log's beat, where this machine holds a key of the log (the first is made only while founding): without it the
/// figures are served and nothing is proven.
pub(super) async fn beat(of: Beating<'_>, shared: &Shared) -> anyhow::Result<Option<Beat>> {
    let folder = of.data.join("keys");
    let failed = |error: BootstrapError| could(format!("로그 키: {error}"), format!("log key: {error}"));
    if of.founding {
        key_of(&folder, "log").map_err(failed)?;
    }
    let pairs = log_keys(&folder).map_err(failed)?;
    if pairs.is_empty() {
        tracing::warn!(folder = %folder.display(), "no log key (log.nk): no checkpoint is published here");
        return Ok(None);
    }
    let cosigners = witnesses::cosigners(of.watch, pairs.iter().map(|(_, pair)| pair))?;
    let link = operator_link(of.url, of.operator, "jindo log").await?;
    let (handle, stream) = (tokio::runtime::Handle::current(), of.stream.to_owned());
    let fence =
        Box::new(move |origin: &str| -> Box<dyn Fence> { Box::new(NatsFence::new(handle, link, &stream, origin)) });
    let keys: ReadKeys = Box::new(move || {
        let pairs = log_keys(&folder).map_err(|error| error.to_string())?;
        Ok(pairs.into_iter().map(|(_, pair)| Arc::new(pair)).collect())
    });
    Ok(Some(Beat::start(shared.clone(), &of.data.join("log"), keys, fence, cosigners)?))
}

/// The checkpoints of the writer, on a read replica.
pub(super) async fn follow(
    url: &str,
    operator: &KeyPair,
    data: &Path,
    stream: &str,
    shared: &Shared,
) -> anyhow::Result<Option<Beat>> {
    let link = operator_link(url, operator, "jindo log, following").await?;
    let (handle, stream) = (tokio::runtime::Handle::current(), stream.to_owned());
    let fence = Box::new(move |origin: &str| -> Box<dyn Fence> {
        Box::new(NatsFence::new(handle, link, &stream, origin).looking())
    });
    Ok(Some(Beat::follow(shared.clone(), &data.join("log"), fence)?))
}

/// Ends the beat on a thread that may block.
pub(super) async fn end(beat: Option<Beat>) {
    if let Some(beat) = beat {
        let _ = tokio::task::spawn_blocking(move || beat.stop()).await;
    }
}

type Serving = (SocketAddr, watch::Sender<bool>, tokio::task::JoinHandle<std::io::Result<()>>);

/// The address of HTTP, taken before anything is started that would have to be stopped again.
pub(super) fn listening(address: SocketAddr) -> anyhow::Result<TcpListener> {
    Ok(serve::listen(address).map_err(|error| {
        could(format!("HTTP 주소 {address}: {error}"), format!("HTTP address {address}: {error}"))
            .next("다른 주소를 --http로 주세요.", "give another one with --http")
    })?)
}

/// HTTP on its own task.
pub(super) fn http(listener: TcpListener, live: Live) -> anyhow::Result<Serving> {
    let bound = listener.local_addr()?;
    let config = serve::Config { connections_max: connections(raise()), ..serve::Config::default() };
    let (stop, mut stopped) = watch::channel(false);
    let ended = async move {
        // Closed means the server's owner is gone: stop as well.
        let _ = stopped.changed().await;
    };
    let serving = tokio::spawn(serve::serve(listener, Arc::new(live), config, ended));
    Ok((bound, stop, serving))
}

async fn halted(shared: &Shared) -> String {
    let mut health = shared.health();
    match health.wait_for(|health| matches!(health, Health::Halted(_))).await.as_deref() {
        Ok(Health::Halted(why)) => why.clone(),
        _ => String::new(),
    }
}

/// Ctrl-C and SIGTERM from its making on: one that arrives while nobody waits is kept, not lost.
pub(super) struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Listens from now on.
    pub(super) fn listen() -> anyhow::Result<Self> {
        Ok(Stop { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for one.
    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
