//! Standard output, for responses only, and standard error, for everything else.

use std::borrow::Cow;
use std::fmt::Display;
use std::future::poll_fn;
use std::io::{self, IsTerminal as _, Write as _};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use pumice::Progress;
#[cfg(feature = "terminal")]
use pumice::shape::Blob;

use crate::args::Args;
use crate::escape::{Escaper, Form, beginning, escaped};
use crate::failure::{Exit, Failure};
use crate::markdown::Markdown;

/// Standard output, buffered. It must be [flushed](Self::flush) before the program waits for anything.
pub(crate) struct Output {
    buffer: Vec<u8>,
    /// Completes when nobody reads any more; made with the first wait.
    closed: Option<Pin<Box<dyn Future<Output = ()>>>>,
    terminal: bool,
    escaper: Escaper,
    markdown: Option<Markdown>,
    /// Whether anything has been written.
    pub(crate) begun: bool,
    /// Whether what was written ends with a line end.
    pub(crate) at_line_start: bool,
}

impl Output {
    pub(crate) fn new() -> Self {
        let terminal = io::stdout().is_terminal();
        Self {
            buffer: Vec::new(),
            closed: None,
            terminal,
            escaper: Escaper::default(),
            markdown: None,
            begun: false,
            at_line_start: true,
        }
    }

    /// The width of the terminal. `None` if it is not a terminal.
    pub(crate) fn width(&self) -> Option<usize> {
        self.terminal.then(terminal_size::terminal_size).and_then(columns)
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Writes text.
    pub(crate) fn text(&mut self, text: &str) {
        self.write(text, Form::Text);
    }

    /// Renders [prose](Self::prose), if this is a terminal.
    pub(crate) fn with_markdown(mut self, markdown: Option<Markdown>) -> Self {
        self.markdown = markdown.filter(|_| self.terminal);
        self
    }

    /// Writes a piece of Markdown.
    pub(crate) fn prose(&mut self, piece: &str) {
        let width = self.width().unwrap_or(80);
        let (Some(markdown), false) = (&mut self.markdown, piece.is_empty()) else { return self.text(piece) };
        self.begun = true;
        self.at_line_start = piece.ends_with('\n');
        let rendered = markdown.write(&self.escaper.escape(piece, Form::Text), width);
        self.buffer.extend_from_slice(rendered.as_bytes());
    }

    /// Ends what is open in the Markdown, before something else is shown.
    pub(crate) fn end_prose(&mut self) {
        if let Some(markdown) = &mut self.markdown {
            let end = markdown.end();
            self.buffer.extend_from_slice(end.as_bytes());
        }
    }

    /// Writes a line of JSON.
    pub(crate) fn json_line(&mut self, json: &str) {
        self.write(json, Form::Json);
        self.text("\n");
    }

    /// Writes a line of JSON that is made for it: without a text of its own, unless it is for a terminal.
    pub(crate) fn made_json_line(
        &mut self,
        make: impl FnOnce(&mut Vec<u8>) -> pumice::Result<()>,
    ) -> pumice::Result<()> {
        if self.terminal {
            let mut json = Vec::new();
            make(&mut json)?;
            self.json_line(&String::from_utf8_lossy(&json));
        } else {
            make(&mut self.buffer)?;
            self.buffer.push(b'\n');
            self.begun = true;
            self.at_line_start = true;
        }
        Ok(())
    }

    /// Writes bytes, which a terminal gets as text.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        if self.terminal {
            self.text(&String::from_utf8_lossy(bytes));
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        if self.terminal {
            erase_status();
        }
        let mut stdout = io::stdout().lock();
        let written = stdout.write_all(&self.buffer).and_then(|()| stdout.flush());
        self.buffer.clear();
        written.map_err(|error| Failure::unwritable(&error))
    }

    /// Waits for the work, unless the reader of standard output goes away first: then the work is dropped.
    pub(crate) async fn wait_for<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Failure> {
        let closed = self.closed()?;
        let mut work = pin!(work);
        poll_fn(|task| match work.as_mut().poll(task) {
            Poll::Ready(done) => Poll::Ready(Ok(done)),
            Poll::Pending => closed.as_mut().poll(task).map(|()| Err(Failure::closed())),
        })
        .await
    }

