//! The frames of `application/vnd.amazon.eventstream`, read as they arrive.
//!
//! A frame is, in network byte order,
//!
//! ```text
//! total length u32 │ headers length u32 │ CRC-32 of these 8 bytes │ headers │ payload │ CRC-32 of all before
//! └──────────────── the prelude: 12 bytes ───────────────────────┘
//! ```
//!
//! and a header is `name length u8 │ name │ type u8 │ value`. The encoding is specified in the
//! [Smithy event stream specification](https://smithy.io/2.0/aws/amazon-eventstream.html).
//!
//! [`FrameDecoder`] reads nothing itself. You push bytes, cut anywhere, and get whole frames, whose payloads are
//! slices of the chunks that you pushed: only a frame that lies across chunks is copied. The prelude is checked as
//! soon as its 12 bytes have arrived, so a damaged length is an error at once, and not a wait for bytes that never
//! come.
//!
//! ```
//! use pumice_codec::frame::FrameDecoder;
//!
//! # let bytes = bytes::Bytes::from_static(b"\0\0\0\x10\0\0\0\0\x05\xc2H\xeb}\x98\xc8\xff");
//! let mut decoder = FrameDecoder::new();
//! decoder.push(bytes); // from a socket, a file, ...
//! while let Some(frame) = decoder.next_frame()? {
//!     println!("{:?}: {} bytes", frame.event_type(), frame.payload().len());
//! }
//! decoder.finish()?; // an error if the bytes ended inside a frame
//! # Ok::<(), pumice_codec::Error>(())
//! ```

use alloc::collections::{BTreeSet, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::num::NonZeroU32;

use bytes::{Buf as _, Bytes, BytesMut};
use crc32fast::Hasher;

use crate::error::{Error, ErrorKind, Result};

/// Reads frames from bytes that arrive in pieces; see the [module](self).
///
/// An error is repeated from then on: where the frame after a damaged one begins cannot be known.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    input: Input,
    /// The offset of the next frame, in bytes from the beginning of the stream.
    offset: u64,
    /// Headers of the previous frame, already validated; most frames repeat them.
    last: Headers,
    /// For the current frame. Reused: `Hasher::new` detects the processor's instructions.
    hasher: Hasher,
}

/// A frame in the input.
struct Found {
    /// Its length, in bytes.
    total: usize,
    headers: u32,
    types: Types,
    offset: u64,
}

/// Validated headers.
#[derive(Debug, Default)]
struct Headers {
    bytes: Vec<u8>,
    types: Types,
}

impl FrameDecoder {
    /// A decoder at the beginning of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the next bytes of the stream, cut anywhere. Nothing is read or copied yet.
    pub fn push(&mut self, bytes: impl Into<Bytes>) {
        self.input.push(bytes.into());
    }

    /// The next whole frame, or `None` if more bytes are needed.
    ///
    /// Fails with [`ErrorKind::Damaged`] and the [offset](Error::offset) if a checksum does not match, a length is
    /// over [`MAX_HEADERS`] or [`MAX_PAYLOAD`], or a header is malformed.
    pub fn next_frame(&mut self) -> Result<Option<Frame>> {
        let Some(Found { total, headers, types, offset }) = self.find()? else { return Ok(None) };
        Ok(Some(Frame { bytes: self.input.take(total), headers, types, offset }))
    }

