//! Bytes.

use alloc::borrow::Cow;
use alloc::string::{String, ToString};
use core::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{GeneralPurpose, PAD};
use bytes::Bytes;

use super::read::{Failed, Null, Shape, Source};
use super::write::Written;
use crate::error::{Error, ErrorKind};

/// Bytes, which the API writes in JSON as padded base64. White space in base64 is ignored.
///
/// `Debug` shows only the length.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Blob(pub Bytes);

impl Blob {
    /// Decodes base64.
    pub fn from_base64(text: &str) -> crate::Result<Self> {
        let spaced = text.bytes().any(|byte| byte.is_ascii_whitespace());
        let text = if spaced {
            Cow::Owned(text.split_ascii_whitespace().collect::<String>())
        } else {
            Cow::Borrowed(text)
        };
        BASE64.decode(&*text).map(|bytes| Self(bytes.into())).map_err(|source| {
            // As a text: without `std`, base64's error is not one of `core`.
            Error::new(ErrorKind::InvalidInput, "expected bytes in padded base64")
                .with_source(source.to_string())
        })
    }

    /// The bytes in padded base64.
    pub fn to_base64(&self) -> String {
        BASE64.encode(&self.0)
    }
}

impl<T: Into<Bytes>> From<T> for Blob {
    fn from(bytes: T) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Debug for Blob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Blob({} bytes)", self.0.len())
    }
}

impl Shape for Blob {
    fn blank() -> Self {
        Self::default()
    }

    fn read(&mut self, source: &mut dyn Source, null: Null) -> Result<bool, Failed> {
        let mut text = String::new();
        let found = text.read(source, null)?;
        *self = Self::from_base64(&text).map_err(|error| match core::error::Error::source(&error) {
            Some(cause) => source.fail(&format_args!("{error}: {cause}")),
            None => source.fail(&error),
        })?;
        Ok(found)
    }

    fn content(&self) -> Written<'_> {
        Written::Blob(self)
    }
}

crate::serde! { Blob }

/// Padded base64, as the API writes it. When reading, the padding may be missing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    PAD.with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_in_base64_is_ignored() {
        assert_eq!(serde_json::to_string(&Blob::from(&b"\0\xffab"[..])).unwrap(), r#""AP9hYg==""#);
        for text in [r#""AP9hYg==""#, r#""AP9hYg""#, r#"" AP9h\r\nYg==\n""#] {
            assert_eq!(serde_json::from_str::<Blob>(text).unwrap().0, &b"\0\xffab"[..]);
        }
        let fault = serde_json::from_str::<Blob>(r#""AP$=""#).unwrap_err().to_string();
        assert!(fault.contains("expected bytes in padded base64: Invalid"), "{fault}");
    }
}
