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
    if [ -x .venv/bin/python ] && .venv/bin/python -m pip --version >/dev/null 2>&1; then return; fi
    require_python
    rm -rf .venv
    if "$PYTHON" -m venv .venv >/dev/null 2>&1; then return; fi
    rm -rf .venv
    package=$("$PYTHON" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    apt_install "$package" || fail "Python's venv module is missing. Install it and try again:  sudo apt-get install $package"
    "$PYTHON" -m venv .venv
}

# install LOCK: installs the pinned requirements when they are not the ones that are installed already.
install() {
    if [ -x .venv/bin/python ] && cmp -s "$1" ".venv/installed-$1"; then return; fi
    make_venv
    echo "Installing $1 into .venv ..." >&2
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r "$1" ||
        fail "The requirements could not be installed; the lines above say why. Is the package index reachable?"
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
        echo "Chromium is not installed and could not be: browser tests are skipped (in CI they fail)." >&2
    ;;
*) fail "usage: environment.sh runtime|dev|chromium" ;;
esac
