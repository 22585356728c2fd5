//! Event schemas: JSON Schema 2020-12 documents compiled once, checked often, and read as a list of fields.
//!
//! A schema never reaches outside its own text (no remote references), never recurses, and its patterns run in linear
//! time: whoever registers one cannot stop the ledger with it. Nothing here knows which schemas are in force; that is
//! the registry's.

mod embedded;
mod fields;
mod words;

use std::fmt::Write as _;
use std::sync::Arc;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

pub use embedded::{embedded, embedded_fields, embedded_text};
pub use fields::{Field, FieldKind};
pub(crate) use words::UNKNOWN_FIELD;

use super::{Amount, Text};
use crate::limits::{DATA_FAULTS_MAX, SCHEMA_BYTES_MAX, SCHEMA_DEPTH_MAX, SCHEMA_NODES_MAX, SCHEMA_PATTERN_BYTES_MAX};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A compiled schema of one event type version.
#[derive(Debug)]
pub struct Schema {
    /// Event type, version included.
    pub kind: Arc<str>,
    /// The document, byte for byte as registered.
    pub text: Arc<str>,
    tree: Value,
    validator: Validator,
}

/// Why a text is no schema the ledger takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Over [`SCHEMA_BYTES_MAX`].
    #[error(
        "the schema of {kind} has {bytes} bytes, at most {SCHEMA_BYTES_MAX} are taken: shorten it or split the type"
    )]
    TooLong {
        /// Event type.
        kind: String,
        /// Bytes of the text.
        bytes: usize,
    },
    /// Not a JSON object.
    #[error("the schema of {kind} is no JSON object: {detail}")]
    NotJson {
        /// Event type.
        kind: String,
        /// What the parser said.
        detail: String,
    },
    /// `$schema` is not 2020-12.
    #[error("the schema of {kind} must say \"$schema\": \"{DIALECT}\"")]
    Dialect {
        /// Event type.
        kind: String,
    },
    /// A reference that leaves the document or goes nowhere.
    #[error("the schema of {kind} refers to '{reference}': only '#/...' inside the same document is taken")]
    Reference {
        /// Event type.
        kind: String,
        /// The reference.
        reference: String,
    },
    /// A reference cycle, too deep or too large once references are followed.
    #[error("the schema of {kind} is recursive or too large once its references are followed: flatten it")]
    TooLarge {
        /// Event type.
        kind: String,
    },
    /// Anything else the compiler refuses: a bad keyword, a pattern with lookaround.
    #[error("the schema of {kind} does not compile: {detail}")]
    Compile {
        /// Event type.
        kind: String,
        /// What the compiler said.
        detail: String,
    },
}

/// One thing wrong in `data`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFault {
    /// JSON pointer into `data`; empty for `data` itself.
    pub pointer: String,
    /// What was expected, in this crate's own stable words.
    pub message: String,
}

impl Schema {
    /// Compiles the text of a schema.
    ///
    /// # Errors
    /// [`SchemaError`]: too long, no JSON object, another dialect, a reference outside, recursive, or not compiling.
    pub fn compile(kind: &str, text: &str) -> Result<Self, SchemaError> {
        let named = || kind.chars().take(100).collect::<String>();
        if text.len() > SCHEMA_BYTES_MAX {
            return Err(SchemaError::TooLong { kind: named(), bytes: text.len() });
        }
        Self::compile_any(kind, text)
    }

    /// As [`Schema::compile`], of any length: for documents of this binary that never travel in an event.
    pub(crate) fn compile_any(kind: &str, text: &str) -> Result<Self, SchemaError> {
        let named = || kind.chars().take(100).collect::<String>();
        let tree: Value = serde_json::from_str(text)
            .map_err(|error| SchemaError::NotJson { kind: named(), detail: error.to_string() })?;
        if !tree.is_object() {
            return Err(SchemaError::NotJson { kind: named(), detail: "it is another kind of value".into() });
        }
        if tree.get("$schema").and_then(Value::as_str) != Some(DIALECT) {
            return Err(SchemaError::Dialect { kind: named() });
        }
        let mut nodes = 0;
        bound(&tree, &tree, 0, &mut nodes).map_err(|unbounded| match unbounded {
            Unbounded::Size => SchemaError::TooLarge { kind: named() },
            Unbounded::Reference(reference) => SchemaError::Reference { kind: named(), reference },
        })?;
        let patterns = PatternOptions::regex().size_limit(SCHEMA_PATTERN_BYTES_MAX);
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(patterns)
            .build(&tree)
            .map_err(|error| SchemaError::Compile { kind: named(), detail: words::short(&error.to_string()) })?;
        Ok(Schema { kind: kind.into(), text: text.into(), tree, validator })
    }

