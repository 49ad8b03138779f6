//! Runs nodes for tests.

use std::sync::Arc;
use std::time::Duration;

use async_channel::Receiver;
use chat_broker_postgres::PostgresBroker;
use chat_core::broker::{Broker, BrokerError, Draft, Heard, Join, Joined, Placed, Stand};
use chat_core::{ChannelId, HistoryOptions, HistoryRequest};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Bounds the time in which what must come comes.
pub(crate) const SOON: Duration = Duration::from_secs(40);

/// Is a node that listens.
pub(crate) struct Node {
    pub(crate) broker: Arc<PostgresBroker>,
    pub(crate) heard: Receiver<Heard>,
    runs: JoinHandle<()>,
}

impl Node {
    pub(crate) async fn on(url: &str) -> Self {
        Self::hearing(url, 1024).await
    }

    /// Returns a node that takes so many events in advance.
    pub(crate) async fn hearing(url: &str, events: usize) -> Self {
        let broker = Arc::new(PostgresBroker::connect(url).await.expect("it connects"));
        let (sender, heard) = async_channel::bounded(events);
        let runs = broker.clone();
        let runs = tokio::spawn(async move { runs.run(sender).await });
        let node = Self { broker, heard, runs };
        assert_eq!(node.hear().await, Heard::Back);
        node
    }

    pub(crate) async fn hear(&self) -> Heard {
        timeout(SOON, self.heard.recv()).await.expect("something comes").expect("it runs")
    }

    /// Checks that these bodies come next, with offsets that grow by one from the first.
    pub(crate) async fn hears(&self, name: &str, first: u64, bodies: &[String]) {
        for (must, at) in bodies.iter().zip(first..) {
            match self.hear().await {
                Heard::Published { channel: on, stand, body, .. } => {
                    assert_eq!((on, stand.offset.0, &*body), (channel(name), at, &**must));
                }
                other => panic!("{other:?} came where {must} is due"),
            }
        }
    }

    pub(crate) async fn join(&self, name: &str) -> Result<Joined, BrokerError> {
        let joined = self.broker.join(vec![Join::new(channel(name), kept())]).await;
        joined.map(|mut joined| joined.remove(0))
    }

    pub(crate) async fn publish(&self, name: &str, body: &str) -> Result<Placed, BrokerError> {
        self.place(draft(name, body)).await
    }

    pub(crate) async fn place(&self, draft: Draft) -> Result<Placed, BrokerError> {
        let lane = self.broker.lane(&draft.channel);
        self.broker.publish(lane, vec![draft]).await.remove(0)
    }

    pub(crate) async fn stand(&self, name: &str) -> Result<Stand, BrokerError> {
        self.broker.stands(vec![channel(name)]).await.map(|stands| stands[0])
    }

    /// Returns the bodies of all that is kept of a channel.
    pub(crate) async fn read(&self, name: &str) -> Vec<String> {
        let request = HistoryRequest::of(channel(name), 100_000);
        let page = self.broker.read(request, 1 << 30).await.expect("a page");
        page.entries.iter().map(|entry| entry.body.to_string()).collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.runs.abort();
    }
}

pub(crate) fn channel(name: &str) -> ChannelId {
    name.parse().expect("a name")
}

pub(crate) fn kept() -> HistoryOptions {
    HistoryOptions::of(10_000, Duration::from_secs(600)).with_bytes(64 * 1024 * 1024)
}

pub(crate) fn draft(name: &str, body: &str) -> Draft {
    Draft::new(channel(name), body, kept())
}

pub(crate) fn numbered(range: std::ops::Range<u32>) -> Vec<String> {
    range.map(|n| n.to_string()).collect()
}

/// Returns random numbers from a seed that it prints.
pub(crate) fn seeded() -> fastrand::Rng {
    let seed =
        std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("SEED={seed}");
    fastrand::Rng::with_seed(seed)
}
