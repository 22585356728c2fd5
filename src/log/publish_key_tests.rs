//! Tests of [`super::super`]: one key of the log follows another. Never part of the binary.

use super::*;
use crate::log::keyring;
use crate::log::note::KeyKind;

/// The checkpoint that first covers a rotation is by both keys, whatever write of it fails; later ones are by the new key.
#[test]
fn a_new_key_takes_over_where_the_log_names_it() {
    let (old, new) = (key(), Arc::new(KeyPair::generate().unwrap()));
    let next = VerifierKey::of_pair(ORIGIN, KeyKind::Log, &new).unwrap();
    let mut ring = ring();
    ring.rotate(7, &keyring::rotation(&old, &next).unwrap()).unwrap();
    let signed = |bench: &Bench| -> Vec<bool> {
        let note = bench.folder().checkpoint().unwrap().unwrap();
        ring.open(&note).unwrap();
        ring.all().map(|key| Note::parse(&note).unwrap().verify([key]).is_ok()).collect()
    };
    for at in 0.. {
        let mut bench = Bench::new();
        grow(&mut bench.tail, 6);
        let mut publisher = bench.open(Box::new(Files)).unwrap();
        bench.beat(&mut publisher).unwrap();
        assert_eq!(signed(&bench), [true, false]);
        grow(&mut bench.tail, 3);
        let left = Arc::new(Mutex::new(at));
        let open = |bench: &Bench, pairs| {
            let disk = Box::new(Faulty { left: left.clone(), persists: true, half: false });
            Publisher::open(bench.folder(), disk, ring.clone(), pairs, &bench.tail.reader())
        };
        // Without the new key nothing is signed, and it is tried again.
        let mut without = open(&bench, vec![old.clone()]).unwrap();
        *left.lock().unwrap() = i64::MAX;
        assert!(matches!(bench.beat(&mut without), Err(BeatFault::NoKey(_))));
        *left.lock().unwrap() = at;
        let mut publisher = open(&bench, vec![old.clone(), new.clone()]).unwrap();
        let failed = bench.beat(&mut publisher).is_err();
        *left.lock().unwrap() = i64::MAX;
        let mut publisher = open(&bench, vec![new.clone(), old.clone()]).unwrap();
        bench.beat(&mut publisher).unwrap();
        assert_eq!(signed(&bench), [true, true], "write {at}");
        grow(&mut bench.tail, 1);
        // The old key is gone by now.
        let mut publisher = open(&bench, vec![new.clone()]).unwrap();
        bench.beat(&mut publisher).unwrap();
        assert_eq!(signed(&bench), [false, true]);
        assert_eq!(bench.folder().vkey().unwrap(), Some(next.to_string()));
        if !failed {
            assert!(at > 4, "{at} writes");
            break;
        }
    }
}
