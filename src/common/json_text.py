"""A trial's summary as a file for scripts."""

import json
import math
from typing import Any


def summary_text(summary: dict[str, Any]) -> str:
    """Return `summary` as summary.json holds it; NaN and infinities (a diverged loss) are null."""
    return json.dumps(nan_to_none(summary), indent=1, allow_nan=False) + "\n"


def nan_to_none(value: Any) -> Any:
    """Return `value` with None for NaN and infinities at any depth: JSON has none."""
    if isinstance(value, dict):
        return {name: nan_to_none(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [nan_to_none(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
