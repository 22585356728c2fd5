//! Random histories: a list of dice becomes messages, and the naive model says how each must be ruled.
//!
//! Every message is well-formed; what makes some refused is the past: superseded versions, foreign ones, conflicts. A shorter
//! list of dice is a shorter history, so failures shrink.

use jindo::event::envelope::NewEvent;
use jindo::event::{Day, Time};
use jindo::log::Arrival;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::ledger::{AUTHORITY, REGIONS, TestLedger, at, chargers, corrected};
use crate::model::{Fact, Key, Model, What};

const HOUR_NS: i64 = 3_600_000_000_000;

/// One throw: what happens, and the seed of its details.
pub type Throw = (u8, u32);

/// Draws numbers from a seed, the same each time.
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d)
    }

    /// A number from 0 to 2^64 - 1 (xorshift64*).
    pub fn draw(&mut self) -> u64 {
        self.0 = if self.0 == 0 { 1 } else { self.0 };
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.draw() >> 16) as usize % n
    }

    /// One of a list.
    pub fn of<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }
}

/// Messages of a history, how each must be ruled, and the model that has taken them all.
pub struct History {
    /// In order.
    pub messages: Vec<Arrival>,
    /// `accepted`, `duplicate` or a reason code, one per message.
    pub words: Vec<String>,
    /// The list.
    pub model: Model,
    sent: Vec<Vec<NewEvent>>,
}

/// A first and a last day that hold most events.
pub fn days() -> (Day, Day) {
    (Day::parse("2026-04-10").unwrap(), Day::parse("2026-05-20").unwrap())
}

impl History {
    /// Plays throws on top of what the ledger holds; commits nothing.
    pub fn play(ledger: &mut TestLedger, throws: &[Throw]) -> History {
        let mut history =
            History { messages: Vec::new(), words: Vec::new(), model: Model::default(), sent: Vec::new() };
        let first = ledger.core().size();
        for (place, (what, seed)) in (first..).zip(throws) {
            history.throw(ledger, place, *what, &mut Dice::new(u64::from(*seed)));
        }
        history
    }

    fn throw(&mut self, ledger: &mut TestLedger, index: u64, what: u8, dice: &mut Dice) {
        let events = match what % 32 {
            0..=18 => vec![report(ledger, kind_of(what % 32), dice)],
            19..=22 => vec![self.correction(ledger, dice)],
            23..=24 => vec![self.retraction(ledger, dice)],
            25..=26 => vec![self.verification(ledger, dice)],
            27 => vec![self.dispute(ledger, dice)],
            28 => vec![self.resolution(ledger, dice)],
            29 => self.again(ledger, dice),
            30 => return self.governance(ledger, index, dice),
            _ => self.batch(ledger, dice),
        };
        self.messages.push(ledger.message("report", &events));
        self.words.push(self.model.take(index, &events));
        self.sent.push(events);
    }

    /// A fact, mostly a standing report, seldom anything.
    fn pick(&self, dice: &mut Dice) -> Option<&Fact> {
        let standing: Vec<&Fact> = self
            .model
            .facts
            .iter()
            .filter(|fact| matches!(fact.what, What::Report(..)) && !self.model.dead(&fact.key))
            .collect();
        let recent = &standing[standing.len().saturating_sub(40)..];
        match dice.below(12) {
            0 => (!self.model.facts.is_empty()).then(|| dice.of(&self.model.facts)),
            1..=3 => (!standing.is_empty()).then(|| *dice.of(&standing)),
            _ => (!recent.is_empty()).then(|| *dice.of(recent)),
        }
    }

    fn correction(&self, ledger: &mut TestLedger, dice: &mut Dice) -> NewEvent {
        let time = ledger.recorded;
        let Some(fact) = self.pick(dice) else {
            let data = corrected(Uuid::from_u128(7), &json!({}), time);
            return ledger.event("keco", "report.corrected.v1", data, time);
        };
        let (kind, old) = match &fact.what {
            What::Report(kind, time, _) => (kind.clone(), Some(*time)),
            _ => ("charger.installed.v1".to_owned(), None),
        };
        // Often a correction changes the value alone.
        let when = old.filter(|_| dice.below(3) > 0).unwrap_or_else(|| moment(ledger, dice));
        let agency = if dice.below(24) == 0 { "keco" } else { &fact.key.0 };
        let data = corrected(fact.key.1, &data_of(&kind, dice), when);
        ledger.event(agency, "report.corrected.v1", data, time)
    }

