//! Implements the port.

use std::sync::Arc;

use async_channel::Sender;
use chat_core::broker::{
    BODY_BYTES, Broker, BrokerError, Draft, Heard, Join, Joined, Page, Placed, Promises, Stand,
};
use chat_core::{ChannelId, HistoryRequest};
use futures::future::{BoxFuture, ready};

use crate::error::too_large;
use crate::names::LANES;
use crate::node::NatsBroker;
use crate::{placing, reading, session};

impl Broker for NatsBroker {
    fn lanes(&self) -> usize {
        LANES
    }

    fn publish(&self, _: usize, batch: Vec<Draft>) -> BoxFuture<'_, Vec<Result<Placed, BrokerError>>> {
        Box::pin(placing::place(self, batch))
    }

    fn join(&self, joins: Vec<Join>) -> BoxFuture<'_, Result<Vec<Joined>, BrokerError>> {
        Box::pin(async move {
            if joins.is_empty() {
                return Ok(Vec::new());
            }
            self.interest.join(joins.iter().map(|join| &join.channel)).await?;
            reading::read_joined(self, joins).await
        })
    }

    fn leave(&self, channels: Vec<ChannelId>) -> BoxFuture<'_, Result<(), BrokerError>> {
        self.interest.leave(&channels);
        Box::pin(ready(Ok(())))
    }

    fn stands(&self, channels: Vec<ChannelId>) -> BoxFuture<'_, Result<Vec<Stand>, BrokerError>> {
        Box::pin(async move { reading::stands(self, channels).await })
    }

    fn read(&self, request: HistoryRequest, bytes: usize) -> BoxFuture<'_, Result<Page, BrokerError>> {
        Box::pin(async move { reading::page(self, &request, bytes).await })
    }

    fn tell(&self, channel: Option<ChannelId>, body: Arc<str>) -> BoxFuture<'_, Result<(), BrokerError>> {
        Box::pin(async move {
            if body.len() > BODY_BYTES {
                return Err(too_large());
            }
            placing::tell(self, channel.as_ref(), &body).await
        })
    }

    fn run(&self, heard: Sender<Heard>) -> BoxFuture<'_, ()> {
        Box::pin(session::run(self, heard))
    }

    fn promises(&self) -> Promises {
        Promises::default().with_durable(self.address.durable)
    }
}
