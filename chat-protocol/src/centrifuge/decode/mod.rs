//! Reads the commands of clients in JSON: one object a line.

pub(super) mod command;
#[cfg(test)]
mod tests;

use chat_core::protocol::{BadRequest, Request};
use chat_core::{Close, Refusal};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::context::ReplyContext;
use crate::read::{check_depth, is_object};

/// Tells a command from an answer to a ping.
#[derive(Debug)]
pub(super) enum Decoded {
    /// Answers a ping.
    Pong,
    /// Asks something of the session.
    Request(Request),
}

/// Refuses what is no command, and ends the session: the two sides disagree on the protocol.
pub(super) fn malformed(why: impl Into<String>) -> BadRequest {
    BadRequest::new(None, Refusal::bad_request(why)).with_close(Close::BAD_REQUEST)
}

/// Holds the fields of a line: a number, and a method with what it takes.
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

/// Reads one line.
///
/// # Errors
/// Ends the session if the line is no command. A command whose fields are wrong is refused with 107, and
/// counts as a strike.
pub(super) fn read(line: &str, depth: usize) -> Result<Decoded, BadRequest> {
    check_depth(line, depth).map_err(|refusal| malformed(refusal.message))?;
    if !is_object(line) {
        return Err(malformed("a command is a JSON object"));
    }
    let line: Line<'_> =
        serde_json::from_str(line).map_err(|error| malformed(format!("no JSON: {error}")))?;
    let id = line.id.unwrap_or_default();
    match line.method() {
        Some(("send", raw)) => {
            let sent = fields(raw).map(command::send).map_err(|refusal| BadRequest::new(None, refusal))?;
            Ok(Decoded::Request(Request::new(sent)))
        }
        None if id == 0 => Ok(Decoded::Pong),
        None => Err(malformed("no method that is known")),
        Some(_) if id == 0 => Err(malformed("a command has an id")),
        Some((method, raw)) => request(ReplyContext::new(id, method), raw).map(Decoded::Request),
    }
}

impl<'a> Line<'a> {
    /// Finds the first method that is there, in the order of the protocol's schema.
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

fn request(context: ReplyContext<'_>, raw: &RawValue) -> Result<Request, BadRequest> {
    let read = match context.method {
        "connect" => fields(raw).map(command::connect),
        "subscribe" => fields(raw).map(command::subscribe),
        "unsubscribe" => fields(raw).map(command::unsubscribe),
        "publish" => fields(raw).map(command::publish),
        "presence" | "presence_stats" => fields(raw).map(command::presence),
        "history" => fields(raw).map(command::history),
        "rpc" => fields(raw).map(command::call).map(Ok),
        "refresh" => fields(raw).map(command::refresh).map(Ok),
        "sub_refresh" => fields(raw).map(command::sub_refresh),
        _ => Ok(Err(Refusal::method_not_found(context.method))),
    };
    match read {
        Ok(command) => command::request(context, command),
        Err(refusal) => Err(BadRequest::new(Some(context.to_id()), refusal)),
    }
}

/// Reads the fields that a method takes.
fn fields<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, Refusal> {
    if !is_object(raw.get()) {
        return Err(Refusal::bad_request("what a method takes is an object"));
    }
    serde_json::from_str(raw.get()).map_err(|error| Refusal::bad_request(error.to_string()))
}
