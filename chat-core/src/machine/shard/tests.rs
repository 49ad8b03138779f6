use chrono::DateTime;

use super::*;
use crate::machine::presence::Space;
use crate::machine::{ByteQuota, Common, EventKind, IdleOrder};
use crate::model::{Identity, Instant, SessionInfo};
use crate::model::{Now, Payload};

fn now() -> Now {
    Now { instant: Instant::START, utc: DateTime::UNIX_EPOCH }
}

fn draft(from: u64) -> Draft {
    let sender = "ann".parse().expect("a name");
    let (content, now) = (Payload::json("123456789"), now());
    Draft {
        from: Some(SessionId(from)),
        author: None,
        sender,
        content,
        event: None,
        key: None,
        refers: None,
        ephemeral: false,
        receipt: None,
        now,
    }
}

fn joining(session: u64) -> Joining {
    let ann = Identity::named("ann".parse().expect("a name"));
    let (who, options) = (SessionInfo::of(SessionId(session), ann).into(), ChannelOptions::default());
    let space = Space { entries: 300, bytes: 1 << 20, by_session: false };
    Joining {
        who,
        observes: false,
        since: None,
        latest: false,
        whole: false,
        space,
        recovers: 300,
        options,
        now: now().instant,
    }
}

fn shard() -> Shard<u64> {
    let (histories, outgoing) = (ByteQuota::new(1 << 20), ByteQuota::new(1 << 20));
    let common = Common {
        histories,
        outgoing,
        order: IdleOrder::new(1),
        untold: 0.into(),
        has_broker: false,
        incarnation: None,
    };
    Shard::new(1, common.into(), 0)
}

fn publish(shard: &mut Shard<u64>, from: u64) -> bool {
    shard.publish(&room(), draft(from)).expect("the channel is there").flush
}

fn room() -> ChannelId {
    "room".parse().expect("a name")
}

fn joined(shard: &mut Shard<u64>, sessions: &[u64]) -> Joined {
    let joins =
        sessions.iter().map(|s| shard.subscribe(&room(), joining(*s), |_| *s).expect("it may join").0);
    joins.last().expect("someone")
}

fn offsets(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.place.offset.0).collect()
}

#[test]
fn a_publish_appends_and_a_flush_takes_all_that_was_appended() {
    let mut shard = shard();
    joined(&mut shard, &[1, 2]);
    assert!(publish(&mut shard, 1));
    assert!(!publish(&mut shard, 2), "the first publisher flushes");
    let fanout = shard.flush(&room()).expect("two");
    assert_eq!((offsets(&fanout.events), &**fanout.subscribers), (vec![1, 2], &[1, 2][..]));
    assert!(matches!(&fanout.events[1].kind, EventKind::Publication(said) if said.previous == Offset(1)));
    assert!(shard.flushed(&room(), fanout.life).is_none());
}

#[test]
fn one_flusher_at_a_time_and_it_comes_back_for_what_came_meanwhile() {
    let mut shard = shard();
    joined(&mut shard, &[1]);
    publish(&mut shard, 1);
    let first = shard.flush(&room()).expect("one");
    assert!(!publish(&mut shard, 1));
    assert!(shard.flush(&room()).is_none());
    let second = shard.flushed(&room(), first.life).expect("the other");
    assert_eq!(offsets(&second.events), [2]);
}

#[test]
fn who_joins_during_a_flush_is_not_in_it_and_who_leaves_takes_what_it_was_owed() {
    let mut shard = shard();
    joined(&mut shard, &[1, 2]);
    publish(&mut shard, 1);
    let flight = shard.flush(&room()).expect("one");
    publish(&mut shard, 1);
    assert_eq!(joined(&mut shard, &[3]).place.offset, Offset(2));
    assert_eq!(flight.subscribers.len(), 2);
    let left = shard.unsubscribe(&room(), SessionId(1), now().instant).expect("a member");
    assert_eq!((left.subscriber, offsets(&left.undelivered)), (1, vec![1, 2]));
    assert!(shard.unsubscribe(&room(), SessionId(1), now().instant).is_none());
}

#[test]
fn a_channel_is_gone_with_its_last_subscriber_and_comes_back_with_another_epoch() {
    let mut shard = shard();
    let first = joined(&mut shard, &[1]);
    publish(&mut shard, 1);
    let flight = shard.flush(&room()).expect("one");
    let _ = shard.unsubscribe(&room(), SessionId(1), now().instant).expect("a member");
    assert_eq!(shard.channels(), 0);
    let second = joined(&mut shard, &[2]);
    assert_ne!(first.epoch, second.epoch);
    assert_eq!(second.place.offset, Offset(0));
    publish(&mut shard, 2);
    assert!(shard.flushed(&room(), flight.life).is_none(), "the old flush leaves the new channel alone");
    assert!(shard.flush(&room()).is_some());
}

#[test]
fn a_publish_that_nobody_hears_creates_nothing() {
    let mut shard = shard();
    let draft = shard.publish(&room(), draft(1)).expect_err("the channel is not there");
    let placed = shard.publish_anew(&room(), draft, ChannelOptions::default());
    assert_eq!((placed.published.subscribers(), placed.flush, shard.channels()), (0, false, 0));
}
