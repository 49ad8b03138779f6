//! Defines a client of any protocol, and the functions that the clients share.

use serde_json::Value;

/// Tells an event that a client receives, whatever its protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Tells that the client is in a channel, and whether it recovered, if it asked for that.
    In(String, Option<bool>),
    /// Tells that the client is no longer in a channel.
    Out(String),
    /// Tells that somebody published this in a channel.
    Said(String, String),
    /// Tells that what the client asked to publish in a channel is published, with its offset if that is
    /// told.
    Published(String, String, Option<u64>),
    /// Tells that the client is not let into a channel, or that this text of its own may not be published.
    Refused(String, Option<String>),
}

/// Holds a client's epoch and offset in a channel.
pub type Place = (String, u64);

/// Is one client's side of a protocol.
pub trait Speaker {
    /// Returns the first frame of a client.
    fn greeting(&mut self) -> Option<String>;
    /// Returns the frame that joins a channel, perhaps from an earlier offset.
    fn subscribe(&mut self, channel: &str, since: Option<&Place>) -> String;
    /// Returns the frame that leaves a channel.
    fn leave(&mut self, channel: &str) -> String;
    /// Returns the frame that publishes in a channel.
    fn publish(&mut self, channel: &str, text: &str) -> String;
    /// Returns the frame that publishes in a channel and asks for an answer, if the protocol has any.
    fn ask_to_publish(&mut self, channel: &str, text: &str) -> String {
        self.publish(channel, text)
    }
    /// Returns the events that a frame tells, in order.
    fn hear(&mut self, frame: &str) -> Vec<Told>;
    /// Returns the client's place in a channel, if its protocol has places.
    fn place(&self, channel: &str) -> Option<Place>;
}

pub(super) fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

pub(super) fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns the content, however it is wrapped: Phoenix's clients say objects, and Serverpod's hear those as
/// text.
pub fn content(value: &Value) -> String {
    match value {
        Value::String(text) => serde_json::from_str::<Value>(text)
            .ok()
            .filter(Value::is_object)
            .map_or_else(|| text.clone(), |object| content(&object)),
        value => word(&value["text"]),
    }
}