    fn retraction(&self, ledger: &mut TestLedger, dice: &mut Dice) -> NewEvent {
        let time = ledger.recorded;
        let vouched: Vec<_> = self
            .model
            .facts
            .iter()
            .filter(|fact| matches!(fact.what, What::Verify(_) | What::Dispute(_)))
            .map(|fact| &fact.key)
            .collect();
        let picked = if dice.below(3) == 0 && !vouched.is_empty() {
            Some(*dice.of(&vouched))
        } else {
            self.pick(dice).map(|fact| &fact.key)
        };
        let (agency, id) = picked.cloned().unwrap_or(("keco".to_owned(), Uuid::from_u128(7)));
        ledger.event(&agency, "report.retracted.v1", json!({"retracts": id.to_string(), "reason": "x"}), time)
    }

    fn named(&self, dice: &mut Dice) -> Key {
        self.pick(dice).map_or(("keco".to_owned(), Uuid::from_u128(7)), |fact| fact.key.clone())
    }

    fn verification(&self, ledger: &mut TestLedger, dice: &mut Dice) -> NewEvent {
        let (agency, id) = self.named(dice);
        let by = *dice.of(&["ktl", "ktl", "ktl", "kiat", "kita"]);
        let time = ledger.recorded;
        ledger.event(by, "report.verified.v1", json!({"agency": agency, "verifies": id.to_string()}), time)
    }

    fn dispute(&self, ledger: &mut TestLedger, dice: &mut Dice) -> NewEvent {
        let (agency, id) = self.named(dice);
        let by = *dice.of(&["kita", "kotra", "keco"]);
        let time = ledger.recorded;
        let data = json!({"agency": agency, "disputes": id.to_string(), "reason": "x"});
        ledger.event(by, "report.disputed.v1", data, time)
    }

    fn resolution(&self, ledger: &mut TestLedger, dice: &mut Dice) -> NewEvent {
        let claims: Vec<_> = self
            .model
            .facts
            .iter()
            .flat_map(|fact| self.model.things_of(fact).into_iter().map(|thing| (fact.key.clone(), thing)))
            .collect();
        let recent = &claims[claims.len().saturating_sub(60)..];
        let nothing = (("keco".to_owned(), Uuid::from_u128(7)), ("zones", vec!["z1".to_owned()], 0));
        let (key, (indicator, mut thing, _)) = if recent.is_empty() { nothing } else { dice.of(recent).clone() };
        if dice.below(10) == 0 || thing.is_empty() {
            thing = vec!["nowhere".to_owned()];
        }
        let by = if dice.below(16) == 0 { "keco" } else { AUTHORITY };
        let time = ledger.recorded;
        let data = json!({
            "indicator": indicator, "agency": key.0, "stands": key.1.to_string(), "thing": thing, "reason": "x"});
        ledger.event(by, "claim.resolved.v1", data, time)
    }

    /// An earlier message again, as it was or with one event changed.
    fn again(&self, ledger: &mut TestLedger, dice: &mut Dice) -> Vec<NewEvent> {
        if self.sent.is_empty() {
            return vec![report(ledger, "narrative.filed.v1", dice)];
        }
        let mut events = dice.of(&self.sent).clone();
        if dice.below(3) == 0 {
            events[0].time = events[0].time.plus_ns(-1);
        }
        // A duplicate beside something new.
        if dice.below(2) == 0 && events[0].kind == "charger.installed.v1" {
            let mut more = report(ledger, "charger.installed.v1", dice);
            more.agency.clone_from(&events[0].agency);
            events.push(more);
        }
        events
    }

    fn batch(&self, ledger: &mut TestLedger, dice: &mut Dice) -> Vec<NewEvent> {
        let count = 2 + dice.below(3);
        let way = dice.below(4);
        let mut events: Vec<NewEvent> = (0..count)
            .map(|_| match way {
                0 => report(ledger, "charger.installed.v1", dice),
                1 => report(ledger, "export.reported.v1", dice),
                2 => self.correction(ledger, dice),
                _ => self.retraction(ledger, dice),
            })
            .collect();
        let agency = events[0].agency.clone();
        events.retain(|event| event.agency == agency);
        events
    }

    fn governance(&mut self, ledger: &mut TestLedger, index: u64, dice: &mut Dice) {
        let time = ledger.recorded;
        let (kind, data, word) = if dice.below(2) == 0 {
            let current = self.model.target(u64::MAX);
            let old = if dice.below(6) == 0 { current + 1 } else { current };
            let new = 70_000 + dice.below(5_000) as i64;
            let target =
                |value: i64| json!({"indicator": "chargers", "goal": "reach", "value": value, "due": "2026-12-31"});
            let data = json!({"old": target(old), "new": target(new), "reason": "x", "authority": AUTHORITY});
            ("target.revised.v1", data, self.model.revise(index, old, new))
        } else {
            let last = self.model.definitions.last().map_or(days().0.plus(3), |(_, effective, _)| *effective);
            let effective = last.plus(dice.below(12) as i32);
            let changed = dice.below(3) > 0;
            let data = json!({"definition": chargers(changed), "effective": effective.to_string(), "reason": "x"});
            ("definition.changed.v1", data, self.model.define(index, effective, changed))
        };
        let event = ledger.event(AUTHORITY, kind, data, time);
        self.messages.push(ledger.message("govern", &[event]));
        self.words.push(word.to_owned());
    }
}

