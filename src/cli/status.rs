//! `jindo status`: where the commitments stand, asked of the running ledger over HTTP. Computes no figure itself.

mod detail;

use crate::event::{Day, Text, Time};
use crate::publish::import::columns::guarded;
use crate::serve::source::Health;
use crate::store::progress::view::{FigureView, IndicatorView, IndicatorsView, StatusView, TargetState};

use super::exit::{Exit, could, usage};
use super::kinds::near;
use super::ledger::{Ledger, segment};
use super::table::{Cell, Style, Table, cell};
use super::{Context, out};
use crate::event::lang::Lang;

/// Where the commitments stand, now or as of a past moment
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jindo status                                  all 34 commitments
  jindo status ev-chargers                      one of them: targets, revisions, parts, regions, source
  jindo status --as-of 2026-06-30               what had happened by then, as known today
  jindo status --as-of 2026-06-30 --known-at 2026-07-01T00:00:00+09:00
  jindo status --known-at 41                    as the first 41 entries of the log say
  jindo status --csv > status.csv")]
pub struct Args {
    /// Indicator id, or its row in the work plan
    indicator: Option<String>,
    /// What had happened by the end of this day in Seoul [default: today]
    #[arg(long, value_name = "DATE", value_parser = |text: &str| Day::parse(text).map_err(|error| error.to_string()))]
    as_of: Option<Day>,
    /// What had been recorded by then: a time, or a log size [default: everything]
    #[arg(long, value_name = "TIME|SIZE", value_parser = known_at)]
    known_at: Option<String>,
    /// Wait until the ledger has folded this many entries
    #[arg(long, value_name = "SIZE")]
    at_least: Option<u64>,
    /// CSV instead of a table
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

fn known_at(text: &str) -> Result<String, String> {
    if text.parse::<u64>().is_ok() {
        return Ok(text.to_owned());
    }
    Time::parse(text).map(|_| text.to_owned()).map_err(|error| format!("{error}, or a log size such as 41"))
}

/// Asks and prints.
///
/// # Errors
/// Ledger unreachable, indicator unknown.
pub fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    let ledger = Ledger::find(context)?;
    warn_if_halted(&ledger, context);
    let mut query = Vec::new();
    query.extend(args.as_of.map(|day| ("as_of", day.to_string())));
    query.extend(args.known_at.map(|text| ("known_at", text)));
    query.extend(args.at_least.map(|size| ("at_least", size.to_string())));
    let Some(wanted) = args.indicator else {
        let view: IndicatorsView = ledger.get("/v1/indicators", &query)?.ok_or_else(|| no_ledger(&ledger))?;
        match (context.json, args.csv) {
            (true, _) => out::json(&view)?,
            (_, true) => csv(&view.indicators)?,
            _ => out::text(&overview(&view, context))?,
        }
        return Ok(Exit::Ok);
    };
    let view: IndicatorView = ledger
        .get(&format!("/v1/indicators/{}", segment(&wanted)), &query)?
        .ok_or_else(|| unknown(&wanted, &ledger))?;
    match (context.json, args.csv) {
        (true, _) => out::json(&view)?,
        (_, true) => csv(std::slice::from_ref(&view))?,
        _ => out::text(&detail::page(&view, context))?,
    }
    Ok(Exit::Ok)
}

/// Says on standard error that intake is halted: the figures are those of before.
fn warn_if_halted(ledger: &Ledger, context: &Context) {
    // One that cannot be asked says so itself when it is asked for figures.
    let Ok((_, body)) = ledger.fetch("/readyz", &[]) else { return };
    let Ok(health) = serde_json::from_slice::<Health>(&body) else { return };
    if health.state == "halted" {
        eprintln!("jindo: {}", super::table::harmless_lines(context.lang.of(&health.why)));
    }
}

fn no_ledger(ledger: &Ledger) -> anyhow::Error {
    let base = ledger.base();
    could(format!("{base}: jindo 원장이 아닙니다"), format!("{base}: not a jindo ledger"))
        .next("--ledger 주소를 확인하세요.", "check the address given with --ledger")
        .into()
}

fn unknown(id: &str, ledger: &Ledger) -> anyhow::Error {
    // Where it cannot be asked for them, none are near.
    let known: Option<IndicatorsView> = ledger.get("/v1/indicators", &[]).ok().flatten();
    let known = known.map(|view| view.indicators).unwrap_or_default();
    let near = near(id, known.iter().map(|indicator| indicator.id.as_str())).join(", ");
    let (ko, en) = match near.as_str() {
        "" => (String::new(), String::new()),
        near => (format!("비슷한 것: {near}. "), format!("near it: {near}. ")),
    };
    usage(format!("지표 '{id}'이(가) 없습니다"), format!("there is no indicator '{id}'"))
        .next(format!("{ko}`jindo status`가 지표를 모두 보여 줍니다."), format!("{en}`jindo status` lists every id"))
        .into()
}

