//! `jindo report`: one event, checked against its schema, signed, sent, and what became of it.
//!
//! Everything the schema can refuse is refused before anything is signed.

use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::admit::screen::check_time;
use crate::event::envelope::{self, NewEvent};
use crate::event::schema::{DataFault, Schema};
use crate::event::{Time, personal};
use crate::limits::RECEIPTS_WAIT_MS;
use crate::publish::Draft;
use crate::publish::import::{columns, event_id};
use crate::publish::receipts::Pulled;

use super::exit::{Exit, could, usage};
use super::sender::{Outcome, Sender, Who, outcome, said};
use super::{Context, kinds, out};
use crate::event::lang::Lang;

/// Sign and publish one event, and say what became of it
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  jindo report charger.installed --agency keco region=11 class=fast count=12
  jindo report charger.installed --fields                    what the type takes
  jindo report --types                                       every type
  jindo report factory.deployed --agency keit --time 2026-03-02 --dry-run name=\"한빛정밀\" site=울산 stage=operating
  jindo report report.retracted --agency keco retracts=0194f7a0-… reason=\"중복 보고\"
  jindo report --pending --agency keco                       settle what waits in the outbox

Values: numbers may be grouped (71,000), lists are separated by ';', objects are JSON. A dotted name reaches inside:
approval.document=운영-102.")]
pub struct Args {
    /// Event type; its version may be left out
    #[arg(value_name = "TYPE", required_unless_present_any = ["types", "pending"])]
    kind: Option<String>,
    /// Fields as NAME=VALUE
    #[arg(value_name = "NAME=VALUE")]
    fields: Vec<String>,
    #[command(flatten)]
    who: Who,
    /// When it happened: a time, or a date in Seoul [default: now]
    #[arg(long, value_name = "TIME", value_parser = time)]
    time: Option<Time>,
    /// The thing it is about
    #[arg(long, value_name = "TEXT")]
    subject: Option<String>,
    /// Name of the event: the same name of the same agency and type never counts twice; needs --time
    #[arg(long, value_name = "TEXT", conflicts_with = "id", requires = "time")]
    key: Option<String>,
    /// Event id [default: from --key, else a new one]
    #[arg(long, value_name = "UUID")]
    id: Option<Uuid>,
    /// Show the event; sign and send nothing
    #[arg(long)]
    dry_run: bool,
    /// Show the fields of the type
    #[arg(long = "fields")]
    show_fields: bool,
    /// Show every type
    #[arg(long)]
    types: bool,
    /// Send and settle what waits in the outbox
    #[arg(long, conflicts_with_all = ["dry_run", "show_fields"])]
    pending: bool,
}

fn time(text: &str) -> Result<Time, String> {
    columns::time(text).map_err(|error| error.en)
}

/// A time that admission refuses for sure is not signed: the refusal would stand in the log for ever.
fn in_range(time: Time, now: Time) -> anyhow::Result<()> {
    if check_time(time, now).is_ok() {
        return Ok(());
    }
    let (ko, en) = (
        format!("--time {time}: 2000-01-01부터 지금의 하루 뒤까지만 받습니다"),
        format!("--time {time}: taken from 2000-01-01 until a day from now"),
    );
    Err(usage(ko, en).next("일이 일어난 시각을 주세요.", "give the time it happened").into())
}

