//! Gives seats in rooms to clients of Phoenix: a refusal says which are taken, and an event is answered.
//! `tokio_phoenix 127.0.0.1:9005`
//!
//! `socket.channel('room:1', { seat: 'a1' }).join().receive('error', ({ taken }) => …)`

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use chat_core::{
    ChannelId, Close, Endpoint, Hub, Payload, Publish, PublishContext, Pushed, Refusal, SessionId,
    SessionInfo, Subscribe, SubscribeOptions,
};
use chat_protocol::phoenix::Phoenix;
use chat_tokio_adapter::{Gate, TokioRuntime, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Holds the session of each seat at a table.
#[derive(Default)]
struct Seats(Mutex<HashMap<(ChannelId, String), SessionId>>);

impl Endpoint for Seats {
    /// Refuses with what the client is to show: the codes 400–1999 are an endpoint's own.
    async fn subscribe(&self, who: &SessionInfo, wish: Subscribe) -> Result<SubscribeOptions, Refusal> {
        let params = wish.data.as_ref().map_or(Value::Null, read);
        let seat = params["seat"].as_str().ok_or_else(|| Refusal::bad_request("seat: no string"))?;
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let holder = *seats.entry((wish.channel.clone(), seat.to_owned())).or_insert(who.id);
        if holder != who.id {
            let data = Payload::json(json!({ "reason": "taken", "taken": seat }).to_string());
            return Err(Refusal::custom(409, "taken", "somebody sits there").with_data(data));
        }
        Ok(SubscribeOptions::of(&wish))
    }

    /// Answers `seats` to who asks; all else is published.
    async fn event(&self, _: &SessionInfo, said: Publish, _: PublishContext) -> Result<Pushed, Refusal> {
        if said.event.as_ref().is_none_or(|event| event.as_str() != "seats") {
            return Ok(Pushed::Publish(said));
        }
        let seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken: Vec<_> =
            seats.keys().filter(|(room, _)| *room == said.channel).map(|(_, seat)| seat).collect();
        Ok(Pushed::Answer(Payload::json(json!({ "taken": taken }).to_string())))
    }

    async fn stream_closed(&self, who: &SessionInfo, _: &Close) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, holder| *holder != who.id);
    }
}

fn read(payload: &Payload) -> Value {
    serde_json::from_slice(payload.as_bytes()).unwrap_or_default()
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "it tells people where it is")]
async fn main() -> std::io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9005".into());
    let hub = Hub::builder(Seats::default()).build(TokioRuntime::current());
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    serve(listener, Gate::new(hub, Phoenix::default()), std::future::pending()).await;
    Ok(())
}
