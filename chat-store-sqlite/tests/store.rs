//! Tests that stored publications are read back as they were, however the store ended.

use std::sync::Arc;

use async_io::block_on;
use chat_core::store::{HistoryStore, ReadMark, Recall, Recalled, Stored};
use chat_core::{
    ChannelId, ChatMessage, Epoch, HistoryRequest, Offset, Payload, Publication, Reference, UserId,
};
use chat_store_sqlite::SqliteStore;
use chrono::DateTime;

use futures::future::join_all;

fn room() -> ChannelId {
    "room".parse().expect("a name")
}

fn said(offset: u64, content: Payload, refers: Option<Reference>) -> Arc<Publication> {
    Arc::new(
        Publication::new(
            ChatMessage {
                sender_name: "ann é😀".parse().expect("a name"),
                content,
                timestamp: DateTime::from_timestamp_micros(1_795_456_800_123_456).expect("a time"),
                channel_id: room(),
            },
            Epoch(7),
            Offset(offset),
        )
        .with_previous(Offset(offset - 1))
        .with_author((!offset.is_multiple_of(3)).then(|| "u-1 é😀".parse().expect("a name")))
        .with_event(offset.is_multiple_of(2).then(|| "new_msg".parse().expect("a name")))
        .with_refers(refers)
        .with_ephemeral(false),
    )
}

fn one(offset: u64) -> Arc<Publication> {
    said(offset, Payload::json(offset.to_string()), None)
}

fn all() -> HistoryRequest {
    HistoryRequest::of(room(), 10_000)
}

fn offsets(store: &SqliteStore, request: HistoryRequest) -> (Vec<u64>, bool) {
    let page = block_on(store.read(request, usize::MAX)).expect("it reads");
    (page.publications.iter().map(|publication| publication.offset.0).collect(), page.more)
}

fn opened(store: &SqliteStore, fresh: u64, tenure: u64) -> Stored {
    block_on(store.open(&room(), Epoch(fresh), tenure)).expect("it opens")
}