/// The table of all indicators with a line on what it shows.
fn overview(view: &IndicatorsView, context: &Context) -> String {
    let lang = context.lang;
    let mut table = Table::new()
        .right("#")
        .spare(3)
        .left(lang.pick("지표", "id"))
        .wide(lang.pick("제목", "title"))
        .spare(1)
        .right(lang.pick("현재", "now"))
        .right(lang.pick("목표", "target"))
        .left(lang.pick("기한", "due"))
        .spare(2)
        .left(lang.pick("상태", "status"))
        .left(lang.pick("최근 보고", "last report"))
        .spare(4);
    for indicator in &view.indicators {
        let target = indicator.target().map(|target| &target.current);
        table.row(vec![
            cell(indicator.row.to_string()),
            cell(&indicator.id).style(Style::Dim),
            cell(lang.of(&indicator.title)),
            headline(indicator, lang),
            cell(target.map_or("–", |target| lang.of(&target.text))),
            cell(target.map_or_else(|| "–".to_owned(), |target| due(target, lang))),
            status(&indicator.status, lang),
            cell(last(indicator, lang)),
        ]);
    }
    let mut text = table.render(context.width, context.colour);
    text.push('\n');
    let left_out = table.left_out(context.width);
    if !left_out.is_empty() {
        let (ko, en) = ("화면이 좁아 뺀 열", "left out of this narrow terminal");
        let line = format!("{}: {} (--csv, --json)", lang.pick(ko, en), left_out.join(", "));
        text.push_str(&format!("{}\n", Style::Dim.paint(&line, context.colour)));
    }
    text.push_str(&legend(&view.indicators, lang));
    text.push_str(&footer(view.as_of, view.known_at, (view.size, view.proven_size), lang));
    if view.simulated {
        text.push_str(
            &Style::Yellow.paint(lang.pick("모의 원장입니다.\n", "This ledger is a simulation.\n"), context.colour),
        );
    }
    text
}

/// The line below every figure: as of when, known when, how much of the log.
fn footer(as_of: Day, known_at: Option<Time>, (size, proven): (u64, u64), lang: Lang) -> String {
    let known = known_at.map_or_else(|| lang.pick("기록 없음", "nothing recorded").to_owned(), |time| time.to_string());
    match lang {
        Lang::Ko => {
            format!("{as_of} 기준 · {known}까지 기록된 사실 · 로그 {size}건, 그중 {proven}건이 체크포인트로 증명됨\n")
        }
        Lang::En => {
            format!("as of {as_of} · known by {known} · {size} log entries, {proven} of them proven by a checkpoint\n")
        }
    }
}

/// The figure of the whole; with its period where the target shown is of another one.
fn headline(indicator: &IndicatorView, lang: Lang) -> Cell {
    let plain = figure(&indicator.figure, lang);
    let target = indicator.target().and_then(|target| target.period.as_deref());
    match indicator.figure_period.as_deref() {
        Some(period) if indicator.figure.value.is_some() && target != Some(period) => {
            cell(format!("{} ({period})", marked(&indicator.figure, lang)))
        }
        _ => plain,
    }
}

/// What the marks of the figures shown mean; empty where none is marked.
fn legend(indicators: &[IndicatorView], lang: Lang) -> String {
    let any = |count: fn(&FigureView) -> i64| indicators.iter().any(|indicator| count(&indicator.figure) > 0);
    let mut marks = Vec::new();
    if any(|figure| figure.approximate) {
        marks.push(lang.pick("~ 어림", "~ approximate"));
    }
    if any(|figure| figure.provisional) {
        marks.push(lang.pick("* 잠정", "* provisional"));
    }
    if any(|figure| figure.disputed) {
        marks.push(lang.pick("! 이의 제기", "! disputed"));
    }
    if marks.is_empty() { String::new() } else { format!("{}\n", marks.join(" · ")) }
}

/// A figure with its marks: `*` provisional, `~` approximate, `!` disputed.
fn figure(figure: &FigureView, lang: Lang) -> Cell {
    if figure.value.is_none() {
        return cell("–").style(Style::Dim);
    }
    cell(marked(figure, lang))
}

