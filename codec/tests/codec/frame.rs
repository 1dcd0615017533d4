//! The frame reader, compared with frames that `aws-smithy-eventstream` writes, and with what its decoder makes of damaged
//! and forged ones.

#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::panic, reason = "a test")]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder, write_message_to};
use aws_smithy_types::DateTime;
use aws_smithy_types::event_stream::{Header, HeaderValue as Written, Message};
use bytes::{Buf as _, Bytes};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::Index;
use pumice_codec::frame::{Frame, FrameDecoder, HeaderValue, MAX_HEADERS, MAX_PAYLOAD};
use pumice_codec::{Error, ErrorKind};
use support::frames::read;

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_written_is_read_however_it_is_cut(messages in messages(), sizes in vec(1_usize..90, 1..12)) {
        let stream = written(&messages);
        let whole = read([&stream[..]]).unwrap();
        prop_assert_eq!(&whole.iter().map(as_written).collect::<Vec<_>>(), &messages);

        prop_assert_eq!(&read(cut(&stream, &sizes)).unwrap(), &whole);
        prop_assert_eq!(&read(stream.chunks(1)).unwrap(), &whole);
        // Everything is pushed before anything is read.
        let mut decoder = FrameDecoder::new();
        for piece in cut(&stream, &sizes) {
            decoder.push(Bytes::copy_from_slice(piece));
        }
        let mut frames = Vec::new();
        while let Some(frame) = decoder.next_frame().unwrap() {
            frames.push(frame);
        }
        prop_assert_eq!(&frames, &whole);
        decoder.finish().unwrap();
    }

    #[test]
    fn a_payload_is_a_slice_of_the_chunk_that_the_frame_lies_in(
        messages in messages(),
        sizes in vec(1_usize..600, 1..6),
    ) {
        let stream = Bytes::from(written(&messages));
        let mut decoder = FrameDecoder::new();
        let mut chunks = Vec::new();
        let mut start = 0;
        for piece in cut(&stream, &sizes) {
            // Separate memory for each chunk, so that no two are adjacent.
            let chunk = Bytes::copy_from_slice(piece);
            decoder.push(chunk.clone());
            start += piece.len();
            chunks.push((start - piece.len()..start, chunk));
        }
        let mut frames = 0;
        while let Some(frame) = decoder.next_frame().unwrap() {
            frames += 1;
            let range = range(&frame);
            let payload = frame.payload();
            let slice_of = |chunk: &Bytes| chunk.as_ptr_range().contains(&payload.as_ptr());
            let home = chunks.iter().find(|(bytes, _)| bytes.start <= range.start && range.end <= bytes.end);
            let Some((bytes, chunk)) = home else {
                prop_assert!(payload.is_empty() || !chunks.iter().any(|(_, chunk)| slice_of(chunk)));
                continue;
            };
            let at = range.end - 4 - payload.len() - bytes.start;
            prop_assert_eq!(payload.as_ptr(), chunk[at..].as_ptr());
            prop_assert_eq!(frame.payload_bytes().as_ptr(), payload.as_ptr());
        }
        prop_assert_eq!(frames, messages.len());
    }

    #[test]
    fn a_damaged_byte_is_an_error_that_names_the_checksum_it_breaks(
        messages in messages(),
        mask in 1_u8..,
        sizes in vec(1_usize..90, 1..12),
    ) {
        let stream = written(&messages);
        let whole = read([&stream[..]]).unwrap();
        for (at, _) in stream.iter().enumerate() {
            let mut damaged = stream.clone();
            damaged[at] ^= mask;
            let (before, error) = read(cut(&damaged, &sizes)).unwrap_err();
            let hit = whole.iter().position(|frame| range(frame).contains(&at)).unwrap();
            prop_assert_eq!(&before[..], &whole[..hit]);
            prop_assert_eq!(error.kind(), ErrorKind::Damaged);
            let Range { start, end } = range(&whole[hit]);
            let checksum = if at < start + 12 { start + 8 } else { end - 4 };
            prop_assert_eq!(error.offset(), Some(checksum as u64));
            let named = format!("the frame at byte {start} is damaged");
            prop_assert!(error.message().starts_with(&named), "{}", error);
        }
    }

    #[test]
    fn a_beginning_of_a_stream_is_a_beginning_of_its_frames(
        messages in messages(),
        sizes in vec(1_usize..90, 1..12),
    ) {
        let stream = written(&messages);
        let whole = read([&stream[..]]).unwrap();
        for length in 0..=stream.len() {
            let complete = whole.iter().take_while(|frame| range(frame).end <= length).count();
            let end = whole[..complete].last().map_or(0, |frame| range(frame).end);
            let pieces = cut(&stream[..length], &sizes);
            if end == length {
                prop_assert_eq!(&read(pieces).unwrap()[..], &whole[..complete]);
                continue;
            }
            let (frames, error) = read(pieces).unwrap_err();
            prop_assert_eq!(&frames[..], &whole[..complete]);
            prop_assert_eq!(error.kind(), ErrorKind::BrokenOff);
            prop_assert_eq!(error.offset(), Some(length as u64));
            let where_ = format!("inside the frame that begins at byte {end}: ");
            prop_assert!(error.message().contains(&where_), "{}", error);
            let found = format!(", found {}", length - end);
            prop_assert!(error.message().ends_with(&found), "{}", error);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..400), sizes in vec(1_usize..90, 1..12)) {
        prop_assert_eq!(outcome(read(cut(&bytes, &sizes))), outcome(read([&bytes[..]])));
        prop_assert_eq!(ends_well(&bytes), judged(&bytes).1);
    }

    #[test]
    fn the_judge_reads_the_same_of_mutated_streams(
        messages in messages(),
        mutations in vec(mutation(), 0..3),
    ) {
        let mut stream = written(&messages);
        for mutation in &mutations {
            mutation.apply(&mut stream);
        }
        prop_assert_eq!(ours(&stream), judged(&stream));
    }

    /// These frames have valid checksums, so their content is checked.
    #[test]
    fn the_judge_reads_the_same_of_forged_frames(frames in vec(forged_frame(), 1..4)) {
        let stream = frames.concat();
        prop_assert_eq!(ours(&stream), judged(&stream));
    }
}

