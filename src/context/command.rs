//! Runs a command in the system's shell. When nobody waits for it any more, it is killed with everything it has started.

use std::fmt;
use std::io::{self, Read, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use zeroize::{Zeroize as _, Zeroizing};

use super::bounded;

/// The output of a command.
///
/// `Debug` shows only how it ended: the output may be a secret.
#[derive(Clone, Default)]
pub struct CommandOutput {
    /// Whether it ended with exit code 0.
    pub success: bool,
    /// Its exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// What it printed on standard output.
    pub stdout: Vec<u8>,
    /// What it printed on standard error.
    pub stderr: Vec<u8>,
}

impl fmt::Debug for CommandOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CommandOutput")
            .field("success", &self.success)
            .field("code", &self.code)
            .finish_non_exhaustive()
    }
}

impl Drop for CommandOutput {
    fn drop(&mut self) {
        self.stdout.zeroize();
        self.stderr.zeroize();
    }
}

/// The wait for a command, on this thread or another.
#[derive(Default)]
pub(super) struct Wait {
    given_up: Arc<AtomicBool>,
}

/// Kills the command when it is dropped.
#[cfg(feature = "chain")]
pub(super) struct GiveUp(Arc<AtomicBool>);

#[cfg(feature = "chain")]
impl Drop for GiveUp {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Wait {
    #[cfg(feature = "chain")]
    pub(super) fn give_up(&self) -> GiveUp {
        GiveUp(Arc::clone(&self.given_up))
    }

    /// Runs a command to its end. After `limit`, or when it is given up, it is killed. `heard` gets what it prints on
    /// standard error as it comes.
    pub(super) fn run(self, command: &str, limit: Duration, heard: Hear) -> io::Result<CommandOutput> {
        let deadline = Instant::now() + bounded(limit);
        let mut child = start(command)?;
        let lifeline = child.stdin.take();
        let ran = self.wait(&mut child, deadline, heard);
        if ran.is_ok() {
            // What the command left running is kept alive.
            release(lifeline);
        } else {
            end(&mut child, lifeline);
        }
        ran
    }

