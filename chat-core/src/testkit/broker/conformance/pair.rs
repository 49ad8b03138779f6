//! Holds two nodes under test, and the questions that cases ask them.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_channel::Receiver;
use futures::future::{BoxFuture, Either, select};

use crate::model::{ChannelId, HistoryOptions, HistoryRequest, Offset};
use crate::port::Runtime;
use crate::port::broker::{Broker, BrokerError, Draft, Entry, Heard, Join, Joined, Page, Placed, Stand};

/// Bounds the time in which what must come comes.
const SOON: Duration = Duration::from_secs(10);
/// Is how long is waited for what must not come.
const QUIET: Duration = Duration::from_millis(300);
/// Bounds the bytes of a page that has room for all.
const MUCH: usize = 1 << 30;

/// Is the result of a case: what was wrong, if something was.
pub(super) type Outcome = Result<(), String>;

/// Is a case: the sentence that must hold, and how that is tried.
pub(super) type Case = (&'static str, fn(&Pair) -> BoxFuture<'_, Outcome>);

pub(super) struct Pair {
    runtime: Arc<dyn Runtime>,
    pub(super) here: Node,
    pub(super) there: Node,
}

pub(super) struct Node {
    broker: Arc<dyn Broker>,
    heard: Receiver<Heard>,
    runtime: Arc<dyn Runtime>,
}

/// Keeps a hundred publications for a minute.
pub(super) fn kept() -> HistoryOptions {
    HistoryOptions { entries: 100, bytes: 1 << 20, age: Duration::from_secs(60) }
}

pub(super) fn channel(name: &str) -> ChannelId {
    name.parse().expect("a name")
}

pub(super) fn equal<T: PartialEq + Debug>(what: &str, is: &T, must: &T) -> Outcome {
    if is == must { Ok(()) } else { Err(format!("{what} is {is:?}, must be {must:?}")) }
}

pub(super) fn ensure(holds: bool, what: &str) -> Outcome {
    if holds { Ok(()) } else { Err(what.to_owned()) }
}

fn said(error: BrokerError) -> String {
    format!("{:?}: {error}", error.fault())
}

async fn within<T>(runtime: &dyn Runtime, time: Duration, future: impl Future<Output = T>) -> Option<T> {
    let timer = runtime.sleep_until(runtime.after(time));
    match select(Box::pin(future), timer).await {
        Either::Left((ready, _)) => Some(ready),
        Either::Right(_) => None,
    }
}

impl Pair {
    /// Lets both nodes listen, and waits until they do.
    pub(super) async fn listening<B: Broker>(
        runtime: Arc<dyn Runtime>,
        [here, there]: [B; 2],
    ) -> Result<Self, String> {
        let here = Node::listening(runtime.clone(), Arc::new(here)).await?;
        let there = Node::listening(runtime.clone(), Arc::new(there)).await?;
        Ok(Self { runtime, here, there })
    }

    /// Lets time pass.
    pub(super) async fn wait(&self, time: Duration) {
        self.runtime.sleep_until(self.runtime.after(time)).await;
    }

    /// Joins a channel on both nodes.
    pub(super) async fn join_both(&self, name: &str) -> Outcome {
        self.here.join(name).await?;
        self.there.join(name).await.map(drop)
    }
}

impl Node {
    async fn listening(runtime: Arc<dyn Runtime>, broker: Arc<dyn Broker>) -> Result<Self, String> {
        let (sender, heard) = async_channel::bounded(64);
        let runs = broker.clone();
        runtime.spawn(Box::pin(async move { runs.run(sender).await }));
        let node = Self { broker, heard, runtime };
        equal("the first event", &node.hear().await?, &Heard::Back)?;
        Ok(node)
    }

    /// Returns the next event.
    pub(super) async fn hear(&self) -> Result<Heard, String> {
        let heard = within(&*self.runtime, SOON, self.heard.recv()).await;
        heard.ok_or("nothing came")?.map_err(|_| "the broker ended".to_owned())
    }

    /// Returns the next publication: its offset and its body.
    pub(super) async fn hear_published(&self, name: &str) -> Result<(Stand, String), String> {
        match self.hear().await? {
            Heard::Published { channel, stand, ephemeral: false, body } if channel.as_str() == name => {
                Ok((stand, body.to_string()))
            }
            other => Err(format!("{other:?} came where a publication of {name:?} is due")),
        }
    }

