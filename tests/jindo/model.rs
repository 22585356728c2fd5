//! A naive model of the folds: a plain list of what was accepted, and every figure computed from scratch.
//!
//! It shares no code with the fold: the test catalogue is spelled out here by hand, and nothing is kept between questions.
//! It knows no envelope and no signature; what it is given is well-formed.
#![allow(dead_code)]

mod gives;

use std::collections::{BTreeMap, BTreeSet};

use jindo::event::envelope::NewEvent;
use jindo::event::{Day, Time};
use jindo::fold::rows::{Figures, Statement};
use serde_json::Value;
use uuid::Uuid;

const UNIT: i128 = 1_000_000;

/// Agency and event id.
pub type Key = (String, Uuid);

/// What an accepted event says.
#[derive(Debug, Clone)]
pub enum What {
    /// A milestone: type, time, data.
    Report(String, Time, Value),
    /// Ends a version, a verification or a dispute.
    Retract(Key),
    /// Vouches.
    Verify(Key),
    /// Contests.
    Dispute(Key),
    /// Whose claim stands: indicator, thing, version.
    Resolve(String, Vec<String>, Key),
}

/// An accepted event.
#[derive(Debug, Clone)]
pub struct Fact {
    /// Index of its entry.
    pub index: u64,
    /// Who and which.
    pub key: Key,
    /// Everything said, to tell duplicates from conflicts.
    pub content: String,
    /// The version it replaces.
    pub replaces: Option<Key>,
    /// What it says.
    pub what: What,
}

/// A figure. A stated value is (time, place in the log, value, verified, disputed, provisional, approximate).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fig {
    pub value: i128,
    pub count: i64,
    pub verified: i128,
    pub loose: i128,
    pub disputed: i64,
    pub provisional: i64,
    pub approximate: i64,
    pub stated: Option<Stated>,
    pub stated_verified: Option<Stated>,
    pub last: Option<Day>,
}

/// A stated value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stated {
    pub time: Time,
    pub place: usize,
    pub value: i128,
    pub verified: bool,
    pub disputed: bool,
    pub provisional: bool,
    pub approximate: bool,
}

impl Fig {
    /// What the store says, in the model's words; the place of a statement is its own matter.
    pub fn of(figures: &Figures) -> Fig {
        let stated = |statement: Option<Statement>| {
            statement.map(|statement| Stated {
                time: statement.time,
                place: 0,
                value: statement.value.millionths(),
                verified: statement.verified,
                disputed: statement.disputed,
                provisional: statement.provisional,
                approximate: statement.approximate,
            })
        };
        let tally = figures.tally;
        Fig {
            value: tally.value,
            count: tally.count,
            verified: tally.verified,
            loose: tally.loose,
            disputed: tally.disputed,
            provisional: tally.provisional,
            approximate: tally.approximate,
            stated: stated(figures.reported),
            stated_verified: stated(figures.verified),
            last: figures.day_last,
        }
    }

    fn placeless(mut self) -> Fig {
        for stated in [&mut self.stated, &mut self.stated_verified].into_iter().flatten() {
            stated.place = 0;
        }
        self
    }
}

enum Gives {
    Amount {
        millionths: i128,
        loose: i128,
    },
    Value(i128),
    /// Things; series of each stage reached (one empty stage where there are none); the stage that counts.
    Things {
        things: Vec<Vec<String>>,
        stages: Vec<Vec<String>>,
        counts_from: usize,
    },
}

struct Give {
    indicator: &'static str,
    gives: Gives,
    series: Vec<String>,
    agency: Option<String>,
}

struct Claim<'a> {
    key: &'a Key,
    day: Day,
    series: Vec<String>,
    agency: Option<String>,
    marks: Marks,
}

#[derive(Clone, Copy)]
struct Marks {
    verified: bool,
    disputed: bool,
    provisional: bool,
    approximate: bool,
}

type ThingKey = (&'static str, Vec<String>, usize);

/// The list.
#[derive(Default)]
pub struct Model {
    /// Accepted events in log order.
    pub facts: Vec<Fact>,
    /// Changes of the definition of `chargers`: index, first day, whether it is the changed one.
    pub definitions: Vec<(u64, Day, bool)>,
    /// Revisions of the target of `chargers`: index, value.
    pub targets: Vec<(u64, i64)>,
    /// Where each event stands in `facts`.
    places: BTreeMap<Key, usize>,
    /// Events corrected or retracted so far; figures of the past find out for themselves.
    ended: BTreeSet<Key>,
}

fn text<'a>(data: &'a Value, name: &str) -> Option<&'a str> {
    data[name].as_str()
}

