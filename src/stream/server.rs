//! A `nats-server` child: found, configured, watched, restarted, stopped.
//!
//! A thread of its own starts and reaps the child: the kernel ties "die with the parent" to the starting thread, so that
//! thread lives as long as the child. Never listens beyond the host of its configuration, never touches a server it
//! did not start.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use super::{NatsConfig, StreamError, config_text, connect::version_at_least};
use crate::limits::{
    NATS_HEALTHY_MS, NATS_RESTART_PAUSE_MS_MAX, NATS_RESTARTS_MAX, NATS_START_MS_MAX, NATS_STOP_MS_MAX,
    NATS_VERSION_OWN_MIN,
};

/// How often a starting child is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What the child is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerState {
    /// Listening.
    Running {
        /// Process id.
        pid: u32,
        /// How often it died since the start.
        restarts: u32,
    },
    /// Died, being started again.
    Restarting {
        /// Restarts since it last was healthy.
        attempt: u32,
        /// How it ended.
        why: String,
    },
    /// Given up.
    Failed {
        /// The last reason.
        why: String,
    },
    /// Stopped as asked.
    Stopped,
}

/// A running `nats-server`. Dropping it stops the child without waiting; [`Server::stop`] waits.
#[derive(Debug)]
pub struct Server {
    /// `nats://127.0.0.1:<port>`.
    pub url: String,
    shared: Arc<Shared>,
    state: watch::Receiver<ServerState>,
    commands: mpsc::Sender<()>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    binary: PathBuf,
    dir: PathBuf,
    config: Mutex<NatsConfig>,
    pid: Mutex<Option<u32>>,
}

impl Server {
    /// Writes `dir/nats.conf` and starts the child; returns once it listens. `config.ports_dir` and `config.log_file` are
    /// set to places in `dir` where they are `None`. A child left over from a killed parent is stopped first.
    ///
    /// # Errors
    /// [`StreamError::NoServer`], [`StreamError::Config`], [`StreamError::Start`], [`StreamError::Io`].
    pub async fn start(dir: &Path, mut config: NatsConfig) -> Result<Server, StreamError> {
        let found = find(None)?;
        fs::create_dir_all(dir).map_err(StreamError::io(format!("create {}", dir.display())))?;
        let dir = fs::canonicalize(dir).map_err(StreamError::io(format!("open {}", dir.display())))?;
        config.ports_dir.get_or_insert_with(|| dir.clone());
        config.log_file.get_or_insert_with(|| dir.join("nats-server.log"));
        let shared = Arc::new(Shared { binary: found.path, dir, config: Mutex::new(config), pid: Mutex::new(None) });
        let (state_tx, state) = watch::channel(ServerState::Stopped);
        let (commands, stop) = mpsc::channel();
        let (ready_tx, ready) = oneshot::channel();
        let thread = {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new()
                .name("nats-server".to_owned())
                .spawn(move || supervise(&shared, &state_tx, &stop, ready_tx))
                .map_err(StreamError::io("start the thread that watches nats-server"))?
        };
        let url = ready.await.unwrap_or_else(|_| {
            Err(StreamError::Start { why: "its watcher ended".to_owned(), log: "none".to_owned() })
        })?;
        Ok(Server { url, shared, state, commands, thread: Some(thread) })
    }