#[test]
fn what_was_appended_comes_back_to_the_byte_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    let publications = vec![
        said(1, Payload::json(r#"{ "a" : [1e400, "\u0000"] }"#), None),
        said(2, Payload::Binary(Arc::from([0, 255, 128])), Some(Reference::Edit(Offset(1)))),
        said(3, Payload::null(), Some(Reference::Delete(Offset(1)))),
    ];
    {
        let store = SqliteStore::open(&path).expect("it opens");
        assert_eq!(opened(&store, 7, 1), Stored::new(Epoch(7), Offset(0)));
        block_on(store.append(publications.clone())).expect("it appends");
        block_on(store.append(publications.clone())).expect("what is there stays as it is");
        block_on(store.close(1)).expect("it closes");
    }
    let store = SqliteStore::open(&path).expect("it opens");
    assert_eq!(opened(&store, 8, 2), Stored::new(Epoch(7), Offset(3)));
    let page = block_on(store.read(all(), usize::MAX)).expect("it reads");
    let expected: Vec<_> = publications.iter().map(|publication| Publication::clone(publication)).collect();
    assert_eq!((page.publications, page.more), (expected, false));
}

#[test]
fn a_channel_goes_on_in_its_epoch_only_if_its_last_tenure_ended_in_order() {
    let store = SqliteStore::open(":memory:").expect("it opens");
    assert_eq!(opened(&store, 1, 10).epoch, Epoch(1));
    assert_eq!(opened(&store, 2, 10).epoch, Epoch(1), "the same tenure");
    assert_eq!(opened(&store, 3, 11).epoch, Epoch(3), "the last one did not end");
    block_on(store.close(11)).expect("it closes");
    assert_eq!(opened(&store, 4, 12).epoch, Epoch(3));
    block_on(store.close(11)).expect("that is no tenure of this channel any more");
    assert_eq!(opened(&store, u64::MAX, u64::MAX).epoch, Epoch(u64::MAX));
}

#[test]
fn any_range_is_read_as_a_simple_list_says() {
    let seed =
        std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    let mut random = fastrand::Rng::with_seed(seed);
    let store = SqliteStore::open(":memory:").expect("it opens");
    opened(&store, 1, 1);
    // With gaps, as a store has them that failed for a while.
    let list: Vec<u64> = (1..200).filter(|_| random.u8(..5) > 0).collect();
    block_on(store.append(list.iter().map(|offset| one(*offset)).collect())).expect("it appends");
    for _ in 0..2000 {
        let mut maybe = || random.bool().then(|| Offset(random.u64(..220)));
        let (after, before) = (maybe(), maybe());
        let (limit, reverse) = (random.usize(1..60), random.bool());
        let mut expected: Vec<u64> = list.clone();
        expected.retain(|offset| {
            after.is_none_or(|after| *offset > after.0) && before.is_none_or(|before| *offset < before.0)
        });
        if reverse {
            expected.reverse();
        }
        let more = expected.len() > limit;
        expected.truncate(limit);
        let request =
            HistoryRequest::of(room(), limit).with_after(after).with_before(before).with_reverse(reverse);
        assert_eq!(offsets(&store, request), (expected, more), "SEED={seed}");
    }
}

#[test]
fn a_page_has_so_many_bytes_but_one_publication_in_any_case() {
    let store = SqliteStore::open(":memory:").expect("it opens");
    opened(&store, 1, 1);
    let big = |offset| said(offset, Payload::json_unchecked("x".repeat(1000)), None);
    block_on(store.append((1..=5).map(big).collect())).expect("it appends");
    for (bytes, count) in [(0, 1), (999, 1), (2000, 2), (2999, 2), (5000, 5)] {
        let page = block_on(store.read(all(), bytes)).expect("it reads");
        assert_eq!((page.publications.len(), page.more), (count, count < 5), "{bytes}");
    }
}

#[test]
fn a_trim_drops_what_came_before() {
    let store = SqliteStore::open(":memory:").expect("it opens");
    opened(&store, 1, 1);
    block_on(store.append((1..=9).map(one).collect())).expect("it appends");
    block_on(store.trim(&room(), Offset(7))).expect("it trims");
    assert_eq!(offsets(&store, all()), (vec![7, 8, 9], false));
    assert_eq!(opened(&store, 2, 1).last, Offset(9));
}

#[test]
fn what_comes_at_once_is_committed_together() {
    let store = SqliteStore::open(":memory:").expect("it opens");
    opened(&store, 1, 1);
    let before = store.commits();
    let all_done = block_on(join_all((1..=1000).map(|offset| store.append(vec![one(offset)]))));
    assert!(all_done.iter().all(Result::is_ok));
    let commits = store.commits() - before;
    assert!(commits <= 100, "{commits} commits for 1000 appends");
    assert_eq!(offsets(&store, all()).0.len(), 1000);
}

#[test]
fn one_call_that_fails_takes_no_other_with_it() {
    let store = SqliteStore::open(":memory:").expect("it opens");
    opened(&store, 1, 1);
    let stranger = Publication::clone(&one(1)).with_message(ChatMessage {
        channel_id: "never opened".parse().expect("a name"),
        ..one(1).message.clone()
    });
    let calls = vec![
        store.append(vec![one(1)]),
        store.append(vec![one(2), Arc::new(stranger)]),
        store.append(vec![one(3)]),
    ];
    let done: Vec<_> = block_on(join_all(calls)).iter().map(Result::is_ok).collect();
    assert_eq!(done, [true, false, true]);
    assert_eq!(offsets(&store, all()).0, [1, 3], "all or none of a call");
}

#[test]
fn a_file_that_is_none_of_ours_is_refused_and_so_is_one_that_is_in_use() {
    let folder = tempfile::tempdir().expect("a folder");
    let (text, used, newer) =
        (folder.path().join("text"), folder.path().join("used"), folder.path().join("newer"));
    std::fs::write(&text, "no database at all, but long enough to be one".repeat(100)).expect("it writes");
    let error = SqliteStore::open(&text).expect_err("it is none");
    assert!(error.to_string().contains("text") && error.to_string().contains("not a database"), "{error}");
    let _first = SqliteStore::open(&used).expect("it opens");
    let error = SqliteStore::open(&used).expect_err("it is in use");
    assert!(error.to_string().contains("used") && error.to_string().contains("locked"), "{error}");
    let db = rusqlite::Connection::open(&newer).expect("it opens");
    db.execute_batch("PRAGMA user_version = 99").expect("it writes");
    drop(db);
    let error = SqliteStore::open(&newer).expect_err("it is newer");
    assert!(error.to_string().contains("version 99"), "{error}");
}

#[test]
fn a_file_of_the_first_version_goes_on_and_nobody_is_the_author_of_what_it_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("old.db");
    let old = rusqlite::Connection::open(&path).expect("it opens");
    old.execute_batch(FIRST).expect("it writes");
    drop(old);
    for offset in [2, 3] {
        let store = SqliteStore::open(&path).expect("it opens");
        assert_eq!(opened(&store, 8, offset), Stored::new(Epoch(7), Offset(offset - 1)));
        block_on(store.append(vec![said(offset, Payload::json("1"), None)])).expect("it appends");
        block_on(store.close(offset)).expect("it closes");
    }
    let store = SqliteStore::open(&path).expect("it opens");
    let page = block_on(store.read(all(), usize::MAX)).expect("it reads");
    let said_by = |said: &Publication| (said.message.sender_name.to_string(), said.author.clone());
    let ann = "u-1 é😀".parse().expect("a name");
    let expected = [("ann", None), ("ann é😀", Some(ann)), ("ann é😀", None)];
    let expected = expected.map(|(name, author)| (name.to_owned(), author));
    assert_eq!(page.publications.iter().map(said_by).collect::<Vec<_>>(), expected);
}

