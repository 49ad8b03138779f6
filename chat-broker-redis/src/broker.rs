//! Implements the port.

use std::sync::Arc;

use async_channel::Sender;
use chat_core::broker::{
    BODY_BYTES, Broker, BrokerError, Draft, Heard, Join, Joined, Page, Placed, Promises, Stand,
};
use chat_core::{ChannelId, HistoryRequest};
use futures::future::BoxFuture;

use crate::asks::{self, too_large_error};
use crate::envelope;
use crate::interest::Change;
use crate::names::LANES;
use crate::node::RedisBroker;
use crate::session;

impl RedisBroker {
    async fn change(&self, change: Change, channels: Vec<ChannelId>) -> Result<(), BrokerError> {
        let named = |channel: ChannelId| {
            let name = self.address.names.said_in(self.lane(&channel), &channel);
            (channel, name)
        };
        let channels: Vec<_> = channels.into_iter().map(named).collect();
        self.interest.change(change, &channels).await
    }
}

impl Broker for RedisBroker {
    fn lanes(&self) -> usize {
        LANES
    }

    fn publish(&self, _: usize, batch: Vec<Draft>) -> BoxFuture<'_, Vec<Result<Placed, BrokerError>>> {
        Box::pin(asks::place(self, batch))
    }

    fn join(&self, joins: Vec<Join>) -> BoxFuture<'_, Result<Vec<Joined>, BrokerError>> {
        Box::pin(async move {
            if !joins.is_empty() {
                self.change(Change::Join, joins.iter().map(|join| join.channel.clone()).collect()).await?;
            }
            asks::read_joined(self, &joins).await
        })
    }

    fn leave(&self, channels: Vec<ChannelId>) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async move {
            if channels.is_empty() { Ok(()) } else { self.change(Change::Leave, channels).await }
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
                return Err(too_large_error());
            }
            asks::tell(self, channel.as_ref(), &envelope::told(&body)).await
        })
    }

    fn run(&self, heard: Sender<Heard>) -> BoxFuture<'_, ()> {
        Box::pin(session::run(self, heard))
    }

    fn promises(&self) -> Promises {
        Promises::default().with_durable(self.address.durable)
    }
}