    /// Follows what the child is doing.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<ServerState> {
        self.state.clone()
    }

    /// Process id of the child, while there is one.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        *lock(&self.shared.pid)
    }

    /// Rewrites users (new agencies, new keys, dashboards) and has the child take them without a restart.
    ///
    /// # Errors
    /// [`StreamError::Config`], [`StreamError::Io`].
    pub fn reload(&self, change: impl FnOnce(&mut NatsConfig)) -> Result<(), StreamError> {
        let mut config = lock(&self.shared.config);
        let mut changed = config.clone();
        change(&mut changed);
        // Where it listens and stores cannot change under a running server.
        changed.host.clone_from(&config.host);
        changed.store_dir.clone_from(&config.store_dir);
        changed.name.clone_from(&config.name);
        changed.port = config.port;
        write_config(&self.shared.dir, &changed)?;
        *config = changed;
        drop(config);
        match self.pid() {
            // A child that is being restarted reads the new file anyway.
            None => Ok(()),
            Some(pid) => signal(pid, Signal::HUP).map_err(StreamError::io("tell nats-server to reload")),
        }
    }

    /// Stops the child: asks, waits, then kills.
    pub async fn stop(mut self) {
        let _ = self.commands.send(());
        if let Some(thread) = self.thread.take() {
            // Joining is quick or bounded by `NATS_STOP_MS_MAX`; a join error means the watcher is gone already.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A blocked drop would stall an async caller; the watcher thread ends the child by itself.
        let _ = self.commands.send(());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn signal(pid: u32, signal: Signal) -> std::io::Result<()> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(std::io::ErrorKind::InvalidInput)?;
    kill_process(pid, signal).map_err(Into::into)
}

/// A `nats-server` and its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binary {
    /// Path.
    pub path: PathBuf,
    /// `2.15.1`.
    pub version: String,
}

/// Finds a `nats-server` recent enough: `explicit`, else `JINDO_NATS_SERVER`, else the PATH, else `.cache/nats-server` in
/// the working directory or beside the `target` folder this program runs from.
///
/// # Errors
/// [`StreamError::NoServer`] with what was tried.
pub fn find(explicit: Option<&Path>) -> Result<Binary, StreamError> {
    let mut candidates: Vec<PathBuf> = Vec::new();
    match (explicit, std::env::var_os("JINDO_NATS_SERVER").filter(|v| !v.is_empty())) {
        // A server named on purpose is used or reported, never passed over silently.
        (Some(path), _) => candidates.push(path.to_owned()),
        (None, Some(path)) => candidates.push(path.into()),
        (None, None) => {
            let path = std::env::var_os("PATH").unwrap_or_default();
            candidates.extend(std::env::split_paths(&path).map(|dir| dir.join("nats-server")).filter(|p| p.is_file()));
            candidates.push(".cache/nats-server".into());
            if let Ok(me) = std::env::current_exe() {
                candidates.extend(me.ancestors().skip(1).take(4).map(|dir| dir.join(".cache/nats-server")));
            }
        }
    }
    let mut tried = Vec::new();
    for path in candidates {
        match version(&path) {
            Ok(found) if version_at_least(&found, NATS_VERSION_OWN_MIN) => {
                return Ok(Binary { path: absolute(path), version: found });
            }
            Ok(found) => tried.push(format!("{} is {found}", path.display())),
            Err(why) => tried.push(format!("{}: {why}", path.display())),
        }
    }
    let (major, minor) = NATS_VERSION_OWN_MIN;
    Err(StreamError::NoServer { needed: format!("{major}.{minor}"), tried: tried.join("; ") })
}

fn absolute(path: PathBuf) -> PathBuf {
    fs::canonicalize(&path).unwrap_or(path)
}

/// `nats-server --version` prints `nats-server: v2.15.1`.
fn version(path: &Path) -> Result<String, String> {
    if !path.is_file() {
        return Err("no such file".to_owned());
    }
    let out = Command::new(path).arg("--version").stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&out.stdout);
    text.rsplit_once('v').map(|(_, v)| v.trim().to_owned()).ok_or_else(|| "does not tell its version".to_owned())
}

fn write_config(dir: &Path, config: &NatsConfig) -> Result<PathBuf, StreamError> {
    let text = config_text(config)?;
    let (path, new) = (dir.join("nats.conf"), dir.join("nats.conf.new"));
    fs::write(&new, text).map_err(StreamError::io(format!("write {}", new.display())))?;
    fs::rename(&new, &path).map_err(StreamError::io(format!("write {}", path.display())))?;
    Ok(path)
}

