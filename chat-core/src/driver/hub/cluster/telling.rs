//! Tells the other nodes who is in channels here, and takes in who is there.

use std::pin::pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::future::{Either, join_all, select};

use super::asking::say;
use super::{Cluster, member_word, tallying};
use crate::driver::hub::presence::tell_later;
use crate::driver::hub::shared::Shared;
use crate::lock::lock;
use crate::machine::{ChannelWords, MemberWord};
use crate::model::{ChannelId, Instant};

/// Sets how often a node says that it is there.
const BEAT: Duration = Duration::from_secs(3);

/// Sets the least time between two words about one channel: what changes meanwhile is told together.
const PACE: Duration = Duration::from_millis(50);

/// Bounds the channels of one shard that are told of at once.
const AT_ONCE: usize = 16;

/// Bounds the channels that a node that is gone is taken out of before others may run.
const PIECE: usize = 16;

/// Tells the other nodes what they are to know, for as long as there is the hub.
pub(crate) fn begin(shared: &Arc<Shared>) {
    let Some(cluster) = &shared.cluster else { return };
    shared.runtime.spawn(Box::pin(go_on(Arc::downgrade(shared), cluster.wakes.1.clone())));
}

async fn go_on(shared: Weak<Shared>, woken: async_channel::Receiver<()>) {
    let Some(runtime) = shared.upgrade().map(|shared| shared.runtime.clone()) else { return };
    let mut beat_at = runtime.instant();
    loop {
        let Some(hub) = shared.upgrade() else { return };
        let now = runtime.instant();
        let greets = hub.cluster.as_ref().is_some_and(|cluster| lock(&cluster.nodes).take_greeting());
        let round = beat_at <= now || greets;
        if round {
            beat_at = runtime.after(BEAT);
            beat(&hub).await;
        }
        tell_of_users(&hub, round).await;
        take_out_silent(&hub).await;
        tell_others(&hub).await;
        let next = next_word(&hub).unwrap_or(beat_at);
        let mut wakes_at = next.max(runtime.after(PACE)).min(beat_at);
        drop(hub);
        let mut pause = runtime.sleep_until(wakes_at);
        while let Either::Left((told, _)) = select(pin!(woken.recv()), &mut pause).await {
            if told.is_err() {
                return;
            }
            let soon = runtime.after(PACE);
            if soon < wakes_at {
                (wakes_at, pause) = (soon, runtime.sleep_until(soon));
            }
        }
    }
}

/// Returns when there is something to tell next, or a node may be gone.
fn next_word(shared: &Shared) -> Option<Instant> {
    let words = shared.shards.iter().filter_map(|shard| lock(shard).next_words());
    let silence = shared.cluster.as_ref().and_then(|cluster| lock(&cluster.nodes).next_silence());
    words.chain(silence).min()
}

/// Says to all nodes that this one is there.
async fn beat(shared: &Arc<Shared>) {
    if let Some(cluster) = &shared.cluster {
        say(shared, cluster, None, member_word::alive(cluster.node)).await;
    }
}

/// Says which users have many sessions here.
async fn tell_of_users(shared: &Arc<Shared>, round: bool) {
    let Some(cluster) = &shared.cluster else { return };
    for word in tallying::take_words(cluster, round) {
        say(shared, cluster, None, word).await;
    }
}

/// Tells the other nodes what they are to be told now, of some channels of each shard. Returns true if there
/// was something.
async fn tell_others(shared: &Arc<Shared>) -> bool {
    let Some(cluster) = &shared.cluster else { return false };
    let (hears, now) = (lock(&cluster.nodes).hears(), shared.runtime.instant());
    let (mut all, mut tells) = (Vec::new(), false);
    for shard in &shared.shards {
        let mut shard = lock(shard);
        all.append(&mut shard.take_words(hears, AT_ONCE, now));
        tells |= shard.next_telling().is_some();
    }
    if tells {
        tell_later(shared);
    }
    let some = !all.is_empty();
    join_all(all.into_iter().map(|words| tell_channel(shared, cluster, words))).await;
    some
}

