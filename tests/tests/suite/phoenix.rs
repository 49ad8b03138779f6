//! Tests Phoenix Channels with npm's unchanged client.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use async_channel::{Receiver, Sender};
use chat_core::{
    Endpoint, Hub, Payload, Publish, PublishContext, Pushed, Refusal, SessionInfo, Subscribe,
    SubscribeOptions,
};
use chat_protocol::phoenix::Phoenix;
use chat_tests::clients::script_says;
use chat_tests::program::{Program, server};
use chat_tokio_adapter::{Gate, TokioRuntime, serve};
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;
use tokio::net::TcpListener;

/// Runs a set of cases of npm's client.
fn client_passes(arguments: &[&str]) {
    let said = script_says("phoenix.mjs", arguments);
    assert!(said.ends_with(" passed, 0 failed"), "{said}");
}

fn url(address: SocketAddr) -> String {
    format!("ws://{address}/socket")
}

#[test]
fn its_own_client_talks_over_websocket_and_long_poll() {
    let server = Program::server(&[]);
    client_passes(&["open", &url(server.address)]);
}

#[test]
fn its_own_client_as_it_was_before_talks_over_websocket_and_long_poll() {
    for client in ["phoenix-1.7", "phoenix-1.8.0"] {
        let server = Program::server(&[]);
        client_passes(&["open", &url(server.address), "--client", client]);
    }
}

#[test]
fn its_own_client_comes_in_with_a_token() {
    const SECRET: &str = "a secret of some length";
    let server = Program::server(&["--jwt-secret", SECRET]);
    let signed = |secret: &str| {
        let key = EncodingKey::from_secret(secret.as_bytes());
        encode(&Header::default(), &json!({"sub":"ann"}), &key).expect("it signs")
    };
    let (good, bad) = (signed(SECRET), signed("another secret"));
    client_passes(&["token", &url(server.address), "--token", &good, "--bad-token", &bad]);
}

#[test]
fn its_own_client_comes_back_after_a_stop() {
    let command = format!("{} --store none --listen 127.0.0.1:{{port}}", server().display());
    client_passes(&["stop", "-", "--server", &command]);
}

/// Takes who says `crash` out of where it says it, and decides on joins of `slow` when somebody says
/// `decide`.
struct Crashing {
    hub: Arc<OnceLock<Hub>>,
    decided: (Sender<()>, Receiver<()>),
}

impl Endpoint for Crashing {
    async fn subscribe(&self, _: &SessionInfo, wish: Subscribe) -> Result<SubscribeOptions, Refusal> {
        if wish.channel.as_str() == "slow" {
            // An error says that it is decided: nothing is ever sent.
            let _ = self.decided.1.recv().await;
        }
        Ok(SubscribeOptions::of(&wish))
    }

    async fn event(&self, who: &SessionInfo, said: Publish, _: PublishContext) -> Result<Pushed, Refusal> {
        let hub = self.hub.get().expect("it is there before anybody comes");
        if said.event.as_ref().is_some_and(|event| event.as_str() == "decide") {
            self.decided.0.close();
        }
        if said.event.as_ref().is_some_and(|event| event.as_str() == "crash") {
            hub.unsubscribe_user(&who.user, &said.channel, &Refusal::internal("it crashed"));
            return Ok(Pushed::Answer(Payload::null()));
        }
        Ok(Pushed::Publish(said))
    }
}

#[test]
fn its_own_client_joins_again_what_crashed_and_leaves_what_it_is_joining() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let address = runtime.block_on(async {
        let there = Arc::new(OnceLock::new());
        let hub = Hub::builder(Crashing { hub: there.clone(), decided: async_channel::bounded(1) })
            .build(TokioRuntime::current());
        there.set(hub.clone()).expect("it is set once");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a port");
        tokio::spawn(serve(listener, Gate::new(hub, Phoenix::default()), std::future::pending()));
        address
    });
    client_passes(&["crash", &url(address)]);
}