type Ready = oneshot::Sender<Result<String, StreamError>>;

/// The watcher: start, wait, restart with growing pauses, until asked to stop or out of attempts.
fn supervise(shared: &Shared, state: &watch::Sender<ServerState>, stop: &mpsc::Receiver<()>, ready: Ready) {
    let mut ready = Some(ready);
    let (mut attempt, mut restarts) = (0u32, 0u32);
    if let Err(error) = end_leftover(&shared.dir) {
        tracing::warn!(%error, "a nats-server left over from an earlier run could not be stopped");
    }
    loop {
        let began = Instant::now();
        let why = match launch(shared) {
            Ok((mut child, url)) => {
                *lock(&shared.pid) = Some(child.id());
                state.send_replace(ServerState::Running { pid: child.id(), restarts });
                if let Some(ready) = ready.take() {
                    // The starter gave up waiting: nobody wants this server.
                    if ready.send(Ok(url)).is_err() {
                        end(&mut child);
                        return;
                    }
                }
                let ended = watch_child(&mut child, stop);
                *lock(&shared.pid) = None;
                match ended {
                    None => {
                        state.send_replace(ServerState::Stopped);
                        return;
                    }
                    Some(why) => why,
                }
            }
            Err(error) => {
                if let Some(ready) = ready.take() {
                    state.send_replace(ServerState::Failed { why: error.to_string() });
                    let _ = ready.send(Err(error));
                    return;
                }
                error.to_string()
            }
        };
        attempt = if began.elapsed() > Duration::from_millis(NATS_HEALTHY_MS) { 1 } else { attempt + 1 };
        restarts += 1;
        if attempt > NATS_RESTARTS_MAX {
            tracing::error!(%why, "nats-server keeps dying; given up");
            state.send_replace(ServerState::Failed { why });
            return;
        }
        tracing::warn!(%why, attempt, "nats-server ended by itself; starting it again");
        state.send_replace(ServerState::Restarting { attempt, why });
        let pause = Duration::from_millis((50u64 << attempt.min(10)).min(NATS_RESTART_PAUSE_MS_MAX));
        match stop.recv_timeout(pause) {
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                state.send_replace(ServerState::Stopped);
                return;
            }
        }
    }
}

/// Waits until the child ends (how) or a stop is asked for (`None`, the child ended).
fn watch_child(child: &mut Child, stop: &mpsc::Receiver<()>) -> Option<String> {
    loop {
        match stop.recv_timeout(Duration::from_millis(50)) {
            Err(mpsc::RecvTimeoutError::Timeout) => match child.try_wait() {
                Ok(None) => {}
                Ok(Some(status)) => return Some(status.to_string()),
                Err(error) => return Some(error.to_string()),
            },
            Ok(()) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                end(child);
                return None;
            }
        }
    }
}

