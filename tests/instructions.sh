#!/usr/bin/env bash
# Counts the instructions of one publish to 1,000 subscribers, and fails if they are not within 5 % of the committed figure.
# Unlike a time, the count does not drift with the machine. Wants valgrind.
set -euo pipefail
cd "$(dirname "$0")/.."

figures=tests/instructions.txt
machine=$(uname -m)
out=$(mktemp)
trap 'rm -f "$out"' EXIT

cargo build --quiet --locked --profile counted --manifest-path chat-core/Cargo.toml --features testkit --example publish_once
valgrind --quiet --tool=callgrind --callgrind-out-file="$out" --collect-atstart=no --toggle-collect='*one_publish*' \
    target/counted/examples/publish_once
counted=$(sed -n 's/^summary: //p' "$out")
expected=$(sed -n "s/^$machine //p" "$figures")

if [ -z "$expected" ]; then
    echo "one publish to 1,000 subscribers: $counted instructions; $figures has no figure for $machine"
elif [ $((counted * 100)) -gt $((expected * 105)) ] || [ $((counted * 100)) -lt $((expected * 95)) ]; then
    echo "one publish to 1,000 subscribers: $counted instructions, not within 5 % of $expected"
    echo "If that is meant, put \"$machine $counted\" into $figures and say why in the commit."
    exit 1
else
    echo "one publish to 1,000 subscribers: $counted instructions, within 5 % of $expected"
fi
