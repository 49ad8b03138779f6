//! Tests clients of every protocol in one channel, on one server and on two.

use chat_tests::clients::script_says;
use chat_tests::outage::Engine;
use chat_tests::program::Program;
use chat_tests::redis::Redis;

#[test]
fn clients_of_every_protocol_hear_all_that_each_of_them_says_in_one_order() {
    let server = Program::server(&["--request-rate", "0"]);
    let all = script_says("room.mjs", &[&format!("http://{}", server.address)]);
    assert!(all.ends_with("11 passed, 0 failed"), "{all}");
}

#[test]
fn clients_of_every_protocol_on_two_servers_hear_all_in_one_order() {
    let redis = Redis::start();
    let servers = [(); 2].map(|()| Program::server(&["--broker", &redis.url(), "--request-rate", "0"]));
    let bases = servers.each_ref().map(|server| format!("http://{}", server.address));
    let all = script_says("room.mjs", &bases.each_ref().map(String::as_str));
    assert!(all.ends_with("11 passed, 0 failed"), "{all}");
}
