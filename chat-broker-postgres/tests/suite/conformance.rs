//! Tests that PostgreSQL is a broker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use chat_broker_postgres::PostgresBroker;
use chat_core::testkit::broker_conformance;
use chat_postgres::testkit::Server;
use chat_tokio_adapter::TokioRuntime;

#[tokio::test]
async fn postgresql_passes_all_cases_of_a_broker() {
    let server = Server::start(&[]);
    let number = AtomicU32::new(0);
    let all = broker_conformance(Arc::new(TokioRuntime::current()), || {
        let url = server.url(&format!("case{}", number.fetch_add(1, Ordering::Relaxed)));
        async move {
            let node = async || PostgresBroker::connect(&url).await.expect("it connects");
            [node().await, node().await]
        }
    })
    .await;
    println!("{all}");
    assert!(all.failed.is_empty() && all.passed.len() >= 48, "{all}");
}
