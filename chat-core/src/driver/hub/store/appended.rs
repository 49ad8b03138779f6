//! What became of a message that was to be published.

use futures::channel::oneshot;

use crate::model::{Published, Refusal};

/// What became of a message.
pub(crate) struct Appended {
    pub(crate) published: Published,
    /// The caller is to flush the channel.
    pub(crate) flush: bool,
    pub(crate) stored: Waits,
}

/// Whether a publisher waits for the store.
pub(crate) enum Waits {
    No,
    For(oneshot::Receiver<bool>),
    /// It is not stored, and never will be.
    Never,
}

/// Why a durable publication failed.
pub(crate) fn not_stored() -> Refusal {
    Refusal::internal("it was published, and is not stored")
}
