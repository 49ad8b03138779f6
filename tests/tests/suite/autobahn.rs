//! Tests RFC 6455 with Autobahn, over an echo of every adapter.

use chat_tests::clients::autobahn;
use chat_tests::program::Program;

fn holds(echo: &Program) {
    autobahn(&format!("ws://{}/", echo.address));
}

#[test]
fn autobahns_301_cases_hold_over_tokio() {
    holds(&Program::example("tokio_echo"));
}

#[test]
fn autobahns_301_cases_hold_over_async_std() {
    holds(&Program::example("async_std_echo"));
}

#[test]
fn autobahns_301_cases_hold_over_smol() {
    holds(&Program::smol_example("async_std_echo"));
}
