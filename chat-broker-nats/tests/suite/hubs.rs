//! Tests that hubs of two nodes are one over NATS.

use std::time::Duration;

use chat_broker_nats::NatsBroker;
use chat_core::{HistoryRequest, Hub, OpenChat, Payload, Publish};
use chat_tokio_adapter::TokioRuntime;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::server::{SOON, Server, channel};

async fn hub(server: &Server) -> Hub {
    let broker = NatsBroker::connect(&server.url("hubs")).await.expect("it connects");
    let hub = Hub::builder(OpenChat::default()).history(100, Duration::from_secs(60));
    hub.broker(broker).build(TokioRuntime::current())
}

/// Returns what a hub keeps of the channel; nothing while its broker fails.
async fn kept(hub: &Hub) -> Vec<String> {
    let page = hub.try_read_history(&HistoryRequest::of(channel("room"), 100)).await;
    let publications = page.ok().flatten().map(|page| page.publications).unwrap_or_default();
    let text = |content: &Payload| String::from_utf8_lossy(content.as_bytes()).into_owned();
    publications.iter().map(|publication| text(&publication.message.content)).collect()
}

#[tokio::test]
async fn two_hubs_have_one_history_also_after_their_server_was_away() {
    let mut server = Server::start("");
    let (here, there) = (hub(&server).await, hub(&server).await);
    let say = |text: &str| Publish::to(channel("room"), Payload::json(text));
    for (hub, text) in [(&here, "0"), (&there, "1"), (&here, "2"), (&there, "3")] {
        hub.publish_durable(say(text)).await.expect("it is placed");
    }
    let both_keep = async |texts: &[&str]| {
        timeout(SOON, async {
            while kept(&here).await != texts || kept(&there).await != texts {
                yield_now().await;
            }
        })
        .await
        .expect("both keep the same");
    };
    both_keep(&["0", "1", "2", "3"]).await;
    server.kill();
    here.publish_durable(say("4")).await.expect_err("there is no server");
    server.start_again();
    while there.publish_durable(say("5")).await.is_err() {
        yield_now().await;
    }
    both_keep(&["5"]).await;
}
