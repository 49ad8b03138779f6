//! Drives the calls of one session by frames and replies.

use chat_core::protocol::RequestId;

use super::*;

/// Makes the calls of a session that is open.
fn calls() -> Calls {
    let mut calls = Calls::new(Arc::default(), &Limits::default());
    open(&mut calls);
    calls.granted();
    assert!(calls.take_requests().iter().all(|request| request.command == Command::Ping));
    calls
}

/// Receives a frame of the one publish; returns the requests that it makes.
fn receive(calls: &mut Calls, kind: &str, rest: &str) -> Vec<Request> {
    let call = r#""en":"chat","m":"publish","cid":"11111111-2222-4333-8444-555555555555""#;
    calls.receive(&format!(r#"{{"type":"{kind}","data":{{{call},{rest}}}}}"#)).expect("a frame");
    calls.take_requests()
}

fn open(calls: &mut Calls) {
    receive(calls, "omsc", r#""args":"{\"channelId\":\"room\"}","is":["messages"]"#);
}

/// Sends a message; returns the id of its request.
fn send(calls: &mut Calls) -> RequestId {
    let message = r#"{"className":"ChatMessage","data":{"content":"hi","channelId":"room"}}"#;
    let requests = receive(calls, "msm", &format!(r#""p":"messages","o":{message}"#));
    requests.into_iter().find_map(|request| request.id).expect("a publish")
}

fn publish_of(id: &RequestId) -> (u64, &str) {
    match ReplyContext::of(id) {
        Some(ReplyContext::Publish { number, key }) => (number, key),
        other => panic!("{other:?}"),
    }
}

fn published(calls: &mut Calls, id: &RequestId) {
    let (number, key) = publish_of(id);
    calls.published(number, key);
}

fn refused(calls: &mut Calls, id: &RequestId) {
    let (number, key) = publish_of(id);
    calls.publish_refused(number, key);
}

#[test]
fn a_message_of_a_call_is_not_answered_to_the_next_one_with_its_cid() {
    let mut calls = calls();
    let ids = [(); 2].map(|()| send(&mut calls));
    receive(&mut calls, "cmsc", r#""cr":"done""#);
    open(&mut calls);
    calls.take_frames();
    published(&mut calls, &ids[0]);
    refused(&mut calls, &ids[1]);
    let own = send(&mut calls);
    receive(&mut calls, "cmsc", r#""p":"messages","cr":"done""#);
    published(&mut calls, &ids[0]);
    assert!(calls.take_frames().is_empty(), "its own message is not answered");
    published(&mut calls, &own);
    assert!(matches!(calls.take_frames().make_contiguous(), [Frame::Close(_, None, CloseReason::Done)]));
}
