# Sourced by the starters beside it: makes .venv from uv.lock when it is missing or older than the lock.
# Needs Python 3.11 or newer with its venv module, and a Python package index; nothing else.
set -eu

UV_VERSION=0.13.9
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
venv=$root/.venv

stop() {
    printf 'serai: %s\n' "$1" >&2
    exit 1
}

find_python() {
    for candidate in "${SERAI_PYTHON:-python3}" python3 python3.14 python3.13 python3.12 python3.11 python; do
        command -v "$candidate" >/dev/null 2>&1 || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            printf '%s' "$candidate"
            return
        fi
    done
    stop "Python 3.11 or newer is needed and was not found; install it, or name one: SERAI_PYTHON=/path/to/python3.12 $0"
}

fingerprint() {
    cat "$root/uv.lock" "$root/pyproject.toml" "$root/scripts/bootstrap.sh" | cksum
    printf '%s\n' "$root"
}

bootstrap() {
    stamp=$venv/.serai-stamp
    if [ -x "$venv/bin/python" ] && [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint)" ]; then
        "$venv/bin/python" -c '' >/dev/null 2>&1 && return
    fi
    python=$(find_python) || exit 1
    # A clone that was moved: the scripts in its .venv still name the old place.
    if [ -f "$stamp" ] && [ "$(tail -n 1 "$stamp")" != "$root" ]; then rm -rf "$venv"; fi
    printf '  set up      .venv from uv.lock\n' >&2
    if ! [ -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import pip' >/dev/null 2>&1 ||
        ! "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        rm -rf "$venv"
        "$python" -m venv "$venv" >/dev/null 2>&1 ||
            stop "$python cannot make a virtual environment; install its venv module (Debian and Ubuntu: apt install python3-venv) and run this again."
    fi
    log=$venv/setup.log
    if [ "$("$venv/bin/python" -m uv --version 2>/dev/null | cut -d' ' -f2)" != "$UV_VERSION" ]; then
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION" >"$log" 2>&1 ||
            stop "uv $UV_VERSION could not be installed: is a Python package index reachable? Details: $log"
    fi
    (cd "$root" && UV_PROJECT_ENVIRONMENT=$venv VIRTUAL_ENV='' "$venv/bin/python" -m uv sync --locked --inexact --quiet --python "$venv/bin/python") >"$log" 2>&1 ||
        stop "the locked packages could not be installed: is a Python package index reachable? Details: $log"
    fingerprint >"$stamp"
}

bootstrap
