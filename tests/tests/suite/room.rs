//! Tests clients of every protocol in one channel.

use chat_tests::clients::script_says;
use chat_tests::program::Program;

#[test]
fn clients_of_every_protocol_hear_all_that_each_of_them_says_in_one_order() {
    let server = Program::server(&["--request-rate", "0"]);
    let all = script_says("room.mjs", &[&format!("http://{}", server.address)]);
    assert!(all.ends_with("11 passed, 0 failed"), "{all}");
}