    /// Reads the next whole frame where it lies, which costs less than to take it out; `None` if more bytes are
    /// needed. Fails as [`next_frame`](Self::next_frame) does, and as `read` does. The frame is passed all the same.
    #[doc(hidden)]
    pub fn read_frame<T>(&mut self, read: impl FnOnce(FrameView<'_>) -> Result<T>) -> Result<Option<T>> {
        let Some(Found { total, headers, types, offset }) = self.find()? else { return Ok(None) };
        let bytes = self.input.peek(total).unwrap_or_default();
        let result = read(FrameView { bytes, headers, types, offset });
        self.input.skip(total);
        result.map(Some)
    }

    /// Checks the next frame, if it has arrived whole, and passes it: it is the first in the input.
    fn find(&mut self) -> Result<Option<Found>> {
        let Self { input, offset, last, hasher } = self;
        let Some(prelude) = input.peek(PRELUDE_LENGTH).and_then(<[u8]>::first_chunk) else { return Ok(None) };
        let prelude = Prelude::read(prelude, *offset, hasher)?;
        let Some(bytes) = input.peek(prelude.total()) else { return Ok(None) };
        prelude.check(bytes, *offset, hasher, last)?;
        let found =
            Found { total: prelude.total(), headers: prelude.headers, types: last.types, offset: *offset };
        *offset += u64::from(prelude.total);
        Ok(Some(found))
    }

    /// Checks that the stream may end here. Call it when [`next_frame`] has returned `None` and no more bytes will
    /// come.
    ///
    /// Fails with [`ErrorKind::BrokenOff`] inside a frame.
    ///
    /// [`next_frame`]: Self::next_frame
    pub fn finish(&self) -> Result<()> {
        let found = self.input.len();
        if found == 0 {
            return Ok(());
        }
        // A whole prelude has been checked already.
        let expected = match self.input.partial.first_chunk::<PRELUDE_LENGTH>() {
            Some([t0, t1, t2, t3, ..]) => {
                format!("expected {} bytes", u32::from_be_bytes([*t0, *t1, *t2, *t3]))
            }
            None => format!("expected at least {MIN_FRAME} bytes"),
        };
        let end = self.offset + found as u64;
        Err(Error::new(
            ErrorKind::BrokenOff,
            format!(
                "the stream ends at byte {end}, inside the frame that begins at byte {}: {expected}, found {found}",
                self.offset
            ),
        )
        .with_offset(end))
    }

    /// The offset of the next frame, in bytes from the beginning of the stream.
    pub fn offset(&self) -> u64 {
        self.offset
    }
}

/// The bytes that were pushed and not read yet.
#[derive(Debug, Default)]
struct Input {
    /// The beginning of a frame that lies across chunks; never more than one frame.
    partial: BytesMut,
    /// The rest of the chunk after that. Empty only if there are no more.
    chunk: Bytes,
    later: VecDeque<Bytes>,
}

impl Input {
    fn push(&mut self, bytes: Bytes) {
        if self.chunk.is_empty() {
            self.chunk = bytes;
        } else if !bytes.is_empty() {
            self.later.push_back(bytes);
        }
    }

    /// The first `length` bytes, or `None` while fewer have arrived. Copied only if they lie across chunks.
    fn peek(&mut self, length: usize) -> Option<&[u8]> {
        if self.partial.is_empty() && self.chunk.len() >= length {
            return self.chunk.get(..length);
        }
        self.gather(length)
    }

    /// Moves bytes into the partial frame until it has `length`.
    #[cold]
    fn gather(&mut self, length: usize) -> Option<&[u8]> {
        while self.partial.len() < length && !self.chunk.is_empty() {
            let missing = length - self.partial.len();
            self.partial.extend_from_slice(&self.chunk.split_to(missing.min(self.chunk.len())));
            self.next_chunk();
        }
        self.partial.get(..length)
    }

    /// Takes the first `length` bytes, which have arrived.
    fn take(&mut self, length: usize) -> Bytes {
        if self.partial.is_empty() {
            let bytes = self.chunk.split_to(length);
            self.next_chunk();
            bytes
        } else {
            self.partial.split_to(length).freeze()
        }
    }

    /// Drops the first `length` bytes, which have arrived.
    fn skip(&mut self, length: usize) {
        if self.partial.is_empty() {
            self.chunk.advance(length);
            self.next_chunk();
        } else {
            self.partial.advance(length);
        }
    }

    fn next_chunk(&mut self) {
        if self.chunk.is_empty() {
            self.chunk = self.later.pop_front().unwrap_or_default();
        }
    }

    fn len(&self) -> usize {
        self.partial.len() + self.chunk.len() + self.later.iter().map(Bytes::len).sum::<usize>()
    }
}

/// Writes the checksum of a frame whose headers or payload were changed in place.
#[doc(hidden)]
pub fn seal(frame: &mut [u8]) {
    if let Some((content, checksum)) = frame.split_last_chunk_mut::<CHECKSUM_LENGTH>() {
        *checksum = crc32fast::hash(content).to_be_bytes();
    }
}

/// A frame with valid checksums and headers.
///
/// It refers to the chunk it came from: keeping a frame keeps its whole chunk in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    bytes: Bytes,
    /// The length of the headers.
    headers: u32,
    types: Types,
    offset: u64,
}

/// The positions of the two headers that every event needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Types {
    message: Option<Span>,
    event: Option<Span>,
    /// Whether the message type is another than `event`, and not missing.
    is_other: bool,
}

/// The value of a header: its position in the frame, which is never 0, and its length.
type Span = (NonZeroU32, u16);

impl Frame {
    /// The headers, in the order in which they were sent. Names are unique.
    pub fn headers(&self) -> impl Iterator<Item = (&str, HeaderValue<'_>)> {
        self.view().raw_headers().filter_map(|header| Some((header.name().ok()?, header.value().ok()?)))
    }

