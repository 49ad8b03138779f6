//! Keeps a connection up, and hands over what is heard on it.

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use async_channel::Sender;
use chat_core::broker::{BrokerError, Heard};
use chat_postgres::Dedicated;
use tokio::time::sleep;
use tokio_postgres::Row;

use crate::cursors::{Cursor, Judgement, LANES};
use crate::ears::Ears;
use crate::error::{self, unavailable};
use crate::node::PostgresBroker;
use crate::poll::{NAMED, Polled, ROWS, Said, poll, said};
use crate::rows::{self, value};
use crate::saying::wake_others;
use crate::upkeep::look_after;
use crate::words::Notice;

/// Is the time after which the lanes are polled without a wake.
const POLL: Duration = Duration::from_secs(1);
/// Bounds the pause before the next attempt to connect. It grows by half from the first to the second, since
/// a server that is back should not be waited for much longer than it was away.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(5)];
/// Bounds the attempts to find the end of lanes that go on meanwhile.
const ATTEMPTS: u32 = 10;

/// Bounds the bytes of words that are read at once, but for the last.
const WORD_BYTES: i64 = 1024 * 1024;

const WORDS: &str = "
    SELECT t.* FROM (
        SELECT w.id, w.channel, NULL::text AS sender, w.body, sum(octet_length(w.body)) OVER (ORDER BY w.id) AS total
        FROM chat.words w WHERE w.id = ANY ($1) AND w.id > $2
    ) t WHERE t.total - octet_length(t.body) < $3 ORDER BY t.id";

type Cursors = [Option<Cursor>; LANES];

/// Hands over what is heard until the receiver is closed, and connects again whenever the connection is lost.
pub(crate) async fn run(node: &PostgresBroker, heard: Sender<Heard>) {
    let _end = Disconnect(node);
    tokio::select! {
        () = heard.closed() => {}
        () = keep_up(node, &heard) => {}
    }
}

/// Disconnects when it is dropped.
struct Disconnect<'a>(&'a PostgresBroker);

impl Drop for Disconnect<'_> {
    fn drop(&mut self) {
        self.0.is_lost(unavailable("the node does not listen"));
    }
}

/// Is never ready.
async fn keep_up(node: &PostgresBroker, heard: &Sender<Heard>) {
    let (mut pause, mut cursors) = (PAUSES[0], Cursors::default());
    loop {
        let mut is_back = false;
        let why = session(node, heard, &mut cursors, &mut is_back).await;
        node.is_lost(why);
        if is_back {
            pause = PAUSES[0];
            hand_over(heard, Heard::Deaf).await;
        }
        sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        pause = (pause * 3 / 2).min(PAUSES[1]);
    }
}

/// Waits while the receiver is full; for ever once it is closed, which ends the whole.
async fn hand_over(heard: &Sender<Heard>, event: Heard) {
    if heard.send(event).await.is_err() {
        pending::<()>().await;
    }
}

/// Connects, and hands over what is heard until the connection is lost. Returns why.
async fn session(
    node: &PostgresBroker,
    heard: &Sender<Heard>,
    cursors: &mut Cursors,
    is_back: &mut bool,
) -> BrokerError {
    let ears = Arc::new(Ears::of(node.tag));
    let line = match connect(node, ears.clone()).await {
        Ok(line) => line,
        Err(why) => return why,
    };
    let hearing = async {
        if let Err(why) = settle(node, &line, cursors).await {
            return why;
        }
        node.begins_to_listen();
        hand_over(heard, Heard::Back).await;
        *is_back = true;
        let listening = Listening { node, line: &line, ears: &ears, heard };
        let Err(why) = listening.listen(cursors).await;
        why
    };
    tokio::select! {
        () = line.lost() => unavailable("the connection to the server is lost"),
        why = hearing => why,
        never = look_after(node) => never,
        never = wake_others(node) => match never {},
    }
}

async fn connect(node: &PostgresBroker, ears: Arc<Ears>) -> Result<Dedicated, BrokerError> {
    let line = node.database.dedicated(move |text| ears.hear(text)).await.map_err(error::of_connect)?;
    line.listen().await.map_err(error::of)?;
    Ok(line)
}

