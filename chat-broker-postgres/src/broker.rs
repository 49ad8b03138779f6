//! Implements the port.

use std::sync::Arc;

use async_channel::Sender;
use chat_core::broker::{
    BODY_BYTES, Broker, BrokerError, Draft, Heard, Join, Joined, Page, Placed, Promises, Stand,
};
use chat_core::{ChannelId, HistoryRequest};
use futures::future::BoxFuture;
use sha2::{Digest, Sha256};

use crate::asks;
use crate::cursors::LANES;
use crate::error::too_large;
use crate::node::PostgresBroker;
use crate::saying;
use crate::session;

impl Broker for PostgresBroker {
    fn lanes(&self) -> usize {
        LANES
    }

    /// Decides as the schema does, which has no FNV-1a.
    fn lane(&self, channel: &ChannelId) -> usize {
        usize::from(Sha256::digest(channel.as_str().as_bytes())[0]) % LANES
    }

    fn publish(&self, _: usize, batch: Vec<Draft>) -> BoxFuture<'_, Vec<Result<Placed, BrokerError>>> {
        Box::pin(asks::place(self, batch))
    }

    fn join(&self, joins: Vec<Join>) -> BoxFuture<'_, Result<Vec<Joined>, BrokerError>> {
        Box::pin(async move {
            let interest = self.interest_to_join().await?;
            let joining = interest.join(joins.iter().map(|join| &join.channel));
            let read = asks::read_joined(self, &joins).await?;
            joining.heard(read.iter().map(|(seq, _)| *seq));
            Ok(read.into_iter().map(|(_, joined)| joined).collect())
        })
    }

    fn leave(&self, channels: Vec<ChannelId>) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async move {
            self.interest.leave(&channels);
            Ok(())
        })
    }

    fn stands(&self, channels: Vec<ChannelId>) -> BoxFuture<'_, Result<Vec<Stand>, BrokerError>> {
        Box::pin(async move { asks::stands(self, &channels).await })
    }

    fn read(&self, request: HistoryRequest, bytes: usize) -> BoxFuture<'_, Result<Page, BrokerError>> {
        Box::pin(async move { asks::page(self, &request, bytes).await })
    }

    fn tell(&self, channel: Option<ChannelId>, body: Arc<str>) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async move {
            if body.len() > BODY_BYTES {
                return Err(too_large());
            }
            saying::tell(self, channel, body).await
        })
    }

    fn run(&self, heard: Sender<Heard>) -> BoxFuture<'_, ()> {
        Box::pin(session::run(self, heard))
    }

    fn promises(&self) -> Promises {
        Promises::default().with_reliable(true).with_durable(self.is_durable)
    }
}
