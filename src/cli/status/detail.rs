//! One indicator on one page: figure, targets and how they moved, owners, parts, splits, source, what is missing.

use std::fmt::Write as _;

use crate::catalogue::units;
use crate::event::Amount;
use crate::store::progress::view::{FigureView, IndicatorView, SplitView, TargetView};
use crate::store::progress::word;

use super::super::Context;
use super::super::table::{Style, Table, cell, harmless};
use super::{due, figure, footer, last, status};
use crate::event::lang::Lang;

/// Width of the labels, in columns.
const LABEL: usize = 14;

struct Page<'a> {
    text: String,
    context: &'a Context,
}

impl Page<'_> {
    fn line(&mut self, label: &str, value: &str) {
        let pad = LABEL.saturating_sub(unicode_width::UnicodeWidthStr::width(label));
        let label = Style::Dim.paint(label, self.context.colour);
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{label}{}  {}", " ".repeat(pad), harmless(value));
    }

    fn heading(&mut self, text: &str) {
        let _ = writeln!(self.text, "\n{}", Style::Bold.paint(&harmless(text), self.context.colour));
    }

    fn table(&mut self, table: &Table) {
        self.text.push_str(&table.render(self.context.width, self.context.colour));
    }
}

/// The word of a status code, as the view has it for the status itself.
fn word_of(code: &str, lang: Lang) -> String {
    let known = serde_json::from_value::<crate::fold::status::Code>(code.into());
    known.map_or_else(|_| code.to_owned(), |known| lang.of(&word(known).1).to_owned())
}

/// The page.
pub(super) fn page(view: &IndicatorView, context: &Context) -> String {
    let lang = context.lang;
    let mut page = Page { text: String::new(), context };
    let title = format!("{} · {}", view.row, lang.of(&view.title));
    let _ = writeln!(page.text, "{}  {}", Style::Bold.paint(&harmless(&title), context.colour), harmless(&view.id));
    figures(&mut page, view, lang);
    for target in &view.targets {
        targets(&mut page, view, target, lang);
    }
    owners(&mut page, view, lang);
    parts(&mut page, view, lang);
    for split in view.splits.iter().filter(|split| !split.values.is_empty()) {
        splits(&mut page, split, lang);
    }
    source(&mut page, view, lang);
    page.text.push('\n');
    page.text.push_str(&footer(view.as_of, view.known_at, (view.size, view.proven_size), lang));
    page.text
}

fn plain(figure: &FigureView, lang: Lang) -> String {
    if figure.value.is_none() {
        lang.pick("보고 없음", "nothing reported").to_owned()
    } else {
        lang.of(&figure.text).to_owned()
    }
}

fn figures(page: &mut Page<'_>, view: &IndicatorView, lang: Lang) {
    let period = view.figure_period.as_ref().filter(|_| view.figure.value.is_some());
    let period = period.map_or_else(String::new, |period| format!(" ({period})"));
    page.line(lang.pick("현재", "now"), &format!("{}{period}", plain(&view.figure, lang)));
    let mut marks = Vec::new();
    for (count, ko, en) in [
        (view.figure.provisional, "잠정", "provisional"),
        (view.figure.approximate, "어림", "approximate"),
        (view.figure.disputed, "이의 제기", "disputed"),
    ] {
        if count > 0 {
            marks.push(format!("{} {count}", lang.pick(ko, en)));
        }
    }
    if view.figure.not_deduplicated != Amount::ZERO {
        let loose = view.figure.not_deduplicated;
        marks.push(format!("{} {loose}", lang.pick("중복 제거되지 않음", "not de-duplicated")));
    }
    if !marks.is_empty() {
        page.line(lang.pick("표시", "marked"), &marks.join(", "));
    }
    if let Some(verified) = view.figure.verified {
        page.line(lang.pick("확인됨", "verified"), lang.of(&units::say(verified, view.unit.as_ref(), false)));
    }
    let word = lang.of(&view.status.text).to_owned();
    let mut said = word;
    if let Some(expected) = view.status.expected {
        let expected = lang.of(&units::say(units::rounded(expected), view.unit.as_ref(), false)).to_owned();
        let _ = write!(said, " · {} {expected}", lang.pick("오늘 기대값", "expected by now"));
    }
    if let Some(ratio) = view.status.ratio {
        let _ = write!(said, " · {} {ratio}", lang.pick("비율", "ratio"));
    }
    page.line(lang.pick("상태", "status"), &said);
    if let (Some(code), ratio) = (&view.status.code_original, view.status.ratio_original) {
        let ratio = ratio.map(|ratio| format!(" · {ratio}")).unwrap_or_default();
        page.line(lang.pick("원래 목표로는", "vs original"), &format!("{}{ratio}", word_of(code, lang)));
    }
    if let Some(forecast) = &view.forecast {
        let value = forecast.value.map(|value| format!(" {value}")).unwrap_or_default();
        let said = format!(
            "{} {}{value}, {} ({})",
            forecast.outlook,
            forecast.date,
            lang.of(&forecast.agency.name),
            forecast.recorded.day()
        );
        page.line(lang.pick("기관 전망", "forecast"), &said);
    }
    page.line(lang.pick("최근 보고", "last report"), &last(view, lang));
}

