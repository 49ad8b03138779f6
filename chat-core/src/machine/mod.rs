//! Decides what happens, in plain values: inputs are arguments, outputs are return values. There is no lock,
//! no clock and no await.

mod acts;
mod burst;
mod channel;
mod closing;
mod common;
mod event;
mod hashing;
mod history;
mod incarnation;
mod keys;
mod meter;
mod missed;
mod order;
mod overflow;
mod presence;
mod queue;
mod quota;
mod record;
mod session;
mod shard;
mod storing;
mod timers;
mod turn;
mod waiting;

pub(crate) use acts::{Acts, Forgotten};
pub(crate) use burst::Burst;
pub(crate) use closing::{Act, Closing, Peer};
pub(crate) use common::Common;
pub(crate) use event::{Draft, Event, EventKind, Fanout, Joined, Joining};
pub(crate) use incarnation::Incarnation;
pub(crate) use keys::{KEY_AGE, KEYS};
pub(crate) use missed::Missed;
pub(crate) use order::IdleOrder;
pub(crate) use overflow::{Taken, take_in};
pub(crate) use presence::{MARKS, PRESENCE_BYTES, Space};
pub(crate) use queue::Queue;
pub(crate) use quota::ByteQuota;
pub(crate) use record::{Record, Records, Whose};
pub(crate) use session::{Phase, SessionState, Stay, Staying, Verdict};
pub(crate) use shard::{Placed, Shard};
pub(crate) use storing::{Outgoing, Restored, StoreState, ToStore};
pub(crate) use timers::{Timer, Timers};
pub(crate) use turn::Turn;
pub(crate) use waiting::{Load, Next, WRITE_RUNS};
