//! Event types by name, as the command line takes them. Reads the schemas this binary was built with; admission reads
//! those registered in the ledger.

use crate::event::schema::{Field, FieldKind, Schema, embedded, embedded_text};

use super::Context;
use super::exit::{could, usage};
use super::table::{Style, Table, cell};
use crate::event::lang::Lang;

/// Types that are no milestone: they change what was promised and are published by `jindo catalogue apply`.
const GOVERNANCE: [&str; 16] = [
    "ledger.created",
    "rules.adopted",
    "schema.registered",
    "agency.registered",
    "agency.succeeded",
    "key.added",
    "key.revoked",
    "log.key-rotated",
    "indicator.registered",
    "target.set",
    "target.revised",
    "definition.changed",
    "owner.transferred",
    "region.registered",
    "region.succeeded",
    "source.interpreted",
];

/// The schema of a type given with or without its version.
///
/// # Errors
/// No such type; the nearest ones are named.
pub fn schema(name: &str) -> anyhow::Result<Schema> {
    let found = exact(name).ok_or_else(|| {
        let near = nearest(name).join(", ");
        usage(format!("사건 유형 '{name}'이(가) 없습니다"), format!("there is no event type '{name}'")).next(
            format!("비슷한 것: {near}. `jindo report --types`가 모두 보여 줍니다."),
            format!("near it: {near}. `jindo report --types` lists all"),
        )
    })?;
    let text = embedded_text(found).unwrap_or_default();
    Schema::compile(found, text).map_err(|error| could(error.to_string(), error.to_string()).into())
}

/// As [`schema`], for types that agencies report.
///
/// # Errors
/// As [`schema`]; a governance type.
pub fn reportable(name: &str) -> anyhow::Result<Schema> {
    let schema = schema(name)?;
    if is_governance(&schema.kind) {
        let kind = &schema.kind;
        return Err(usage(
            format!("{kind}은(는) 보고가 아니라 관리 사건입니다"),
            format!("{kind} is governance, not a report"),
        )
        .next("`jindo catalogue apply`를 쓰세요.", "use `jindo catalogue apply`")
        .into());
    }
    Ok(schema)
}

/// Types whose events are rows of an export: what agencies report, with corrections and retractions applied to it.
#[must_use]
pub fn reportable_types() -> Vec<String> {
    let applied = ["report.corrected.v1", "report.retracted.v1"];
    let kinds = embedded().iter().map(|(kind, _)| (*kind).to_owned());
    kinds.filter(|kind| !is_governance(kind) && !applied.contains(&kind.as_str())).collect()
}

/// Whether a type changes what was promised.
#[must_use]
pub fn is_governance(kind: &str) -> bool {
    let name = without_version(kind);
    GOVERNANCE.contains(&name) || name == "body.withheld"
}

fn without_version(kind: &str) -> &str {
    match kind.rsplit_once('.') {
        Some((name, version)) if version.starts_with('v') && version[1..].bytes().all(|byte| byte.is_ascii_digit()) => {
            name
        }
        _ => kind,
    }
}

fn exact(name: &str) -> Option<&'static str> {
    let kinds = || embedded().iter().map(|(kind, _)| *kind);
    // Without a version the newest one is meant: the list is in order of type.
    kinds().find(|kind| *kind == name).or_else(|| kinds().rfind(|kind| without_version(kind) == name))
}

fn nearest(name: &str) -> Vec<&'static str> {
    let wanted = without_version(name);
    first_three(embedded().iter().map(|(kind, _)| (distance(wanted, without_version(kind)), *kind)).collect())
}

/// Of these names the three that are nearest to one.
#[must_use]
pub fn near<'a>(name: &str, of: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    first_three(of.map(|known| (distance(name, known), known)).collect())
}

