//! One series of the running ledger: which of an indicator's figures it is, its line, and what happened to it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use serde_json::Value;

use super::{Held, Live, agency, broken};
use crate::admit::screen::is_about;
use crate::event::{Amount, Date, Day, Text};
use crate::fold::rows::{Ordinal, Record, Rows as _, SeriesNumber, Step, Tally};
use crate::fold::state::plus;
use crate::limits::{SERIES_MARKS_BYTES, SERIES_MARKS_MAX, SERIES_POINTS_MAX};
use crate::serve::source::{Ask, AskSeries, SourceError};
use crate::serve::views::{MarkView, PointView, SeriesView};
use crate::store::progress::view::{FigureView, SplitValue, TargetView};

/// One of the figures of an indicator.
pub(super) struct Named {
    /// `total`, `part/fast`…
    pub path: String,
    pub title: Text,
    pub figure: FigureView,
    /// Its row in the store, once it moved.
    pub series: Option<SeriesNumber>,
}

impl Held {
    /// The full path of a series.
    pub(super) fn path(&self, rest: &str) -> String {
        format!("{}/{rest}", self.indicator.id)
    }

    /// The figure under a path below the indicator; the indicator's own id may stand before it.
    pub(super) fn named(&self, path: &str) -> Option<Named> {
        let view = &self.indicator;
        let rest = path.strip_prefix(&view.id).and_then(|rest| rest.strip_prefix('/')).unwrap_or(path);
        let series = self.then.view.series(&self.path(rest)).map(|(number, _)| number);
        let (kind, value) = rest.split_once('/').unwrap_or((rest, ""));
        let same = || Text { ko: value.to_owned(), en: value.to_owned() };
        let found = match kind {
            "total" if value.is_empty() => Some((view.title.clone(), view.figure.clone())),
            "part" => {
                view.parts.iter().find(|part| part.id == value).map(|part| (part.title.clone(), part.figure.clone()))
            }
            "stage" => view
                .stages
                .iter()
                .find(|stage| stage.id == value)
                .map(|stage| (stage.title.clone(), stage.figure.clone())),
            "period" => {
                let known = view.periods.iter().find(|period| period.period == value);
                let known = known.map(|period| (same(), period.figure.clone()));
                known.or_else(|| series.map(|_| (same(), FigureView::default())))
            }
            // What was reported once and stands no more has a line all the same.
            _ => self.split(kind, value).map(|value| (value.label.clone(), value.figure.clone())).or_else(|| {
                let is_split = view.splits.iter().any(|split| split.id == kind);
                series.filter(|_| is_split).map(|_| (same(), FigureView::default()))
            }),
        };
        found.map(|(title, figure)| Named { path: rest.to_owned(), title, figure, series })
    }

    fn split(&self, id: &str, value: &str) -> Option<&SplitValue> {
        let split = self.indicator.splits.iter().find(|split| split.id == id)?;
        split.values.iter().find(|known| known.value == value)
    }

    /// Targets of a series.
    fn targets(&self, path: &str) -> Vec<TargetView> {
        let fits = |target: &&TargetView| match (path.split_once('/'), &target.part, &target.period) {
            (None, None, _) => true,
            (Some(("part", part)), Some(of), _) => part == of,
            (Some(("period", period)), None, Some(of)) => period == of,
            _ => false,
        };
        self.indicator.targets.iter().filter(fits).cloned().collect()
    }
}

