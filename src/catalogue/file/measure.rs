//! Whether an indicator can be measured as it says: its fold against the schemas of its events, its targets, parts and
//! splits, and what it says is missing.

use std::collections::BTreeSet;

use serde_json::Value;

use super::check::{day, ordered, suggest};
use super::{Found, found, items, text};
use crate::event::schema::{Field, FieldKind, embedded, embedded_fields};

/// Everything wrong with what an indicator measures.
pub(super) fn check(node: &Value, at: &str, all: &mut Vec<Found>) {
    let events = selectors(node, at, all);
    fold(node, at, &events, all);
    dimensions(node, at, &events, all);
    targets(node, at, all);
    missing(node, at, all);
    path(node, at, all);
}

/// The events that move the indicator; `beside` ones move only parts.
struct Event {
    fields: &'static [Field],
    kind: String,
    beside: bool,
}

impl Event {
    fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

fn selectors(node: &Value, at: &str, all: &mut Vec<Found>) -> Vec<Event> {
    let mut events = Vec::new();
    let nothing = Value::Null;
    let fold = node.get("fold").unwrap_or(&nothing);
    let kind = text(fold, "kind").unwrap_or_default();
    let money = node.get("unit").and_then(|unit| text(unit, "currency")).is_some();
    for (number, selector) in items(fold, "from").enumerate() {
        let at = format!("{at}/fold/from/{number}");
        let Some(name) = text(selector, "event") else { continue };
        let Some(fields) = embedded_fields(name).filter(|_| is_domain(name)) else {
            let known = embedded().iter().map(|(kind, _)| *kind).filter(|kind| is_domain(kind));
            let hint = suggest(name, known, "give it a schema in schemas/events first");
            all.push(found(format!("{at}/event"), format!("unknown event type '{name}'"), hint));
            continue;
        };
        let beside = selector.get("beside") == Some(&Value::Bool(true));
        let event = Event { fields, kind: name.to_owned(), beside };
        for (key, fits) in ROLES {
            let Some(named) = text(selector, key) else { continue };
            match event.field(named) {
                None => all.push(unknown_field(format!("{at}/{key}"), named, &event)),
                Some(field) if !fits(&field.kind) => {
                    let message = format!("field '{named}' of {name} cannot be the {key}");
                    all.push(found(format!("{at}/{key}"), message, format!("it holds {}", said(&field.kind))));
                }
                Some(_) => {}
            }
        }
        conditions(selector, &at, std::slice::from_ref(&event), all);
        let summed = matches!(kind, "sum" | "latest");
        if summed && money && text(selector, "currency").is_none() {
            all.push(found(at.clone(), "money without a currency field", "add currency = \"currency\""));
        }
        if text(selector, "things").is_some() && kind != "sum" {
            let hint = "things belong to a sum; name things by identity instead";
            all.push(found(format!("{at}/things"), format!("a {kind} fold lists no things"), hint));
        }
        if kind == "latest" && text(selector, "value").is_none() {
            all.push(found(at, "a stated value needs its field", "add value = \"<data field>\""));
        }
        events.push(event);
    }
    if !events.is_empty() && events.iter().all(|event| event.beside) {
        all.push(found(format!("{at}/fold/from"), "no event moves the total", "leave beside out of one of them"));
    }
    events
}

type Fits = fn(&FieldKind) -> bool;
const ROLES: [(&str, Fits); 4] = [
    ("value", |kind| matches!(kind, FieldKind::Integer | FieldKind::Number | FieldKind::Amount)),
    ("things", |kind| matches!(kind, FieldKind::List)),
    ("stage", |kind| matches!(kind, FieldKind::Choice(_) | FieldKind::Text)),
    ("currency", |kind| matches!(kind, FieldKind::Text | FieldKind::Choice(_))),
];

/// Types that move indicators: not the reports about reports, not governance.
fn is_domain(kind: &str) -> bool {
    embedded_fields(kind).is_some_and(|fields| fields.iter().any(|field| field.name == "on_behalf_of"))
}

fn said(kind: &FieldKind) -> &'static str {
    match kind {
        FieldKind::Integer => "a whole number",
        FieldKind::Number => "a number",
        FieldKind::Amount => "an amount",
        FieldKind::Text => "text",
        FieldKind::Boolean => "yes or no",
        FieldKind::Choice(_) => "one of a few texts",
        FieldKind::Date => "a date",
        FieldKind::List => "a list",
        FieldKind::Object => "an object",
    }
}

fn unknown_field(pointer: String, name: &str, event: &Event) -> Found {
    let known = event.fields.iter().map(|field| field.name.as_str());
    let hint = suggest(name, known, &format!("see schemas/events/{}.json", event.kind));
    found(pointer, format!("{} has no field '{name}'", event.kind), hint)
}

