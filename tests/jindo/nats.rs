//! `TestNats`: a real `nats-server` of the test's own, on a free port, with the configuration `jindo` generates.
//!
//! Never talks to a server it did not start: the port is taken by the server and told by its ports file, and
//! [`Server`] checks the name it answers with.
#![allow(dead_code)]

use std::{path::PathBuf, time::Duration};

use jindo::stream::{self, AgencyUser, Link, Login, NatsConfig, Server};
use nkeys::KeyPair;
use tempfile::TempDir;

/// How long a test waits for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A server with an operator, a dashboard and the agencies asked for.
pub struct TestNats {
    /// The supervised child.
    pub server: Server,
    /// `nats://127.0.0.1:<port>`.
    pub url: String,
    /// Its folder.
    pub dir: TempDir,
    operator: KeyPair,
    announcer: KeyPair,
    dashboard: KeyPair,
    agencies: Vec<(String, KeyPair)>,
}

impl TestNats {
    /// Starts it; `agencies` are codes.
    pub async fn start(agencies: &[&str]) -> TestNats {
        let dir = TempDir::new().unwrap();
        let operator = KeyPair::new_user();
        let announcer = KeyPair::new_user();
        let dashboard = KeyPair::new_user();
        let agencies: Vec<_> = agencies.iter().map(|code| ((*code).to_owned(), KeyPair::new_user())).collect();
        let config = NatsConfig {
            name: format!("test-{}", uuid::Uuid::new_v4()),
            host: "127.0.0.1".to_owned(),
            port: -1,
            store_dir: dir.path().join("jetstream"),
            cluster: None,
            ports_dir: None,
            log_file: None,
            operators: vec![operator.public_key()],
            agencies: agencies
                .iter()
                .map(|(agency, key)| AgencyUser { agency: agency.clone(), key: key.public_key() })
                .collect(),
            announcers: vec![announcer.public_key()],
            dashboards: vec![dashboard.public_key()],
        };
        let server = Server::start(&dir.path().join("nats"), config).await.unwrap();
        TestNats { url: server.url.clone(), server, dir, operator, announcer, dashboard, agencies }
    }

    /// A link with the operator's key: everything.
    pub async fn operator(&self) -> Link {
        stream::connect(&self.url, &Login::plain(&self.operator.seed().unwrap(), "test operator")).await.unwrap()
    }

    /// A link with the key that may write the bucket.
    pub async fn announcer(&self) -> Link {
        stream::connect(&self.url, &Login::plain(&self.announcer.seed().unwrap(), "test announcer")).await.unwrap()
    }

    /// A link with the dashboard's key.
    pub async fn dashboard(&self) -> Link {
        stream::connect(&self.url, &Login::plain(&self.dashboard.seed().unwrap(), "test dashboard")).await.unwrap()
    }

    /// A link with an agency's key.
    pub async fn agency(&self, code: &str) -> Link {
        stream::connect(&self.url, &Login::agency(code, &self.seed(code))).await.unwrap()
    }

    /// The operator's seed.
    pub fn operator_seed(&self) -> String {
        self.operator.seed().unwrap()
    }

    /// An agency's seed.
    pub fn seed(&self, code: &str) -> String {
        let (_, key) = self.agencies.iter().find(|(agency, _)| agency == code).unwrap();
        key.seed().unwrap()
    }

    /// Kills the server as a power cut would; its supervisor starts it again. Returns once it runs again.
    pub async fn kill(&self) {
        let before = self.server.pid().unwrap();
        let status = std::process::Command::new("kill").args(["-9", &before.to_string()]).status().unwrap();
        assert!(status.success());
        let mut state = self.server.state();
        let again = state.wait_for(|s| matches!(s, stream::ServerState::Running { pid, .. } if *pid != before));
        drop(tokio::time::timeout(PATIENCE, again).await.expect("the server runs again").unwrap());
    }

    /// Where the child keeps its files.
    pub fn folder(&self) -> PathBuf {
        self.dir.path().join("nats")
    }
}

/// Makes a stream where one of its name was deleted just now: nats-server answers that before its files are gone, and cannot
/// make another one until they are (error 10049).
pub async fn again<T, F: Future<Output = Result<T, stream::StreamError>>>(make: impl Fn() -> F) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match make().await {
            Ok(made) => return made,
            Err(stream::StreamError::Api { code: 10_049, .. }) if tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            Err(error) => panic!("the stream is not made anew: {error}"),
        }
    }
}
