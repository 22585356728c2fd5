//! Which reminders an indicator or an entry gives. Pure: figures and a day in, reminders out; the same again give the same ids.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::about::Disputed;
use crate::event::envelope;
use crate::event::subject::Subject;
use crate::event::{Date, Day, Text};
use crate::log::entry::{Entry, Verdict};
use crate::store::progress::view::{IndicatorView, StatusView, TargetView};

/// Days before a target is due on which it is reminded of: three weeks, two, one.
pub const AHEAD: [i32; 3] = [7, 14, 21];

/// One reminder. Told once: its id says what of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Reminder {
    /// What of, and at which of its steps: `due-14.ev-chargers.fast..2026`.
    pub id: String,
    /// `due`, `overdue`, `silent`, `disputed`, `refused`.
    pub kind: String,
    /// Commitment, where it is about one.
    pub indicator: Option<String>,
    /// Who should act: the owner, or whose report it was.
    pub agency: Option<String>,
    /// Day on which it arose (Asia/Seoul).
    pub day: Day,
    /// When the target is due, as it was set.
    pub due: Option<Date>,
    /// Days left, where a target is due.
    pub days_left: Option<i32>,
    /// Entry, where it is about one.
    pub index: Option<u64>,
    /// Said for readers.
    pub text: Text,
    /// The whole ledger, or the figure, is simulated.
    pub simulated: bool,
}

/// Those of an indicator on a day.
#[must_use]
pub fn of_indicator(view: &IndicatorView, today: Day, simulated: bool) -> Vec<Reminder> {
    let simulated = simulated || view.simulated;
    let (owner, name) = (view.owner.code.clone(), view.title.clone());
    let make = |id: String, kind: &str, text: Text| Reminder {
        id,
        kind: kind.to_owned(),
        indicator: Some(view.id.clone()),
        agency: Some(owner.clone()),
        day: today,
        due: None,
        days_left: None,
        index: None,
        text,
        simulated,
    };
    let mut found = Vec::new();
    for target in &view.targets {
        let (Some(last), Some(due)) = (target.current.due_last_day, target.current.due) else { continue };
        let Some(status) = status_of(view, target) else { continue };
        let left = last.number() - today.number();
        let of = |step: &str| {
            let part = target.part.as_deref().unwrap_or_default();
            format!("{step}.{}.{part}.{}.{due}", view.id, target.period.as_deref().unwrap_or_default())
        };
        let what = Text {
            ko: format!("'{}' 목표 {} (기한 {due})", name.ko, target.current.text.ko),
            en: format!("'{}': the target of {}, due {due},", name.en, target.current.text.en),
        };
        let step = AHEAD.into_iter().find(|ahead| left <= *ahead);
        let reminder = match (status.code.as_str(), step) {
            ("met" | "unmeasurable", _) | (_, None) => continue,
            ("overdue", _) => {
                let late = -left;
                let ko = format!("{}이 {late}일 지났습니다.", what.ko);
                make(of("overdue"), "overdue", Text { ko, en: format!("{} is {late} days overdue.", what.en) })
            }
            (_, Some(ahead)) if left >= 0 => {
                let ko = format!("{}까지 {left}일 남았습니다.", what.ko);
                let text = Text { ko, en: format!("{} has {left} days left.", what.en) };
                make(of(&format!("due-{ahead}")), "due", text)
            }
            _ => continue,
        };
        found.push(Reminder { due: Some(due), days_left: Some(left), ..reminder });
    }
    if view.status.code == "no_report" {
        let last = view.last_report.as_ref().and_then(|last| last.day);
        let since = last.map_or_else(|| "never".to_owned(), |day| day.to_string());
        let text = match last {
            Some(day) => Text {
                ko: format!("'{}'에 대한 보고가 {day} 이후 없습니다.", name.ko),
                en: format!("'{}' was last reported on for {day}.", name.en),
            },
            None => Text {
                ko: format!("'{}'에 대한 보고가 아직 없습니다.", name.ko),
                en: format!("'{}' was never reported on.", name.en),
            },
        };
        found.push(make(format!("silent.{}.{since}", view.id), "silent", text));
    }
    found
}

fn status_of<'a>(view: &'a IndicatorView, target: &TargetView) -> Option<&'a StatusView> {
    match (&target.part, &target.period) {
        (Some(part), _) => view.parts.iter().find(|known| known.id == *part)?.status.as_ref(),
        (None, Some(period)) => view.periods.iter().find(|known| known.period == *period)?.status.as_ref(),
        (None, None) => Some(&view.status),
    }
}

/// That of an entry, if it gives one: a refused report, or one that disputes another. `indicator_of` says what the report of an
/// agency with an event id is about.
#[must_use]
pub fn of_entry(
    entry: &Entry,
    simulated: bool,
    indicator_of: &dyn Fn(&str, &Uuid) -> Option<String>,
) -> Option<Reminder> {
    let subject = Subject::parse(entry.subject.text()?).ok()?;
    let day = entry.recorded.day();
    let index = entry.index;
    let make = |id: String, kind: &str, agency: &str, text: Text| Reminder {
        id,
        kind: kind.to_owned(),
        indicator: None,
        agency: Some(agency.to_owned()),
        day,
        due: None,
        days_left: None,
        index: Some(index),
        text,
        simulated,
    };
    match &entry.ruling.as_ref()?.verdict {
        Verdict::Refused(code) => {
            // A day and a reason: who sends ten thousand wrong reports is told once.
            let agency = &subject.agency;
            let ko = format!("{agency}의 보고가 반려되었습니다: {code} ({index}번 항목, 이날 처음).");
            let en = format!("A report of {agency} was refused: {code} (entry {index}, the first of that day).");
            Some(make(format!("refused.{agency}.{code}.{day}"), "refused", agency, Text { ko, en }))
        }
        Verdict::Accepted if subject.kind == "report.disputed.v1" => {
            let events = envelope::parse(entry.content_type.as_ref()?.text()?, entry.body.bytes()?).ok()?;
            let disputed: Disputed = serde_json::from_value(events.into_iter().next()?.data).ok()?;
            let (by, of) = (&subject.agency, &disputed.agency);
            let indicator = indicator_of(of, &disputed.disputes);
            let about = indicator.as_deref().unwrap_or_default();
            // A day and an indicator: who disputes ten thousand reports leaves room for the reminders of others.
            let id = format!("disputed.{by}.{of}.{about}.{day}");
            let ko = format!("{by}이(가) {of}의 보고에 이의를 제기했습니다 ({index}번 항목, 이날 처음).");
            let en = format!("{by} disputes a report of {of} (entry {index}, the first of that day).");
            Some(Reminder { indicator: indicator.clone(), ..make(id, "disputed", of, Text { ko, en }) })
        }
        _ => None,
    }
}