impl Live {
    pub(super) fn line(&self, id: &str, ask: Ask, which: &AskSeries) -> Result<Option<SeriesView>, SourceError> {
        let Some(held) = self.held(id, ask)? else { return Ok(None) };
        let Some(named) = held.named(which.path.as_deref().unwrap_or("total")) else { return Ok(None) };
        let moment = held.then.moment;
        let line = held.then.view.line(&held.path(&named.path), moment.as_of, moment.size);
        let mut points = points(&line.map_err(|met| self.doubted(met))?);
        let to = which.to.unwrap_or(moment.as_of);
        points.retain(|point| point.day <= to && which.from.is_none_or(|from| from <= point.day));
        let points_total = points.len();
        points.drain(..points_total.saturating_sub(SERIES_POINTS_MAX));
        let targets = held.targets(&named.path);
        let mut marks = self.governed(&held, &named.path, &targets)?;
        marks.extend(self.reported(&held, &named)?);
        marks.retain(|mark| mark.day <= to && which.from.is_none_or(|from| from <= mark.day));
        marks.sort_by_key(|mark| (mark.day, mark.index));
        let state = held.then.registry.indicators.get(held.indicator.id.as_str());
        let expected = state.map(|state| state.version_on(moment.as_of).path.clone()).unwrap_or_default();
        let whole = named.path == "total";
        let view = held.indicator;
        Ok(Some(SeriesView {
            id: view.id,
            path: named.path,
            title: named.title,
            unit: view.unit,
            fold: view.fold,
            figure: named.figure,
            points,
            points_total: points_total as u64,
            targets,
            baseline: view.baseline.filter(|_| whole),
            start: view.start,
            expected: if whole { expected } else { Vec::new() },
            marks,
            simulated: view.simulated,
            public_source: view.public_source,
            as_of: view.as_of,
            known_at: view.known_at,
            size: view.size,
            proven_size: view.proven_size,
        }))
    }

    /// New definitions, revised targets, successions of regions.
    fn governed(&self, held: &Held, path: &str, targets: &[TargetView]) -> Result<Vec<MarkView>, SourceError> {
        let mark = |kind: &str, day: Day, text: &str, index: Option<u64>| MarkView {
            kind: kind.to_owned(),
            day,
            text: (!text.is_empty()).then(|| text.to_owned()),
            agency: None,
            event: None,
            index,
        };
        let mut marks = Vec::new();
        for known in &held.indicator.breaks {
            marks.push(mark("break", known.effective.first_day(), &known.reason, Some(known.index)));
        }
        for revision in targets.iter().flat_map(|target| &target.revisions) {
            let day = match revision.announced {
                Some(announced) => announced.first_day(),
                None => self.parsed(revision.index)?.recorded.day(),
            };
            let agency = Some(revision.authority.clone());
            marks.push(MarkView { agency, ..mark("revision", day, &revision.reason, Some(revision.index)) });
        }
        let succession = path.split_once('/').and_then(|(split, value)| held.split(split, value)?.succession.as_ref());
        if let Some(succession) = succession {
            let ended = succession.until.map(Date::last_day).map(|day| (day.plus(1), succession.successor.clone()));
            let begun = succession.predecessors.iter().map(|(code, day)| (*day, Some(code.clone())));
            for (day, other) in ended.into_iter().chain(begun) {
                marks.push(mark("succession", day, &other.unwrap_or_default(), None));
            }
        }
        Ok(marks)
    }

