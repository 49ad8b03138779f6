//! Tests the plain protocol over real sockets, on every runtime, with clients that others wrote.

use chat_tests::cases::keeping;
use chat_tests::clients::{CLIENTS, conformance};
use chat_tests::host::Host;
use chat_tests::program::Program;

fn holds_on(host: Host) {
    let served = host.serve(keeping());
    CLIENTS.iter().for_each(|client| conformance(client, &served.url()));
    assert_eq!(served.hub.stats().dropped.keys().find(|reason| **reason == "slow"), None);
}

#[test]
fn every_case_holds_over_tokio_on_many_threads() {
    holds_on(Host::TokioMulti);
}

#[test]
fn every_case_holds_over_tokio_on_one_thread() {
    holds_on(Host::TokioCurrent);
}

#[test]
fn every_case_holds_over_async_std() {
    holds_on(Host::AsyncStd);
}

#[test]
fn every_case_holds_over_smol() {
    holds_on(Host::Smol);
}

#[test]
fn every_case_holds_over_byte_streams_that_are_no_tcp_to_the_adapter() {
    for host in [Host::TokioStreams, Host::AsyncStdStreams] {
        conformance("ws", &host.serve(keeping()).url());
    }
}

#[test]
fn every_case_holds_over_transports_that_are_not_send_on_executors_of_one_thread() {
    for host in [Host::TokioLocal, Host::SmolLocal] {
        conformance("ws", &host.serve(keeping()).url());
    }
}

#[test]
fn every_case_holds_against_the_server_as_people_start_it() {
    let server = Program::server(&[]);
    conformance("ws", &format!("ws://{}/ws", server.address));
}

#[test]
fn every_case_holds_behind_the_router_of_an_axum_server() {
    let server = Program::example("tokio_axum");
    conformance("ws", &format!("ws://{}/ws", server.address));
}

#[test]
fn every_case_holds_against_the_futures_io_server_as_people_start_it() {
    for server in [Program::example("async_std_server"), Program::smol_example("async_std_server")] {
        conformance("ws", &format!("ws://{}/", server.address));
    }
}
