//! The load: one thread that publishes, counts and answers pings.

use crate::board::Board;
use crate::connect::{self, Connection, Target};
use crate::options::Options;
use crate::process;
use crate::report::{Report, Run};
use crate::wire::{self, Kind};
use mio::{Events, Interest, Poll, Token};
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

/// A run without any delivery for so long is over.
const STALL: Duration = Duration::from_secs(10);
/// The longest that a load sleeps which does.
const NAP: Duration = Duration::from_millis(1);
/// The most messages that go before the measured part.
const WARM: u64 = 2_000;
/// The longest frame, and what one read takes.
const SCRATCH: usize = 256 << 10;

pub(crate) struct Load {
    pub(crate) target: Target,
    poll: Poll,
    pub(crate) connections: Vec<Connection>,
    pub(crate) board: Board,
    scratch: Vec<u8>,
    joined: usize,
    /// The life of the channel that was joined last.
    pub(crate) epoch: Option<String>,
    closed: u64,
    deadline: Instant,
}

impl Load {
    pub(crate) fn open(options: &Options) -> io::Result<Self> {
        let deadline = Instant::now() + Duration::from_secs(options.timeout);
        let shape = options.workload.shape();
        let mut connections = connect::open_all(&options.target, &shape)?;
        let poll = Poll::new()?;
        listen(&poll, &mut connections, shape.deaf)?;
        Ok(Self {
            target: options.target.clone(),
            poll,
            connections,
            board: Board::new(shape),
            scratch: vec![0; SCRATCH],
            joined: 0,
            epoch: None,
            closed: 0,
            deadline,
        })
    }

    /// Waits for the answers to all subscriptions.
    pub(crate) fn join(&mut self, events: &mut Events) -> io::Result<()> {
        let deaf = self.board.shape().deaf;
        let joins: usize = self.connections[deaf..].iter().map(|connection| connection.joins).sum();
        while self.joined < joins {
            self.turn(events, Duration::from_millis(100))?;
            if Instant::now() > self.deadline || self.board.strays + self.closed > 0 {
                let text = format!(
                    "only {} of {joins} subscriptions were answered; {} errors, {} closed",
                    self.joined, self.board.strays, self.closed
                );
                return Err(io::Error::other(text));
            }
        }
        Ok(())
    }

    /// Publishes all messages; what comes after the first twentieth is measured.
    pub(crate) fn measure(&mut self, events: &mut Events, options: &Options) -> io::Result<Run> {
        let mut messages = options.messages.unwrap_or_else(|| options.workload.messages());
        let (warm, pid) = ((messages / 20).min(WARM), options.pid);
        let begun = Instant::now();
        self.board.begun = self.board.now();
        let enough = begun + Duration::from_secs(options.seconds);
        let enough_to_warm = Duration::from_secs(options.seconds) / 4;
        let mut start = None;
        let (mut last, mut heard) = (0, Instant::now());
        while self.board.complete < messages {
            let is_warm = self.board.complete >= warm || begun.elapsed() > enough_to_warm;
            if start.is_none() && is_warm {
                self.board.times = crate::account::Histogram::new();
                start = Some((process::cpu_nanos(pid)?, self.board.deliveries, Instant::now()));
            }
            self.publish(messages)?;
            // It does not sleep: a server that is slower than the load would pay for waking it, one that is
            // faster would not.
            let patience = if options.workload.sleeps() { NAP } else { Duration::ZERO };
            self.turn(events, patience)?;
            let now = Instant::now();
            if self.board.deliveries > last {
                (last, heard) = (self.board.deliveries, now);
            }
            if now > enough {
                messages = messages.min(self.board.published);
            }
            if self.closed == self.connections.len() as u64 {
                return Err(io::Error::other("the server closed all connections"));
            }
            if now > self.deadline || now > heard + STALL {
                break;
            }
        }
        let Some((cpu, deliveries, since)) = start else { return Ok(Run::default()) };
        Ok(Run {
            cpu_nanos: process::cpu_nanos(pid)?.saturating_sub(cpu),
            deliveries: self.board.deliveries - deliveries,
            seconds: heard.saturating_duration_since(since).as_secs_f64(),
            ..Run::default()
        })
    }

