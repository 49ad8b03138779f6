//! Verbs: plain values that are told what happens and say what to do. No lock, no clock, no await.

mod channel;
mod queue;
mod session;
mod shard;
mod timers;
mod turn;

pub(crate) use channel::Fanout;
pub(crate) use queue::{Load, Queue, WRITE_RUNS};
pub(crate) use session::{Phase, Session, Verdict};
pub(crate) use shard::{Draft, Joined, Shard};
pub(crate) use timers::{Timer, Timers};
pub(crate) use turn::Turn;
