//! The Python agency of `deploy/examples`, run as its documentation says, against a real server.

use std::{os::unix::fs::OpenOptionsExt as _, path::Path, process::Command, sync::Arc};

use jindo::{
    event::envelope,
    sign::{Jws, hex},
    stream::{declare, read},
};

use crate::nats::TestNats;

const ORIGIN: &str = "jindo.local/test";

fn run(nats: &TestNats, key: &Path, agency: &str) -> std::process::Output {
    let house = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = house.join(".cache/python");
    assert!(packages.is_dir(), "the example's packages are missing: run `make python`");
    Command::new("python3")
        .env("PYTHONPATH", packages)
        .arg(house.join("deploy/examples/agency.py"))
        .args([nats.url.as_str(), key.to_str().unwrap(), ORIGIN, agency, "charger.installed.v1"])
        .arg(r#"{"region": "11", "class": "fast", "count": 12, "remark": "서울 강남"}"#)
        .output()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn signs_and_publishes_what_jindo_verifies() {
    let source =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples/agency.py")).unwrap();
    assert!(source.lines().count() < 60, "the example stays under 60 lines");
    let nats = TestNats::start(&["keco"]).await;
    let operator = nats.operator().await;
    declare(&operator, "LEDGER_1", 1, 1).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let key = dir.path().join("keco.nk");
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&key).unwrap();
    std::io::Write::write_all(&mut file, nats.seed("keco").as_bytes()).unwrap();
    drop(file);

    let stream: Arc<str> = "LEDGER_1".into();
    let mut prev = None;
    for seq in 1..=2 {
        let out = run(&nats, &key, "keco");
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let told: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
        assert_eq!((&told["stream"], &told["sequence"]), (&"LEDGER_1".into(), &seq.into()));
        let arrival = read::fetch(&operator, &stream, seq).await.unwrap().unwrap();
        let header = |name: &str| {
            let value = arrival.headers.iter().find(|(found, _)| found == name).unwrap();
            std::str::from_utf8(&value.1).unwrap().to_owned()
        };
        let jws = Jws::parse(&header("Ledger-Signature")).unwrap();
        jws.verify().unwrap();
        let subject = "ledger.report.keco.charger.installed.v1";
        assert_eq!(arrival.subject, subject.as_bytes());
        let (cty, body) = (header("Content-Type"), &arrival.body);
        jws.claims().check(subject, &cty, &hex::sha256(body), ORIGIN).unwrap();
        assert_eq!((jws.claims().seq, jws.claims().prev), (seq, prev));
        assert_eq!(told["sha256"], hex::encode(&jws.sha256()));
        let events = envelope::parse(&cty, body).unwrap();
        assert_eq!((&*events[0].agency, &*events[0].kind), ("keco", "charger.installed.v1"));
        assert_eq!(events[0].id.to_string(), told["id"]);
        prev = Some(jws.sha256());
    }

    // A seed that others can read is not used.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&key, mode).unwrap();
    let out = run(&nats, &key, "keco");
    assert!(!out.status.success());
    assert!(String::from_utf8_lossy(&out.stderr).contains("chmod 600"));
}