fn millionths(value: &Value) -> i128 {
    let said = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (whole, fraction) = said.split_once('.').unwrap_or((&said, ""));
    whole.parse::<i128>().unwrap() * UNIT + format!("{fraction:0<6}").parse::<i128>().unwrap()
}

impl Model {
    /// The accepted event of that key.
    pub fn find(&self, key: &Key) -> Option<&Fact> {
        self.places.get(key).map(|place| &self.facts[*place])
    }

    /// Whether it was corrected or retracted.
    pub fn dead(&self, key: &Key) -> bool {
        self.ended.contains(key)
    }

    /// Takes a message of an agency and says how it must be ruled.
    pub fn take(&mut self, index: u64, events: &[NewEvent]) -> String {
        let mut targets = BTreeSet::new();
        let judged: Vec<_> = events.iter().map(|event| self.judge(index, event, &mut targets)).collect();
        if let Some(code) = judged.iter().find_map(|judged| judged.as_ref().err()) {
            return (*code).to_owned();
        }
        let new: Vec<_> = judged.into_iter().filter_map(Result::unwrap).collect();
        let word = if new.is_empty() { "duplicate" } else { "accepted" };
        for fact in new {
            self.places.insert(fact.key.clone(), self.facts.len());
            self.ended.extend(fact.replaces.clone());
            if let What::Retract(target) = &fact.what {
                self.ended.insert(target.clone());
            }
            self.facts.push(fact);
        }
        word.to_owned()
    }

