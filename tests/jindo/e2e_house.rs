//! What the end-to-end tests share: the built `jindo` as processes of its own, found and ended by their own ids.
//!
//! Never takes a fixed port, never waits without a deadline, never ends a process that it did not start.
#![allow(dead_code)]

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use jindo::sign::KeyPair;
use serde_json::Value;
use tempfile::TempDir;

/// How long a test waits for something that must happen; generous, because the machine may be busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// The built program with nothing of the caller's environment that it listens to.
pub fn jindo() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jindo"));
    for name in ["JINDO_DATA", "JINDO_LEDGER", "JINDO_NATS", "JINDO_AGENCY", "JINDO_KEY_FILE", "RUST_LOG", "LC_ALL"] {
        command.env_remove(name);
    }
    command.env("LANG", "C.UTF-8").stdin(Stdio::null());
    command
}

/// Asks again and again until there is an answer.
///
/// # Panics
/// Once the patience is at its end.
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// An answer without what depends on how far checkpoints have come.
pub fn without_proof(mut view: Value) -> Value {
    match &mut view {
        Value::Object(fields) => {
            fields.remove("proven_size");
            fields.values_mut().for_each(|field| *field = without_proof(field.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = without_proof(item.take())),
        _ => {}
    }
    view
}

/// A data folder of its own.
pub struct Folder {
    dir: TempDir,
}

impl Folder {
    pub fn new() -> Folder {
        Folder { dir: TempDir::new().unwrap() }
    }

    /// `--data`.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A file beside the data.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A key of the ledger.
    pub fn key(&self, name: &str) -> KeyPair {
        KeyPair::load(&self.data().join("keys").join(format!("{name}.nk"))).unwrap()
    }

    /// Runs a verb on this data folder to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        jindo().args(args).arg("--data").arg(self.data()).output().unwrap()
    }

    /// Runs a verb with `--json`; its exit code and what it said.
    pub fn json(&self, args: &[&str]) -> (i32, Value) {
        let out = jindo().args(args).args(["--json", "--data"]).arg(self.data()).output().unwrap();
        let told = String::from_utf8_lossy(&out.stderr);
        let value = serde_json::from_slice(&out.stdout).unwrap_or_else(|error| panic!("{args:?}: {error}: {told}"));
        (out.status.code().unwrap(), value)
    }
}

/// `jindo up` or `jindo run`, ready.
pub struct Ledger {
    child: Child,
    data: PathBuf,
    errors: PathBuf,
    /// `http://127.0.0.1:<port>`.
    pub http: String,
    /// `nats://127.0.0.1:<port>`.
    pub nats: String,
    /// Everything it said on standard output, as it says it.
    said: mpsc::Receiver<String>,
}

impl Ledger {
    /// `jindo up` on free ports.
    pub fn up(folder: &Folder) -> Ledger {
        Ledger::up_with(folder, &[])
    }

    /// `jindo up` on free ports, with more arguments.
    pub fn up_with(folder: &Folder, more: &[&str]) -> Ledger {
        let mut args = vec!["up", "--http", "127.0.0.1:0", "--nats-port", "-1"];
        args.extend(more);
        Ledger::start(folder, &args)
    }

    /// `jindo up` again on the address that it had.
    pub fn up_at(folder: &Folder, http: &str) -> Ledger {
        Ledger::start(folder, &["up", "--http", http, "--nats-port", "-1"])
    }

    /// `jindo up` on free ports, in an environment with this added.
    pub fn up_in(folder: &Folder, environment: &[(&str, &str)]) -> Ledger {
        let (child, errors) = spawn(folder, &["up", "--http", "127.0.0.1:0", "--nats-port", "-1"], environment);
        Ledger::wait(folder, child, errors)
    }

    /// `jindo run` against a NATS.
    pub fn beside(folder: &Folder, nats: &str, key: &Path) -> Ledger {
        let key = key.to_str().unwrap();
        Ledger::start(folder, &["run", "--http", "127.0.0.1:0", "--nats", nats, "--key-file", key])
    }

    /// Any verb that prints a ready line.
    pub fn start(folder: &Folder, args: &[&str]) -> Ledger {
        let (child, errors) = spawn(folder, args, &[]);
        Ledger::wait(folder, child, errors)
    }

    fn wait(folder: &Folder, mut child: Child, errors: PathBuf) -> Ledger {
        let (tell, said) = mpsc::channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        let mut ledger = Ledger { child, data: folder.data(), errors, http: String::new(), nats: String::new(), said };
        // The database prints a line of its own where its files are damaged.
        let line = loop {
            let line = ledger.said.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("not ready: {}", ledger.errors()));
            if !line.starts_with("failed to read ") {
                break line;
            }
        };
        let words: Vec<&str> = line.split(' ').collect();
        let ["ready", http, nats] = words[..] else { panic!("no ready line: {line}") };
        ledger.http = http.strip_prefix("http=").unwrap().to_owned();
        ledger.nats = nats.strip_prefix("nats=").unwrap().to_owned();
        ledger
    }

    /// What it said on standard error.
    pub fn errors(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap_or_default()
    }

    /// Lines on standard output after the ready line, so far.
    pub fn said_more(&self) -> Vec<String> {
        self.said.try_iter().collect()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process id of its `nats-server`, as the pid file tells.
    pub fn nats_pid(&self) -> u32 {
        std::fs::read_to_string(self.data.join("nats/nats-server.pid")).unwrap().trim().parse().unwrap()
    }

    /// GET: status and JSON.
    pub fn get(&self, path: &str) -> (u16, Value) {
        self.try_get(path).unwrap_or_else(|error| panic!("{path}: {error}: {}", self.errors()))
    }

    /// GET, where it may be dead.
    pub fn try_get(&self, path: &str) -> Result<(u16, Value), String> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_secs(30)))
            .http_status_as_error(false)
            .build()
            .into();
        let mut answer = agent.get(format!("{}{path}", self.http)).call().map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(64 << 20).read_to_vec().map_err(|error| error.to_string())?;
        serde_json::from_slice(&body).map(|value| (status, value)).map_err(|error| error.to_string())
    }

    /// An indicator, as of now.
    pub fn indicator(&self, id: &str) -> Value {
        let (status, value) = self.get(&format!("/v1/indicators/{id}"));
        assert_eq!(status, 200, "{value}");
        value
    }

    /// Entries folded.
    pub fn size(&self) -> u64 {
        self.get("/healthz").1["size"].as_u64().unwrap()
    }

    /// Waits until it is caught up; the size then.
    pub fn settled(&self) -> u64 {
        until("caught up", || {
            let (status, health) = self.get("/readyz");
            (status == 200).then(|| health["size"].as_u64().unwrap())
        })
    }

    /// Waits until everything is folded and proven by a checkpoint; the size then.
    pub fn proven(&self) -> u64 {
        until("proven", || {
            let (status, health) = self.get("/readyz");
            (status == 200 && health["proven_size"] == health["size"]).then(|| health["size"].as_u64().unwrap())
        })
    }

    /// As [`Ledger::proven`], of so many entries at least: what was acknowledged last may not have been read yet.
    pub fn proven_to(&self, newest: u64) -> u64 {
        until("what was acknowledged", || Some(self.proven()).filter(|size| *size >= newest))
    }

    /// Waits until exactly so many entries are folded, as long as there are more and more of them.
    pub fn folds(&self, size: u64) {
        let mut held = 0;
        while held < size {
            held = until("more entries", || Some(self.size()).filter(|now| *now > held));
        }
        assert_eq!(self.settled(), size);
    }

    /// SIGKILL, and its `nats-server` is gone.
    pub fn kill(mut self) {
        self.end();
    }

    /// SIGTERM; how it ended, with its `nats-server` gone.
    pub fn terminate(mut self) -> ExitStatus {
        signal(self.pid(), "-TERM");
        let nats = self.data.join("nats/nats-server.pid");
        let nats = std::fs::read_to_string(nats).ok().and_then(|text| text.trim().parse::<u32>().ok());
        let status = until("stopped", || self.child.try_wait().unwrap());
        if let Some(nats) = nats {
            assert!(!is_nats_of(nats, &self.data), "nats-server {nats} outlived a clean stop");
        }
        status
    }

    fn end(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let pid = std::fs::read_to_string(self.data.join("nats/nats-server.pid"));
        let Some(pid) = pid.ok().and_then(|text| text.trim().parse::<u32>().ok()) else { return };
        let deadline = Instant::now() + Duration::from_secs(10);
        // The kernel tells it that its parent is gone; where it does not listen, by its own id.
        while is_nats_of(pid, &self.data) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        if is_nats_of(pid, &self.data) {
            signal(pid, "-KILL");
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            eprintln!("--- what the ledger said ---\n{}", self.errors());
        }
    }
}

fn spawn(folder: &Folder, args: &[&str], environment: &[(&str, &str)]) -> (Child, PathBuf) {
    let errors = folder.beside("ledger.err");
    let log = File::options().create(true).append(true).open(&errors).unwrap();
    let mut command = jindo();
    command.args(args).arg("--data").arg(folder.data()).envs(environment.iter().copied());
    let child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
    (child, errors)
}

/// Whether the process is the `nats-server` of this data folder: its command line names the configuration there.
fn is_nats_of(pid: u32, data: &Path) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let conf = data.join("nats/nats.conf");
    line.split(|byte| *byte == 0).any(|arg| arg == conf.as_os_str().as_encoded_bytes())
}

/// Sends a signal to one process.
pub fn signal(pid: u32, name: &str) {
    // A process that is gone already is as good as ended.
    let _ = Command::new("kill").args([name, &pid.to_string()]).stderr(Stdio::null()).status();
}

/// A child that is killed when the test ends, however it ends.
pub struct Guard(pub Child);

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
