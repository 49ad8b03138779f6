//! Gives publications their places.
//!
//! Joins what a batch has for one channel in one message, if it fits, which the stream takes only behind the
//! message that this node knows as the channel's last. If another node came first, that is read and the
//! message is written anew. The channels of a batch do not wait for each other.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bytes::Bytes;
use chat_core::broker::{BODY_BYTES, BrokerError, BrokerFault, Draft, Placed, Stand};
use chat_core::{ChannelId, Offset};
use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::{Instant, sleep};

use crate::calls::{Calls, Put};
use crate::error::{too_large, unavailable};
use crate::keys::{self, Claim, Claimed};
use crate::link::BOUND;
use crate::log::{Last, Log};
use crate::message::{ENTRIES, Entry, HEAD_BYTES, Said, Text};
use crate::node::NatsBroker;

/// Bounds the channels of a batch that are placed at once.
const CHANNELS: usize = 64;
/// Bounds the keys of a channel that are claimed at once.
const KEYS: usize = 32;
/// Leaves room for the headers of a message.
const HEADERS_BYTES: usize = 1024;
/// Bounds the pause before the next try behind another node.
const PAUSE: Duration = Duration::from_millis(4);

type Answer = (usize, Result<Placed, BrokerError>);

pub(crate) async fn place(node: &NatsBroker, batch: Vec<Draft>) -> Vec<Result<Placed, BrokerError>> {
    let (mut answers, mut channels) = (BTreeMap::new(), HashMap::<ChannelId, Vec<(usize, Draft)>>::new());
    for (at, draft) in batch.into_iter().enumerate() {
        if draft.body.len() > BODY_BYTES {
            answers.insert(at, Err(too_large()));
        } else {
            channels.entry(draft.channel.clone()).or_default().push((at, draft));
        }
    }
    let placing = stream::iter(channels).map(|(channel, drafts)| place_in(node, channel, drafts));
    let placed: Vec<Vec<Answer>> = placing.buffer_unordered(CHANNELS).collect().await;
    answers.extend(placed.into_iter().flatten());
    answers.into_values().collect()
}

/// Places drafts of one channel in their order. What follows one that may be said again is not placed.
async fn place_in(node: &NatsBroker, channel: ChannelId, drafts: Vec<(usize, Draft)>) -> Vec<Answer> {
    let (drafts, again) = once(drafts);
    let all: Vec<_> = drafts.iter().map(|(at, _)| *at).collect();
    let mut placing = Placing { node, channel: &channel, answers: BTreeMap::new() };
    let failed = placing.place(drafts).await.err();
    let mut answers = placing.answers;
    if let Some(error) = failed {
        all.into_iter().for_each(|at| _ = answers.entry(at).or_insert_with(|| Err(error.clone())));
    }
    for (at, first) in again {
        let placed = answers[&first].clone().map(|placed| Placed::already(placed.stand));
        answers.insert(at, placed);
    }
    answers.into_iter().collect()
}

/// Is a draft, and its number in the batch.
type Numbered = (usize, Draft);

/// Parts those whose key stands in the batch before, each with the number of the first of that key.
fn once(drafts: Vec<Numbered>) -> (Vec<Numbered>, Vec<(usize, usize)>) {
    let (mut first_of, mut first, mut again) = (HashMap::new(), Vec::new(), Vec::new());
    for (at, draft) in drafts {
        let known = draft.key.as_ref().map(|(key, _)| *first_of.entry(key.clone()).or_insert(at));
        match known.filter(|known| *known != at) {
            Some(known) => again.push((at, known)),
            None => first.push((at, draft)),
        }
    }
    (first, again)
}

/// Is a draft on its way.
struct Wanted {
    at: usize,
    draft: Draft,
    claimed: Option<Claimed>,
}

struct Placing<'a> {
    node: &'a NatsBroker,
    channel: &'a ChannelId,
    answers: BTreeMap<usize, Result<Placed, BrokerError>>,
}