/// SIGTERM, wait, SIGKILL.
fn end(child: &mut Child) {
    let _ = signal(child.id(), Signal::TERM);
    let deadline = Instant::now() + Duration::from_millis(NATS_STOP_MS_MAX);
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(LOOK_EVERY),
            _ => return,
        }
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Starts the child and waits until it answers on its port as the server we named. The port is kept for restarts, so
/// that clients find it again.
fn launch(shared: &Shared) -> Result<(Child, String), StreamError> {
    let config = lock(&shared.config).clone();
    let log = config.log_file.clone().unwrap_or_default();
    let failed = |why: String| StreamError::Start { why, log: log.display().to_string() };
    let path = write_config(&shared.dir, &config)?;
    // What it says before its log is open: mistakes in the configuration.
    let early = shared.dir.join("nats-server.err");
    let stderr = fs::File::create(&early).map_err(StreamError::io(format!("write {}", early.display())))?;
    let mut child = command(&shared.binary)
        .arg("-c")
        .arg(&path)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(stderr)
        .spawn()
        .map_err(StreamError::io(format!("start {}", shared.binary.display())))?;
    let pid_file = shared.dir.join("nats-server.pid");
    fs::write(&pid_file, child.id().to_string()).map_err(StreamError::io(format!("write {}", pid_file.display())))?;
    let ports = config.ports_dir.clone().unwrap_or_else(|| shared.dir.clone());
    let ports = ports.join(format!("nats-server_{}.ports", child.id()));
    let deadline = Instant::now() + Duration::from_millis(NATS_START_MS_MAX);
    loop {
        if let Ok(Some(status)) = child.try_wait() {
            return Err(failed(format!("it ended with {status}{}", why_ended(&early, &log))));
        }
        let port = if config.port > 0 { u16::try_from(config.port).ok() } else { port_from(&ports) };
        if let Some(port) = port
            && answers(&config.host, port, &config.name)
        {
            lock(&shared.config).port = i32::from(port);
            return Ok((child, format!("nats://{}:{port}", config.host)));
        }
        if Instant::now() > deadline {
            end(&mut child);
            return Err(failed("it does not answer on its port".to_owned()));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

/// `setpriv --pdeathsig` has the kernel end the child when we are killed; without it the next start ends a leftover.
fn command(binary: &Path) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    match std::env::split_paths(&path).map(|dir| dir.join("setpriv")).find(|p| p.is_file()) {
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "TERM", "--"]).arg(binary);
            command
        }
        None => Command::new(binary),
    }
}

/// The line that says why, from what it printed or logged.
fn why_ended(early: &Path, log: &Path) -> String {
    let read = |path| fs::read(path).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default();
    let (early, log) = (read(early), read(log));
    let line = early.lines().rfind(|line| !line.trim().is_empty());
    match line.or_else(|| log.lines().rfind(|line| line.contains("[FTL]") || line.contains("[ERR]"))) {
        Some(line) => format!(": {line}"),
        None => String::new(),
    }
}

/// The ports file: `{"nats":["nats://127.0.0.1:41234"],…}`.
fn port_from(path: &Path) -> Option<u16> {
    let value: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let url = value.get("nats")?.get(0)?.as_str()?;
    url.rsplit_once(':')?.1.parse().ok()
}

/// Whether the server at this port is the one we named: its `INFO` line says so.
fn answers(host: &str, port: u16, name: &str) -> bool {
    let Ok(stream) = TcpStream::connect((host, port)) else { return false };
    if stream.set_read_timeout(Some(Duration::from_secs(1))).is_err() {
        return false;
    }
    let mut line = String::new();
    if BufReader::new(stream).read_line(&mut line).is_err() {
        return false;
    }
    let info: Option<Value> = line.strip_prefix("INFO ").and_then(|json| serde_json::from_str(json).ok());
    info.is_some_and(|info| info.get("server_name").and_then(Value::as_str) == Some(name))
}

/// Stops the child of a parent that was killed before it could: the process named in the pid file, if it runs with our
/// configuration file.
fn end_leftover(dir: &Path) -> std::io::Result<()> {
    let Ok(text) = fs::read_to_string(dir.join("nats-server.pid")) else { return Ok(()) };
    let Ok(pid) = text.trim().parse::<u32>() else { return Ok(()) };
    let conf = dir.join("nats.conf");
    let ours = |pid: u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|b| *b == 0).any(|arg| arg == conf.as_os_str().as_encoded_bytes())
    };
    if !ours(pid) {
        return Ok(());
    }
    tracing::warn!(pid, "stopping a nats-server left over from an earlier run");
    signal(pid, Signal::TERM)?;
    let deadline = Instant::now() + Duration::from_millis(NATS_STOP_MS_MAX);
    let alive = |pid: u32| {
        let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else { return false };
        test_kill_process(raw).is_ok() && ours(pid)
    };
    while alive(pid) && Instant::now() < deadline {
        std::thread::sleep(LOOK_EVERY);
    }
    if alive(pid) { signal(pid, Signal::KILL) } else { Ok(()) }
}
