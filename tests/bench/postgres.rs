//! What a user would pick instead: PostgreSQL 15, one SQL function per call that inserts a batch of events (unique id,
//! JSONB) and upserts totals. A private cluster on a Unix socket, default durability; no signatures, no schema check, no
//! history, no proofs. Spoken to by a prepared statement over the wire protocol, so no client stands in between.

use std::io::{self, BufReader, Read, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Larger memory and WAL than the defaults; durability as it ships (`fsync`, `synchronous_commit`).
const SETTINGS: [&str; 7] = [
    "listen_addresses=",
    "shared_buffers=1GB",
    "max_wal_size=8GB",
    "checkpoint_timeout=15min",
    "wal_buffers=64MB",
    "autovacuum=on",
    "unix_socket_permissions=0777",
];

/// Ids and totals are taken in order: two connections must not wait for each other.
const SCHEMA: &str = "
CREATE TABLE event (id uuid PRIMARY KEY, body jsonb NOT NULL);
CREATE TABLE total (kind text, region text, amount numeric NOT NULL, events bigint NOT NULL, PRIMARY KEY (kind, region));
CREATE FUNCTION ingest(batch jsonb) RETURNS bigint LANGUAGE sql AS $$
  WITH fresh AS (
    INSERT INTO event (id, body) SELECT (item->>'id')::uuid, item FROM jsonb_array_elements(batch) item
    ORDER BY 1 ON CONFLICT DO NOTHING RETURNING body
  ), moved AS (
    INSERT INTO total AS held (kind, region, amount, events)
    SELECT body->>'type', coalesce(body->'data'->>'region', ''),
      sum(coalesce((body->'data'->>'amount')::numeric, (body->'data'->>'count')::numeric, 1)), count(*)
    FROM fresh GROUP BY 1, 2 ORDER BY 1, 2
    ON CONFLICT (kind, region) DO UPDATE SET amount = held.amount + excluded.amount, events = held.events + excluded.events
  )
  SELECT count(*) FROM fresh
$$;
CREATE FUNCTION report(batch jsonb) RETURNS bigint LANGUAGE sql AS $$
  SELECT pg_notify('progress', '');
  SELECT ingest(batch)
$$;";

/// A private cluster.
pub struct Postgres {
    child: Child,
    socket: PathBuf,
    /// As it tells it.
    pub version: String,
    _folder: tempfile::TempDir,
}

impl Postgres {
    /// Makes and starts one.
    ///
    /// # Errors
    /// Why there is none to measure.
    pub fn start() -> Result<Self, String> {
        let bin = find()?;
        let version =
            Command::new(bin.join("postgres")).arg("--version").output().map_err(|error| error.to_string())?;
        let version = String::from_utf8_lossy(&version.stdout).trim().replace("postgres (PostgreSQL)", "PostgreSQL");
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let user = owner(folder.path())?;
        let as_user = |program: &str| {
            let mut command = Command::new(bin.join(program));
            command.current_dir(folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            if let Some((uid, gid)) = user {
                command.uid(uid).gid(gid);
            }
            command
        };
        let data = folder.path().join("data");
        let made = as_user("initdb")
            .args(["--auth=trust", "--username=bench", "--encoding=UTF8", "--locale=C", "-D"])
            .arg(&data)
            .status()
            .map_err(|error| error.to_string())?;
        if !made.success() {
            return Err(format!("initdb failed: {made}"));
        }
        let mut server = as_user("postgres");
        server.arg("-D").arg(&data).arg("-k").arg(folder.path());
        server.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        let child = server.spawn().map_err(|error| error.to_string())?;
        let socket = folder.path().join(".s.PGSQL.5432");
        let mut postgres = Postgres { child, socket, version, _folder: folder };
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut client = loop {
            match Client::connect(&postgres.socket) {
                Ok(client) => break client,
                Err(error)
                    if Instant::now() > deadline || postgres.child.try_wait().is_ok_and(|ended| ended.is_some()) =>
                {
                    return Err(format!("it does not answer: {error}"));
                }
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        client.query(SCHEMA).map_err(|error| error.to_string())?;
        Ok(postgres)
    }

    /// Ingests batches (JSON arrays) over as many connections as given lists; events per second, and how many were new.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub fn ingest(&self, lists: &[Vec<String>], events: u64) -> Result<(f64, u64), String> {
        let mut clients = Vec::new();
        for _ in lists {
            let mut client = Client::connect(&self.socket).map_err(|error| error.to_string())?;
            client.prepare("SELECT ingest($1::jsonb)").map_err(|error| error.to_string())?;
            clients.push(client);
        }
        let start = Instant::now();
        let fresh: io::Result<u64> = std::thread::scope(|scope| {
            let work = |(mut client, list): (Client, &Vec<String>)| {
                list.iter().map(|batch| client.ingest(batch)).sum::<io::Result<u64>>()
            };
            let threads: Vec<_> = clients.into_iter().zip(lists).map(|job| scope.spawn(move || work(job))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a client")).sum()
        });
        let rate = events as f64 / start.elapsed().as_secs_f64();
        fresh.map(|fresh| (rate, fresh)).map_err(|error| error.to_string())
    }

    /// Milliseconds from before a report is sent until another connection that listens is told of its commit, ascending; one
    /// report at a time, a pause before each.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub fn notify(&self, reports: &[String], pause: Duration) -> Result<Vec<f64>, String> {
        let connect = || Client::connect(&self.socket);
        let run = || -> io::Result<Vec<f64>> {
            let (mut listener, mut client) = (connect()?, connect()?);
            listener.query("LISTEN progress")?;
            client.prepare("SELECT report($1::jsonb)")?;
            let mut times = Vec::with_capacity(reports.len());
            for report in reports {
                std::thread::sleep(pause);
                let start = Instant::now();
                std::thread::scope(|scope| {
                    let told = scope.spawn(|| listener.notified().map(|()| start.elapsed()));
                    client.ingest(report)?;
                    let took = told.join().expect("the listener")?;
                    times.push(took.as_secs_f64() * 1e3);
                    io::Result::Ok(())
                })?;
            }
            times.sort_unstable_by(f64::total_cmp);
            Ok(times)
        };
        run().map_err(|error| error.to_string())
    }

    /// Makes an empty database; the folder its server's socket is in.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub fn database(&self, name: &str) -> Result<&Path, String> {
        let made =
            Client::connect(&self.socket).and_then(|mut client| client.query(&format!("CREATE DATABASE {name}")));
        made.map_err(|error| error.to_string())?;
        self.socket.parent().ok_or_else(|| "the socket is in no folder".to_owned())
    }

    /// Empties the tables, so that a second run finds what the first did.
    ///
    /// # Errors
    /// What PostgreSQL says.
    pub fn clear(&self) -> Result<(), String> {
        let clear =
            Client::connect(&self.socket).and_then(|mut client| client.query("TRUNCATE event, total; CHECKPOINT"));
        clear.map_err(|error| error.to_string())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Fast shutdown: SIGINT to the one process started here.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::INT);
        }
        let _ = self.child.wait();
    }
}

