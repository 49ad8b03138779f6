//! Accounts for every delivery: each message once, in order, and how late.

/// Tracks the messages that a subscriber received of its channel, which are numbered from 0.
#[derive(Default)]
pub(crate) struct Account {
    next: u64,
    skipped: Vec<u64>,
}

/// Tells how a message relates to those that its subscriber received before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Seen {
    /// Marks a first copy that came before all later messages.
    New,
    /// Marks a first copy that came after a later message.
    Late,
    /// Marks a further copy of a message.
    Again,
}

impl Account {
    /// Records a received message.
    pub(crate) fn record(&mut self, sequence: u64) -> Seen {
        if sequence >= self.next {
            self.skipped.extend(self.next..sequence);
            self.next = sequence + 1;
            return Seen::New;
        }
        match self.skipped.iter().position(|&skipped| skipped == sequence) {
            Some(index) => {
                self.skipped.swap_remove(index);
                Seen::Late
            }
            None => Seen::Again,
        }
    }

    /// Returns how many of the published messages never came.
    pub(crate) fn lost(&self, published: u64) -> u64 {
        self.skipped.len() as u64 + published.saturating_sub(self.next)
    }
}

/// Sets how many buckets each power of two has.
const STEPS: u64 = 64;

/// Counts times in buckets of 1.6 %.
pub(crate) struct Histogram {
    buckets: Vec<u64>,
    count: u64,
}

impl Histogram {
    /// Makes a bucket for every possible time.
    pub(crate) fn new() -> Self {
        Self { buckets: vec![0; 64 * STEPS as usize], count: 0 }
    }

    /// Records a time in nanoseconds.
    pub(crate) fn record(&mut self, nanos: u64) {
        self.buckets[bucket(nanos)] += 1;
        self.count += 1;
    }

    /// Returns the milliseconds below which this share of all times lies.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        let rank = (self.count as f64 * share) as u64;
        let mut below = 0;
        let index = self.buckets.iter().position(|count| {
            below += count;
            below > rank
        });
        index.map_or(0.0, |index| floor_of(index as u64) as f64 / 1e6)
    }
}

fn bucket(nanos: u64) -> usize {
    if nanos < STEPS {
        return nanos as usize;
    }
    let shift = u64::from(nanos.ilog2() - STEPS.ilog2());
    (shift * STEPS + (nanos >> shift)) as usize
}

fn floor_of(bucket: u64) -> u64 {
    if bucket < STEPS {
        return bucket;
    }
    let shift = bucket / STEPS - 1;
    (bucket - shift * STEPS) << shift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_in_order_are_new_and_none_is_lost() {
        let mut account = Account::default();
        assert!((0..5).all(|sequence| account.record(sequence) == Seen::New));
        assert_eq!(account.lost(5), 0);
    }

    #[test]
    fn a_gap_and_a_missing_end_are_lost() {
        let mut account = Account::default();
        account.record(0);
        account.record(3);
        assert_eq!(account.lost(4), 2);
        assert_eq!(account.lost(6), 4);
    }

    #[test]
    fn a_second_copy_is_doubled() {
        let mut account = Account::default();
        account.record(0);
        assert_eq!(account.record(0), Seen::Again);
        assert_eq!(account.lost(1), 0);
    }

    #[test]
    fn a_message_after_its_follower_is_out_of_order_once() {
        let mut account = Account::default();
        account.record(1);
        assert_eq!(account.record(0), Seen::Late);
        assert_eq!(account.record(0), Seen::Again);
        assert_eq!(account.lost(2), 0);
    }

    #[test]
    fn buckets_are_close_to_the_time() {
        for nanos in [0, 1, 63, 64, 65, 127, 128, 1_000, 123_456_789, u64::MAX] {
            let floor = floor_of(bucket(nanos) as u64);
            assert!(floor <= nanos && nanos - floor <= nanos / STEPS, "{nanos} is not near {floor}");
        }
    }

    #[test]
    fn percentiles_are_of_all_times() {
        let mut times = Histogram::new();
        (1..=100).for_each(|ms| times.record(ms * 1_000_000));
        assert!((49.0..=51.0).contains(&times.percentile(0.5)));
        assert!((98.0..=100.0).contains(&times.percentile(0.99)));
        assert_eq!(Histogram::new().percentile(0.5), 0.0);
    }
}
