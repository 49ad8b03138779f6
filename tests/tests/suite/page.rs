//! Tests the page in a browser. Some cases put a proxy in front of the server, under a name of its own.

use chat_tests::clients::page;
use chat_tests::program::server;

#[test]
fn people_talk_on_the_page_and_it_comes_back_by_itself() {
    page(&format!("{} --store none --allow-host * --listen 127.0.0.1:{{port}}", server().display()));
}