/// Holds the tables of the first version, and a message.
const FIRST: &str = r#"
    CREATE TABLE channels (
        id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, epoch INTEGER NOT NULL, last INTEGER NOT NULL, tenure INTEGER
    ) STRICT;
    CREATE TABLE publications (
        channel INTEGER NOT NULL, place INTEGER NOT NULL, sender TEXT NOT NULL, event TEXT, binary INTEGER NOT NULL, content BLOB NOT NULL,
        microseconds INTEGER NOT NULL, edits INTEGER, deletes INTEGER, PRIMARY KEY (channel, place)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO channels VALUES (1, 'room', 7, 1, NULL);
    INSERT INTO publications VALUES (1, 1, 'ann', NULL, 0, CAST('1' AS BLOB), 0, NULL, NULL);
    PRAGMA user_version = 1;
"#;

#[test]
fn a_name_that_was_only_joined_leaves_no_row() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("chat.db");
    let store = SqliteStore::open(&path).expect("it opens");
    for n in 0..100 {
        let channel: ChannelId = format!("user:{n}").parse().expect("a name");
        assert_eq!(block_on(store.resume(&channel, Epoch(n), 1)).expect("it resumes"), None);
        let mark = ReadMark::new(channel, "ann".parse().expect("a name"), Offset(1));
        block_on(store.mark_read(vec![mark])).expect("it does nothing");
    }
    opened(&store, 1, 1);
    assert_eq!(
        block_on(store.resume(&room(), Epoch(2), 1)).expect("it resumes"),
        Some(Stored::new(Epoch(1), Offset(0)))
    );
    drop(store);
    let rows = "SELECT (SELECT count(*) FROM channels) + (SELECT count(*) FROM marks)";
    let file = rusqlite::Connection::open(&path).expect("it opens");
    assert_eq!(file.query_row(rows, [], |row| row.get::<_, i64>(0)), Ok(1));
}

#[test]
fn keys_and_marks_come_back_also_from_a_file_of_the_first_version() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("old.db");
    let old = rusqlite::Connection::open(&path).expect("it opens");
    old.execute_batch(FIRST).expect("it writes");
    drop(old);
    let (ann, bob): (UserId, UserId) = ("ann".parse().expect("a name"), "bob".parse().expect("a name"));
    let at = |seconds| DateTime::from_timestamp_secs(seconds).expect("a time");
    {
        let store = SqliteStore::open(&path).expect("it opens");
        opened(&store, 8, 1);
        let keyed = |offset, author: Option<&UserId>, key: &str| {
            let mut said = Publication::clone(&one(offset));
            (said.author, said.key) = (author.cloned(), Some(key.into()));
            said.message.timestamp = at(1000 + offset as i64);
            Arc::new(said)
        };
        let all = vec![keyed(2, Some(&ann), "k"), keyed(3, Some(&bob), "k"), keyed(4, None, "k")];
        block_on(store.append(all)).expect("it appends");
        let mark = |user: &UserId, offset| ReadMark::new(room(), user.clone(), Offset(offset));
        block_on(store.mark_read(vec![mark(&ann, 3), mark(&bob, 9)])).expect("it marks");
        block_on(store.mark_read(vec![mark(&ann, 2)])).expect("it does not go back");
    }
    let store = SqliteStore::open(&path).expect("it opens");
    let recalled = |since, keys| {
        let recalled = block_on(store.recall(&room(), at(since), Recall::new(keys, 9)));
        let Recalled { keys, mut read, .. } = recalled.expect("it reads");
        read.sort();
        assert_eq!(
            read,
            [(ann.clone(), Offset(3)), (bob.clone(), Offset(4))],
            "no further than what is stored"
        );
        keys.into_iter().map(|key| (key.author, key.offset.0)).collect::<Vec<_>>()
    };
    assert_eq!(recalled(0, 9), [(Some(ann.clone()), 2), (Some(bob.clone()), 3), (None, 4)]);
    assert_eq!(recalled(1002, 9), [(Some(bob.clone()), 3), (None, 4)]);
    assert_eq!(recalled(0, 1), [(None, 4)], "the newest");
}

#[test]
fn a_bound_that_has_become_smaller_is_reached_with_some_appends_the_oldest_first() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(folder.path().join("chat.db")).expect("it opens");
    opened(&store, 1, 1);
    block_on(store.append((1..=250).map(one).collect())).expect("it appends");
    let store = store.keep(3);
    for (next, first) in [(251, 101), (252, 201), (253, 251)] {
        block_on(store.append(vec![one(next)])).expect("it appends");
        assert_eq!(offsets(&store, all()), ((first..=next).collect(), false));
    }
}
