//! The tools of a request.

use super::name::ToolNames;
use super::strict::strict_schema;
use super::{Options, Target};
use crate::converse::{Tool, ToolChoice, ToolConfiguration, ToolInputSchema, ToolSpecification};
use crate::shape::Document;
use crate::{Error, ErrorKind, Result};

/// The names of a request's tools.
pub(super) fn names(config: Option<&ToolConfiguration>) -> ToolNames {
    let tools = config.map(|config| config.tools.as_slice()).unwrap_or_default();
    ToolNames::of(tools.iter().filter_map(|tool| match tool {
        Tool::ToolSpec(tool) => Some(tool.name.as_str()),
        _ => None,
    }))
}

/// Makes the tools ones that the model accepts, under these names if there are any. Returns the schemas, by the index
/// of their tool, of tools that are strict and do not have to be.
///
/// Fails with [`ErrorKind::InvalidInput`] where a tool must be strict and cannot be.
pub(super) fn mend(
    config: &mut ToolConfiguration,
    mut names: Option<&mut ToolNames>,
    target: &Target,
    options: &Options,
) -> Result<Vec<(usize, ToolInputSchema)>> {
    let mut relaxed = Vec::new();
    for (at, tool) in config.tools.iter_mut().enumerate() {
        let Tool::ToolSpec(tool) = tool else { continue };
        if tool.strict == Some(true) {
            let required = options.required_strict.contains(&tool.name);
            let given = hold_to_schema(tool, required, target)?;
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
    target: &Target,
) -> Result<Option<ToolInputSchema>> {
    tool.strict = None;
    let strict = match &tool.input_schema {
        ToolInputSchema::Json(schema) if target.info.strict_tools == Some(true) => {
            strict_schema(&schema.read()?)
        }
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
        let relaxed = mend(&mut config, None, &Target::new(info), &options)?;
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
}
