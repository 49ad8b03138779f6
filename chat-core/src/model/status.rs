//! Describes what a hub holds: its channels, its sessions, and who is in which, page by page.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::{ChannelId, Epoch, Offset, Peer, SenderName, SessionId, UserId};

/// Holds a part of a list, and where the next part begins.
///
/// Pages that are read one after another list each entry once that is there all the time. An entry that comes
/// or goes meanwhile is listed or not.
///
/// ```
/// use chat_core::{Hub, OpenChat, testkit::World};
///
/// let world = World::new();
/// let hub = Hub::builder(OpenChat::default()).build(world.clone());
/// let clients = ["ann", "bob", "eve"].map(|name| world.open(&hub, name));
/// let (mut names, mut after) = (Vec::new(), None);
/// loop {
///     let page = hub.sessions(after, 2);
///     names.extend(page.entries.into_iter().filter_map(|session| session.name));
///     after = page.next;
///     if after.is_none() {
///         break;
///     }
/// }
/// assert_eq!(names.iter().map(|name| name.as_str()).collect::<Vec<_>>(), ["ann", "bob", "eve"]);
/// ```
///
/// Pages can be serialized: names of fields are in camelCase, times are texts (RFC 3339), and ids of sessions
/// and offsets are numbers of 64 bits. They are not deserialized; `next` is, by the type of its id.
///
/// ```
/// use chat_core::{Hub, OpenChat, SessionId, testkit::World};
/// use serde_json::{from_value, json, to_value};
///
/// let world = World::new();
/// let hub = Hub::builder(OpenChat::default()).build(world.clone());
/// let [ann, bob] = ["ann", "bob"].map(|name| world.open(&hub, name));
/// ann.say("subscribe news");
///
/// let page = to_value(hub.channels(None, 1))?;
/// let news = json!({
///     "channel": "news", "subscribers": 1, "publications": 0, "historyBytes": 0,
///     "epoch": page["entries"][0]["epoch"], "offset": 0, "stored": false,
/// });
/// assert_eq!(page, json!({ "entries": [news], "next": null }));
///
/// let page = to_value(hub.sessions(None, 1))?;
/// let mut session = json!({
///     "session": 1, "user": "ann", "name": "ann", "since": "2026-01-01T00:00:00Z", "peer": null,
///     "protocol": "script", "channels": 1, "waitingFrames": 0, "waitingBytes": 0,
/// });
/// assert_eq!(page, json!({ "entries": [session], "next": 1 }));
/// let after: SessionId = from_value(page["next"].clone())?;
/// assert_eq!(to_value(hub.sessions(Some(after), 1))?["entries"][0]["name"], "bob");
///
/// session["subscribed"] = json!("2026-01-01T00:00:00Z");
/// let page = to_value(hub.subscribers(&"news".parse()?, None, 1))?;
/// assert_eq!(page, json!({ "entries": [session], "next": null }));
/// # drop(bob);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Page<T, K> {
    /// Lists the entries of this part.
    pub entries: Vec<T>,
    /// Names the entry after which the next part begins; none if there is no next part.
    pub next: Option<K>,
}

/// Describes a channel that is in memory. [`Hub::channels`](crate::Hub::channels) returns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ChannelStatus {
    /// Names the channel.
    pub channel: ChannelId,
    /// Counts the sessions that are in the channel.
    pub subscribers: usize,
    /// Counts the publications that the channel's log holds.
    pub publications: usize,
    /// Counts the bytes of their contents.
    pub history_bytes: usize,
    /// Holds the epoch of the channel.
    pub epoch: Epoch,
    /// Holds the offset of the last publication; 0 if there was none.
    pub offset: Offset,
    /// Is true if the channel's publications go to the store.
    pub stored: bool,
}

/// Describes a session. [`Hub::sessions`](crate::Hub::sessions) and [`Hub::session`](crate::Hub::session)
/// return it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SessionStatus {
    /// Identifies the session.
    pub session: SessionId,
    /// Identifies the user; none until the session is admitted.
    pub user: Option<UserId>,
    /// Holds the name under which the session publishes; none until it is admitted.
    pub name: Option<SenderName>,
    /// Holds the time at which the session began.
    pub since: DateTime<Utc>,
    /// Holds where the client comes from, if its adapter has said so
    /// ([`Permit::of_peer`](crate::transport::Permit)).
    pub peer: Option<Peer>,
    /// Names the protocol that the session speaks.
    pub protocol: &'static str,
    /// Counts the channels that the session is in.
    pub channels: usize,
    /// Counts the frames that wait for the session's transport.
    pub waiting_frames: usize,
    /// Counts the bytes of those frames.
    pub waiting_bytes: usize,
}

/// Describes a session in a channel. [`Hub::subscribers`](crate::Hub::subscribers) returns it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SubscriberStatus {
    /// Holds the time at which the session joined the channel.
    pub subscribed: DateTime<Utc>,
    /// Describes the session.
    #[serde(flatten)]
    pub session: SessionStatus,
}

impl<T, K> Page<T, K> {
    /// Returns a page whose `next` is named by its last entry, if there are more behind that.
    pub(crate) fn new(entries: Vec<T>, more: bool, key: impl FnOnce(&T) -> K) -> Self {
        let next = entries.last().filter(|_| more).map(key);
        Self { entries, next }
    }
}
