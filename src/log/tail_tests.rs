//! Tests of [`super`]: what a crash, a cut, a flipped bit or another process may do to the files. Never part of the binary.

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::log::samples;

/// An entry with a body of so many bytes, and its time.
fn entry(index: u64, body: usize) -> (Vec<u8>, Time) {
    samples::entry(index, vec![b'x'; body])
}

fn append(tail: &mut Tail, count: u64, body: usize) {
    samples::append(tail, count, |_| vec![b'x'; body]);
}

/// A folder with appends of these lengths.
fn folder(appends: &[u64], body: usize) -> TempDir {
    let dir = TempDir::new().unwrap();
    let (mut tail, opened) = Tail::open(dir.path()).unwrap();
    assert_eq!(opened, Opened { size: 0, torn_bytes: 0 });
    appends.iter().for_each(|count| append(&mut tail, *count, body));
    dir
}

fn check_all(reader: &LogReader, size: u64, body: usize) {
    assert_eq!(reader.size(), size);
    let read: Vec<(u64, Vec<u8>)> = reader.iter(0).collect::<Result<_, _>>().unwrap();
    assert_eq!(read.len() as u64, size);
    let mut highest = Time::from_ns(i64::MIN);
    for (index, bytes) in read {
        let (expected, recorded) = entry(index, body);
        highest = highest.max(recorded);
        assert_eq!(bytes, expected);
        assert_eq!(reader.read(index).unwrap(), expected);
        assert_eq!(reader.recorded(index).unwrap(), highest);
    }
    assert!(matches!(reader.read(size), Err(TailFault::Beyond { .. })));
}

fn tail_path(dir: &TempDir) -> PathBuf {
    dir.path().join(FILE_TAIL)
}

fn index_path(dir: &TempDir) -> PathBuf {
    dir.path().join(FILE_INDEX)
}

/// Offsets of the frames, and the end.
fn offsets(dir: &TempDir) -> Vec<u64> {
    let reader = LogReader::open(dir.path()).unwrap();
    let mut offsets: Vec<u64> = (0..reader.size()).map(|index| reader.rows.get(index).unwrap().offset).collect();
    offsets.push(std::fs::metadata(tail_path(dir)).unwrap().len());
    offsets
}

fn flip(path: &Path, offset: u64) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[offset as usize] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_appended_is_read_here_and_after_opening_again() {
    let dir = TempDir::new().unwrap();
    let (mut tail, _) = Tail::open(dir.path()).unwrap();
    let reader = tail.reader();
    check_all(&reader, 0, 10);
    append(&mut tail, 3, 10);
    append(&mut tail, 40, 10);
    tail.append(&[], &[]).unwrap();
    check_all(&reader, 43, 10);
    let alone = LogReader::open(dir.path()).unwrap();
    check_all(&alone, 43, 10);
    append(&mut tail, 1, 10);
    assert_eq!((alone.size(), reader.size()), (43, 44));
    drop(tail);
    let (mut tail, opened) = Tail::open(dir.path()).unwrap();
    assert_eq!(opened, Opened { size: 44, torn_bytes: 0 });
    append(&mut tail, 6, 10);
    check_all(&tail.reader(), 50, 10);
    let from_7: Vec<u64> = alone.iter(40).map(|item| item.unwrap().0).collect();
    assert_eq!(from_7, vec![40, 41, 42]);
    assert_eq!(alone.iter(99).count(), 0);
}

#[test]
fn reads_on_over_buffers() {
    // 60 entries of 50 KB are three reads of a megabyte.
    let dir = folder(&[60], 50_000);
    check_all(&LogReader::open(dir.path()).unwrap(), 60, 50_000);
    std::fs::remove_file(index_path(&dir)).unwrap();
    check_all(&LogReader::open(dir.path()).unwrap(), 60, 50_000);
    let (tail, opened) = Tail::open(dir.path()).unwrap();
    assert_eq!(opened.size, 60);
    check_all(&tail.reader(), 60, 50_000);
}

#[test]
fn size_at_counts_by_the_running_maximum() {
    let dir = folder(&[20], 1);
    let reader = LogReader::open(dir.path()).unwrap();
    let times: Vec<Time> = (0..20).map(|index| reader.recorded(index).unwrap()).collect();
    assert!(times.is_sorted() && times.windows(2).any(|pair| pair[0] == pair[1]));
    for time in times.iter().flat_map(|time| [time.plus_ns(-1), *time, time.plus_ns(1)]) {
        let naive = times.iter().filter(|own| **own <= time).count() as u64;
        assert_eq!(reader.size_at(time).unwrap(), naive);
    }
}

#[test]
fn one_writer() {
    let dir = folder(&[1], 1);
    let (_tail, _) = Tail::open(dir.path()).unwrap();
    assert!(matches!(Tail::open(dir.path()), Err(TailFault::Locked(_))));
    check_all(&LogReader::open(dir.path()).unwrap(), 1, 1);
}

