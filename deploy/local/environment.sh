#!/bin/sh
# Makes .venv as requirements.lock says, once for each content of the lock; every target of the Makefile runs it first.
# Needs Python 3.11 or newer; takes uv from the path, else puts it into a corner of the environment.
set -eu
cd "$(dirname "$0")/../.."

# The folder is part of the stamp: an environment does not survive being moved.
wanted="$(cat requirements.lock pyproject.toml deploy/local/environment.sh | cksum) $PWD"
[ "$(cat .venv/.made-for 2>/dev/null || true)" = "$wanted" ] && exit 0

fail() { printf '%s\n' "$@" >&2; exit 1; }

is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {
  for name in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    if is_new_enough "$name"; then command -v "$name"; return; fi
  done
  fail "Python 3.11 or newer is needed, found $(python3 --version 2>/dev/null || echo none)." \
    "  Debian, Ubuntu:  sudo apt-get install -y python3 python3-venv" \
    "  Fedora, RHEL:    sudo dnf install -y python3.11" \
    "  macOS:           brew install python@3.13" \
    "or name one: make PYTHON=/path/to/python3.11 ..."
}

make_venv() { # python, folder
  "$1" -m venv "$2" >/dev/null 2>&1 && return
  install="apt-get install -y --no-install-recommends python3-venv"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Python's venv module is missing; installing it: $install"
    DEBIAN_FRONTEND=noninteractive $install >/dev/null 2>&1 ||
      { apt-get update >/dev/null && DEBIAN_FRONTEND=noninteractive $install >/dev/null; }
    "$1" -m venv "$2" >/dev/null && return
  fi
  fail "Python's venv module is missing. Install it: sudo $install"
}

python=$(find_python)
echo "environment: .venv is made from requirements.lock"
rm -f .venv/.made-for
if uv=$(command -v uv) && "$uv" --version >/dev/null 2>&1; then
  is_new_enough .venv/bin/python && [ "$(.venv/bin/python -c 'import sys; print(sys.prefix)')" = "$PWD/.venv" ] ||
    "$uv" venv -q --clear --python "$python" .venv
else
  make_venv "$python" .venv
  # In an environment of its own: the sync below removes what the lock does not name.
  make_venv "$python" .venv/uv
  .venv/uv/bin/python -m pip install -q --disable-pip-version-check 'uv>=0.9,<1'
  ln -sf ../uv/bin/uv .venv/bin/uv
  uv=.venv/uv/bin/uv
fi
# Compiled once here, and not by each child that starts, which is what happens where Python may not write its cache.
"$uv" pip sync -q --compile-bytecode --python .venv/bin/python requirements.lock
"$uv" pip install -q --python .venv/bin/python --no-deps -e .
printf '%s' "$wanted" >.venv/.made-for