    /// Checks `data`: nothing is collected where it is valid, at most [`DATA_FAULTS_MAX`] faults where it is not. Besides
    /// the schema, every number must be an exact [`Amount`]: JSON Schema takes `1e3` for an integer, figures do not.
    ///
    /// # Errors
    /// What is wrong, in document order.
    pub fn check(&self, data: &Value) -> Result<(), Vec<DataFault>> {
        let mut unplain = Vec::new();
        exact(data, &mut String::new(), &mut unplain);
        if unplain.is_empty() && self.validator.is_valid(data) {
            return Ok(());
        }
        let mut faults = self.faults(data, DATA_FAULTS_MAX);
        if faults.is_empty() {
            faults.push(DataFault { pointer: String::new(), message: "does not satisfy the schema".into() });
        }
        Err(faults)
    }

    /// Everything wrong in `data`, at most `most` faults; empty where it is valid.
    pub(crate) fn faults(&self, data: &Value, most: usize) -> Vec<DataFault> {
        let mut faults = Vec::new();
        exact(data, &mut String::new(), &mut faults);
        let found = self.validator.iter_errors(data).take(most).flat_map(|error| words::faults(&error));
        faults.extend(found);
        faults.truncate(most);
        faults
    }

    /// Title in both languages.
    #[must_use]
    pub fn title(&self) -> Text {
        fields::title(&self.tree)
    }

    /// Description in both languages.
    #[must_use]
    pub fn description(&self) -> Text {
        fields::description(&self.tree)
    }

    /// The fields of `data`, nested objects dotted (`approval.document`), in the order of the document.
    #[must_use]
    pub fn fields(&self) -> Vec<Field> {
        fields::list(&self.tree)
    }

    /// The field of a dotted name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Field> {
        self.fields().into_iter().find(|field| field.name == name)
    }

    /// Valid `data` objects, as the document gives them.
    #[must_use]
    pub fn examples(&self) -> Vec<Value> {
        self.tree.get("examples").and_then(Value::as_array).cloned().unwrap_or_default()
    }
}

enum Unbounded {
    Size,
    Reference(String),
}

/// Walks the document as a validator may, following references: a cycle runs into the depth limit, a doubling chain of
/// references into the node limit.
fn bound(root: &Value, node: &Value, depth: usize, nodes: &mut usize) -> Result<(), Unbounded> {
    *nodes += 1;
    if depth > SCHEMA_DEPTH_MAX || *nodes > SCHEMA_NODES_MAX {
        return Err(Unbounded::Size);
    }
    match node {
        Value::Array(items) => items.iter().try_for_each(|item| bound(root, item, depth + 1, nodes)),
        Value::Object(members) => members.iter().try_for_each(|(name, member)| match (name.as_str(), member) {
            (
                "$ref" | "$dynamicRef" | "$recursiveRef" | "$id" | "$anchor" | "$dynamicAnchor",
                Value::String(target),
            ) => {
                let target = (name == "$ref").then(|| resolve(root, target)).flatten();
                let target = target.ok_or_else(|| Unbounded::Reference(words::short(&member.to_string())))?;
                bound(root, target, depth + 1, nodes)
            }
            _ => bound(root, member, depth + 1, nodes),
        }),
        _ => Ok(()),
    }
}

/// Finds numbers that are no exact amount.
fn exact(node: &Value, pointer: &mut String, faults: &mut Vec<DataFault>) {
    let length = pointer.len();
    let mut enter = |name: &dyn std::fmt::Display, inner: &Value| {
        if matches!(inner, Value::Number(_) | Value::Array(_) | Value::Object(_)) && faults.len() < DATA_FAULTS_MAX {
            let _ = write!(pointer, "/{name}");
            exact(inner, pointer, faults);
            pointer.truncate(length);
        }
    };
    match node {
        Value::Array(items) => items.iter().enumerate().for_each(|(at, item)| enter(&at, item)),
        Value::Object(members) => members.iter().for_each(|(name, member)| enter(name, member)),
        Value::Number(_) if Amount::from_json(node).is_err() => faults.push(DataFault {
            pointer: words::short(pointer),
            message: "must be written in plain digits, at most 24 before and 6 after the point".into(),
        }),
        _ => {}
    }
}

/// What `#` or `#/...` points at.
fn resolve<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    let pointer = reference.strip_prefix('#')?;
    (pointer.is_empty() || pointer.starts_with('/')).then(|| root.pointer(pointer)).flatten()
}

#[cfg(test)]
mod tests;