/// A crash during the last append leaves any part of it: wherever the file ends or whatever bytes there are zeros.
#[test]
fn an_append_that_never_ended_is_cut_off() {
    let appends = [4, 3];
    let whole = folder(&appends, 10);
    let offsets = offsets(&whole);
    let bytes = std::fs::read(tail_path(&whole)).unwrap();
    let rows = std::fs::read(index_path(&whole)).unwrap();
    for end in (offsets[4]..offsets[7]).step_by(5).chain([offsets[5], offsets[6], offsets[6] + 8]) {
        for zeros in [false, true] {
            let dir = TempDir::new().unwrap();
            let mut torn = bytes[..end as usize].to_vec();
            if zeros {
                torn.resize(bytes.len(), 0);
            }
            std::fs::write(tail_path(&dir), &torn).unwrap();
            // Rows of that append were never written: its sync did not return.
            std::fs::write(index_path(&dir), &rows[..4 * 16]).unwrap();
            let size = offsets.iter().filter(|offset| **offset <= end).count() as u64 - 1;
            check_all(&LogReader::open(dir.path()).unwrap(), size, 10);
            let (mut tail, opened) = Tail::open(dir.path()).unwrap();
            let torn_bytes = torn.len() as u64 - offsets[size as usize];
            assert_eq!(opened, Opened { size, torn_bytes }, "{end} {zeros}");
            append(&mut tail, 7 - size, 10);
            check_all(&tail.reader(), 7, 10);
        }
    }
    // The first frame of the append is lost, those behind it are there.
    let dir = TempDir::new().unwrap();
    std::fs::write(tail_path(&dir), &bytes).unwrap();
    std::fs::write(index_path(&dir), &rows[..4 * 16]).unwrap();
    flip(&tail_path(&dir), offsets[4] + 20);
    let (_, opened) = Tail::open(dir.path()).unwrap();
    assert_eq!(opened, Opened { size: 4, torn_bytes: offsets[7] - offsets[4] });
}