/// Makes sure that the lanes go on from the cursors. The cursor of one that does not, or that was never
/// heard, is put to its end; one that has forgotten begins another era.
async fn settle(node: &PostgresBroker, line: &Dedicated, cursors: &mut Cursors) -> Result<(), BrokerError> {
    for _ in 0..ATTEMPTS {
        let mut is_settled = true;
        for (number, polled) in poll(node, line, cursors, Some(&[]), 1).await? {
            let lane = polled.lane;
            match polled.judge(cursors[number].as_ref()) {
                Judgement::GoesOn => {
                    cursors[number] = cursors[number].map(|cursor| Cursor { start: lane.start, ..cursor });
                }
                Judgement::Lost => {
                    node.interest.begin_anew();
                    cursors[number] = Some(lane.end());
                }
                Judgement::Forgot => {
                    let eras =
                        [cursors[number].map(|cursor| cursor.era), polled.seen.map(|(seen, _)| seen.era)];
                    let beyond = eras.into_iter().flatten().fold(lane.era, i64::max);
                    let sql = "SELECT chat.renew($1, $2, $3)";
                    line.query(sql, &[&(number as i32), &lane.era, &beyond]).await.map_err(error::of)?;
                    cursors[number] = None;
                    is_settled = false;
                }
            }
        }
        if is_settled {
            return Ok(());
        }
    }
    Err(unavailable("the lanes begin anew again and again"))
}

/// Hears on one connection.
struct Listening<'a> {
    node: &'a PostgresBroker,
    line: &'a Dedicated,
    ears: &'a Ears,
    heard: &'a Sender<Heard>,
}

/// Says what is to be done after a lane was heard.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Then {
    Wait,
    GoOn,
    /// Says that something cannot be heard any more.
    Settle,
}

impl Listening<'_> {
    async fn listen(&self, cursors: &mut Cursors) -> Result<std::convert::Infallible, BrokerError> {
        loop {
            self.hear_words().await?;
            let joined = self.node.interest.all(NAMED);
            let polled = poll(self.node, self.line, cursors, joined.as_deref(), ROWS).await?;
            let mut then = Then::Wait;
            for (number, polled) in polled {
                then = then.max(self.hear(&mut cursors[number], polled).await);
            }
            if then == Then::Settle || self.ears.has_lost() {
                hand_over(self.heard, Heard::Deaf).await;
                settle(self.node, self.line, cursors).await?;
                hand_over(self.heard, Heard::Back).await;
            } else if then == Then::Wait {
                tokio::select! {
                    () = self.ears.wake() => {}
                    () = self.node.outgoing.placed_here() => {}
                    () = self.node.interest.change() => {}
                    () = sleep(POLL) => {}
                }
            }
        }
    }

    /// Hands over what a lane holds beyond its cursor, and moves that along.
    async fn hear(&self, cursor: &mut Option<Cursor>, polled: Polled) -> Then {
        let judgement = polled.judge(cursor.as_ref());
        let (Some(at), Judgement::GoesOn) = (&mut *cursor, judgement) else { return Then::Settle };
        for (seq, mark, row) in polled.rows {
            if seq != at.seq + 1 {
                // Somebody has deleted what was to be heard.
                *cursor = None;
                return Then::Settle;
            }
            match said(self.node, seq, &row) {
                Said::Heard(event) => hand_over(self.heard, event).await,
                Said::Foreign => {}
                Said::Unread => return Then::GoOn,
                Said::NotYet => return Then::Wait,
            }
            (at.seq, at.mark) = (seq, mark);
        }
        if at.seq < polled.lane.last.0 { Then::GoOn } else { Then::Wait }
    }

    async fn hear_words(&self) -> Result<(), BrokerError> {
        while let Some(notice) = self.ears.notice() {
            match notice {
                Notice::Published(_) => {}
                Notice::Words(ids) => self.read_words(&ids).await?,
                Notice::Corrupt => hand_over(self.heard, Heard::Corrupt).await,
            }
        }
        Ok(())
    }

    /// Hands over the words of these rows, but for those that are there no longer.
    async fn read_words(&self, ids: &[i64]) -> Result<(), BrokerError> {
        let (end, mut after) = (ids.iter().copied().max().unwrap_or(i64::MIN), i64::MIN);
        while after < end {
            let rows = self.line.query(WORDS, &[&ids, &after, &WORD_BYTES]).await.map_err(error::of)?;
            for row in &rows {
                if let Some(event) = self.word(row) {
                    hand_over(self.heard, event).await;
                }
            }
            let Some(last) = rows.last() else { break };
            after = value(last, "id")?;
        }
        Ok(())
    }

    /// Returns none if the word is to nodes that have joined another channel.
    fn word(&self, row: &Row) -> Option<Heard> {
        match (value::<Option<String>>(row, "channel"), rows::body(row)) {
            (Ok(None), Ok(body)) => Some(Heard::Told { channel: None, body }),
            (Ok(Some(name)), Ok(body)) => {
                let channel = Some(self.node.interest.joined(&name)?);
                Some(Heard::Told { channel, body })
            }
            _ => Some(Heard::Corrupt),
        }
    }
}
