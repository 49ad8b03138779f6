//! Keeps a channel's publications, bounded in count, bytes and age.

use std::collections::VecDeque;
use std::sync::Arc;

use super::event::{Event, EventKind};
use crate::model::{HistoryOptions, HistoryRequest, Instant, Offset, Place, Publication, Recovery, later};

/// Holds the newest publications of one life of a channel, without a gap up to its last.
#[derive(Debug, Default)]
pub(super) struct History {
    options: HistoryOptions,
    entries: VecDeque<Entry>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    place: Place,
    publication: Arc<Publication>,
    at: Instant,
}

/// Estimates the cost of a kept publication beside its content, in bytes.
const ENTRY_WEIGHT: usize = 256;

impl Entry {
    fn offset(&self) -> Offset {
        self.place.offset
    }

    fn event(&self) -> Event {
        Event { place: self.place, kind: EventKind::Publication(self.publication.clone()) }
    }

    fn bytes(&self) -> usize {
        self.publication.message.content.as_bytes().len()
    }
}

impl History {
    pub(super) fn new(options: HistoryOptions) -> Self {
        Self { options, ..Self::default() }
    }

    pub(super) fn append(&mut self, place: Place, publication: Arc<Publication>, now: Instant) {
        if self.options.is_none() {
            return;
        }
        let entry = Entry { place, publication, at: now };
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.entries.len() > self.options.entries || self.bytes > self.options.bytes {
            self.forget_first();
        }
        self.forget_old(now);
    }

    /// Drops the publications that are too old.
    pub(super) fn forget_old(&mut self, now: Instant) {
        while self.entries.front().is_some_and(|first| later(first.at, self.options.age) <= now) {
            self.forget_first();
        }
        if self.entries.is_empty() {
            self.entries = VecDeque::new();
        }
    }

    fn forget_first(&mut self) {
        if let Some(first) = self.entries.pop_front() {
            self.bytes -= first.bytes();
        }
    }

    /// Drops all publications.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }

    /// Returns how many publications are kept.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the bytes of their contents.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Returns the cost of the history, in bytes.
    pub(super) fn weight(&self) -> usize {
        self.bytes + self.entries.len() * ENTRY_WEIGHT
    }

    /// Drops the oldest publications until the history has lost `bytes` of its weight, or is empty.
    pub(super) fn shrink(&mut self, bytes: usize) {
        let goal = self.weight().saturating_sub(bytes);
        while self.weight() > goal {
            self.forget_first();
        }
    }

    /// Returns until when a channel keeps its place if nothing more is published to it, or none if it has no
    /// history.
    pub(super) fn lasts(&self, now: Instant) -> Option<Instant> {
        (!self.options.is_none()).then(|| later(now, self.options.age))
    }

    /// Returns all events after `offset`; `last` is the channel's last offset.
    ///
    /// # Errors
    /// The reason why not all of them can be returned: the offset is unknown, they are kept no more, or there
    /// are more than `most`.
    pub(super) fn since(&self, offset: Offset, last: Offset, most: usize) -> Result<Vec<Event>, Recovery> {
        if offset > last {
            return Err(Recovery::UnknownOffset);
        }
        let first = self.entries.front().map_or(last.next(), Entry::offset);
        if offset.next() < first {
            return Err(Recovery::TooOld);
        }
        let start = self.position(offset);
        if self.entries.len() - start > most {
            return Err(Recovery::TooMany);
        }
        Ok(self.events(start).collect())
    }

    /// Returns the next `most` kept events after `offset`, whether there is a gap before them or not.
    pub(super) fn after(&self, offset: Offset, most: usize) -> Vec<Event> {
        self.events(self.position(offset)).take(most).collect()
    }

    pub(super) fn newest(&self) -> Option<Event> {
        self.entries.back().map(Entry::event)
    }

    /// Returns the publication at this offset, if it is kept.
    pub(super) fn find(&self, offset: Offset) -> Option<&Arc<Publication>> {
        let entry = self.entries.get(self.position(Offset(offset.0.checked_sub(1)?)))?;
        (entry.offset() == offset).then_some(&entry.publication)
    }

    /// Returns the first offset that is kept.
    pub(super) fn first(&self) -> Option<Offset> {
        self.entries.front().map(Entry::offset)
    }

    /// Returns the requested page, and whether there is more of it. A page has at most `limit` publications
    /// and, except for the first publication, at most `bytes` of content.
    pub(super) fn page(
        &self,
        request: &HistoryRequest,
        limit: usize,
        bytes: usize,
    ) -> (Vec<Arc<Publication>>, bool) {
        let start = request.after.map_or(0, |after| self.position(after));
        let end = request.before.map_or(self.entries.len(), |before| {
            self.entries.partition_point(|entry| entry.offset() < before)
        });
        let entries = self.entries.range(start..end.max(start));
        let all = entries.len();
        let page =
            if request.reverse { gather(entries.rev(), limit, bytes) } else { gather(entries, limit, bytes) };
        let more = page.len() < all;
        (page, more)
    }

    fn events(&self, start: usize) -> impl Iterator<Item = Event> + '_ {
        self.entries.range(start..).map(Entry::event)
    }

    /// Returns the index of the first entry after `offset`.
    fn position(&self, offset: Offset) -> usize {
        self.entries.partition_point(|entry| entry.offset() <= offset)
    }
}

fn gather<'a>(
    entries: impl Iterator<Item = &'a Entry>,
    limit: usize,
    mut bytes: usize,
) -> Vec<Arc<Publication>> {
    let mut page = Vec::new();
    for entry in entries.take(limit) {
        if !page.is_empty() && entry.bytes() > bytes {
            break;
        }
        bytes = bytes.saturating_sub(entry.bytes());
        page.push(entry.publication.clone());
    }
    page
}
