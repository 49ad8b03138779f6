//! Verbs: plain values that are told what happens and say what to do. No lock, no clock, no await.

mod budget;
mod channel;
mod common;
mod history;
mod incarnation;
mod keep;
mod keys;
mod loss;
mod meter;
mod order;
mod outgoing;
mod presence;
mod queue;
mod record;
mod roll;
mod session;
mod shard;
mod timers;
mod turn;
mod waiting;

pub(crate) use budget::Budget;
pub(crate) use channel::{Event, Fanout, Told};
pub(crate) use common::Common;
pub(crate) use incarnation::Incarnation;
pub(crate) use keys::{KEY_AGE, KEYS};
pub(crate) use loss::Loss;
pub(crate) use order::IdleOrder;
pub(crate) use outgoing::{Outgoing, Restored, StoreState, ToStore};
pub(crate) use presence::{MARKS, PRESENCE_BYTES, Space};
pub(crate) use queue::Queue;
pub(crate) use record::{Record, Records, Whose};
pub(crate) use session::{Phase, Session, Verdict};
pub(crate) use shard::{Draft, Joined, Joining, Placed, Shard};
pub(crate) use timers::{Timer, Timers};
pub(crate) use turn::Turn;
pub(crate) use waiting::{Load, Next, WRITE_RUNS};