#[test]
fn a_frame_is_there_with_its_last_byte() {
    let frames = [text_frame("a"), text_frame("bc"), raw(&[], &[])];
    let mut decoder = FrameDecoder::new();
    for frame in &frames {
        for (left, byte) in frame.iter().enumerate().map(|(at, byte)| (frame.len() - 1 - at, *byte)) {
            decoder.push(vec![byte]);
            assert_eq!(decoder.next_frame().unwrap().is_some(), left == 0, "{left} bytes are missing");
        }
    }
    decoder.finish().unwrap();
    assert_eq!(decoder.offset(), frames.concat().len() as u64);
}

#[test]
fn every_flipped_bit_is_an_error() {
    let stream = [text_frame("x"), raw(&[], b"payload"), raw(&[], &[])].concat();
    for bit in 0..stream.len() * 8 {
        let mut damaged = stream.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        let (_, error) = read([&damaged[..]]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Damaged, "bit {bit}");
    }
}

#[test]
fn the_prelude_is_judged_with_its_twelfth_byte() {
    let (most_headers, most_payload) = (u32_of(MAX_HEADERS), u32_of(MAX_PAYLOAD));
    let mut damaged = prelude(0x0010_0100, 0x40);
    damaged[1] ^= 0x80;
    for (prelude, at, fault) in [
        (damaged, 108, "prelude checksum "),
        (prelude(0, 0), 100, "expected at least 16 bytes, 0 of them headers, found a length of 0"),
        (prelude(15, 0), 100, "expected at least 16 bytes, 0 of them headers, found a length of 15"),
        (prelude(16 + 40, 41), 100, "expected at least 57 bytes, 41 of them headers, found a length of 56"),
        (
            prelude(u32::MAX, most_headers + 1),
            100,
            "expected at most 131072 bytes of headers, found a length of 131073",
        ),
        (
            prelude(u32::MAX, u32::MAX),
            100,
            "expected at most 131072 bytes of headers, found a length of 4294967295",
        ),
        (
            prelude(16 + 7 + most_payload + 1, 7),
            100,
            "expected at most 25165824 bytes of payload, found a length of 25165825",
        ),
        (
            prelude(u32::MAX, 0),
            100,
            "expected at most 25165824 bytes of payload, found a length of 4294967279",
        ),
    ] {
        let mut decoder = FrameDecoder::new();
        decoder.push(raw(&[], &[0; 84]));
        assert!(decoder.next_frame().unwrap().is_some());
        decoder.push(prelude[..11].to_vec());
        assert!(decoder.next_frame().unwrap().is_none());
        decoder.push(prelude[11..].to_vec());
        let error = decoder.next_frame().unwrap_err();
        assert!(error.message().contains(fault), "{error}");
        assert_eq!((error.kind(), error.offset()), (ErrorKind::Damaged, Some(at)), "{error}");
    }
}