/// Reports.
///
/// # Errors
/// A field the schema refuses, no key, no connection.
pub fn run(args: Args, context: &Context) -> anyhow::Result<Exit> {
    if args.types {
        out::text(&kinds::list(context))?;
        return Ok(Exit::Ok);
    }
    let Some(kind) = &args.kind else { return pending(&args.who, context) };
    let schema = kinds::reportable(kind)?;
    if args.show_fields {
        out::text(&kinds::describe(&schema, context))?;
        return Ok(Exit::Ok);
    }
    let event = event(&args, &schema, context)?;
    let (content_type, body) = envelope::encode(std::slice::from_ref(&event));
    if args.dry_run {
        let shown: Value = serde_json::from_slice(&body)?;
        out::json(&shown)?;
        return Ok(Exit::Ok);
    }
    let subject = format!("ledger.report.{}.{}", event.agency, event.kind);
    let mut sender = Sender::open(&args.who, context)?;
    sender.enqueue(&[Draft { subject, content_type: content_type.to_owned(), body }])?;
    let delivery = sender.deliver(|_, _| {})?;
    let last = delivery.last_key_value().map(|(_, delivered)| outcome(delivered));
    let last = last.ok_or_else(|| could("보낸 것이 없습니다", "nothing was sent"))?;
    show(&event.id, &last, context)?;
    // Its own follows with the next checkpoint: whoever reports next, or asks with --pending, pulls it.
    sender.receipts(Duration::ZERO);
    Ok(last.exit)
}

fn show(id: &Uuid, outcome: &Outcome, context: &Context) -> anyhow::Result<()> {
    if context.json {
        let mut shown = serde_json::to_value(outcome)?;
        if let Value::Object(fields) = &mut shown {
            fields.insert("id".into(), id.to_string().into());
        }
        return out::json(&shown);
    }
    out::text(&format!("{id}  {}", said(outcome, context)))
}

/// Settles what earlier runs left in the outbox.
fn pending(who: &Who, context: &Context) -> anyhow::Result<Exit> {
    let mut sender = Sender::open(who, context)?;
    let delivery = sender.deliver(|_, _| {})?;
    let receipts = sender.receipts(Duration::from_millis(RECEIPTS_WAIT_MS));
    let mut exit = if receipts.conflicts > 0 { Exit::Found } else { Exit::Ok };
    let outcomes: Vec<Outcome> = delivery.values().map(outcome).collect();
    for outcome in &outcomes {
        exit = exit.worst(outcome.exit);
    }
    if context.json {
        out::json(&outcomes)?;
    } else if outcomes.is_empty() {
        out::text(context.lang.pick("발신함이 비어 있습니다", "nothing waits in the outbox"))?;
    } else {
        let lines: Vec<String> = outcomes.iter().map(|outcome| said(outcome, context)).collect();
        out::text(&lines.join("\n"))?;
    }
    let Pulled { kept, conflicts, owed } = receipts;
    if kept + conflicts + owed > 0 {
        match context.lang {
            Lang::Ko => eprintln!("접수증: {kept}건 받음, {owed}건 남음, 성립하지 않음 {conflicts}건"),
            Lang::En => eprintln!("receipts: {kept} fetched, {owed} still to come, {conflicts} that do not hold"),
        }
    }
    Ok(exit)
}

/// The event of the command line, sound by its schema.
fn event(args: &Args, schema: &Schema, context: &Context) -> anyhow::Result<NewEvent> {
    let agency = args.who.agency()?;
    let data = data(&args.fields, schema, context)?;
    if let Err(faults) = schema.check(&data) {
        return Err(refused(schema, &faults));
    }
    let subject = args.subject.as_deref();
    if let Some(pointer) = personal::find(&data).or_else(|| personal::find(&subject.unwrap_or_default().into())) {
        return Err(usage(
            format!("{pointer}: 주민등록번호로 보이는 값이 있습니다"),
            format!("{pointer}: looks like a resident registration number"),
        )
        .next(
            "원장은 지울 수 없습니다. 빼고 다시 보고하세요.",
            "the ledger cannot forget: take it out and report again",
        )
        .into());
    }
    in_range(args.time.unwrap_or_else(Time::now), Time::now())?;
    let id = match (&args.key, args.id) {
        (Some(key), _) => event_id(&agency, &schema.kind, key),
        (None, Some(id)) => id,
        (None, None) => Uuid::now_v7(),
    };
    let time = args.time.unwrap_or_else(Time::now);
    Ok(NewEvent {
        id,
        agency,
        kind: schema.kind.to_string(),
        time,
        time_text: None,
        subject: args.subject.clone(),
        data,
    })
}

