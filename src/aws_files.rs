//! The text of the two files of settings that the AWS tools share, read into sections. No file is opened here.
//!
//! ```text
//! # ~/.aws/config                              ; ~/.aws/credentials
//! [default]                                    [default]
//! region = eu-central-1                        aws_access_key_id = ...
//! [profile work]                               aws_secret_access_key = ...
//! sso_session = corp                           [other]
//! services = mine                              aws_access_key_id = ...
//! [sso-session corp]
//! sso_region = eu-west-1
//! [services mine]
//! bedrock_runtime =
//!   endpoint_url = https://vpce-1.example.com
//! ```
//!
//! The [format](https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html) is read as the AWS SDKs read it,
//! which differs from what the Python tools do:
//!
//! - White space is spaces and tabs. An empty line is ignored, and so is one whose first character is `#` or `;`.
//! - `[TYPE NAME]` or `[NAME]` begins a section; a `#` or `;` begins a comment wherever it is. In the config file
//!   profiles are `[default]` and `[profile NAME]`, in the credentials file `[NAME]`.
//! - `key = value` is a property. The key is in any case and ends at the first `=`. The value ends at a `#` or `;`
//!   after white space, and may be empty.
//! - A line that begins with white space continues the property before it. After a value it is another line of the
//!   value, unchanged, even with a `#` in it. After an empty value it is a nested property, by the rules of a
//!   property, or a comment.
//! - Sections of the same name are one, and the last value of a key counts. `[profile default]` replaces `[default]`.
//!   Of the two files, the credentials file wins, key by key.
//! - Names and types of sections are case-sensitive. A name may be in quotes: `[profile "a b"]`. A section whose name has
//!   quotes, brackets or control characters in it, or that is in the wrong file, is ignored with a
//!   [warning](Profiles::warnings).
//! - A key consists of letters, digits and `_-/.%@:+`. A line that was copied from a shell is read as well:
//!   `export AWS_ACCESS_KEY_ID="..."`, `set` and `$env:` too. Any other key is ignored with a warning.
//! - A byte order mark before the text is ignored.
//!
//! Quoted names and copied lines are read by some of the AWS tools only.

use std::collections::BTreeMap;
use std::fmt;

use zeroize::Zeroize;

use crate::{Error, ErrorKind, Result};

/// What the two files say; see the [module](self).
///
/// `Debug` shows names and keys, never a value: it may be a secret.
#[derive(Debug, Clone, Default)]
pub struct Profiles {
    by_name: BTreeMap<String, Section>,
    sso_sessions: BTreeMap<String, Section>,
    services: BTreeMap<String, Section>,
    warnings: Vec<String>,
    /// The name in each section that is ignored, and its place in `warnings`.
    ignored: Vec<(String, usize)>,
}

impl Profiles {
    /// Reads the texts of the config file and of the credentials file, each with its path for
    /// messages. A file that does not exist is `None`.
    ///
    /// Fails with [`ErrorKind::Credentials`], naming file and line, if a section is not closed, if a property comes
    /// before all sections or has no key or no `=`, or if a line continues a property where there is none. The same
    /// faults count in sections that are ignored.
    pub fn parse(config: Option<(&str, &str)>, credentials: Option<(&str, &str)>) -> Result<Self> {
        let mut profiles = Self::default();
        if let Some((path, text)) = config {
            profiles.merge(File::Config, path, text)?;
        }
        if let Some((path, text)) = credentials {
            profiles.merge(File::Credentials, path, text)?;
        }
        Ok(profiles)
    }

    /// The profile of this name, from both files together.
    pub fn profile(&self, name: &str) -> Option<&Section> {
        self.by_name.get(name)
    }

    /// The section `[sso-session NAME]`.
    pub fn sso_session(&self, name: &str) -> Option<&Section> {
        self.sso_sessions.get(name)
    }

    /// The section `[services NAME]`.
    pub fn services(&self, name: &str) -> Option<&Section> {
        self.services.get(name)
    }

    /// The names of the profiles, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }

    /// What was ignored or is likely wrong, where and why, one sentence each, in the order of the files.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The warning about a section with this name that was ignored: `[work]` in the config file is no profile `work`.
    pub fn warning_about(&self, name: &str) -> Option<&str> {
        let (_, index) = self.ignored.iter().find(|(ignored, _)| ignored == name)?;
        self.warnings.get(*index).map(String::as_str)
    }

