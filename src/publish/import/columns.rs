//! Columns to fields: which column fills what, and a cell's text as the JSON value its field takes.
//!
//! Nothing is guessed silently: a column that names no field is an error until `--map column=-` leaves it out.

use serde_json::{Map, Value};

use crate::event::schema::{Field, FieldKind};
use crate::event::{Amount, Date, Text, Time};

/// Separator of listed things in one cell.
const LIST_SEPARATOR: char = ';';

/// What a column fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The event's `time`.
    Time,
    /// The event's `subject`.
    Subject,
    /// The event's `id`, a UUID.
    Id,
    /// The field with this position.
    Field(usize),
    /// Nothing.
    Nothing,
}

/// Why columns cannot be mapped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// Titles that name no field.
    #[error("no field is named by {}: map them with --map COLUMN=FIELD, or leave them out with --map COLUMN=-", quoted(.0))]
    Unknown(Vec<String>),
    /// Two columns for one field.
    #[error("the columns '{0}' and '{1}' both fill '{2}'")]
    Twice(String, String, String),
    /// A `--map` of a column that is not there.
    #[error("--map: there is no column '{0}'")]
    NoColumn(String),
    /// A `--map` to a field that is not there.
    #[error("--map: there is no field '{0}'")]
    NoField(String),
    /// Required fields without a column.
    #[error("no column fills the required {}", quoted(.0))]
    Missing(Vec<String>),
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("'{name}'")).collect::<Vec<_>>().join(", ")
}

/// Titles as they are compared: no case, no spaces, `-` and `_` alike.
fn plain(title: &str) -> String {
    title
        .chars()
        .filter(|char| !char.is_whitespace())
        .flat_map(char::to_lowercase)
        .map(|char| if char == '-' { '_' } else { char })
        .collect()
}

/// The target a title names.
#[must_use]
pub fn target(title: &str, fields: &[Field]) -> Option<Target> {
    let wanted = plain(title);
    let by = |name: &dyn Fn(&Field) -> &str| fields.iter().position(|field| plain(name(field)) == wanted);
    // A field's own name comes before the words for attributes, its titles after them.
    if let Some(at) = by(&|field| &field.name) {
        return Some(Target::Field(at));
    }
    match wanted.as_str() {
        "time" | "시각" | "일시" | "날짜" => return Some(Target::Time),
        "subject" | "대상" => return Some(Target::Subject),
        "id" => return Some(Target::Id),
        _ => {}
    }
    by(&|field| &field.title.ko).or_else(|| by(&|field| &field.title.en)).map(Target::Field)
}

/// Maps a header: `maps` first, then names and titles. Columns that start with `_` are notes of an export and fill
/// nothing; so does the `key` column where it names no field.
///
/// # Errors
/// [`MapError`].
pub fn map(
    header: &[String],
    fields: &[Field],
    maps: &[(String, String)],
    key: Option<&str>,
) -> Result<Vec<Target>, MapError> {
    for (column, to) in maps {
        if !header.contains(column) {
            return Err(MapError::NoColumn(column.clone()));
        }
        if to != "-" && target(to, fields).is_none() {
            return Err(MapError::NoField(to.clone()));
        }
    }
    let mut unknown = Vec::new();
    let mut targets = Vec::with_capacity(header.len());
    for title in header {
        let mapped = maps.iter().find(|(column, _)| column == title).map(|(_, to)| to.as_str());
        let found = match mapped {
            Some("-") => Some(Target::Nothing),
            Some(to) => target(to, fields),
            None if title.is_empty() || title.starts_with('_') => Some(Target::Nothing),
            // The key is any text; an `id` that is the key is no UUID.
            None if key == Some(title) => {
                target(title, fields).filter(|target| *target != Target::Id).or(Some(Target::Nothing))
            }
            None => target(title, fields),
        };
        if found.is_none() {
            unknown.push(title.clone());
        }
        targets.push(found.unwrap_or(Target::Nothing));
    }
    if !unknown.is_empty() {
        return Err(MapError::Unknown(unknown));
    }
    for (at, target) in targets.iter().enumerate().filter(|(_, target)| **target != Target::Nothing) {
        if let Some(before) = targets[..at].iter().position(|other| other == target) {
            return Err(MapError::Twice(header[before].clone(), header[at].clone(), name(*target, fields)));
        }
    }
    let missing =
        fields.iter().enumerate().filter(|(at, field)| field.required && !targets.contains(&Target::Field(*at)));
    let missing: Vec<String> = missing.map(|(_, field)| field.name.clone()).collect();
    if missing.is_empty() { Ok(targets) } else { Err(MapError::Missing(missing)) }
}

/// The name of a target.
#[must_use]
pub fn name(target: Target, fields: &[Field]) -> String {
    match target {
        Target::Time => "time".into(),
        Target::Subject => "subject".into(),
        Target::Id => "id".into(),
        Target::Field(at) => fields.get(at).map(|field| field.name.clone()).unwrap_or_default(),
        Target::Nothing => "-".into(),
    }
}

