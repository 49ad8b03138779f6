//! Feeds the decoder with requests, and with input that nobody should send.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Map, Value};

use chat_core::protocol::{BadRequest, Message, Request, Requests};

use super::*;

/// Lists every type of request, with the fields that it may have.
const REQUESTS: [&str; 13] = [
    r#"{"type":"connect","id":1,"name":"ann","token":"t","data":{"a":[1]},"since":{"room":{"epoch":"000000000000000a","offset":7}}}"#,
    r#"{"type":"refresh","id":"a","token":"t"}"#,
    r#"{"type":"refresh","id":-1,"channelId":"room","token":"t"}"#,
    r#"{"type":"subscribe","id":2,"channelId":"room","echo":false,"latest":true,"presence":true,"overflow":"drop oldest","token":"t","data":null,"since":{"epoch":"000000000000000a","offset":18446744073709551615}}"#,
    r#"{"type":"unsubscribe","channelId":"room"}"#,
    r#"{"type":"publish","id":3,"channelId":"room","content":{"a":["\\\"é\u0000",1e400,{}]},"event":"e","key":"k","ephemeral":true}"#,
    r#"{"type":"publish","channelId":"room","content":"hi","edits":7}"#,
    r#"{"type":"publish","channelId":"room","deletes":7}"#,
    r#"{"type":"history","id":4,"channelId":"room","after":1,"before":9,"epoch":"000000000000000a","limit":3,"reverse":true}"#,
    r#"{"type":"presence","channelId":"room"}"#,
    r#"{"type":"read","channelId":"room","offset":7}"#,
    r#"{"type":"call","id":5,"method":"m","data":[[]]}"#,
    r#"{"type":"ping","id":6}"#,
];

fn decoded(message: Message<'_>) -> Result<Request, BadRequest> {
    let mut requests = Requests::at_most(usize::MAX);
    Json.session_codec(SessionId(1), &Limits::default()).decode(message, &mut requests);
    assert_eq!(requests.all().len(), 1, "each message is one request");
    requests.into_iter().next().expect("one")
}

/// Returns true if a message is read, or refused without an end of the session.
fn is_taken(message: Message<'_>) -> bool {
    decoded(message).err().is_none_or(|bad| bad.refusal.code() == 107 && bad.close.is_none())
}

/// Reads the fields of a request; numbers as large as `1e400` are JSON, but no `Value`.
fn fields(request: &str) -> Map<String, Value> {
    serde_json::from_str(&request.replace("1e400", "1e40")).expect("an object")
}

/// Generates requests in which some fields have the values of other requests' fields.
fn swapped() -> impl Strategy<Value = String> {
    let swaps = vec((any::<Index>(), select(&REQUESTS), any::<Index>()), 0..4);
    (select(&REQUESTS), swaps).prop_map(|(request, swaps)| {
        let mut request = fields(request);
        for (to, other, from) in swaps {
            let (to, other) = (to.index(request.len()), fields(other));
            let value = other.values().nth(from.index(other.len())).expect("a field");
            request.values_mut().nth(to).expect("a field").clone_from(value);
        }
        Value::from(request).to_string()
    })
}

/// Replaces some characters of a text by others.
fn edited(text: &str, edits: Vec<(Index, usize, String)>) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for (at, cut, piece) in edits {
        let at = at.index(text.len() + 1);
        let end = text.len().min(at + cut);
        text.splice(at..end, piece.chars());
    }
    text.into_iter().collect()
}

/// Generates what a peer sends that knows a part of the format.
fn almost_requests() -> impl Strategy<Value = String> {
    let text = prop_oneof![select(&REQUESTS).prop_map(str::to_owned), swapped()];
    let piece = prop_oneof![
        Just(String::new()),
        "[\\[\\]{}\",:\\\\u0-9eE.+-]{1,4}",
        "\\PC{1,3}",
        any::<char>().prop_map(String::from)
    ];
    let cut = prop_oneof![4 => 0..4_usize, 1 => 0..200_usize];
    (text, vec((any::<Index>(), cut, piece), 0..4)).prop_map(|(text, edits)| edited(&text, edits))
}

#[test]
fn every_request_is_read_as_it_stands() {
    for request in REQUESTS {
        assert!(decoded(Message::Text(request)).is_ok(), "{request}");
    }
}

proptest! {
    #[test]
    fn any_input_is_read_or_refused_without_a_panic(text in ".*", bytes in vec(any::<u8>(), 0..64)) {
        prop_assert!(is_taken(Message::Text(&text)));
        prop_assert!(is_taken(Message::Text(&String::from_utf8_lossy(&bytes))));
        prop_assert!(decoded(Message::Binary(&bytes)).is_err());
        let _ = credentials::read(Some(&text));
    }

    #[test]
    fn input_that_is_almost_a_request_is_read_or_refused_without_a_panic(text in almost_requests()) {
        prop_assert!(is_taken(Message::Text(&text)));
        prop_assert!(decoded(Message::Binary(text.as_bytes())).is_err());
    }
}
