"""A trial's summary as a file for scripts."""

import json
import math
from typing import Any


def summary_text(summary: dict[str, Any]) -> str:
    """`summary` as summary.json holds it; a number that is none (a diverged loss) is null."""
    return json.dumps(_without_nan(summary), indent=1, allow_nan=False) + "\n"


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nan(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
