//! Mistakes of shape and of reference: unknown keys, agencies, regions; duplicates; dates. What an indicator measures is
//! checked in `measure`.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{FILE_SCHEMA, Found, found, items, measure, text};
use crate::event::schema::{Schema, UNKNOWN_FIELD};
use crate::event::subject::is_agency_code;
use crate::event::{Date, Day};
use crate::limits::CATALOGUE_MISTAKES_MAX;

/// Everything wrong with the file.
pub(super) fn check(root: &Value) -> Vec<Found> {
    let mut all = shape(root);
    let agencies = unique(root, "agency", "code", &mut all);
    codes(root, &mut all);
    let regions = unique(root, "region", "code", &mut all);
    unique(root, "indicator", "id", &mut all);
    rows(root, &mut all);
    dates(root, "", &mut all);
    for list in ["agency", "region"] {
        for (number, node) in items(root, list).enumerate() {
            ordered(node, "valid_from", "valid_to", &format!("/{list}/{number}"), &mut all);
        }
    }
    for (number, node) in items(root, "region_succession").enumerate() {
        succession(node, &format!("/region_succession/{number}"), &regions, &mut all);
    }
    for (number, node) in items(root, "indicator").enumerate() {
        let at = format!("/indicator/{number}");
        references(root, node, &at, &agencies, &mut all);
        transfers(node, &at, &mut all);
        measure::check(node, &at, &mut all);
    }
    all
}

/// Codes that the schema's pattern takes, and that a ledger keeps for keys of its own.
fn codes(root: &Value, all: &mut Vec<Found>) {
    for (number, node) in items(root, "agency").enumerate() {
        let Some(code) = text(node, "code").filter(|code| code.len() > 1 && !is_agency_code(code)) else { continue };
        let message = format!("'{code}' cannot be an agency's code: a ledger names keys of its own so");
        all.push(found(format!("/agency/{number}/code"), message, "choose another code"));
    }
}

/// What `schemas/catalogue.json` says.
fn shape(root: &Value) -> Vec<Found> {
    let schema = match Schema::compile_any("catalogue", FILE_SCHEMA) {
        Ok(schema) => schema,
        // A test holds that it compiles.
        Err(error) => return vec![found("", error.to_string(), "report this: the program carries a broken schema")],
    };
    let known = keys();
    let explain = |pointer: &str, message: &str| {
        if message == UNKNOWN_FIELD {
            let key = pointer.rsplit('/').next().unwrap_or_default();
            return (format!("unknown key '{key}'"), suggest(key, known.iter().map(String::as_str), "remove it"));
        }
        let hint = match message {
            _ if message.starts_with("lacks") => "add it",
            _ if message.contains("pattern ^[12][0-9]{3}") => "write 2026-12-31, 2026-12, 2026-Q4, 2026-H1 or 2026",
            _ if message.contains("plain digits") => "write the number out, without exponent",
            _ => "see the field's description in schemas/catalogue.json",
        };
        (message.to_owned(), hint.to_owned())
    };
    let faults = schema.faults(root, CATALOGUE_MISTAKES_MAX).into_iter();
    faults
        .map(|fault| {
            let (message, hint) = explain(&fault.pointer, &fault.message);
            found(fault.pointer, message, hint)
        })
        .collect()
}

/// Every key the file may hold anywhere.
fn keys() -> BTreeSet<String> {
    fn collect(node: &Value, into: &mut BTreeSet<String>) {
        for (name, inner) in node.as_object().into_iter().flatten() {
            if name == "properties" {
                into.extend(inner.as_object().into_iter().flatten().map(|(key, _)| key.clone()));
            }
            collect(inner, into);
        }
        node.as_array().into_iter().flatten().for_each(|inner| collect(inner, into));
    }
    let mut all = BTreeSet::new();
    let schema: Value = serde_json::from_str(FILE_SCHEMA).unwrap_or_default();
    collect(&schema, &mut all);
    all
}

/// The values of a member that names the elements of a list; told where one stands twice.
fn unique<'a>(root: &'a Value, list: &str, name: &str, all: &mut Vec<Found>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    for (number, node) in items(root, list).enumerate() {
        let Some(value) = text(node, name) else { continue };
        if !seen.insert(value) {
            let message = format!("{list} '{value}' stands twice");
            all.push(found(format!("/{list}/{number}/{name}"), message, "remove one, or give it another name"));
        }
    }
    seen
}

fn rows(root: &Value, all: &mut Vec<Found>) {
    let mut seen = BTreeSet::new();
    for (number, node) in items(root, "indicator").enumerate() {
        let Some(row) = node.get("row").and_then(Value::as_u64) else { continue };
        if !seen.insert(row) {
            let message = format!("row {row} stands twice");
            all.push(found(format!("/indicator/{number}/row"), message, "number every indicator of the plan once"));
        }
    }
}