    /// Checks that these bodies come next, with offsets that grow by one from the first.
    pub(super) async fn hears(&self, name: &str, first: u64, bodies: &[&str]) -> Outcome {
        for (body, offset) in bodies.iter().zip(first..) {
            let (stand, heard) = self.hear_published(name).await?;
            equal("what was heard", &(stand.offset, heard.as_str()), &(Offset(offset), *body))?;
        }
        Ok(())
    }

    /// Checks that nothing comes for a while.
    pub(super) async fn is_quiet(&self) -> Outcome {
        match within(&*self.runtime, QUIET, self.heard.recv()).await {
            Some(heard) => Err(format!("{heard:?} came where nothing is due")),
            None => Ok(()),
        }
    }

    pub(super) async fn join(&self, name: &str) -> Result<Joined, String> {
        self.join_keeping(name, kept()).await
    }

    pub(super) async fn join_keeping(&self, name: &str, keep: HistoryOptions) -> Result<Joined, String> {
        let joins = vec![Join::new(channel(name), keep)];
        let mut joined = self.broker.join(joins).await.map_err(said)?;
        equal("the number of answers", &joined.len(), &1)?;
        Ok(joined.remove(0))
    }

    pub(super) async fn join_all(&self, names: &[String]) -> Result<Vec<Joined>, String> {
        let joins = names.iter().map(|name| Join::new(channel(name), kept())).collect();
        self.broker.join(joins).await.map_err(said)
    }

    pub(super) async fn leave(&self, name: &str) -> Outcome {
        self.broker.leave(vec![channel(name)]).await.map_err(said)
    }

    /// Publishes a batch of drafts of one lane, each of which must be placed.
    pub(super) async fn publish_drafts(&self, batch: Vec<Draft>) -> Result<Vec<Placed>, String> {
        let placed = self.try_publish(batch).await;
        placed.into_iter().collect::<Result<_, _>>().map_err(said)
    }

    pub(super) async fn try_publish(&self, batch: Vec<Draft>) -> Vec<Result<Placed, BrokerError>> {
        let lane = batch.first().map_or(0, |draft| self.broker.lane(&draft.channel));
        self.broker.publish(lane, batch).await
    }

    /// Publishes these bodies in one batch.
    pub(super) async fn publish(&self, name: &str, bodies: &[&str]) -> Result<Vec<Placed>, String> {
        self.publish_drafts(bodies.iter().map(|body| draft(name, body)).collect()).await
    }

    pub(super) async fn tell(&self, name: Option<&str>, body: &str) -> Outcome {
        self.broker.tell(name.map(channel), body.into()).await.map_err(said)
    }

    pub(super) async fn try_tell(&self, body: &str) -> Result<(), BrokerError> {
        self.broker.tell(None, body.into()).await
    }

    pub(super) async fn stands(&self, names: &[&str]) -> Result<Vec<Stand>, String> {
        self.broker.stands(names.iter().map(|name| channel(name)).collect()).await.map_err(said)
    }

    pub(super) async fn read(&self, request: HistoryRequest) -> Result<Page, String> {
        self.read_within(request, MUCH).await
    }

    pub(super) async fn read_within(&self, request: HistoryRequest, bytes: usize) -> Result<Page, String> {
        self.broker.read(request, bytes).await.map_err(said)
    }

    pub(super) fn lane(&self, name: &str) -> usize {
        self.broker.lane(&channel(name))
    }

    pub(super) fn lanes(&self) -> usize {
        self.broker.lanes()
    }
}

pub(super) fn draft(name: &str, body: &str) -> Draft {
    Draft::new(channel(name), body, kept())
}

pub(super) fn keyed(name: &str, body: &str, key: &str, window: Duration) -> Draft {
    draft(name, body).with_key((key.into(), window))
}

/// Returns offsets and bodies.
pub(super) fn listed(entries: &[Entry]) -> Vec<(u64, &str)> {
    entries.iter().map(|entry| (entry.offset.0, &*entry.body)).collect()
}
