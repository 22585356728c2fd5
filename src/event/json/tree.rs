//! A JSON tree over its text: what needs no unescaping is not copied, and objects are sorted by key. It knows no grammar.

use std::borrow::Cow;

use serde_json::{Map, Number, Value};
use sha2::{Digest, Sha256};

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tree<'a> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number, by its source text.
    Number(Number),
    /// A string.
    Text(Cow<'a, str>),
    /// An array.
    Array(Vec<Tree<'a>>),
    /// An object.
    Object(Fields<'a>),
}

/// Fields of an object, sorted by key, no key twice.
pub type Fields<'a> = Vec<(Cow<'a, str>, Tree<'a>)>;

/// The value of a field.
#[must_use]
pub fn field<'f, 'a>(fields: &'f Fields<'a>, name: &str) -> Option<&'f Tree<'a>> {
    fields.iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

impl From<Tree<'_>> for Value {
    fn from(tree: Tree<'_>) -> Self {
        match tree {
            Tree::Null => Value::Null,
            Tree::Bool(flag) => Value::Bool(flag),
            Tree::Number(number) => Value::Number(number),
            Tree::Text(text) => Value::String(text.into_owned()),
            Tree::Array(items) => Value::Array(items.into_iter().map(Value::from).collect()),
            Tree::Object(fields) => {
                let owned = fields.into_iter().map(|(key, value)| (key.into_owned(), Value::from(value)));
                Value::Object(owned.collect::<Map<_, _>>())
            }
        }
    }
}

/// First 16 bytes of the SHA-256 over the canonical form of a tree: independent of key order and whitespace, numbers by
/// source text (`1` and `1.0` differ).
#[must_use]
pub fn digest(tree: &Tree<'_>) -> [u8; 16] {
    let mut canonical = Vec::with_capacity(1_024);
    canon(tree, &mut canonical);
    let hash: [u8; 32] = Sha256::digest(&canonical).into();
    let mut first = [0; 16];
    first.copy_from_slice(&hash[..16]);
    first
}

/// Every value is a tag, its length or count, its content: no two trees share a form, and nothing needs escaping.
fn canon(tree: &Tree<'_>, out: &mut Vec<u8>) {
    match tree {
        Tree::Null => out.push(b'n'),
        Tree::Bool(false) => out.push(b'f'),
        Tree::Bool(true) => out.push(b't'),
        Tree::Number(number) => sized(b'#', number.as_str(), out),
        Tree::Text(text) => sized(b'"', text, out),
        Tree::Array(items) => {
            out.push(b'[');
            out.extend_from_slice(&(items.len() as u64).to_le_bytes());
            items.iter().for_each(|item| canon(item, out));
        }
        Tree::Object(fields) => {
            out.push(b'{');
            out.extend_from_slice(&(fields.len() as u64).to_le_bytes());
            for (key, item) in fields {
                sized(b'"', key, out);
                canon(item, out);
            }
        }
    }
}

fn sized(tag: u8, content: &str, out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(&(content.len() as u64).to_le_bytes());
    out.extend_from_slice(content.as_bytes());
}