fn marked(figure: &FigureView, lang: Lang) -> String {
    let mut text = lang.of(&figure.text).to_owned();
    for (count, mark) in [(figure.approximate, '~'), (figure.provisional, '*'), (figure.disputed, '!')] {
        if count > 0 {
            text.push(mark);
        }
    }
    text
}

fn due(target: &TargetState, lang: Lang) -> String {
    match (&target.due_as_printed, target.due) {
        (Some(printed), Some(due)) => format!("\"{printed}\" → {due}?"),
        (Some(printed), None) => format!("\"{printed}\""),
        (None, Some(due)) => due.to_string(),
        (None, None) => lang.pick("기한 없음", "no date").to_owned(),
    }
}

fn status(status: &StatusView, lang: Lang) -> Cell {
    let style = match status.code.as_str() {
        "met" | "on_track" => Style::Green,
        "at_risk" => Style::Yellow,
        "behind" | "overdue" => Style::Red,
        "unmeasurable" => Style::Cyan,
        _ => Style::Dim,
    };
    cell(lang.of(&status.text)).style(style)
}

fn last(indicator: &IndicatorView, lang: Lang) -> String {
    let Some(last) = &indicator.last_report else { return "–".to_owned() };
    let day = last.day.map_or_else(|| "–".to_owned(), |day| day.to_string());
    let mut text = match &last.agency {
        Some(agency) => format!("{day} {}", agency.code),
        None => day,
    };
    if indicator.public_source {
        text.push_str(lang.pick(" (공개 자료)", " (public source)"));
    }
    if indicator.simulated {
        text.push_str(lang.pick(" (모의)", " (simulated)"));
    }
    text
}

const CSV_COLUMNS: [&str; 31] = [
    "id",
    "row",
    "area",
    "title_ko",
    "title_en",
    "owner",
    "unit",
    "value",
    "verified",
    "provisional",
    "approximate",
    "disputed",
    "goal",
    "target",
    "target_original",
    "due",
    "status",
    "expected",
    "ratio",
    "last_day",
    "last_agency",
    "as_of",
    "known_at",
    "size",
    "proven_size",
    "period",
    "due_as_printed",
    "target_confirmed",
    "target_approximate",
    "public_source",
    "simulated",
];

fn csv(indicators: &[IndicatorView]) -> anyhow::Result<()> {
    let mut writer = csv::Writer::from_writer(out::writer(None)?);
    writer.write_record(CSV_COLUMNS)?;
    for indicator in indicators {
        writer.write_record(csv_row(indicator).iter().map(|text| guarded(text)))?;
    }
    Ok(writer.flush()?)
}

fn csv_row(view: &IndicatorView) -> [String; 31] {
    fn said<T: ToString>(value: Option<T>) -> String {
        value.map(|value| value.to_string()).unwrap_or_default()
    }
    let target = view.target();
    let last = view.last_report.as_ref();
    let Text { ko, en } = view.title.clone();
    [
        view.id.clone(),
        view.row.to_string(),
        view.area.clone(),
        ko,
        en,
        view.owner.code.clone(),
        view.unit.as_ref().map(|unit| unit.code.clone()).unwrap_or_default(),
        said(view.figure.value),
        said(view.figure.verified),
        view.figure.provisional.to_string(),
        view.figure.approximate.to_string(),
        view.figure.disputed.to_string(),
        target.map(|target| goal_word(&target.current).to_owned()).unwrap_or_default(),
        said(target.and_then(|target| target.current.value)),
        said(target.and_then(|target| target.original.value)),
        said(target.and_then(|target| target.current.due)),
        view.status.code.clone(),
        said(view.status.expected),
        said(view.status.ratio),
        said(last.and_then(|last| last.day)),
        last.and_then(|last| last.agency.as_ref()).map(|agency| agency.code.clone()).unwrap_or_default(),
        view.as_of.to_string(),
        said(view.known_at),
        view.size.to_string(),
        view.proven_size.to_string(),
        view.figure_period.clone().unwrap_or_default(),
        said(target.and_then(|target| target.current.due_as_printed.clone())),
        said(target.map(|target| target.current.confirmed)),
        said(target.map(|target| target.current.approximate)),
        view.public_source.to_string(),
        view.simulated.to_string(),
    ]
}

fn goal_word(target: &TargetState) -> &'static str {
    use crate::event::governance::Goal;
    match target.goal {
        Goal::Reach => "reach",
        Goal::AtLeast => "at-least",
        Goal::AtMost => "at-most",
    }
}
