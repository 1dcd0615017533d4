//! References to environment variables: `${NAME}` in a text, and the variables that hold keys.

use std::borrow::Cow;

use serde_json::Value;

/// Returns the value of an environment variable.
pub(super) type Env<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Replaces each `${NAME}` in a text by the value of the variable. `$${NAME}` stands for a literal `${NAME}`.
///
/// Returns `None` if the text refers to variables and there is no environment. The error is the name of a variable
/// that is not set.
pub(super) fn expanded<'a>(text: &'a str, env: Option<Env<'_>>) -> Result<Option<Cow<'a, str>>, String> {
    if !text.contains("${") {
        return Ok(Some(Cow::Borrowed(text)));
    }
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, reference)) = rest.split_once("${") {
        let name = reference.split_once('}').filter(|(name, _)| is_name(name));
        if let (Some((name, after)), Some(before)) = (name, before.strip_suffix('$')) {
            expanded.extend([before, "${", name, "}"]);
            rest = after;
        } else if let Some((name, after)) = name {
            let Some(env) = env else { return Ok(None) };
            expanded.push_str(before);
            expanded.push_str(&env(name).ok_or_else(|| name.to_owned())?);
            rest = after;
        } else {
            expanded.extend([before, "${"]);
            rest = reference;
        }
    }
    expanded.push_str(rest);
    Ok(Some(Cow::Owned(expanded)))
}

/// The values of the variables in the path of a URL: `https://HOST/${NAME}`.
pub(super) fn values_in_path(url: &str, env: Env<'_>) -> Vec<String> {
    let mut values = Vec::new();
    for (at, _) in url.match_indices("${") {
        let (before, reference) = url.split_at(at);
        let name = reference.trim_start_matches("${").split_once('}').map(|(name, _)| name);
        let value = name.filter(|name| is_name(name) && !before.ends_with('$')).and_then(env);
        let Ok(Some(before)) = expanded(before, Some(env)) else { continue };
        let authority = before.split_once("://").map_or("", |(_, authority)| authority);
        let is_in_path =
            |value: &String| authority.contains('/') || !authority.is_empty() && value.starts_with('/');
        values.extend(value.filter(is_in_path));
    }
    values
}

/// Expands all texts in a value. A text that refers to an unset variable stays as it is.
pub(super) fn expand(value: &mut Value, env: Env<'_>) {
    match value {
        Value::String(text) => {
            if let Ok(Some(Cow::Owned(expanded))) = expanded(text, Some(env)) {
                *text = expanded;
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| expand(value, env)),
        Value::Object(members) => members.values_mut().for_each(|value| expand(value, env)),
        _ => {}
    }
}

/// The name of the variable that holds a key: `NAME`, `${NAME}` or `{ source: "env", id: "NAME" }`. `None` if
/// the value is the key itself.
pub(super) fn variable(value: &Value) -> Option<String> {
    let name = match value {
        Value::Object(_) if value.get("source")? == "env" => value.get("id")?.as_str()?,
        value => {
            let text = value.as_str()?.trim();
            text.strip_prefix("${").and_then(|name| name.strip_suffix('}')).unwrap_or(text)
        }
    };
    Some(name.to_owned()).filter(|name| is_name(name))
}

/// A key: the value itself, or the content of the variable that it names.
pub(super) fn key(value: &Value, env: Env<'_>) -> Option<String> {
    match variable(value) {
        Some(name) if is_marker(&name) => None,
        Some(name) => env(&name),
        None => value.as_str().map(|key| key.trim().to_owned()),
    }
}

/// A text: the value itself, or the content of the variable that it refers to.
pub(super) fn secret(value: &Value, env: Env<'_>) -> Option<String> {
    value.as_str().map(str::to_owned).or_else(|| env(&variable(value)?))
}

/// Whether a variable belongs to the AWS SDKs and holds no Bedrock API key. OpenClaw writes such a name as a marker
/// that credentials exist.
pub(super) fn is_marker(name: &str) -> bool {
    name.starts_with("AWS_") && name != "AWS_BEARER_TOKEN_BEDROCK"
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(name: &str) -> Option<String> {
        ["HOST", "K_1"].contains(&name).then(|| format!("<{name}>"))
    }

    #[test]
    fn variables_in_a_text_are_replaced() {
        for (text, whole) in [
            ("plain", Ok("plain")),
            ("https://${HOST}/${K_1}", Ok("https://<HOST>/<K_1>")),
            ("$${HOST} ${HOST}", Ok("${HOST} <HOST>")),
            ("${lower} ${} ${HOST", Ok("${lower} ${} ${HOST")),
            ("${HOST}${NONE}", Err("NONE")),
        ] {
            let found = expanded(text, Some(&env));
            assert_eq!(
                found.as_ref().map(|text| text.as_deref().unwrap()),
                whole.map_err(str::to_owned).as_ref().map(|text| *text),
                "{text}"
            );
        }
        assert_eq!(expanded("${HOST}", None), Ok(None));
    }

    #[test]
    fn only_values_in_the_path_of_a_url_are_found() {
        let env = |name: &str| match name {
            "KEY" => Some("k".to_owned()),
            "BASE" => Some("https://h/p".to_owned()),
            "PATH" => Some("/p".to_owned()),
            _ => None,
        };
        for (url, values) in [
            ("https://${KEY}.example/${KEY}/v1/${NONE}", &["k"][..]),
            ("${BASE}/${KEY}", &["k"]),
            ("https://h${PATH}", &["/p"]),
            ("${BASE}", &[]),
            ("https://h/$${KEY}/${key}", &[]),
            ("https://h:${KEY}", &[]),
        ] {
            assert_eq!(values_in_path(url, &env), values, "{url}");
        }
    }

    #[test]
    fn a_key_is_given_or_held_by_a_variable() {
        use serde_json::json;
        for (value, found) in [
            (json!("bedrock-api-key-x"), Some("bedrock-api-key-x")),
            (json!(" ABSKx= "), Some("ABSKx=")),
            (json!("K_1"), Some("<K_1>")),
            (json!("${K_1}"), Some("<K_1>")),
            (json!({"source": "env", "provider": "default", "id": "K_1"}), Some("<K_1>")),
            (json!("NONE"), None),
            (json!("AWS_PROFILE"), None),
        ] {
            assert_eq!(key(&value, &env).as_deref(), found, "{value}");
        }
    }
}
