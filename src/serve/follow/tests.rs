//! Frames and their followers, over a ledger that changes when it is told to.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde_json::Value;

use super::hub::{Held, Hub, Next};
use super::*;
use crate::event::Time;
use crate::limits::FOLLOW_KEPT_BYTES_MAX;
use crate::projector::changes::{Changed, Changes};
use crate::serve::tests::Fake;

fn hub() -> (Arc<Fake>, Hub) {
    let fake = Arc::new(Fake::new());
    (fake.clone(), Hub::new(fake))
}

fn wanted(ids: &[&str]) -> Wanted {
    Wanted::new(ids.iter().map(|id| (*id).to_owned()).collect())
}

/// Event, id and data of each event in these bytes.
fn events(bytes: &[u8]) -> Vec<(String, Option<String>, Value)> {
    let text = std::str::from_utf8(bytes).unwrap();
    let blocks = text.split("\n\n").filter(|block| block.contains("event:"));
    let field = |block: &str, name: &str| {
        block.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim_start().to_owned())
    };
    blocks
        .map(|block| {
            let data = serde_json::from_str(&field(block, "data:").unwrap()).unwrap();
            (field(block, "event:").unwrap(), field(block, "id:"), data)
        })
        .collect()
}

/// Ids and values told.
fn told(data: &Value) -> Vec<(String, u64)> {
    let indicators = data["indicators"].as_array().unwrap();
    indicators.iter().map(|of| (of["id"].as_str().unwrap().to_owned(), of["value"].as_u64().unwrap())).collect()
}

async fn change(fake: &Fake, hub: &Hub, id: &'static str, bytes: usize) {
    let mut marks = fake.marks.lock().unwrap().clone();
    marks.iter_mut().filter(|mark| mark.0 == id).for_each(|mark| *mark = (id, mark.1 + 1, bytes));
    *fake.marks.lock().unwrap() = marks;
    fake.sizes.send_modify(|size| *size += 1);
    hub.look().await.unwrap();
}

fn frames(hub: &Hub, number: u64) -> Option<Vec<Arc<frame::Frame>>> {
    let (mut frames, mut number) = (Vec::new(), number);
    loop {
        match hub.after(number) {
            Next::Frame(frame) => number = frame.number,
            Next::Wait => return Some(frames),
            Next::Gone => return None,
        }
        let Next::Frame(frame) = hub.after(number - 1) else { panic!("it was there") };
        assert_eq!(frame.number, number);
        frames.push(frame);
    }
}

#[tokio::test]
async fn who_comes_back_misses_nothing_and_gets_nothing_twice() {
    let (fake, hub) = hub();
    let _following = hub.enter().await.unwrap();
    let all = wanted(&[]);
    let start = hub.start(&all, None);
    let [(event, Some(first), data)] = &events(&start.first.unwrap())[..] else { panic!("one event") };
    assert_eq!((event.as_str(), told(data)), ("snapshot", vec![("a".into(), 1), ("b".into(), 1)]));
    assert_eq!(first, &format!("41.{}", Time::now().day()));
    for id in ["a", "b", "a"] {
        change(&fake, &hub, id, 0).await;
    }
    let after = frames(&hub, start.number).unwrap();
    let ids: Vec<&str> = after.iter().map(|frame| frame.id.split('.').next().unwrap()).collect();
    assert_eq!(ids, ["42", "43", "44"]);
    let values = |ids: &[&str], frames: &[Arc<frame::Frame>]| -> Vec<_> {
        let wanted = wanted(ids);
        let bytes = frames.iter().filter_map(|frame| frame.bytes(&wanted));
        bytes.flat_map(|bytes| told(&events(&bytes)[0].2)).collect()
    };
    assert_eq!(values(&[], &after), [("a".into(), 2), ("b".into(), 2), ("a".into(), 3)]);
    assert_eq!(values(&["a"], &after), [("a".into(), 2), ("a".into(), 3)]);
    assert_eq!(values(&["c"], &after), []);
    // From each id that was given on, exactly what came after it; from any other a snapshot.
    for (last, rest) in
        [(first.as_str(), 3), (after[0].id.as_str(), 2), (after[1].id.as_str(), 1), (after[2].id.as_str(), 0)]
    {
        let start = hub.start(&all, Some(last));
        assert!(start.first.is_none(), "{last}");
        assert_eq!(frames(&hub, start.number).unwrap().len(), rest, "{last}");
    }
    for last in ["40.2026-01-01", "", "44", "x.y"] {
        let start = hub.start(&wanted(&["b"]), Some(last));
        let [(event, Some(id), data)] = &events(&start.first.unwrap())[..] else { panic!("one event") };
        assert_eq!((event.as_str(), id, told(data)), ("snapshot", &after[2].id, vec![("b".into(), 2)]), "{last}");
        assert_eq!(frames(&hub, start.number).unwrap().len(), 0);
    }
    assert_eq!(hub.unknown(&wanted(&["a", "z"])), ["z"]);
}