#[test]
fn the_longest_headers_and_the_longest_payload_are_read() {
    let of = |name, length| header(name, 7, &prefixed(&vec![b'v'; length]));
    let first = of("a", 65_535);
    let second = of("b", MAX_HEADERS - first.len() - 5 - 300);
    let headers = [first, second, of("c", 295)].concat();
    assert_eq!(headers.len(), MAX_HEADERS);
    let payload = vec![7; MAX_PAYLOAD];
    let stream = raw(&headers, &payload);
    for pieces in [vec![&stream[..]], stream.chunks(1 << 16).collect()] {
        let [frame] = &read(pieces).unwrap()[..] else { panic!("expected one frame") };
        assert_eq!(frame.string_header("a").unwrap().len(), 65_535);
        assert_eq!(frame.headers().count(), 3);
        assert!(frame.payload() == payload);
    }
}

#[test]
fn headers_have_ten_types() {
    let long = "long ".repeat(6_553);
    let values = [
        (Written::Bool(true), HeaderValue::Bool(true)),
        (Written::Bool(false), HeaderValue::Bool(false)),
        (Written::Byte(-128), HeaderValue::Byte(-128)),
        (Written::Int16(-30_001), HeaderValue::Short(-30_001)),
        (Written::Int32(-2_000_000_001), HeaderValue::Integer(-2_000_000_001)),
        (Written::Int64(i64::MIN), HeaderValue::Long(i64::MIN)),
        (Written::ByteArray(Bytes::from_static(b"\0\xff")), HeaderValue::ByteArray(b"\0\xff")),
        (Written::ByteArray(Bytes::new()), HeaderValue::ByteArray(b"")),
        (Written::String("Grüße".into()), HeaderValue::String("Grüße")),
        (Written::String("".into()), HeaderValue::String("")),
        (Written::String(long.clone().into()), HeaderValue::String(&long)),
        (Written::Timestamp(DateTime::from_millis(-1)), HeaderValue::Timestamp(-1)),
        (
            Written::Timestamp(DateTime::from_millis(1_767_323_045_678)),
            HeaderValue::Timestamp(1_767_323_045_678),
        ),
        (
            Written::Uuid(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210),
            HeaderValue::Uuid(*b"\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10"),
        ),
    ];
    let names = (0..values.len()).map(|number| format!("header {number}")).collect::<Vec<_>>();
    let headers = names.iter().zip(&values).map(|(name, (written, _))| (name.clone(), written.clone()));
    let stream = written(&[(headers.collect(), b"payload".to_vec())]);
    let [frame] = &read([&stream[..]]).unwrap()[..] else { panic!("expected one frame") };
    let expected = names.iter().zip(&values).map(|(name, (_, value))| (name.as_str(), *value));
    assert_eq!(frame.headers().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    assert_eq!(frame.string_header("header 8"), Some("Grüße"));
    assert_eq!(frame.string_header("header 2"), None, "it is no string");
    assert_eq!(frame.string_header("header 99"), None);
}

#[test]
fn malformed_headers_are_named_with_their_place() {
    let good = header("good", 7, &prefixed(b"fine"));
    for (bad, fault) in [
        (vec![0, 0], "expected a name of at least one byte"),
        (b"\x05name".to_vec(), "expected more bytes, found the end of the headers"),
        (b"\x04name".to_vec(), "expected more bytes, found the end of the headers"),
        (header("n", 10, &[]), "expected a type from 0 to 9"),
        (header("n", 255, &[]), "expected a type from 0 to 9"),
        (header("n", 2, &[]), "expected more bytes"),
        (header("n", 3, &[0; 1]), "expected more bytes"),
        (header("n", 4, &[0; 3]), "expected more bytes"),
        (header("n", 5, &[0; 7]), "expected more bytes"),
        (header("n", 6, &[0; 1]), "expected more bytes"),
        (header("n", 6, b"\0\x05four"), "expected more bytes"),
        (header("n", 7, b"\0\x05four"), "expected more bytes"),
        (header("n", 7, b"\0\x02\xc3("), "expected a string in UTF-8"),
        (header("n", 8, &[0; 7]), "expected more bytes"),
        (header("n", 9, &[0; 15]), "expected more bytes"),
        (b"\x02\xc3(\0".to_vec(), "expected a name in UTF-8"),
        (header("good", 0, &[]), r#"expected a new name, found "good" again"#),
    ] {
        // The bytes after the headers must not be read as part of one.
        let stream =
            [raw(&[], b"first"), raw(&[good.clone(), bad].concat(), b"payload of the second")].concat();
        let (before, error) = read([&stream[..]]).unwrap_err();
        let at = 21 + 12 + good.len();
        assert_eq!((before.len(), error.kind()), (1, ErrorKind::Damaged), "{error}");
        assert!(error.message().contains(fault), "{error}");
        assert!(
            error.message().contains(&format!("a header at byte {at}, in the frame at byte 21")),
            "{error}"
        );
        assert_eq!(error.offset(), Some(at as u64));
    }
}

#[test]
fn a_name_found_again_is_an_error_among_few_and_among_many() {
    for (count, again) in [(2, 0), (8, 7), (9, 3), (9, 8), (40, 0), (40, 9), (40, 39)] {
        let name = |number: usize| header(&format!("name {number:02}"), 0, &[]);
        let names = (0..count).map(name).collect::<Vec<_>>().concat();
        assert_eq!(read([&raw(&names, &[])[..]]).unwrap()[0].headers().count(), count);

        let (_, error) = read([&raw(&[names.clone(), name(again)].concat(), &[])[..]]).unwrap_err();
        assert!(error.message().contains("expected a new name"), "{error}");
        assert_eq!(error.offset(), Some(12 + names.len() as u64));
    }
}

/// A quadratic check would need more than a billion comparisons.
#[test]
fn thousands_of_headers_are_read_in_linear_time() {
    let mut headers = Vec::new();
    let mut name = String::new();
    let mut count = 0;
    while headers.len() < MAX_HEADERS - 7 {
        name.clear();
        write!(name, "{count:05}").unwrap();
        headers.extend(header(&name, 1, &[]));
        count += 1;
    }
    let frames = raw(&headers, &[]).repeat(8);
    let frames = read([&frames[..]]).unwrap();
    assert!(count > 18_000);
    assert!(frames.iter().all(|frame| frame.headers().count() == count));
}

#[test]
fn an_error_repeats_whatever_comes_after_it() {
    let mut damaged = text_frame("damaged");
    damaged[20] ^= 1;
    let stream = [text_frame("good"), damaged, text_frame("after")].concat();
    let at = text_frame("good").len() as u64;
    for pieces in [vec![&stream[..]], stream.chunks(7).collect()] {
        let mut decoder = FrameDecoder::new();
        for piece in pieces {
            decoder.push(piece.to_vec());
        }
        assert!(decoder.next_frame().unwrap().is_some());
        let first = decoder.next_frame().unwrap_err();
        for _ in 0..3 {
            decoder.push(text_frame("more"));
            let again = decoder.next_frame().unwrap_err();
            assert_eq!(
                (again.kind(), again.offset(), again.message()),
                (first.kind(), first.offset(), first.message())
            );
            assert_eq!(decoder.offset(), at);
            assert!(decoder.finish().is_err());
        }
    }
}

#[test]
fn an_empty_stream_has_no_frames_and_ends_well() {
    assert!(read([]).unwrap().is_empty());
    assert!(read([&b""[..], &b""[..]]).unwrap().is_empty());
}

type Headers = Vec<(String, Written)>;

/// Cuts into pieces of these sizes, repeated.
fn cut<'a>(mut stream: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if stream.is_empty() {
            break;
        }
        let (piece, rest) = stream.split_at((*size).min(stream.len()));
        pieces.push(piece);
        stream = rest;
    }
    pieces
}

