//! Defines the workloads.

use clap::ValueEnum;

/// Names a workload.
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
    /// One channel of 10,000 subscribers, 16 messages in flight.
    #[value(name = "w1-16-10k")]
    Large,
    /// One channel of 1,000 subscribers, 500 messages a second whatever is delivered.
    #[value(name = "open-500")]
    Open,
    /// One channel of 100 subscribers, ten of which never read; 64 messages in flight.
    #[value(name = "slow")]
    Slow,
    /// 10,000 connections in channels of ten, without any message.
    #[value(name = "idle")]
    Idle,
    /// 1,000 connections in channels of ten, without any message.
    #[value(name = "idle-1k")]
    IdleFew,
    /// One channel of ten subscribers, 100 messages a second.
    Quiet,
    /// One channel of ten subscribers, 100 messages a second, while 16 messages are in flight in a channel of
    /// 10,000 in the same shard.
    QuietBesideHot,
    /// The channel of 10,000 beside; runs until it is killed.
    #[value(hide = true)]
    Hot,
    /// 10,000 subscribers of one channel disconnect, miss 100 messages, and all reconnect at once to recover
    /// them.
    Storm,
    /// In process, one message in each flush, to 1,000 sinks that take everything.
    #[value(name = "process-1")]
    Process1,
    /// In process, 16 messages in each flush.
    #[value(name = "process-16")]
    Process16,
}

/// Holds the figures of a workload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// Sets how many subscribers there are in all; each is in one channel.
    pub(crate) subscribers: usize,
    /// Sets how many subscribers a channel has.
    pub(crate) per_channel: usize,
    /// Sets the number of the first channel.
    pub(crate) first_channel: usize,
    /// Sets how many publishers share the channels.
    pub(crate) publishers: usize,
    /// Sets how many messages of one publisher are in flight.
    pub(crate) in_flight: usize,
    /// Sets how many messages a second the first publisher publishes, if that does not depend on deliveries.
    pub(crate) rate: Option<u64>,
    /// Sets how many of the first subscribers never read.
    pub(crate) deaf: usize,
}

impl Shape {
    /// Returns the number of channels.
    pub(crate) fn channels(&self) -> usize {
        self.subscribers.div_ceil(self.per_channel)
    }

    /// Returns how many subscribers of a channel read.
    pub(crate) fn readers(&self) -> usize {
        self.per_channel - self.deaf
    }

    /// Returns the channels of a publisher, by their numbers on the wire.
    pub(crate) fn names_of(&self, publisher: usize) -> Vec<usize> {
        let own = (publisher..self.channels()).step_by(self.publishers);
        own.map(|channel| self.first_channel + channel).collect()
    }
}

impl Workload {
    /// Returns the figures of the workload.
    pub(crate) fn shape(self) -> Shape {
        let one = Shape {
            subscribers: 1_000,
            per_channel: 1_000,
            first_channel: 0,
            publishers: 1,
            in_flight: 1,
            rate: None,
            deaf: 0,
        };
        let tens = Shape { per_channel: 10, publishers: 0, ..one };
        let large = Shape { subscribers: 10_000, per_channel: 10_000, in_flight: 16, ..one };
        match self {
            Self::W1x1 | Self::Process1 => one,
            Self::W1x16 | Self::Process16 => Shape { in_flight: 16, ..one },
            Self::W1x64 => Shape { in_flight: 64, ..one },
            Self::W2 => Shape { subscribers: 10_000, publishers: 64, ..tens },
            Self::Large => large,
            Self::Open => Shape { rate: Some(500), ..one },
            Self::Slow => Shape { subscribers: 100, per_channel: 100, in_flight: 64, deaf: 10, ..one },
            Self::Idle => Shape { subscribers: 10_000, ..tens },
            Self::IdleFew => tens,
            Self::Quiet | Self::QuietBesideHot => {
                Shape { subscribers: 10, publishers: 1, rate: Some(100), ..tens }
            }
            Self::Hot => Shape { first_channel: 1, ..large },
            Self::Storm => Shape { in_flight: 100, ..large },
        }
    }

    /// Returns how many messages take the floor a few seconds.
    pub(crate) fn messages(self) -> u64 {
        match self {
            Self::W1x1 => 600,
            Self::W1x16 | Self::Process1 => 8_000,
            Self::W1x64 => 20_000,
            Self::W2 => 40_000,
            Self::Large => 400,
            Self::Open => 2_500,
            Self::Slow => 200_000,
            Self::Idle | Self::IdleFew => 0,
            Self::Quiet | Self::QuietBesideHot => 400,
            // The load publishes until its time is over.
            Self::Hot => 1_000_000,
            Self::Storm => 100,
            Self::Process16 => 80_000,
        }
    }

    /// Returns how many messages the floor may join into one send.
    pub(crate) fn join(self) -> usize {
        if matches!(self, Self::W1x1 | Self::W2) { 1 } else { 64 }
    }

    /// Tells whether nothing is published.
    pub(crate) fn is_idle(self) -> bool {
        matches!(self, Self::Idle | Self::IdleFew)
    }

    /// Tells whether there is no socket in it.
    pub(crate) fn is_in_process(self) -> bool {
        matches!(self, Self::Process1 | Self::Process16)
    }

    /// Tells whether the load sleeps until something is to do: where so little is published that it is heard
    /// at once.
    pub(crate) fn sleeps(self) -> bool {
        self.shares_a_shard()
    }

    /// Tells whether channels are to share one lock.
    pub(crate) fn shares_a_shard(self) -> bool {
        matches!(self, Self::Quiet | Self::QuietBesideHot)
    }

    /// Returns the workload's name on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}
