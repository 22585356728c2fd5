//! The view of an indicator: registry, figures and a day in Seoul give what every reader is shown.
//!
//! Pure: no clock, no I/O of its own; the same registry, figures and moment give the same JSON, byte for byte.

mod splits;
pub mod view;

use crate::catalogue::indicator::{FoldKind, Indicator};
use crate::catalogue::registry::{IndicatorState, Registry, TargetKey};
use crate::catalogue::{registry, units};
use crate::event::about::ForecastStated;
use crate::event::governance::Goal;
use crate::event::{Amount, Date, Day, Text, Time};
use crate::fold::rows::{Doubt, Figures, GovernanceRow, Statement};
use crate::fold::status;
use crate::limits::SPLIT_VALUES_MAX;

use view::{
    AgencyView, BreakView, FigureView, ForecastView, IndicatorView, IndicatorsView, LastReport, OwnerView, PartView,
    PeriodView, RevisionView, SourceView, StageView, StatusView, TargetState, TargetView, precision_word,
};

/// The moment that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// What had happened by the end of this day.
    pub as_of: Day,
    /// Entries that count.
    pub size: u64,
    /// How many of them a published checkpoint covers.
    pub proven_size: u64,
    /// Running maximum of `recorded` over them.
    pub known_at: Option<Time>,
}

/// The entry that moved a series last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Last {
    /// Its index.
    pub index: u64,
    /// When it was recorded.
    pub recorded: Option<Time>,
    /// Number of the agency.
    pub agency: u16,
}

/// Figures as of one moment, by the path of their series.
pub trait FigureSource {
    /// Figures of a series; zero where it never moved.
    ///
    /// # Errors
    /// [`Doubt`].
    fn figures(&self, path: &str) -> Result<Figures, Doubt>;
    /// Paths that start with `prefix`, ascending.
    fn paths(&self, prefix: &str) -> Vec<String>;
    /// The entry that moved the series last, where it is known for this moment.
    fn last(&self, path: &str) -> Option<Last>;
}

/// Every indicator, by row.
///
/// # Errors
/// [`Doubt`].
pub fn all(
    registry: &Registry,
    source: &dyn FigureSource,
    forecasts: &[GovernanceRow],
    moment: Moment,
) -> Result<IndicatorsView, Doubt> {
    let states = registry.indicators_by_row();
    let views = states.iter().map(|state| indicator(registry, state, source, forecasts, moment));
    Ok(IndicatorsView {
        as_of: moment.as_of,
        known_at: moment.known_at,
        size: moment.size,
        proven_size: moment.proven_size,
        origin: registry.origin.clone(),
        simulated: registry.simulated,
        indicators: views.collect::<Result<_, _>>()?,
    })
}

/// One indicator.
///
/// # Errors
/// [`Doubt`].
pub fn indicator(
    registry: &Registry,
    state: &IndicatorState,
    source: &dyn FigureSource,
    forecasts: &[GovernanceRow],
    moment: Moment,
) -> Result<IndicatorView, Doubt> {
    let definition = state.version_on(moment.as_of);
    let builder = Builder { registry, state, definition, source, moment };
    let stages = builder.stages()?;
    let periods = builder.periods()?;
    let total = source.figures(&builder.path("total"))?;
    let mut figure = builder.figure(&total);
    if definition.fold.kind == FoldKind::Stage {
        builder.say_stage(&mut figure, &stages);
    } else if figure.value.is_none() && stages.iter().any(|stage| stage.figure.value.is_some()) {
        // Things are on their way and none has arrived: zero was reported, it is not silence.
        figure.value = Some(Amount::ZERO);
        figure.text = units::say(Amount::ZERO, definition.unit.as_ref(), false);
    }
    let figure_period = builder.period_of(total.reported)?;
    let last_report = builder.last_report(&total);
    let simulated = builder.is_simulated(last_report.as_ref())?;
    let role = |last: &LastReport| builder.role(&last.agency.as_ref()?.code);
    let public_source = last_report.as_ref().and_then(role) == Some("desk");
    let mut view = IndicatorView {
        id: definition.id.clone(),
        row: definition.row,
        title: definition.title.clone(),
        area: definition.area.clone(),
        owner: builder.agency(state.owner_on(moment.as_of)),
        owners: builder.owners(),
        reporters: definition.reporters.clone(),
        verifiers: definition.verifiers.clone(),
        authority: definition.authority.clone(),
        unit: definition.unit.clone(),
        fold: definition.fold.kind,
        figure,
        figure_period,
        baseline: definition.baseline.clone(),
        start: definition.start,
        targets: builder.targets(),
        parts: builder.parts()?,
        splits: builder.splits()?,
        periods,
        stages,
        status: builder.status(&total, None, None),
        forecast: builder.forecast(forecasts),
        last_report,
        source: builder.source_view(),
        missing: definition.missing.clone(),
        breaks: builder.breaks(),
        simulated,
        public_source,
        as_of: moment.as_of,
        known_at: moment.known_at,
        size: moment.size,
        proven_size: moment.proven_size,
    };
    // A target of one period is held against that period's figure, not against the newest statement.
    if let Some(period) = view.target().and_then(|target| target.period.clone()) {
        let figures = source.figures(&builder.path(&format!("period/{period}")))?;
        view.status = builder.status(&figures, None, Some(&period));
    }
    Ok(view)
}