    /// Flushes before a wait, and watches the reader.
    // size: 3,000 bytes, because `wait_for` is compiled for each type of work.
    fn closed(&mut self) -> Result<&mut Pin<Box<dyn Future<Output = ()>>>, Failure> {
        self.flush()?;
        Ok(self.closed.get_or_insert_with(|| Box::pin(closed())))
    }

    fn write(&mut self, text: &str, form: Form) {
        if text.is_empty() {
            return;
        }
        self.begun = true;
        self.at_line_start = text.ends_with('\n');
        let text = if self.terminal { self.escaper.escape(text, form) } else { text.into() };
        self.buffer.extend_from_slice(text.as_bytes());
    }
}

/// Completes when standard output is a pipe or a socket whose other end is closed.
#[cfg(target_os = "linux")]
async fn closed() {
    use std::os::fd::AsFd as _;

    use tokio::io::Interest;
    use tokio::net::unix::pipe::Sender;

    // It is only watched, not written to. So it may stay blocking, which other programs that share it need.
    let pipe = io::stdout().as_fd().try_clone_to_owned().and_then(Sender::from_owned_fd_unchecked);
    // A pipe has an error, a socket hangs up. So does a terminal, but a signal says so.
    let interest =
        if io::stdout().is_terminal() { Interest::ERROR } else { Interest::ERROR | Interest::READABLE };
    match pipe {
        Ok(pipe) if pipe.ready(interest).await.is_ok() => {}
        // A file cannot be watched, and has no other end.
        _ => std::future::pending().await,
    }
}

/// On other systems the next write notices it.
#[cfg(not(target_os = "linux"))]
async fn closed() {
    std::future::pending::<()>().await;
}

/// Prints a text of the program's own.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| Failure::unwritable(&error))
}

/// Reports on standard error.
#[derive(Clone)]
pub(crate) struct Report {
    color: bool,
    verbose: bool,
    /// Whether Markdown is rendered on a terminal, and in styles.
    markdown: Option<bool>,
    /// What the client does, for those who wait.
    doing: Arc<Mutex<String>>,
}

/// Whether the last line on the terminal is a status, which whatever is written next replaces.
static STATUS_IS_SHOWN: AtomicBool = AtomicBool::new(false);

/// Whether the last line on the terminal is a question of another program, which a status would hide.
static STATUS_IS_UNWELCOME: AtomicBool = AtomicBool::new(false);

pub(crate) fn erase_status() {
    if STATUS_IS_SHOWN.swap(false, Ordering::Relaxed) {
        // If standard error cannot be written to, there is nobody to tell.
        let _ = io::stderr().lock().write_all(b"\r\x1b[K");
    }
}

impl Report {
    pub(crate) fn new() -> Self {
        let markdown = (!is_dumb()).then(styles_are_welcome);
        Self {
            color: styles_are_welcome() && io::stderr().is_terminal(),
            verbose: false,
            markdown,
            doing: Arc::default(),
        }
    }

    /// Takes `--color` and `-v` into account.
    pub(crate) fn configure(&mut self, args: &Args) -> Result<(), Failure> {
        self.verbose = args.has("verbose");
        match args.text("color")? {
            None | Some("auto") => {}
            Some("always") => (self.color, self.markdown) = (true, self.markdown.map(|_| true)),
            Some("never") => (self.color, self.markdown) = (false, self.markdown.map(|_| false)),
            Some(found) => {
                return Err(Failure::usage(format!(
                    "--color: expected auto, always or never, found {found:?}"
                )));
            }
        }
        if args.has("plain") {
            self.markdown = None;
        }
        Ok(())
    }