/// The part of a result that is compared.
fn outcome(result: Result<Vec<Frame>, (Vec<Frame>, Error)>) -> (Vec<Frame>, Option<String>) {
    match result {
        Ok(frames) => (frames, None),
        Err((frames, error)) => (frames, Some(format!("{error:?}"))),
    }
}

fn range(frame: &Frame) -> Range<usize> {
    let start = usize::try_from(frame.offset()).unwrap();
    let headers = frame.headers().map(|(name, value)| 2 + name.len() + length(&value)).sum::<usize>();
    start..start + 16 + headers + frame.payload().len()
}

fn length(value: &HeaderValue<'_>) -> usize {
    match value {
        HeaderValue::Bool(_) => 0,
        HeaderValue::Byte(_) => 1,
        HeaderValue::Short(_) => 2,
        HeaderValue::Integer(_) => 4,
        HeaderValue::Long(_) | HeaderValue::Timestamp(_) => 8,
        HeaderValue::ByteArray(bytes) => 2 + bytes.len(),
        HeaderValue::String(text) => 2 + text.len(),
        HeaderValue::Uuid(_) => 16,
    }
}

/// A frame as a message of `aws-smithy-eventstream`.
fn as_written(frame: &Frame) -> (Headers, Vec<u8>) {
    let headers = frame.headers().map(|(name, value)| {
        let value = match value {
            HeaderValue::Bool(value) => Written::Bool(value),
            HeaderValue::Byte(value) => Written::Byte(value),
            HeaderValue::Short(value) => Written::Int16(value),
            HeaderValue::Integer(value) => Written::Int32(value),
            HeaderValue::Long(value) => Written::Int64(value),
            HeaderValue::ByteArray(bytes) => Written::ByteArray(Bytes::copy_from_slice(bytes)),
            HeaderValue::String(text) => Written::String(text.to_owned().into()),
            HeaderValue::Timestamp(value) => Written::Timestamp(DateTime::from_millis(value)),
            HeaderValue::Uuid(bytes) => Written::Uuid(u128::from_be_bytes(bytes)),
        };
        (name.to_owned(), value)
    });
    (headers.collect(), frame.payload().to_vec())
}

