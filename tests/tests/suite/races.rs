//! Tests simultaneous events on real threads and sockets: offsets stay contiguous, and each message comes
//! once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use chat_core::{
    ChannelId, ChannelOptions, Endpoint, HistoryOptions, Hub, HubBuilder, Limits, OpenChat, Payload, Publish,
    Rate, Storage,
};
use chat_tests::crowd::at_once;
use chat_tests::host::{Host, Served};
use chat_tests::light::{Light, Said, number, word};
use chat_tests::store::FaultyStore;

const ROUNDS: usize = 10_000;
const THREADS: usize = 4;

fn hub() -> HubBuilder {
    let limits = Limits::default().with_requests(Rate::UNBOUNDED).with_answer_entries(10_000);
    Hub::builder(OpenChat::default()).limits(limits).history(10_000, Duration::from_secs(600))
}

/// Publishes so many messages a second while `during` lasts; what it returns, and how many were published.
fn with_publisher<T>(served: &Served, a_second: u32, during: impl FnOnce() -> T) -> (T, u64) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            let (mut count, (_open, pause), begin) = (0_u32, channel::<()>(), Instant::now());
            while !over.load(Ordering::Relaxed) {
                served.hub.publish("room", Payload::json("1")).expect("a name");
                count += 1;
                // Nobody ever sends: this is a pause.
                let next = begin + Duration::from_secs(1) * count / a_second;
                let _ = pause.recv_timeout(next.saturating_duration_since(Instant::now()));
            }
            u64::from(count)
        });
        let done = during();
        over.store(true, Ordering::Relaxed);
        (done, publishing.join().expect("it publishes"))
    })
}

/// Returns the next frame that is no message of the channel, and checks that the messages before it are
/// contiguous.
fn answer(client: &mut Light, last: &mut u64) -> String {
    loop {
        match client.hear() {
            Said::Message(offset) => {
                assert_eq!(offset, *last + 1, "a gap or a repetition");
                *last = offset;
            }
            Said::Other(text) => return text,
            other => panic!("{other:?}"),
        }
    }
}