    fn wait(self, child: &mut Child, deadline: Instant, heard: Hear) -> io::Result<CommandOutput> {
        let stdout = child.stdout.take().map(|output| in_background(Box::new(output), Box::new(|_| {})));
        let stderr = child.stderr.take().map(|output| in_background(Box::new(output), heard));
        let is_open = |output: &Option<Reading>| output.as_ref().is_some_and(|output| !output.is_finished());
        loop {
            if !is_open(&stdout)
                && !is_open(&stderr)
                && let Some(status) = child.try_wait()?
            {
                return Ok(CommandOutput {
                    success: status.success(),
                    code: status.code(),
                    stdout: read(stdout)?,
                    stderr: read(stderr)?,
                });
            }
            if Instant::now() >= deadline {
                return Err(io::ErrorKind::TimedOut.into());
            }
            if self.given_up.load(Ordering::Relaxed) {
                return Err(io::Error::other("nobody waits for the command any more"));
            }
            thread::sleep(PAUSE);
        }
    }
}

#[cfg(unix)]
fn start(command: &str) -> io::Result<Child> {
    use std::os::unix::process::CommandExt as _;

    // A helper may ask the user at the terminal, which it may only read in the foreground group.
    let at_terminal = std::fs::File::open("/dev/tty").is_ok();
    let end = if at_terminal { END_TREE } else { "end() { kill -KILL 0; }" };
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{end}\n{SUPERVISE}"), "sh", command]);
    if !at_terminal {
        shell.process_group(0);
    }
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

#[cfg(windows)]
fn start(command: &str) -> io::Result<Child> {
    use std::os::windows::process::CommandExt as _;

    let mut shell = Command::new("cmd.exe");
    // As it is: cmd.exe does not know the backslash before a quote that `arg` writes. With /S it removes the first and
    // the last quote and no others.
    shell.raw_arg(format!("/D /S /C \"{command}\""));
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()
}

/// Ends the watcher without killing the command's group.
fn release(lifeline: Option<ChildStdin>) {
    // The watcher may have been killed.
    let _ = lifeline.map(|mut lifeline| lifeline.write_all(b"\n"));
}

/// Kills a command with everything it has started.
fn end(child: &mut Child, lifeline: Option<ChildStdin>) {
    drop(lifeline);
    if cfg!(windows) {
        let taskkill = Command::new("taskkill").args(["/T", "/F", "/PID", &child.id().to_string()]).output();
        // The command may have ended in between.
        let _ = taskkill;
    }
    let deadline = Instant::now() + GRACE;
    while child.try_wait().is_ok_and(|status| status.is_none()) && Instant::now() < deadline {
        thread::sleep(PAUSE);
    }
    // In case the watcher did not kill it.
    let _ = child.kill();
    let _ = child.wait();
}

type Reading = JoinHandle<io::Result<Zeroizing<Vec<u8>>>>;

/// What gets the output of a command as it comes.
pub(crate) type Hear = Box<dyn FnMut(&[u8]) + Send>;

/// Reads to the end on a thread of its own. Keeps the first bytes and discards the rest, which must be read so that
/// the command does not block.
fn in_background(mut output: Box<dyn Read + Send>, mut heard: Hear) -> Reading {
    thread::spawn(move || {
        // Full capacity from the start: growing would leave copies of secrets in memory.
        let mut kept = Zeroizing::new(Vec::with_capacity(LONGEST_OUTPUT));
        let mut chunk = Zeroizing::new([0; 4096]);
        loop {
            let length = match output.read(&mut *chunk) {
                Ok(0) => return Ok(kept),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            let new = chunk.get(..length).unwrap_or_default();
            heard(new);
            let room = LONGEST_OUTPUT.saturating_sub(kept.len());
            kept.extend(new.iter().take(room));
        }
    })
}

/// The output that was kept.
fn read(output: Option<Reading>) -> io::Result<Vec<u8>> {
    let Some(output) = output else { return Ok(Vec::new()) };
    let read = output.join().unwrap_or_else(|_| Err(io::Error::other("its output was not read to the end")));
    Ok(std::mem::take(&mut *read?))
}

/// Starts a watcher, then replaces this shell by the command in `$1`, with nothing on its standard input. Standard
/// input of this shell is a pipe from this process. The watcher kills the command when the pipe ends without a line:
/// when this process closes it or has ended, however it ended. The watcher is not a child of the command and holds
/// none of its outputs. It ignores the signals of the terminal, which end this process too.
#[cfg(unix)]
const SUPERVISE: &str = r#"exec 3<&0 </dev/null
( trap '' HUP INT TERM; { read -r line || end $$; } <&3 >/dev/null 2>&1 & )
exec 3<&-
exec sh -c "$1""#;

/// Kills a process and all its descendants, which have no process group of their own. Each process is stopped before
/// its children are listed, so that it starts no others meanwhile.
#[cfg(unix)]
const END_TREE: &str = r#"end() {
    kill -STOP "$1"
    for child in $(cat /proc/"$1"/task/*/children || ps -A -o pid= -o ppid= |
        while read -r child parent; do [ "$parent" = "$1" ] && echo "$child"; done); do
        end "$child"
    done
    kill -KILL "$1"
}"#;

/// How much of a command's output is kept, in bytes.
pub(crate) const LONGEST_OUTPUT: usize = 64 * 1024;
/// How long a killed command may take to end.
const GRACE: Duration = Duration::from_secs(2);
/// The pause between two checks whether it has ended.
const PAUSE: Duration = Duration::from_millis(2);

#[cfg(windows)]
#[cfg(test)]
mod tests_on_windows {
    use super::*;

    fn run(command: &str, limit: Duration) -> io::Result<CommandOutput> {
        Wait::default().run(command, limit, Box::new(|_| {}))
    }

    #[test]
    fn a_command_line_is_read_by_the_shell_as_it_is_written() {
        let limit = Duration::from_mins(1);
        let ran = run("echo out& echo err>&2& exit /b 3", limit).unwrap();
        assert_eq!(
            (ran.success, &ran.stdout[..], &ran.stderr[..]),
            (false, &b"out\r\n"[..], &b"err\r\n"[..])
        );
        assert_eq!(ran.code, Some(3));
        // The path of a program may have blanks in it, and quotes around it.
        let folder = tempfile::tempdir().unwrap();
        let helper = folder.path().join("a helper.cmd");
        std::fs::write(&helper, "@echo %~1 and %~2\r\n").unwrap();
        let ran = run(&format!("\"{}\" \"a b\" c", helper.display()), limit).unwrap();
        assert_eq!((ran.success, &ran.stdout[..]), (true, &b"a b and c\r\n"[..]));
        assert!(!run("no-such-program-of-anyone", limit).unwrap().success);
    }

    #[test]
    fn what_takes_too_long_is_ended() {
        let begun = Instant::now();
        let error = run("ping -n 60 127.0.0.1 >nul", Duration::from_millis(100)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() < Duration::from_secs(50));
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{BufRead as _, BufReader};
    use std::path::Path;
    use std::sync::mpsc::{Receiver, channel};

    use super::super::Context;
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    fn run(command: &str, limit: Duration) -> io::Result<CommandOutput> {
        Wait::default().run(command, limit, Box::new(|_| {}))
    }

    fn fifo(path: &Path) {
        assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    }

    /// A command that starts others, of which some ignore signals. All of them hold the pipe open, and one writes a
    /// line into it.
    fn tree(pipe: &Path) -> String {
        format!(
            "exec 9>{}; sleep 1000 & sh -c 'sleep 1000 & sleep 1000' & \
             sh -c 'trap \"\" HUP INT TERM; sleep 1000 & echo up >&9; wait' & wait",
            pipe.display()
        )
    }

    /// Tells when the tree is up, and then when all of it has ended.
    fn watch(pipe: &Path) -> Receiver<()> {
        let (sender, ended) = channel();
        let pipe = pipe.to_owned();
        thread::spawn(move || {
            let mut pipe = BufReader::new(File::open(pipe).unwrap());
            let mut line = String::new();
            pipe.read_line(&mut line).unwrap();
            sender.send(()).unwrap();
            assert_eq!((line.as_str(), pipe.read(&mut [0]).unwrap()), ("up\n", 0));
            sender.send(()).unwrap();
        });
        ended
    }

    #[test]
    fn a_command_is_run_to_its_end() {
        let ran = run("printf out; printf err >&2; read line || exit 3", LONG).unwrap();
        assert_eq!((ran.success, &ran.stdout[..], &ran.stderr[..]), (false, &b"out"[..], &b"err"[..]));
        assert_eq!(ran.code, Some(3));
        assert!(run("exit 0", LONG).unwrap().success);
        assert_eq!(run("kill -KILL $$", LONG).unwrap().code, None);
        assert!(!run("kill -KILL $$", LONG).unwrap().success);
        // More than is kept, and more than a pipe holds.
        let ran = run("yes | head -c 1000000; yes | head -c 1000000 >&2", LONG).unwrap();
        assert_eq!((ran.success, ran.stdout.len(), ran.stderr.len()), (true, LONGEST_OUTPUT, LONGEST_OUTPUT));
    }

    #[test]
    fn what_a_command_says_is_heard_while_it_runs() {
        let folder = tempfile::tempdir().unwrap();
        let go = folder.path().join("go");
        fifo(&go);
        let (sender, heard) = channel();
        let command = format!("echo code: >&2; read -r line <{}; echo $line >&2", go.display());
        let running = thread::spawn(move || {
            let hear = move |bytes: &[u8]| sender.send(bytes.to_owned()).unwrap();
            Wait::default().run(&command, LONG, Box::new(hear))
        });
        assert_eq!(heard.recv_timeout(LONG).unwrap(), b"code:\n");
        // It goes on only now.
        std::fs::write(&go, "done\n").unwrap();
        assert_eq!(running.join().unwrap().unwrap().stderr, b"code:\ndone\n");
        assert_eq!(heard.recv_timeout(LONG).unwrap(), b"done\n");
    }

    #[test]
    fn what_takes_too_long_is_ended_with_all_that_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        fifo(&pipe);
        // On a busy machine the tree may be up late.
        let mut limit = Duration::from_millis(250);
        loop {
            let ended = watch(&pipe);
            let error = run(&tree(&pipe), limit).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut);
            if ended.try_recv().is_ok() {
                break ended.recv_timeout(LONG).unwrap();
            }
            assert!(limit < LONG);
            limit *= 2;
        }
    }

    #[cfg(feature = "chain")]
    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_ended_with_all_that_it_has_started() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        fifo(&pipe);
        let ended = Arc::new(std::sync::Mutex::new(watch(&pipe)));
        let up = Arc::clone(&ended);
        let (context, command) = (Context::real(), tree(&pipe));
        let running = context.run_aside(&command, Duration::from_hours(1), Box::new(|_| {}));
        let up = tokio::task::spawn_blocking(move || up.lock().unwrap().recv_timeout(LONG));
        tokio::select! {
            ran = running => panic!("{ran:?}"),
            up = up => up.unwrap().unwrap(),
        }
        // The select has dropped the future.
        ended.lock().unwrap().recv_timeout(LONG).unwrap();
    }

    #[test]
    fn what_a_command_leaves_behind_on_purpose_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let [ask, answer] = ["ask", "answer"].map(|name| folder.path().join(name));
        fifo(&ask);
        fifo(&answer);
        let (from, to) = (ask.display(), answer.display());
        let ran = run(&format!("(read -r line <{from}; echo $line >{to}) >/dev/null 2>&1 & echo $$"), LONG);
        let ran = ran.unwrap();
        assert!(ran.success);
        std::fs::write(&ask, "still here\n").unwrap();
        assert_eq!(std::fs::read(&answer).unwrap(), b"still here\n");
        // The watcher ends too. Away from a terminal it is in the group of the command.
        let group = String::from_utf8(ran.stdout.clone()).unwrap();
        let deadline = Instant::now() + LONG;
        loop {
            let groups = Command::new("ps").args(["-A", "-o", "pgid="]).output().unwrap().stdout;
            let groups = String::from_utf8(groups).unwrap();
            if !groups.lines().any(|line| line.trim() == group.trim()) {
                break;
            }
            assert!(Instant::now() < deadline, "a process of the group {group} is left");
        }
    }
}