fn data(arguments: &[String], schema: &Schema, context: &Context) -> anyhow::Result<Value> {
    let fields = schema.fields();
    let mut data = Map::new();
    for argument in arguments {
        let (name, text) = argument.split_once('=').ok_or_else(|| {
            usage(format!("'{argument}': 항목=값이 아닙니다"), format!("'{argument}' is no NAME=VALUE"))
                .next("예: count=12", "such as count=12")
        })?;
        let field = fields.iter().find(|field| field.name == name).ok_or_else(|| {
            let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
            let kind = &schema.kind;
            usage(format!("{kind}에 '{name}' 항목이 없습니다"), format!("{kind} has no field '{name}'"))
                .next(format!("가능한 항목: {}", known.join(", ")), format!("its fields are: {}", known.join(", ")))
        })?;
        if columns::get(&Value::Object(data.clone()), name).is_some() {
            return Err(usage(format!("'{name}'이(가) 두 번 주어졌습니다"), format!("'{name}' is given twice")).into());
        }
        let value = columns::value(text, field).map_err(|error| {
            let description = context.lang.of(&field.description).to_owned();
            usage(format!("{name}={}", error.ko), format!("{name}={}", error.en)).next(description.clone(), description)
        })?;
        columns::set(&mut data, name, value);
    }
    Ok(Value::Object(data))
}

fn refused(schema: &Schema, faults: &[DataFault]) -> anyhow::Error {
    let lines: Vec<String> = faults
        .iter()
        .map(|fault| {
            let name = fault.pointer.trim_start_matches('/').replace('/', ".");
            if name.is_empty() { fault.message.clone() } else { format!("{name}: {}", fault.message) }
        })
        .collect();
    let kind = &schema.kind;
    let list = lines.join("\n  ");
    usage(format!("{kind} 스키마에 맞지 않습니다:\n  {list}"), format!("does not fit the schema of {kind}:\n  {list}"))
        .next(
            format!("`jindo report {kind} --fields`가 항목을 설명합니다."),
            format!("`jindo report {kind} --fields` explains the fields"),
        )
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context() -> Context {
        Context { lang: Lang::En, json: false, data: "data".into(), ledger: None, colour: false, width: None }
    }

    fn check(arguments: &[&str]) -> Result<String, String> {
        let schema = kinds::reportable("charger.installed").unwrap();
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let data = data(&arguments, &schema, &context()).map_err(|error| error.to_string())?;
        schema.check(&data).map_err(|faults| refused(&schema, &faults).to_string())?;
        Ok(data.to_string())
    }

    #[test]
    fn fields_are_typed_by_the_schema() {
        let whole = check(&[
            "region=11",
            "class=Fast",
            "count=1,200",
            "chargers=A-1;A-2",
            "approval.document=문서-1",
            "approval.role=과장",
        ]);
        let expected = r#"{"approval":{"document":"문서-1","role":"과장"},"chargers":["A-1","A-2"],"class":"fast","count":1200,"region":"11"}"#;
        assert_eq!(whole.as_deref(), Ok(expected));
    }

    #[test]
    fn what_is_wrong_is_said_with_what_to_do() {
        for (arguments, part) in [
            (&["region=11", "class=fast", "counts=1"][..], "its fields are:"),
            (&["region=11", "class=fast", "count=many"], "not a number"),
            (&["region=11", "class=fast", "count=0"], "count:"),
            (&["region=11", "class=fast"], "count"),
            (&["region"], "NAME=VALUE"),
            (&["region=11", "region=26"], "twice"),
        ] {
            let error = check(arguments).unwrap_err();
            assert!(
                error.contains(part) && error.contains("next:") | error.contains("twice"),
                "{arguments:?}: {error}"
            );
        }
    }
}
