//! `jindo nats-config`: a nats-server configuration with one user and least permissions per agency key.
//!
//! Keys come from the log's registry and from the command line. Holds public keys only; starts no server.

use std::io::Write as _;
use std::path::PathBuf;

use crate::event::subject::is_agency_code;
use crate::sign::public_key_bytes;
use crate::stream::{AgencyUser, ClusterConfig, NatsConfig, RouteTls, config_text};

use super::exit::{Exit, could, file, usage};
use super::{Context, journal, out};

/// Write a nats-server configuration: one user and least permissions per agency
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jindo nats-config --log data/log --operator UA… --store /var/lib/nats > nats.conf
  jindo nats-config --operator UA… --agency keco=UB… --announcer UE… --dashboard UD… --port 4222
  nats-server -c nats.conf
  jindo nats-config --log data/log --operator UA… --name ledger-1 --host 0.0.0.0 --cluster-listen 10.0.0.5:6222 \
    --route 10.0.0.5:6222 --route 10.0.0.6:6222 --route 10.0.0.7:6222 \
    --route-cert ledger-1.pem --route-key ledger-1.key --route-ca routes-ca.pem

Every agency may publish to its own subjects only; dashboards read the bucket PROGRESS, in an account of its own;
nobody but the operator comes near
the stream API; every write is synced before it is acknowledged. Servers of a cluster have the same users, each a --name of its
own, and `jindo run --replicas 3` declares the stream on three of them.")]
pub struct Args {
    /// Take the valid keys of all registered agencies from this log folder
    #[arg(long, value_name = "DIR")]
    log: Option<PathBuf>,
    /// Public key of the projector; may be repeated
    #[arg(long = "operator", value_name = "KEY", value_parser = key, required = true)]
    operators: Vec<String>,
    /// An agency's public key; may be repeated
    #[arg(long = "agency", value_name = "CODE=KEY", value_parser = agency)]
    agencies: Vec<AgencyUser>,
    /// Public key that the projector fills the bucket with; may be repeated
    #[arg(long = "announcer", value_name = "KEY", value_parser = key)]
    announcers: Vec<String>,
    /// A dashboard's public key; may be repeated
    #[arg(long = "dashboard", value_name = "KEY", value_parser = key)]
    dashboards: Vec<String>,
    /// Server name
    #[arg(long, default_value = "jindo")]
    name: String,
    /// Address to listen on
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Port to listen on
    #[arg(long, default_value_t = 4222, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Folder of the server's JetStream
    #[arg(long, value_name = "DIR", default_value = "jetstream")]
    store: PathBuf,
    /// A server of the same cluster, host:port of its routes; repeated, and its own may be among them
    #[arg(long = "route", value_name = "HOST:PORT", requires = "cluster_listen")]
    routes: Vec<String>,
    /// Address to listen on for routes: makes the server one of a cluster
    #[arg(long, value_name = "HOST:PORT", requires = "routes")]
    cluster_listen: Option<String>,
    /// Name of the cluster, the same on all its servers
    #[arg(long, value_name = "NAME", default_value = "jindo")]
    cluster_name: String,
    /// host:port that the others are told, where it is not the one listened on
    #[arg(long, value_name = "HOST:PORT", requires = "cluster_listen")]
    cluster_advertise: Option<String>,
    /// Certificate of this server for its routes, PEM; needed beyond loopback
    #[arg(long, value_name = "FILE", requires_all = ["route_key", "route_ca"])]
    route_cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE", requires = "route_cert")]
    route_key: Option<PathBuf>,
    /// Who signs the certificates of this cluster's servers
    #[arg(long, value_name = "FILE", requires = "route_cert")]
    route_ca: Option<PathBuf>,
    /// File to write [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn key(text: &str) -> Result<String, String> {
    match public_key_bytes(text) {
        Some(_) => Ok(text.to_owned()),
        None if text.starts_with('S') => {
            Err("this is a seed: give the public key, and keep the seed in its file".into())
        }
        None => Err("no public key: it has 56 characters and begins with U".into()),
    }
}

fn agency(text: &str) -> Result<AgencyUser, String> {
    let (code, public) = text.split_once('=').ok_or("give CODE=KEY, such as keco=UB…")?;
    if !is_agency_code(code) {
        return Err(format!("'{code}' is no agency code"));
    }
    Ok(AgencyUser { agency: code.to_owned(), key: key(public)? })
}

/// The server's place in its cluster; `None` where it stands alone.
fn cluster(args: &Args) -> anyhow::Result<Option<ClusterConfig>> {
    let Some(listen) = &args.cluster_listen else { return Ok(None) };
    let place = listen.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse::<u16>().ok()?)));
    let (host, port) = place.filter(|(host, port)| !host.is_empty() && *port > 0).ok_or_else(|| {
        usage(
            format!("--cluster-listen {listen}: HOST:PORT가 아닙니다"),
            format!("--cluster-listen {listen}: not HOST:PORT"),
        )
        .next("10.0.0.5:6222처럼 주세요.", "give it as 10.0.0.5:6222")
    })?;
    let tls = match (&args.route_cert, &args.route_key, &args.route_ca) {
        (Some(cert), Some(key), Some(ca)) => {
            Some(RouteTls { cert: cert.clone(), key: key.clone(), authority: ca.clone() })
        }
        _ => None,
    };
    Ok(Some(ClusterConfig {
        name: args.cluster_name.clone(),
        host: host.to_owned(),
        port: i32::from(port),
        advertise: args.cluster_advertise.clone(),
        routes: args.routes.clone(),
        tls,
    }))
}

/// Writes it.
///
/// # Errors
/// No log, a text that cannot stand in the file, a file that cannot be written.
pub fn run(args: Args, _context: &Context) -> anyhow::Result<Exit> {
    let cluster = cluster(&args)?;
    let mut agencies = args.agencies;
    if let Some(log) = &args.log {
        let registry = journal::registry(&journal::open(log)?)?;
        let valid = registry.keys.iter().filter(|(_, state)| state.revoked.is_none());
        agencies
            .extend(valid.map(|(key, state)| AgencyUser { agency: state.agency.to_string(), key: key.to_string() }));
        agencies.sort();
        agencies.dedup();
    }
    let config = NatsConfig {
        name: args.name,
        host: args.host,
        port: i32::from(args.port),
        store_dir: args.store,
        cluster,
        ports_dir: None,
        log_file: None,
        operators: args.operators,
        agencies,
        announcers: args.announcers,
        dashboards: args.dashboards,
    };
    let text = config_text(&config).map_err(|error| could(error.to_string(), error.to_string()))?;
    let mut writer = out::writer(args.out.as_deref())?;
    let written = writer.write_all(text.as_bytes()).and_then(|()| writer.flush());
    match (written, &args.out) {
        (Err(error), Some(path)) => Err(file(path, &error).into()),
        (written, _) => Ok(written.map(|()| Exit::Ok)?),
    }
}
