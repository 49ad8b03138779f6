use super::*;

/// A session that is let in.
fn calls() -> Calls {
    let mut calls = Calls::new(Arc::default(), &Limits::default());
    open(&mut calls);
    calls.granted();
    assert!(calls.take_next().iter().all(|request| request.command == Command::Ping));
    calls
}

/// Hears a frame of the one publish; what is asked for it.
fn hear(calls: &mut Calls, kind: &str, rest: &str) -> Vec<Request> {
    let call = r#""en":"chat","m":"publish","cid":"11111111-2222-4333-8444-555555555555""#;
    calls.hear(&format!(r#"{{"type":"{kind}","data":{{{call},{rest}}}}}"#)).expect("a frame");
    calls.take_next()
}

fn open(calls: &mut Calls) {
    hear(calls, "omsc", r#""args":"{\"channelId\":\"room\"}","is":["messages"]"#);
}

/// Says a message; the mark of its answer.
fn mark(calls: &mut Calls) -> String {
    let message = r#"{"className":"ChatMessage","data":{"content":"hi","channelId":"room"}}"#;
    let asked = hear(calls, "msm", &format!(r#""p":"messages","o":{message}"#));
    asked.into_iter().find_map(|request| request.id).expect("a publish").0.into()
}

#[test]
fn what_a_call_said_is_not_answered_to_the_next_one_with_its_cid() {
    let mut calls = calls();
    let marks = [(); 2].map(|()| mark(&mut calls));
    hear(&mut calls, "cmsc", r#""cr":"done""#);
    open(&mut calls);
    calls.take_words();
    calls.said(&marks[0]);
    calls.refused(&marks[1], &Refusal::permission_denied("no"));
    let own = mark(&mut calls);
    hear(&mut calls, "cmsc", r#""p":"messages","cr":"done""#);
    calls.said(&marks[0]);
    assert!(calls.take_words().is_empty(), "its own message is not answered");
    calls.said(&own);
    assert!(matches!(calls.take_words().make_contiguous(), [Frame::Close(_, None, Reason::Done)]));
}
