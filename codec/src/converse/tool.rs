//! Tools: their definitions, the model's calls, and the results.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::converse::block::{CachePointBlock, DocumentBlock, ImageBlock, SearchResultBlock, VideoBlock};
use crate::shape::Document;
use crate::{enumeration, structure, union};

structure! {
    /// The tools that a model may call; see the
    /// [User Guide](https://docs.aws.amazon.com/bedrock/latest/userguide/tool-use.html).
    pub struct ToolConfiguration {
        required {
            /// The tools, at least one.
            tools: Vec<Tool> = "tools",
        }
        optional {
            /// Whether the model must call a tool, and which.
            tool_choice: ToolChoice = "toolChoice",
        }
    }
}

impl ToolConfiguration {
    /// Appends a tool.
    pub fn tool(mut self, tool: impl Into<Tool>) -> Self {
        self.tools.push(tool.into());
        self
    }
}

union! {
    /// A tool, or a cache point among the tools.
    pub enum Tool {
        /// A tool of the caller's.
        ToolSpec(ToolSpecification) = "toolSpec" from,
        /// A tool that the service runs itself.
        SystemTool(SystemTool) = "systemTool" from,
        /// The tools before this point are to be cached.
        CachePoint(CachePointBlock) = "cachePoint" from,
    }
}

structure! {
    /// A tool of the caller's.
    pub struct ToolSpecification {
        required {
            /// Its name: 1 to 64 out of `a-zA-Z0-9_-`.
            name: String = "name",
            /// The JSON schema of its input.
            input_schema: ToolInputSchema = "inputSchema",
        }
        optional {
            /// What it does and when to use it, for the model. Not empty.
            description: String = "description",
            /// Whether the service makes the input follow the schema.
            strict: bool = "strict",
        }
    }
}

union! {
    /// The schema of a tool's input.
    pub enum ToolInputSchema {
        /// A JSON schema, whose root is an object.
        Json(Document) = "json" from,
    }
}

impl From<serde_json::Value> for ToolInputSchema {
    fn from(schema: serde_json::Value) -> Self {
        Self::Json(schema.into())
    }
}

structure! {
    /// A tool that the service runs itself, such as `nova_grounding`.
    pub struct SystemTool {
        required {
            /// Its name: 1 to 64 out of `a-zA-Z0-9_-`.
            name: String = "name",
        }
    }
}

union! {
    /// Whether a model must call a tool.
    pub enum ToolChoice {
        /// The model decides. The default.
        Auto(AutoToolChoice) = "auto" from,
        /// It must call at least one tool.
        Any(AnyToolChoice) = "any" from,
        /// It must call this tool. Few models support it.
        Tool(SpecificToolChoice) = "tool" from,
    }
}

structure! {
    /// The model decides whether to call a tool.
    pub struct AutoToolChoice {}
}

structure! {
    /// The model must call at least one tool.
    pub struct AnyToolChoice {}
}

structure! {
    /// The model must call this tool.
    pub struct SpecificToolChoice {
        required {
            /// The name of the tool.
            name: String = "name",
        }
    }
}

structure! {
    /// A tool call of a model.
    pub struct ToolUseBlock {
        required {
            /// The id of the call, to which the result refers: 1 to 64 out of `a-zA-Z0-9_.:-`.
            tool_use_id: String = "toolUseId",
            /// The name of the tool.
            name: String = "name",
            /// The input of the tool.
            input: Document = "input",
        }
        optional {
            /// Who runs the tool. Absent: the caller.
            kind: ToolUseType = "type",
        }
    }
}

enumeration! {
    /// Who runs a tool.
    pub enum ToolUseType {
        /// The service. The result follows in the same message; the caller does nothing.
        ServerToolUse = "server_tool_use",
    }
}

structure! {
    /// The result of a tool call.
    pub struct ToolResultBlock {
        required {
            /// The id of the tool call.
            tool_use_id: String = "toolUseId",
            /// What the tool returned.
            content: Vec<ToolResultContentBlock> = "content",
        }
        optional {
            /// Whether the tool succeeded. Only some models heed it.
            status: ToolResultStatus = "status",
            /// The kind of result if the service ran the tool, such as `nova_grounding_result`.
            kind: String = "type",
        }
    }
}

impl ToolResultBlock {
    /// The result of a tool that succeeded.
    pub fn success(tool_use_id: impl Into<String>, content: impl Into<ToolResultContentBlock>) -> Self {
        Self::new(tool_use_id, vec![content.into()]).status(ToolResultStatus::Success)
    }

    /// Why a tool failed, for the model to read.
    pub fn failure(tool_use_id: impl Into<String>, content: impl Into<ToolResultContentBlock>) -> Self {
        Self::new(tool_use_id, vec![content.into()]).status(ToolResultStatus::Error)
    }

    /// Appends a piece of content.
    pub fn block(mut self, block: impl Into<ToolResultContentBlock>) -> Self {
        self.content.push(block.into());
        self
    }
}

union! {
    /// A piece of a tool's result.
    pub enum ToolResultContentBlock {
        /// Any JSON.
        Json(Document) = "json" from,
        /// Text.
        Text(String) = "text" from_text,
        /// An image.
        Image(ImageBlock) = "image" from,
        /// A document.
        Document(DocumentBlock) = "document" from,
        /// A video.
        Video(VideoBlock) = "video" from,
        /// Something that a search found, for the model to cite.
        SearchResult(SearchResultBlock) = "searchResult" from,
    }
}

impl From<serde_json::Value> for ToolResultContentBlock {
    fn from(json: serde_json::Value) -> Self {
        Self::Json(json.into())
    }
}

enumeration! {
    /// Whether a tool succeeded.
    pub enum ToolResultStatus {
        /// It did.
        Success = "success",
        /// It did not; the content says why.
        Error = "error",
    }
}

structure! {
    /// From here on the model may call a tool. Only in system messages. Unlike a changed tool configuration, it does
    /// not empty the cache.
    pub struct ToolAdditionBlock {
        required {
            /// The tool.
            tool: ToolReference = "tool",
        }
    }
}

structure! {
    /// From here on the model may not call a tool. Only in system messages. Unlike a changed tool configuration, it does
    /// not empty the cache.
    pub struct ToolRemovalBlock {
        required {
            /// The tool.
            tool: ToolReference = "tool",
        }
    }
}

structure! {
    /// Refers to a tool of the tool configuration.
    pub struct ToolReference {
        optional {
            /// The kind of reference, in 1 to 64 characters.
            kind: String = "type",
            /// The name of the tool as the tool configuration has it, in 1 to 128 characters.
            name: String = "name",
            /// The MCP server that has the tool, in 1 to 128 characters; required for such a tool.
            server_name: String = "serverName",
        }
    }
}
