//! The server with clients of Centrifuge: npm's `centrifuge` as it is, over WebSocket, HTTP streams and server-sent events.

use chat_tests::clients::script_says;
use chat_tests::program::Program;

/// The key of the script's API calls.
const KEY: [&str; 2] = ["--api-key", "an api key"];

fn suite(name: &str, server: &Program, more: &[&str]) {
    let url = format!("http://{}", server.address);
    let said = script_says("centrifuge.mjs", &[&[name, url.as_str()], more].concat());
    assert!(said.ends_with(" passed, 0 failed"), "{said}");
}

#[test]
fn centrifuges_clients_talk_recover_and_see_each_other_over_every_transport() {
    suite("talk", &Program::server(&["--history-entries", "4"]), &[]);
}

#[test]
fn tokens_let_in_expire_and_are_refreshed_and_the_api_does_what_it_says() {
    suite("tokens", &Program::server(&[&["--jwt-secret", "secret"][..], &KEY].concat()), &[]);
}

#[test]
fn every_end_is_seen_by_the_client_which_comes_back_or_stays_away_as_the_code_says() {
    let bounds =
        ["--ping-seconds", "2", "--pong-seconds", "1", "--request-rate", "40", "--request-burst", "40"];
    suite("ends", &Program::server(&bounds), &[]);
    suite("slow", &Program::server(&[&["--outbox-bytes", "200000"][..], &KEY].concat()), &[]);
}

#[test]
fn a_stop_sends_every_client_to_the_next_server() {
    let (mut stops, next) = (Program::server(&[]), Program::server(&[]));
    let (pid, url) = (stops.id().to_string(), format!("http://{}", next.address));
    suite("drain", &stops, &["--pid", &pid, "--next", &url]);
    assert!(stops.wait(), "it ends well");
}
