//! The tools of a request.

use std::collections::HashSet;

use super::family::{Capability, Takes};
use super::name::ToolNames;
use super::schema::{accepted_root, refused_property};
use super::strict::strict_schema;
use super::{Options, Target, Warning};
use crate::converse::{Tool, ToolChoice, ToolConfiguration, ToolInputSchema, ToolSpecification};
use crate::shape::Document;
use crate::{Error, ErrorKind, Result};

/// Leaves out a tool that has the name of one before it: the service wants unique names.
pub(super) fn drop_doubles(config: &mut ToolConfiguration, warnings: &mut Vec<Warning>) {
    let mut names = HashSet::new();
    config.tools.retain(|tool| {
        let Tool::ToolSpec(tool) = tool else { return true };
        let is_new = names.insert(tool.name.clone());
        if !is_new {
            let change = format!("sent without the second one named {:?}", tool.name);
            warnings.push(Warning::new("tools", change));
        }
        is_new
    });
}

/// The names of a request's tools.
pub(super) fn names(config: Option<&ToolConfiguration>) -> ToolNames {
    let tools = config.map(|config| config.tools.as_slice()).unwrap_or_default();
    ToolNames::of(tools.iter().filter_map(|tool| match tool {
        Tool::ToolSpec(tool) => Some(tool.name.as_str()),
        _ => None,
    }))
}

/// Leaves out a choice that the model refuses. Without one it chooses itself, as with `auto`.
pub(super) fn choose(
    config: &mut ToolConfiguration,
    takes: &Takes,
    thinks: bool,
    warnings: &mut Vec<Warning>,
) {
    let word = match &config.tool_choice {
        Some(ToolChoice::Auto(_)) => "auto",
        Some(ToolChoice::Any(_)) => "any",
        Some(ToolChoice::Tool(_)) => "tool",
        _ => return,
    };
    let why = if !takes.takes(Capability::ToolChoices, word) {
        "the model refuses this choice"
    } else if thinks && !takes.takes(Capability::ThinkingToolChoices, word) {
        "the model refuses this choice with thinking"
    } else {
        return;
    };
    config.tool_choice = None;
    if word != "auto" {
        warnings.push(Warning::new("toolChoice", format!("{word} not sent: {why}")));
    }
}

/// Makes the tools ones that the model accepts, under these names if there are any. Returns the schemas, by the index
/// of their tool, of tools that are strict and do not have to be.
///
/// Fails with [`ErrorKind::InvalidInput`] where a tool must be strict and cannot be, or has a property whose name the
/// model refuses.
pub(super) fn mend(
    config: &mut ToolConfiguration,
    mut names: Option<&mut ToolNames>,
    target: &Target,
    options: &Options,
    takes: &Takes,
    warnings: &mut Vec<Warning>,
) -> Result<Vec<(usize, ToolInputSchema)>> {
    let mut relaxed = Vec::new();
    for (at, tool) in config.tools.iter_mut().enumerate() {
        let Tool::ToolSpec(tool) = tool else { continue };
        if let (ToolInputSchema::Json(schema), Some(_)) = (&mut tool.input_schema, &names) {
            if let Some(change) = accepted_root(schema, takes)? {
                warnings.push(Warning::new("tools", format!("{:?} {change}", tool.name)));
            }
            // The service names the tool by its number alone.
            if takes.takes(Capability::PropertyNames, "plain")
                && let Some(found) = refused_property(schema)
            {
                let name = &tool.name;
                let message = format!(
                    "tool {name:?}: expected property names of 1 to 64 of the characters a-zA-Z0-9_.-, found \
                     {found:?}"
                );
                return Err(Error::new(ErrorKind::InvalidInput, message));
            }
        }
        if tool.strict == Some(true) {
            let required = options.required_strict.contains(&tool.name);
            let said = takes.said(Capability::StrictTools).map(|said| said == 1);
            let can_be_strict = said.or(target.info.strict_tools) == Some(true);
            let given = hold_to_schema(tool, required, can_be_strict)?;
            relaxed.extend(given.filter(|_| !required).map(|given| (at, given)));
        }
        // The service refuses a blank description.
        tool.description = tool.description.take().filter(|description| !description.trim().is_empty());
        if let Some(names) = &mut names {
            tool.name = names.send(&tool.name);
        }
    }
    if let (Some(ToolChoice::Tool(choice)), Some(names)) = (&mut config.tool_choice, names) {
        choice.name = names.send(&choice.name);
    }
    Ok(relaxed)
}

