//! Temporary keys in files, so that the next process need not ask for them again: for a shell's loop, or the code of an
//! MFA device.
//!
//! A file is named by a hash of everything that its keys were made from, secrets included: whoever cannot make the keys
//! does not find them, and a change of the configuration leads to another file. Only the user can read it, and one
//! that others can read, or that belongs to somebody else, is ignored.

use std::path::PathBuf;
use std::time::Duration;

use aws_credential_types::Credentials as Keys;
use ring::digest::SHA256;
use serde_json::json;
use zeroize::Zeroizing;

use super::ProviderContext;
use super::secret::{Fields, hashed_name};
use crate::date::rfc3339;

/// The keys of one way to make them.
pub(super) struct CachedKeys<'a> {
    cx: &'a ProviderContext,
    /// `None` if nothing is cached.
    file: Option<PathBuf>,
}

impl<'a> CachedKeys<'a> {
    /// Those that are made from these parts, in this order.
    pub(super) fn new(cx: &'a ProviderContext, parts: &[&str]) -> Self {
        let file = || {
            let mut key = Zeroizing::new(String::new());
            for part in parts {
                key.extend([&*part.len().to_string(), ":", part]);
            }
            Some(cx.context.cache_folder()?.join("credentials").join(hashed_name(&SHA256, &key)))
        };
        Self { cx, file: cx.caches_on_disk.then(file).flatten() }
    }

    /// The keys, if they are cached and neither refused nor about to expire.
    pub(super) fn get(&self) -> Option<Keys> {
        let Self { cx, file } = self;
        let text = cx.context.read_private(file.as_ref()?)?;
        let fields = Fields::read("", &text).ok()?;
        let expires = fields.time("expiration").ok()??;
        let account = fields.string("accountId");
        let account = account.as_ref().map(super::secret::Secret::text);
        let keys =
            fields.keys(["accessKeyId", "secretAccessKey", "sessionToken"], account, Some(expires)).ok()?;
        (cx.context.service_time() + LEAST_TIME < expires && !cx.is_refused(keys.access_key_id()))
            .then_some(keys)
    }

    /// Caches keys. If that fails, the next process asks for them again.
    pub(super) fn set(&self, keys: &Keys) {
        let context = &self.cx.context;
        let Some((file, expires)) = self.file.as_ref().zip(keys.expiry().and_then(rfc3339)) else { return };
        let Some(folder) = file.parent() else { return };
        let json = |text: &str| Zeroizing::new(json!(text).to_string());
        let (id, secret, expires) =
            (json(keys.access_key_id()), json(keys.secret_access_key()), json(&expires));
        let token = keys.session_token().map(json);
        let account = keys.account_id().map(|account| json(account.as_str()));
        let mut members =
            vec![("accessKeyId", &**id), ("secretAccessKey", &**secret), ("expiration", &**expires)];
        members.extend(token.as_ref().map(|token| ("sessionToken", &***token)));
        members.extend(account.as_ref().map(|account| ("accountId", &***account)));
        let Ok(text) = Fields::read("", b"{}").map(|fields| fields.with(&members)) else { return };
        let _ = context.create_private_folder(folder).and_then(|()| {
            context.clear_old(folder, LONGEST_TIME);
            context.write_private(file, &text)
        });
    }
}

/// How long keys must still be valid to be used. The cache in memory refreshes them no sooner.
const LEAST_TIME: Duration = Duration::from_mins(5);
/// After this time, no keys are valid any more.
const LONGEST_TIME: Duration = Duration::from_hours(36);
