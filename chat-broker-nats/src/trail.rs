//! Holds where the messages before one are: the last few of a channel, and ever fewer of those before.

use std::str::FromStr;

/// Is how many of the last messages are all listed.
pub(crate) const DENSE: usize = 8;
/// Bounds what a reader takes for a trail.
const MOST: usize = 128;

/// Lists messages of a channel before one, the newest first: the last offset of each, and its sequence number
/// in the stream. After the last [`DENSE`] there is about one for each power of two of the distance, so that
/// any message is found in a number of steps that grows as the logarithm of the distance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trail(Vec<(u64, u64)>);

impl Trail {
    /// Returns the trail of the message after the one that ends at this offset and has this sequence number.
    /// Of messages older than `first`, which are not kept any more, only the last few stay listed.
    pub(crate) fn after(&self, offset: u64, sequence: u64, first: u64) -> Self {
        let mut all = vec![(offset, sequence)];
        all.extend_from_slice(&self.0[..self.0.len().min(DENSE - 1)]);
        let rest = self.0.get(DENSE - 1..).unwrap_or_default();
        let level = |at: u64| (offset - at.min(offset)).checked_ilog2();
        // Of each level the oldest stays: it is the first to reach the next level.
        for (at, (old, sequence)) in rest.iter().enumerate() {
            let is_oldest = rest.get(at + 1).is_none_or(|(older, _)| level(*older) != level(*old));
            if is_oldest && *old >= first {
                all.push((*old, *sequence));
            }
        }
        Self(all)
    }

    /// Returns the sequence numbers of the last messages, the newest first, without those that end at or
    /// before this offset.
    pub(crate) fn last(&self, above: u64) -> Vec<u64> {
        let dense = self.0.iter().take(DENSE);
        dense.take_while(|(offset, _)| *offset > above).map(|(_, sequence)| *sequence).collect()
    }

    /// Returns the sequence number of the message before.
    pub(crate) fn before(&self) -> Option<u64> {
        self.0.first().map(|(_, sequence)| *sequence)
    }

    /// Returns the oldest message that is listed and ends at this offset or after it.
    pub(crate) fn towards(&self, offset: u64) -> Option<u64> {
        self.0.iter().take_while(|(at, _)| *at >= offset).last().map(|(_, sequence)| *sequence)
    }

    /// Returns the text of this trail, as differences.
    pub(crate) fn text(&self, offset: u64, sequence: u64) -> String {
        let mut from = (offset, sequence);
        let step = |(at, number): &(u64, u64)| {
            let step = format!("{}.{}", from.0.saturating_sub(*at), from.1.saturating_sub(*number));
            from = (*at, *number);
            step
        };
        let steps: Vec<_> = self.0.iter().map(step).collect();
        if steps.is_empty() { "-".to_owned() } else { steps.join(",") }
    }

    /// Reads the text of a trail. Returns none if it is none.
    pub(crate) fn read(text: &str, offset: u64, sequence: u64) -> Option<Self> {
        let (mut from, mut all) = ((offset, sequence), Vec::new());
        for step in text.split(',').filter(|step| *step != "-") {
            let (back, earlier) = step.split_once('.')?;
            let (back, earlier) = (u64::from_str(back).ok()?, u64::from_str(earlier).ok()?);
            from = (from.0.checked_sub(back)?, from.1.checked_sub(earlier)?);
            if all.len() == MOST || from.1 == 0 {
                return None;
            }
            all.push(from);
        }
        Some(Self(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the trails of so many messages of one publication each, whose sequence numbers are thrice
    /// their offsets.
    fn trails(count: u64) -> Vec<Trail> {
        let mut all = vec![Trail::default()];
        for offset in 1..count {
            let next = all[offset as usize - 1].after(offset, offset * 3, 1);
            all.push(next);
        }
        all
    }

    #[test]
    fn every_message_is_found_in_few_steps() {
        let all = trails(5000);
        for wanted in 1..4999_u64 {
            let (mut at, mut steps) = (5000_u64, 0);
            while at > wanted {
                let next = all[at as usize - 1].towards(wanted).expect("a message that is not older") / 3;
                assert!(wanted <= next && next < at);
                (at, steps) = (next, steps + 1);
            }
            assert!(steps <= 40, "{wanted} took {steps}");
        }
        assert!(all.iter().all(|trail| trail.0.len() <= DENSE + 14));
    }

    #[test]
    fn a_trail_is_read_as_it_was_written_and_what_is_none_is_refused() {
        for trail in trails(300) {
            assert_eq!(Trail::read(&trail.text(300, 900), 300, 900), Some(trail));
        }
        for text in ["", "1", "1.", "a.b", "1.1,", "9.1", "1.99", "1.10", &["0.0"; 200].join(",")] {
            assert_eq!(Trail::read(text, 5, 10), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_kept_is_listed_only_among_the_last() {
        let trail = (1..200).fold(Trail::default(), |trail, at| trail.after(at, at, at));
        assert_eq!(trail.0.len(), DENSE);
        assert_eq!(trail.last(0).len(), DENSE);
        assert_eq!(trail.last(197), [199, 198]);
        assert_eq!(trail.before(), Some(199));
    }
}
