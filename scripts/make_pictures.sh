#!/usr/bin/env bash
# bash scripts/make_pictures.sh [--data DIR] [driving_video] [results] [graph]
# Makes the repository's pictures anew from real runs, all of them or those named.
#   driving_video  workflows/driving_video.mp4; only with --data, the data that `training.prepare mini` prepared
#   results        workflows/*.jpg and docs/result.webp, from full runs of the workflows
#   graph          docs/graph.jpg, from the editor in a headless Chromium; takes a full run too
case " $* " in *" -h "* | *" --help "*)
    sed -n '2,6s/^# //p' "${BASH_SOURCE[0]}"
    exit
    ;;
esac
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
exec "$DRIFTFIELD_PYTHON" "$repo/scripts/make_pictures.py" "$@"
