//! Says to the other nodes what is done to a user, and does here what they say.
//!
//! A word has these [fields](super::fields), of which those that are of no use are left out:
//!
//! ```text
//! node  the number of the node that says it   user  the user
//! do    disconnect, unsubscribe, subscribe or direct
//! code, words, message   of a close or a refusal
//! channel, echo, latest, presence   of a subscription
//! data  1, if the content is data for the client, one JSON value
//! ```

use std::sync::Arc;

use super::Cluster;
use super::asking::say;
use super::fields::{Fields, Writer};
use crate::driver::hub::shared::Shared;
use crate::driver::hub::users::Act;
use crate::driver::outbox::control::Order;
use crate::model::{Answer, Close, Payload, Reason, Refusal, Subscribe, UserId};

/// Is done to all sessions of a user, on every node.
#[derive(Debug)]
pub(crate) enum Deed {
    Act(Act),
    Direct(Payload),
}

/// Does something to all sessions of a user, here and, behind a broker, on the other nodes. Returns how many
/// sessions it has open here.
pub(crate) fn everywhere(shared: &Arc<Shared>, user: &UserId, deed: &Deed) -> usize {
    if let Some(cluster) = &shared.cluster
        && let Some(word) = encode(cluster.node, user, deed)
    {
        // A hub that is gone is told nothing; what finds no room is lost, as a word may be, and counted.
        if cluster.orders.0.try_send(word).is_err() {
            shared.metrics.cut_short("broker");
        }
    }
    here(shared, user, deed)
}

/// Says the orders to the other nodes, one after the other, for as long as there is the hub.
pub(crate) fn begin(shared: &Arc<Shared>) {
    let Some(cluster) = &shared.cluster else { return };
    let (weak, orders) = (Arc::downgrade(shared), cluster.orders.1.clone());
    shared.runtime.spawn(Box::pin(async move {
        while let Ok(word) = orders.recv().await {
            let Some(shared) = weak.upgrade() else { return };
            let Some(cluster) = &shared.cluster else { return };
            say(&shared, cluster, None, word).await;
        }
    }));
}

fn here(shared: &Shared, user: &UserId, deed: &Deed) -> usize {
    match deed {
        Deed::Act(act) => shared.users.act(user, || act.clone()),
        Deed::Direct(data) => {
            let sessions = shared.users.of(user);
            sessions.iter().for_each(|outbox| outbox.order(Order::Tell(Answer::Direct(data.clone()))));
            sessions.len()
        }
    }
}

/// Does what another node says. Returns false if that cannot be understood.
pub(super) fn heed(shared: &Shared, cluster: &Cluster, text: &str) -> bool {
    let Some((node, user, deed)) = decode(text) else { return false };
    if node != cluster.node {
        here(shared, &user, &deed);
    }
    true
}

/// Returns the word for it; none if its data is binary, which no word carries.
fn encode(node: u64, user: &UserId, deed: &Deed) -> Option<String> {
    let mut writer = Writer::new();
    writer.field("node", &node);
    writer.field("user", user);
    let data = match deed {
        Deed::Act(Act::Disconnect(close)) => {
            writer.field("do", &"disconnect");
            writer.field("code", &close.code());
            writer.field("message", &close.message);
            None
        }
        Deed::Act(Act::Unsubscribe(channel, why)) => {
            writer.field("do", &"unsubscribe");
            writer.field("channel", channel);
            writer.field("code", &why.code());
            writer.field("words", &why.reason);
            writer.field("message", &why.message);
            why.data.as_deref()
        }
        Deed::Act(Act::Subscribe(request)) => {
            writer.field("do", &"subscribe");
            writer.field("channel", &request.channel);
            writer.field("echo", &request.echo);
            writer.field("latest", &request.latest);
            writer.field("presence", &request.presence);
            request.data.as_ref()
        }
        Deed::Direct(data) => {
            writer.field("do", &"direct");
            Some(data)
        }
    };
    match data {
        None => Some(writer.with_content("")),
        Some(Payload::Json(text)) => {
            writer.field("data", &1);
            Some(writer.with_content(text))
        }
        Some(Payload::Binary(_)) => None,
    }
}

fn decode(text: &str) -> Option<(u64, UserId, Deed)> {
    let fields = Fields::read(text)?;
    let data = match fields.may::<u8>("data")? {
        None => None,
        Some(_) => Some(Payload::parse(fields.content).ok()?),
    };
    let deed = match fields.text("do")?.as_str() {
        "disconnect" => Deed::Act(Act::Disconnect(Close::new(fields.need("code")?, fields.text("message")?))),
        "unsubscribe" => {
            let reason = Reason::of(fields.need("code")?, fields.text("words")?)?;
            let refusal =
                Refusal { data: data.map(Box::new), ..Refusal::new(reason, fields.text("message")?) };
            Deed::Act(Act::Unsubscribe(fields.need("channel")?, refusal))
        }
        "subscribe" => {
            let mut request = Subscribe::to(fields.need("channel")?);
            request.echo = fields.need("echo")?;
            request.latest = fields.need("latest")?;
            request.presence = fields.need("presence")?;
            request.data = data;
            Deed::Act(Act::Subscribe(request))
        }
        "direct" => Deed::Direct(data?),
        _ => return None,
    };
    Some((fields.need("node")?, fields.need("user")?, deed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn back(deed: Deed) -> (u64, UserId, Deed) {
        let word = encode(7, &"ann".parse().expect("a name"), &deed).expect("it can be said");
        decode(&word).expect("it can be understood")
    }

    #[test]
    fn what_is_done_to_a_user_is_understood_as_it_was_said() {
        let room: crate::model::ChannelId = "room".parse().expect("a name");
        let own = Refusal::custom(400, "late", "too late").with_data(Payload::json("{\"a\":1}"));
        for deed in [
            Deed::Act(Act::Disconnect(Close::new(4500, "away with you"))),
            Deed::Act(Act::Disconnect(Close::EXPIRED)),
            Deed::Act(Act::Unsubscribe(room.clone(), own)),
            Deed::Act(Act::Unsubscribe(room.clone(), Refusal::permission_denied("out"))),
            Deed::Act(Act::Subscribe(Subscribe::to(room))),
            Deed::Direct(Payload::json("[1]")),
            Deed::Direct(Payload::null()),
        ] {
            let said = format!("{deed:?}");
            let (node, user, understood) = back(deed);
            assert_eq!((node, user.as_str(), format!("{understood:?}")), (7, "ann", said));
        }
    }

    #[test]
    fn what_is_no_word_is_told_apart() {
        let word =
            encode(7, &"ann".parse().expect("a name"), &Deed::Direct(Payload::json("1"))).expect("a word");
        assert!(decode(&word).is_some() && decode(&word.replace("node", "later 1\nnode")).is_some());
        for wrong in [
            "",
            "v 1\n\n",
            &word.replace("v 1", "v 2"),
            &word.replace("direct", "dance"),
            &word.replace("data 1\n", ""),
            &word.replace("\n\n1", "\n\n"),
            &word.replace("user ann", "user "),
        ] {
            assert!(decode(wrong).is_none(), "{wrong}");
        }
    }
}
