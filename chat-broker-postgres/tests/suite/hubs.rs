//! Tests that hubs of two nodes are one over PostgreSQL.

use std::time::Duration;

use chat_broker_postgres::PostgresBroker;
use chat_core::{HistoryRequest, Hub, OpenChat, Payload, Publish};
use chat_postgres::testkit::Server;
use chat_tokio_adapter::TokioRuntime;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::node::{SOON, channel};

async fn hub(server: &Server) -> Hub {
    let broker = PostgresBroker::connect(&server.url("hubs")).await.expect("it connects");
    let hub = Hub::builder(OpenChat::default()).history(100, Duration::from_secs(60));
    hub.broker(broker).build(TokioRuntime::current())
}

/// Returns what a hub keeps of the channel, with who sent it; nothing while its broker fails.
async fn kept(hub: &Hub) -> Vec<(String, String)> {
    let page = hub.try_read_history(&HistoryRequest::of(channel("room"), 100)).await;
    let publications = page.ok().flatten().map(|page| page.publications).unwrap_or_default();
    let text = |content: &Payload| String::from_utf8_lossy(content.as_bytes()).into_owned();
    let message =
        |one: &chat_core::Publication| (one.message.sender_name.to_string(), text(&one.message.content));
    publications.iter().map(|publication| message(publication)).collect()
}

#[tokio::test]
async fn two_hubs_and_the_transactions_of_others_have_one_history_also_after_the_server_was_away() {
    let mut server = Server::start(&[]);
    let (here, there) = (hub(&server).await, hub(&server).await);
    let say = |text: &str| Publish::to(channel("room"), Payload::json(text));
    for (hub, text) in [(&here, "0"), (&there, "1")] {
        hub.publish_durable(say(text)).await.expect("it is placed");
    }
    let sql = |text: &str| format!("SELECT hubs.chat_publish('room', '{text}', sender => 'shop')");
    server.ask(&sql("2")).await.expect("it is published");
    server.ask(&format!("BEGIN; {}; ROLLBACK", sql("never"))).await.expect_err("it is no JSON");
    server.ask(&format!("BEGIN; {}; ROLLBACK", sql("-1"))).await.expect("it is rolled back");
    there.publish_durable(say("3")).await.expect("it is placed");
    let both_keep = async |texts: &[&str]| {
        let sender = |text: &str| if text == "2" { "shop" } else { "server" }.to_owned();
        let must: Vec<_> = texts.iter().map(|text| (sender(text), (*text).to_owned())).collect();
        timeout(SOON, async {
            while kept(&here).await != must || kept(&there).await != must {
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
    both_keep(&["0", "1", "2", "3", "5"]).await;
}