    fn judge(&self, index: u64, event: &NewEvent, targets: &mut BTreeSet<Key>) -> Result<Option<Fact>, &'static str> {
        let key = (event.agency.clone(), event.id);
        let content = format!("{} {} {}", event.kind, event.time, event.data);
        if let Some(known) = self.find(&key) {
            return if known.content == content { Ok(None) } else { Err("id-conflict") };
        }
        let id = |name: &str| Uuid::parse_str(text(&event.data, name).unwrap()).unwrap();
        let mut replaces = None;
        let what = match event.kind.as_str() {
            "report.corrected.v1" => {
                let target = self.own(&event.agency, id("replaces"))?;
                let What::Report(kind, ..) = &self.find(&target).unwrap().what else { return Err("version-unknown") };
                self.newest(&target, targets)?;
                replaces = Some(target);
                let corrected = &event.data["event"];
                let time = Time::parse(text(corrected, "time").unwrap()).unwrap();
                What::Report(kind.clone(), time, corrected["data"].clone())
            }
            "report.retracted.v1" => {
                let target = self.own(&event.agency, id("retracts"))?;
                if matches!(self.find(&target).unwrap().what, What::Retract(_) | What::Resolve(..)) {
                    return Err("version-unknown");
                }
                self.newest(&target, targets)?;
                What::Retract(target)
            }
            "report.verified.v1" => {
                let target = self.others(text(&event.data, "agency").unwrap(), id("verifies"))?;
                match event.agency.as_str() {
                    own if own == target.0 => return Err("verification-own"),
                    "ktl" | "kiat" => What::Verify(self.once(event, target, targets, |what| match what {
                        What::Verify(of) => Some(of),
                        _ => None,
                    })?),
                    _ => return Err("not-authorised"),
                }
            }
            "report.disputed.v1" => {
                let target = self.others(text(&event.data, "agency").unwrap(), id("disputes"))?;
                What::Dispute(self.once(event, target, targets, |what| match what {
                    What::Dispute(of) => Some(of),
                    _ => None,
                })?)
            }
            "claim.resolved.v1" => self.resolved(event, id("stands"))?,
            kind => What::Report(kind.to_owned(), event.time, event.data.clone()),
        };
        Ok(Some(Fact { index, key, content, replaces, what }))
    }

    fn once(
        &self,
        event: &NewEvent,
        target: Key,
        targets: &mut BTreeSet<Key>,
        of: fn(&What) -> Option<&Key>,
    ) -> Result<Key, &'static str> {
        let stands =
            |fact: &Fact| fact.key.0 == event.agency && of(&fact.what) == Some(&target) && !self.dead(&fact.key);
        if !targets.insert(target.clone()) || self.facts.iter().any(stands) {
            return Err("already-stated");
        }
        Ok(target)
    }

    fn own(&self, agency: &str, id: Uuid) -> Result<Key, &'static str> {
        let key = (agency.to_owned(), id);
        match self.facts.iter().find(|fact| fact.key.1 == id) {
            _ if self.find(&key).is_some() => Ok(key),
            Some(_) => Err("version-foreign"),
            None => Err("version-unknown"),
        }
    }

    fn newest(&self, target: &Key, targets: &mut BTreeSet<Key>) -> Result<(), &'static str> {
        if self.dead(target) || !targets.insert(target.clone()) {
            return Err("version-superseded");
        }
        Ok(())
    }

    fn others(&self, agency: &str, id: Uuid) -> Result<Key, &'static str> {
        let key = (agency.to_owned(), id);
        let fact = self.find(&key).ok_or("version-unknown")?;
        if self.dead(&key) {
            return Err("version-superseded");
        }
        if !matches!(fact.what, What::Report(..)) {
            return Err("version-unknown");
        }
        Ok(key)
    }

    fn resolved(&self, event: &NewEvent, stands: Uuid) -> Result<What, &'static str> {
        if event.agency != "motie" {
            return Err("not-authorised");
        }
        let key = self.others(text(&event.data, "agency").unwrap(), stands)?;
        let indicator = text(&event.data, "indicator").unwrap().to_owned();
        let thing: Vec<String> = serde_json::from_value(event.data["thing"].clone()).unwrap();
        let claims = self.things_of(self.find(&key).unwrap());
        if !claims.iter().any(|(id, known, _)| *id == indicator && *known == thing) {
            return Err("claim-unknown");
        }
        Ok(What::Resolve(indicator, thing, key))
    }

    /// Things at stages that a fact claims.
    pub fn things_of(&self, fact: &Fact) -> Vec<(&'static str, Vec<String>, usize)> {
        let What::Report(kind, time, data) = &fact.what else { return Vec::new() };
        let mut found = Vec::new();
        for give in self.gives(fact, kind, *time, data) {
            if let Gives::Things { things, stages, .. } = give.gives {
                for thing in things {
                    found.extend((0..stages.len()).map(|stage| (give.indicator, thing.clone(), stage)));
                }
            }
        }
        found
    }

    /// Takes a new definition of `chargers`.
    pub fn define(&mut self, index: u64, effective: Day, changed: bool) -> &'static str {
        if self.definitions.iter().any(|(_, known, _)| *known >= effective) {
            return "governance-invalid";
        }
        self.definitions.push((index, effective, changed));
        "accepted"
    }

    /// Takes a revision of the target of `chargers`.
    pub fn revise(&mut self, index: u64, old: i64, new: i64) -> &'static str {
        if self.target(u64::MAX) != old {
            return "governance-invalid";
        }
        self.targets.push((index, new));
        "accepted"
    }

    /// Target of `chargers` in force at a size.
    pub fn target(&self, size: u64) -> i64 {
        self.targets.iter().rfind(|(index, _)| *index < size).map_or(71_000, |(_, value)| *value)
    }

    /// Whether the changed definition of `chargers` counts for events of a day, as known at an entry.
    pub fn changed_on(&self, day: Day, index: u64) -> bool {
        let known = self.definitions.iter().filter(|(at, effective, _)| *at < index && *effective <= day);
        known.max_by_key(|(_, effective, _)| *effective).is_some_and(|(_, _, changed)| *changed)
    }

    /// Every figure as of a day, from entries below `size`.
    pub fn figures(&self, day: Day, size: u64) -> BTreeMap<String, Fig> {
        let known: Vec<&Fact> = self.facts.iter().filter(|fact| fact.index < size).collect();
        let mut dead: BTreeSet<&Key> = known.iter().filter_map(|fact| fact.replaces.as_ref()).collect();
        dead.extend(
            known.iter().filter_map(|fact| if let What::Retract(target) = &fact.what { Some(target) } else { None }),
        );
        let mut verified = BTreeSet::new();
        let mut disputed = BTreeSet::new();
        for fact in known.iter().filter(|fact| !dead.contains(&fact.key)) {
            match &fact.what {
                What::Verify(target) => drop(verified.insert(target)),
                What::Dispute(target) => drop(disputed.insert(target)),
                _ => {}
            }
        }
        let mut figures: BTreeMap<String, Fig> = BTreeMap::new();
        let mut things: BTreeMap<ThingKey, Vec<Claim<'_>>> = BTreeMap::new();
        for (place, fact) in known.iter().enumerate().filter(|(_, fact)| !dead.contains(&fact.key)) {
            let What::Report(kind, time, data) = &fact.what else { continue };
            let mark = |name: &str| data[name] == Value::Bool(true);
            let marks = Marks {
                verified: verified.contains(&fact.key),
                disputed: disputed.contains(&fact.key),
                provisional: mark("provisional"),
                approximate: mark("approximate"),
            };
            for give in self.gives(fact, kind, *time, data) {
                let all = give.series.iter().chain(&give.agency);
                match give.gives {
                    Gives::Amount { millionths, loose } if time.day() <= day => {
                        all.for_each(|path| add(&mut figures, path, time.day(), millionths, loose, marks));
                    }
                    Gives::Value(value) if time.day() <= day => {
                        let Marks { verified, disputed, provisional, approximate } = marks;
                        let stated = Stated { time: *time, place, value, verified, disputed, provisional, approximate };
                        all.for_each(|path| state(&mut figures, path, stated));
                    }
                    Gives::Amount { .. } | Gives::Value(_) => {}
                    Gives::Things { things: claimed, stages, counts_from } => {
                        for thing in claimed {
                            for (stage, own) in stages.iter().enumerate() {
                                let counts = stage == counts_from;
                                let mut series = own.clone();
                                series.extend(give.series.iter().filter(|_| counts).cloned());
                                let agency = give.agency.clone().filter(|_| counts);
                                let claim = Claim { key: &fact.key, day: time.day(), series, agency, marks };
                                things.entry((give.indicator, thing.clone(), stage)).or_default().push(claim);
                            }
                        }
                    }
                }
            }
        }
        for (thing, claims) in &things {
            let resolved = self.resolution(&known, thing);
            count(&mut figures, claims, day, resolved);
        }
        figures.into_iter().map(|(path, figure)| (path, figure.placeless())).collect()
    }

    /// The version that the last resolution about a thing at a stage names.
    fn resolution<'a>(&self, known: &[&'a Fact], thing: &ThingKey) -> Option<&'a Key> {
        known.iter().rev().find_map(|fact| match &fact.what {
            What::Resolve(indicator, identity, stands) if indicator == thing.0 && *identity == thing.1 => {
                self.things_of(self.find(stands).unwrap()).contains(thing).then_some(stands)
            }
            _ => None,
        })
    }
}

