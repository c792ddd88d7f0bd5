#!/usr/bin/env bash
# bash scripts/demo.sh [--image FILE] [--arrows JSON|FILE] [--frames N] [--seed N] [--out DIR] [--serve]
# Sets up what is missing, starts a real ComfyUI with this pack on the CPU, animates a picture along arrows, and prints the
# path of the .mp4 last.
case " $* " in *" -h "* | *" --help "*)
    sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}"
    exit
    ;;
esac
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
exec "$DRIFTFIELD_PYTHON" "$repo/scripts/demo.py" "$@"
