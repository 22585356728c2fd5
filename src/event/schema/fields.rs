//! A schema read as a list of fields, for the command line, imports and documentation. Never used for validation.

use serde_json::Value;

use crate::event::Text;
use crate::limits::SCHEMA_DEPTH_MAX;

/// One field of `data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Dotted where nested: `approval.document`.
    pub name: String,
    /// Title in both languages.
    pub title: Text,
    /// Description in both languages.
    pub description: Text,
    /// What it holds.
    pub kind: FieldKind,
    /// Whether `data` must carry it.
    pub required: bool,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldKind {
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// An exact decimal: a number, or decimal text.
    Amount,
    /// Text.
    Text,
    /// `true` or `false`.
    Boolean,
    /// One of these texts.
    Choice(Vec<String>),
    /// A date with its precision: `2026-12-31`, `2026-12`, `2026-Q4`, `2026-H1`, `2026`.
    Date,
    /// A list.
    List,
    /// An object without named fields.
    Object,
}

pub(super) fn title(node: &Value) -> Text {
    Text { ko: text(node, "x-title-ko"), en: text(node, "title") }
}

pub(super) fn description(node: &Value) -> Text {
    Text { ko: text(node, "x-description-ko"), en: text(node, "description") }
}

pub(super) fn list(root: &Value) -> Vec<Field> {
    let mut fields = Vec::new();
    collect(root, root, "", true, 0, &mut fields);
    fields
}

fn collect(root: &Value, object: &Value, prefix: &str, required: bool, depth: usize, into: &mut Vec<Field>) {
    let Some(properties) = object.get("properties").and_then(Value::as_object) else { return };
    let demanded = object.get("required").and_then(Value::as_array);
    // serde_json keeps objects in key order; `required` says the author's order for the fields that matter most.
    let rank = |name: &str| demanded.and_then(|list| list.iter().position(|item| item == name)).unwrap_or(usize::MAX);
    let mut names: Vec<&String> = properties.keys().collect();
    names.sort_by_key(|name| rank(name));
    for name in names {
        let node = &properties[name];
        let shape = follow(root, node);
        let required = required && rank(name) != usize::MAX;
        let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        if shape.get("properties").is_some() && depth < SCHEMA_DEPTH_MAX {
            collect(root, shape, &name, required, depth + 1, into);
        } else {
            into.push(Field { name, title: title(node), description: description(node), kind: kind(shape), required });
        }
    }
}

fn follow<'a>(root: &'a Value, node: &'a Value) -> &'a Value {
    let target = node.get("$ref").and_then(Value::as_str);
    target.and_then(|reference| super::resolve(root, reference)).unwrap_or(node)
}

fn kind(shape: &Value) -> FieldKind {
    let texts = |list: &[Value]| list.iter().filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>();
    if let Some(options) = shape.get("enum").and_then(Value::as_array) {
        return FieldKind::Choice(texts(options));
    }
    if let Some(only) = shape.get("const").and_then(Value::as_str) {
        return FieldKind::Choice(vec![only.to_owned()]);
    }
    if shape.get("x-kind").and_then(Value::as_str) == Some("date") {
        return FieldKind::Date;
    }
    match shape.get("type") {
        Some(Value::Array(types)) if types.iter().any(|kind| kind == "string") => FieldKind::Amount,
        Some(Value::String(kind)) => match kind.as_str() {
            "integer" => FieldKind::Integer,
            "number" => FieldKind::Number,
            "boolean" => FieldKind::Boolean,
            "array" => FieldKind::List,
            "object" => FieldKind::Object,
            _ => FieldKind::Text,
        },
        _ => FieldKind::Object,
    }
}

fn text(node: &Value, name: &str) -> String {
    node.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
