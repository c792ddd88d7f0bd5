#!/usr/bin/env bash
# bash scripts/test.sh [pytest arguments]: sets up what is missing and runs the tests.
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"

# The browser tests want a Chromium; they say so and are skipped where there is none.
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! command -v chromium chromium-browser google-chrome >/dev/null; then
    setup_log="$DRIFTFIELD_BASE/chromium.log"
    (stage "Chromium" bash -c 'apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium') ||
        say "no Chromium to be had: the browser tests will be skipped"
fi

cd "$repo"
exec "$DRIFTFIELD_PYTHON" -m pytest "$@"
