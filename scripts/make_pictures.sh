#!/usr/bin/env bash
# bash scripts/make_pictures.sh [--data DIR] [driving_video] [results] [graph] [help] [editor]
# Makes the repository's pictures anew from real runs, all of them or those named.
#   driving_video  workflows/driving_video.mp4; only with --data, the data that `training.prepare mini` prepared
#   results        workflows/*.jpg and docs/result.webp, from full runs of the workflows
#   help           web/docs/pictures, from the editor and a run of the short workflow
#   editor         docs/editor.webp, the arrow editor at work
#   graph          docs/graph.jpg, from the editor in a headless Chromium; takes a full run too
case " $* " in *" -h "* | *" --help "*)
    sed -n '2,8s/^# //p' "${BASH_SOURCE[0]}"
    exit
    ;;
esac
source "$(dirname "${BASH_SOURCE[0]}")/setup.sh"
exec "$DRIFTFIELD_PYTHON" "$repo/scripts/make_pictures.py" "$@"