/// `where`: fields exist in one of the events, values are among those it may have.
fn conditions(node: &Value, at: &str, events: &[Event], all: &mut Vec<Found>) {
    for (name, values) in node.get("where").and_then(Value::as_object).into_iter().flatten() {
        let fields: Vec<&Field> = events.iter().filter_map(|event| event.field(name)).collect();
        let at = format!("{at}/where/{name}");
        if let (true, Some(event)) = (fields.is_empty(), events.first()) {
            all.push(unknown_field(at, name, event));
            continue;
        }
        let mut allowed: Vec<&str> = Vec::new();
        let free = fields.iter().any(|field| match &field.kind {
            FieldKind::Choice(options) => {
                allowed.extend(options.iter().map(String::as_str));
                false
            }
            _ => true,
        });
        let values = values.as_array().into_iter().flatten().filter_map(Value::as_str).enumerate();
        let absent = |value: &str| value.is_empty() && fields.iter().any(|field| !field.required);
        for (number, value) in values.filter(|(_, value)| !free && !allowed.contains(value) && !absent(value)) {
            let hint = suggest(value, allowed.iter().copied(), &format!("it may be {}", allowed.join(", ")));
            all.push(found(format!("{at}/{number}"), format!("field '{name}' never is '{value}'"), hint));
        }
    }
}

/// The fold agrees with itself and with its events.
fn fold(node: &Value, at: &str, events: &[Event], all: &mut Vec<Found>) {
    let Some(fold) = node.get("fold") else { return };
    let at = format!("{at}/fold");
    let kind = text(fold, "kind").unwrap_or_default();
    let stages: Vec<&str> = items(fold, "stages").filter_map(|stage| text(stage, "id")).collect();
    twice(fold, "stages", &at, all);
    ordered(fold, "from_date", "to_date", &at, all);
    if kind == "stage" && stages.is_empty() {
        all.push(found(at.clone(), "a stage fold without stages", "add stages = [{ id = …, title = … }]"));
    }
    if kind == "distinct" && items(fold, "identity").next().is_none() {
        all.push(found(at.clone(), "a distinct fold without identity", "add identity = [\"<data field>\"]"));
    }
    if let Some(from) = text(fold, "counts_from").filter(|from| !stages.contains(from)) {
        let hint = suggest(from, stages.iter().copied(), "name one of the stages");
        all.push(found(format!("{at}/counts_from"), format!("unknown stage '{from}'"), hint));
    }
    for (number, name) in items(fold, "identity").filter_map(Value::as_str).enumerate() {
        for event in events.iter().filter(|event| event.field(name).is_none()) {
            all.push(unknown_field(format!("{at}/identity/{number}"), name, event));
        }
    }
    if let Some(period) = text(fold, "period") {
        for event in events {
            match event.field(period) {
                None => all.push(unknown_field(format!("{at}/period"), period, event)),
                Some(field) if field.kind != FieldKind::Date => {
                    let message = format!("field '{period}' of {} is no period", event.kind);
                    all.push(found(format!("{at}/period"), message, "name a field that holds a date"));
                }
                Some(_) => {}
            }
        }
        if kind != "latest" {
            all.push(found(
                format!("{at}/period"),
                "only stated values have periods",
                "remove it, or use kind = \"latest\"",
            ));
        }
    }
    staged(fold, &at, &stages, events, all);
}

/// Stages of the catalogue and stages of the event are the same.
fn staged(fold: &Value, at: &str, stages: &[&str], events: &[Event], all: &mut Vec<Found>) {
    for (number, selector) in items(fold, "from").enumerate() {
        let event = events.iter().find(|event| text(selector, "event") == Some(&event.kind));
        let field = text(selector, "stage").and_then(|name| event?.field(name));
        let Some(Field { kind: FieldKind::Choice(options), name, .. }) = field else { continue };
        for (stage, id) in stages.iter().enumerate().filter(|(_, id)| !options.iter().any(|option| option == *id)) {
            let hint = suggest(id, options.iter().map(String::as_str), &format!("it may be {}", options.join(", ")));
            all.push(found(format!("{at}/stages/{stage}/id"), format!("field '{name}' never is '{id}'"), hint));
        }
        let unnamed: Vec<&str> = options.iter().map(String::as_str).filter(|option| !stages.contains(option)).collect();
        if !unnamed.is_empty() {
            let message = format!("field '{name}' may also be {}", unnamed.join(", "));
            all.push(found(format!("{at}/from/{number}/stage"), message, "name every stage in order"));
        }
    }
}

