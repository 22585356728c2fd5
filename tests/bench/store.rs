//! The store alone on the bench workload: commits of ten thousand events, then as-of reads, from a seed.
//!
//! `cargo bench --bench store -- [events]`. 34 indicators, 17 regions, 40 agencies, 365 days shuffled inside batches, five
//! additive moves an event, 18 % statements, 10 % things, 5 % corrections, 1 % duplicates. Only what the store does is timed:
//! commits, and the reads that folding needs (a lookup per event, a record per correction, winners per statement).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench may stop where it stands")]

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use jindo::event::{Amount, Day, Time};
use jindo::fold::lookup::{id_key, thing_key};
use jindo::fold::rows::{
    Changes, Claim, Effect, Gives, Holder, Move, Record, Rows, Series, SeriesList, SeriesNumber, Standing, Statement,
    Step, Tally, Thing,
};
use jindo::store::{Layout, Reader, Store};
use uuid::Uuid;

const COMMIT_EVENTS: u64 = 10_000;
const INDICATORS: u64 = 34;
/// Indicators from this one on are stated.
const STATED_FROM: u64 = 28;
const DAY_FIRST: i32 = 20_454;
const UNIT: i128 = 1_000_000;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

struct World {
    random: Random,
    numbers: HashMap<(u64, u64, u64), SeriesNumber>,
    series: Vec<Series>,
    winners: HashMap<(SeriesNumber, Day), Statement>,
    agencies: Vec<String>,
    last_id: Option<(u64, Uuid)>,
    at: Changes,
    /// What folding the commit would read.
    asked: Vec<[u8; 16]>,
    asked_days: Vec<(SeriesNumber, Day)>,
    corrected: Vec<(u64, Option<Record>)>,
    lookups: Spent,
    winners_read: Spent,
    records_read: Spent,
}

/// Time on the wall and on this thread's processor: the wall belongs to everyone on the machine.
#[derive(Clone, Copy, Default)]
struct Spent {
    wall: Duration,
    cpu: Duration,
}

impl Spent {
    fn add<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let (wall, cpu) = (Instant::now(), thread_cpu());
        let value = work();
        self.wall += wall.elapsed();
        self.cpu += thread_cpu().saturating_sub(cpu);
        value
    }
}

impl std::ops::Add for Spent {
    type Output = Spent;
    fn add(self, other: Spent) -> Spent {
        Spent { wall: self.wall + other.wall, cpu: self.cpu + other.cpu }
    }
}

fn thread_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split_whitespace().next().and_then(|ns| ns.parse().ok()).unwrap_or(0))
}

/// Of all threads, in hundredths of a second.
fn process_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<u64>().ok()).unwrap_or(0);
    Duration::from_millis((ticks(11) + ticks(12)) * 10)
}

impl World {
    fn new() -> Self {
        World {
            random: Random(2026),
            numbers: HashMap::new(),
            series: Vec::new(),
            winners: HashMap::new(),
            agencies: (0..40).map(|agency| format!("agency-{agency}")).collect(),
            last_id: None,
            at: Changes::default(),
            asked: Vec::new(),
            asked_days: Vec::new(),
            corrected: Vec::new(),
            lookups: Spent::default(),
            winners_read: Spent::default(),
            records_read: Spent::default(),
        }
    }

    fn series(&mut self, indicator: u64, dimension: u64, value: u64) -> SeriesNumber {
        let next = self.series.len() as SeriesNumber;
        *self.numbers.entry((indicator, dimension, value)).or_insert_with(|| {
            let path = format!(
                "indicator-{indicator}/{}/{value}",
                ["total", "part", "region", "agency", "class"][dimension as usize]
            );
            self.series.push(Series { path, ..Series::default() });
            self.at.position.series += 1;
            next
        })
    }

