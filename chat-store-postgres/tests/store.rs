//! Tests that stored publications are read back as they were, however the store or its server ended.

use std::sync::Arc;
use std::time::Duration;

use chat_core::store::{HistoryStore, ReadMark, Recall, Recalled, Stored};
use chat_core::{
    ChannelId, ChatMessage, Epoch, HistoryRequest, Hub, Offset, OpenChat, Payload, Publication, Publish,
    Reference, Storage, UserId,
};
use chat_postgres::testkit::Server;
use chat_store_postgres::PostgresStore;
use chat_tokio_adapter::TokioRuntime;
use chrono::DateTime;
use futures::future::join_all;

/// Starts a server, and opens a store on it.
async fn begin() -> (Server, PostgresStore) {
    let server = Server::start(&[]);
    let store = PostgresStore::open(&server.url("chat")).await.expect("it opens");
    (server, store)
}

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

async fn offsets(store: &PostgresStore, request: HistoryRequest) -> (Vec<u64>, bool) {
    let page = store.read(request, usize::MAX).await.expect("it reads");
    (page.publications.iter().map(|publication| publication.offset.0).collect(), page.more)
}

async fn opened(store: &PostgresStore, fresh: u64, tenure: u64) -> Stored {
    store.open(&room(), Epoch(fresh), tenure).await.expect("it opens")
}

