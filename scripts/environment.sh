#!/bin/sh
# Makes what `make` needs: environment.sh runtime|dev|chromium. Quick when there is nothing to do.
set -eu
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}

fail() {
    echo "$*" >&2
    exit 1
}

# Installs Debian packages where this account may; else fails, quietly.
apt_install() {
    command -v apt-get >/dev/null 2>&1 || return 1
    if [ "$(id -u)" = 0 ]; then as_root=; elif sudo -n true 2>/dev/null; then as_root="sudo -n"; else return 1; fi
    echo "Installing $* with apt-get ..." >&2
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null 2>&1 && return 0
    $as_root apt-get update -qq >/dev/null 2>&1 || return 1
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

require_python() {
    command -v "$PYTHON" >/dev/null 2>&1 ||
        fail "$PYTHON was not found: install Python 3.11 or newer, or name it, like: make run PYTHON=python3.12"
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "$("$PYTHON" --version) is too old: Fusion needs 3.11 or newer. Name one, like: make run PYTHON=python3.12"
}

make_venv() {
    if .venv/bin/python -c 'import pip' 2>/dev/null; then return; fi
    require_python
    rm -rf .venv
    if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
        package=$("$PYTHON" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        apt_install "$package" ||
            fail "Python's venv module is missing. Install it as root, then try again:  apt-get install $package"
    fi
    made=$("$PYTHON" -m venv .venv 2>&1) || {
        rm -rf .venv
        fail "$made
The directory .venv could not be made in $(pwd); the lines above say why. Is it writable, and is there room on the disk?"
    }
}

# One at a time: two that install into the same .venv would take each other's files away.
wait_for_others() {
    command -v flock >/dev/null 2>&1 || return 0
    exec 9<.
    flock -n 9 && return 0
    echo "Another make is installing here; waiting for it ..." >&2
    flock 9
}

# Whether the pinned requirements are there, for the Python that is there: an upgraded system may have a newer one.
is_installed() {
    cmp -s "$1" ".venv/installed-$1" && .venv/bin/python -c 'import pip' 2>/dev/null
}

# install LOCK: installs the pinned requirements when they are not the ones that are installed already.
install() {
    if is_installed "$1"; then return; fi
    [ -w . ] || fail "$(pwd) is not writable for $(id -un): make it yours, or clone into a directory that is."
    wait_for_others
    if is_installed "$1"; then return; fi
    make_venv
    echo "Installing $1 into .venv ..." >&2
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$1" ||
        fail "The requirements could not be installed; the lines above say why. Is the package index reachable, and is there
room on the disk? What is there already is kept: the same command goes on from it."
    cp "$1" ".venv/installed-$1"
}

case "${1:-}" in
runtime) install requirements.lock ;;
dev)
    install requirements-dev.lock
    cmp -s requirements.lock .venv/installed-requirements.lock || cp requirements.lock .venv/installed-requirements.lock
    ;;
chromium)
    for name in chromium chromium-browser google-chrome google-chrome-stable; do
        if command -v "$name" >/dev/null 2>&1; then exit 0; fi
    done
    apt_install chromium fonts-dejavu-core ||
        echo "Chromium is not installed and could not be: browser tests are skipped (in CI they fail). As root:  apt-get install chromium" >&2
    ;;
*) fail "usage: environment.sh runtime|dev|chromium" ;;
esac