    fn step(&mut self, number: SeriesNumber, day: Day, step: Step) {
        let index = self.at.position.size;
        let series = &mut self.series[number as usize];
        match &step {
            Step::Add(tally) => {
                series.tally.value += tally.value;
                series.tally.count += tally.count;
            }
            Step::State { reported, .. } => {
                series.reported =
                    series.reported.into_iter().chain(*reported).max_by_key(|state| (state.time, state.ordinal));
            }
        }
        series.day_max = series.day_max.max(Some(day));
        series.moves += 1;
        series.index_last = index;
        self.at.series.insert(number, series.clone());
        self.at.moves.push((number, Move { index, day, step }));
    }

    fn record(&mut self, agency: u64, indicator: u64, time: Time, gives: Gives, series: SeriesList) -> u64 {
        let ordinal = self.at.position.records;
        self.at.position.records += 1;
        let high =
            if ordinal.is_multiple_of(10) { self.random.next() } else { 0x019a_0000_0000_7000 + (ordinal << 16) };
        let id = Uuid::from_u64_pair(high, self.random.next());
        let effect = Effect { indicator: indicator as u16, gives, series, provisional: false, approximate: false };
        let mut digest = [0; 16];
        digest[..8].copy_from_slice(&self.random.next().to_le_bytes());
        digest[8..].copy_from_slice(&self.random.next().to_le_bytes());
        let record = Record {
            agency: agency as u16,
            id,
            kind: indicator as u16,
            digest,
            index: self.at.position.size,
            position: 0,
            time,
            replaces: None,
            version: 0,
            about: None,
            replaced_by: None,
            retracted_by: None,
            verified_by: Vec::new(),
            disputed_by: Vec::new(),
            effects: vec![effect],
        };
        self.at.records.insert(ordinal, record);
        let key = id_key(&self.agencies[agency as usize], &id);
        self.asked.push(key);
        self.at.lookups.push((key, ordinal));
        self.last_id = Some((agency, id));
        ordinal
    }

    fn event(&mut self) {
        let chance = self.random.below(100);
        let agency = self.random.below(40);
        let second = self.random.below(86_400) as i64;
        let day = Day::from_number(DAY_FIRST + self.random.below(365) as i32);
        let time = day.start().plus_ns(second * 1_000_000_000);
        if chance == 0 {
            if let Some((agency, id)) = self.last_id {
                let key = id_key(&self.agencies[agency as usize], &id);
                self.asked.push(key);
            }
        } else if chance <= 5 && self.correct() {
        } else if chance <= 23 {
            self.state(agency, day, time);
        } else {
            let indicator = self.random.below(STATED_FROM);
            let series: SeriesList =
                [(0, 0), (1, self.random.below(2)), (2, self.random.below(17)), (3, agency), (4, self.random.below(3))]
                    .into_iter()
                    .map(|(dimension, value)| self.series(indicator, dimension, value))
                    .collect();
            let value = 1 + self.random.below(5) as i128;
            let gives = if chance <= 33 {
                let (thing, series) = (self.at.position.things, series.clone());
                Gives::Things(vec![Claim { thing, before: None, series, agency_series: None }])
            } else {
                Gives::Amount(Amount::from_millionths(value * UNIT))
            };
            let ordinal = self.record(agency, indicator, time, gives, series.clone());
            if chance <= 33 {
                self.thing(ordinal, agency, indicator, day, &series);
            }
            for number in series {
                self.step(number, day, Step::Add(Tally { value: value * UNIT, count: 1, ..Tally::default() }));
            }
        }
        if self.random.below(10) == 0 {
            self.at.position.size += 1;
        }
    }

    fn thing(&mut self, ordinal: u64, agency: u64, indicator: u64, day: Day, series: &[SeriesNumber]) {
        let number = self.at.position.things;
        self.at.position.things += 1;
        let identity = vec![format!("{:010}", self.random.below(10_000_000_000)), format!("{number}")];
        let key = thing_key(indicator as u16, 0, &identity);
        self.asked.push(key);
        self.at.lookups.push((key, number));
        let stands = Standing { ordinal, provisional: false, approximate: false, series: series.into() };
        let holder = Holder {
            agency: agency as u16,
            agency_series: None,
            last: ordinal,
            alive: 1,
            verified: 0,
            disputed: 0,
            earliest: (day, 1),
            stands: Some(stands),
        };
        let thing = Thing { indicator: indicator as u16, stage: 0, identity, holders: vec![holder], resolved: None };
        self.at.things.insert(number, thing);
    }

