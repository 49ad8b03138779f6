//! Runs the clients of a load: one thread with every connection, which publishes, counts and answers pings.

use crate::board::Board;
use crate::connect::{self, Connection, Target};
use crate::options::Options;
use crate::process;
use crate::report::{Report, Run};
use crate::wire::{self, Kind};
use mio::{Events, Interest, Poll, Token};
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

/// Ends a run after this time without a delivery.
const STALL: Duration = Duration::from_secs(10);
/// Bounds the sleep of a load that sleeps.
const NAP: Duration = Duration::from_millis(1);
/// Bounds the messages before the measured part.
const WARM: u64 = 2_000;
/// Bounds the bytes of a frame and of one read.
const SCRATCH: usize = 256 << 10;

pub(crate) struct Load {
    pub(crate) target: Target,
    poll: Poll,
    pub(crate) connections: Vec<Connection>,
    pub(crate) board: Board,
    scratch: Vec<u8>,
    joined: usize,
    /// Holds the epoch of the first channel that was joined.
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

    /// Publishes all messages, and measures all but the first twentieth.
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
            // The load does not sleep: only servers that are slower than the load would pay for waking it.
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

    /// Handles events for a while.
    pub(crate) fn rest(&mut self, events: &mut Events, time: Duration) -> io::Result<()> {
        let end = Instant::now() + time;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            self.turn(events, left)?;
        }
        Ok(())
    }

    /// Disconnects all subscribers at once.
    pub(crate) fn hang_up(&mut self) {
        self.connections.drain(..self.board.shape().subscribers);
    }

    /// Reconnects all subscribers, in front of the publishers, which stayed.
    pub(crate) fn come_back(&mut self, epoch: &str) -> io::Result<()> {
        let mut connections = connect::reopen(&self.target, self.board.shape(), epoch)?;
        listen(&self.poll, &mut connections, 0)?;
        connections.append(&mut self.connections);
        self.connections = connections;
        Ok(())
    }

    /// Publishes for every publisher that may publish, in one write each.
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
            // An event may name a connection that has been closed here.
            let Some(connection) = self.connections.get_mut(index) else { continue };
            let flushed = if event.is_writable() { flush(&self.poll, index, connection) } else { Ok(()) };
            if flushed.and_then(|()| self.receive(index, event.is_read_closed())).is_err() {
                self.closed += 1;
                // The server has closed the connection already; its messages count as lost.
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
                // A frame that is longer than the scratch buffer leaves no room either.
                Ok(0) => break Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(size) => size,
                Err(error) => {
                    connection.tail.extend_from_slice(&scratch[..held]);
                    break if error.kind() == io::ErrorKind::WouldBlock { Ok(()) } else { Err(error) };
                }
            };
            let used = self.count(index, &scratch[..held + size]);
            self.connections[index].tail.extend_from_slice(&scratch[used..held + size]);
            // A short read has emptied the socket; further bytes raise another event.
            if held + size < scratch.len() && !closed {
                break Ok(());
            }
        };
        self.scratch = scratch;
        result
    }

    /// Counts the complete frames, and returns how many bytes they took.
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
                    // The next read notices a closed socket.
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

/// Sends the bytes that the socket takes, and asks for an event when it takes more.
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