/// Joins with `since`, hears a little, leaves, and so on: every message once, in order, over all the rounds.
fn come_and_go(served: &Served, n: usize) -> u64 {
    let mut client = Light::open(served.address, &format!("/?name=c{n}"));
    client.say(r#"{"type":"subscribe","channelId":"room"}"#);
    let Said::Other(joined) = client.hear() else { panic!("the answer comes first") };
    let mut last = number(&joined, "offset").expect("an offset");
    let epoch = word(&joined, "epoch").expect("an epoch");
    for round in 0..ROUNDS / THREADS {
        if round % 3 == 0 {
            client.say(r#"{"type":"ping"}"#);
            assert!(answer(&mut client, &mut last).contains("pong"));
        }
        client.say(r#"{"type":"unsubscribe","channelId":"room"}"#);
        assert!(answer(&mut client, &mut last).contains(r#""unsubscribed""#));
        client.say(&format!(
            r#"{{"type":"subscribe","channelId":"room","since":{{"epoch":"{epoch}","offset":{last}}}}}"#
        ));
        let Said::Other(again) = client.hear() else { panic!("nothing comes before the answer") };
        assert!(again.contains(r#""recovered":true"#), "{again}");
        let goal = number(&again, "offset").expect("an offset");
        while last < goal {
            let Said::Message(offset) = client.hear() else { panic!("what was missed follows") };
            assert_eq!(offset, last + 1, "a gap or a repetition");
            last = offset;
        }
    }
    last
}

#[test]
fn publishing_while_others_come_back_leaves_no_gap_and_repeats_nothing() {
    let served = Host::TokioMulti.serve(hub());
    let (lasts, published) = with_publisher(&served, 4000, || at_once(THREADS, |n| come_and_go(&served, n)));
    assert!(lasts.iter().all(|last| *last > 100 && *last <= published), "{lasts:?} of {published}");
}

/// Asks for the newest, again and again, and hears what is new meanwhile.
fn look_back(served: &Served, n: usize) -> u64 {
    let mut client = Light::open(served.address, &format!("/?name=c{n}"));
    client.say(r#"{"type":"subscribe","channelId":"room"}"#);
    let Said::Other(joined) = client.hear() else { panic!("the answer comes first") };
    let mut last = number(&joined, "offset").expect("an offset");
    for _ in 0..ROUNDS / THREADS {
        client.say(r#"{"type":"history","channelId":"room","reverse":true,"limit":3}"#);
        let page = answer(&mut client, &mut last);
        let end = number(&page, "offset").expect("an offset");
        let places: Vec<_> = page
            .split(r#"{"offset":"#)
            .skip(1)
            .filter_map(|rest| number(&format!("\"a\":{rest}"), "a"))
            .collect();
        let expected: Vec<_> = (1..=end).rev().take(places.len()).collect();
        assert_eq!(places, expected, "{page}");
        assert!(end >= last && (places.len() as u64 >= end.min(2)), "{page}");
    }
    last
}

#[test]
fn a_history_that_is_read_while_others_publish_ends_where_it_says_and_has_no_gap() {
    let served = Host::TokioMulti.serve(hub());
    let (lasts, published) = with_publisher(&served, 4000, || at_once(THREADS, |n| look_back(&served, n)));
    assert!(lasts.iter().all(|last| *last > 100 && *last <= published), "{lasts:?} of {published}");
}

#[test]
fn who_leaves_and_joins_10_000_times_hears_nothing_in_between() {
    let served = Host::TokioMulti.serve(hub());
    let begin = Instant::now();
    let (heard, published) = with_publisher(&served, 2000, || {
        let mut client = Light::open(served.address, "/?name=ann");
        let mut heard = 0;
        for _ in 0..ROUNDS {
            client.say(r#"{"type":"subscribe","channelId":"room"}"#);
            let Said::Other(joined) = client.hear() else { panic!("a message between two memberships") };
            let mut last = number(&joined, "offset").expect("an offset");
            let first = last;
            client.say(r#"{"type":"unsubscribe","channelId":"room"}"#);
            assert!(answer(&mut client, &mut last).contains(r#""unsubscribed""#));
            heard += last - first;
        }
        heard
    });
    let rate = published as f64 / begin.elapsed().as_secs_f64();
    assert!(heard > 0 && heard <= published, "{heard} of {published}");
    assert!(rate > 1000.0, "{rate} a second are no race");
}

#[test]
fn the_same_key_from_eight_threads_at_once_publishes_once() {
    let served = Host::TokioMulti.serve(hub());
    let publish = |n: u64| {
        Publish::to("room".parse().expect("a name"), Payload::json("1")).with_key(Some(n.to_string().into()))
    };
    let places = at_once(8, |_| (0..2000).map(|n| served.hub.publish_with(publish(n))).collect::<Vec<_>>());
    for n in 0..2000 {
        let offsets: BTreeSet<_> = places.iter().map(|all| all[n].offset()).collect();
        let fresh = places.iter().filter(|all| !all[n].is_duplicate()).count();
        assert_eq!((offsets.len(), fresh), (1, 1), "key {n}");
    }
    let last = places.iter().flatten().map(|place| place.offset().expect("a place").0).max();
    assert_eq!(last, Some(2000));
}

/// Makes all channels durable, except for busy ones.
struct Durable;

impl Endpoint for Durable {
    fn channel(&self, channel: &ChannelId, defaults: ChannelOptions) -> ChannelOptions {
        let busy = channel.as_str().starts_with("busy");
        let storage = if busy { Storage::None } else { Storage::Durable };
        defaults.with_storage(storage)
    }
}

#[test]
fn what_was_answered_as_stored_is_stored_while_all_histories_are_full() {
    let store = FaultyStore::default();
    let history = HistoryOptions::of(100, Duration::from_secs(600)).with_bytes(1 << 20);
    let limits = Limits::default().with_history_bytes(20_000);
    let options = ChannelOptions::default().with_history(history);
    let served = Host::TokioMulti
        .serve(Hub::builder(Durable).limits(limits).channel(|_| options).store(store.clone()));
    let over = AtomicBool::new(false);
    let answered: Vec<_> = thread::scope(|scope| {
        let (hub, over) = (&served.hub, &over);
        let noise = scope.spawn(move || {
            for n in 0.. {
                hub.publish(format!("busy{n}"), Payload::json("1")).expect("a name");
                if over.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let publish = |thread: usize, n: usize| {
            let (channel, content) = (format!("room{}", n % 37), format!("{thread}{n:04}"));
            let wish = Publish::to(channel.parse().expect("a name"), Payload::json(content.clone()));
            let said = async_io::block_on(hub.publish_durable(wish)).expect("it is stored");
            (channel, said.offset().expect("a place").0, content)
        };
        let publishers: Vec<_> = (1..=THREADS)
            .map(|thread| scope.spawn(move || (0..500).map(|n| publish(thread, n)).collect::<Vec<_>>()))
            .collect();
        let answered = publishers.into_iter().flat_map(|one| one.join().expect("it publishes")).collect();
        over.store(true, Ordering::Relaxed);
        noise.join().expect("it publishes");
        answered
    });
    for (channel, offset, content) in &answered {
        assert!(store.contents(channel).contains(&(*offset, content.clone())), "{channel} {offset}");
    }
    assert_eq!((answered.len(), served.hub.stats().unstored), (THREADS * 500, 0));
    assert!(async_io::block_on(served.hub.close_store(Duration::from_secs(10))).is_ok());
}
