//! The OpenAPI 3.1 document of the API, made from the types that are answered and the table of operations below.
//!
//! `schemas/openapi.json` is this document; a test compares the two, and another one holds the running API against it.

mod operations;

use axum::response::Response;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::problem::Document;
use super::routes::json;
use operations::{Body, Operation, operations};

/// What `/v1` promises, as the document says it.
const DESCRIPTION: &str = "\
The figures, events, entries and agencies of an event-sourced progress ledger, each as of any day (`as_of`) and any state of \
the record (`known_at`).\n\n\
**Stability of /v1.** Fields, parameters, event types and error codes are added, never removed or given another meaning; \
clients ignore fields they do not know. Texts for people may change. Columns of tables keep their order, new ones come last. \
What cannot be kept so gets a new prefix, and /v1 goes on for at least two years beside it.\n\n\
**Errors** are RFC 9457 problem documents in Korean and English; `code` is stable. Parameters that are unknown or cannot be \
read are refused, never ignored.\n\n\
**Amounts** are JSON numbers with exact decimals: read them as text, not as floats. Days are days in Seoul.\n\n\
**Caching.** Answers carry a weak ETag; with `as_of` and `known_at` fixed, and once `proven_size` is `size`, an answer never \
changes.";

/// The document.
#[must_use]
pub fn document() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    let problem = reference::<Document>(&mut generator);
    for operation in operations(&mut generator) {
        let item = paths.entry(operation.path.to_owned()).or_insert_with(|| json!({}));
        item[operation.method] = described(&operation, &problem);
    }
    let schemas = generator.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "jindo",
            "version": "1.0.0",
            "summary": "Progress of commitments, with who reported what and when",
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "figures", "description": "Commitments, their lines and what is behind each number."},
            {"name": "record", "description": "Entries, events, receipts, agencies: who reported what and when."},
            {"name": "reports", "description": "Sending reports without NATS."},
            {"name": "operation", "description": "How the ledger is doing."},
        ],
        "paths": paths,
        "components": {"schemas": schemas},
    })
}

/// The document as it is committed and served.
#[must_use]
pub fn text() -> String {
    let mut text = serde_json::to_string_pretty(&document()).unwrap_or_default();
    text.push('\n');
    text
}

/// The route.
pub(super) async fn route() -> Response {
    json(&document())
}

fn reference<T: JsonSchema>(generator: &mut SchemaGenerator) -> Value {
    generator.subschema_for::<T>().to_value()
}

fn described(operation: &Operation, problem: &Value) -> Value {
    let mut responses: Map<String, Value> = Map::new();
    for (status, body, what) in &operation.answers {
        let content = match body {
            Body::None => None,
            Body::Json(schema) => Some(json!({"application/json": {"schema": schema}})),
            Body::Csv => Some(json!({"text/csv": {"schema": {"type": "string"}}})),
            Body::Of(kind) => Some(json!({*kind: {"schema": {"type": "string"}}})),
            Body::Text => Some(json!({"text/plain": {"schema": {"type": "string"}}})),
            Body::Entry(schema) => Some(json!({
                "text/plain": {"schema": {"type": "string"}},
                "application/json": {"schema": schema},
            })),
            Body::Bytes => Some(json!({"application/octet-stream": {}, "text/plain": {"schema": {"type": "string"}}})),
        };
        let mut response = json!({"description": what});
        if let Some(content) = content {
            response["content"] = content;
        }
        responses.insert(status.to_string(), response);
    }
    for (status, what) in &operation.problems {
        let mut response = json!({
            "description": what,
            "content": {"application/problem+json": {"schema": problem}},
        });
        if *status == 503 || *status == 429 {
            response["headers"] = json!({"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}});
        }
        // One status may stand for a body of ours and for a problem.
        match responses.get_mut(&status.to_string()) {
            Some(known) => known["content"]["application/problem+json"] = json!({"schema": problem}),
            None => drop(responses.insert(status.to_string(), response)),
        }
    }
    let mut told = json!({
        "operationId": operation.id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": operation.description,
        "parameters": operation.parameters,
        "responses": responses,
    });
    if let Some(body) = &operation.request {
        told["requestBody"] = body.clone();
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `JINDO_WRITE=1` writes the file anew.
    #[test]
    fn the_committed_document_is_this_one() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/openapi.json");
        if std::env::var_os("JINDO_WRITE").is_some() {
            std::fs::write(&path, text()).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == text(),
            "schemas/openapi.json is not what the code says: write it anew with JINDO_WRITE=1"
        );
    }

    #[test]
    fn every_reference_leads_somewhere() {
        fn references(value: &Value, found: &mut Vec<String>) {
            match value {
                Value::Object(fields) => {
                    found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                    fields.values().for_each(|field| references(field, found));
                }
                Value::Array(items) => items.iter().for_each(|item| references(item, found)),
                _ => {}
            }
        }
        let (document, mut found) = (document(), Vec::new());
        references(&document, &mut found);
        assert!(found.len() > 20, "{found:?}");
        for reference in found {
            assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
        }
    }
}
