//! Gives publications to the broker, one batch at a time in each lane, and tells their publishers the places.

use std::sync::Arc;

use futures::channel::oneshot;

use super::Cluster;
use super::asking::ask;
use super::envelope;
use super::lane::{Place, Waiting};
use crate::driver::duty::OnDuty;
use crate::driver::hub::notices::tell;
use crate::driver::hub::shared::Shared;
use crate::driver::trace;
use crate::lock::lock;
use crate::machine::{Draft as Message, KEY_AGE};
use crate::model::{ChannelId, ChannelOptions, Published, Refusal};
use crate::port::broker::{BrokerError, BrokerFault, Draft, Placed, Stand};

/// Bounds the publications that a lane gives to the broker at once.
const AT_ONCE: usize = 256;

/// Bounds the bytes of such a batch, but for its first publication.
const BYTES_AT_ONCE: usize = 1024 * 1024;

/// Bounds the publications that wait in a lane.
const WAITING: usize = 4096;

/// Gives a message to the broker. The place comes once the broker has answered.
///
/// # Errors
/// The refusal, if the message is too long for a broker, or if so much waits that it is not taken.
pub(crate) fn submit(
    shared: &Arc<Shared>,
    cluster: &Cluster,
    channel: &ChannelId,
    message: Message,
    options: ChannelOptions,
) -> Result<Place, Refusal> {
    let body = envelope::encode(&message);
    let key = message.key.as_ref().map(|key| {
        // A user's keys are its own, and no name of a user has this character.
        let author = message.author.as_ref().map_or("", |author| author.as_str());
        (format!("{author}\n{key}").into(), KEY_AGE)
    });
    let draft =
        Draft::new(channel.clone(), body, options.history).with_key(key).with_ephemeral(message.ephemeral);
    let number = cluster.broker.lane(channel).min(cluster.lanes.len() - 1);
    let (tell, place) = oneshot::channel();
    let mut lane = lock(&cluster.lanes[number]);
    let most = shared.limits.store_bytes / cluster.lanes.len();
    if lane.waiting.len() >= WAITING || lane.bytes + draft.body.len() > most {
        shared.metrics.cut_short("broker");
        return Err(Refusal::internal("too much waits for the broker: try again later"));
    }
    lane.bytes += draft.body.len();
    lane.waiting.push_back(Waiting { draft, tell });
    let duty = lane.duty.take();
    drop(lane);
    if let Some(duty) = duty {
        shared.runtime.spawn(Box::pin(publish(shared.clone(), number, duty)));
    }
    Ok(place)
}

/// Publishes what waits in a lane, and what comes meanwhile.
async fn publish(shared: Arc<Shared>, number: usize, duty: OnDuty) {
    let Some(cluster) = shared.cluster.as_ref() else { return };
    let mut duty = Some(duty);
    while let Some(batch) = take_batch(cluster, number, &mut duty) {
        let drafts = batch.iter().map(|waiting| waiting.draft.clone()).collect();
        let placed = place(&shared, cluster, number, drafts).await;
        for (Waiting { draft, tell }, placed) in batch.into_iter().zip(placed) {
            let answer = match placed {
                Ok(placed) => {
                    note(&shared, &draft, placed);
                    Ok(published(&shared, &draft, placed))
                }
                Err(error) => Err(refused(&shared, &error)),
            };
            // A publisher that waits no more need not know.
            let _ = tell.send(answer);
        }
    }
}

/// Takes the next batch. Gives the duty back, under the lane's lock, if nothing waits.
fn take_batch(cluster: &Cluster, number: usize, duty: &mut Option<OnDuty>) -> Option<Vec<Waiting>> {
    let mut lane = lock(&cluster.lanes[number]);
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while let Some(next) = lane.waiting.front() {
        let more = next.draft.body.len();
        if !batch.is_empty() && (batch.len() == AT_ONCE || bytes + more > BYTES_AT_ONCE) {
            break;
        }
        bytes += more;
        batch.extend(lane.waiting.pop_front());
    }
    lane.bytes -= bytes;
    if batch.is_empty() {
        drop(duty.take());
        return None;
    }
    Some(batch)
}

/// Asks the broker, which may take as long as a store. An answer that does not come in time is none, and what
/// it was about may have happened.
async fn place(
    shared: &Shared,
    cluster: &Cluster,
    lane: usize,
    batch: Vec<Draft>,
) -> Vec<Result<Placed, BrokerError>> {
    let many = batch.len();
    let asked = async {
        cluster.is_reached().await;
        Ok(cluster.broker.publish(lane, batch).await)
    };
    let error = match ask(shared, asked).await {
        Ok(placed) if placed.len() == many => return placed,
        Ok(_) => {
            let wrong = "the broker answered for another number of publications";
            BrokerError::new(BrokerFault::Unavailable, wrong)
        }
        Err(error) => error,
    };
    std::iter::repeat_with(|| Err(error.clone())).take(many).collect()
}

/// Tells the endpoint that a publication of this node has its place, unless it had that before.
fn note(shared: &Arc<Shared>, draft: &Draft, placed: Placed) {
    let Placed { stand, already: false, .. } = placed else { return };
    let publication = envelope::decode(&draft.channel, stand, draft.ephemeral, &draft.body);
    if let Some(publication) = publication {
        let shard = shared.shard_index(&draft.channel);
        lock(&shared.shards[shard]).note_published(publication.into());
        tell(shared, shard);
    }
}

fn published(shared: &Shared, draft: &Draft, placed: Placed) -> Published {
    let Placed { stand: Stand { epoch, offset, .. }, already, .. } = placed;
    if already {
        return Published::Duplicate { epoch, offset: (!draft.ephemeral).then_some(offset) };
    }
    let subscribers = lock(shared.shard(&draft.channel)).subscribers(&draft.channel);
    match draft.ephemeral {
        true => Published::Ephemeral { subscribers },
        false => Published::Placed { epoch, offset, subscribers },
    }
}

/// Returns the refusal of a message whose place nobody will tell.
pub(crate) fn gone() -> Refusal {
    Refusal::internal("the broker was given up: it may be published, or not")
}

fn refused(shared: &Shared, error: &BrokerError) -> Refusal {
    shared.metrics.broker_errors.add(1);
    trace::broker_failed(error);
    match error.fault() {
        BrokerFault::TooLarge => Refusal::bad_request("the message is longer than a broker carries"),
        _ => Refusal::internal("the broker does not answer: it may be published, or not"),
    }
}
