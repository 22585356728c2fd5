//! Copies, damage and doubt: what is read is right, or it is a doubt.

use super::*;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &to) } else { assert!(std::fs::copy(entry.path(), to).is_ok()) }
    }
}

#[test]
fn a_store_copied_while_it_runs_opens_at_a_whole_commit() {
    let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut model, mut store) = (Model::default(), open(folder.path()).unwrap());
    let mut flushed = 0;
    for (commit, number) in long_history(40).iter().zip(0..) {
        model.commit(commit, &mut store).unwrap();
        if number % 8 == 3 {
            store.flush().unwrap();
            flushed = store.position().size;
        }
        if number % 8 == 6 {
            // What kill -9 leaves: what was flushed, and nothing of what was not.
            let left = copies.path().join(number.to_string());
            let still = store.still();
            copy(folder.path(), &left);
            drop(still);
            let left = open(&left).unwrap();
            let size = left.position().size;
            assert!(size >= flushed, "{size} < {flushed}");
            model.compare_earlier(&left).unwrap();
        }
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Whatever byte is damaged: right answers or doubt.
fn damage(closed: bool) {
    let (folder, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut model, mut store) = (Model::default(), open(folder.path()).unwrap());
    for commit in long_history(12) {
        model.commit(&commit, &mut store).unwrap();
        store.settle();
        // Each leaves what it replaces on disk: there damage does no harm.
        store.flush().unwrap();
    }
    let mut kept = Some(store);
    if closed {
        kept.take().unwrap().close().unwrap();
    }
    // The thread beside the commits merges on.
    let _still = kept.as_ref().map(Store::still);
    let names: Vec<PathBuf> =
        files(folder.path()).iter().map(|path| path.strip_prefix(folder.path()).unwrap().to_owned()).collect();
    let (mut doubts, mut right, mut seed) = (0, 0, 12_345_u64);
    for name in names {
        for _ in 0..4 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let copied = copies.path().join(seed.to_string());
            copy(folder.path(), &copied);
            let mut bytes = std::fs::read(copied.join(&name)).unwrap();
            if bytes.is_empty() {
                continue;
            }
            let at = (seed >> 33) as usize % bytes.len();
            bytes[at] ^= 1 << (seed >> 20 & 7);
            std::fs::write(copied.join(&name), bytes).unwrap();
            let compared = open(&copied).and_then(|store| {
                // A last frame that does not read is what a crash leaves: then the store is one flush behind.
                let behind = *store.position() != model.changes.position;
                assert!(!(behind && closed), "a sealed store opened at an earlier commit");
                let compared = if behind { model.compare_earlier(&store) } else { model.compare(&store) };
                compared.map_err(StoreError::Doubt)
            });
            if compared.is_ok() {
                right += 1
            } else {
                doubts += 1
            }
            std::fs::remove_dir_all(copied).unwrap();
        }
    }
    assert!(doubts > 5 && right > 5, "{doubts} doubts, {right} right");
}

#[test]
fn damage_to_a_closed_store_is_doubt_or_harmless() {
    damage(true);
}

#[test]
fn damage_to_a_store_left_open_is_doubt_or_harmless() {
    damage(false);
}

#[test]
fn a_doubtful_store_is_set_aside_under_a_free_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    for number in 1..4 {
        drop(open(&path).unwrap());
        assert_eq!(set_aside(&path).unwrap(), folder.path().join(format!("store.doubt-{number}")));
        assert!(!path.exists());
    }
    assert!(matches!(set_aside(&path), Err(StoreError::Aside { .. })));
}

/// A reader's doubt, met again and again, once filled the disk with stores.
#[test]
fn the_newest_stores_set_aside_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    for number in 1..7 {
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("row"), b"x").unwrap();
        assert_eq!(set_aside(&path).unwrap(), folder.path().join(format!("store.doubt-{number}")));
    }
    let listed = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let mut listed: Vec<_> = listed.map(|name| name.into_string().unwrap()).collect();
    listed.sort();
    assert_eq!(listed, ["store.doubt-4", "store.doubt-5", "store.doubt-6"]);
}

#[test]
fn another_layout_is_doubt() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(folder.path()).unwrap());
    assert!(matches!(Store::open(folder.path()), Err(StoreError::Doubt(_))));
    assert!(open(folder.path()).is_ok());
}