    /// Corrections, retractions, disputes, verifications and remarks in the newest entries that moved the series.
    fn reported(&self, held: &Held, named: &Named) -> Result<Vec<MarkView>, SourceError> {
        let Some(series) = named.series else { return Ok(Vec::new()) };
        let mut entries = BTreeSet::new();
        let moved = held.then.view.each_move(series, 0..held.then.moment.size, true, &mut |step| {
            if step.day <= held.then.moment.as_of {
                entries.insert(step.index);
            }
            if entries.len() >= SERIES_MARKS_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        moved.map_err(|met| self.doubted(met))?;
        let (mut marks, mut bytes) = (Vec::new(), 0);
        for index in entries.into_iter().rev() {
            let entry = self.opened(index)?;
            bytes += entry.bytes;
            if bytes > SERIES_MARKS_BYTES {
                break;
            }
            // Most reports say nothing beside their numbers: their records need not be read.
            if !entry.data.iter().any(|(kind, data)| is_about(kind) || remark(data).is_some()) {
                continue;
            }
            for (_, record) in held.then.reader.records_of(index).map_err(|met| self.doubted(met))? {
                if marks.len() >= SERIES_MARKS_MAX * 2 {
                    return Ok(marks);
                }
                let data = entry.data(record.position);
                let said = |name: &str| Some(data?.get(name)?.as_str()?.to_owned());
                let kind = held.then.registry.kind(record.kind);
                let (kind, text) = match (record.replaces, kind) {
                    (Some(_), _) => ("correction", said("reason")),
                    (None, "report.retracted.v1") => ("retraction", said("reason")),
                    (None, "report.disputed.v1") => ("dispute", said("reason")),
                    (None, "report.verified.v1") => ("verification", said("note")),
                    (None, "claim.resolved.v1") => ("resolution", said("reason")),
                    (None, _) => match data.and_then(remark) {
                        Some(remark) => ("remark", Some(remark.to_owned())),
                        None => continue,
                    },
                };
                let Some(day) = self.moved_day(held, series, &record)? else { continue };
                marks.push(MarkView {
                    kind: kind.to_owned(),
                    day,
                    text,
                    agency: Some(agency(&held.then.registry, held.then.registry.agency_code(record.agency))),
                    event: Some(record.id),
                    index: Some(index),
                });
            }
        }
        Ok(marks)
    }

    /// The day in the series that a record is about; `None` where it is about another series.
    fn moved_day(&self, held: &Held, series: SeriesNumber, record: &Record) -> Result<Option<Day>, SourceError> {
        if moves(record, series) {
            return Ok(Some(record.time.day()));
        }
        let read = |ordinal: Ordinal| -> Result<Record, SourceError> {
            let record = held.then.reader.record(ordinal).map_err(|met| self.doubted(met))?;
            record.ok_or_else(|| broken("a record is missing"))
        };
        for target in record.replaces.iter().chain(&record.about) {
            let target = read(*target)?;
            if moves(&target, series) {
                return Ok(Some(target.time.day()));
            }
            if let Some(about) = target.about.map(read).transpose()?.filter(|about| moves(about, series)) {
                return Ok(Some(about.time.day()));
            }
        }
        Ok(None)
    }
}

/// What a report says beside its numbers.
pub(super) fn remark(data: &Value) -> Option<&str> {
    data.get("remark").or_else(|| data.get("text"))?.as_str()
}

/// Whether what the record gives goes to the series.
fn moves(record: &Record, series: SeriesNumber) -> bool {
    use crate::fold::rows::Gives;
    record.effects.iter().any(|effect| match &effect.gives {
        Gives::Things(claims) => {
            claims.iter().any(|claim| claim.series.contains(&series) || claim.agency_series == Some(series))
        }
        _ => effect.series.contains(&series),
    })
}

/// Values day by day from what changed on each.
fn points(line: &[(Day, Step)]) -> Vec<PointView> {
    let (mut sum, mut held) = (Tally::default(), (None, None));
    let mut points: Vec<PointView> = Vec::with_capacity(line.len());
    for (day, step) in line {
        let point = match step {
            Step::Add(tally) => {
                sum = plus(sum, *tally);
                let stands = sum.count > 0;
                PointView {
                    day: *day,
                    value: stands.then(|| Amount::from_millionths(sum.value)),
                    verified: stands.then(|| Amount::from_millionths(sum.verified)),
                    reports: sum.count,
                }
            }
            Step::State { reported, verified } => {
                held = (reported.or(held.0), verified.or(held.1));
                let value = |statement: Option<crate::fold::rows::Statement>| statement.map(|stated| stated.value);
                PointView { day: *day, value: value(held.0), verified: value(held.1), reports: held.0.is_some().into() }
            }
        };
        let same = |last: &PointView| {
            (last.value, last.verified, last.reports) == (point.value, point.verified, point.reports)
        };
        if !points.last().is_some_and(same) {
            points.push(point);
        }
    }
    points
}
