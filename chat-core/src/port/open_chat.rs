//! Implements the endpoint of the original design.

use std::future::{Future, ready};

use super::decisions::PublishContext;
use super::defaults::may_publish;
use super::endpoint::Endpoint;
use crate::model::setters::setters;
use crate::model::{Publish, Refusal, SessionInfo};

/// Implements the chat of the original design: everyone may join any channel, and its members may publish to
/// it.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct OpenChat {
    /// Allows sessions to publish that are not in the channel.
    pub open_publish: bool,
}

setters! {
    OpenChat:
    with_open_publish open_publish: bool,
}

impl Endpoint for OpenChat {
    fn publish(
        &self,
        session: &SessionInfo,
        request: Publish,
        standing: PublishContext,
    ) -> impl Future<Output = Result<Publish, Refusal>> + Send {
        let _ = session;
        ready(may_publish(request, &standing, self.open_publish))
    }
}
