#!/usr/bin/env bash
# Installs what the tests need and this machine lacks, then runs every check; the tests come last.
#   ./test.sh           says what it will install, installs it, and runs every check
#   ./test.sh --long    does the same with many more plays of the random tests: tens of minutes longer
#   ./test.sh --setup   says what it will install, and installs it
# Wants Debian 12 and Rust. Takes node, chromium and python3 as they are if they are there.
set -euo pipefail
cd "$(dirname "$0")"
exec </dev/null

case ${1:-} in
'' | --setup) ;;
--long) export LONG=1 ;;
*) sed -n '2,6s/^# \?//p' "$0" && exit 2 ;;
esac

source tests/setup.sh
[ "${1:-}" != --setup ] || exit 0

# Some tests open thousands of sockets, and as many tests run at once as there are cores.
ulimit -n 32768 2>/dev/null || ulimit -n 8192

# Each step says what it is, and how long after the start it began.
step() {
    echo "== $(printf '%d:%02d' $((SECONDS / 60)) $((SECONDS % 60))) $*"
    "$@"
}

step target/venv/bin/typos
step cargo fmt --all --check
step cargo clippy --workspace --all-targets --locked -- -D warnings
step env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
step tests/deny.sh
step tests/features.sh
step tests/wasm.sh
step tests/api.sh
step tests/instructions.sh
step cargo test --workspace --locked