    /// How the text of responses is shown on a terminal, styled if that is welcome. `None`: as it is.
    #[cfg_attr(
        not(feature = "terminal"),
        allow(clippy::unused_self, unused, reason = "there is nothing to choose")
    )]
    pub(crate) fn markdown(&self, styled: bool) -> Option<Markdown> {
        #[cfg(feature = "terminal")]
        return self.markdown.map(|welcome| Markdown::new(styled && welcome));
        #[cfg(not(feature = "terminal"))]
        None
    }

    /// Reports why the program fails.
    pub(crate) fn failure(&self, failure: &Failure) {
        if failure.exit == Exit::Closed || failure.message.is_empty() {
            return;
        }
        self.line(&self.styled("1;31", "error:"), &failure.message);
        for cause in &failure.causes {
            // A cause that repeats the message adds nothing.
            if !failure.message.contains(cause.as_str()) {
                self.line("  caused by:", cause);
            }
        }
        if let Some(hint) = &failure.hint {
            self.line(&self.styled("1;36", "hint:"), hint);
        }
        if let Some(request_id) = failure.request_id.as_deref().filter(|_| self.verbose) {
            self.line("request id:", request_id);
        }
    }

    /// Reports something beside the response.
    pub(crate) fn note(&self, text: impl Display) {
        self.line("note:", &text.to_string());
    }

    /// Reports that something differs from what was asked for.
    pub(crate) fn warning(&self, text: impl Display) {
        self.line(&self.styled("1;33", "warning:"), &text.to_string());
    }

    /// Shows a line on the terminal in the place of the one before. An empty one leaves nothing.
    pub(crate) fn status(&self, line: &str) {
        if line.is_empty() {
            return erase_status();
        }
        if io::stderr().is_terminal() && !STATUS_IS_UNWELCOME.load(Ordering::Relaxed) {
            let mut room = self.width().unwrap_or(80).saturating_sub(1);
            let fits = |character: &char| {
                // No character is wider than this, and a line that is too long could not be replaced.
                let width = if *character < '\u{1100}' { 1 } else { 2 };
                let fits = width <= room;
                room = if fits { room - width } else { 0 };
                fits
            };
            let line = escaped(&one_line(line)).chars().take_while(fits).collect::<String>();
            STATUS_IS_SHOWN.store(true, Ordering::Relaxed);
            let _ = io::stderr().lock().write_all(format!("\r{line}\x1b[K").as_bytes());
        }
    }

    /// Whether a status is of use.
    #[allow(clippy::unused_self, reason = "only a report writes to standard error")]
    pub(crate) fn shows_status(&self) -> bool {
        io::stderr().is_terminal() && !is_dumb()
    }

    /// What the client does, if it is worth a word.
    pub(crate) fn doing(&self) -> String {
        self.state().clone()
    }

    fn state(&self) -> MutexGuard<'_, String> {
        self.doing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line without a label.
    #[cfg(any(feature = "bulk", feature = "gateway"))]
    pub(crate) fn plain(&self, text: impl Display) {
        self.write(&format!("{}\n", one_line(&text.to_string())));
    }

    /// Reports a detail, with `-v` only.
    pub(crate) fn detail(&self, text: impl Display) {
        if self.verbose {
            self.line(&self.styled("2", "pumice:"), &text.to_string());
        }
    }

    /// Writes dimmed text without a label, if standard error is a terminal.
    pub(crate) fn dimmed(&self, text: &str) {
        self.dimmed_piece(text, &mut Escaper::default(), &mut None);
    }

    /// Writes dimmed text that arrives in pieces, wrapped as Markdown is.
    pub(crate) fn dimmed_piece(&self, piece: &str, escaper: &mut Escaper, markdown: &mut Option<Markdown>) {
        if io::stderr().is_terminal() {
            // The style ends with each piece, so that the terminal is never left dimmed.
            let mut shown = escaper.escape(piece, Form::Text);
            if let (Some(markdown), Some(width)) = (markdown, self.width()) {
                shown = markdown.write(&shown, width).into();
            }
            let (line, end) = match shown.strip_suffix('\n') {
                Some(line) => (line, "\n"),
                None => (&*shown, ""),
            };
            self.write(&(self.styled("2", line) + end));
        }
    }

    /// Names what follows, on a line of its own, where it cannot be dimmed.
    pub(crate) fn label(&self, name: &str) {
        if !self.color {
            self.dimmed(&format!("[{name}]\n"));
        }
    }

    /// Asks the terminal to copy a text to the clipboard (OSC 52). It does not say whether it does.
    #[cfg(feature = "terminal")]
    pub(crate) fn copy(&self, text: &str) {
        let data = Blob::from(text.as_bytes().to_vec()).to_base64();
        self.write(&format!("\x1b]52;c;{data}\x07"));
        self.note("the response is in the clipboard, if the terminal allows it");
    }

    /// The width of the terminal. `None` if standard error is not a terminal.
    #[allow(clippy::unused_self, reason = "only a report writes to standard error")]
    pub(crate) fn width(&self) -> Option<usize> {
        io::stderr().is_terminal().then(|| terminal_size::terminal_size_of(io::stderr())).and_then(columns)
    }

    /// Reports the steps of the client.
    pub(crate) fn watcher(&self) -> impl Fn(&Progress<'_>) + Send + Sync + 'static {
        let report = Arc::new(self.clone());
        let warned = Mutex::new(Vec::new());
        move |progress| match progress {
            Progress::PlainHttp { host, secrets } => {
                let warning = if secrets.is_empty() {
                    format!("calls to {host} go over plain http: anyone on the way can read them")
                } else {
                    let secrets = secrets.join(", ");
                    format!("secrets go in the clear to {host}: anyone on the way can use {secrets}")
                };
                // Once per run, however many calls there are.
                let mut warned = warned.lock().unwrap_or_else(PoisonError::into_inner);
                if !warned.contains(&warning) {
                    report.warning(&warning);
                    warned.push(warning);
                }
            }
            Progress::Credentials { link } => report.detail(format_args!("credentials: {link}")),
            Progress::Sending { operation, url, attempt } => {
                STATUS_IS_UNWELCOME.store(false, Ordering::Relaxed);
                *report.state() = if *attempt > 1 { format!("attempt {attempt}") } else { String::new() };
                report.detail(format_args!("{operation} to {url}, attempt {attempt}"));
            }
            Progress::ResponseHead { status, request_id, after } => report.detail(format_args!(
                "HTTP {status} after {:.0} ms, request id {}",
                after.as_secs_f64() * 1000.0,
                request_id.unwrap_or("none")
            )),
            Progress::Waiting { error, delay, left } => report.note(format_args!(
                "{error}; waiting {:.1} s, and at most {:.0} s more",
                delay.as_secs_f64(),
                left.as_secs_f64()
            )),
            // As the command writes it: it may be a question, in colours even.
            Progress::CommandOutput { text } => {
                erase_status();
                let _ = io::stderr().lock().write_all(text);
                STATUS_IS_UNWELCOME.store(!text.ends_with(b"\n"), Ordering::Relaxed);
            }
            Progress::ProfileUsed { model_id, profile_id } => {
                report.note(format_args!("{model_id} is called through the inference profile {profile_id}"));
            }
            Progress::ClockCorrected { seconds } => {
                report.detail(format_args!("signatures are dated {seconds} s after this machine's clock"));
            }
            Progress::Retrying { error, delay } => {
                *report.state() = format!("retrying in {:.1} s: {error}", delay.as_secs_f64());
                report.detail(format_args!("{error}; retrying in {:.0} ms", delay.as_secs_f64() * 1000.0));
            }
            _ => {}
        }
    }

    fn line(&self, label: &str, text: &str) {
        // Foreign text must neither begin a line nor fill the screen.
        let text = escaped(&beginning(text, LONGEST_LINE)).replace('\n', "\n  ");
        self.write(&format!("{label} {text}\n"));
    }

    fn styled(&self, style: &str, text: &str) -> String {
        if self.color { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }

    #[allow(clippy::unused_self, reason = "only a report writes to standard error")]
    fn write(&self, text: &str) {
        erase_status();
        // If standard error cannot be written to, there is nobody to tell.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// The width of a terminal, which `COLUMNS` overrides. `None` if the terminal does not know it.
fn columns(size: Option<(terminal_size::Width, terminal_size::Height)>) -> Option<usize> {
    let set = std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
    set.or(size.map(|(width, _)| usize::from(width.0))).filter(|width| *width > 0)
}

/// Whether a terminal may be shown styles: unless `NO_COLOR` or `TERM=dumb` is set.
fn styles_are_welcome() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && !is_dumb()
}

/// Whether the terminal knows no control sequences.
fn is_dumb() -> bool {
    // Where it is set on Windows, the terminal is one of Unix's kind.
    std::env::var_os("TERM").map_or_else(|| !console_has_styles(), |term| term == "dumb")
}

#[cfg(not(windows))]
fn console_has_styles() -> bool {
    true
}

/// Has the consoles of Windows take control sequences for what they mean; otherwise they print them.
#[cfg(windows)]
fn console_has_styles() -> bool {
    use winapi_util::console::Console;

    let enabled = [Console::stdout(), Console::stderr()].map(|console| {
        console.is_ok_and(|mut console| console.set_virtual_terminal_processing(true).is_ok())
    });
    enabled.contains(&true)
}

/// Foreign text as part of a line, with line breaks and control characters escaped.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    if !text.contains(breaks) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        if breaks(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    Cow::Owned(line)
}

/// The longest line, in characters: room for the message of an error with its code.
const LONGEST_LINE: usize = 4300;