    /// The value of the header with this name, if it is a string.
    pub fn string_header(&self, name: &str) -> Option<&str> {
        self.view().string_header(name)
    }

    /// `:message-type`: `event`, `exception` or `error`.
    pub fn message_type(&self) -> Option<&str> {
        self.view().message_type()
    }

    /// `:event-type`: `contentBlockDelta` and others, if the frame is an event.
    pub fn event_type(&self) -> Option<&str> {
        self.view().event_type()
    }

    /// The payload.
    pub fn payload(&self) -> &[u8] {
        self.view().payload()
    }

    /// The payload as `Bytes` that refer to the same memory.
    pub fn payload_bytes(&self) -> Bytes {
        self.bytes.slice(self.view().payload_range())
    }

    /// The offset of the frame, in bytes from the beginning of the stream.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The frame, borrowed.
    #[doc(hidden)]
    pub fn view(&self) -> FrameView<'_> {
        FrameView { bytes: &self.bytes, headers: self.headers, types: self.types, offset: self.offset }
    }
}

/// A [`Frame`] that lies in the input of a decoder. For this library only: what users have is a frame that can be kept.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct FrameView<'a> {
    bytes: &'a [u8],
    /// The length of the headers.
    headers: u32,
    types: Types,
    offset: u64,
}

impl<'a> FrameView<'a> {
    pub(crate) fn string_header(self, name: &str) -> Option<&'a str> {
        match self.raw_headers().find(|header| header.name == name.as_bytes())?.value() {
            Ok(HeaderValue::String(value)) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn message_type(self) -> Option<&'a str> {
        self.text(self.types.message)
    }

    pub(crate) fn event_type(self) -> Option<&'a str> {
        self.text(self.types.event)
    }

    /// [`event_type`](Self::event_type) as bytes, which have been found to be UTF-8 when the frame was read.
    pub(crate) fn event_type_bytes(self) -> Option<&'a [u8]> {
        self.value(self.types.event?)
    }

    pub(crate) fn payload(self) -> &'a [u8] {
        self.bytes.get(self.payload_range()).unwrap_or_default()
    }

    pub(crate) fn offset(self) -> u64 {
        self.offset
    }

    /// Whether `:message-type` is `event`, or missing.
    pub(crate) fn is_event(self) -> bool {
        !self.types.is_other
    }

    fn text(self, span: Option<Span>) -> Option<&'a str> {
        core::str::from_utf8(self.value(span?)?).ok()
    }

    fn value(self, (start, length): Span) -> Option<&'a [u8]> {
        self.bytes.get(start.get() as usize..)?.get(..usize::from(length))
    }

    fn raw_headers(self) -> impl Iterator<Item = RawHeader<'a>> {
        let mut rest = self.bytes.get(PRELUDE_LENGTH..self.payload_range().start).unwrap_or_default();
        core::iter::from_fn(move || RawHeader::take(&mut rest).ok())
    }

    fn payload_range(self) -> core::ops::Range<usize> {
        PRELUDE_LENGTH + self.headers as usize..self.bytes.len() - CHECKSUM_LENGTH
    }
}

