//! What is to be asked: the records of the input, by a hash of their ids, and what the output says of each.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::BufReader;
use std::path::Path;

use pumice::bulk::{Line, Lines, Record, RecordResult};

use crate::failure::Failure;
use crate::session::Session;

/// The records of the input. Of each, 24 bytes are kept.
pub(super) struct Plan {
    /// By hash.
    entries: Vec<Entry>,
    hasher: RandomState,
    /// The ids of the models to call.
    models: Vec<String>,
    /// The first lines that are no requests, and why.
    pub(super) wrong: Vec<(u64, String)>,
    pub(super) wrong_count: u64,
}

/// What is known of a record.
pub(super) struct Entry {
    hash: u64,
    /// A hash of the request, if the id is the number of the line: if a line is added before it, the id is that of
    /// another request. 0 if the id is the caller's.
    content: u32,
    /// The number of the line.
    pub(super) line: u32,
    model: u16,
    pub(super) state: State,
}

/// What the output says of a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Open,
    Answered,
    /// It has an error with this status.
    Failed(u16),
}

impl Plan {
    /// Reads the whole input. `given` is the model of the records that name none.
    pub(super) async fn read(path: &Path, given: Option<&str>, session: &Session) -> Result<Self, Failure> {
        let mut plan = Self {
            entries: Vec::new(),
            hasher: RandomState::new(),
            models: Vec::new(),
            wrong: Vec::new(),
            wrong_count: 0,
        };
        let mut named = HashMap::<String, u16>::new();
        let mut lines = open(path)?;
        while let Some(line) =
            lines.next_line().map_err(|error| Failure::unreadable(path.display(), &error))?
        {
            let record = line.record();
            let model = match &record.request {
                Ok(request) => {
                    if !named.contains_key(&request.model_id) {
                        let name = Some(request.model_id.as_str()).filter(|name| !name.is_empty());
                        let chosen = session.choose(name.or(given)).await.map_err(|mut failure| {
                            failure.message =
                                format!("{}, line {}: {}", path.display(), line.number, failure.message);
                            failure
                        })?;
                        let model = plan.model_number(chosen.into_model())?;
                        named.insert(request.model_id.clone(), model);
                    }
                    named.get(&request.model_id).copied().unwrap_or_default()
                }
                Err(error) => {
                    plan.wrong_count += 1;
                    if plan.wrong.len() < MOST_SHOWN {
                        plan.wrong.push((line.number, error.to_string()));
                    }
                    0
                }
            };
            let number = u32::try_from(line.number)
                .map_err(|_| Failure::usage(format!("{}: expected fewer than 2^32 lines", path.display())))?;
            let (id, is_numbered) = id_of(&record, &line);
            let content = if is_numbered { plan.content(record.model_input.as_ref()) } else { 0 };
            let hash = plan.hasher.hash_one(&id);
            plan.entries.push(Entry { hash, content, line: number, model, state: State::Open });
        }
        plan.entries.sort_unstable_by_key(|entry| (entry.hash, entry.line));
        if let Some([one, other]) = plan.entries.array_windows().find(|[one, other]| one.hash == other.hash) {
            let lines = format!("lines {} and {}", one.line, other.line);
            return Err(Failure::usage(format!("{}: {lines} have the same recordId", path.display()))
                .hint("give each record its own recordId, or give none of them one"));
        }
        Ok(plan)
    }

    /// Forgets what the output says.
    pub(super) fn forget(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.state = State::Open);
    }

    /// How many records there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many are to be asked; `again` if those with an error are among them.
    pub(super) fn open(&self, again: bool) -> usize {
        let is_open = |entry: &&Entry| match entry.state {
            State::Open => true,
            State::Failed(_) => again,
            State::Answered => false,
        };
        self.entries.iter().filter(is_open).count()
    }

    /// The entry of a record.
    pub(super) fn entry(&mut self, id: &str) -> Option<&mut Entry> {
        let hash = self.hasher.hash_one(id);
        let at = self.entries.binary_search_by_key(&hash, |entry| entry.hash).ok()?;
        self.entries.get_mut(at)
    }

    pub(super) fn models(&self) -> &[String] {
        &self.models
    }

    /// The model of this number.
    pub(super) fn model(&self, number: u16) -> &str {
        self.models.get(usize::from(number)).map_or("", String::as_str)
    }

    /// Whether a result in the output belongs to another request than the input's of this id.
    pub(super) fn is_of_another(&self, content: u32, result: &RecordResult) -> bool {
        content != 0 && content != self.content(result.model_input.as_ref())
    }

    #[allow(clippy::cast_possible_truncation, reason = "a part of a hash")]
    fn content(&self, input: Option<&pumice::shape::Document>) -> u32 {
        self.hasher.hash_one(input.map(pumice::shape::Document::text)) as u32 | 1
    }

    fn model_number(&mut self, id: String) -> Result<u16, Failure> {
        let at = self.models.iter().position(|model| *model == id).unwrap_or_else(|| {
            self.models.push(id);
            self.models.len() - 1
        });
        u16::try_from(at).map_err(|_| Failure::usage("expected at most 65536 models"))
    }
}

impl Entry {
    pub(super) fn model(&self) -> u16 {
        self.model
    }

    pub(super) fn content(&self) -> u32 {
        self.content
    }
}

/// The lines of a file.
pub(super) type Input = Lines<BufReader<File>>;

/// Opens a file to read its lines.
pub(super) fn open(path: &Path) -> Result<Input, Failure> {
    let unreadable = |error| Failure::unreadable(path.display(), &error);
    // Opening a pipe would wait for a writer.
    if !path.metadata().map_err(unreadable)?.is_file() {
        return Err(Failure::usage(format!("{}: expected a file, found something else", path.display()))
            .hint("write the lines to a file: they are read more than once"));
    }
    let file = File::open(path).map_err(unreadable)?;
    Ok(Lines::new(BufReader::with_capacity(BUFFER, file)))
}

/// The id of a record, and whether it is made of the line's number.
pub(super) fn id_of(record: &Record, line: &Line<'_>) -> (String, bool) {
    match &record.record_id {
        Some(id) => (id.clone(), false),
        None => (Record::number_id(line.number), true),
    }
}

/// How many wrong lines are shown.
const MOST_SHOWN: usize = 10;
const BUFFER: usize = 64 * 1024;
