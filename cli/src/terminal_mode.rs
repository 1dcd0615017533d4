//! The mode of the terminal: how it was, and what the program does to it.

use std::fs::File;
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// The terminal, and its mode before the program changed it.
static TERMINAL: Mutex<Option<(File, Termios)>> = Mutex::new(None);

fn terminal() -> MutexGuard<'static, Option<(File, Termios)>> {
    TERMINAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Restores the mode, if it was kept.
pub(crate) fn restore() {
    if let Some((terminal, mode)) = terminal().take() {
        // If it is gone, there is nothing to restore.
        let _ = tcsetattr(&terminal, OptionalActions::Now, &mode);
    }
}

/// The mode of the terminal, which is restored when this is dropped, or when a signal ends the program.
pub(crate) struct TerminalMode(());

impl TerminalMode {
    pub(crate) fn keep() -> Self {
        let found = File::options().read(true).write(true).open("/dev/tty");
        *terminal() = found.ok().and_then(|found| tcgetattr(&found).ok().map(|mode| (found, mode)));
        Self(())
    }

    /// Has what is typed wait for the next prompt, unseen: shown among what the program writes, it would be in the way.
    /// It waits as keys and not as lines, of which terminals keep 4095 bytes.
    pub(crate) fn hold_keys(hold: bool) {
        if let Some((terminal, mode)) = &*terminal() {
            let mut mode = mode.clone();
            if hold {
                mode.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON);
                // Ctrl-C does not discard what is held.
                mode.local_modes.insert(LocalModes::NOFLSH);
            }
            // Otherwise it is shown.
            let _ = tcsetattr(terminal, OptionalActions::Now, &mode);
        }
    }

    /// Ends what the line editor had the terminal do.
    pub(crate) fn end_editor() {
        // A write may block, and whoever ends the program then restores the mode.
        let terminal = terminal().as_ref().and_then(|(terminal, _)| terminal.try_clone().ok());
        // The program ends even if the terminal cannot be written to.
        let _ = terminal.map(|mut terminal| terminal.write_all(b"\x1b[?2004l\r\n"));
    }
}

impl Drop for TerminalMode {
    fn drop(&mut self) {
        restore();
    }
}