    fn merge(&mut self, file: File, path: &str, text: &str) -> Result<()> {
        let sections = read_sections(path, text)?;
        let replaced = file == File::Config
            && sections.iter().any(|section| matches!(section.heading(file), (Some(PROFILE), DEFAULT)));
        for section in sections {
            let place = |line| format!("{path}, line {line}: ");
            let (kind, name) = section.heading(file);
            if let Some(fault) = section.fault(file, replaced) {
                self.ignored.push((name.to_owned(), self.warnings.len()));
                self.warnings.push(format!("{}{fault}; the section is ignored", place(section.line)));
                continue;
            }
            let sections = match kind {
                Some(SSO_SESSION) => &mut self.sso_sessions,
                Some(SERVICES) => &mut self.services,
                _ => &mut self.by_name,
            };
            let target = sections
                .entry(name.to_owned())
                .or_insert_with(|| Section { name: name.to_owned(), properties: BTreeMap::new() });
            for Property { key, value, line } in section.properties {
                if value.len() > unquoted(&value).len() && key != "credential_process" {
                    self.warnings.push(format!(
                        "{}the value of {} is in quotes, which are part of it",
                        place(line),
                        if is_name(&key) { &key } else { "a property" }
                    ));
                }
                if is_name(&key) {
                    target.properties.insert(key, value);
                } else {
                    // The key is not shown: a secret that was pasted over several lines looks like one.
                    self.warnings.push(format!(
                        "{}expected a key of {NAME_SIGNS}; the property is ignored",
                        place(line)
                    ));
                }
            }
        }
        Ok(())
    }
}

/// A profile, an SSO session or a group of services: properties under a name.
///
/// `Debug` shows only the keys. The memory of the values is overwritten when they are dropped.
#[derive(Clone)]
pub struct Section {
    name: String,
    /// Keys are in lower case. A value with nested properties begins with a line break.
    properties: BTreeMap<String, String>,
}

impl Section {
    /// The name, without the type before it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value of a property, by its key in lower case. It may be empty. Its lines are joined with `\n`; nested
    /// properties are lines after an empty first one.
    pub fn property(&self, key: &str) -> Option<&str> {
        self.properties.get(key).map(String::as_str)
    }

    /// The value of a property, unless it is blank.
    pub fn non_blank(&self, key: &str) -> Option<&str> {
        self.property(key).filter(|value| !value.trim().is_empty())
    }

    /// The value of the nested property `nested` under `key`, both in lower case. In
    ///
    /// ```text
    /// bedrock_runtime =
    ///   endpoint_url = https://vpce-1.example.com
    /// ```
    ///
    /// `nested("bedrock_runtime", "endpoint_url")` is the URL. It may be empty. The last
    /// one counts.
    pub fn nested(&self, key: &str, nested: &str) -> Option<&str> {
        self.property(key)?
            .strip_prefix('\n')?
            .rsplit('\n')
            .filter_map(|line| split_property(line).ok())
            .find_map(|(found, value)| found.eq_ignore_ascii_case(nested).then_some(value))
    }

    /// The keys of the properties, sorted, in lower case.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.properties.keys().map(String::as_str)
    }
}

impl Drop for Section {
    fn drop(&mut self) {
        self.properties.values_mut().for_each(Zeroize::zeroize);
    }
}

impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section")
            .field("name", &self.name)
            .field("keys", &self.properties.keys())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum File {
    Config,
    Credentials,
}

/// A section of one file.
struct RawSection<'a> {
    /// The text between the brackets.
    heading: &'a str,
    line: usize,
    properties: Vec<Property>,
}

struct Property {
    key: String,
    value: String,
    line: usize,
}

impl RawSection<'_> {
    /// The type, if there is one, and the name.
    fn heading(&self, file: File) -> (Option<&str>, &str) {
        match self.heading.split_once(BLANK) {
            Some((kind, name)) if file == File::Config || TYPES.contains(&kind) => {
                (Some(kind), unquoted(name))
            }
            _ => (None, unquoted(self.heading)),
        }
    }

    /// Why the section is ignored in this file. `replaced`: the file has `[profile default]`.
    fn fault(&self, file: File, replaced: bool) -> Option<String> {
        let (kind, name) = self.heading(file);
        let found = self.heading.escape_debug();
        let other = |expected: String| Some(format!("expected {expected}, found [{found}]"));
        match (file, kind) {
            (File::Config, None) if name == DEFAULT && replaced => {
                Some("[profile default] replaces [default]".to_owned())
            }
            (File::Config, None) if name != DEFAULT => {
                let name = if is_section_name(name) && name != PROFILE { name } else { "NAME" };
                other(format!("[profile {name}] in the config file"))
            }
            (File::Config, Some(kind)) if !TYPES.contains(&kind) => {
                other("a section of type profile, sso-session or services".to_owned())
            }
            (File::Credentials, Some(PROFILE)) if is_section_name(name) => {
                other(format!("[{name}] in the credentials file"))
            }
            (File::Credentials, Some(_)) => {
                other("only profiles, as [NAME], in the credentials file".to_owned())
            }
            _ if !is_section_name(name) => {
                other("a name without quotes, brackets or control characters".to_owned())
            }
            _ => None,
        }
    }
}