/// The value of a header: one of the encoding's ten types, of which two are the booleans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderValue<'a> {
    /// Types 0 (true) and 1 (false).
    Bool(bool),
    /// Type 2.
    Byte(i8),
    /// Type 3.
    Short(i16),
    /// Type 4.
    Integer(i32),
    /// Type 5.
    Long(i64),
    /// Type 6.
    ByteArray(&'a [u8]),
    /// Type 7.
    String(&'a str),
    /// Type 8: milliseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// Type 9.
    Uuid([u8; 16]),
}

/// The lengths at the beginning of a frame, within the limits.
struct Prelude {
    /// Of the whole frame.
    total: u32,
    /// Of the headers.
    headers: u32,
}

impl Prelude {
    /// Leaves the lengths in the hasher.
    fn read(bytes: &[u8; PRELUDE_LENGTH], offset: u64, hasher: &mut Hasher) -> Result<Self> {
        let [lengths @ .., c0, c1, c2, c3] = bytes;
        hasher.reset();
        hasher.update(lengths);
        check_crc("prelude", hasher, [*c0, *c1, *c2, *c3], offset, offset + LENGTHS as u64)?;

        let [t0, t1, t2, t3, h0, h1, h2, h3] = *lengths;
        let prelude = Self {
            total: u32::from_be_bytes([t0, t1, t2, t3]),
            headers: u32::from_be_bytes([h0, h1, h2, h3]),
        };
        if prelude.is_plausible() { Ok(prelude) } else { Err(prelude.implausible(offset)) }
    }

    fn is_plausible(&self) -> bool {
        let (total, headers) = (self.total(), self.headers as usize);
        headers <= MAX_HEADERS && total >= MIN_FRAME + headers && total - MIN_FRAME - headers <= MAX_PAYLOAD
    }

    #[cold]
    fn implausible(&self, offset: u64) -> Error {
        let (total, headers) = (self.total(), self.headers as usize);
        let least = MIN_FRAME.saturating_add(headers);
        let fault = if headers > MAX_HEADERS {
            format!("expected at most {MAX_HEADERS} bytes of headers, found a length of {headers}")
        } else if total < least {
            format!("expected at least {least} bytes, {headers} of them headers, found a length of {total}")
        } else {
            format!("expected at most {MAX_PAYLOAD} bytes of payload, found a length of {}", total - least)
        };
        Error::damaged(offset, format!("the frame at byte {offset}: {fault}"))
    }

    fn total(&self) -> usize {
        self.total as usize
    }

    /// Checks the checksum and the headers of the frame in `bytes`, whose lengths are in the hasher already. The
    /// headers become `last`.
    fn check(&self, bytes: &[u8], offset: u64, hasher: &mut Hasher, last: &mut Headers) -> Result<()> {
        if let Some((covered, checksum)) = bytes.split_last_chunk::<CHECKSUM_LENGTH>() {
            hasher.update(covered.get(LENGTHS..).unwrap_or_default());
            check_crc("message", hasher, *checksum, offset, offset + covered.len() as u64)?;
        }
        let headers = bytes.get(PRELUDE_LENGTH..PRELUDE_LENGTH + self.headers as usize).unwrap_or_default();
        if headers != last.bytes {
            last.types = check_headers(headers, offset)?;
            last.bytes.clear();
            last.bytes.extend_from_slice(headers);
        }
        Ok(())
    }
}

fn check_headers(headers: &[u8], offset: u64) -> Result<Types> {
    let mut types = Types::default();
    let mut rest = headers;
    // All-ASCII headers need no UTF-8 check, and nearly all are.
    let ascii = rest.is_ascii();
    // Bedrock's frames have three headers. Past eight, a set keeps the duplicate check cheap on hostile frames.
    let mut names = NamesSeen::default();
    while !rest.is_empty() {
        let at = offset + (PRELUDE_LENGTH + headers.len() - rest.len()) as u64;
        let malformed = |fault: &str| {
            Error::damaged(at, format!("a header at byte {at}, in the frame at byte {offset}: {fault}"))
        };
        let header = RawHeader::take(&mut rest).map_err(malformed)?;
        if !ascii {
            header.name().and(header.value().map(drop)).map_err(malformed)?;
        }
        if !names.insert(header.name) {
            let name = String::from_utf8_lossy(header.name);
            return Err(malformed(&format!("expected a new name, found {name:?} again")));
        }
        if header.value_type == STRING {
            let start = PRELUDE_LENGTH + headers.len() - rest.len() - header.value.len();
            let span =
                u32::try_from(start).ok().and_then(NonZeroU32::new).zip(header.value.len().try_into().ok());
            match header.name {
                b":message-type" => {
                    types.message = span;
                    types.is_other = header.value != b"event";
                }
                b":event-type" => types.event = span,
                _ => {}
            }
        }
    }
    Ok(types)
}

/// The header names of one frame.
#[derive(Default)]
struct NamesSeen<'a> {
    few: [&'a [u8]; 8],
    length: usize,
    many: Option<BTreeSet<&'a [u8]>>,
}

impl<'a> NamesSeen<'a> {
    /// `false` if the name was there.
    fn insert(&mut self, name: &'a [u8]) -> bool {
        if self.few.iter().take(self.length).any(|seen| *seen == name) {
            return false;
        }
        match self.few.get_mut(self.length) {
            Some(free) => {
                *free = name;
                self.length += 1;
                true
            }
            None => self.many.get_or_insert_default().insert(name),
        }
    }
}

#[inline]
fn check_crc(
    what: &str,
    hasher: &Hasher,
    checksum: [u8; CHECKSUM_LENGTH],
    frame: u64,
    at: u64,
) -> Result<()> {
    let (expected, found) = (hasher.clone().finalize(), u32::from_be_bytes(checksum));
    if expected == found { Ok(()) } else { Err(wrong_crc(what, expected, found, frame, at)) }
}

#[cold]
fn wrong_crc(what: &str, expected: u32, found: u32, frame: u64, at: u64) -> Error {
    Error::damaged(
        at,
        format!(
            "the frame at byte {frame} is damaged: expected the {what} checksum {expected:08x}, found {found:08x} at byte {at}"
        ),
    )
}

/// A header whose texts have not been checked.
struct RawHeader<'a> {
    name: &'a [u8],
    value_type: u8,
    value: &'a [u8],
}

