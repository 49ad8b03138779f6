//! Holds how far a node has heard each lane and has seen it in answers, and decides whether the database
//! still holds that.
//!
//! A copy of the data that is older may have gone on by itself, so that what comes next is not what follows.
//! Each row has a random mark: the row at the cursor has the mark that was heard, and the last one that an
//! answer told of has the mark that it told, or the database has forgotten. Eras grow, so that a copy of an
//! earlier one is known.

use std::sync::{Mutex, PoisonError};

/// Is the number of lanes, which the schema fixes.
pub(crate) const LANES: usize = 8;

/// Is a row of a lane, in the order of rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) era: i64,
    pub(crate) seq: i64,
    pub(crate) mark: i64,
}

/// Holds the last row of each lane that the node's users may know of from an answer: they were told an
/// offset.
#[derive(Default)]
pub(crate) struct Seen(Mutex<[Option<Position>; LANES]>);

impl Seen {
    pub(crate) fn note(&self, lane: usize, position: Position) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all[lane] = all[lane].max(Some(position));
    }

    pub(crate) fn all(&self) -> [Option<Position>; LANES] {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells how far a node has heard a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    pub(crate) era: i64,
    /// Is the number and the mark of the last row that was heard.
    pub(crate) seq: i64,
    pub(crate) mark: i64,
    /// Is when the server started that was heard last.
    pub(crate) start: i64,
}

/// Tells what a lane holds, as of one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lane {
    pub(crate) era: i64,
    /// Is true if the last row was placed in the server's present incarnation.
    pub(crate) is_present: bool,
    /// Is the number and the mark of the last row.
    pub(crate) last: (i64, i64),
    /// Is the number and the mark of the last row that may be gone.
    pub(crate) floor: (i64, i64),
    pub(crate) start: i64,
}

/// Says what a lane is to a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Goes on from the cursor.
    GoesOn,
    /// Has something that the node cannot hear any more.
    Lost,
    /// Holds less than was heard, or something else: it needs another era.
    Forgot,
}

impl Lane {
    /// Returns the cursor at the lane's end.
    pub(crate) fn end(&self) -> Cursor {
        Cursor { era: self.era, seq: self.last.0, mark: self.last.1, start: self.start }
    }

    /// Compares the lane with a cursor, given the mark of the row at the cursor, if there is that row.
    pub(crate) fn judge(&self, cursor: &Cursor, mark_there: Option<i64>) -> Judgement {
        if !self.is_present || self.era < cursor.era {
            return Judgement::Forgot;
        }
        if self.era > cursor.era {
            return Judgement::Lost;
        }
        if cursor.seq > self.last.0 {
            return Judgement::Forgot;
        }
        if cursor.seq < self.floor.0 {
            // Nothing tells whether this is what was heard. Only a server that starts has other data at once.
            return if self.start == cursor.start { Judgement::Lost } else { Judgement::Forgot };
        }
        let is_same = match cursor.seq {
            0 => true,
            seq if seq == self.floor.0 => self.floor.1 == cursor.mark,
            _ => mark_there == Some(cursor.mark),
        };
        if is_same { Judgement::GoesOn } else { Judgement::Forgot }
    }

    /// Compares the lane with a row that was seen, given the mark of the row of that number, if there is that
    /// row. Returns false if the lane has forgotten it.
    ///
    /// A row that may be gone tells nothing: then the cursor, which is before it, does.
    pub(crate) fn holds(&self, seen: &Position, mark_there: Option<i64>) -> bool {
        if self.era != seen.era {
            return self.era > seen.era;
        }
        match seen.seq {
            0 => true,
            seq if seq < self.floor.0 => true,
            seq if seq == self.floor.0 => self.floor.1 == seen.mark,
            _ => mark_there == Some(seen.mark),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: Lane = Lane { era: 1, is_present: true, last: (100, 1100), floor: (50, 1050), start: 7 };

    fn heard(seq: i64) -> Cursor {
        Cursor { era: 1, seq, mark: 1000 + seq, start: 7 }
    }

    #[test]
    fn a_node_goes_on_from_a_row_that_is_there_or_was_just_deleted() {
        for seq in 51..=100 {
            assert_eq!(LANE.judge(&heard(seq), Some(1000 + seq)), Judgement::GoesOn);
        }
        assert_eq!(LANE.judge(&heard(50), None), Judgement::GoesOn);
        assert_eq!(LANE.judge(&LANE.end(), Some(1100)), Judgement::GoesOn);
        let empty = Lane { last: (0, 0), floor: (0, 0), ..LANE };
        assert_eq!(empty.judge(&empty.end(), None), Judgement::GoesOn);
    }

    #[test]
    fn a_node_that_was_away_for_too_long_has_lost_something() {
        assert_eq!(LANE.judge(&heard(49), None), Judgement::Lost);
        let other = Lane { era: 2, ..LANE };
        assert_eq!(other.judge(&heard(100), Some(1100)), Judgement::Lost, "the epochs have ended already");
    }

    #[test]
    fn a_lane_that_holds_less_or_something_else_has_forgotten() {
        assert_eq!(LANE.judge(&heard(101), None), Judgement::Forgot, "it ends before");
        assert_eq!(LANE.judge(&heard(80), Some(5)), Judgement::Forgot, "another row is there");
        assert_eq!(LANE.judge(&heard(80), None), Judgement::Forgot, "no row is there");
        let elsewhere = Lane { floor: (50, 5), ..LANE };
        assert_eq!(elsewhere.judge(&heard(50), None), Judgement::Forgot, "another row was deleted");
        let restarted = Lane { start: 8, ..LANE };
        assert_eq!(restarted.judge(&heard(49), None), Judgement::Forgot, "nothing tells that it is the same");
        let earlier = Lane { era: 0, ..LANE };
        assert_eq!(earlier.judge(&heard(100), Some(1100)), Judgement::Forgot, "its era is over");
        let promoted = Lane { is_present: false, ..LANE };
        assert_eq!(promoted.judge(&heard(100), Some(1100)), Judgement::Forgot);
    }

    #[test]
    fn a_row_that_was_seen_and_not_heard_is_there_or_the_lane_has_forgotten() {
        let seen = |era, seq| Position { era, seq, mark: 1000 + seq };
        assert!(LANE.holds(&seen(1, 80), Some(1080)));
        assert!(LANE.holds(&seen(1, 50), None), "it was just deleted");
        assert!(LANE.holds(&seen(1, 30), None), "it was deleted");
        assert!(LANE.holds(&seen(0, 101), None), "its epochs have ended");
        assert!(!LANE.holds(&seen(1, 80), Some(5)), "another row is there");
        assert!(!LANE.holds(&seen(1, 101), None), "the lane ends before");
        assert!(!LANE.holds(&seen(2, 1), Some(1001)), "its era is over");
    }

    #[test]
    fn the_last_row_is_remembered_that_an_answer_told_of() {
        let all = Seen::default();
        let [first, second, next] =
            [(1, 7, 3), (1, 8, 1), (2, 1, 1)].map(|(era, seq, mark)| Position { era, seq, mark });
        for (note, remembered) in [(second, second), (first, second), (next, next), (second, next)] {
            all.note(3, note);
            assert_eq!(all.all()[3], Some(remembered));
        }
        assert_eq!(all.all()[2], None);
    }
}
