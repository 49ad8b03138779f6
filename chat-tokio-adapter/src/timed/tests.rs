use std::io::ErrorKind;
use std::sync::Arc;

use chat_core::{Hub, Limits, OpenChat};
use chat_http::{HttpConnection, HttpHub, HttpLimits};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::yield_now;
use tokio::time::{Duration, Instant, advance, timeout};

use super::*;
use crate::TokioRuntime;

const SECOND: Duration = Duration::from_secs(1);

/// Makes a server's end that keeps to these bounds, its connection, and the client's end, which holds 16
/// bytes that nobody has read.
fn pair(limits: Limits, http: HttpLimits) -> (Timed<DuplexStream>, HttpConnection, DuplexStream) {
    let (server, client) = duplex(16);
    let connection = HttpConnection::default();
    let hub = Hub::builder(OpenChat::default()).limits(limits).build(TokioRuntime::current());
    let deadlines = Deadlines::new(connection.clone(), &HttpHub::new(hub, http));
    (Timed::new(server, deadlines), connection, client)
}

/// Returns how long the server's end waits for its client, and what it reads then; none if that is more than
/// a day.
async fn reads(timed: &mut Timed<DuplexStream>) -> Option<(Duration, usize)> {
    let begun = Instant::now();
    let read = timeout(SECOND * 86_400, timed.read(&mut [0; 16])).await.ok()?;
    Some((begun.elapsed(), read.expect("it does not fail")))
}

#[tokio::test(start_paused = true)]
async fn who_begins_no_request_is_gone_after_the_time_to_keep_alive() {
    let (mut timed, _, _client) = pair(Limits::default(), HttpLimits::default());
    assert_eq!(reads(&mut timed).await, Some((SECOND * 75, 0)));
}

#[tokio::test(start_paused = true)]
async fn a_head_has_the_time_of_a_handshake_however_it_trickles() {
    let (mut timed, _, mut client) = pair(Limits::default(), HttpLimits::default());
    for _ in 0..9 {
        client.write_all(b"G").await.expect("there is room");
        assert_eq!(reads(&mut timed).await, Some((Duration::ZERO, 1)));
        assert!(timeout(SECOND, timed.read(&mut [0; 16])).await.is_err(), "it is waited for");
    }
    assert_eq!(reads(&mut timed).await, Some((SECOND, 0)));
}

#[tokio::test(start_paused = true)]
async fn while_a_request_is_served_nobody_is_gone_and_then_the_next_has_all_its_time() {
    let (mut timed, connection, mut client) = pair(Limits::default(), HttpLimits::default());
    client.write_all(b"GET").await.expect("there is room");
    assert_eq!(reads(&mut timed).await, Some((Duration::ZERO, 3)));
    let serving = connection.serve();
    assert_eq!(reads(&mut timed).await, None, "a day later");
    drop(serving);
    assert_eq!(reads(&mut timed).await, Some((SECOND * 75, 0)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_which_nothing_is_taken_fails_in_time_and_one_that_is_taken_does_not() {
    let (mut timed, connection, mut client) = pair(Limits::default(), HttpLimits::default());
    timed.write_all(&[0; 16]).await.expect("there is room");
    for _ in 0..5 {
        let (taken, written) = tokio::join!(
            async {
                advance(SECOND * 9).await;
                client.read_u8().await
            },
            timed.write_all(&[0]),
        );
        assert!(taken.is_ok() && written.is_ok(), "a byte in nine seconds is enough");
    }
    let begun = Instant::now();
    let error = timed.write_all(&[0]).await.expect_err("nothing is taken");
    assert_eq!((error.kind(), begun.elapsed()), (ErrorKind::TimedOut, SECOND * 10));
    assert!(connection.is_overdue());
}

#[tokio::test(start_paused = true)]
async fn an_end_has_its_time_whatever_is_taken_now_and_then() {
    let (mut timed, connection, mut client) = pair(Limits::default(), HttpLimits::default());
    timed.write_all(&[0; 16]).await.expect("there is room");
    connection.end_by(chat_http::from_std((Instant::now() + SECOND * 12).into_std()));
    let begun = Instant::now();
    let taking = async {
        loop {
            advance(SECOND * 5).await;
            client.read_u8().await.expect("there is something");
            yield_now().await;
        }
    };
    let writing = async { while timed.write_all(&[0]).await.is_ok() {} };
    tokio::select! { biased; () = writing => {}, () = taking => {} }
    assert!(begun.elapsed() <= SECOND * 15, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn no_time_at_all_means_never() {
    let never = Duration::ZERO;
    let limits = Limits::default().with_write_timeout(never);
    // A handshake without any time is refused.
    let http = HttpLimits::default().with_keep_alive_timeout(never).with_handshake_timeout(Duration::MAX);
    let (mut timed, _, mut client) = pair(limits, http);
    assert_eq!(reads(&mut timed).await, None);
    client.write_all(b"G").await.expect("there is room");
    assert_eq!(reads(&mut timed).await, Some((Duration::ZERO, 1)));
    assert_eq!(reads(&mut timed).await, None);
    timed.write_all(&[0; 16]).await.expect("there is room");
    assert!(timeout(SECOND * 86_400, timed.write_all(&[0])).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_stands_on_a_connection_goes_with_its_socket() {
    let (_timed, connection, _client) = pair(Limits::default(), HttpLimits::default());
    let kept = Arc::new(());
    connection.keep(kept.clone());
    assert_eq!(Arc::strong_count(&kept), 2);
    connection.release();
    assert_eq!(Arc::strong_count(&kept), 1);
}
