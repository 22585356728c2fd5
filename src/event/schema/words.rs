//! What is wrong in `data`, in this crate's own words: they stand in the log's read models, so no library update may
//! change them. Never repeats the value at fault, which may be anything of any length.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use serde_json::Value;

use super::DataFault;
use crate::limits::FAULT_CHARS_MAX;

/// Said of a field that the schema does not name.
pub(crate) const UNKNOWN_FIELD: &str = "is not a field of this type";

/// At most [`FAULT_CHARS_MAX`] characters, control characters shown as spaces.
pub(super) fn short(text: &str) -> String {
    text.chars().take(FAULT_CHARS_MAX).map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// One fault, or one for each field that should not be there.
pub(super) fn faults(error: &ValidationError<'_>) -> Vec<DataFault> {
    let pointer = error.instance_path().as_str();
    match error.kind() {
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => unexpected
            .iter()
            .map(|name| DataFault {
                pointer: short(&format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))),
                message: UNKNOWN_FIELD.into(),
            })
            .collect(),
        kind => vec![DataFault { pointer: short(pointer), message: short(&message(kind)) }],
    }
}

fn message(kind: &Kind) -> String {
    match kind {
        Kind::Required { property } => format!("lacks the field {property}"),
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } => UNKNOWN_FIELD.into(),
        Kind::Type { kind } => format!("must be of type {}", types(kind)),
        Kind::Enum { options } => format!("must be one of {options}"),
        Kind::Constant { expected_value } => format!("must be {expected_value}"),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("must be more than {limit}"),
        Kind::ExclusiveMaximum { limit } => format!("must be less than {limit}"),
        Kind::MinLength { limit } => format!("must have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::MinItems { limit } => format!("must list at least {limit}"),
        Kind::MaxItems { limit } => format!("must list at most {limit}"),
        Kind::MinProperties { limit } => format!("must have at least {limit} fields"),
        Kind::MaxProperties { limit } => format!("must have at most {limit} fields"),
        Kind::Pattern { pattern } => format!("must match the pattern {pattern}"),
        Kind::UniqueItems => "must not list anything twice".into(),
        Kind::AnyOf { context } => format!("must satisfy at least one alternative: {}", alternatives(context)),
        Kind::OneOfNotValid { context } => format!("must satisfy exactly one alternative: {}", alternatives(context)),
        Kind::OneOfMultipleValid { .. } => "satisfies several alternatives, of which exactly one may hold".into(),
        Kind::PropertyNames { .. } => "has a field name that is not taken".into(),
        other => format!("does not satisfy the schema's '{}'", other.keyword()),
    }
}

fn types(kind: &TypeKind) -> String {
    match kind {
        TypeKind::Single(one) => one.to_string(),
        TypeKind::Multiple(set) => set.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" or "),
    }
}

/// Why each alternative failed: the fields it lacks, or its first fault.
fn alternatives(context: &[Vec<ValidationError<'static>>]) -> String {
    let branch = |errors: &Vec<ValidationError<'static>>| {
        let lacking: Vec<String> = errors
            .iter()
            .filter_map(|error| match error.kind() {
                Kind::Required { property: Value::String(name) } => Some(name.clone()),
                _ => None,
            })
            .collect();
        if lacking.is_empty() {
            errors.first().map_or_else(String::new, |error| message(error.kind()))
        } else {
            format!("give {}", lacking.join(" and "))
        }
    };
    context.iter().map(branch).collect::<Vec<_>>().join("; or ")
}
