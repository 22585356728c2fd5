//! TOML as a JSON tree that remembers where each value stands. Knows nothing of catalogues.

use std::collections::HashMap;

use serde_json::{Map, Number, Value};
use toml::de::{DeTable, DeValue};

use super::Mistake;

/// The file as a tree, with the byte offset of every value (of its key, where it has one) by JSON pointer.
pub(super) struct Tree {
    pub(super) value: Value,
    places: HashMap<String, usize>,
}

/// Reads the text; syntax mistakes stand beside whatever could be read.
pub(super) fn read(text: &str) -> (Tree, Vec<Mistake>) {
    let (root, errors) = DeTable::parse_recoverable(text);
    let mut mistakes: Vec<Mistake> = errors
        .iter()
        .map(|error| {
            let (line, column) = position(text, error.span().map_or(0, |span| span.start));
            let message = error.message().trim().replace('\n', " ");
            Mistake { line, column, message: format!("no valid TOML: {message}"), hint: "see https://toml.io".into() }
        })
        .collect();
    let mut tree = Tree { value: Value::Null, places: HashMap::new() };
    let mut reader = Reader { text, places: &mut tree.places, mistakes: &mut mistakes };
    tree.value = reader.table(root.get_ref(), "");
    (tree, mistakes)
}

impl Tree {
    /// Line and column of a pointer, or of the nearest thing around it.
    pub(super) fn place(&self, text: &str, pointer: &str) -> (usize, usize) {
        let mut pointer = pointer;
        loop {
            if let Some(&offset) = self.places.get(pointer) {
                return position(text, offset);
            }
            match pointer.rfind('/') {
                Some(end) => pointer = &pointer[..end],
                None => return (1, 1),
            }
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    places: &'a mut HashMap<String, usize>,
    mistakes: &'a mut Vec<Mistake>,
}

impl Reader<'_> {
    fn table(&mut self, table: &DeTable<'_>, at: &str) -> Value {
        let mut members = Map::new();
        for (key, value) in table.iter() {
            let pointer = format!("{at}/{}", key.get_ref().replace('~', "~0").replace('/', "~1"));
            self.places.insert(pointer.clone(), key.span().start);
            members.insert(key.get_ref().to_string(), self.value(value.get_ref(), value.span().start, &pointer));
        }
        Value::Object(members)
    }

    fn value(&mut self, value: &DeValue<'_>, offset: usize, at: &str) -> Value {
        match value {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(flag) => Value::Bool(*flag),
            DeValue::Datetime(date) => Value::String(date.to_string()),
            DeValue::Table(table) => self.table(table, at),
            DeValue::Array(items) => {
                let each = items.iter().enumerate().map(|(number, item)| {
                    let pointer = format!("{at}/{number}");
                    self.places.insert(pointer.clone(), item.span().start);
                    self.value(item.get_ref(), item.span().start, &pointer)
                });
                Value::Array(each.collect())
            }
            DeValue::Integer(number) => {
                let digits = i128::from_str_radix(number.as_str(), number.radix()).map(|number| number.to_string());
                // Beyond i128 the digits themselves go on: the schema's bounds refuse them.
                self.number(&digits.unwrap_or_else(|_| number.as_str().to_owned()), offset)
            }
            DeValue::Float(number) => self.number(number.as_str(), offset),
        }
    }

    fn number(&mut self, digits: &str, offset: usize) -> Value {
        let plain = digits.strip_prefix('+').unwrap_or(digits);
        match plain.parse::<Number>() {
            Ok(number) => Value::Number(number),
            Err(_) => {
                let (line, column) = position(self.text, offset);
                let message = format!("'{plain}' is no exact number");
                self.mistakes.push(Mistake {
                    line,
                    column,
                    message,
                    hint: "write plain digits, such as 71_450".into(),
                });
                Value::Null
            }
        }
    }
}

/// Line and column in characters, from 1, of a byte offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let mut end = offset.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let before = &text[..end];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