    /// Listens for a while.
    pub(crate) fn rest(&mut self, events: &mut Events, time: Duration) -> io::Result<()> {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.turn(events, left)?;
        }
        Ok(())
    }

    /// Lets all subscribers go at once.
    pub(crate) fn hang_up(&mut self) {
        self.connections.drain(..self.board.shape().subscribers);
    }

    /// Lets all subscribers come back, before the publishers that have stayed.
    pub(crate) fn come_back(&mut self, epoch: &str) -> io::Result<()> {
        let mut connections = connect::reopen(&self.target, self.board.shape(), epoch)?;
        listen(&self.poll, &mut connections, 0)?;
        connections.append(&mut self.connections);
        self.connections = connections;
        Ok(())
    }

    /// Lets every publisher that may publish do so, in one write each.
    pub(crate) fn publish(&mut self, messages: u64) -> io::Result<()> {
        if self.board.shape().rate.is_some() {
            self.board.ready.push(0);
        }
        while let Some(publisher) = self.board.ready.pop() {
            let first = self.connections.len() - self.board.publishers();
            let index = first + publisher;
            let connection = &mut self.connections[index];
            self.board.publish(publisher, messages, self.target.wire, &mut connection.out);
            flush(&self.poll, index, connection)?;
        }
        Ok(())
    }

    pub(crate) fn turn(&mut self, events: &mut Events, timeout: Duration) -> io::Result<()> {
        match self.poll.poll(events, Some(timeout)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        }
        for event in &*events {
            let Token(index) = event.token();
            // One that has hung up itself.
            let Some(connection) = self.connections.get_mut(index) else { continue };
            let flushed = if event.is_writable() { flush(&self.poll, index, connection) } else { Ok(()) };
            if flushed.and_then(|()| self.receive(index, event.is_read_closed())).is_err() {
                self.closed += 1;
                // The server has closed it already; its messages count as lost.
                let _ = self.poll.registry().deregister(&mut self.connections[index].stream);
            }
        }
        Ok(())
    }

    /// Reads until the socket is empty.
    fn receive(&mut self, index: usize, closed: bool) -> io::Result<()> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let result = loop {
            let connection = &mut self.connections[index];
            let held = connection.tail.len();
            scratch[..held].copy_from_slice(&connection.tail);
            connection.tail.clear();
            let size = match connection.stream.read(&mut scratch[held..]) {
                // A frame that is longer than the scratch leaves no room to read, too.
                Ok(0) => break Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(size) => size,
                Err(error) => {
                    connection.tail.extend_from_slice(&scratch[..held]);
                    break if error.kind() == io::ErrorKind::WouldBlock { Ok(()) } else { Err(error) };
                }
            };
            let used = self.count(index, &scratch[..held + size]);
            self.connections[index].tail.extend_from_slice(&scratch[used..held + size]);
            // A short read has emptied the socket: the next bytes are another edge.
            if held + size < scratch.len() && !closed {
                break Ok(());
            }
        };
        self.scratch = scratch;
        result
    }

    /// Counts the frames that are complete, and tells how many bytes they took.
    fn count(&mut self, index: usize, bytes: &[u8]) -> usize {
        let (mut used, now) = (0, self.board.now());
        let connection = &mut self.connections[index];
        while let Some(frame) = self.target.wire.frame(&bytes[used..]) {
            used += frame.size;
            match (frame.kind, connection.channel) {
                (Kind::Delivery, Some(channel)) if self.target.wire.joins() => {
                    self.board.deliver_all(&mut connection.account, channel, frame.payload, now);
                }
                (Kind::Delivery, Some(channel)) => {
                    self.board.deliver(&mut connection.account, channel, frame.payload, now);
                }
                (Kind::Delivery, None) if self.target.wire.echoes() => {}
                (Kind::Delivery, None) | (Kind::Refused, _) => self.board.strays += 1,
                (Kind::Joined, _) => {
                    if self.joined == 0 {
                        self.epoch = self.target.wire.epoch(frame.payload);
                    }
                    self.joined += 1;
                }
                (Kind::Ping | Kind::Asked, _) => {
                    match frame.kind {
                        Kind::Ping => wire::masked(&mut connection.out, wire::PONG, frame.payload),
                        _ => self.target.wire.reply(&mut connection.out),
                    }
                    // A socket that is gone is noticed by the next read.
                    let _ = flush(&self.poll, index, connection);
                }
                (Kind::Close | Kind::Other, _) => {}
            }
        }
        used
    }

    pub(crate) fn report(&self, run: Run) -> Report {
        let heard = self.connections.iter().skip(self.board.shape().deaf);
        let subscribers = heard.filter_map(|each| Some((each, each.channel?)));
        Report {
            p50_ms: self.board.times.percentile(0.5),
            p99_ms: self.board.times.percentile(0.99),
            lost: subscribers.map(|(each, channel)| self.board.lost(&each.account, channel)).sum(),
            doubled: self.board.doubled,
            out_of_order: self.board.out_of_order,
            strays: self.board.strays,
            closed: self.closed,
            ..Report::of(&run)
        }
    }
}

fn listen(poll: &Poll, connections: &mut [Connection], deaf: usize) -> io::Result<()> {
    for (index, connection) in connections.iter_mut().enumerate().skip(deaf) {
        poll.registry().register(&mut connection.stream, Token(index), Interest::READABLE)?;
    }
    Ok(())
}

/// Sends what the socket takes, and asks to be told when it takes more.
fn flush(poll: &Poll, index: usize, connection: &mut Connection) -> io::Result<()> {
    while !connection.out.is_empty() {
        match connection.stream.write(&connection.out) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let both = Interest::READABLE | Interest::WRITABLE;
                return poll.registry().reregister(&mut connection.stream, Token(index), both);
            }
            other => drop(connection.out.drain(..other?)),
        }
    }
    Ok(())
}