fn targets(page: &mut Page<'_>, view: &IndicatorView, target: &TargetView, lang: Lang) {
    let of = match (&target.part, &target.period) {
        (Some(part), _) => {
            let named = view.parts.iter().find(|found| found.id == *part);
            format!(" · {}", named.map_or(part.as_str(), |named| lang.of(&named.title)))
        }
        (_, Some(period)) => format!(" · {period}"),
        _ => String::new(),
    };
    page.heading(&format!("{}{of}", lang.pick("목표", "target")));
    let mut said = format!("{}, {}", lang.of(&target.current.text), due(&target.current, lang));
    if !target.current.confirmed {
        said.push_str(lang.pick(" · 확인되지 않음", " · unconfirmed"));
    }
    page.line(lang.pick("현재 목표", "current"), &said);
    if target.revisions.is_empty() {
        return;
    }
    page.line(
        lang.pick("처음 목표", "original"),
        &format!("{}, {}", lang.of(&target.original.text), due(&target.original, lang)),
    );
    for revision in &target.revisions {
        let announced = revision.announced.map_or_else(String::new, |date| format!("{date} "));
        let said = format!(
            "{announced}{} ({}, #{}): {}",
            lang.of(&revision.text),
            lang.of(&revision.authority.name),
            revision.index,
            revision.reason
        );
        page.line(lang.pick("개정", "revised"), &said);
    }
}

fn owners(page: &mut Page<'_>, view: &IndicatorView, lang: Lang) {
    page.heading(lang.pick("책임", "owner"));
    if view.owners.len() < 2 {
        page.line("", lang.of(&view.owner.name));
        return;
    }
    for owner in &view.owners {
        let from = owner.from.map_or_else(|| lang.pick("처음", "from the start").to_owned(), |date| date.to_string());
        let reason = owner.reason.as_deref().map(|reason| format!(": {reason}")).unwrap_or_default();
        page.line(&from, &format!("{}{reason}", lang.of(&owner.agency.name)));
    }
}

fn parts(page: &mut Page<'_>, view: &IndicatorView, lang: Lang) {
    if view.parts.is_empty() && view.periods.is_empty() && view.stages.is_empty() {
        return;
    }
    page.heading(lang.pick("부분", "parts"));
    let mut table = Table::new().wide("").right(lang.pick("현재", "now")).left(lang.pick("상태", "status"));
    for part in &view.parts {
        let word = part.status.as_ref().map(|word| status(word, lang)).unwrap_or_default();
        table.row(vec![cell(lang.of(&part.title)), figure(&part.figure, lang), word]);
    }
    for period in &view.periods {
        let word = period.status.as_ref().map(|word| status(word, lang)).unwrap_or_default();
        table.row(vec![cell(&period.period), figure(&period.figure, lang), word]);
    }
    for stage in &view.stages {
        table.row(vec![cell(lang.of(&stage.title)), figure(&stage.figure, lang)]);
    }
    page.table(&table);
}

fn splits(page: &mut Page<'_>, split: &SplitView, lang: Lang) {
    page.heading(lang.of(&split.title));
    let mut table = Table::new().left("").wide("").right(lang.pick("현재", "now"));
    for value in &split.values {
        table.row(vec![cell(&value.value).style(Style::Dim), cell(lang.of(&value.label)), figure(&value.figure, lang)]);
    }
    page.table(&table);
}

fn source(page: &mut Page<'_>, view: &IndicatorView, lang: Lang) {
    page.heading(lang.pick("출처", "source"));
    page.line(lang.pick("원문", "as printed"), &format!("\"{}\" ({})", view.source.fragment, view.source.reference));
    let confirmed = match (&view.source.confirmed_by, view.source.confirmed) {
        (Some(by), true) => format!("{} {by}", lang.pick("확인:", "confirmed by")),
        (None, true) => lang.pick("확인됨", "confirmed").to_owned(),
        _ => lang.pick("확인되지 않음", "unconfirmed").to_owned(),
    };
    page.line(lang.pick("해석", "our reading"), &format!("{} ({confirmed})", lang.of(&view.source.reading)));
    for missing in &view.missing {
        page.line(lang.pick("빠진 것", "missing"), &format!("{}: {}", missing.what, lang.of(&missing.note)));
    }
    for series_break in &view.breaks {
        page.line(
            lang.pick("정의 변경", "series break"),
            &format!("{}: {}", series_break.effective, series_break.reason),
        );
    }
}
