"""`python -m driftfield.evaluation COMMAND`; `--help` lists the commands."""

import sys

from . import host


def main() -> int:
    try:
        host.enter()
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    from .commands import main  # only now: the commands import the loaders, and those ComfyUI

    return main()


if __name__ == "__main__":
    sys.exit(main())
