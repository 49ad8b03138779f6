#!/usr/bin/env bash
# Checks licences, sources and known advisories of all dependencies, and that the core's stand in one version each.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/target/tools/bin:$PATH

deny() { cargo deny --log-level error --locked "$@"; }

deny check --allow duplicate bans licenses sources
deny --manifest-path chat-core/Cargo.toml --exclude-dev check bans

if ! said=$(deny check advisories 2>&1); then
    grep -q 'failed to fetch advisory database' <<<"$said" || { echo "$said" && exit 1; }
    echo "advisories not checked: their database cannot be fetched from here"
fi
