//! Asks what the lanes hold beyond the cursors of a node, all as of one moment.

use std::collections::BTreeMap;

use chat_core::ChannelId;
use chat_core::broker::{BrokerError, Heard};
use chat_postgres::Dedicated;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use crate::cursors::{Cursor, Judgement, LANES, Lane, Position};
use crate::error;
use crate::interest::Wanted;
use crate::node::PostgresBroker;
use crate::rows::{body, stand, value};

/// Bounds the rows of a lane that are read at once.
pub(crate) const ROWS: i64 = 256;
/// Bounds the bytes of their bodies, but for the last.
const BYTES: i64 = 1024 * 1024;
/// Bounds the channels whose bodies alone are asked for; of more, all bodies are.
pub(crate) const NAMED: usize = 256;

/// Asks for the row at each cursor, without its body, and for those that follow.
const POLL: &str = "
    WITH server AS MATERIALIZED (
        SELECT chat.incarnation() AS name, (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint AS start
    )
    SELECT l.lane, l.era, l.incarnation = server.name AS is_present, l.seq AS last, l.mark AS last_mark,
        f.seq AS floor, f.mark AS floor_mark, server.start,
        (SELECT s.mark FROM chat.log s WHERE s.lane = l.lane AND s.seq = c.seen) AS seen_mark, r.*
    FROM unnest($1::int[], $2::bigint[], $6::bigint[]) AS c (lane, cursor, seen)
    JOIN chat.lanes l USING (lane) JOIN chat.floors f USING (lane) CROSS JOIN server
    LEFT JOIN LATERAL (
        SELECT t.* FROM (
            SELECT o.*, sum(coalesce(octet_length(o.body), 0)) OVER (ORDER BY o.seq) AS total FROM (
                SELECT g.seq, g.mark, g.signal, g.channel, g.epoch, g.place, g.at, g.sender, g.event,
                    CASE WHEN g.seq > c.cursor AND ($5::text[] IS NULL OR g.channel = ANY ($5)) THEN g.body END AS body
                FROM chat.log g WHERE g.lane = c.lane AND g.seq BETWEEN c.cursor AND l.seq
                ORDER BY g.seq LIMIT $3
            ) o
        ) t WHERE t.total - coalesce(octet_length(t.body), 0) < $4
    ) r ON true
    ORDER BY l.lane, r.seq";

/// Is a lane, and what it holds from a cursor on.
pub(crate) struct Polled {
    pub(crate) lane: Lane,
    /// Is the mark of the row at the cursor.
    mark_there: Option<i64>,
    /// Is the last row that was seen before the lane was asked for, and the mark of the row of that number.
    pub(crate) seen: Option<(Position, Option<i64>)>,
    /// Lists the rows behind it, with their numbers and marks.
    pub(crate) rows: Vec<(i64, i64, Row)>,
}

impl Polled {
    /// Compares the lane with what the node has heard and seen.
    pub(crate) fn judge(&self, cursor: Option<&Cursor>) -> Judgement {
        if self.seen.is_some_and(|(seen, mark_there)| !self.lane.holds(&seen, mark_there)) {
            return Judgement::Forgot;
        }
        match cursor {
            Some(cursor) => self.lane.judge(cursor, self.mark_there),
            None if !self.lane.is_present => Judgement::Forgot,
            None => Judgement::Lost,
        }
    }
}

/// Is what a row is to a node.
pub(crate) enum Said {
    Heard(Heard),
    /// Is of a channel that is not joined.
    Foreign,
    /// Is of a channel that was joined only after the rows were asked for: they must be asked for again.
    Unread,
    /// Is of a channel that is just being joined.
    NotYet,
}

/// Polls all lanes, from the cursors of those that have one.
pub(crate) async fn poll(
    node: &PostgresBroker,
    line: &Dedicated,
    cursors: &[Option<Cursor>; LANES],
    joined: Option<&[ChannelId]>,
    rows: i64,
) -> Result<BTreeMap<usize, Polled>, BrokerError> {
    // Before the lanes are asked for: they hold what was seen by then.
    let seen = node.seen.all();
    let lanes: Vec<_> = (0..LANES as i32).collect();
    let seen_at: Vec<_> = seen.iter().map(|seen| seen.map(|position| position.seq)).collect();
    // Nothing is behind the last number that there can be.
    let seqs: Vec<_> = cursors.iter().map(|cursor| cursor.map_or(i64::MAX, |cursor| cursor.seq)).collect();
    let names: Option<Vec<_>> = joined.map(|all| all.iter().map(ChannelId::as_str).collect());
    let values: [&(dyn ToSql + Sync); 6] = [&lanes, &seqs, &rows, &BYTES, &names, &seen_at];
    let mut polled = BTreeMap::new();
    for row in line.query(POLL, &values).await.map_err(error::of)? {
        let number = usize::try_from(value::<i32>(&row, "lane")?).unwrap_or(LANES);
        let Some(cursor) = seqs.get(number) else { continue };
        let (lane, seen_mark) = (lane(&row)?, value(&row, "seen_mark")?);
        let seen = seen[number].map(|seen| (seen, seen_mark));
        let all = polled.entry(number).or_insert(Polled { lane, mark_there: None, seen, rows: Vec::new() });
        let Some(seq) = value::<Option<i64>>(&row, "seq")? else { continue };
        let mark = value(&row, "mark")?;
        if seq == *cursor { all.mark_there = Some(mark) } else { all.rows.push((seq, mark, row)) }
    }
    if polled.len() < LANES {
        return Err(error::corrupt("the schema lacks a lane"));
    }
    Ok(polled)
}

fn lane(row: &Row) -> Result<Lane, BrokerError> {
    Ok(Lane {
        era: value(row, "era")?,
        is_present: value(row, "is_present")?,
        last: (value(row, "last")?, value(row, "last_mark")?),
        floor: (value(row, "floor")?, value(row, "floor_mark")?),
        start: value(row, "start")?,
    })
}

/// Reads a row of the log. One that others have written, and that cannot be read, is [`Heard::Corrupt`].
pub(crate) fn said(node: &PostgresBroker, seq: i64, row: &Row) -> Said {
    let Ok(name) = value::<String>(row, "channel") else { return Said::Heard(Heard::Corrupt) };
    let channel = match node.interest.wants(&name, seq) {
        Wanted::Yes(channel) => channel,
        Wanted::NotYet => return Said::NotYet,
        Wanted::No if name.parse::<ChannelId>().is_ok() => return Said::Foreign,
        Wanted::No => return Said::Heard(Heard::Corrupt),
    };
    if !matches!(row.try_get::<_, Option<&[u8]>>("body"), Ok(Some(_))) {
        return Said::Unread;
    }
    let published = || {
        let (ephemeral, stand, body) = (value::<bool>(row, "signal")?, stand(row, "place")?, body(row)?);
        if !ephemeral && stand.offset.0 == 0 {
            return Err(error::corrupt("a publication has the offset 0"));
        }
        Ok(Heard::Published { channel, stand, ephemeral, body })
    };
    Said::Heard(published().unwrap_or(Heard::Corrupt))
}
