"""The gates of these tests leave their pieces where those of the triggers' tests do."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "triggers"))
