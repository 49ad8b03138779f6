#!/usr/bin/env bash
# Installs what the tests need and this machine lacks, then runs every check; the tests come last.
# Wants Debian 12 and Rust. Takes node, chromium and python3 as they are if they are there.
set -euo pipefail
cd "$(dirname "$0")"
exec </dev/null

packages=()
command -v node >/dev/null && command -v npm >/dev/null || packages+=(nodejs npm)
[ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || packages+=(chromium)
command -v valgrind >/dev/null || packages+=(valgrind)
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv)

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
if [ ${#packages[@]} -gt 0 ]; then
    echo "installing ${packages[*]}"
    as_root apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${packages[@]}" >/dev/null
fi

# What was installed last is kept beside it, so that the next run can tell whether it is still what is wanted.
venv=$PWD/target/venv
wanted=tests/clients/requirements.txt
if ! cmp -s "$wanted" "$venv/installed" || ! "$venv/bin/python" -c 'import centrifuge, kosoku, websockets' 2>/dev/null; then
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$wanted"
    cp "$wanted" "$venv/installed"
fi
wanted=tests/clients/package-lock.json
modules=tests/clients/node_modules
if ! cmp -s "$wanted" "$modules/.installed"; then
    (cd tests/clients && npm ci --loglevel=error --no-audit --no-fund >/dev/null)
    cp "$wanted" "$modules/.installed"
fi

# Some tests open thousands of sockets.
ulimit -n 8192

NODE=${NODE:-$(command -v node)}
PYTHON=$venv/bin/python
CHROMIUM=${CHROMIUM:-$(command -v chromium)}
export NODE PYTHON CHROMIUM

cargo fmt --all --check
cargo clippy --workspace --all-targets --locked -- -D warnings
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
tests/instructions.sh
cargo test --workspace --locked