#[tokio::test]
async fn who_is_too_slow_is_told() {
    let (fake, hub) = hub();
    let _following = hub.enter().await.unwrap();
    let start = hub.start(&wanted(&[]), None);
    let each = FOLLOW_KEPT_BYTES_MAX / 4;
    for _ in 0..3 {
        change(&fake, &hub, "a", each).await;
    }
    assert_eq!(frames(&hub, start.number).unwrap().len(), 3);
    for _ in 0..2 {
        change(&fake, &hub, "a", each).await;
    }
    assert!(frames(&hub, start.number).is_none());
    let kept = frames(&hub, start.number + 2).unwrap();
    assert_eq!(kept.iter().map(|frame| frame.number).collect::<Vec<_>>(), [3, 4, 5]);
    // A frame larger than all that is kept is kept all the same.
    change(&fake, &hub, "a", FOLLOW_KEPT_BYTES_MAX + 1).await;
    assert_eq!(frames(&hub, 5).unwrap().len(), 1);
}

/// Who comes back after many frames is sent the very bytes that are kept, one frame after the other.
#[tokio::test]
async fn nothing_is_gathered_for_one_follower() {
    let (fake, hub) = hub();
    let following = hub.enter().await.unwrap();
    let start = hub.start(&wanted(&[]), None);
    let each = FOLLOW_KEPT_BYTES_MAX / 4;
    for id in ["a", "b", "a"] {
        change(&fake, &hub, id, each).await;
    }
    let kept = frames(&hub, start.number).unwrap();
    let follower = |wanted: Wanted, waiting: usize| {
        let (newest, state, over) = hub.subscribe();
        let (hub, waiting) = (hub.clone(), Waiting::new(waiting));
        let _following = Following::of(&hub);
        Follower { hub, waiting, wanted, number: start.number, newest, state, over, _following }
    };
    let mut all = follower(wanted(&[]), 0);
    for frame in &kept {
        let (bytes, step) = all.next().await;
        assert!(matches!(step, Step::Go));
        assert_eq!(bytes.as_ptr(), frame.bytes(&wanted(&[])).unwrap().as_ptr());
    }
    // Of one's own indicators: made one by one too, each with room while it waits.
    let mut mine = follower(wanted(&["a", "a", "a"]), each + 4_096);
    let (first, _) = mine.next().await;
    assert_eq!(told(&events(&first)[0].2), [("a".into(), 2)]);
    let (refused, step) = mine.next().await;
    assert!(matches!(step, Step::End) && events(&refused)[0].2["reason"] == "busy");
    drop((first, following));
}

#[tokio::test]
async fn nothing_is_made_where_nobody_follows() {
    let (fake, hub) = hub();
    let running = tokio::spawn(hub.clone().run());
    fake.sizes.send_modify(|size| *size += 1);
    tokio::task::yield_now().await;
    assert_eq!(fake.looks.load(Ordering::SeqCst), 0);
    let following = hub.enter().await.unwrap();
    assert!(fake.looks.load(Ordering::SeqCst) > 0);
    let (mut newest, _, mut over) = hub.subscribe();
    fake.marks.lock().unwrap()[0].1 = 9;
    fake.sizes.send_modify(|size| *size += 1);
    newest.changed().await.unwrap();
    drop(following);
    hub.close();
    running.await.unwrap();
    assert!(*over.borrow_and_update());
}

/// Statuses move with the day: the same size gets another id.
#[test]
fn a_new_day_is_a_new_frame() {
    let mut held = Held::default();
    let of = |mark| Changes {
        size: 7,
        proven_size: 7,
        known_at: None,
        origin: "test".to_owned(),
        simulated: false,
        indicators: vec![Changed { id: "a".to_owned(), mark, json: b"{}".to_vec() }],
    };
    let day = Time::now().day();
    assert!(!held.take(day, of(1)));
    assert!(held.take(day.plus(1), of(1)));
    assert_eq!(held.id(), format!("7.{}", day.plus(1)));
    assert!(!held.take(day.plus(1), Changes { indicators: Vec::new(), ..of(1) }));
}
