//! The root of a tool's schema, in the form that the model accepts.

use serde_json::{Map, Value};

use super::family::{Capability, Takes};
use crate::Result;
use crate::shape::{Document, Members};

/// Makes the root of a schema that of an object, without what the model refuses there. Says what is changed, where that
/// changes what the tool may be called with. A schema that is accepted stays as it is, to the byte.
pub(super) fn accepted_root(schema: &mut Document, takes: &Takes) -> Result<Option<String>> {
    let text = schema.text().trim();
    if !text.starts_with('{') {
        // `true` and `null` accept anything.
        *schema = Document::parse(r#"{"type":"object"}"#)?;
        return Ok(None);
    }
    let mut root = schema.read::<Members>()?;
    match root.named("type").map(Document::text) {
        Some(r#""object""#) => {}
        Some(kind) if !kind.contains(r#""object""#) => {
            let change = format!("takes an object with the member value: the type of its schema is {kind}");
            let wrapped =
                format!(r#"{{"type":"object","properties":{{"value":{text}}},"required":["value"]}}"#);
            *schema = Document::parse(wrapped)?;
            return Ok(Some(change));
        }
        // Without a type, or with a list of types.
        _ => {
            root.remove("type");
            let members = Document::write(&root)?;
            let members = members.text().trim_start_matches('{');
            let comma = if root.is_empty() { "" } else { "," };
            *schema = Document::parse(format!(r#"{{"type":"object"{comma}{members}"#))?;
        }
    }
    let is_plain = takes.takes(Capability::SchemaRoot, "plain");
    let refuses = |name: &str| {
        is_plain && !PLAIN.contains(&name)
            || takes.takes(Capability::SchemaRoot, "noChoices") && CHOICES.contains(&name)
    };
    if !root.iter().any(|(name, _)| refuses(name)) {
        return Ok(None);
    }
    let mut value = schema.read::<Value>()?;
    if is_plain {
        let definitions = value.clone();
        resolve(&mut value, &definitions, DEEPEST, &mut { MOST_REFERENCES });
    }
    let mut change = None;
    if let Value::Object(root) = &mut value {
        change = fold_choices(root);
        root.retain(|name, _| !refuses(name));
    }
    *schema = value.into();
    Ok(change)
}

/// The name of a property that is not 1 to 64 of `a-zA-Z0-9_.-`.
pub(super) fn refused_property(schema: &Document) -> Option<String> {
    let is_accepted = |name: &str| {
        let accepts = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        (1..=64).contains(&name.len()) && name.bytes().all(accepts)
    };
    let properties = schema.read::<Members>().ok()?.named("properties")?.read::<Members>().ok()?;
    properties.iter().map(|(name, _)| name).find(|name| !is_accepted(name)).map(str::to_owned)
}

/// Replaces references to definitions of this schema by what they refer to. What refers to itself ends after some
/// levels, as anything; so do the references of a schema that has very many.
fn resolve(value: &mut Value, root: &Value, levels: usize, left: &mut usize) {
    if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
        let found = reference.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
        match found.filter(|_| levels > 0 && *left > 0) {
            Some(found) => {
                *left -= 1;
                *value = found.clone();
                resolve(value, root, levels - 1, left);
            }
            None => *value = Value::Object(Map::new()),
        }
        return;
    }
    match value {
        Value::Object(members) => {
            let members = members.iter_mut().filter(|(name, _)| !DEFINITIONS.contains(&name.as_str()));
            members.for_each(|(_, value)| resolve(value, root, levels, left));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| resolve(item, root, levels, left)),
        _ => {}
    }
}

/// Puts the properties of all choices at the root, and requires those that every choice requires.
fn fold_choices(root: &mut Map<String, Value>) -> Option<String> {
    let mut folded = Vec::new();
    for name in CHOICES {
        let Some(Value::Array(choices)) = root.remove(name) else { continue };
        folded.push(name);
        let texts = |value: Option<&Value>| {
            let texts = value.and_then(Value::as_array).into_iter().flatten();
            texts.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
        };
        let mut required = texts(root.get("required"));
        let in_all = |one: &String| choices.iter().all(|choice| texts(choice.get("required")).contains(one));
        for one in choices.iter().flat_map(|choice| texts(choice.get("required"))) {
            if !required.contains(&one) && (name == "allOf" || in_all(&one)) {
                required.push(one);
            }
        }
        let mut properties = match root.remove("properties") {
            Some(Value::Object(properties)) => properties,
            _ => Map::new(),
        };
        for choice in choices {
            let Value::Object(mut choice) = choice else { continue };
            if let Some(Value::Object(more)) = choice.remove("properties") {
                for (name, property) in more {
                    if !properties.contains_key(&name) {
                        properties.insert(name, property);
                    }
                }
            }
        }
        root.insert("properties".into(), Value::Object(properties));
        if !required.is_empty() {
            root.insert("required".into(), required.into());
        }
    }
    (!folded.is_empty()).then(|| format!("merges the properties of its {}", folded.join(" and ")))
}

const CHOICES: [&str; 3] = ["anyOf", "oneOf", "allOf"];
const PLAIN: [&str; 3] = ["type", "properties", "required"];
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];
/// How deep references are followed.
const DEEPEST: usize = 8;
/// How many references of one schema are followed.
const MOST_REFERENCES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::family::takes;
    use serde_json::json;

    const CLAUDE: &str = "anthropic.claude-sonnet-4-5";
    const NOVA: &str = "us.amazon.nova-pro-v1:0";

    fn root(model: &str, schema: &str) -> (String, Option<String>) {
        let mut document = Document::parse(schema).unwrap();
        let change = accepted_root(&mut document, &takes(model)).unwrap();
        (document.text().to_owned(), change)
    }

    #[test]
    fn every_root_is_an_object_and_a_right_one_stays_to_the_byte() {
        for (schema, sent) in [
            ("{}", r#"{"type":"object"}"#),
            ("true", r#"{"type":"object"}"#),
            ("null", r#"{"type":"object"}"#),
            (r#"{"properties": {"x": {}}}"#, r#"{"type":"object","properties":{"x": {}}}"#),
            (r#"{"oneOf":[{}]}"#, r#"{"type":"object","oneOf":[{}]}"#),
            (r#"{"a":1,"type":["object","null"]}"#, r#"{"type":"object","a":1}"#),
            (r#"{ "b": 1, "type": "object" }"#, r#"{ "b": 1, "type": "object" }"#),
        ] {
            assert_eq!(root("zai.glm-5", schema), (sent.to_owned(), None), "{schema}");
        }
        let (sent, change) = root("zai.glm-5", r#"{"type":"string"}"#);
        assert_eq!(
            sent,
            r#"{"type":"object","properties":{"value":{"type":"string"}},"required":["value"]}"#
        );
        assert!(change.unwrap().contains("member value"));
    }

    #[test]
    fn choices_at_the_root_are_folded_for_claude() {
        let schema = json!({
            "type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"],
            "anyOf": [{"required": ["b", "c"], "properties": {"b": {}}}, {"required": ["c"]}],
            "allOf": [{"required": ["d"]}]
        });
        let (sent, change) = root(CLAUDE, &schema.to_string());
        assert_eq!(
            serde_json::from_str::<Value>(&sent).unwrap(),
            json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {}}, "required": ["a", "c", "d"]})
        );
        assert_eq!(change.as_deref(), Some("merges the properties of its anyOf and allOf"));
        assert_eq!(root("zai.glm-5", &schema.to_string()), (schema.to_string(), None));
    }

    #[test]
    fn nova_gets_three_keywords_and_no_references() {
        let schema = json!({
            "$schema": "x", "type": "object", "additionalProperties": false, "required": ["z"],
            "properties": {"z": {"$ref": "#/definitions/Z"}, "n": {"$ref": "#/definitions/N"}},
            "definitions": {"Z": {"type": "string"}, "N": {"items": {"$ref": "#/definitions/N"}}}
        });
        let (sent, change) = root(NOVA, &schema.to_string());
        assert!(
            !sent.contains("definitions") && !sent.contains("$ref") && !sent.contains("$schema"),
            "{sent}"
        );
        let sent = serde_json::from_str::<Value>(&sent).unwrap();
        assert_eq!(sent["properties"]["z"], json!({"type": "string"}));
        assert!(sent["properties"]["n"]["items"]["items"]["items"].is_object());
        assert_eq!((sent["required"].clone(), change), (json!(["z"]), None));
    }

    #[test]
    fn names_of_properties_that_are_refused_are_found() {
        let found = |schema: Value| refused_property(&schema.into());
        assert_eq!(found(json!({"properties": {"a.b-c_1": {}}})), None);
        assert_eq!(found(json!({"properties": {"a": {}, "b[c]": {}}})).as_deref(), Some("b[c]"));
        assert!(found(json!({"properties": {"n".repeat(65): {}}})).is_some());
    }
}
