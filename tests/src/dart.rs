//! Writes the frames of a client of Serverpod's method streams, and defines an endpoint for it.

use std::future::pending;
use std::sync::Arc;

use chat_core::protocol::Credentials;
use chat_core::testkit::{Client, Way};
use chat_core::{
    Attachment, Connect, Endpoint, Identity, Limits, Refusal, SessionId, SessionInfo, Subscribe,
    SubscribeOptions, Token,
};
use chat_protocol::serverpod::MethodStreams;
use serde_json::{Value, json};

use crate::scene::Scene;

/// Holds the first call's id.
pub const A: &str = "aaaaaaaa-2222-4333-8444-555555555555";
/// Holds the second call's id.
pub const B: &str = "bbbbbbbb-2222-4333-8444-555555555555";
/// Holds the third call's id.
pub const C: &str = "cccccccc-2222-4333-8444-555555555555";
/// Holds a ping of the client.
pub const PING: &str = r#"{"type":"ping"}"#;
/// Holds a pong of the server.
pub const PONG: &str = r#"{"type":"pong"}"#;

/// Takes tokens for names. Refuses the tokens `bad` and `old` and the channel `secret`, never answers the
/// token `slow`, and fails in the channel `broken`.
#[derive(Clone, Copy, Debug)]
pub struct Names;

impl Endpoint for Names {
    async fn stream_opened(&self, session: SessionId, connect: Connect) -> Result<Identity, Refusal> {
        let guest = connect.name.map_or_else(|| format!("guest-{session}"), String::from);
        match connect.token.as_ref().map_or(&*guest, |token| &token.0) {
            "slow" => pending().await,
            "bad" => Err(Refusal::unauthorized("no")),
            "old" => Err(Refusal::token_expired("not any more")),
            name => Ok(Identity::named(name.split('/').next().unwrap_or(name).parse()?)),
        }
    }

    async fn refresh(&self, _: &SessionInfo, token: Token) -> Result<Identity, Refusal> {
        let connect = Connect::default().with_token(token.clone());
        let identity = self.stream_opened(SessionId(0), connect).await?;
        Ok(identity.with_attachment(Attachment::new(token)))
    }

    async fn subscribe(&self, _: &SessionInfo, wish: Subscribe) -> Result<SubscribeOptions, Refusal> {
        match wish.channel.as_str() {
            "secret" => Err(Refusal::permission_denied("not yours")),
            "broken" => Err(Refusal::internal("it broke")),
            "slow" => pending().await,
            _ => Ok(SubscribeOptions::of(&wish)),
        }
    }
}

/// Builds a hub with that endpoint and the default bounds.
pub fn scene(way: Way) -> Scene {
    Scene::new(way, Names, Limits::default())
}

/// Connects a client of method streams that has sent nothing yet.
pub fn dart(scene: &Scene, way: Way) -> Client {
    scene.world.connect(&scene.hub, Arc::new(MethodStreams::default()), Credentials::Later, way)
}

/// Returns the request that opens a call of `chat`.
pub fn omsc(cid: &str, method: &str, args: &str, inputs: &[&str], auth: Option<&str>) -> String {
    let mut data = json!({"en":"chat","m":method,"cid":cid,"args":args,"is":inputs});
    auth.into_iter().for_each(|auth| data["auth"] = auth.into());
    json!({"type":"omsc","data":data}).to_string()
}

/// Returns the request that opens a stream on a channel.
pub fn subscribe(cid: &str, channel: &str) -> String {
    omsc(cid, "subscribe", &json!({"channelId":channel}).to_string(), &[], None)
}

/// Returns the request that opens a publish to a channel.
pub fn publish(cid: &str, channel: &str) -> String {
    omsc(cid, "publish", &json!({"channelId":channel}).to_string(), &["messages"], None)
}

/// Returns the request that opens a stream on a channel, with the value of a header.
pub fn with(auth: &str, cid: &str, channel: &str) -> String {
    omsc(cid, "subscribe", &json!({"channelId":channel}).to_string(), &[], Some(auth))
}

/// Returns a message for a publish, as the generated class writes it.
pub fn message(cid: &str, channel: &str, content: &str) -> String {
    format!(
        r#"{{"type":"msm","data":{{"en":"chat","m":"publish","cid":"{cid}","p":"messages","o":{{"className":"ChatMessage","data":{{"__className__":"ChatMessage","senderName":"whoever","content":"{content}","timestamp":"2024-01-02T03:04:05.678Z","channelId":"{channel}"}}}}}}}}"#
    )
}

/// Returns the answer to a call.
pub fn omsr(cid: &str, method: &str, result: &str) -> String {
    format!(r#"{{"type":"omsr","data":{{"cid":"{cid}","res":"{result}","en":"chat","m":"{method}"}}}}"#)
}

/// Returns the end of a call.
pub fn cmsc(cid: &str, method: &str, reason: &str) -> String {
    format!(r#"{{"type":"cmsc","data":{{"en":"chat","m":"{method}","cid":"{cid}","cr":"{reason}"}}}}"#)
}

/// Returns the end of an input.
pub fn cmsc_input(cid: &str, method: &str, input: &str, reason: &str) -> String {
    format!(
        r#"{{"type":"cmsc","data":{{"en":"chat","m":"{method}","cid":"{cid}","p":"{input}","cr":"{reason}"}}}}"#
    )
}

/// Returns a message as a stream receives it.
pub fn msm(cid: &str, sender: &str, content: &str, channel: &str) -> String {
    format!(
        r#"{{"type":"msm","data":{{"en":"chat","m":"subscribe","cid":"{cid}","o":{{"className":"ChatMessage","data":{{"__className__":"ChatMessage","senderName":"{sender}","content":{content},"timestamp":"2026-01-01T00:00:00.000Z","channelId":"{channel}"}}}}}}}}"#
    )
}

/// Returns the types of frames; a text that is no frame stays as it is.
pub fn kinds(heard: &[String]) -> Vec<String> {
    let kind = |text: &String| {
        serde_json::from_str::<Value>(text).map(|frame| frame["type"].as_str().map(str::to_owned))
    };
    heard.iter().map(|text| kind(text).ok().flatten().unwrap_or_else(|| text.clone())).collect()
}
