//! Reads commands in Protobuf, as JSON's are read.

use chat_core::protocol::{Message, Protocol, Requests, SessionCodec};
use chat_core::{Limits, SessionId};

use super::Protobuf;
use crate::centrifuge::tests::{decoded, talk};

#[test]
fn a_frame_is_read_by_its_content_whether_it_is_text_or_binary() {
    let connect = br#"{"id":1,"connect":{}}"#;
    let read = |talk: &mut dyn SessionCodec, message: Message<'_>| {
        let mut requests = Requests::at_most(usize::MAX);
        talk.decode(message, &mut requests);
        requests.into_iter().next().expect("one").expect("a connect")
    };
    let text = read(&mut *talk(), Message::Text(std::str::from_utf8(connect).expect("text")));
    assert_eq!(read(&mut *talk(), Message::Binary(connect)), text);
    let session = || Protobuf::default().session_codec(SessionId(17), &Limits::default());
    let bytes = [4, 8, 1, 34, 0];
    assert_eq!(read(&mut *session(), Message::Binary(&bytes)), text);
    assert_eq!(read(&mut *session(), Message::Text(std::str::from_utf8(&bytes).expect("text"))), text);
}

#[test]
fn a_filter_by_tags_is_refused_and_not_ignored() {
    let filtered = r#"{"id":2,"subscribe":{"channel":"room","tf":{"key":"a","cmp":"eq","val":"b"}}}"#;
    let bad = decoded(filtered).remove(0).expect_err("not supported");
    assert_eq!((bad.refusal.code(), bad.close), (108, None));
    let mut talk = Protobuf::default().session_codec(SessionId(17), &Limits::default());
    let mut requests = Requests::at_most(usize::MAX);
    let subscribe = [8, 2, 42, 9, 10, 1, 97, 106, 4, 18, 2, 116, 116];
    talk.decode(Message::Binary(&[&[4, 8, 1, 34, 0, 13], &subscribe[..]].concat()), &mut requests);
    assert!(matches!(requests.all(), [Ok(_), Err(bad)] if bad.refusal.code() == 108), "{requests:?}");
}