    fn state(&mut self, agency: u64, day: Day, time: Time) {
        let indicator = STATED_FROM + self.random.below(INDICATORS - STATED_FROM);
        let series: SeriesList = [(0, 0), (1, self.random.below(4)), (2, self.random.below(17))]
            .into_iter()
            .map(|(dimension, value)| self.series(indicator, dimension, value))
            .collect();
        let value = Amount::from_millionths(self.random.below(1_000_000_000) as i128 * UNIT / 100);
        let ordinal = self.record(agency, indicator, time, Gives::Value(value), series.clone());
        let statement = Statement {
            time,
            ordinal,
            value,
            verified: false,
            disputed: false,
            provisional: false,
            approximate: false,
        };
        for number in series {
            self.at.statements.insert((number, day, time, ordinal), Some(statement));
            self.asked_days.push((number, day));
            let winner = self.winners.entry((number, day)).or_insert(statement);
            if (winner.time, winner.ordinal) <= (time, ordinal) {
                *winner = statement;
                self.step(number, day, Step::State { reported: Some(statement), verified: None });
            }
        }
    }

    fn correct(&mut self) -> bool {
        let Some((ordinal, old)) = self.corrected.pop() else { return false };
        let old = self.at.records.get(&ordinal).cloned().or(old);
        let Some(mut old) = old.filter(Record::stands) else { return true };
        let effect = old.effects[0].clone();
        let Gives::Amount(value) = effect.gives else { return true };
        let value = value.millionths();
        let new =
            self.record(old.agency.into(), effect.indicator.into(), old.time, effect.gives, effect.series.clone());
        old.replaced_by = Some(new);
        let day = old.time.day();
        self.at.records.insert(ordinal, old);
        for number in effect.series {
            self.step(number, day, Step::Add(Tally { value: -value, count: -1, ..Tally::default() }));
            self.step(number, day, Step::Add(Tally { value, count: 1, ..Tally::default() }));
        }
        true
    }

    /// The changes of one commit.
    fn commit(&mut self, rows: &Reader) -> Changes {
        let known = self.at.position.records;
        let ordinals: Vec<u64> = (0..COMMIT_EVENTS / 20 * known.min(1)).map(|_| self.random.below(known)).collect();
        let records: Vec<Option<Record>> =
            self.records_read.add(|| ordinals.iter().map(|ordinal| rows.record(*ordinal).expect("record")).collect());
        self.corrected = ordinals.into_iter().zip(records).collect();
        for _ in 0..COMMIT_EVENTS {
            self.event();
        }
        let asked = std::mem::take(&mut self.asked);
        let found = self.lookups.add(|| asked.iter().filter(|key| rows.lookup(key).expect("lookup").is_some()).count());
        assert!(found < COMMIT_EVENTS as usize / 50);
        let days = std::mem::take(&mut self.asked_days);
        self.winners_read.add(|| {
            days.iter().filter(|(series, day)| rows.winners(*series, *day).expect("winners").0.is_some()).count()
        });
        self.at.position.size += 1;
        let position = self.at.position.clone();
        let next = Changes { position, ..Changes::default() };
        std::mem::replace(&mut self.at, next)
    }
}

fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0");
    line.split_whitespace().next().and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) / 1024
}

fn bytes_under(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    // Slab files are sparse at their ends: count what is allocated.
    entries.map(|entry| if entry.path().is_dir() { bytes_under(&entry.path()) } else { allocated(&entry.path()) }).sum()
}

#[cfg(unix)]
fn allocated(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).map_or(0, |file| file.blocks() * 512)
}

#[cfg(not(unix))]
fn allocated(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_micros();
    format!("p50 {} µs, p99 {} µs, max {} µs", at(50), at(99), at(100))
}

