# Installs what the checks need and this machine lacks, and exports where it is. For `source`, from the project's folder.
# What was installed last is kept beside it, so that the next run can tell whether it is still what is wanted.

packages=()
command -v node >/dev/null && command -v npm >/dev/null || packages+=(nodejs npm)
[ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || packages+=(chromium)
command -v valgrind >/dev/null || packages+=(valgrind)
# Tests start it themselves. Where its package would start a service, that one stays on the usual port and is not used.
command -v redis-server >/dev/null || packages+=(redis-server)
[ -x /usr/sbin/nats-server ] || command -v nats-server >/dev/null || packages+=(nats-server)
# Debian puts its programs on no path. What was said of the package before holds for this one too.
compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || packages+=(postgresql)
command -v openssl >/dev/null || packages+=(openssl)
python3 -c 'import ensurepip, venv' 2>/dev/null || packages+=(python3 python3-venv)
# A second Rust, whose library comes with its sources: see wasm.sh.
dpkg -s rustc-web rust-web-src >/dev/null 2>&1 || packages+=(rustc-web rust-web-src)

venv=$PWD/target/venv
pinned=tests/clients/requirements.txt
has_venv() {
    cmp -s "$pinned" "$venv/installed" && "$venv/bin/python" -c 'import centrifuge, kosoku, websockets' 2>/dev/null
}

modules=tests/clients/node_modules
locked=tests/clients/package-lock.json
has_modules() { cmp -s "$locked" "$modules/.installed"; }

tools=$PWD/target/tools
missing=()
while read -r tool; do
    name=${tool%@*}
    [ -x "$tools/bin/$name" ] && grep -q "\"$name ${tool#*@} " "$tools/.crates.toml" || missing+=("$tool")
done <tests/tools.txt
# One of these tools links OpenSSL.
[ ${#missing[@]} = 0 ] || dpkg -s pkg-config libssl-dev >/dev/null 2>&1 || packages+=(pkg-config libssl-dev)

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

will_install() {
    [ ${#packages[@]} = 0 ] || echo "will install from Debian: ${packages[*]}"
    has_venv || echo "will install from PyPI into target/venv: $(sed -n 's/==.*//p' "$pinned" | xargs)"
    has_modules || echo "will install from npm into $modules: what $locked pins"
    [ ${#missing[@]} = 0 ] || echo "will build with cargo into target/tools: ${missing[*]}"
}

install_all() {
    if [ ${#packages[@]} -gt 0 ]; then
        as_root apt-get -qq update
        as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "${packages[@]}" >/dev/null
    fi
    if ! has_venv; then
        python3 -m venv --clear "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$pinned"
        cp "$pinned" "$venv/installed"
    fi
    if ! has_modules; then
        (cd tests/clients && npm ci --loglevel=error --no-audit --no-fund >/dev/null)
        cp "$locked" "$modules/.installed"
    fi
    for tool in "${missing[@]}"; do
        CARGO_TARGET_DIR=$tools/build cargo install --quiet --locked --root "$tools" "$tool"
    done
    rm -rf "$tools/build"
}

will_install
install_all

NODE=${NODE:-$(command -v node)}
PYTHON=$venv/bin/python
CHROMIUM=${CHROMIUM:-$(command -v chromium)}
PATH=$tools/bin:$PATH
export NODE PYTHON CHROMIUM PATH
