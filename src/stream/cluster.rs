//! The cluster block of a server's configuration: who its neighbours are, and how they know each other.
//!
//! A route is trusted with every account: whoever may connect one can publish as any agency. So beyond loopback routes are
//! held by certificates on both sides, and a block without them is refused. Names files, holds no secret.

use std::{fmt::Write as _, net::IpAddr, path::PathBuf};

use super::config::{ConfigError, checked};

/// One server's place in its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterConfig {
    /// Name of the cluster: the same on all its servers.
    pub name: String,
    /// Address to listen on for routes.
    pub host: String,
    /// Port for routes; -1 takes any free one (read it from the ports file).
    pub port: i32,
    /// `host:port` that the others are told, where it is not the address above.
    pub advertise: Option<String>,
    /// `host:port` of the cluster's servers; its own does no harm, so all of them may carry one list.
    pub routes: Vec<String>,
    /// Certificates; `None` on loopback alone.
    pub tls: Option<RouteTls>,
}

/// Files that routes are held by, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteTls {
    /// The server's certificate: for both sides of a connection.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Who signs the certificates of this cluster's servers, and of nobody else.
    pub authority: PathBuf,
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn place(text: &str) -> Result<&str, ConfigError> {
    let known = text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if known && !text.contains(['/', '@', ' ', ',']) { checked(text) } else { Err(ConfigError::Route(text.to_owned())) }
}

/// The block as text.
///
/// # Errors
/// [`ConfigError`] for what could not stand in the file safely, and for routes that anybody could join.
pub(super) fn cluster_text(cluster: &ClusterConfig) -> Result<String, ConfigError> {
    let ClusterConfig { name, host, port, advertise, routes, tls } = cluster;
    if tls.is_none() && !is_loopback(host) {
        return Err(ConfigError::OpenRoutes(host.clone()));
    }
    let mut text = String::from("cluster {\n");
    let _ = writeln!(text, "    name: \"{}\"", checked(name)?);
    let _ = writeln!(text, "    listen: \"{}:{port}\"", checked(host)?);
    if let Some(told) = advertise {
        let _ = writeln!(text, "    advertise: \"{}\"", place(told)?);
    }
    if let Some(RouteTls { cert, key, authority }) = tls {
        text.push_str(
            "    # Whoever may connect a route may publish as anybody: both sides show a certificate.\n    tls {\n",
        );
        for (field, path) in [("cert_file", cert), ("key_file", key), ("ca_file", authority)] {
            let _ = writeln!(text, "        {field}: \"{}\"", checked(&path.to_string_lossy())?);
        }
        text.push_str("        verify: true\n    }\n");
    }
    let routes = routes.iter().map(|route| Ok(format!("\"nats-route://{}\"", place(route)?)));
    let routes = routes.collect::<Result<Vec<_>, ConfigError>>()?;
    let _ = write!(text, "    routes: [ {} ]\n}}\n\n", routes.join(", "));
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster() -> ClusterConfig {
        ClusterConfig {
            name: "jindo".to_owned(),
            host: "10.0.0.5".to_owned(),
            port: 6222,
            advertise: None,
            routes: vec!["10.0.0.6:6222".to_owned(), "nats-3.example:6222".to_owned()],
            tls: Some(RouteTls { cert: "c.pem".into(), key: "k.pem".into(), authority: "ca.pem".into() }),
        }
    }

    #[test]
    fn routes_and_certificates() {
        let text = cluster_text(&cluster()).unwrap();
        for line in [
            "listen: \"10.0.0.5:6222\"",
            "ca_file: \"ca.pem\"",
            "verify: true",
            "routes: [ \"nats-route://10.0.0.6:6222\", \"nats-route://nats-3.example:6222\" ]",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }

    #[test]
    fn refuses_what_is_open_or_breaks_out() {
        let check = |change: fn(&mut ClusterConfig), error: &str| {
            let mut cluster = cluster();
            change(&mut cluster);
            let found = cluster_text(&cluster).unwrap_err().to_string();
            assert!(found.contains(error), "{found}");
        };
        check(|c| c.tls = None, "anybody");
        check(|c| (c.tls, c.host) = (None, "0.0.0.0".to_owned()), "anybody");
        check(|c| c.routes[0] = "10.0.0.6".to_owned(), "host:port");
        check(|c| c.routes[0] = "nats://10.0.0.6:6222".to_owned(), "host:port");
        check(|c| c.routes[0] = "user:secret@10.0.0.6:6222".to_owned(), "host:port");
        check(|c| c.advertise = Some("here".to_owned()), "host:port");
        check(|c| c.name = "a\" b".to_owned(), "quote");
        for host in ["127.0.0.1", "localhost", "::1", "[::1]"] {
            let open = ClusterConfig { tls: None, host: host.to_owned(), ..cluster() };
            assert!(!cluster_text(&open).unwrap().contains("tls"), "{host}");
        }
    }
}
