//! Holds what is heard of a channel while it is being joined.

use std::sync::Arc;

use crate::model::Publication;
use crate::port::broker::Stand;

/// Bounds what is kept of a channel that is being joined; what comes beyond it is read from the broker.
const EARLY: usize = 256;

/// Holds what was heard of a channel while it was being joined.
#[derive(Default)]
pub(crate) struct Early {
    /// Lists the publications; none stands for one that cannot be read.
    pub(crate) heard: Vec<(Stand, Option<Arc<Publication>>)>,
    /// Is true if there was more than is kept here, or may have been.
    pub(crate) more: bool,
}

impl Early {
    pub(super) fn add(&mut self, stand: Stand, publication: Option<Arc<Publication>>) {
        if self.heard.len() < EARLY {
            self.heard.push((stand, publication));
        } else {
            self.more = true;
        }
    }
}
