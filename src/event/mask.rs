//! Masking texts of a body: the same JSON byte for byte, but each text named by a pointer has `█` for every character.
//!
//! What a report is told apart by (ids, type, source, times) cannot be named, and numbers and keys are no texts. It never
//! decides who may mask what ([`crate::catalogue::registry`] keeps who agreed).

use std::ops::Range;

use super::json::{self, JsonFault, Tree};
use crate::limits::MASKS_MAX;

/// What stands for each character (Unicode scalar value) of a masked text.
pub const MASK: char = '█';

/// Attributes of an event that cannot be masked: who reported what kind of event when, and how it is read.
const FIXED: [&str; 7] = ["specversion", "id", "source", "type", "time", "datacontenttype", "dataschema"];

/// Why a body cannot be masked like that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MaskFault {
    /// Not strict JSON: no text can be named in it.
    #[error("the body is no JSON ({0}): only the whole body of a refused report can be masked, with the pointer \"\"")]
    Json(#[from] JsonFault),
    /// A pointer to nothing, or to what is no text.
    #[error(
        "'{0}' names no text of the body: give RFC 6901 pointers to texts, such as /data/note, or /3/data/note in a batch"
    )]
    NoText(String),
    /// A pointer to what must stay.
    #[error("'{0}' names what the report is told apart by: id, source, type and times stay")]
    Fixed(String),
    /// None, or too many, or one twice.
    #[error("name 1 to {MASKS_MAX} different texts")]
    Count,
}

/// The body with the texts masked that the pointers (RFC 6901) name. The one pointer `""` masks the whole body: nothing is
/// left of it.
///
/// # Errors
/// [`MaskFault`].
pub fn masked(body: &[u8], pointers: &[String]) -> Result<Vec<u8>, MaskFault> {
    if pointers == [""] {
        return Ok(Vec::new());
    }
    let different: std::collections::BTreeSet<&String> = pointers.iter().collect();
    if pointers.is_empty() || pointers.len() > MASKS_MAX || different.len() < pointers.len() {
        return Err(MaskFault::Count);
    }
    // From here on the bytes are known to be one strict JSON value of bounded depth.
    json::read(body)?;
    let mut places = Vec::with_capacity(pointers.len());
    for pointer in pointers {
        if is_fixed(pointer) {
            return Err(MaskFault::Fixed(pointer.clone()));
        }
        places.push(place(body, pointer).ok_or_else(|| MaskFault::NoText(pointer.clone()))?);
    }
    places.sort_unstable_by_key(|(text, _)| text.start);
    let (mut out, mut from) = (Vec::with_capacity(body.len()), 0);
    for (text, characters) in places {
        out.extend_from_slice(&body[from..text.start]);
        out.extend(masks(characters));
        from = text.end;
    }
    out.extend_from_slice(&body[from..]);
    Ok(out)
}

/// Whether every text that the pointers name is masked; for the pointer `""`, whether nothing is left.
#[must_use]
pub fn is_masked(body: &[u8], pointers: &[String]) -> bool {
    if pointers == [""] {
        return body.is_empty();
    }
    let hidden = |pointer: &String| {
        let (text, characters) = place(body, pointer)?;
        (text.len() == 2 + characters * MASK.len_utf8() && body[text] == *masks(characters)).then_some(())
    };
    json::read(body).is_ok() && pointers.len() <= MASKS_MAX && pointers.iter().all(|pointer| hidden(pointer).is_some())
}

/// The literal of a masked text.
fn masks(characters: usize) -> Vec<u8> {
    format!("\"{}\"", MASK.to_string().repeat(characters)).into_bytes()
}

/// Whether a pointer names an attribute that stays, in an event or in one of a batch.
fn is_fixed(pointer: &str) -> bool {
    let Some(rest) = pointer.strip_prefix('/') else { return false };
    let mut names = rest.split('/');
    let first = names.next().unwrap_or_default();
    let is_position = first.bytes().all(|byte| byte.is_ascii_digit());
    let attribute = if is_position { names.next().unwrap_or_default() } else { first };
    FIXED.contains(&attribute)
}

/// Where the literal of a text lies, quotes included, and how many characters it has.
fn place(body: &[u8], pointer: &str) -> Option<(Range<usize>, usize)> {
    let mut walk = Walk { bytes: body, at: 0 };
    for token in pointer.strip_prefix('/')?.split('/') {
        let token = token.replace("~1", "/").replace("~0", "~");
        walk.enter(&token)?;
    }
    walk.space();
    let start = walk.at;
    (walk.peek()? == b'"').then_some(())?;
    walk.skip()?;
    let literal = body.get(start..walk.at)?;
    match json::read(literal).ok()? {
        Tree::Text(text) => Some((start..walk.at, text.chars().count())),
        _ => None,
    }
}

