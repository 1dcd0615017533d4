//! A session in a file that several programs refresh. A refresh token works once, so a lock lets one program at a
//! time refresh, and the others read what it wrote.

use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

use super::provider_context::{Fault, ProviderContext};
use super::secret::in_file;
use crate::context::Context;
use crate::{Error, Result};

/// The content of the file.
pub(super) struct Session<T> {
    /// What the caller needs.
    pub(super) value: T,
    pub(super) expires: SystemTime,
    pub(super) refreshable: bool,
}

/// The session in a file, refreshed if it is about to expire. If that fails, it is used until it has expired.
///
/// `refresh` turns the file's content into the new session and the file's new content. `unreadable` makes the error
/// of a file that cannot be read.
pub(super) async fn current<T, F>(
    cx: &ProviderContext,
    path: &Path,
    unreadable: impl Fn(&str) -> Error,
    read: impl Fn(&[u8]) -> Result<Session<T>>,
    refresh: impl FnOnce(Zeroizing<Vec<u8>>) -> F,
) -> Result<T, Fault>
where
    F: Future<Output = Result<(T, Zeroizing<Vec<u8>>), Fault>>,
{
    let context = &cx.context;
    let (mut text, mut session) = load(context, path, &unreadable, &read).await?;
    let is_fresh = |session: &Session<T>| context.now() + WINDOW < session.expires;
    if is_fresh(&session) || !session.refreshable && context.now() < session.expires {
        return Ok(session.value);
    }

    let mut _lock = None;
    if session.refreshable && !cx.offline {
        let deadline = Instant::now() + LONGEST_WAIT;
        _lock = loop {
            match context.try_lock(path) {
                // Another program is refreshing it, and it is still valid.
                None if context.now() < session.expires => return Ok(session.value),
                None if Instant::now() < deadline => sleep(Duration::from_millis(20)).await,
                lock => break lock,
            }
        };
        (text, session) = load(context, path, &unreadable, &read).await?;
        if is_fresh(&session) {
            return Ok(session.value);
        }
    }

    let fault = match refresh(text.clone()).await {
        Ok((value, changed)) => {
            // Do not overwrite what a tool without locks has written meanwhile.
            if in_file(context, path).is_ok_and(|found| found == text) {
                // A session that cannot be saved can be used all the same.
                let _ = context.write_private(path, &changed);
            }
            return Ok(value);
        }
        Err(_) if context.now() < session.expires => return Ok(session.value),
        Err(fault) => fault,
    };
    // A tool without locks may have used the refresh token first: its session is in the file, or about to be.
    if matches!(&fault, Fault::Broken(error) if error.status().is_some_and(|status| (400..500).contains(&status)))
    {
        for _ in 0..5 {
            if let Ok((found, session)) = load(context, path, &unreadable, &read).await
                && found != text
                && context.now() < session.expires
            {
                return Ok(session.value);
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
    Err(fault)
}

/// Reads the file. Some tools write it in place, so a damaged file may be half written and is read again.
async fn load<T>(
    context: &Context,
    path: &Path,
    unreadable: &impl Fn(&str) -> Error,
    read: &impl Fn(&[u8]) -> Result<Session<T>>,
) -> Result<(Zeroizing<Vec<u8>>, Session<T>)> {
    let mut tries = 0;
    loop {
        let text = in_file(context, path).map_err(|why| unreadable(&why))?;
        tries += 1;
        match read(&text) {
            Ok(session) => return Ok((text, session)),
            Err(_) if tries < 3 => sleep(Duration::from_millis(20)).await,
            Err(error) => return Err(unreadable(&error.to_string())),
        }
    }
}

/// How long before its expiry a session is refreshed.
const WINDOW: Duration = Duration::from_mins(5);
/// How long to wait for another program that refreshes it.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::fs;

    use tokio::join;

    use super::*;
    use crate::ErrorKind;

    /// A file has the name of a session and the second of its expiry. It is refreshable if that second is even.
    fn read(text: &[u8]) -> Result<Session<String>> {
        let text = std::str::from_utf8(text).unwrap();
        let (name, end) =
            text.split_once(' ').ok_or_else(|| Error::new(ErrorKind::Damaged, "half written"))?;
        let end = end.parse().unwrap();
        let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(end);
        Ok(Session { value: name.to_owned(), expires, refreshable: end % 2 == 0 })
    }

    /// The value of a file at the second 10,000, if its refresh has this result after this many seconds; and whether a
    /// refresh was requested.
    async fn current_after(
        cx: &ProviderContext,
        path: &str,
        (seconds, refreshed): (u64, Result<&str, u16>),
    ) -> (Result<String, String>, bool) {
        let asked = Cell::new(false);
        let unreadable = |why: &str| Error::new(ErrorKind::Credentials, why);
        let refresh = |_: Zeroizing<Vec<u8>>| async {
            asked.set(true);
            sleep(Duration::from_secs(seconds)).await;
            let refused = |status| Error::new(ErrorKind::Credentials, "refused").with_status(status);
            let name = refreshed.map_err(refused)?;
            Ok((name.to_owned(), Zeroizing::new(format!("{name} 20000").into_bytes())))
        };
        let value = current(cx, Path::new(path), unreadable, read, refresh).await;
        let value = value.map_err(|fault| match fault {
            Fault::Broken(error) => error.to_string(),
            Fault::Offline(what) => what,
        });
        (value, asked.get())
    }

    fn cx(context: Context) -> ProviderContext {
        ProviderContext::new(context)
    }

    fn fake(file: &str) -> Context {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(10_000);
        Context::fake().with_clock(move || now).with_file("f", file)
    }

    fn file(context: &Context) -> Option<String> {
        context.read_file(Path::new("f")).unwrap().map(|text| String::from_utf8(text).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_refreshed_near_its_end_and_used_until_then() {
        for (text, refresh, value, asked) in [
            ("old 10302", Ok("new"), Ok("old"), false),
            ("old 10300", Ok("new"), Ok("new"), true),
            ("old 10300", Err(400), Ok("old"), true),
            ("old 10301", Ok("new"), Ok("old"), false),
            ("old 10000", Ok("new"), Ok("new"), true),
            ("old 10000", Err(400), Err("refused"), true),
            ("old", Ok("new"), Err("half written"), false),
        ] {
            let context = fake(text);
            let got = current_after(&cx(context.clone()), "f", (1, refresh)).await;
            assert_eq!(got, (value.map(str::to_owned).map_err(str::to_owned), asked), "{text}");
            let kept = if got.0.is_ok_and(|value| value == "new") { "new 20000" } else { text };
            assert_eq!(file(&context).as_deref(), Some(kept));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_written_by_a_tool_without_locks_is_used_and_kept() {
        // The first content, the result of a refresh that takes a second, a later content and its time, the value.
        for (text, refresh, (milliseconds, later), value) in [
            // The other tool was first, so our refresh is refused.
            ("old 10000", Err(400), (500, "theirs 20002"), Ok("theirs")),
            ("old 10000", Err(401), (1300, "theirs 20002"), Ok("theirs")),
            ("old 10000", Err(400), (1300, "theirs 9998"), Err("refused")),
            ("old 10000", Err(400), (2000, "theirs 20002"), Err("refused")),
            // A failing service says nothing about the session.
            ("old 10000", Err(503), (1300, "theirs 20002"), Err("refused")),
            // A new sign-in during the refresh.
            ("old 10000", Ok("new"), (500, "theirs 20002"), Ok("new")),
            // A file that is half written.
            ("theirs", Ok("new"), (10, "theirs 20002"), Ok("theirs")),
        ] {
            let context = fake(text);
            let given = cx(context.clone());
            let write = async {
                sleep(Duration::from_millis(milliseconds)).await;
                let _ = context.clone().with_file("f", later);
            };
            let ((got, _), ()) = join!(current_after(&given, "f", (1, refresh)), write);
            assert_eq!(got, value.map(str::to_owned).map_err(str::to_owned), "{text}, then {later}");
            assert_eq!(file(&context).as_deref(), Some(later));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_one_caller_refreshes_a_session_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("session");
        let path = path.to_str().unwrap();
        let given = cx(Context::real());
        let long = (u64::MAX / 1_000_000_000) & !1;

        fs::write(path, "old 10000").unwrap();
        let refreshed = RefCell::new(Vec::new());
        let one = async |number: usize| {
            let (value, asked) = current_after(&given, path, (3, Ok("new"))).await;
            refreshed.borrow_mut().extend(asked.then_some(number));
            assert_eq!(value.unwrap(), "new");
            // By the real clock the refreshed session has expired too, so the next caller would refresh it again.
            fs::write(path, format!("new {long}")).unwrap();
        };
        join!(one(1), one(2), one(3));
        assert_eq!(refreshed.borrow().len(), 1, "{refreshed:?}");

        // A sign-out during the refresh stays in effect.
        fs::write(path, "old 10000").unwrap();
        let sign_out = async {
            sleep(Duration::from_secs(1)).await;
            fs::remove_file(path).unwrap();
        };
        let ((got, _), ()) = join!(current_after(&given, path, (3, Ok("new"))), sign_out);
        // On Windows the lock's file stays.
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!((got.as_deref(), left), (Ok("new"), usize::from(cfg!(windows))));

        // While a session is valid, nobody waits for another's refresh; after its expiry, for a limited time.
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let _lock = Context::real().lock(Path::new(path), Duration::ZERO).unwrap();
        let begun = Instant::now();
        for (end, value, seconds) in [((now + 200) & !1, "old", 0), (10_000, "new", 5)] {
            fs::write(path, format!("old {end}")).unwrap();
            let (got, _) = current_after(&given, path, (0, Ok("new"))).await;
            assert_eq!((&*got.unwrap(), begun.elapsed().as_secs()), (value, seconds));
        }
    }
}