fn ours(stream: &[u8]) -> (Vec<(Headers, Vec<u8>)>, bool) {
    let (frames, well) = match read([stream]) {
        Ok(frames) => (frames, true),
        Err((frames, _)) => (frames, false),
    };
    (frames.iter().map(as_written).collect(), well)
}

fn ends_well(stream: &[u8]) -> bool {
    ours(stream).1
}

/// The frames that the decoder of `aws-smithy-eventstream` finds before the first fault, and whether there is no fault.
///
/// That decoder accepts empty and duplicate header names, which this function corrects, and has no limits.
fn judged(stream: &[u8]) -> (Vec<(Headers, Vec<u8>)>, bool) {
    let mut decoder = MessageFrameDecoder::new();
    let mut left = Bytes::copy_from_slice(stream);
    let mut frames = Vec::new();
    while left.has_remaining() {
        let Ok(DecodedFrame::Complete(message)) = decoder.decode_frame(&mut left) else {
            return (frames, false);
        };
        let headers = message
            .headers()
            .iter()
            .map(|header| (header.name().as_str().to_owned(), header.value().clone()))
            .collect::<Headers>();
        let names = headers.iter().map(|(name, _)| name.as_str()).collect::<BTreeSet<_>>();
        if names.len() < headers.len() || names.contains("") {
            return (frames, false);
        }
        frames.push((headers, message.payload().to_vec()));
    }
    (frames, true)
}

fn written(messages: &[(Headers, Vec<u8>)]) -> Vec<u8> {
    let mut stream = Vec::new();
    for (headers, payload) in messages {
        let headers = headers.iter().map(|(name, value)| Header::new(name.clone(), value.clone()));
        let message = Message::new_from_parts(headers.collect(), payload.clone());
        write_message_to(&message, &mut stream).unwrap();
    }
    stream
}

fn text_frame(text: &str) -> Vec<u8> {
    let headers = vec![(":event-type".to_owned(), Written::String("text".into()))];
    written(&[(headers, text.as_bytes().to_vec())])
}

/// A frame of any header bytes, with valid checksums.
fn raw(headers: &[u8], payload: &[u8]) -> Vec<u8> {
    checked(&prelude(u32_of(16 + headers.len() + payload.len()), u32_of(headers.len())), headers, payload)
}

fn checked(prelude: &[u8], headers: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut frame = [prelude, headers, payload].concat();
    frame.extend(crc32fast::hash(&frame).to_be_bytes());
    frame
}