#[tokio::test]
async fn what_was_appended_comes_back_to_the_byte_after_a_restart() {
    let mut server = Server::start(&["synchronous_commit=off"]);
    let url = server.url("chat");
    let publications = vec![
        said(1, Payload::json(r#"{ "a" : [1e400, "\u0000"] }"#), None),
        said(2, Payload::Binary(Arc::from([0, 255, 128])), Some(Reference::Edit(Offset(1)))),
        said(3, Payload::null(), Some(Reference::Delete(Offset(1)))),
    ];
    {
        let store = PostgresStore::open(&url).await.expect("it opens");
        assert_eq!(opened(&store, 7, 1).await, Stored::new(Epoch(7), Offset(0)));
        store.append(publications.clone()).await.expect("it appends");
        store.append(publications.clone()).await.expect("what is there stays as it is");
        store.close(1).await.expect("it closes");
    }
    server.kill();
    server.start_again();
    let store = PostgresStore::open(&url).await.expect("it opens");
    assert_eq!(opened(&store, 8, 2).await, Stored::new(Epoch(7), Offset(3)));
    let page = store.read(all(), usize::MAX).await.expect("it reads");
    let expected: Vec<_> = publications.iter().map(|publication| Publication::clone(publication)).collect();
    assert_eq!((page.publications, page.more), (expected, false));
}

#[tokio::test]
async fn a_channel_goes_on_in_its_epoch_only_if_its_last_tenure_ended_in_order() {
    let (_server, store) = begin().await;
    assert_eq!(opened(&store, 1, 10).await.epoch, Epoch(1));
    assert_eq!(opened(&store, 2, 10).await.epoch, Epoch(1), "the same tenure");
    assert_eq!(opened(&store, 3, 11).await.epoch, Epoch(3), "the last one did not end");
    store.close(11).await.expect("it closes");
    assert_eq!(opened(&store, 4, 12).await.epoch, Epoch(3));
    store.close(11).await.expect("that is no tenure of this channel any more");
    assert_eq!(opened(&store, u64::MAX, u64::MAX).await.epoch, Epoch(u64::MAX));
}

#[tokio::test]
async fn any_range_is_read_as_a_simple_list_says() {
    let seed =
        std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    let mut random = fastrand::Rng::with_seed(seed);
    let (_server, store) = begin().await;
    opened(&store, 1, 1).await;
    // With gaps, as a store has them that failed for a while.
    let list: Vec<u64> = (1..200).filter(|_| random.u8(..5) > 0).collect();
    store.append(list.iter().map(|offset| one(*offset)).collect()).await.expect("it appends");
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
        assert_eq!(offsets(&store, request).await, (expected, more), "SEED={seed}");
    }
}

#[tokio::test]
async fn a_page_has_so_many_bytes_but_one_publication_in_any_case() {
    let (_server, store) = begin().await;
    opened(&store, 1, 1).await;
    let big = |offset| said(offset, Payload::json_unchecked("x".repeat(1000)), None);
    store.append((1..=5).map(big).collect()).await.expect("it appends");
    for (bytes, count) in [(0, 1), (999, 1), (2000, 2), (2999, 2), (5000, 5)] {
        let page = store.read(all(), bytes).await.expect("it reads");
        assert_eq!((page.publications.len(), page.more), (count, count < 5), "{bytes}");
    }
}

#[tokio::test]
async fn a_trim_drops_what_came_before() {
    let (_server, store) = begin().await;
    opened(&store, 1, 1).await;
    store.append((1..=9).map(one).collect()).await.expect("it appends");
    store.trim(&room(), Offset(7)).await.expect("it trims");
    assert_eq!(offsets(&store, all()).await, (vec![7, 8, 9], false));
    assert_eq!(opened(&store, 2, 1).await.last, Offset(9));
}

#[tokio::test]
async fn what_comes_at_once_is_all_stored() {
    let (_server, store) = begin().await;
    opened(&store, 1, 1).await;
    let all_done = join_all((1..=600).map(|offset| store.append(vec![one(offset)]))).await;
    assert!(all_done.iter().all(Result::is_ok));
    assert_eq!(offsets(&store, all()).await.0.len(), 600);
}

#[tokio::test]
async fn one_call_that_fails_takes_no_other_with_it() {
    let (_server, store) = begin().await;
    opened(&store, 1, 1).await;
    let stranger = Publication::clone(&one(1)).with_message(ChatMessage {
        channel_id: "never opened".parse().expect("a name"),
        ..one(1).message.clone()
    });
    let calls = vec![
        store.append(vec![one(1)]),
        store.append(vec![one(2), Arc::new(stranger)]),
        store.append(vec![one(3)]),
    ];
    let done: Vec<_> = join_all(calls).await.iter().map(Result::is_ok).collect();
    assert_eq!(done, [true, false, true]);
    assert_eq!(offsets(&store, all()).await.0, [1, 3], "all or none of a call");
}

#[tokio::test]
async fn only_the_newest_are_kept_if_that_is_wanted() {
    let (_server, store) = begin().await;
    let store = store.keep(3);
    opened(&store, 1, 1).await;
    for offset in 1..=9 {
        store.append(vec![one(offset)]).await.expect("it appends");
    }
    assert_eq!(offsets(&store, all()).await, (vec![7, 8, 9], false));
}

#[tokio::test]
async fn a_bound_that_has_become_smaller_is_reached_with_some_appends_the_oldest_first() {
    let (_server, store) = begin().await;
    opened(&store, 1, 1).await;
    store.append((1..=2500).map(one).collect()).await.expect("it appends");
    let store = store.keep(3);
    for (next, first) in [(2501, 1002), (2502, 2003), (2503, 2501)] {
        store.append(vec![one(next)]).await.expect("it appends");
        let kept = offsets(&store, all()).await.0;
        assert_eq!((kept.first(), kept.last()), (Some(&first), Some(&next)));
        assert_eq!(kept.len() as u64, next - first + 1, "there is no gap");
    }
}

#[tokio::test]
async fn a_schema_that_is_in_use_is_refused_and_so_is_a_newer_one() {
    let (server, store) = begin().await;
    let error = PostgresStore::open(&server.url("chat")).await.expect_err("it is in use");
    assert!(error.to_string().contains("open"), "{error}");
    drop(store);
    let store = PostgresStore::open(&server.url("chat")).await.expect("it was just dropped");
    drop(store);
    server.ask("UPDATE chat.version SET version = 99").await.expect("it is newer");
    let error = PostgresStore::open(&server.url("chat")).await.expect_err("it is newer");
    assert!(error.to_string().contains("version 99"), "{error}");
    let error = PostgresStore::open("postgres://me:secret@a:b/").await.expect_err("it is no address");
    assert!(!error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn while_the_server_is_away_calls_fail_and_then_the_store_goes_on() {
    let (mut server, store) = begin().await;
    opened(&store, 1, 1).await;
    store.append(vec![one(1)]).await.expect("it appends");
    server.kill();
    store.append(vec![one(2)]).await.expect_err("there is no server");
    server.start_again();
    store.append(vec![one(2)]).await.expect("it appends");
    server
        .ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'chat'")
        .await
        .expect("it is cut");
    while store.append(vec![one(3)]).await.is_err() {}
    assert_eq!(offsets(&store, all()).await, (vec![1, 2, 3], false));
    assert_eq!(opened(&store, 2, 1).await, Stored::new(Epoch(1), Offset(3)), "the same tenure");
}

#[tokio::test]
async fn a_hub_finds_what_another_has_stored() {
    let server = Server::start(&[]);
    let hub = async || {
        let store = PostgresStore::open(&server.url("chat")).await.expect("it opens");
        let hub = Hub::builder(OpenChat::default()).history(10, Duration::from_secs(60));
        let hub = hub.channel(|channel| channel.with_storage(Storage::Durable)).store(store);
        hub.build(TokioRuntime::current())
    };
    let first = hub().await;
    let said = first.publish_durable(Publish::to(room(), Payload::json("7"))).await.expect("it is stored");

    first.close_store(Duration::from_secs(5)).await.expect("it is closed");
    drop(first);
    let page = hub().await.try_read_history(&HistoryRequest::of(room(), 10)).await.expect("it reads");
    let page = page.expect("it is known");
    let publications: Vec<_> = page.publications.iter().map(|one| Some(one.offset)).collect();
    assert_eq!(publications, [said.offset()]);
}

#[tokio::test]
async fn a_name_that_was_only_joined_leaves_no_row() {
    let (server, store) = begin().await;
    for n in 0..100 {
        let channel: ChannelId = format!("user:{n}").parse().expect("a name");
        assert_eq!(store.resume(&channel, Epoch(n), 1).await.expect("it resumes"), None);
        let mark = ReadMark::new(channel, "ann".parse().expect("a name"), Offset(1));
        store.mark_read(vec![mark]).await.expect("it does nothing");
    }
    opened(&store, 1, 1).await;
    assert_eq!(
        store.resume(&room(), Epoch(2), 1).await.expect("it resumes"),
        Some(Stored::new(Epoch(1), Offset(0)))
    );
    let rows = "SELECT (SELECT count(*) FROM chat.store_channels) + (SELECT count(*) FROM chat.store_marks)";
    assert_eq!(server.ask(rows).await.expect("an answer"), ["1"]);
}

#[tokio::test]
async fn keys_and_marks_come_back() {
    let server = Server::start(&[]);
    let url = server.url("chat");
    let (ann, bob): (UserId, UserId) = ("ann".parse().expect("a name"), "bob".parse().expect("a name"));
    let at = |seconds| DateTime::from_timestamp_secs(seconds).expect("a time");
    {
        let store = PostgresStore::open(&url).await.expect("it opens");
        opened(&store, 8, 1).await;
        let keyed = |offset, author: Option<&UserId>, key: &str| {
            let mut said = Publication::clone(&one(offset));
            (said.author, said.key) = (author.cloned(), Some(key.into()));
            said.message.timestamp = at(1000 + offset as i64);
            Arc::new(said)
        };
        let all = vec![keyed(2, Some(&ann), "k"), keyed(3, Some(&bob), "k"), keyed(4, None, "k")];
        store.append(all).await.expect("it appends");
        let mark = |user: &UserId, offset| ReadMark::new(room(), user.clone(), Offset(offset));
        store.mark_read(vec![mark(&ann, 3), mark(&bob, 9)]).await.expect("it marks");
        store.mark_read(vec![mark(&ann, 2)]).await.expect("it does not go back");
    }
    let store = PostgresStore::open(&url).await.expect("it opens");
    let recalled = async |since, keys| {
        let recalled = store.recall(&room(), at(since), Recall::new(keys, 9)).await;
        let Recalled { keys, mut read, .. } = recalled.expect("it reads");
        read.sort();
        assert_eq!(
            read,
            [(ann.clone(), Offset(3)), (bob.clone(), Offset(4))],
            "no further than what is stored"
        );
        keys.into_iter().map(|key| (key.author, key.offset.0)).collect::<Vec<_>>()
    };
    assert_eq!(recalled(0, 9).await, [(Some(ann.clone()), 2), (Some(bob.clone()), 3), (None, 4)]);
    assert_eq!(recalled(1002, 9).await, [(Some(bob.clone()), 3), (None, 4)]);
    assert_eq!(recalled(0, 1).await, [(None, 4)], "the newest");
}