#[test]
fn damage_is_never_cut_off() {
    let offsets = offsets(&folder(&[2, 2, 2, 1], 10));
    for damaged in 0..7 {
        let at = offsets[damaged] + 3 + damaged as u64 * 9;
        // Without rows only a later append tells damage from a torn end; the last append may be either.
        let dir = folder(&[2, 2, 2, 1], 10);
        flip(&tail_path(&dir), at);
        let before = std::fs::read(tail_path(&dir)).unwrap();
        std::fs::remove_file(index_path(&dir)).unwrap();
        let fault = Tail::open(dir.path()).map(|(_, opened)| opened);
        match fault {
            Err(TailFault::Damaged { offset, index, .. }) => {
                assert_eq!((offset, index), (offsets[damaged], damaged as u64));
                assert_eq!(std::fs::read(tail_path(&dir)).unwrap(), before);
                assert!(matches!(LogReader::open(dir.path()), Err(TailFault::Damaged { .. })));
            }
            other => assert_eq!((damaged, other.unwrap().size), (6, 6)),
        }
        // With rows the damage is found on opening or on reading, the last append's too.
        let dir = folder(&[2, 2, 2, 1], 10);
        flip(&tail_path(&dir), at);
        match LogReader::open(dir.path()) {
            Err(TailFault::Damaged { index, .. }) => assert_eq!(index, damaged as u64),
            Err(other) => panic!("{other}"),
            Ok(reader) => {
                assert!(matches!(reader.read(damaged as u64), Err(TailFault::Unreadable { .. })));
                let read: Vec<_> = reader.iter(0).collect();
                assert_eq!(read.len(), damaged + 1);
                assert!(read[damaged].is_err());
            }
        }
    }
    // Entries cut off the end: the rows remember them.
    for (end, size) in [(offsets[6], 6), (offsets[5] + 3, 5), (offsets[0], 0)] {
        let dir = folder(&[2, 2, 2, 1], 10);
        File::options().write(true).open(tail_path(&dir)).unwrap().set_len(end).unwrap();
        match Tail::open(dir.path()) {
            Err(TailFault::Damaged { index, .. }) => assert_eq!(index, size),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_index_is_made_anew_on_doubt() {
    let appends = [30, 30];
    let rows = std::fs::read(index_path(&folder(&appends, 10))).unwrap();
    let mut shifted = rows.clone();
    shifted.rotate_right(16);
    let mut wrong_time = rows.clone();
    wrong_time[50 * 16 + 8] ^= 1;
    let mut zeros = rows.clone();
    zeros[55 * 16..].fill(0);
    for (name, bytes) in [
        ("missing", Vec::new()),
        ("short", rows[..31 * 16].to_vec()),
        ("cut inside a row", rows[..31 * 16 + 5].to_vec()),
        ("zeros at the end", zeros),
        ("zeros only", vec![0; rows.len()]),
        ("more rows than entries", [&rows[..], &rows[..160]].concat()),
        ("noise", (0..rows.len()).map(|at| (at * 31) as u8).collect()),
        ("shifted", shifted),
        ("a wrong time", wrong_time),
    ] {
        let dir = folder(&appends, 10);
        std::fs::write(index_path(&dir), &bytes).unwrap();
        check_all(&LogReader::open(dir.path()).unwrap_or_else(|fault| panic!("{name}: {fault}")), 60, 10);
        let (tail, opened) = Tail::open(dir.path()).unwrap();
        assert_eq!(opened, Opened { size: 60, torn_bytes: 0 }, "{name}");
        check_all(&tail.reader(), 60, 10);
        assert_eq!(std::fs::read(index_path(&dir)).unwrap(), rows, "{name}");
    }
}

#[test]
fn files_that_are_gone_or_others() {
    let empty = TempDir::new().unwrap();
    assert!(matches!(LogReader::open(empty.path()), Err(TailFault::Missing(_))));
    std::fs::write(empty.path().join(FILE_TAIL), b"jindo").unwrap();
    assert!(matches!(LogReader::open(empty.path()), Err(TailFault::NotATail(_))));
    assert!(matches!(Tail::open(empty.path()), Err(TailFault::NotATail(_))));
    std::fs::write(empty.path().join(FILE_TAIL), b"jindo-tail/v2\n").unwrap();
    assert!(matches!(Tail::open(empty.path()), Err(TailFault::NotATail(_))));

    type Break = fn(&TempDir);
    let breaks: [Break; 4] = [
        |dir| std::fs::remove_file(tail_path(dir)).unwrap(),
        |dir| std::fs::rename(tail_path(dir), dir.path().join("aside")).unwrap(),
        |dir| {
            let copy = std::fs::read(tail_path(dir)).unwrap();
            std::fs::remove_file(tail_path(dir)).unwrap();
            std::fs::write(tail_path(dir), copy).unwrap();
        },
        |dir| File::options().write(true).open(tail_path(dir)).unwrap().set_len(20).unwrap(),
    ];
    for change in breaks {
        let dir = folder(&[2], 10);
        let (mut tail, _) = Tail::open(dir.path()).unwrap();
        change(&dir);
        let (next, time) = entry(2, 10);
        assert!(matches!(tail.append(std::slice::from_ref(&next), &[time]), Err(TailFault::Moved(_))));
        assert!(matches!(tail.append(&[next], &[time]), Err(TailFault::Poisoned(_))));
        assert_eq!(tail.size(), 2);
    }
}

#[test]
fn an_append_must_fit_the_log() {
    let dir = folder(&[2], 10);
    let (mut tail, _) = Tail::open(dir.path()).unwrap();
    let ((good, time), (later, later_time)) = (entry(2, 10), entry(4, 10));
    for (entries, times) in [
        (vec![later.clone()], vec![later_time]),
        (vec![good.clone(), later], vec![time, later_time]),
        (vec![good.clone()], vec![]),
        (vec![good.clone()], vec![time.plus_ns(1)]),
        (vec![vec![]], vec![time]),
        (vec![vec![b'x'; 70_000]], vec![time]),
        (vec![b"jindo-entry/v1\nindex: 2\n".to_vec()], vec![time]),
    ] {
        assert!(matches!(tail.append(&entries, &times), Err(TailFault::Refused { .. })));
    }
    tail.append(&[good], &[time]).unwrap();
    assert_eq!(tail.size(), 3);
}

#[test]
fn a_body_that_looks_like_a_frame_is_not_one() {
    let dir = TempDir::new().unwrap();
    let (mut tail, _) = Tail::open(dir.path()).unwrap();
    append(&mut tail, 1, 10);
    let rows = std::fs::read(index_path(&dir)).unwrap();
    let (inner, time) = entry(2, 10);
    let mut body = Vec::new();
    frame::write(&mut body, 0, &inner, true);
    let (mut hostile, _) = entry(1, 0);
    hostile.extend(body);
    let start = std::fs::metadata(tail_path(&dir)).unwrap().len();
    tail.append(&[hostile], &[entry(1, 0).1]).unwrap();
    drop(tail);
    // Torn: its sync never returned, so there is no row, and a byte before the body is wrong.
    std::fs::write(index_path(&dir), rows).unwrap();
    flip(&tail_path(&dir), start + 12);
    let (_, opened) = Tail::open(dir.path()).unwrap();
    assert_eq!(opened.size, 1);
    assert!(opened.torn_bytes > 0 && time > Time::default());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever one changed byte does to either file: entries are read as written, or a fault names the place.
    #[test]
    fn no_changed_byte_passes_unseen(
        appends in prop::collection::vec(1_u64..5, 1..6), in_index in any::<bool>(), at in any::<prop::sample::Index>(), mask in 1_u8..,
    ) {
        let dir = folder(&appends, 10);
        let size: u64 = appends.iter().sum();
        let path = if in_index { index_path(&dir) } else { tail_path(&dir) };
        let mut bytes = std::fs::read(&path).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        std::fs::write(&path, bytes).unwrap();
        if let Ok(reader) = LogReader::open(dir.path()) {
            prop_assert_eq!(reader.size(), size);
            let read: Result<Vec<_>, _> = reader.iter(0).collect();
            match read {
                Ok(read) => prop_assert!(read.iter().all(|(index, bytes)| *bytes == entry(*index, 10).0)),
                Err(fault) => prop_assert!(!in_index, "{}", fault),
            }
        } else {
            prop_assert!(!in_index);
        }
    }
}
