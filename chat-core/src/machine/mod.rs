//! Verbs: plain values that are told what happens and say what to do. No lock, no clock, no await.

mod acts;
mod budget;
mod channel;
mod history;
mod keep;
mod keys;
mod loss;
mod meter;
mod outgoing;
mod presence;
mod queue;
mod roll;
mod session;
mod shard;
mod timers;
mod turn;
mod waiting;

pub(crate) use acts::{Acts, Forgotten};
pub(crate) use budget::Budget;
pub(crate) use channel::{Event, Fanout, Told};
pub(crate) use loss::Loss;
pub(crate) use outgoing::{Outgoing, Receipt, Restored};
pub(crate) use queue::Queue;
pub(crate) use session::{Phase, Session, Stay, Verdict};
pub(crate) use shard::{Draft, Joined, Joining, Shard};
pub(crate) use timers::{Timer, Timers};
pub(crate) use turn::Turn;
pub(crate) use waiting::{Load, Next, WRITE_RUNS};
