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

cd "$repo"
exec "$DRIFTFIELD_PYTHON" -m pytest "$@"
