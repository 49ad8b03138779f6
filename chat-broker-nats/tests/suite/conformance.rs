//! Tests that NATS is a broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use chat_broker_nats::NatsBroker;
use chat_core::testkit::broker_conformance;
use chat_tokio_adapter::TokioRuntime;

use crate::server::Server;

#[tokio::test]
async fn nats_passes_all_cases_of_a_broker() {
    let server = Server::start("");
    let number = AtomicU32::new(0);
    let all = broker_conformance(Arc::new(TokioRuntime::current()), || {
        let url = server.url(&format!("case{}", number.fetch_add(1, Ordering::Relaxed)));
        async move {
            let node = async || NatsBroker::connect(&url).await.expect("it connects");
            [node().await, node().await]
        }
    })
    .await;
    assert!(all.failed.is_empty() && all.passed.len() >= 48, "{all}");
}