/// A text as the value its field takes.
///
/// # Errors
/// What is expected, in both languages.
pub fn value(text: &str, field: &Field) -> Result<Value, Text> {
    let text = unguarded(text);
    let expected =
        |ko: &str, en: &str| Text { ko: format!("'{}': {ko}", short(text)), en: format!("'{}': {en}", short(text)) };
    match &field.kind {
        FieldKind::Text | FieldKind::Date => Ok(Value::from(text)),
        FieldKind::Choice(choices) => Ok(Value::from(choice(text, choices))),
        FieldKind::Integer | FieldKind::Number | FieldKind::Amount => {
            let plain = without_grouping(text);
            let amount = Amount::parse(&plain).map_err(|_| {
                expected("숫자가 아닙니다. 71000 또는 71,000처럼 쓰세요.", "not a number; write 71000 or 71,000")
            })?;
            if field.kind == FieldKind::Integer && plain.contains('.') && amount.to_string().contains('.') {
                return Err(expected("정수가 아닙니다.", "not a whole number"));
            }
            Ok(amount.to_json())
        }
        FieldKind::Boolean => flag(text)
            .map(Value::Bool)
            .ok_or_else(|| expected("true 또는 false(예, 아니오)로 쓰세요.", "write true or false (yes, no)")),
        FieldKind::List if text.starts_with('[') => {
            as_json(text).ok_or_else(|| expected("JSON 배열이 아닙니다.", "not a JSON array"))
        }
        FieldKind::List => {
            let items = text.split(LIST_SEPARATOR).map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::Array(items.map(Value::from).collect()))
        }
        FieldKind::Object => as_json(text).ok_or_else(|| expected("JSON이 아닙니다.", "not JSON")),
    }
}

fn as_json(text: &str) -> Option<Value> {
    crate::event::json::parse(text.as_bytes()).ok()
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// A choice in any case is the choice; anything else stays for the schema to refuse.
fn choice(text: &str, choices: &[String]) -> String {
    let found = choices.iter().find(|choice| choice.eq_ignore_ascii_case(text));
    found.map_or_else(|| text.to_owned(), Clone::clone)
}

/// `71,000` is 71000; `71,00` stays what it is, and no number.
fn without_grouping(text: &str) -> String {
    let whole = text.strip_prefix('-').unwrap_or(text).split('.').next().unwrap_or_default();
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let grouped = (1..=3).contains(&first.len()) && groups.all(|group| group.len() == 3);
    if grouped && whole.contains(',') { text.replace(',', "") } else { text.to_owned() }
}

fn flag(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "yes" | "y" | "o" | "예" | "참" => Some(true),
        "false" | "0" | "no" | "n" | "x" | "아니오" | "거짓" => Some(false),
        _ => None,
    }
}

/// Whether a column of that title holds event ids where nothing else is said of it.
#[must_use]
pub fn is_id(title: &str) -> bool {
    target(title, &[]) == Some(Target::Id)
}

/// An instant: RFC 3339, or a date or local time of Seoul as spreadsheets write it (`2026-03-02`, `2026.3.2 14:05`).
///
/// # Errors
/// What is expected, in both languages.
pub fn time(text: &str) -> Result<Time, Text> {
    let text = unguarded(text);
    if let Ok(time) = Time::parse(text) {
        return Ok(time);
    }
    local(text).ok_or_else(|| Text {
        ko: format!("'{}': 시각이 아닙니다. 2026-03-02 또는 2026-03-02T09:00:00+09:00처럼 쓰세요.", short(text)),
        en: format!("'{}': no time; write 2026-03-02 or 2026-03-02T09:00:00+09:00", short(text)),
    })
}

fn local(text: &str) -> Option<Time> {
    let text = text.replace(['.', '/'], "-").replace("- ", "-");
    let (date, clock) = match text.split_once(['T', ' ']) {
        Some((date, clock)) => (date, clock.trim()),
        None => (text.as_str(), ""),
    };
    let mut parts = date.trim_end_matches('-').split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let date = Date::parse(&format!("{year}-{month:0>2}-{day:0>2}")).ok()?;
    let clock = match clock.matches(':').count() {
        0 if clock.is_empty() => "00:00:00".to_owned(),
        1 => format!("{clock:0>5}:00"),
        2 => format!("{clock:0>8}"),
        _ => return None,
    };
    Time::parse(&format!("{date}T{clock}+09:00")).ok()
}

/// Sets a value at a dotted path.
pub fn set(data: &mut Map<String, Value>, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            data.insert(path.to_owned(), value);
        }
        Some((first, rest)) => {
            let inner = data.entry(first.to_owned()).or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}

/// The value at a dotted path.
#[must_use]
pub fn get<'a>(data: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(data, |value, name| value.get(name))
}

/// A value as the text of a cell, such that [`value`] gives it back.
#[must_use]
pub fn cell_text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => {
            let plain: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            let simple = |text: &&str| !text.is_empty() && !text.contains(LIST_SEPARATOR) && text.trim() == *text;
            match plain.filter(|texts| texts.iter().all(simple) && !texts.iter().any(|text| text.starts_with('['))) {
                Some(texts) => texts.join(";"),
                None => Value::Array(items.clone()).to_string(),
            }
        }
        Some(other) => other.to_string(),
    }
}

fn runs(text: &str) -> bool {
    let first = text.trim_start_matches(' ').chars().next();
    matches!(first, Some('=' | '+' | '-' | '@' | '\t' | '\r' | '\n' | '＝' | '＋' | '－' | '＠'))
        && Amount::parse(text).is_err()
}

/// A cell for a spreadsheet: text that a spreadsheet would run as a formula gets an apostrophe before it; so does text
/// that has such an apostrophe already, so that [`unguarded`] gives back exactly what was there. Numbers, negative ones
/// included, stay numbers.
#[must_use]
pub fn guarded(text: &str) -> String {
    let inner = text.trim_start_matches('\'');
    if runs(inner) { format!("'{text}") } else { text.to_owned() }
}

/// The text behind the guard.
#[must_use]
pub fn unguarded(text: &str) -> &str {
    match text.strip_prefix('\'') {
        Some(rest) if runs(rest.trim_start_matches('\'')) => rest,
        _ => text,
    }
}

#[cfg(test)]
#[path = "columns_tests.rs"]
mod tests;
