//! Events and texts straight from the bytes of a stream.

use pumice_codec::frame::{Frame, FrameDecoder};
use pumice_codec::{Error, ErrorKind, Event};
use support::server::{block_stop, error_frame, event, message_start, message_stop, metadata, text};

/// The frames of a response; its deltas in different forms.
fn response() -> Vec<Vec<u8>> {
    vec![
        message_start(),
        text(0, "Zoë \"\n"),
        event("contentBlockDelta", r#"{"delta":{"text":"\u00e9"},"contentBlockIndex":0}"#),
        event("contentBlockDelta", r#"{"contentBlockIndex":0,"delta":{"text":"kept"},"new":1}"#),
        event("contentBlockDelta", r#"{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{}"}}}"#),
        event("contentBlockDelta", r#"{"contentBlockIndex":2,"delta":{"citation":{"title":"A"}}}"#),
        block_stop(0),
        message_stop("end_turn"),
        metadata(12, 7),
        event("hologram", r#"{"x":1}"#),
    ]
}

#[test]
fn an_event_from_the_decoder_is_the_event_of_its_frame() {
    let stream = response().concat();
    for size in [1, 7, 100, stream.len()] {
        let (mut whole, mut borrowed) = (FrameDecoder::new(), FrameDecoder::new());
        let mut count = 0;
        for piece in stream.chunks(size) {
            whole.push(piece.to_vec());
            borrowed.push(piece.to_vec());
            loop {
                let expected = whole.next_frame().unwrap().map(|frame| Event::from_frame(&frame).unwrap());
                assert_eq!(borrowed.next_event().unwrap(), expected);
                assert_eq!(borrowed.offset(), whole.offset());
                if expected.is_none() {
                    break;
                }
                count += 1;
            }
        }
        borrowed.finish().unwrap();
        assert_eq!(count, response().len());
    }
}

#[test]
fn after_an_event_that_is_an_error_the_next_one_is_read() {
    let damaged = event("contentBlockStop", r#"{"contentBlockIndex":"0"}"#);
    let mut decoder = FrameDecoder::new();
    decoder.push([error_frame("InternalError", "It broke"), damaged, block_stop(3)].concat());
    let error = decoder.next_event().unwrap_err();
    assert_eq!((error.code(), error.message()), (Some("InternalError"), "It broke"));
    assert_eq!(decoder.next_event().map_err(|error: Error| error.kind()), Err(ErrorKind::Damaged));
    assert!(
        matches!(decoder.next_event(), Ok(Some(Event::ContentBlockStop(stop))) if stop.content_block_index == 3)
    );
}

#[test]
fn the_text_of_a_delta_needs_no_event() {
    let mut decoder = FrameDecoder::new();
    decoder.push([response().concat(), error_frame("InternalError", "It broke")].concat());
    let frames = std::iter::from_fn(|| decoder.next_frame().unwrap()).collect::<Vec<_>>();
    let texts = frames.iter().map(Frame::text_delta);
    let expected = [None, Some("Zoë \"\n"), Some("é")].into_iter().chain([None; 8]);
    assert!(texts.map(|text| text.map(String::from)).eq(expected.map(|text| text.map(str::to_owned))));
}

#[test]
fn a_line_is_appended_to_what_is_there() {
    let mut lines = b"first\n".to_vec();
    let mut decoder = FrameDecoder::new();
    decoder.push(response().concat());
    let mut expected = String::from("first\n");
    while let Some(frame) = decoder.next_frame().unwrap() {
        frame.write_event_json(&mut lines).unwrap();
        lines.push(b'\n');
        expected += &(frame.to_event_json().unwrap() + "\n");
    }
    assert_eq!(String::from_utf8(lines.clone()).unwrap(), expected);
    assert!(expected.contains(r#"{"contentBlockDelta":{"delta":{"text":"\u00e9"},"contentBlockIndex":0}}"#));
    assert!(
        expected.contains(r#"{"contentBlockDelta":{"contentBlockIndex":0,"delta":{"text":"kept"},"new":1}}"#)
    );

    decoder.push(event("contentBlockStop", "{"));
    let frame = decoder.next_frame().unwrap().unwrap();
    assert!(frame.write_event_json(&mut lines).is_err());
    assert_eq!(lines.len(), expected.len());
}