/// Walks over a text that is known to be JSON; whatever does not fit ends in `None`.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Walk<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Goes to the value of a field, or of an item, of the value it is before.
    fn enter(&mut self, token: &str) -> Option<()> {
        self.space();
        let open = self.peek().filter(|byte| matches!(byte, b'{' | b'['))?;
        let mut item = 0_usize;
        self.at += 1;
        loop {
            self.space();
            if matches!(self.peek()?, b'}' | b']') {
                return None;
            }
            let found = if open == b'{' { self.key()? == token } else { item.to_string() == token };
            if found {
                return Some(());
            }
            self.skip()?;
            self.space();
            (self.peek()? == b',').then(|| self.at += 1)?;
            item += 1;
        }
    }

    /// Reads a key, and goes behind its colon.
    fn key(&mut self) -> Option<String> {
        let start = self.at;
        self.skip()?;
        let key = match json::read(self.bytes.get(start..self.at)?).ok()? {
            Tree::Text(key) => key.into_owned(),
            _ => return None,
        };
        self.space();
        (self.peek()? == b':').then(|| self.at += 1)?;
        Some(key)
    }

    /// Goes behind the value it is before.
    fn skip(&mut self) -> Option<()> {
        self.space();
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => self.skip_text()?,
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                _ => self.skip_word(),
            }
            if depth == 0 {
                return Some(());
            }
        }
    }

    /// A number, `true`, `false` or `null`.
    fn skip_word(&mut self) {
        let ends = |byte: &u8| matches!(byte, b',' | b':' | b'}' | b']' | b' ' | b'\t' | b'\n' | b'\r');
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at += rest.iter().position(ends).unwrap_or(rest.len()).max(1);
    }

    fn skip_text(&mut self) -> Option<()> {
        self.at += 1;
        loop {
            match self.peek()? {
                b'\\' => self.at += 2,
                b'"' => {
                    self.at += 1;
                    return Some(());
                }
                _ => self.at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn masked_text(body: &str, pointers: &[&str]) -> Result<String, MaskFault> {
        let pointers: Vec<String> = pointers.iter().map(|pointer| (*pointer).to_owned()).collect();
        masked(body.as_bytes(), &pointers).map(|bytes| String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn only_the_named_texts_change() {
        let body =
            r#" {"id":"x", "data" : {"a\u002fb":[1, "홍길동 \"A\"", {"~":"\ud83d\ude00"}], "n":1.50,"note":""}} "#;
        for (pointers, expected) in [
            (&["/data/a~1b/1"][..], body.replace(r#"홍길동 \"A\""#, "███████")),
            (
                &["/data/a~1b/2/~0", "/data/a~1b/1"],
                body.replace(r#"홍길동 \"A\""#, "███████").replace(r"\ud83d\ude00", "█"),
            ),
            (&["/data/note"], body.to_owned()),
            (&[""], String::new()),
        ] {
            assert_eq!(masked_text(body, pointers).as_ref(), Ok(&expected), "{pointers:?}");
        }
        let batch = r#"[{"data":{"a":"x"}},{"subject":"kim","data":{"a":"yz"}}]"#;
        let expected = r#"[{"data":{"a":"x"}},{"subject":"███","data":{"a":"██"}}]"#;
        assert_eq!(masked_text(batch, &["/1/data/a", "/1/subject"]).unwrap(), expected);
    }

    #[test]
    fn what_must_stay_or_is_no_text_is_refused() {
        let body = r#"{"id":"x","time":"t","data":{"n":1,"o":{"k":"v"},"id":"d"}}"#;
        for pointer in ["/id", "/time", "/0/id", "/type", "/3/source", "/id/x"] {
            assert_eq!(masked_text(body, &[pointer]), Err(MaskFault::Fixed(pointer.to_owned())));
        }
        for pointer in ["/data/n", "/data/o", "/data/x", "data/id", "/data", "/data/o/k/y", "/data/", "/", "/data/~1"] {
            assert_eq!(masked_text(body, &[pointer]), Err(MaskFault::NoText(pointer.to_owned())));
        }
        assert!(masked_text(body, &["/data/id"]).is_ok(), "an id of something else, inside data");
        assert_eq!(masked_text(body, &[]), Err(MaskFault::Count));
        assert_eq!(masked_text(body, &["/data/id", "/data/id"]), Err(MaskFault::Count));
        assert!(matches!(masked_text("not json", &["/data/a"]), Err(MaskFault::Json(_))));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z~/\"é]{0,3}", inner, 0..4).prop_map(|map| json!(map)),
            ]
        })
    }

    fn texts(value: &Value, path: String, found: &mut Vec<String>) {
        match value {
            Value::String(_) => found.push(path),
            Value::Array(items) => {
                items.iter().enumerate().for_each(|(at, item)| texts(item, format!("{path}/{at}"), found))
            }
            Value::Object(map) => map.iter().for_each(|(key, item)| {
                texts(item, format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")), found);
            }),
            _ => {}
        }
    }

    proptest! {
        /// Against serde_json's own pointers, pretty-printed and not.
        #[test]
        fn agrees_with_a_tree(data in any_json(), pick in any::<prop::sample::Index>(), pretty in any::<bool>()) {
            let mut tree = json!({"id": "x", "data": data});
            let mut found = Vec::new();
            texts(&tree["data"], "/data".to_owned(), &mut found);
            prop_assume!(!found.is_empty());
            let pointer = found[pick.index(found.len())].clone();
            let body = if pretty { serde_json::to_vec_pretty(&tree).unwrap() } else { serde_json::to_vec(&tree).unwrap() };
            let text = tree.pointer_mut(&pointer).unwrap();
            *text = text.as_str().unwrap().chars().map(|_| MASK).collect::<String>().into();
            let pointers = [pointer];
            let out = masked(&body, &pointers).unwrap();
            prop_assert!(is_masked(&out, &pointers));
            prop_assert_eq!(is_masked(&body, &pointers), out == body);
            prop_assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), tree);
        }

        #[test]
        fn never_panics(body in prop::collection::vec(any::<u8>(), 0..60), pointer in "(/[a-z0-9~]{0,3}){0,4}") {
            let pointers = [pointer];
            let _ = (masked(&body, &pointers), is_masked(&body, &pointers));
        }
    }
}
