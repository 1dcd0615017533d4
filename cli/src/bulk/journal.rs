//! The output: whole lines, whatever happens. Each line is appended in one write; a line that was torn by a crash is cut
//! off at the next start. Where a record was asked again, its last line counts until the file is rewritten.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pumice::bulk::RecordResult;
use pumice::context::{Context, Lock};

use super::plan::{Plan, State};
use crate::failure::Failure;
use crate::output::Report;

/// The output, locked.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// All of it is whole lines.
    length: u64,
    scan: Scan,
    _lock: Lock,
}

/// What an output has beside the results.
#[derive(Default)]
pub(super) struct Scan {
    /// Whether a record has more than one line.
    has_doubles: bool,
    /// The line of the last result in the input, and whether one came before its place.
    last: u32,
    is_mixed: bool,
    /// Results of records that the input does not have.
    foreign: u64,
    /// Where a last line begins that was not written whole.
    torn: Option<u64>,
    /// Whether only the line end of the last line was not written.
    is_unended: bool,
}

/// Reads an output, and calls `each` with every result of a record of the plan.
pub(super) fn scan(
    path: &Path,
    plan: &mut Plan,
    each: &mut dyn FnMut(&Plan, u16, &RecordResult),
) -> Result<Scan, Failure> {
    let shown = path.display();
    let mut scan = Scan::default();
    plan.forget();
    let mut lines = super::plan::open(path)?;
    while let Some(line) = lines.next_line().map_err(|error| Failure::unreadable(&shown, &error))? {
        let result = match line.result() {
            Ok(result) => result,
            Err(_) if !line.is_ended && line.text.as_ref().is_ok_and(|text| is_torn(text)) => {
                scan.torn = Some(line.start);
                break;
            }
            Err(error) => {
                return Err(Failure::usage(format!("{shown}, line {}: {error}", line.number))
                    .hint("name another file with --out, or remove that line"));
            }
        };
        scan.is_unended = !line.is_ended;
        let Some(entry) = plan.entry(&result.record_id) else {
            scan.foreign += 1;
            continue;
        };
        let (content, number, model) = (entry.content(), entry.line, entry.model());
        scan.has_doubles |= entry.state != State::Open;
        entry.state = match &result.output {
            Ok(_) => State::Answered,
            Err(error) => State::Failed(error.code),
        };
        if plan.is_of_another(content, &result) {
            let message = format!(
                "{shown}, line {}: {:?} is not the result of line {number} of the input",
                line.number, result.record_id
            );
            return Err(Failure::usage(message)
                .hint("name another file with --out; lines may move only if they have a recordId"));
        }
        scan.comes(number);
        each(plan, model, &result);
    }
    Ok(scan)
}

impl Scan {
    fn comes(&mut self, number: u32) {
        self.is_mixed |= number < self.last;
        self.last = number;
    }
}