fn prelude(total: u32, headers: u32) -> Vec<u8> {
    let mut prelude = [total.to_be_bytes(), headers.to_be_bytes()].concat();
    prelude.extend(crc32fast::hash(&prelude).to_be_bytes());
    prelude
}

fn header(name: &str, value_type: u8, value: &[u8]) -> Vec<u8> {
    [&[u8::try_from(name.len()).unwrap()], name.as_bytes(), &[value_type], value].concat()
}

/// The bytes with their length before them.
fn prefixed(value: &[u8]) -> Vec<u8> {
    [&u16::try_from(value.len()).unwrap().to_be_bytes(), value].concat()
}

fn u32_of(length: usize) -> u32 {
    u32::try_from(length).unwrap()
}

fn messages() -> impl Strategy<Value = Vec<(Headers, Vec<u8>)>> {
    let name = prop_oneof![":[a-z-]{1,14}", "\\PC{1,6}"];
    let headers = btree_map(name, header_value(), 0..6).prop_map(|headers| headers.into_iter().collect());
    vec((headers, vec(any::<u8>(), 0..120)), 0..6)
}

fn header_value() -> impl Strategy<Value = Written> {
    prop_oneof![
        any::<bool>().prop_map(Written::Bool),
        any::<i8>().prop_map(Written::Byte),
        any::<i16>().prop_map(Written::Int16),
        any::<i32>().prop_map(Written::Int32),
        any::<i64>().prop_map(Written::Int64),
        vec(any::<u8>(), 0..20).prop_map(|bytes| Written::ByteArray(bytes.into())),
        "\\PC{0,12}".prop_map(|text| Written::String(text.into())),
        any::<i64>().prop_map(|time| Written::Timestamp(DateTime::from_millis(time))),
        any::<u128>().prop_map(Written::Uuid),
    ]
}

/// A change to a stream.
#[derive(Debug, Clone)]
enum Mutation {
    Changed(Index, u8),
    Removed(Index),
    Added(Index, u8),
    CutOff(Index),
    /// A part is repeated.
    Repeated(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Changed(at, byte)),
        any::<Index>().prop_map(Mutation::Removed),
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Added(at, byte)),
        any::<Index>().prop_map(Mutation::CutOff),
        (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Mutation::Repeated(from, to)),
    ]
}

impl Mutation {
    fn apply(&self, stream: &mut Vec<u8>) {
        if stream.is_empty() {
            return;
        }
        let at = |index: &Index| index.index(stream.len());
        match self {
            Self::Changed(index, byte) => {
                let at = at(index);
                stream[at] = *byte;
            }
            Self::Removed(index) => {
                let at = at(index);
                stream.remove(at);
            }
            Self::Added(index, byte) => {
                let at = at(index);
                stream.insert(at, *byte);
            }
            Self::CutOff(index) => stream.truncate(at(index)),
            Self::Repeated(from, to) => {
                let (from, to) = (at(from), at(to));
                stream.extend_from_within(from.min(to)..from.max(to));
            }
        }
    }
}

/// A frame with valid checksums and any lengths and headers.
fn forged_frame() -> impl Strategy<Value = Vec<u8>> {
    let value =
        prop_oneof![vec(any::<u8>(), 0..18), "[ -~]{0,12}".prop_map(|text| prefixed(text.as_bytes()))];
    let header = ("[a-c]{0,2}", 0_u8..12, value)
        .prop_map(|(name, value_type, value)| header(&name, value_type, &value));
    let well_formed = ("[a-c]{0,2}", header_value()).prop_map(|header| {
        let frame = written(&[(vec![header], Vec::new())]);
        frame[12..frame.len() - 4].to_vec()
    });
    let headers = vec(prop_oneof![1 => header, 3 => well_formed], 0..4);
    let off_by = prop_oneof![6 => Just(0), 1 => -20_isize..20];
    (headers, vec(any::<u8>(), 0..40), off_by.clone(), off_by).prop_map(
        |(headers, payload, headers_off, total_off)| {
            let headers = headers.concat();
            let length = |length: usize, off| u32_of(length.saturating_add_signed(off));
            let prelude = prelude(
                length(16 + headers.len() + payload.len(), total_off),
                length(headers.len(), headers_off),
            );
            checked(&prelude, &headers, &payload)
        },
    )
}
