//! Holds what waits in one lane to be placed by the broker.

use std::collections::VecDeque;

use futures::channel::oneshot;

use crate::driver::duty::Duty;
use crate::model::{Published, Refusal};
use crate::port::broker::Draft;

/// Receives where a publication is.
pub(crate) type Place = oneshot::Receiver<Result<Published, Refusal>>;

/// Holds what waits to be placed, in order.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) waiting: VecDeque<Waiting>,
    pub(super) bytes: usize,
    pub(super) duty: Duty,
}

/// Holds a publication that waits, and who waits for its place.
pub(super) struct Waiting {
    pub(super) draft: Draft,
    pub(super) tell: oneshot::Sender<Result<Published, Refusal>>,
}
