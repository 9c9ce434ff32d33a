#!/bin/sh
# Makes .venv in this tree and installs the locked dependencies into it. Nothing outside the tree is touched.
# usage: scripts/setup.sh [uv sync arguments]
set -eu
cd "$(dirname "$0")/.."

find_python() {
    for candidate in ${PYTHON:-} python3.12 python3.11 python3.13 python3; do
        if command -v "$candidate" >/dev/null 2>&1 &&
            "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    echo "middlewatch needs Python 3.11, 3.12 or 3.13, and none is on PATH. Install one, or name it: make PYTHON=/path/to/python3.12" >&2
    exit 1
}

if [ ! -x .venv/bin/python ]; then
    python=$(find_python)
    echo "making .venv with $python" >&2
    "$python" -m venv .venv || {
        echo "This Python cannot make virtual environments. On Debian or Ubuntu: apt-get install python3-venv" >&2
        exit 1
    }
fi
if command -v uv >/dev/null 2>&1; then
    uv=uv
else
    [ -x .venv/bin/uv ] || .venv/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.9"
    uv=.venv/bin/uv
fi
# --inexact: keep uv itself. Never download a Python: the one that was found is the one to use.
UV_PROJECT_ENVIRONMENT=.venv UV_PYTHON_DOWNLOADS=never "$uv" sync --quiet --frozen --inexact --python .venv/bin/python "$@"