fn first_three(mut names: Vec<(usize, &str)>) -> Vec<&str> {
    names.sort_unstable();
    names.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Edits that turn one text into another (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let change = before + usize::from(from != *to);
            before = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

/// All types that agencies report.
#[must_use]
pub fn list(context: &Context) -> String {
    let lang = context.lang;
    let mut table = Table::new()
        .left(lang.pick("유형", "type"))
        .wide(lang.pick("제목", "title"))
        .wide(lang.pick("필수 항목", "required"));
    for (kind, text) in embedded().iter().filter(|(kind, _)| !is_governance(kind)) {
        let Ok(schema) = Schema::compile(kind, text) else { continue };
        let required: Vec<String> =
            schema.fields().into_iter().filter(|field| field.required).map(|field| field.name).collect();
        table.row(vec![cell(kind), cell(lang.of(&schema.title())), cell(required.join(" ")).style(Style::Dim)]);
    }
    table.render(context.width, context.colour)
}

/// The fields of one type, with an example.
#[must_use]
pub fn describe(schema: &Schema, context: &Context) -> String {
    let lang = context.lang;
    let mut table = Table::new()
        .left(lang.pick("항목", "field"))
        .left(lang.pick("필수", "required"))
        .left(lang.pick("종류", "kind"))
        .wide(lang.pick("설명", "description"));
    for field in schema.fields() {
        let required = if field.required { lang.pick("예", "yes") } else { "" };
        table.row(vec![
            cell(&field.name).style(Style::Bold),
            cell(required),
            cell(kind_word(&field.kind, lang)),
            cell(lang.of(&field.description)),
        ]);
    }
    let title = format!("{} · {}", schema.kind, lang.of(&schema.title()));
    let mut text = format!("{}\n{}\n", Style::Bold.paint(&title, context.colour), lang.of(&schema.description()));
    text.push_str(&table.render(context.width, context.colour));
    if let Some(example) = schema.examples().first() {
        text.push_str(&format!("\n{}\n  jindo report {} --agency CODE", lang.pick("예:", "example:"), schema.kind));
        for field in schema.fields() {
            if let Some(value) = crate::publish::import::columns::get(example, &field.name) {
                text.push_str(&format!(" {}", argument(&field, value)));
            }
        }
        text.push('\n');
    }
    text
}

fn argument(field: &Field, value: &serde_json::Value) -> String {
    let text = crate::publish::import::columns::cell_text(Some(value));
    let plain = text.chars().all(|char| char.is_alphanumeric() || matches!(char, '-' | '.' | '_' | ':' | '/' | ','));
    if plain { format!("{}={text}", field.name) } else { format!("{}='{}'", field.name, text.replace('\'', "'\\''")) }
}

fn kind_word(kind: &FieldKind, lang: Lang) -> String {
    let (ko, en) = match kind {
        FieldKind::Integer => ("정수", "whole number"),
        FieldKind::Number | FieldKind::Amount => ("숫자", "number"),
        FieldKind::Text => ("글", "text"),
        FieldKind::Boolean => ("예/아니오", "yes/no"),
        FieldKind::Choice(choices) => return choices.join(" | "),
        FieldKind::Date => ("날짜", "date"),
        FieldKind::List => ("목록 (;)", "list (;)"),
        FieldKind::Object => ("JSON", "JSON"),
    };
    lang.pick(ko, en).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_with_and_without_version() {
        for (name, expected) in [
            ("charger.installed.v1", Some("charger.installed.v1")),
            ("charger.installed", Some("charger.installed.v1")),
            ("charger", None),
            ("charger.installed.v9", None),
        ] {
            assert_eq!(exact(name), expected, "{name}");
        }
        assert_eq!(nearest("charger.instaled")[0], "charger.installed.v1");
        let error = schema("charger.instaled").unwrap_err().to_string();
        assert!(error.contains("charger.installed.v1"), "{error}");
    }

    #[test]
    fn governance_is_no_report() {
        assert!(reportable("target.revised").is_err());
        assert!(reportable("report.corrected").is_ok());
        // Every governance type named here exists: a renamed one would silently become reportable.
        for name in GOVERNANCE.iter().chain(&["body.withheld"]) {
            assert!(exact(name).is_some(), "{name}");
        }
    }

    #[test]
    fn distances() {
        for (a, b, expected) in [("", "", 0), ("abc", "", 3), ("kitten", "sitting", 3), ("가나", "가다", 1)] {
            assert_eq!(distance(a, b), expected);
        }
    }
}