/// Dates that have the form of one but are none (`2026-02-30`).
fn dates(node: &Value, at: &str, all: &mut Vec<Found>) {
    const NAMES: [&str; 9] =
        ["due", "date", "start", "from_date", "to_date", "effective", "announced", "valid_from", "valid_to"];
    for (name, inner) in node.as_object().into_iter().flatten() {
        let pointer = format!("{at}/{name}");
        if let Some(error) =
            inner.as_str().filter(|_| NAMES.contains(&name.as_str())).and_then(|date| Date::parse(date).err())
        {
            all.push(found(pointer.clone(), error.to_string(), "name a day that exists"));
        }
        dates(inner, &pointer, all);
    }
    for (number, inner) in node.as_array().into_iter().flatten().enumerate() {
        dates(inner, &format!("{at}/{number}"), all);
    }
}

/// The first day of a date member.
pub(super) fn day(node: &Value, name: &str) -> Option<Day> {
    text(node, name).and_then(|date| Date::parse(date).ok()).map(Date::first_day)
}

/// Tells where `to` lies before `from`.
pub(super) fn ordered(node: &Value, from: &str, to: &str, at: &str, all: &mut Vec<Found>) {
    if let (Some(first), Some(last)) = (day(node, from), day(node, to))
        && last < first
    {
        all.push(found(format!("{at}/{to}"), format!("{to} lies before {from}"), "exchange or correct them"));
    }
}

fn succession(node: &Value, at: &str, regions: &BTreeSet<&str>, all: &mut Vec<Found>) {
    for (number, code) in items(node, "regions").enumerate() {
        let Some(code) = code.as_str().filter(|code| !regions.contains(code)) else { continue };
        let hint = suggest(code, regions.iter().copied(), "add it as [[region]]");
        all.push(found(format!("{at}/regions/{number}"), format!("unknown region '{code}'"), hint));
    }
    let successor = node.get("successor").and_then(|region| text(region, "code")).unwrap_or_default();
    if regions.contains(successor) {
        let message = format!("the successor '{successor}' is already a region");
        all.push(found(format!("{at}/successor"), message, "leave it out of [[region]]: the succession registers it"));
    }
}

/// Agencies named by an indicator.
fn references(root: &Value, node: &Value, at: &str, agencies: &BTreeSet<&str>, all: &mut Vec<Found>) {
    let mut named: Vec<(String, &str)> = Vec::new();
    for key in ["owner", "authority"] {
        named.extend(text(node, key).map(|code| (format!("{at}/{key}"), code)));
    }
    for key in ["reporters", "verifiers"] {
        let codes = items(node, key).enumerate();
        named.extend(codes.filter_map(|(number, code)| Some((format!("{at}/{key}/{number}"), code.as_str()?))));
    }
    for (number, inner) in items(node, "transfer").enumerate() {
        let ends = ["from", "to"].into_iter();
        named.extend(ends.filter_map(|key| Some((format!("{at}/transfer/{number}/{key}"), text(inner, key)?))));
    }
    for (number, inner) in items(node, "interpretation").enumerate() {
        let pointer = format!("{at}/interpretation/{number}/confirmed_by");
        named.extend(text(inner, "confirmed_by").map(|code| (pointer, code)));
    }
    for (number, inner) in items(node, "target").enumerate() {
        for (revision, inner) in items(inner, "revision").enumerate() {
            let pointer = format!("{at}/target/{number}/revision/{revision}/authority");
            named.extend(text(inner, "authority").map(|code| (pointer, code)));
        }
    }
    for (pointer, code) in named.into_iter().filter(|(_, code)| !agencies.contains(code)) {
        let hint = suggest(code, agencies.iter().copied(), "add it as [[agency]]");
        all.push(found(pointer, format!("unknown agency '{code}'"), hint));
    }
    let authority = text(node, "authority").unwrap_or_default();
    let role = items(root, "agency").find(|agency| text(agency, "code") == Some(authority));
    if role.and_then(|agency| text(agency, "role")).is_some_and(|role| role != "authority") {
        let message = format!("'{authority}' does not govern");
        all.push(found(format!("{at}/authority"), message, "name an agency whose role is \"authority\""));
    }
}

/// Owners follow one another without a gap.
fn transfers(node: &Value, at: &str, all: &mut Vec<Found>) {
    let mut owner = text(node, "owner");
    let mut since = None;
    for (number, inner) in items(node, "transfer").enumerate() {
        let at = format!("{at}/transfer/{number}");
        if let (Some(owner), Some(from)) = (owner, text(inner, "from"))
            && owner != from
        {
            let hint = format!("write from = \"{owner}\", who owns it until then");
            all.push(found(format!("{at}/from"), format!("'{from}' does not own the indicator"), hint));
        }
        let effective = day(inner, "effective");
        if since.is_some() && effective < since {
            all.push(found(format!("{at}/effective"), "lies before the transfer above", "list transfers in order"));
        }
        (owner, since) = (text(inner, "to"), effective.or(since));
    }
}

/// "did you mean", or what else to do.
pub(super) fn suggest<'a>(word: &str, known: impl Iterator<Item = &'a str>, otherwise: &str) -> String {
    let close = known.map(|known| (distance(word, known), known)).min();
    match close {
        Some((steps, known)) if steps <= 1 + word.chars().count() / 4 => format!("did you mean '{known}'?"),
        _ => otherwise.to_owned(),
    }
}

/// Edits between two words (Levenshtein).
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (at, letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (other, &against) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != against);
            diagonal = row[other + 1];
            row[other + 1] = replaced.min(diagonal + 1).min(row[other] + 1);
        }
    }
    row[right.len()]
}
