#!/usr/bin/env bash
# bash scripts/test.sh [pytest arguments]: sets up what is missing and runs the tests.
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

has() { command -v "$1" >/dev/null; }

# The browser tests want a Chromium; they say so and are skipped where there is none.
if [ "$(id -u)" = 0 ] && has apt-get && ! { has chromium || has chromium-browser || has google-chrome; }; then
    setup_log="$DRIFTFIELD_BASE/chromium.log"
    (stage "Chromium" env DEBIAN_FRONTEND=noninteractive bash -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium') ||
        say "no Chromium to be had: the browser tests will be skipped"
fi

# They run on the front end that ComfyUI pins, and on this one, the newest that they have passed on.
newest="comfyui-frontend-package==1.58.1"
folder="${DRIFTFIELD_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/driftfield}/frontend-${newest#*==}"
fetch_front_end() {
    rm -rf "$folder.download" "$folder.part"
    "$DRIFTFIELD_PYTHON" -m pip download -q --no-deps --only-binary :all: --dest "$folder.download" "$newest" &&
        "$DRIFTFIELD_PYTHON" -m zipfile -e "$folder.download"/*.whl "$folder.part" && mv "$folder.part" "$folder" &&
        rm -rf "$folder.download"
}
if [ ! -d "$folder" ]; then
    mkdir -p "$(dirname "$folder")"
    setup_log="$DRIFTFIELD_BASE/front_end.log"
    (stage "newest front end" fetch_front_end) || say "no newest front end to be had: its browser tests will be skipped"
fi

cd "$repo"
exec "$DRIFTFIELD_PYTHON" -m pytest "$@"