/// A ratio comes in thousandths and is shown as a number.
const PERMILLE_IN_MILLIONTHS: i128 = 1_000;

/// The stable code of a status and the word for it.
#[must_use]
pub fn word(code: status::Code) -> (&'static str, Text) {
    let (code, ko, en) = match code {
        status::Code::Unmeasurable => ("unmeasurable", "측정 불가", "unmeasurable"),
        status::Code::Met => ("met", "달성", "met"),
        status::Code::Overdue => ("overdue", "기한 초과", "overdue"),
        status::Code::NoReport => ("no_report", "보고 없음", "no report"),
        status::Code::NotStarted => ("not_started", "시작 전", "not started"),
        status::Code::OnTrack => ("on_track", "정상", "on track"),
        status::Code::AtRisk => ("at_risk", "주의", "at risk"),
        status::Code::Behind => ("behind", "지연", "behind"),
    };
    (code, Text { ko: ko.into(), en: en.into() })
}

struct Builder<'a> {
    registry: &'a Registry,
    state: &'a IndicatorState,
    definition: &'a Indicator,
    source: &'a dyn FigureSource,
    moment: Moment,
}

impl Builder<'_> {
    fn path(&self, rest: &str) -> String {
        format!("{}/{rest}", self.definition.id)
    }

    fn agency(&self, code: &str) -> AgencyView {
        let name = self.registry.agencies.get(code).map(|agency| agency.info.name.clone());
        AgencyView { code: code.to_owned(), name: name.unwrap_or_else(|| same(code)) }
    }

    fn role(&self, code: &str) -> Option<&str> {
        self.registry.agencies.get(code).map(|agency| agency.info.role.as_str())
    }

    fn figure(&self, figures: &Figures) -> FigureView {
        let tally = &figures.tally;
        let unit = self.definition.unit.as_ref();
        if self.definition.fold.kind == FoldKind::Latest {
            let Some(stated) = figures.reported else { return FigureView::default() };
            return FigureView {
                value: Some(stated.value),
                verified: figures.verified.map(|verified| verified.value),
                not_deduplicated: Amount::ZERO,
                reports: 1,
                disputed: stated.disputed.into(),
                provisional: stated.provisional.into(),
                approximate: stated.approximate.into(),
                text: units::say(stated.value, unit, stated.approximate),
            };
        }
        if self.definition.fold.kind == FoldKind::Narrative {
            return FigureView { reports: tally.count, text: say_count(tally.count), ..FigureView::default() };
        }
        let value = (tally.count > 0).then(|| Amount::from_millionths(tally.value));
        FigureView {
            value,
            verified: value.map(|_| Amount::from_millionths(tally.verified)),
            not_deduplicated: Amount::from_millionths(tally.loose),
            reports: tally.count,
            disputed: tally.disputed,
            provisional: tally.provisional,
            approximate: tally.approximate,
            text: value.map(|value| units::say(value, unit, tally.approximate > 0)).unwrap_or_default(),
        }
    }

    /// A stage is said by its name; with several things, by how many reached the last one reached.
    fn say_stage(&self, figure: &mut FigureView, stages: &[StageView]) {
        let Some(farthest) =
            stages.iter().rev().find(|stage| stage.figure.value.is_some_and(|value| value > Amount::ZERO))
        else {
            return;
        };
        figure.value = figure.value.or(Some(Amount::ZERO));
        let count = farthest.figure.value.unwrap_or_default();
        figure.text = if self.definition.fold.identity.is_empty() {
            farthest.title.clone()
        } else {
            let title = &farthest.title;
            Text {
                ko: format!("{} {}", title.ko, units::korean(count)),
                en: format!("{} {}", title.en, units::english(count)),
            }
        };
    }

    fn stages(&self) -> Result<Vec<StageView>, Doubt> {
        let stage = |stage: &crate::catalogue::indicator::Stage| {
            let figures = self.source.figures(&self.path(&format!("stage/{}", stage.id)))?;
            let mut figure = self.figure(&figures);
            figure.text = figure.value.map(|value| units::say(value, None, false)).unwrap_or_default();
            Ok(StageView { id: stage.id.clone(), title: stage.title.clone(), figure })
        };
        self.definition.fold.stages.iter().map(stage).collect()
    }

    fn periods(&self) -> Result<Vec<PeriodView>, Doubt> {
        let prefix = self.path("period/");
        let mut periods = Vec::new();
        for path in self.source.paths(&prefix).into_iter().take(SPLIT_VALUES_MAX) {
            let period = path[prefix.len()..].to_owned();
            let figures = self.source.figures(&path)?;
            let figure = self.figure(&figures);
            if figure.value.is_some() {
                let status = self.target(None, Some(&period)).map(|_| self.status(&figures, None, Some(&period)));
                periods.push(PeriodView { period, figure, status });
            }
        }
        periods.sort_by_key(|view| (Date::parse(&view.period).ok().map(Date::last_day), view.period.clone()));
        Ok(periods)
    }

    /// The period of a statement: the one whose series holds it.
    fn period_of(&self, stated: Option<Statement>) -> Result<Option<String>, Doubt> {
        let Some(stated) = stated else { return Ok(None) };
        let prefix = self.path("period/");
        for path in self.source.paths(&prefix).into_iter().take(SPLIT_VALUES_MAX) {
            if self.source.figures(&path)?.reported.is_some_and(|found| found.ordinal == stated.ordinal) {
                return Ok(Some(path[prefix.len()..].to_owned()));
            }
        }
        Ok(None)
    }

    fn parts(&self) -> Result<Vec<PartView>, Doubt> {
        let part = |part: &crate::catalogue::indicator::Part| {
            let figures = self.source.figures(&self.path(&format!("part/{}", part.id)))?;
            let status = self.target(Some(&part.id), None).map(|_| self.status(&figures, Some(&part.id), None));
            Ok(PartView { id: part.id.clone(), title: part.title.clone(), figure: self.figure(&figures), status })
        };
        self.definition.parts.iter().map(part).collect()
    }

    fn owners(&self) -> Vec<OwnerView> {
        let Some(first) = self.state.versions.first() else { return Vec::new() };
        let from_start =
            OwnerView { agency: self.agency(&first.indicator.owner), from: None, reason: None, index: first.index };
        let moved = self.state.owners.iter().map(|owner| OwnerView {
            agency: self.agency(&owner.owner),
            from: Some(Date::day(owner.effective)),
            reason: Some(owner.reason.clone()),
            index: owner.index,
        });
        std::iter::once(from_start).chain(moved).collect()
    }

    /// The versions of a target, oldest first.
    fn target(&self, part: Option<&str>, period: Option<&str>) -> Option<&[registry::TargetState]> {
        let key = TargetKey { part: part.map(str::to_owned), period: period.map(str::to_owned) };
        self.state.targets.get(&key).map(Vec::as_slice).filter(|versions| !versions.is_empty())
    }

    fn targets(&self) -> Vec<TargetView> {
        let view = |(key, versions): (&TargetKey, &Vec<registry::TargetState>)| {
            let (first, last) = (versions.first()?, versions.last()?);
            let revisions = versions.windows(2).map(|pair| self.revision(&pair[0], &pair[1]));
            Some(TargetView {
                part: key.part.clone(),
                period: key.period.clone(),
                current: self.target_state(last),
                original: self.target_state(first),
                revisions: revisions.collect(),
            })
        };
        self.state.targets.iter().filter_map(view).collect()
    }

    fn target_state(&self, state: &registry::TargetState) -> TargetState {
        let target = &state.target;
        TargetState {
            goal: target.goal,
            value: target.value,
            approximate: target.approximate,
            due: target.due,
            due_precision: target.due.map(|due| precision_word(due.precision()).to_owned()),
            due_last_day: target.due.map(Date::last_day),
            due_as_printed: target.due_as_printed.clone(),
            confirmed: target.confirmed,
            source: target.source.clone(),
            index: state.index,
            text: self.say_target(target.goal, target.value, target.approximate),
        }
    }

    fn say_target(&self, goal: Goal, value: Option<Amount>, approximate: bool) -> Text {
        let Some(value) = value else { return Text { ko: "수치 없음".into(), en: "no number".into() } };
        let said = units::say(value, self.definition.unit.as_ref(), approximate);
        match goal {
            Goal::Reach => said,
            Goal::AtLeast => Text { ko: format!("{} 이상", said.ko), en: format!("≥ {}", said.en) },
            Goal::AtMost => Text { ko: format!("{} 이하", said.ko), en: format!("≤ {}", said.en) },
        }
    }

    fn revision(&self, old: &registry::TargetState, new: &registry::TargetState) -> RevisionView {
        let (from, to) = (self.target_state(old), self.target_state(new));
        let said = |from: &str, to: &str| if from == to { to.to_owned() } else { format!("{from} → {to}") };
        RevisionView {
            text: Text { ko: said(&from.text.ko, &to.text.ko), en: said(&from.text.en, &to.text.en) },
            old: from.value,
            new: to.value,
            old_due: from.due,
            new_due: to.due,
            reason: new.reason.clone().unwrap_or_default(),
            authority: self.agency(&new.authority),
            announced: new.announced.map(Date::day),
            index: new.index,
        }
    }

    fn forecast(&self, forecasts: &[GovernanceRow]) -> Option<ForecastView> {
        let mine = forecasts.iter().rev().filter(|row| row.index < self.moment.size).filter_map(|row| {
            let stated: ForecastStated = serde_json::from_str(&row.data).ok()?;
            (stated.indicator == self.definition.id && row.time.day() <= self.moment.as_of).then_some((row, stated))
        });
        // The newest of the whole; of a part only where nothing was said of the whole.
        let (row, stated) = mine.min_by_key(|(row, stated)| (stated.part.is_some(), std::cmp::Reverse(row.index)))?;
        Some(ForecastView {
            agency: self.agency(&row.agency),
            part: stated.part,
            value: stated.value,
            date: stated.date,
            outlook: stated.outlook,
            remark: stated.remark,
            index: row.index,
            recorded: row.recorded,
        })
    }

    fn last_report(&self, total: &Figures) -> Option<LastReport> {
        let last = self.source.last(&self.path("total"));
        // What was recorded by then but had not happened yet is no report of that day.
        let day = total.day_last?;
        Some(LastReport {
            day: Some(day),
            recorded: last.and_then(|last| last.recorded),
            agency: last.map(|last| self.agency(self.registry.agency_code(last.agency))),
            index: last.map(|last| last.index),
        })
    }

    fn is_simulated(&self, last: Option<&LastReport>) -> Result<bool, Doubt> {
        let plays = |code: &str| self.role(code) == Some("simulated");
        if self.registry.simulated
            || last.and_then(|last| last.agency.as_ref()).is_some_and(|agency| plays(&agency.code))
        {
            return Ok(true);
        }
        let prefix = self.path("agency/");
        for path in self.source.paths(&prefix).into_iter().filter(|path| plays(&path[prefix.len()..])) {
            let figures = self.source.figures(&path)?;
            if figures.tally.count > 0 || figures.reported.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn source_view(&self) -> SourceView {
        let source = &self.definition.source;
        let mut view = SourceView {
            fragment: source.fragment.clone(),
            reference: source.reference.clone(),
            reading: source.reading.clone(),
            confirmed: source.confirmed,
            confirmed_by: None,
        };
        if let Some(newest) = self.state.interpretations.last() {
            view.fragment.clone_from(&newest.fragment);
            view.reading = newest.reading.clone();
            view.confirmed = newest.confirmed;
            view.confirmed_by.clone_from(&newest.confirmed_by);
        }
        view
    }

    fn breaks(&self) -> Vec<BreakView> {
        let changed = self.state.versions.iter().filter_map(|version| {
            let effective = Date::day(version.effective?);
            Some(BreakView { effective, reason: version.reason.clone().unwrap_or_default(), index: version.index })
        });
        changed.collect()
    }

    /// Against the target in force and, where it was revised, against the first one.
    fn status(&self, figures: &Figures, part: Option<&str>, period: Option<&str>) -> StatusView {
        let figure = self.figure(figures);
        let known = status::Known { value: figure.value, last: figures.day_last };
        let against = |target: Option<&registry::TargetState>| {
            status::status(self.definition, target.map(|state| &state.target), known, self.moment.as_of)
        };
        let ratio = |status: &status::Status| {
            status.ratio_permille.map(|permille| Amount::from_millionths(i128::from(permille) * PERMILLE_IN_MILLIONTHS))
        };
        let versions = self.target(part, period).unwrap_or_default();
        let now = against(versions.last());
        let original = (versions.len() > 1).then(|| against(versions.first()));
        let (code, text) = word(now.code);
        StatusView {
            code: code.to_owned(),
            text,
            expected: now.expected,
            ratio: ratio(&now),
            code_original: original.map(|status| word(status.code).0.to_owned()),
            ratio_original: original.as_ref().and_then(ratio),
        }
    }
}

/// A narrative has no number, only reports.
fn say_count(count: i64) -> Text {
    if count < 1 { Text::default() } else { Text { ko: format!("보고 {count}건"), en: format!("{count} reports") } }
}

fn same(text: &str) -> Text {
    Text { ko: text.to_owned(), en: text.to_owned() }
}

#[cfg(test)]
mod tests;
