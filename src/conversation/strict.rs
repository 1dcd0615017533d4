//! JSON schemas in the narrower form that a model can be held to.

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use crate::refusal::wording::{Meaning, meaning};
use crate::{Error, ErrorKind};

/// Whether the service refused a request because its strict tools together are too complex.
pub(super) fn is_too_strict(error: &Error) -> bool {
    error.kind() == ErrorKind::Validation && meaning(error) == Some(Meaning::TooStrict)
}

/// The schema with every member required, optional ones nullable, and no additional ones; or why there is no such
/// form.
pub(super) fn strict_schema(schema: &Value) -> Result<Value, String> {
    let root = schema.as_object().filter(|root| is_object(root));
    let root = root.ok_or("its schema is not that of an object")?;
    object(root).map(Value::Object)
}

fn is_object(schema: &Map<String, Value>) -> bool {
    match schema.get("type") {
        Some(kind) => kind == "object",
        None => schema.contains_key("properties"),
    }
}

fn narrowed(schema: &Value) -> Result<Value, String> {
    let schema = schema.as_object().ok_or("its schema has a boolean in place of a schema")?;
    if is_object(schema) {
        return object(schema).map(Value::Object);
    }
    let mut strict = supported(schema)?.clone();
    describe_limits(&mut strict);
    if let Some(items) = strict.get_mut("items") {
        if items.is_array() {
            return Err("its schema has a list of items".into());
        }
        *items = narrowed(items)?;
    }
    if let Some(choices) = strict.get_mut("anyOf") {
        let list = choices.as_array().ok_or("its schema has an anyOf that is not a list")?;
        let structured =
            |choice: &&Value| choice.get("properties").is_some() || choice.get("items").is_some();
        if list.iter().filter(structured).count() > 1 {
            return Err("its schema has a choice between structures".into());
        }
        *choices = list.iter().map(narrowed).collect::<Result<_, _>>()?;
    }
    Ok(Value::Object(strict))
}

fn object(schema: &Map<String, Value>) -> Result<Map<String, Value>, String> {
    let mut strict = supported(schema)?.clone();
    if schema.get("additionalProperties").is_some_and(|additional| *additional != Value::Bool(false)) {
        return Err("its schema allows additionalProperties".into());
    }
    let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
    let required = required.filter_map(Value::as_str).collect::<HashSet<_>>();
    let mut properties = Map::new();
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let property = narrowed(property)?;
        let optional = !required.contains(name.as_str());
        let property = if optional && !is_nullable(&property) {
            json!({"anyOf": [property, {"type": "null"}]})
        } else {
            property
        };
        properties.insert(name.clone(), property);
    }
    strict.insert("type".into(), "object".into());
    strict.insert("required".into(), properties.keys().cloned().collect());
    strict.insert("properties".into(), Value::Object(properties));
    strict.insert("additionalProperties".into(), false.into());
    Ok(strict)
}

/// Moves the limits that the service refuses in strict schemas into the description, where the model reads them.
fn describe_limits(schema: &mut Map<String, Value>) {
    let mut limits = Vec::new();
    for keyword in LIMITS {
        let refused = schema
            .get(keyword)
            .is_some_and(|limit| keyword != "minItems" || limit.as_u64().is_none_or(|least| least > 1));
        if refused && let Some(limit) = schema.remove(keyword) {
            limits.push(format!("{keyword}: {limit}"));
        }
    }
    if !limits.is_empty() {
        let given = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let space = if given.is_empty() { "" } else { " " };
        let description = format!("{given}{space}({})", limits.join(", "));
        schema.insert("description".into(), description.into());
    }
}

fn supported(schema: &Map<String, Value>) -> Result<&Map<String, Value>, String> {
    match UNSUPPORTED.iter().find(|keyword| schema.contains_key(**keyword)) {
        Some(keyword) => Err(format!("its schema uses {keyword}")),
        None => Ok(schema),
    }
}

fn is_nullable(schema: &Value) -> bool {
    let null = |kind: &Value| kind == "null";
    match (&schema["type"], &schema["anyOf"]) {
        (Value::Array(kinds), _) => kinds.iter().any(null),
        (kind, _) if null(kind) => true,
        (_, Value::Array(choices)) => choices.iter().any(is_nullable),
        _ => schema["enum"].as_array().is_some_and(|values| values.contains(&Value::Null)),
    }
}

/// Measured on Claude Sonnet 4.5: `docs/models.md`.
const LIMITS: [&str; 7] =
    ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "maxItems", "minItems"];

const UNSUPPORTED: [&str; 18] = [
    "$ref",
    "$defs",
    "definitions",
    "allOf",
    "oneOf",
    "patternProperties",
    "dependentSchemas",
    "dependencies",
    "unevaluatedProperties",
    "propertyNames",
    "contains",
    "prefixItems",
    "not",
    "if",
    "then",
    "else",
    "dependentRequired",
    "unevaluatedItems",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_members_become_nullable() {
        let schema = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": "array", "items": {"properties": {"x": {"type": ["string", "null"]}}}},
            "b": {"type": "number"}
        }});
        assert_eq!(
            strict_schema(&schema).unwrap(),
            json!({"type": "object", "required": ["a", "b"], "additionalProperties": false, "properties": {
                "a": {"type": "array", "items": {
                    "type": "object", "required": ["x"], "additionalProperties": false,
                    "properties": {"x": {"type": ["string", "null"]}}
                }},
                "b": {"anyOf": [{"type": "number"}, {"type": "null"}]}
            }})
        );
    }

    #[test]
    fn limits_that_the_service_refuses_become_words() {
        let schema = json!({"type": "object", "required": ["a", "b"], "properties": {
            "a": {"type": "integer", "minimum": 1, "maximum": 9, "description": "How many."},
            "b": {"type": "array", "items": {"type": "number", "multipleOf": 0.5}, "minItems": 2, "maxItems": 5},
            "c": {"type": "array", "items": {"type": "string"}, "minItems": 1}
        }});
        let properties = strict_schema(&schema).unwrap()["properties"].clone();
        assert_eq!(
            properties["a"],
            json!({"type": "integer", "description": "How many. (minimum: 1, maximum: 9)"})
        );
        assert_eq!(
            properties["b"],
            json!({
                "type": "array", "items": {"type": "number", "description": "(multipleOf: 0.5)"},
                "description": "(maxItems: 5, minItems: 2)"
            })
        );
        assert_eq!(properties["c"]["anyOf"][0]["minItems"], 1);
    }

    #[test]
    fn what_has_no_strict_form_is_named() {
        for (schema, fault) in [
            (json!({"type": "string"}), "not that of an object"),
            (json!({"type": "object", "$defs": {}}), "$defs"),
            (json!({"type": "object", "additionalProperties": true}), "additionalProperties"),
            (json!({"type": "object", "properties": {"a": true}}), "boolean"),
            (json!({"type": "object", "properties": {"a": {"type": "array", "items": []}}}), "list of items"),
        ] {
            assert!(strict_schema(&schema).unwrap_err().contains(fault), "{schema}");
        }
    }
}