impl Journal {
    /// Opens the file, or creates it.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if fs::metadata(&path).is_ok_and(|found| !found.is_file()) {
            return Err(Failure::usage(format!(
                "--out {}: expected a file, found something else",
                path.display()
            ))
            .hint("name a file, which a later run can continue"));
        }
        let lock = Context::real().lock(&path, Duration::ZERO).map_err(|_| {
            Failure::usage(format!("another run is writing {}", path.display()))
                .hint("wait for its end, or name another file with --out")
        })?;
        let file = OpenOptions::new().append(true).read(true).create(true).open(&path).map_err(|error| {
            Failure::usage(format!("--out {} cannot be written to: {error}", path.display()))
        })?;
        Ok(Self { path, file, length: 0, scan: Scan::default(), _lock: lock })
    }

    /// Reads what is there, as [`scan`] does. What is not whole of the last line is cut off.
    pub(super) fn read(
        &mut self,
        plan: &mut Plan,
        report: &Report,
        each: &mut dyn FnMut(&Plan, u16, &RecordResult),
    ) -> Result<(), Failure> {
        self.scan = scan(&self.path, plan, each)?;
        let repaired = (|| {
            if let Some(start) = self.scan.torn {
                report.warning(format_args!(
                    "{}: the last line is incomplete; it is removed, and its record is sent again",
                    self.path.display()
                ));
                self.file.set_len(start)?;
            }
            self.length = self.file.metadata()?.len();
            if self.scan.is_unended { self.append("\n") } else { Ok(()) }
        })();
        repaired.map_err(|error| self.unwritable(&error))
    }

    /// Appends the result of a record. After a failed write the file is as before.
    pub(super) fn write(
        &mut self,
        result: &RecordResult,
        number: u32,
        is_double: bool,
    ) -> Result<(), Failure> {
        let line = result.to_line()?;
        self.append(&line).map_err(|error| self.unwritable(&error))?;
        self.scan.has_doubles |= is_double;
        self.scan.comes(number);
        Ok(())
    }

    /// Whether the file must be rewritten to have one line for each record, in the order of the input if `ordered`.
    pub(super) fn is_unfinished(&self, ordered: bool) -> bool {
        self.scan.has_doubles || ordered && self.scan.is_mixed
    }

    /// Replaces the file by one with the last line of each record. A crash leaves the old or the new file.
    pub(super) fn rewrite(&mut self, plan: &mut Plan, ordered: bool) -> Result<(), Failure> {
        let unwritable = |error: io::Error| self.unwritable(&error);
        let mut places = Vec::<(u32, u64)>::new();
        let mut lines = super::plan::open(&self.path)?;
        while let Some(line) = lines.next_line().map_err(unwritable)? {
            let id = line.result()?.record_id;
            // Results of other records stay, before the others.
            let number = plan.entry(&id).map_or(0, |entry| entry.line);
            places.push((number, line.start));
        }
        places.sort_unstable();
        places.dedup_by(|next, kept| {
            let is_double = next.0 == kept.0 && next.0 != 0;
            if is_double {
                *kept = *next;
            }
            is_double
        });
        if !ordered {
            places.sort_unstable_by_key(|(_, start)| *start);
        }
        let mut name = std::ffi::OsString::from(".");
        name.push(self.path.file_name().unwrap_or_default());
        name.push(".new");
        let beside = self.path.with_file_name(name);
        let copied = self.copy(&places, &beside).and_then(|length| {
            fs::rename(&beside, &self.path)?;
            Ok((length, OpenOptions::new().append(true).read(true).open(&self.path)?))
        });
        match copied {
            Ok((length, file)) => (self.length, self.file) = (length, file),
            Err(error) => {
                // The first failure is reported; a second one here says no more.
                let _ = fs::remove_file(&beside);
                return Err(self.unwritable(&error));
            }
        }
        (self.scan.has_doubles, self.scan.is_mixed) = (false, !ordered);
        Ok(())
    }

    /// Writes the lines at these places into a new file. Returns its length.
    fn copy(&self, places: &[(u32, u64)], to: &Path) -> io::Result<u64> {
        let mut from = BufReader::new(File::open(&self.path)?);
        let mut file = File::create(to)?;
        file.set_permissions(self.file.metadata()?.permissions())?;
        let mut written = BufWriter::new(&mut file);
        let (mut length, mut position, mut line) = (0, 0, Vec::new());
        for (_, start) in places {
            if *start != position {
                from.seek(SeekFrom::Start(*start))?;
            }
            line.clear();
            position = start + from.read_until(b'\n', &mut line)? as u64;
            written.write_all(&line)?;
            length += line.len() as u64;
        }
        written.flush()?;
        drop(written);
        file.sync_all()?;
        Ok(length)
    }

    /// Another handle of the file, to write it to the disk.
    pub(super) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Writes all to the disk.
    pub(super) fn sync(&self) -> Result<(), Failure> {
        self.file.sync_all().map_err(|error| self.unwritable(&error))
    }

    fn append(&mut self, text: &str) -> io::Result<()> {
        match self.file.write_all(text.as_bytes()) {
            Ok(()) => {
                self.length += text.len() as u64;
                Ok(())
            }
            Err(error) => {
                // A full disk can have taken a part of the line. If that cannot be cut off, the next run does it.
                let _ = self.file.set_len(self.length);
                Err(error)
            }
        }
    }

    /// Whether a record has more than one line.
    pub(super) fn has_doubles(&self) -> bool {
        self.scan.has_doubles
    }

    /// How many results there are of records that the input does not have.
    pub(super) fn foreign(&self) -> u64 {
        self.scan.foreign
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn unwritable(&self, error: &io::Error) -> Failure {
        Failure::unsaved(format!("{} cannot be written to: {error}", self.path.display()))
            .hint("run the same command again to continue")
    }
}

/// Whether this is the beginning of a line that a run was writing, or what a power failure left of one.
fn is_torn(text: &[u8]) -> bool {
    let begins = text.iter().zip(BEGINNING).all(|(found, expected)| found == expected);
    begins || text.iter().all(|byte| *byte == 0)
}

const BEGINNING: &[u8] = b"{\"recordId\":";