impl<'a> RawHeader<'a> {
    /// Takes one header off the beginning of `bytes`.
    fn take(bytes: &mut &'a [u8]) -> Result<Self, &'static str> {
        let [name_length] = take(bytes)?;
        if name_length == 0 {
            return Err("expected a name of at least one byte, found none");
        }
        let name = take_slice(bytes, name_length.into())?;
        let [value_type] = take(bytes)?;
        let length = match value_type {
            0 | 1 => 0,
            2 => 1,
            3 => 2,
            4 => 4,
            5 | 8 => 8,
            6 | 7 => u16::from_be_bytes(take(bytes)?).into(),
            9 => 16,
            _ => return Err("expected a type from 0 to 9, found another"),
        };
        Ok(Self { name, value_type, value: take_slice(bytes, length)? })
    }

    fn name(&self) -> Result<&'a str, &'static str> {
        core::str::from_utf8(self.name).map_err(|_| "expected a name in UTF-8")
    }

    fn value(&self) -> Result<HeaderValue<'a>, &'static str> {
        let mut value = self.value;
        Ok(match self.value_type {
            0 => HeaderValue::Bool(true),
            1 => HeaderValue::Bool(false),
            2 => HeaderValue::Byte(i8::from_be_bytes(take(&mut value)?)),
            3 => HeaderValue::Short(i16::from_be_bytes(take(&mut value)?)),
            4 => HeaderValue::Integer(i32::from_be_bytes(take(&mut value)?)),
            5 => HeaderValue::Long(i64::from_be_bytes(take(&mut value)?)),
            6 => HeaderValue::ByteArray(value),
            STRING => {
                HeaderValue::String(core::str::from_utf8(value).map_err(|_| "expected a string in UTF-8")?)
            }
            8 => HeaderValue::Timestamp(i64::from_be_bytes(take(&mut value)?)),
            _ => HeaderValue::Uuid(take(&mut value)?),
        })
    }
}

const CUT_OFF: &str = "expected more bytes, found the end of the headers";

fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], &'static str> {
    let (taken, rest) = bytes.split_first_chunk().ok_or(CUT_OFF)?;
    *bytes = rest;
    Ok(*taken)
}

fn take_slice<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8], &'static str> {
    let (taken, rest) = bytes.split_at_checked(length).ok_or(CUT_OFF)?;
    *bytes = rest;
    Ok(taken)
}

/// The media type of a body that consists of frames.
pub const MEDIA_TYPE: &str = "application/vnd.amazon.eventstream";

/// The most bytes of headers in a frame: 128 KiB.
pub const MAX_HEADERS: usize = 128 * 1024;

/// The most bytes of payload in a frame: 24 MiB.
pub const MAX_PAYLOAD: usize = 24 * 1024 * 1024;

/// The type of a header whose value is text.
const STRING: u8 = 7;
/// The two lengths at the beginning of a frame, in bytes.
const LENGTHS: usize = 8;
const PRELUDE_LENGTH: usize = LENGTHS + CHECKSUM_LENGTH;
const CHECKSUM_LENGTH: usize = 4;
const MIN_FRAME: usize = PRELUDE_LENGTH + CHECKSUM_LENGTH;

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame may announce more bytes than ever arrive: no memory is reserved for them.
    #[test]
    fn buffers_hold_no_more_than_has_arrived() {
        let lengths = [MIN_FRAME + MAX_HEADERS + MAX_PAYLOAD, MAX_HEADERS];
        let mut frame = lengths.map(|length| u32::try_from(length).unwrap().to_be_bytes()).concat();
        frame.extend(crc32fast::hash(&frame).to_be_bytes());
        let mut decoder = FrameDecoder::new();
        for _ in 0..64 {
            decoder.push(frame.clone());
            assert!(decoder.next_frame().unwrap().is_none());
            let held = decoder.input.len() - decoder.input.partial.len() + decoder.input.partial.capacity();
            assert!(
                held <= 2 * decoder.input.partial.len() + 64,
                "{held} bytes for {}",
                decoder.input.partial.len()
            );
            frame = vec![0; 1000];
        }
    }
}
