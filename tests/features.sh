#!/usr/bin/env bash
# Checks each feature of the libraries by itself, and tests what stands without the others.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/target/tools/bin:$PATH

# Resolver 3 keeps the features of dev-dependencies out of what is checked here: chat-core is without testkit.
cargo hack clippy --quiet --locked --workspace --ignore-private --each-feature -- -D warnings

# The core's tests bring testkit with them; these are without tracing.
tests_of() { cargo test --quiet --locked --lib --no-default-features --manifest-path "$1/Cargo.toml" "${@:2}"; }
tests_of chat-core
for protocol in json centrifuge phoenix serverpod; do
    tests_of chat-protocol --features "$protocol"
done
tests_of chat-tokio-adapter
cargo test --quiet --locked --manifest-path chat-broker-redis/Cargo.toml --features rustls --test suite tls
cargo test --quiet --locked --manifest-path chat-broker-nats/Cargo.toml --features rustls --test suite tls
cargo test --quiet --locked --manifest-path chat-postgres/Cargo.toml --lib
cargo test --quiet --locked --manifest-path chat-broker-postgres/Cargo.toml --features rustls --test suite tls
