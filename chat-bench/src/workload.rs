//! What is asked of the server.

use clap::ValueEnum;

/// A workload by name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Workload {
    /// One channel of 1,000 subscribers, one message in flight.
    #[value(name = "w1-1")]
    W1x1,
    /// One channel of 1,000 subscribers, 16 messages in flight.
    #[value(name = "w1-16")]
    W1x16,
    /// One channel of 1,000 subscribers, 64 messages in flight.
    #[value(name = "w1-64")]
    W1x64,
    /// 1,000 channels of 10 subscribers, 64 publishers with one message in flight each.
    #[value(name = "w2")]
    W2,
    /// Connections in channels of ten that say nothing.
    #[value(name = "idle")]
    Idle,
}

/// The figures of a workload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// How many subscribers there are in all; each is in one channel.
    pub(crate) subscribers: usize,
    /// How many subscribers a channel has.
    pub(crate) per_channel: usize,
    /// How many publishers share the channels.
    pub(crate) publishers: usize,
    /// How many messages of one publisher are in flight.
    pub(crate) in_flight: usize,
}

impl Shape {
    /// Counts the channels.
    pub(crate) fn channels(&self) -> usize {
        self.subscribers.div_ceil(self.per_channel)
    }
}

impl Workload {
    /// Tells the figures; `connections` counts for the idle workload alone.
    pub(crate) fn shape(self, connections: usize) -> Shape {
        let one = |in_flight| Shape { subscribers: 1_000, per_channel: 1_000, publishers: 1, in_flight };
        match self {
            Self::W1x1 => one(1),
            Self::W1x16 => one(16),
            Self::W1x64 => one(64),
            Self::W2 => Shape { subscribers: 10_000, per_channel: 10, publishers: 64, in_flight: 1 },
            Self::Idle => Shape { subscribers: connections, per_channel: 10, publishers: 0, in_flight: 0 },
        }
    }

    /// Tells how many messages take the floor a few seconds.
    pub(crate) fn messages(self) -> u64 {
        match self {
            Self::W1x1 => 1_000,
            Self::W1x16 => 8_000,
            Self::W1x64 => 20_000,
            Self::W2 => 60_000,
            Self::Idle => 0,
        }
    }

    /// Tells how many messages the floor may join into one send.
    pub(crate) fn join(self) -> usize {
        if matches!(self, Self::W1x16 | Self::W1x64) { 64 } else { 1 }
    }

    /// Names the workload as the command line does.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}
