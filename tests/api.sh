#!/usr/bin/env bash
# Compares the public items of each library with the list that is committed in api/, so that a break is a decision.
# `tests/api.sh --bless` renews the lists. The lists tell of each trait that a type has, not of what the trait brings;
# `impl !Send` and `impl !Sync` stand there, the auto traits that a type has do not.
set -euo pipefail
cd "$(dirname "$0")/.."
PATH=$PWD/target/tools/bin:$PATH

libraries=()
for manifest in */Cargo.toml; do
    grep -q '^publish = false' "$manifest" || libraries+=("$(dirname "$manifest")")
done

RUSTDOC=$PWD/tests/rustdoc.sh RUSTDOCFLAGS="-Zunstable-options --output-format json" \
    cargo doc --quiet --locked --no-deps --all-features --workspace --lib

auto='^impl(<.*>)? (!?core::(marker::(Freeze|Unpin|UnsafeUnpin)|panic::unwind_safe::[A-Za-z]+)|core::marker::(Send|Sync|StructuralPartialEq)) for '
brought='^pub fn [A-Za-z0-9_:<>, ]+::(clone|cmp|default|eq|fmt|hash|partial_cmp)\('
# Of the other libraries' items, the names count, not the modules that they stand in.
names_of_others() {
    local expressions=()
    for other in "${libraries[@]}"; do
        [ "$other" = "$1" ] || expressions+=(-e "s/\b${other//-/_}::([a-z0-9_]+::)+([A-Z])/${other//-/_}::\2/g")
    done
    sed -E "${expressions[@]}"
}
found=$(mktemp)
trap 'rm -f "$found"' EXIT
wrong=0
for library in "${libraries[@]}"; do
    cargo public-api --rustdoc-json "${CARGO_TARGET_DIR:-target}/doc/${library//-/_}.json" -s |
        grep -Ev "$auto|$brought" | names_of_others "$library" >"$found"
    if [ "${1:-}" = --bless ]; then
        mkdir -p api
        cp "$found" "api/$library.txt"
    elif ! diff -u "api/$library.txt" "$found"; then
        wrong=1
    fi
done
if [ "$wrong" = 1 ]; then
    echo "Public items changed. If that is meant: tests/api.sh --bless, and a line in CHANGELOG.md."
    exit 1
fi