/// Gives a strict tool a schema that the model can be held to and returns the given one, or makes it one that is not
/// strict.
fn hold_to_schema(
    tool: &mut ToolSpecification,
    required: bool,
    can_be_strict: bool,
) -> Result<Option<ToolInputSchema>> {
    tool.strict = None;
    let strict = match &tool.input_schema {
        ToolInputSchema::Json(schema) if can_be_strict => strict_schema(&schema.read()?),
        _ => Err("the model cannot be held to a schema".to_owned()),
    };
    match strict {
        Ok(schema) => {
            tool.strict = Some(true);
            Ok(Some(std::mem::replace(&mut tool.input_schema, Document::from(schema).into())))
        }
        Err(why) if required => {
            let name = &tool.name;
            let message = format!("Tool \"{name}\" requires JSON-schema constrained sampling, but {why}.");
            Err(Error::new(ErrorKind::InvalidInput, message))
        }
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::family::takes;
    use crate::conversation::prepare;
    use crate::converse::ConverseRequest;
    use crate::models::ModelInfo;
    use serde_json::json;

    /// The tool, and whether it can be relaxed.
    fn mended(strict_tools: bool, required: bool, schema: serde_json::Value) -> Result<(bool, Tool)> {
        let tool = ToolSpecification::new("t", schema).strict(true).description(" ");
        let mut config = ToolConfiguration::new(vec![tool.into()]);
        let info = ModelInfo { strict_tools: Some(strict_tools), ..ModelInfo::default() };
        let mut options = Options::default();
        if required {
            options.required_strict.insert("t".into());
        }
        let takes = takes("newcomer.one");
        let relaxed = mend(&mut config, None, &Target::new(info), &options, &takes, &mut Vec::new())?;
        Ok((!relaxed.is_empty(), config.tools.remove(0)))
    }

    #[test]
    fn a_tool_is_strict_where_model_and_schema_allow_it() {
        let plain = || json!({"type": "object", "properties": {"a": {"type": "number"}}});
        let relaxed = Tool::from(ToolSpecification::new("t", plain()));
        assert_eq!(mended(false, false, plain()).unwrap(), (false, relaxed));
        let strict = json!({
            "type": "object", "required": ["a"], "additionalProperties": false,
            "properties": {"a": {"anyOf": [{"type": "number"}, {"type": "null"}]}}
        });
        let strict = Tool::from(ToolSpecification::new("t", strict).strict(true));
        assert_eq!(mended(true, false, plain()).unwrap(), (true, strict.clone()));
        assert_eq!(mended(true, true, plain()).unwrap(), (false, strict));

        let fault = |strict_tools, schema| mended(strict_tools, true, schema).unwrap_err().to_string();
        let beginning = "Tool \"t\" requires JSON-schema constrained sampling, but ";
        assert_eq!(fault(false, plain()), format!("{beginning}the model cannot be held to a schema."));
        let reference = json!({"type": "object", "$ref": "#"});
        assert_eq!(fault(true, reference), format!("{beginning}its schema uses $ref."));
    }

    /// The tools as they are sent to this model, and what is said of it.
    fn sent(model: &str, config: serde_json::Value, thinking: bool) -> (serde_json::Value, Vec<String>) {
        let mut request = ConverseRequest::new(model);
        request.tool_config = Some(serde_json::from_value(config).unwrap());
        let info = ModelInfo { reasoning: Some(true), max_tokens: Some(64_000), ..ModelInfo::default() };
        let thinking = thinking.then_some(crate::conversation::ThinkingLevel::Low);
        let options = Options {
            thinking,
            cache_retention: Some(crate::conversation::CacheRetention::None),
            ..Options::default()
        };
        let prepared = prepare(request, &Target::new(info), &options).unwrap();
        let warnings = prepared.warnings.iter().map(ToString::to_string).collect();
        (serde_json::to_value(prepared.request.tool_config).unwrap(), warnings)
    }

    fn tool(name: &str) -> serde_json::Value {
        json!({"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}})
    }

    #[test]
    fn a_choice_that_the_model_refuses_is_left_out() {
        let config = |choice: &str| json!({"tools": [tool("t")], "toolChoice": {choice: {}}});
        let llama = "us.meta.llama3-3-70b-instruct-v1:0";
        let plain = json!({"tools": [tool("t")]});
        assert_eq!(sent(llama, config("auto"), false), (plain.clone(), vec![]));
        assert_eq!(
            sent(llama, config("any"), false),
            (plain.clone(), vec!["toolChoice any not sent: the model refuses this choice".into()])
        );
        let claude = "anthropic.claude-sonnet-4-5";
        assert_eq!(sent(claude, config("any"), false), (config("any"), vec![]));
        let why = "toolChoice any not sent: the model refuses this choice with thinking".to_owned();
        assert_eq!(sent(claude, config("any"), true), (plain, vec![why]));
    }

    #[test]
    fn the_second_tool_of_one_name_and_tools_for_a_model_without_any_are_left_out() {
        let both = json!({"tools": [tool("a.b"), tool("c"), tool("a.b")]});
        let why = "tools sent without the second one named \"a.b\"".to_owned();
        assert_eq!(sent("m", both, false), (json!({"tools": [tool("a_b"), tool("c")]}), vec![why]));
        let why = "tools not sent: the model takes none".to_owned();
        let sent = sent("amazon.titan-text-express-v1", json!({"tools": [tool("c")]}), false);
        assert_eq!(sent, (serde_json::Value::Null, vec![why]));
    }
}