/// Splits and parts name fields of the events.
fn dimensions(node: &Value, at: &str, events: &[Event], all: &mut Vec<Found>) {
    twice(node, "splits", at, all);
    twice(node, "parts", at, all);
    for (number, split) in items(node, "splits").enumerate() {
        let at = format!("{at}/splits/{number}");
        let id = text(split, "id").unwrap_or_default();
        match text(split, "field") {
            None if id != "agency" => {
                all.push(found(
                    at,
                    format!("split '{id}' without field"),
                    format!("add field = \"{id}\", or what it splits by"),
                ));
            }
            Some(_) if id == "agency" => {
                all.push(found(format!("{at}/field"), "agency is the reporter, not a field", "remove field"));
            }
            Some(name) => {
                for event in events.iter().filter(|event| !event.beside && event.field(name).is_none()) {
                    all.push(unknown_field(format!("{at}/field"), name, event));
                }
            }
            None => {}
        }
    }
    for (number, part) in items(node, "parts").enumerate() {
        conditions(part, &format!("{at}/parts/{number}"), events, all);
    }
}

/// Ids that stand twice in a list of the node.
fn twice(node: &Value, list: &str, at: &str, all: &mut Vec<Found>) {
    let mut seen = BTreeSet::new();
    for (number, inner) in items(node, list).enumerate() {
        if let Some(id) = text(inner, "id").filter(|id| !seen.insert(*id)) {
            let pointer = format!("{at}/{list}/{number}/id");
            all.push(found(pointer, format!("'{id}' stands twice in {list}"), "remove one, or give it another id"));
        }
    }
}

fn targets(node: &Value, at: &str, all: &mut Vec<Found>) {
    let parts: Vec<&str> = items(node, "parts").filter_map(|part| text(part, "id")).collect();
    let periods = node.get("fold").and_then(|fold| text(fold, "period")).is_some();
    let mut seen = BTreeSet::new();
    for (number, target) in items(node, "target").enumerate() {
        let at = format!("{at}/target/{number}");
        if let Some(part) = text(target, "part").filter(|part| !parts.contains(part)) {
            let hint = suggest(part, parts.iter().copied(), "add it to parts");
            all.push(found(format!("{at}/part"), format!("unknown part '{part}'"), hint));
        }
        if text(target, "period").is_some() && !periods {
            let hint = "give the fold period = \"<data field>\", or remove it";
            all.push(found(format!("{at}/period"), "the fold knows no periods", hint));
        }
        if !seen.insert((text(target, "part"), text(target, "period"))) {
            let hint = "a changed target is [[indicator.target.revision]] below the first";
            all.push(found(at.clone(), "a target of the same part and period stands above", hint));
        }
        if target.get("value").is_none() {
            all.push(found(at.clone(), "a target without value", "leave it out and name it in missing"));
        }
        let mut announced = None;
        for (revision, inner) in items(target, "revision").enumerate() {
            let next = day(inner, "announced").or(announced);
            if next < announced {
                let pointer = format!("{at}/revision/{revision}/announced");
                all.push(found(pointer, "lies before the revision above", "list revisions in order"));
            }
            announced = next;
        }
    }
}

/// What is missing is named, and what is named is missing.
fn missing(node: &Value, at: &str, all: &mut Vec<Found>) {
    let named: Vec<&str> = items(node, "missing").filter_map(|inner| text(inner, "what")).collect();
    let fold = node.get("fold");
    let kind = fold.and_then(|fold| text(fold, "kind")).unwrap_or_default();
    let whole = || items(node, "target").filter(|target| text(target, "part").is_none());
    let due = |target: &Value| {
        text(target, "goal") != Some("reach")
            || text(target, "due").is_some()
            || items(target, "revision").any(|revision| text(revision, "due").is_some())
    };
    let unit = node.get("unit").is_some();
    let target = whole().next().is_some();
    let dated = target && whole().all(due);
    for (what, there, demanded) in [("unit", unit, true), ("target", target, true), ("date", dated, target)] {
        let place = named.iter().position(|name| *name == what);
        if !there && demanded && place.is_none() {
            let hint = format!("add it, or add {{ what = \"{what}\", note = … }} to missing");
            all.push(found(at, format!("no {what}, and missing does not say so"), hint));
        }
        if let (true, Some(number)) = (there, place) {
            let message = format!("missing names the {what}, but there is one");
            all.push(found(format!("{at}/missing/{number}"), message, "remove one of them"));
        }
    }
    if kind == "narrative" && named.is_empty() {
        all.push(found(at, "a narrative measures nothing", "say in missing what would have to be known"));
    }
    if let Some(unit) = node.get("unit")
        && let Some(currency) = text(unit, "currency").filter(|currency| text(unit, "code") != Some(currency))
    {
        let hint = format!("write code = \"{currency}\"");
        all.push(found(format!("{at}/unit/code"), "a unit of money is its currency", hint));
    }
}

/// Dates of the path ascend.
fn path(node: &Value, at: &str, all: &mut Vec<Found>) {
    let days: Vec<_> = items(node, "path").map(|point| day(point, "date")).collect();
    for (number, pair) in days.windows(2).enumerate().filter(|(_, pair)| pair[1] <= pair[0] && pair[1].is_some()) {
        let _ = pair;
        all.push(found(format!("{at}/path/{}", number + 1), "lies before the point above", "list the path in order"));
    }
}
