//! The tools of a request of Responses.

use std::collections::{HashMap, HashSet};

use crate::given::{FunctionTool, Given, NO_PLACE, function, list};
use crate::json::{Fault, Json};

/// The tools of a request, as the client knows them.
#[derive(Default)]
pub(super) struct Tools {
    /// By the name under which each is given to `conversation`.
    pub(super) known: HashMap<String, Known>,
    /// The names of those that had to be given another one, by namespace and name.
    renamed: HashMap<(String, String), String>,
}

pub(super) struct Known {
    pub(super) own: String,
    pub(super) namespace: Option<String>,
    /// Whether its input is a text, and no JSON.
    pub(super) custom: bool,
}

impl Tools {
    pub(super) fn add(
        &mut self,
        tool: Json<'_>,
        namespace: Option<&str>,
        given: &mut Given,
        notes: &mut Vec<Fault>,
    ) -> Result<(), Fault> {
        let mut object = tool.object()?;
        let kind = object.need("type", "function, custom or namespace")?;
        let custom = match &*kind.text()? {
            "function" => false,
            "custom" => true,
            "namespace" if namespace.is_none() => {
                let name = object.need("name", "the name of a namespace")?.text()?;
                for tool in list(&mut object, "tools")? {
                    self.add(tool, Some(&name), given, notes)?;
                }
                return Ok(());
            }
            other => {
                notes.push(kind.fault(format!("{other} {NO_PLACE}")));
                return Ok(());
            }
        };
        let mut tool = function(&mut object, "parameters")?;
        let own = std::mem::take(&mut tool.name);
        let mut name = own.clone();
        if given.has_tool(&name)
            && let Some(namespace) = namespace
        {
            name = format!("{namespace}.{own}");
            self.renamed.insert((namespace.to_owned(), own.clone()), name.clone());
        }
        let namespace = namespace.map(str::to_owned);
        // Of two with one name the first is sent.
        self.known.entry(name.clone()).or_insert(Known { own, namespace, custom });
        if custom {
            let format = object.take("format").map(Json::object).transpose()?;
            if let Some(grammar) = format.and_then(|mut format| format.take("definition")) {
                let description = tool.description.get_or_insert_default();
                description.extend(["\n\nThe input follows this grammar:\n", &*grammar.text()?]);
            }
            tool.text_alone = true;
        }
        given.tool(FunctionTool { name, ..tool })
    }

    /// The name of a tool that the client names, as it is given to `conversation`.
    pub(super) fn given(&self, own: &str, namespace: Option<&str>) -> String {
        let renamed =
            namespace.and_then(|namespace| self.renamed.get(&(namespace.to_owned(), own.to_owned())));
        renamed.map_or(own, String::as_str).to_owned()
    }

    pub(super) fn choose(
        &self,
        choice: Json<'_>,
        given: &mut Given,
        notes: &mut Vec<Fault>,
    ) -> Result<(), Fault> {
        if choice.is_text() {
            return given.choose(choice, &choice.text()?, None);
        }
        let mut object = choice.object()?;
        let kind = object.need("type", "function, custom or allowed_tools")?;
        match &*kind.text()? {
            "function" | "custom" => {
                let name = object.need("name", "the name of a tool")?;
                given.choose(name, "", Some(&self.given(&name.text()?, None)))
            }
            "allowed_tools" => {
                let mut names = HashSet::new();
                for tool in list(&mut object, "tools")? {
                    if let Some(name) = tool.object()?.take("name") {
                        names.insert(name.text()?.into_owned());
                    }
                }
                given.keep_tools(&names);
                let mode = object.need("mode", "auto or required")?;
                given.choose(mode, &mode.text()?, None)
            }
            _ => {
                notes.push(choice.fault(NO_PLACE));
                Ok(())
            }
        }
    }
}
