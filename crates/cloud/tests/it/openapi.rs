//! The document says what the routes are, and nothing in it dangles.

use std::collections::BTreeSet;

use pmirs_cloud::route_list;
use pmirs_wire::envelope::Method;
use serde_json::Value;

use crate::World;

fn document() -> Value {
    let world = World::new();
    let reply = world.user.http.send(Method::Get, "/openapi.json", &[], &[]);
    assert_eq!(reply.status, 200);
    serde_json::from_slice(&reply.body).unwrap()
}

#[test]
fn every_route_is_described_and_nothing_else() {
    let document = document();
    let mut found = BTreeSet::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            found.insert((method.to_uppercase(), path.clone()));
            let summary = operation["summary"].as_str().unwrap();
            assert!(summary.ends_with('.') && summary.len() > 10, "{method} {path}: {summary:?}");
            for name in path.split('{').skip(1).map(|rest| rest.split('}').next().unwrap()) {
                let mut parameters = operation["parameters"].as_array().unwrap().iter();
                assert!(parameters.any(|it| it["name"] == name && it["in"] == "path"), "{method} {path}");
            }
        }
    }
    let routes: BTreeSet<_> =
        route_list().map(|(method, path)| (method.to_owned(), path.to_owned())).collect();
    assert_eq!(found, routes);
    let names: BTreeSet<_> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|methods| methods.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(names.len(), routes.len(), "operations have names of their own");
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let expected: BTreeSet<String> =
        schemas.keys().map(|name| format!("#/components/schemas/{name}")).collect();
    assert!(expected.len() > 30, "{expected:?}");
    assert_eq!(found, expected.iter().map(String::as_str).collect());
}