fn as_of(reader: &Reader, what: &str) {
    let mut random = Random(7);
    let view = reader.view();
    let (size, series) = (view.position().size, u64::from(view.position().series));
    let read = |random: &mut Random, number: u64| {
        let day = Day::from_number(DAY_FIRST + random.below(365) as i32);
        view.figures_of(number as u32, day, Some(random.below(size))).expect("figures")
    };
    let mut timed = |count: usize, numbers: &dyn Fn(&mut Random) -> Vec<u64>| {
        let times = (0..count).map(|_| {
            let numbers = numbers(&mut random);
            let start = Instant::now();
            numbers.iter().for_each(|number| {
                let _ = read(&mut random, *number);
            });
            start.elapsed()
        });
        percentiles(times.collect())
    };
    println!("  as-of, {what}, any series: {}", timed(2_000, &|random| vec![random.below(series)]));
    let totals: Vec<u64> = (0..INDICATORS)
        .filter_map(|indicator| view.series(&format!("indicator-{indicator}/total/0")).map(|(number, _)| number.into()))
        .collect();
    println!(
        "  as-of, {what}, a total: {}",
        timed(2_000, &|random| vec![totals[random.below(totals.len() as u64) as usize]])
    );
    let indicators: Vec<Vec<u64>> = (0..STATED_FROM)
        .map(|indicator| {
            view.series_with_prefix(&format!("indicator-{indicator}/"))
                .iter()
                .map(|(number, _)| u64::from(*number))
                .collect()
        })
        .collect();
    let pick = |random: &mut Random| indicators[random.below(STATED_FROM) as usize].clone();
    println!("  as-of, {what}, all {} series of an indicator: {}", indicators[0].len(), timed(200, &pick));
}

fn main() {
    let events: u64 = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(3_000_000);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let layout = Layout::default();
    let mut store = Store::open_with(folder.path(), layout).expect("open");
    let mut world = World::new();
    let (mut commits, mut longest, mut done, mut peak) = (Spent::default(), Duration::ZERO, 0_u64, 0);
    let (mut last, mut last_done, mut made) = (Spent::default(), 0, Spent::default());
    while done < events {
        let changes = made.add(|| world.commit(&store.rows()));
        let start = Instant::now();
        commits.add(|| store.commit(&changes).expect("commit"));
        longest = longest.max(start.elapsed());
        done += COMMIT_EVENTS;
        peak = peak.max(resident_mb());
        if done.is_multiple_of(250_000) {
            let spent = commits + world.lookups + world.winners_read + world.records_read;
            let rate = |events: u64, time: Duration| (events as f64 / time.as_secs_f64()) as u64 / 1_000;
            let each = |spent: Spent| spent.cpu.as_nanos() as f64 / done as f64 / 1_000.0;
            let beside = process_cpu().saturating_sub(made.cpu + commits.cpu);
            println!(
                "{done} events: {}k/s on one core ({}k/s on the wall), last {}k/s; µs an event: commit {:.2}, lookups {:.2}, winners {:.2}, records {:.2}, other threads {:.2}; longest {} ms, {} reopened, {} MB, peak {peak}, {} B an event on disk",
                rate(done, spent.cpu),
                rate(done, spent.wall),
                rate(done - last_done, spent.cpu - last.cpu),
                each(commits),
                each(world.lookups),
                each(world.winners_read),
                each(world.records_read),
                beside.as_micros() as f64 / done as f64,
                longest.as_millis(),
                store.reopened(),
                resident_mb(),
                bytes_under(folder.path()) / done,
            );
            (last, last_done) = (spent, done);
        }
        if done == 1_000_000 || done >= events {
            as_of(&store.reader(), "as it is");
        }
    }
    let start = Instant::now();
    store.close().expect("close");
    println!(
        "closed in {} ms, {} bytes an event on disk",
        start.elapsed().as_millis(),
        bytes_under(folder.path()) / done
    );
    let start = Instant::now();
    let store = Store::open_with(folder.path(), layout).expect("open");
    println!("opened in {} ms", start.elapsed().as_millis());
    as_of(&store.reader(), "just opened");
}
