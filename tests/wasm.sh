#!/usr/bin/env bash
# Checks that the core and the protocols build where there is no operating system and no clock.
# Debian's Rust does it beside the machine's own: it comes with the sources of its library, and the library of this
# target is built from them.
set -euo pipefail
cd "$(dirname "$0")/.."

export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=target/wasm CARGO_INCREMENTAL=0
for crate in chat-core chat-protocol; do
    cargo check --quiet --locked --manifest-path $crate/Cargo.toml --all-features \
        --target wasm32-unknown-unknown -Zbuild-std=std,panic_abort
done
