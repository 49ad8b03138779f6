//! What clients say.

pub(super) mod command;

use chat_core::{BadRequest, Refusal, Request};
use serde::Deserialize;
use serde_json::value::RawValue;

use self::command as wish;
use super::context::Mark;
use super::{Heard, malformed};
use crate::read::{check_depth, is_object};

/// A line's fields: a number, and a method with what it takes.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(default)]
    id: Option<u32>,
    #[serde(borrow)]
    connect: Option<&'a RawValue>,
    #[serde(borrow)]
    subscribe: Option<&'a RawValue>,
    #[serde(borrow)]
    unsubscribe: Option<&'a RawValue>,
    #[serde(borrow)]
    publish: Option<&'a RawValue>,
    #[serde(borrow)]
    presence: Option<&'a RawValue>,
    #[serde(borrow)]
    presence_stats: Option<&'a RawValue>,
    #[serde(borrow)]
    history: Option<&'a RawValue>,
    #[serde(borrow)]
    send: Option<&'a RawValue>,
    #[serde(borrow)]
    rpc: Option<&'a RawValue>,
    #[serde(borrow)]
    refresh: Option<&'a RawValue>,
    #[serde(borrow)]
    sub_refresh: Option<&'a RawValue>,
}

/// Reads one line. What is no command ends the session; a command whose fields are wrong is refused with 107, and counts as a strike.
pub(super) fn read(line: &str, depth: usize) -> Result<Heard, BadRequest> {
    check_depth(line, depth).map_err(|refusal| malformed(refusal.message))?;
    if !is_object(line) {
        return Err(malformed("a command is a JSON object"));
    }
    let line: Line<'_> =
        serde_json::from_str(line).map_err(|error| malformed(format!("no JSON: {error}")))?;
    let id = line.id.unwrap_or_default();
    match line.method() {
        Some(("send", raw)) => {
            let asked = fields(raw).map(wish::send).map_err(|refusal| BadRequest::new(None, refusal))?;
            Ok(Heard::Request(Request::new(asked)))
        }
        None if id == 0 => Ok(Heard::Pong),
        None => Err(malformed("no method that is known")),
        Some(_) if id == 0 => Err(malformed("a command has an id")),
        Some((method, raw)) => command(Mark::new(id, method), raw).map(Heard::Request),
    }
}

impl<'a> Line<'a> {
    /// The first method that is there, in the order of the protocol's schema.
    fn method(&self) -> Option<(&'static str, &'a RawValue)> {
        let methods = [
            ("connect", self.connect),
            ("subscribe", self.subscribe),
            ("unsubscribe", self.unsubscribe),
            ("publish", self.publish),
            ("presence", self.presence),
            ("presence_stats", self.presence_stats),
            ("history", self.history),
            ("send", self.send),
            ("rpc", self.rpc),
            ("refresh", self.refresh),
            ("sub_refresh", self.sub_refresh),
        ];
        methods.into_iter().find_map(|(method, raw)| Some((method, raw?)))
    }
}

fn command(mark: Mark<'_>, raw: &RawValue) -> Result<Request, BadRequest> {
    let asked = match mark.method {
        "connect" => fields(raw).and_then(wish::connect),
        "subscribe" => fields(raw).and_then(wish::subscribe),
        "unsubscribe" => fields(raw).and_then(wish::unsubscribe),
        "publish" => fields(raw).and_then(wish::publish),
        "presence" | "presence_stats" => fields(raw).and_then(wish::presence),
        "history" => fields(raw).and_then(wish::history),
        "rpc" => fields(raw).map(wish::call),
        "refresh" => fields(raw).map(wish::refresh),
        "sub_refresh" => fields(raw).and_then(wish::sub_refresh),
        _ => Err(Refusal::method_not_found(mark.method)),
    };
    wish::request(mark, asked)
}

/// What a method takes.
fn fields<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, Refusal> {
    if !is_object(raw.get()) {
        return Err(Refusal::bad_request("what a method takes is an object"));
    }
    serde_json::from_str(raw.get()).map_err(|error| Refusal::bad_request(error.to_string()))
}