fn add(figures: &mut BTreeMap<String, Fig>, path: &str, day: Day, millionths: i128, loose: i128, marks: Marks) {
    let figure = figures.entry(path.to_owned()).or_default();
    figure.value += millionths;
    figure.count += 1;
    figure.verified += if marks.verified { millionths } else { 0 };
    figure.loose += loose;
    figure.disputed += i64::from(marks.disputed);
    figure.provisional += i64::from(marks.provisional);
    figure.approximate += i64::from(marks.approximate);
    figure.last = figure.last.max(Some(day));
}

fn state(figures: &mut BTreeMap<String, Fig>, path: &str, stated: Stated) {
    let figure = figures.entry(path.to_owned()).or_default();
    figure.stated = figure.stated.max(Some(stated));
    figure.stated_verified = figure.stated_verified.max(Some(stated).filter(|stated| stated.verified));
    figure.last = figure.last.max(Some(stated.time.day()));
}

/// A thing counts once for its indicator and once for each agency that claims it, on the earliest day of the claims.
fn count(figures: &mut BTreeMap<String, Fig>, claims: &[Claim<'_>], day: Day, resolved: Option<&Key>) {
    let agencies: BTreeSet<_> = claims.iter().filter_map(|claim| claim.agency.as_ref()).collect();
    let groups = agencies.into_iter().map(|agency| {
        let own: Vec<_> = claims.iter().filter(|claim| claim.agency.as_ref() == Some(agency)).collect();
        (Some(agency), own)
    });
    for (agency, group) in groups.chain([(None, claims.iter().collect())]) {
        let first = group.iter().map(|claim| claim.day).min().unwrap();
        if first > day {
            continue;
        }
        let stands = group.iter().find(|claim| Some(claim.key) == resolved).unwrap_or(&group[0]);
        let marks = Marks {
            verified: group.iter().any(|claim| claim.marks.verified),
            disputed: group.iter().any(|claim| claim.marks.disputed),
            ..stands.marks
        };
        match agency {
            Some(path) => add(figures, path, first, UNIT, 0, marks),
            None => stands.series.iter().for_each(|path| add(figures, path, first, UNIT, 0, marks)),
        }
    }
}