impl Placing<'_> {
    async fn place(&mut self, drafts: Vec<(usize, Draft)>) -> Result<(), BrokerError> {
        let calls: &Calls = &*self.node.calls()?;
        let are_signals = drafts.iter().all(|(_, draft)| draft.ephemeral);
        let has_keys = drafts.iter().any(|(_, draft)| draft.key.is_some());
        // Where nothing is put behind it, nothing else would tell that it is not the last.
        if has_keys || (are_signals && !self.node.interest.is_joined(self.channel)) {
            self.node.lasts.forget(self.channel);
        }
        let last = self.last(calls).await?;
        let wanted = self.claim(calls, &last, drafts).await?;
        if wanted.iter().all(|wanted| wanted.draft.ephemeral) {
            return self.signal(calls, &last, wanted).await;
        }
        let room = calls.room() - HEAD_BYTES - HEADERS_BYTES;
        let (mut message, mut bytes) = (Vec::new(), 0);
        for wanted in wanted {
            let text = self.text(calls, &wanted.draft.body, room).await?;
            if bytes + text.inline.len() > room || message.len() == ENTRIES {
                self.write(calls, std::mem::take(&mut message)).await?;
                bytes = 0;
            }
            bytes += text.inline.len();
            message.push((wanted, text));
        }
        self.write(calls, message).await
    }

    /// Returns the last message that is known of the channel.
    async fn last(&self, calls: &Calls) -> Result<Last, BrokerError> {
        match self.node.lasts.of(self.channel) {
            Some(last) => Ok(last),
            None => self.read_last(calls).await,
        }
    }

    async fn read_last(&self, calls: &Calls) -> Result<Last, BrokerError> {
        let found = Log { calls, channel: self.channel }.visit(Duration::ZERO).await?;
        self.node.lasts.note(self.channel, found.last());
        Ok(found.last())
    }

    /// Claims the keys. Those that are placed, and those that are refused, are answered.
    async fn claim(
        &mut self,
        calls: &Calls,
        last: &Last,
        drafts: Vec<(usize, Draft)>,
    ) -> Result<Vec<Wanted>, BrokerError> {
        let (channel, place) = (self.channel, (last.head.stand, last.sequence));
        let claim = |(at, draft): (usize, Draft)| async move {
            let claimed = match &draft.key {
                Some((key, window)) => Some(keys::claim(calls, channel, (key, *window), place).await),
                None => None,
            };
            (at, draft, claimed)
        };
        let mut claims = stream::iter(drafts).map(claim).buffered(KEYS);
        let mut wanted = Vec::new();
        while let Some((at, draft, claimed)) = claims.next().await {
            match claimed {
                None => wanted.push(Wanted { at, draft, claimed: None }),
                // A signal is said at most once: nobody can tell whether another node has said it.
                Some(Ok(Claim::Open(claimed))) if draft.ephemeral && !claimed.is_new => {
                    self.answers.insert(at, Ok(Placed::already(last.head.stand)));
                }
                Some(Ok(Claim::Open(claimed))) => wanted.push(Wanted { at, draft, claimed: Some(claimed) }),
                Some(Ok(Claim::Placed(stand))) => _ = self.answers.insert(at, Ok(Placed::already(stand))),
                Some(Err(error)) if error.fault() == BrokerFault::Refused => {
                    self.answers.insert(at, Err(error));
                }
                Some(Err(error)) => return Err(error),
            }
        }
        Ok(wanted)
    }

    /// Says signals that stand between no publications. They are kept nowhere.
    async fn signal(&mut self, calls: &Calls, last: &Last, all: Vec<Wanted>) -> Result<(), BrokerError> {
        let (stand, room) = (last.head.stand, calls.room() - HEAD_BYTES - HEADERS_BYTES);
        for wanted in all {
            let text = self.text(calls, &wanted.draft.body, room).await?;
            let said = Said::Signal(stand, text).text();
            calls.link.say(calls.names.said(self.channel), said).await?;
            if let Some(claimed) = &wanted.claimed {
                keys::settle(calls, claimed, stand).await;
            }
            self.answers.insert(wanted.at, Ok(Placed::now(stand)));
        }
        Ok(())
    }

    async fn text(&self, calls: &Calls, body: &str, room: usize) -> Result<Text, BrokerError> {
        stash(calls, Some(self.channel), body, room).await
    }

    /// Writes one message, behind whatever others write meanwhile.
    async fn write(&mut self, calls: &Calls, mut all: Vec<(Wanted, Text)>) -> Result<(), BrokerError> {
        let (subject, end) = (calls.names.placed(self.channel), Instant::now() + BOUND);
        let mut last = self.last(calls).await?;
        loop {
            self.drop_placed(calls, &last, &mut all).await?;
            let Some((newest, _)) = all.last() else { return Ok(()) };
            let message = last.next(all.iter().map(entry).collect(), newest.draft.keep);
            match calls.put(subject.clone(), last.sequence, message.text()).await {
                Ok(sequence) => {
                    let is_mark = false;
                    self.node.lasts.note(self.channel, Last { sequence, head: message.head, is_mark });
                    self.settle(calls, last.head.stand, &all).await;
                    return Ok(());
                }
                Err(Put::Conflict) if Instant::now() < end => {}
                Err(Put::Conflict) => return Err(unavailable("others publish all the time")),
                Err(Put::Failed(error)) => {
                    self.node.lasts.forget(self.channel);
                    return Err(error);
                }
            }
            sleep(PAUSE.mul_f64(fastrand::f64())).await;
            last = self.read_last(calls).await?;
        }
    }

    /// Answers and drops those that stand under their keys already.
    async fn drop_placed(
        &mut self,
        calls: &Calls,
        last: &Last,
        all: &mut Vec<(Wanted, Text)>,
    ) -> Result<(), BrokerError> {
        let claims = || all.iter().filter_map(|(wanted, _)| wanted.claimed.as_ref());
        let searched = claims().map(|claimed| claimed.searched).min().unwrap_or(last.sequence);
        if searched >= last.sequence {
            return Ok(());
        }
        let tokens: Vec<_> = claims().map(Claimed::token).collect();
        let log = Log { calls, channel: self.channel };
        let placed = log.search(last, searched, &tokens).await?;
        for (wanted, _) in &mut *all {
            let Some(claimed) = &mut wanted.claimed else { continue };
            claimed.searched = last.sequence;
            if let Some(stand) = placed.get(claimed.token()) {
                self.answers.insert(wanted.at, Ok(Placed::already(*stand)));
                keys::settle(calls, claimed, *stand).await;
            }
        }
        all.retain(|(wanted, _)| !self.answers.contains_key(&wanted.at));
        Ok(())
    }

    /// Answers those that stand behind this place.
    async fn settle(&mut self, calls: &Calls, before: Stand, all: &[(Wanted, Text)]) {
        let mut stand = before;
        for (wanted, _) in all {
            stand.offset = Offset(stand.offset.0 + u64::from(!wanted.draft.ephemeral));
            self.answers.insert(wanted.at, Ok(Placed::now(stand)));
            if let Some(claimed) = &wanted.claimed {
                keys::settle(calls, claimed, stand).await;
            }
        }
    }
}

