"""Makes the checkout importable as the package `driftfield`, here and in the processes that tests start."""

import os
import sys
from pathlib import Path

_packages = Path(__file__).absolute().parents[1] / ".comfyui" / "custom_nodes"
_packages.mkdir(parents=True, exist_ok=True)
if not (_packages / "driftfield").is_symlink():
    (_packages / "driftfield").symlink_to(_packages.parents[1], target_is_directory=True)
sys.path.insert(0, str(_packages))
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(_packages), os.environ.get("PYTHONPATH")]))
os.environ["HF_HUB_OFFLINE"] = "1"  # nothing here may download a model