/// Tells the other nodes all that is still to be told, for as long as a store has to be closed.
pub(crate) async fn tell_the_rest(shared: &Arc<Shared>, patience: Duration) {
    let told = async { while tell_others(shared).await {} };
    select(pin!(told), shared.runtime.sleep_until(shared.runtime.after(patience))).await;
}

/// Tells of one channel, one word after the other.
async fn tell_channel(shared: &Arc<Shared>, cluster: &Cluster, (channel, words): ChannelWords) {
    for (progress, word) in words {
        let listed = match &word {
            MemberWord::Changed { joined: members, .. } | MemberWord::Whole { members, .. } => &members[..],
            MemberWord::Stands { .. } | MemberWord::Ask(_) => &[],
        };
        let cut = listed.iter().filter(|member| !member_word::is_whole(member));
        cut.for_each(|_| shared.metrics.cut_short("presence"));
        let text = member_word::encode(cluster.node, progress, &word, cluster.begun);
        say(shared, cluster, Some(channel.clone()), text).await;
    }
}

/// Takes in a word about a channel. Returns false if it cannot be understood.
pub(super) fn heed(shared: &Arc<Shared>, cluster: &Cluster, channel: &ChannelId, text: &str) -> bool {
    let Some(told) = member_word::decode(text, cluster.begun) else { return false };
    let (node, now) = (told.node, shared.runtime.instant());
    let is_for_another = matches!(told.word, MemberWord::Ask(Some(asked)) if asked != cluster.node);
    if node == cluster.node || is_for_another || !is_heard(shared, cluster, node) {
        return true;
    }
    let mut shard = lock(shared.shard(channel));
    let all = shard.hear_members(channel, told, now);
    let (tells, speaks) = (shard.next_telling().is_some(), shard.next_words().is_some_and(|at| at <= now));
    drop(shard);
    if !all {
        shared.metrics.cut_short("presence");
    }
    if tells {
        tell_later(shared);
    }
    if speaks {
        cluster.wake();
    }
    true
}

/// Takes in that a node is there. Returns false if the word says something else.
pub(super) fn heed_beat(shared: &Shared, cluster: &Cluster, text: &str) -> bool {
    let node = member_word::is_alive(text);
    if let Some(node) = node {
        is_heard(shared, cluster, node);
    }
    node.is_some()
}

/// Takes in how many sessions users have on another node. Returns false if the word says something else.
pub(super) fn heed_tally(shared: &Shared, cluster: &Cluster, text: &str) -> bool {
    let Some((node, tally)) = tallying::decode(text) else { return false };
    if node != cluster.node && is_heard(shared, cluster, node) && !lock(&cluster.tallies).hear(node, tally) {
        shared.metrics.cut_short("users");
    }
    true
}

/// Notes that a node is heard. Returns false if there are too many.
fn is_heard(shared: &Shared, cluster: &Cluster, node: u64) -> bool {
    if node == cluster.node {
        return true;
    }
    let mut nodes = lock(&cluster.nodes);
    let fits = nodes.hear(node, shared.runtime.instant());
    let greets = nodes.greets();
    drop(nodes);
    if greets {
        cluster.wake();
    }
    if !fits {
        shared.metrics.cut_short("presence");
    }
    fits
}

/// Asks the others for what was missed while this node heard nothing.
pub(super) fn ask_again(shared: &Shared, cluster: &Cluster) {
    let now = shared.runtime.instant();
    lock(&cluster.nodes).is_back(now);
    shared.shards.iter().for_each(|shard| lock(shard).query_members(now));
    cluster.wake();
}

/// Takes the members of nodes that are gone out of their channels.
async fn take_out_silent(shared: &Arc<Shared>) {
    let Some(cluster) = &shared.cluster else { return };
    let gone = lock(&cluster.nodes).take_silent(shared.runtime.instant());
    for node in gone {
        lock(&cluster.tallies).take_out(node);
        for shard in &shared.shards {
            let names = lock(shard).channels_of_node(node);
            for names in names.chunks(PIECE) {
                let now = shared.runtime.instant();
                names.iter().for_each(|name| lock(shard).take_node_out(name, node, now));
                tell_later(shared);
                shared.runtime.yield_now().await;
            }
        }
    }
}