fn entry((wanted, text): &(Wanted, Text)) -> Entry {
    let key = wanted.claimed.as_ref().map(|claimed| claimed.token().to_owned());
    let (ephemeral, length) = (wanted.draft.ephemeral, wanted.draft.body.len());
    Entry { ephemeral, length, text: text.clone(), key }
}

/// Returns a body as it stands in a message. What has no room there goes into the stream before.
async fn stash(
    calls: &Calls,
    channel: Option<&ChannelId>,
    body: &str,
    room: usize,
) -> Result<Text, BrokerError> {
    let mut rest = Bytes::copy_from_slice(body.as_bytes());
    let (mut parts, most) = (Vec::new(), calls.room() - HEADERS_BYTES);
    while rest.len() > room {
        parts.push(rest.split_to(most.min(rest.len())));
    }
    let subject = calls.names.pieces(channel);
    let pieces = stream::iter(parts).map(|part| calls.append(subject.clone(), part)).buffered(KEYS);
    Ok(Text { pieces: pieces.try_collect().await?, inline: rest })
}

/// Says a word, in a channel or to all nodes.
pub(crate) async fn tell(
    node: &NatsBroker,
    channel: Option<&ChannelId>,
    body: &str,
) -> Result<(), BrokerError> {
    let calls: &Calls = &*node.calls()?;
    let text = stash(calls, channel, body, calls.room() - HEADERS_BYTES).await?;
    let subject = channel.map_or_else(|| calls.names.said_to_all(), |channel| calls.names.said(channel));
    calls.link.say(subject, Said::Word(text).text()).await
}