fn read_sections<'a>(path: &str, text: &'a str) -> Result<Vec<RawSection<'a>>> {
    let mut sections = Vec::<RawSection<'a>>::new();
    for (index, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        let number = index + 1;
        let fault = |fault: &str| {
            Error::new(ErrorKind::Credentials, format!("{path}, line {number}: {fault}"))
                .with_hint("correct the line; the file's format is that of the AWS SDKs")
        };
        let trimmed = line.trim_matches(BLANK);
        if trimmed.is_empty() || line.starts_with(COMMENT) {
            continue;
        }
        if line.starts_with('[') {
            let heading = line.split(COMMENT).next().unwrap_or_default().trim_matches(BLANK);
            let heading = heading
                .strip_prefix('[')
                .and_then(|heading| heading.strip_suffix(']'))
                .ok_or_else(|| fault("expected \"]\" at the end of the section, found none"))?
                .trim_matches(BLANK);
            sections.push(RawSection { heading, line: number, properties: Vec::new() });
            continue;
        }
        let section = sections
            .last_mut()
            .ok_or_else(|| fault("expected a section such as [default] first, found something else"))?;
        if line.starts_with(BLANK) {
            let property = section.properties.last_mut().ok_or_else(|| {
                fault("expected a property after the section, found a line that begins with white space")
            })?;
            let nested = property.value.is_empty() || property.value.starts_with('\n');
            if nested && !trimmed.starts_with(COMMENT) {
                split_property(trimmed).map_err(|found| {
                    fault(&format!("expected a nested property, key = value, found {found}"))
                })?;
            }
            property.value.push('\n');
            property.value.push_str(trimmed);
        } else {
            let (key, value) = split_property(trimmed)
                .map_err(|found| fault(&format!("expected a property, key = value, found {found}")))?;
            let key = key.to_ascii_lowercase();
            let copied = COPIED.iter().find_map(|prefix| key.strip_prefix(prefix));
            let (key, value) =
                copied.map_or((&*key, value), |key| (key.trim_matches(BLANK), unquoted(value)));
            section.properties.push(Property { key: key.to_owned(), value: value.to_owned(), line: number });
        }
    }
    Ok(sections)
}

/// Key and value of a line, or what was found instead: never the line, which may hold a secret.
fn split_property(line: &str) -> Result<(&str, &str), &'static str> {
    let end = line
        .match_indices(COMMENT)
        .map(|(at, _)| at)
        .find(|at| line.get(..*at).is_some_and(|before| before.ends_with(BLANK)))
        .unwrap_or(line.len());
    let (key, value) = line.get(..end).and_then(|line| line.split_once('=')).ok_or("a line without \"=\"")?;
    let key = key.trim_matches(BLANK);
    if key.is_empty() {
        return Err("a line without a key before \"=\"");
    }
    Ok((key, value.trim_matches(BLANK)))
}

/// A text without blanks and a pair of quotes around it.
fn unquoted(text: &str) -> &str {
    let text = text.trim_matches(BLANK);
    let inner = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\'')).map_or(text, |inner| inner.trim_matches(BLANK))
}

fn is_section_name(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_control() || "\"'[]".contains(c))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || NAME_MARKS.contains(c))
}

const BLANK: [char; 2] = [' ', '\t'];
const COMMENT: [char; 2] = ['#', ';'];
const NAME_MARKS: &str = "_-/.%@:+";
const NAME_SIGNS: &str = "letters, digits and _-/.%@:+";

/// How a shell sets a variable: before its name, in lower case.
const COPIED: [&str; 3] = ["export ", "set ", "$env:"];

const DEFAULT: &str = "default";
const PROFILE: &str = "profile";
const SSO_SESSION: &str = "sso-session";
const SERVICES: &str = "services";
const TYPES: [&str; 3] = [PROFILE, SSO_SESSION, SERVICES];
