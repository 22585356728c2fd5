//! Tests of [`super::super`]: a replica adopts what its own entries lead to, and nothing else. Never part of the binary.

use super::*;

#[test]
fn a_replica_adopts_what_its_own_entries_lead_to() {
    let (mut writer, mut replica) = (Bench::new(), Bench::new());
    let mut publisher = writer.open(Box::new(Files)).unwrap();
    // It has no key to sign with.
    let open = |replica: &Bench| {
        Publisher::open(replica.folder(), Box::new(Files), ring(), Vec::new(), &replica.tail.reader()).unwrap()
    };
    let adopt = |replica: &Bench, follower: &mut Publisher, note: &str| {
        let adopted = follower.adopt(&replica.tail.reader(), u64::MAX, note, Time::from_ns(NOW))?;
        Ok::<_, BeatFault>(adopted.map(|checkpoint| checkpoint.head.size))
    };
    let mut follower = open(&replica);
    follower.step = WIDTH;
    grow(&mut writer.tail, 700);
    writer.beat(&mut publisher).unwrap();
    let note = writer.folder().checkpoint().unwrap().unwrap();
    grow(&mut replica.tail, 600);
    assert_eq!(adopt(&replica, &mut follower, &note).unwrap(), None, "entries are still to come");
    grow(&mut replica.tail, 200);
    for step in 0..3 {
        assert_eq!(replica.folder().checkpoint().unwrap(), None);
        assert_eq!(adopt(&replica, &mut follower, &note).unwrap(), (step == 2).then_some(700), "step {step}");
    }
    replica.check(700);
    // Beside partial tiles of its own steps it has the writer's files, byte by byte.
    let mine = listing(replica.dir.path());
    for (name, hash) in listing(writer.dir.path()) {
        assert_eq!(mine.get(&name), Some(&hash), "{name}");
    }
    assert_eq!(adopt(&replica, &mut follower, &note).unwrap(), None, "once");

    let text = Checkpoint::new(ORIGIN, Head { size: 750, root: [7; 32] }).unwrap().text();
    let signed = |pair: &KeyPair| format!("{text}\n{}", note::sign(ORIGIN, pair, &text).unwrap());
    assert!(matches!(adopt(&replica, &mut follower, &signed(&key())), Err(BeatFault::Strange { size: 750 })));
    let stranger = KeyPair::generate().unwrap();
    assert!(matches!(adopt(&replica, &mut follower, &signed(&stranger)), Err(BeatFault::Checkpoint(_))));
    assert!(adopt(&replica, &mut follower, "no note at all").is_err());
    replica.check(700);

    grow(&mut writer.tail, 100);
    writer.beat(&mut publisher).unwrap();
    let note = writer.folder().checkpoint().unwrap().unwrap();
    assert_eq!(adopt(&replica, &mut open(&replica), &note).unwrap(), Some(800), "after a restart");
    replica.check(800);
    // With the log's key the folder goes on as the writer's.
    replica.fence = writer.fence.clone();
    let mut heir = replica.open(Box::new(Files)).unwrap();
    grow(&mut replica.tail, 30);
    assert_eq!(replica.beat(&mut heir).unwrap().unwrap().head.size, 830);
    replica.check(830);
}
