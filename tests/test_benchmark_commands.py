"""Commands of benchmarks as the documents have them."""

import re
import subprocess
import sys

import pytest

from benchmarks import cheap_proxies
from src.common.project import PROJECT
from tests.test_cheap_proxies import PROXIES_FOLDER


def output_of(module: str, *arguments: str) -> list[str]:
    words = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("options", [(), ("--who", "thaw", "--beside", "1")])
def test_what_was_lost_is_printed_from_what_is_kept(options: tuple[str, ...]) -> None:
    """Without a task, options run nothing."""
    head, _, *rows = output_of("benchmarks.regret", "benchmarks/regrets", *options)
    assert head.startswith("| minutes | beside | who |")
    contenders = {"thaw", "random", "bayesian", "hyperband", "recipe", "exhaustive"}
    assert {row.split("|")[3].strip() for row in rows} == contenders


def test_proxies_are_compared_from_what_is_kept() -> None:
    printed = output_of("benchmarks.cheap_proxies", "benchmarks/proxies")
    assert printed == "\n".join(cheap_proxies.tables(*cheap_proxies.read(PROXIES_FOLDER))).splitlines()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_false_claims_are_at_most_one_in_twenty() -> None:
    _, _, *rows = output_of("benchmarks.false_claims")
    wrong = {cells[1].strip(): float(cells[5].strip().rstrip("%")) for cells in (row.split("|") for row in rows)}
    document = (PROJECT / "docs" / "advise.md").read_text("utf-8")
    assert sum(f"| {name} |" in document for name in wrong) == 8
    assert len(wrong) == 32
    assert max(wrong.values()) <= 5


@pytest.mark.slow
def test_a_further_trials_cost_is_printed() -> None:
    first, end, *sizes = output_of("benchmarks.many_trials", "3")
    assert re.fullmatch(r"trials 2 to 3: [\d.]+ s each", first)
    assert re.fullmatch(r"from the last trial's end, the report included: [\d.]+ s; [\d.]+ GB of memory", end)
    assert [line.split(":")[0] for line in sizes] == ["mlflow.db", "mlruns", "sweep", "work", "cache"]
