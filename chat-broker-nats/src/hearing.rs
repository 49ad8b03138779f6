//! Reads what is heard.

use async_nats::Message;
use chat_core::broker::{BrokerError, Heard, Stand};
use chat_core::{ChannelId, Offset};

use crate::calls::Calls;
use crate::error::unavailable;
use crate::interest::Order;
use crate::log::{Last, body};
use crate::message::{Placed, Said};
use crate::node::NatsBroker;

/// Returns what a message says; nothing if it is of a channel that was left.
///
/// # Errors
/// Fails if something before it was not heard.
pub(crate) async fn events(
    node: &NatsBroker,
    calls: &Calls,
    from: Option<ChannelId>,
    message: Message,
) -> Result<Vec<Heard>, BrokerError> {
    match (&from, Said::read(&message.payload)) {
        (Some(channel), _) if !node.interest.is_joined(channel) => Ok(Vec::new()),
        (_, Some(Said::Word(text))) => {
            let body = body(calls, from.as_ref(), &text).await?;
            Ok(vec![body.map_or(Heard::Corrupt, |body| Heard::Told { channel: from, body })])
        }
        (Some(channel), Some(Said::Signal(stand, text))) => {
            let (body, channel) = (body(calls, Some(channel), &text).await?, channel.clone());
            let signal = |body| Heard::Published { channel, stand, ephemeral: true, body };
            Ok(vec![body.map_or(Heard::Corrupt, signal)])
        }
        (Some(channel), None) => match Placed::read(&message.payload) {
            Some(placed) => published(node, calls, channel, &message, placed).await,
            None => Ok(vec![Heard::Corrupt]),
        },
        (None, _) => Ok(vec![Heard::Corrupt]),
    }
}

async fn published(
    node: &NatsBroker,
    calls: &Calls,
    channel: &ChannelId,
    message: &Message,
    placed: Placed,
) -> Result<Vec<Heard>, BrokerError> {
    let (mut offset, stand) = (placed.before(), placed.head.stand);
    match node.interest.hears(channel, offset, stand) {
        Order::Follows => {}
        Order::Gap => return Err(unavailable("something was lost on the way")),
        Order::Left => return Ok(Vec::new()),
    }
    let mut events = Vec::new();
    for entry in &placed.entries {
        offset += u64::from(!entry.ephemeral);
        let body = body(calls, Some(channel), &entry.text).await?.filter(|body| body.len() == entry.length);
        let (channel, stand) = (channel.clone(), Stand::new(stand.epoch, Offset(offset)));
        let published = |body| Heard::Published { channel, stand, ephemeral: entry.ephemeral, body };
        events.push(body.map_or(Heard::Corrupt, published));
    }
    if let Some(sequence) = sequence(message)
        && placed.head.run == calls.run
    {
        let is_mark = placed.entries.is_empty();
        node.lasts.note(channel, Last { sequence, head: placed.head, is_mark });
    }
    Ok(events)
}

/// Returns the sequence number that the stream gave to a message.
fn sequence(message: &Message) -> Option<u64> {
    message.headers.as_ref()?.get("Nats-Sequence")?.as_str().parse().ok()
}
