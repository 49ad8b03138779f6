//! Tells the outcome of publishing a message.

use futures::channel::oneshot;

use crate::driver::hub::cluster::lane::Place;
use crate::model::{Published, Refusal};

/// Holds the outcome of publishing a message.
pub(crate) struct Appended {
    pub(crate) published: Published,
    /// Is true if the caller is to flush the channel.
    pub(crate) flush: bool,
    pub(crate) stored: Waits,
}

/// Tells if a publisher waits for the store.
pub(crate) enum Waits {
    No,
    For(oneshot::Receiver<bool>),
    /// The publisher is told the place once the broker has given it.
    Placed(Place),
    /// The broker was not even asked.
    Refused(Refusal),
    /// The publication is not stored, and never will be.
    Never,
}

/// Returns the refusal that reports a durable publication as not stored.
pub(crate) fn not_stored() -> Refusal {
    Refusal::internal("it was published, and is not stored")
}