fn find() -> Result<PathBuf, String> {
    let fixed = PathBuf::from("/usr/lib/postgresql/15/bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::iter::once(fixed).chain(std::env::split_paths(&path)).find(|bin| {
        let version = Command::new(bin.join("postgres")).arg("--version").output();
        bin.join("initdb").is_file()
            && version.is_ok_and(|out| String::from_utf8_lossy(&out.stdout).contains("(PostgreSQL) 15."))
    });
    found.ok_or_else(|| "no PostgreSQL 15 (initdb, postgres) in /usr/lib/postgresql/15/bin or on the PATH".to_owned())
}

/// PostgreSQL refuses to run as root: the user `postgres` or `nobody` then, who is given the folder.
fn owner(folder: &Path) -> Result<Option<(u32, u32)>, String> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd").map_err(|error| error.to_string())?;
    let user = ["postgres:", "nobody:"].iter().find_map(|name| users.lines().find(|line| line.starts_with(name)));
    let fields: Vec<u32> =
        user.into_iter().flat_map(|line| line.split(':').skip(2).take(2)).filter_map(|id| id.parse().ok()).collect();
    let [uid, gid] = fields[..] else {
        return Err("it runs not as root, and there is no user postgres or nobody".to_owned());
    };
    let open = std::fs::Permissions::from_mode(0o700);
    chown(folder, Some(uid), Some(gid))
        .and_then(|()| std::fs::set_permissions(folder, open))
        .map_err(|error| error.to_string())?;
    Ok(Some((uid, gid)))
}