fn kind_of(what: u8) -> &'static str {
    match what {
        0..=5 => "charger.installed.v1",
        6..=8 => "factory.deployed.v1",
        9 => "zone.designated.v1",
        10..=13 => "export.reported.v1",
        14 => "capacity.reported.v1",
        15 => "foundry.stage-reached.v1",
        16 => "site.stage-reached.v1",
        17 => "fdi.notified.v1",
        _ => "narrative.filed.v1",
    }
}

fn report(ledger: &mut TestLedger, kind: &str, dice: &mut Dice) -> NewEvent {
    let kind = if kind == "fdi.notified.v1" && dice.below(3) == 0 { "fdi.arrived.v1" } else { kind };
    let agency = match kind {
        "export.reported.v1" => *dice.of(&["kita", "kiat"]),
        "fdi.notified.v1" | "fdi.arrived.v1" => *dice.of(&["kotra", "kiat"]),
        _ => *dice.of(&["keco", "kiat"]),
    };
    let time = moment(ledger, dice);
    ledger.event(agency, kind, data_of(kind, dice), time)
}

/// Mostly one of few moments, so that some coincide; sometimes long ago or ahead of the clock.
fn moment(ledger: &TestLedger, dice: &mut Dice) -> Time {
    match dice.below(20) {
        0 => at("2009-12-31T15:00:00Z").plus_ns(dice.below(3) as i64 * 24 * HOUR_NS - 1),
        1 => ledger.recorded.plus_ns(20 * HOUR_NS),
        _ => days().0.start().plus_ns(dice.below(40 * 3) as i64 * 8 * HOUR_NS),
    }
}

fn data_of(kind: &str, dice: &mut Dice) -> Value {
    let mut data = match kind {
        "charger.installed.v1" => {
            let class = dice.of(&["fast", "fast", "slow", "medium"]);
            let mut data = json!({"region": dice.of(&REGIONS[..3]), "class": class, "count": 1 + dice.below(50)});
            // Where the count is of listed things it says how many different ones.
            if dice.below(2) == 0 {
                let mut ids: Vec<String> = (0..1 + dice.below(3)).map(|_| format!("C-{}", dice.below(8))).collect();
                ids.sort();
                ids.dedup();
                data["count"] = ids.len().into();
                data["chargers"] = ids.into();
            }
            data
        }
        "factory.deployed.v1" => {
            let mut data = json!({"stage": dice.of(&["selected", "operating", "operating"])});
            if dice.below(4) == 0 {
                data["count"] = (1 + dice.below(9)).into();
            } else {
                data["business_number"] = format!("123456789{}", dice.below(3)).into();
                data["site"] = (*dice.of(&["a", "b"])).into();
            }
            data
        }
        "zone.designated.v1" => json!({"sector": "defence", "zone": dice.of(&["z1", "z2", "z3"])}),
        "export.reported.v1" => json!({
            "period": dice.of(&["2025", "2026-Q1", "2026-Q2"]), "item": "total", "currency": "USD",
            "amount": format!("{}.{:06}", dice.below(1_000), dice.below(1_000_000)),
            "basis": dice.of(&["customs", "preliminary-customs"])}),
        "capacity.reported.v1" => json!({"sector": "cars", "count": 1 + dice.below(1_000)}),
        "foundry.stage-reached.v1" => json!({"stage": dice.of(&["approved", "under-construction", "operating"])}),
        "site.stage-reached.v1" => {
            json!({"site": dice.of(&["s1", "s2"]), "stage": dice.of(&["designated", "under-construction", "powered"])})
        }
        "fdi.notified.v1" | "fdi.arrived.v1" => {
            let basis = if kind == "fdi.arrived.v1" { "arrived" } else { "notified" };
            let mut data = json!({"basis": basis, "amount": dice.below(1_000_000_000), "currency": "USD"});
            if dice.below(2) == 0 {
                data["kind"] = (*dice.of(&["greenfield", "merger"])).into();
            }
            if dice.below(2) == 0 {
                data["project"] = (*dice.of(&["p1", "p2"])).into();
            }
            data
        }
        "narrative.filed.v1" => json!({"topic": dice.of(&["t1", "t2"]), "text": "x"}),
        other => panic!("no such type: {other}"),
    };
    let placed = !matches!(kind, "charger.installed.v1" | "export.reported.v1" | "narrative.filed.v1");
    if placed && dice.below(4) > 0 {
        data["region"] = (*dice.of(&REGIONS[..3])).into();
    }
    for mark in ["provisional", "approximate"] {
        if dice.below(5) == 0 {
            data[mark] = true.into();
        }
    }
    data
}
