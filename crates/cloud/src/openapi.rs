//! The OpenAPI document (3.1), made of the routes and of the messages' own types.
//!
//! It speaks of JSON alone, which the server speaks to those who ask for it; what CBOR carries has the same shape.

use std::sync::LazyLock;

use pmirs_wire::Message;
use pmirs_wire::access::{SENT_HEADER, SIGNATURE_HEADER};
use pmirs_wire::problem::Problem;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::routes::{Caller, Route, described};

const JSON: &str = "application/json";
const SCHEMAS: &str = "/components/schemas";

/// What surrounds the routes can refuse any request, whatever it asks.
const REFUSALS: [&str; 8] = ["400", "403", "404", "408", "409", "413", "429", "503"];
const OWN_FAULT: &str = "500";
const NO_SESSION: &str = "401";

/// The document as it is served.
pub(crate) fn document() -> &'static str {
    static DOCUMENT: LazyLock<String> = LazyLock::new(|| build().to_string());
    &DOCUMENT
}

/// The schema of a body.
pub(crate) type Describe = fn(&mut SchemaGenerator) -> Value;

/// Media type and schema of an answer, if it has a body.
pub(crate) type Content = fn(&mut SchemaGenerator) -> Option<(&'static str, Value)>;

/// What an answer can carry.
pub(crate) trait Says {
    fn content(schemas: &mut SchemaGenerator) -> Option<(&'static str, Value)>;
}

impl<M: Message + JsonSchema> Says for M {
    fn content(schemas: &mut SchemaGenerator) -> Option<(&'static str, Value)> {
        Some((JSON, describe::<M>(schemas)))
    }
}

/// The schema of a message.
pub(crate) fn describe<M: Message + JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    schemas.subschema_for::<M>().to_value()
}

/// Answers that are no messages.
macro_rules! says {
    ($($(#[$doc:meta])* $name:ident => $content:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) enum $name {}

        impl Says for $name {
            fn content(_: &mut SchemaGenerator) -> Option<(&'static str, Value)> {
                $content
            }
        }
    )*};
}

says! {
    /// No body at all.
    Nothing => None;
    /// Ciphertext as it was stored.
    SealedBytes => Some(("application/octet-stream", json!({})));
    /// A word for whoever operates the server.
    Text => Some(("text/plain", json!({ "type": "string" })));
    /// The OpenMetrics text format.
    OpenMetrics => Some(("application/openmetrics-text", json!({ "type": "string" })));
    /// The document itself.
    Document => Some((JSON, json!({ "type": "object" })));
}

fn build() -> Value {
    let mut schemas = SchemaSettings::draft2020_12()
        .with(|settings| {
            settings.definitions_path = SCHEMAS.into();
            settings.meta_schema = None;
        })
        .into_generator();
    let problem = content(JSON, &describe::<Problem>(&mut schemas));
    let mut paths = Map::new();
    for route in described() {
        let operation = operation(route, &problem, &mut schemas);
        insert(&mut paths, route.path, route.method, operation);
    }
    insert(&mut paths, "/v1/envelope", "POST", envelope(&problem));
    let definitions = schemas.take_definitions(true);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "PMIRS cloud",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0" },
            "description": "Stores, ranks and returns what it cannot read. Bodies are CBOR after a version byte \
                (application/cbor) unless Content-Type and Accept name application/json. Every request under /v1 \
                may also travel sealed, in POST /v1/envelope.",
        },
        "paths": paths,
        "components": {
            "schemas": definitions,
            "securitySchemes": {
                "session": { "type": "http", "scheme": "bearer", "description": "The token of a Session." },
            },
        },
    })
}

fn insert(paths: &mut Map<String, Value>, path: &str, method: &str, operation: Value) {
    let methods = paths.entry(path).or_insert_with(|| json!({}));
    if let Some(methods) = methods.as_object_mut() {
        methods.insert(method.to_lowercase(), operation);
    }
}

fn operation(route: &Route, problem: &Value, schemas: &mut SchemaGenerator) -> Value {
    let mut responses = refusals(problem);
    let mut success = json!({ "description": "Done." });
    if let (Some((media_type, schema)), Some(success)) = ((route.answer)(schemas), success.as_object_mut()) {
        success.insert("content".to_owned(), content(media_type, &schema));
    }
    responses.insert(route.status.to_string(), success);
    let mut operation = json!({
        "operationId": route.name,
        "summary": route.about,
        "parameters": parameters(route),
    });
    let Some(fields) = operation.as_object_mut() else { return operation };
    if route.caller == Caller::Account {
        responses.insert(NO_SESSION.to_owned(), refusal(problem));
        fields.insert("security".to_owned(), json!([{ "session": [] }]));
    } else if route.path.starts_with("/v1/login") {
        responses.insert(NO_SESSION.to_owned(), refusal(problem));
    }
    if let Some(body) = route.body {
        let content = content(JSON, &body(schemas));
        fields.insert("requestBody".to_owned(), json!({ "required": true, "content": content }));
    }
    fields.insert("responses".to_owned(), responses.into());
    operation
}

/// The request is sealed to the server's key, and so is the answer, whose own status lies within.
fn envelope(problem: &Value) -> Value {
    let mut responses = refusals(problem);
    let sealed = content("application/octet-stream", &json!({}));
    responses.insert("200".to_owned(), json!({ "description": "A sealed answer.", "content": sealed }));
    json!({
        "operationId": "envelope::exchange",
        "summary": "Any other request under /v1, sealed to the server's key by HPKE.",
        "requestBody": { "required": true, "content": sealed },
        "responses": responses,
    })
}

fn refusals(problem: &Value) -> Map<String, Value> {
    let statuses = REFUSALS.iter().chain([&OWN_FAULT]);
    statuses.map(|status| ((*status).to_owned(), refusal(problem))).collect()
}

fn refusal(problem: &Value) -> Value {
    json!({ "description": "Why not.", "content": problem })
}

fn content(media_type: &str, schema: &Value) -> Value {
    let mut content = Map::new();
    content.insert(media_type.to_owned(), json!({ "schema": schema }));
    content.into()
}

fn parameters(route: &Route) -> Vec<Value> {
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let path = in_path.map(|name| {
        let pattern = match name {
            "id" | "item" | "device" => "^[0-9a-f]{32}$",
            "federation" | "model" => "^[0-9a-f]{64}$",
            "code" => "^[0-9A-HJKMNP-TV-Z]{8}$",
            _ => "^[a-z0-9._-]{1,64}$",
        };
        let schema = json!({ "type": "string", "pattern": pattern });
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    });
    let query = route.query.iter().map(|name| {
        let schema = json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX });
        json!({ "name": name, "in": "query", "required": false, "schema": schema })
    });
    let signed = [
        (SENT_HEADER, json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX })),
        (SIGNATURE_HEADER, json!({ "type": "string", "pattern": "^[A-Za-z0-9_-]{86}$" })),
    ];
    let signed = signed.into_iter().filter(|_| route.path.ends_with("/content"));
    let headers = signed
        .map(|(name, schema)| json!({ "name": name, "in": "header", "required": true, "schema": schema }));
    path.chain(query).chain(headers).collect()
}