/// One connection, as much of protocol 3.0 as the bench needs.
struct Client {
    read: BufReader<UnixStream>,
    write: UnixStream,
}

impl Client {
    fn connect(socket: &Path) -> io::Result<Self> {
        let write = UnixStream::connect(socket)?;
        let mut client = Client { read: BufReader::new(write.try_clone()?), write };
        let mut hello = 196_608_u32.to_be_bytes().to_vec();
        hello.extend_from_slice(b"user\0bench\0database\0postgres\0\0");
        let length = (hello.len() as u32 + 4).to_be_bytes();
        client.write.write_all(&[&length[..], &hello].concat())?;
        client.until_ready()?;
        Ok(client)
    }

    fn message(tag: u8, body: &[u8], out: &mut Vec<u8>) {
        out.push(tag);
        out.extend((body.len() as u32 + 4).to_be_bytes());
        out.extend_from_slice(body);
    }

    fn query(&mut self, text: &str) -> io::Result<()> {
        let mut out = Vec::new();
        Self::message(b'Q', &[text.as_bytes(), b"\0"].concat(), &mut out);
        self.write.write_all(&out)?;
        self.until_ready().map(drop)
    }

    fn prepare(&mut self, text: &str) -> io::Result<()> {
        let mut out = Vec::new();
        Self::message(b'P', &[b"ingest\0", text.as_bytes(), b"\0\0\0"].concat(), &mut out);
        Self::message(b'S', b"", &mut out);
        self.write.write_all(&out)?;
        self.until_ready().map(drop)
    }

    /// Calls the prepared statement with one text; its answer is a count.
    fn ingest(&mut self, batch: &str) -> io::Result<u64> {
        let mut bind = b"\0ingest\0\0\0\0\x01".to_vec();
        bind.extend((batch.len() as u32).to_be_bytes());
        bind.extend_from_slice(batch.as_bytes());
        bind.extend_from_slice(b"\0\0");
        let mut out = Vec::with_capacity(bind.len() + 64);
        Self::message(b'B', &bind, &mut out);
        Self::message(b'E', b"\0\0\0\0\0", &mut out);
        Self::message(b'S', b"", &mut out);
        self.write.write_all(&out)?;
        let row = self.until_ready()?;
        let count = row.get(6..).and_then(|text| std::str::from_utf8(text).ok()).and_then(|text| text.parse().ok());
        count.ok_or_else(|| io::Error::other("no count came back"))
    }

    /// Waits for the next notification.
    fn notified(&mut self) -> io::Result<()> {
        while self.message_in()?.0 != b'A' {}
        Ok(())
    }

    /// The next message: its tag and body.
    fn message_in(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.read.read_exact(&mut head)?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let mut body = vec![0; length.saturating_sub(4)];
        self.read.read_exact(&mut body)?;
        Ok((head[0], body))
    }

    /// Reads until the server is ready again; the last row that came.
    fn until_ready(&mut self) -> io::Result<Vec<u8>> {
        let mut row = Vec::new();
        loop {
            let (tag, body) = self.message_in()?;
            match tag {
                b'E' => return Err(io::Error::other(String::from_utf8_lossy(&body).replace('\0', " "))),
                b'D' => row = body,
                b'Z' => return Ok(row),
                _ => {}
            }
        }
    }
}
