"""A study's figures: there is one wherever there is something to show, whatever the trials."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import mlflow
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.cbook import pts_to_poststep
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.path import Path as MatplotlibPath
from PIL import Image

from src.common.metrics import METRICS
from src.diagnosis.diagnose import diagnose
from src.reporting.pareto_figure import draw_pareto_front
from src.reporting.recommendation import recommend
from src.reporting.study_curves import draw_study_curves
from src.reporting.study_figures import Gallery, draw_all
from src.reporting.style import FIT, GENERALIZATION, INK, MODE, TRAIN, VAL
from src.reporting.tradeoff import draw_tradeoff
from src.reporting.variance_shares import draw_variance_shares
from src.verdict.cost import CostPoint
from src.verdict.importance import importance
from src.verdict.trials import TrialRecord
from src.verdict.verdict import judge
from tests.verdict.studies import trial


def draw(client: mlflow.MlflowClient, trials: Sequence[TrialRecord], out: Path) -> Gallery:
    out.mkdir(exist_ok=True)
    verdicts = judge(trials)
    recommended = recommend(verdicts)
    return draw_all(client, trials, verdicts, diagnose(trials), recommended, out)


def shown(gallery: Gallery) -> set[str]:
    return {picture.name for picture in gallery.pictures}


def many(*, depths: Sequence[int] = (0, 2, 11), seeds: int = 2, **factors: Sequence[float]) -> list[TrialRecord]:
    (name, values) = next(iter(factors.items()), ("dropout", (0.2,)))
    return [
        trial(depth, seed, 0.5 + 0.01 * depth + 0.02 * seed + 0.001 * place, {name: value})
        for depth in depths for seed in range(seeds) for place, value in enumerate(values)
    ]  # fmt: skip


CASES: dict[str, tuple[list[TrialRecord], set[str]]] = {
    "nothing": ([], set()),
    "one trial": (many(depths=(2,), seeds=1), {"tradeoff", "curves"}),
    "two trials": (many(depths=(0, 2), seeds=1), {"tradeoff", "curves", "frontier"}),
    "depths": (many(), {"tradeoff", "curves", "shares", "frontier"}),
    "depths and dropout": (many(dropout=(0.2, 0.5)), {"tradeoff", "curves", "shares", "frontier", "heat"}),
    "a random search": (
        many(seeds=1, learning_rate=[10 ** (-k / 7) for k in range(40)]),
        {"tradeoff", "curves", "shares", "frontier", "heat"},
    ),
    "forty depths": (many(depths=range(40), dropout=(0.2, 0.5)), {"tradeoff", "curves", "shares", "frontier", "heat"}),
}


@pytest.mark.parametrize("case", CASES)
def test_what_there_is_to_show_is_shown(client: mlflow.MlflowClient, tmp_path: Path, case: str) -> None:
    trials, names = CASES[case]
    gallery = draw(client, trials, tmp_path)
    assert shown(gallery) == names
    for picture in gallery.pictures:
        assert len(picture.alt) > 40
        with Image.open(picture.path) as image:
            assert 500 < image.width < 1400
            assert image.height < 6000
            assert len(image.convert("RGB").getcolors(2**22) or []) > 4


def test_what_an_earlier_report_drew_makes_room(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    draw(client, many(dropout=(0.2, 0.5)), tmp_path)
    assert (tmp_path / "heat.png").exists()
    draw(client, many(), tmp_path)
    assert not (tmp_path / "heat.png").exists()


def test_figures_that_are_not_in_the_store_are_told(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    gallery = draw(client, [replace(each, class_counts={"oak": 90, "elm": 3}) for each in many()], tmp_path)
    assert [text.split(":")[0] for text, _ in gallery.missing] == [
        "Confusion matrix", "Worst mistakes", "Photos of each class",
    ]  # fmt: skip
    text, command = gallery.missing[0]
    assert text == "Confusion matrix: figures/confusion.png of run 11-1-0.2 is not in the store."
    assert command.startswith("python -m src.render runs:/11-1-0.2")


def test_what_a_trial_left_says_of_which_photos_and_trial(
    client: mlflow.MlflowClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("src.reporting.study_figures.fetch", lambda *_: b"\x89PNG\r\n\x1a\n")
    trials = [replace(each, val_images=1226) for each in many()]
    captions = {picture.name: picture.caption for picture in draw(client, trials, tmp_path).pictures}
    for name in ("confusion", "mistakes"):
        assert captions[name].endswith(
            "They are the 1,226 validation photos, not the test photos. The trial has 11 layers, seed 1 (run 11-1-0.2)."
        )


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn from now on, in place of their files."""
    drawn: list[Figure] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure))
    return drawn


def lines(axes: Axes) -> dict[str, list[tuple[float, float]]]:
    """The lines' points by their colour; those of lines of one colour one after the other."""
    found: dict[str, list[tuple[float, float]]] = {}
    for line in axes.lines:
        points = zip(np.atleast_1d(line.get_xdata()), np.atleast_1d(line.get_ydata()), strict=True)
        found.setdefault(to_hex(line.get_color()), []).extend((float(x), float(y)) for x, y in points)
    return found


def bars(axes: Axes) -> list[tuple[str, float, float, float]]:
    """Each bar's colour, middle, bottom and height."""
    boxes = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    return [(to_hex(b.get_facecolor()), b.get_x() + b.get_width() / 2, b.get_y(), b.get_height()) for b in boxes]


def test_the_trade_off_draws_each_accuracy_and_each_part_at_its_depth(figures: list[Figure], tmp_path: Path) -> None:
    parts = {0: (-0.05, 0.24), 2: (0.15, 0.24)}
    records = [
        replace(trial(depth, seed), metrics={
            "best/val_accuracy": 0.5 + depth / 100, "best/train_accuracy": 0.74 + depth / 100,
            "best/fit_accuracy": 0.74 + depth / 100 + mode, "gap/mode": mode, "gap/generalization": rest,
        })
        for depth, (mode, rest) in parts.items() for seed in (0, 1)
    ]  # fmt: skip
    draw_tradeoff(judge(records), tmp_path / "x.png")
    above, below = figures[0].axes
    for colour, values in ((FIT, (0.69, 0.91)), (TRAIN, (0.74, 0.76)), (VAL, (0.5, 0.52))):
        drawn = [point for point in lines(above)[colour] if abs(point[0] - round(point[0])) < 0.1]
        assert [round(x) for x, _ in drawn[:2]] == [0, 1]
        assert [y for _, y in drawn[:2]] == pytest.approx(values)
    expected = [(MODE, 0, 0, -0.05), (GENERALIZATION, 0, 0, 0.24), (MODE, 1, 0, 0.15), (GENERALIZATION, 1, 0.15, 0.24)]
    assert [bar[0] for bar in bars(below)] == [bar[0] for bar in expected]
    assert [bar[1:] for bar in bars(below)] == [pytest.approx(bar[1:]) for bar in expected]


def test_curves_are_means_of_like_epochs_of_each_phase(figures: list[Figure], tmp_path: Path) -> None:
    """Early stopping ended the first phase after 2 epochs for one seed, and after 3 for the other."""
    val = {0: [[0.1, 0.2], [0.7, 0.8]], 1: [[0.3, 0.4, 0.5], [0.9, 0.8]]}
    records = [
        trial(2, seed, history=[
            {"epoch": float(k), "phase": float(phase), "val/accuracy": value, "fit/accuracy": value / 2}
            for k, (phase, value) in enumerate((p, v) for p, values in enumerate(of) for v in values)
        ])
        for seed, of in val.items()
    ]  # fmt: skip
    draw_study_curves(judge(records), tmp_path / "x.png")
    fit, validation = figures[0].axes
    *solid_and_thin, boundary = validation.lines
    drawn = [(list(line.get_xdata()), list(line.get_ydata())) for line in solid_and_thin]
    assert [x for x, _ in drawn] == [[0, 1], [1, 2], [3, 4]]
    assert [y for _, y in drawn] == [pytest.approx(y) for y in ([0.2, 0.3], [0.3, 0.5], [0.8, 0.8])]
    assert [line.get_linewidth() < 1 for line in solid_and_thin] == [False, True, False]
    assert list(boundary.get_xdata()) == [2.5, 2.5]
    assert list(fit.lines[0].get_ydata()) == pytest.approx([0.1, 0.15])


def test_the_front_joins_what_nothing_beats(figures: list[Figure], tmp_path: Path) -> None:
    costs = {0: (100, 9.0, 0.5), 2: (200, 5.0, 0.6), 11: (300, 7.0, 0.55), 20: (400, 20.0, 0.7)}
    points = [CostPoint("", depth, "", accuracy, size, time) for depth, (size, time, accuracy) in costs.items()]
    draw_pareto_front(points, METRICS["accuracy"], tmp_path / "x.png")
    parameters, seconds = (lines(axes) for axes in figures[0].axes)
    assert parameters[INK] == [(100, 0.5), (200, 0.6), (400, 0.7)]
    assert seconds[INK] == [(5, 0.6), (20, 0.7)]
    (colour,) = set(parameters) - {INK}
    assert parameters[colour] == [(size, accuracy) for size, _, accuracy in costs.values()]
    assert seconds[colour] == [(time, accuracy) for _, time, accuracy in costs.values()]


@pytest.mark.parametrize("accuracies", [(0.34, 0.41, 0.475), (0.501, 0.5, 0.502), (0.1, 0.9, 0.5), (0.6, 0.6, 0.6)])
def test_ticks_say_where_they_are(figures: list[Figure], tmp_path: Path, accuracies: Sequence[float]) -> None:
    points = [CostPoint("", k, "", accuracy, 10.0 + k, 1.0 + k) for k, accuracy in enumerate(accuracies)]
    draw_pareto_front(points, METRICS["accuracy"], tmp_path / "x.png")
    axis = figures[0].axes[0].yaxis
    figures[0].canvas.draw()
    told = [float(label.get_text().removesuffix("%").replace("−", "-")) / 100 for label in axis.get_ticklabels()]
    assert told == pytest.approx(list(axis.get_ticklocs()))
    assert len(told) > 2


def test_no_front_strikes_a_name_through(figures: list[Figure], tmp_path: Path) -> None:
    costs = {0: (100, 1.0, 0.5), 2: (105, 1.1, 0.6), 11: (300, 1.2, 0.7), 20: (400, 9.0, 0.55), 30: (110, 9.5, 0.5)}
    points = [CostPoint("", depth, "", accuracy, size, time) for depth, (size, time, accuracy) in costs.items()]
    draw_pareto_front(points, METRICS["accuracy"], tmp_path / "x.png")
    figures[0].canvas.draw()
    for axes in figures[0].axes:
        (front,) = [line for line in axes.lines if line.get_drawstyle() == "steps-post"]
        steps = np.transpose(pts_to_poststep(*front.get_data()))
        drawn = MatplotlibPath(axes.transData.transform(steps))
        assert sorted(int(text.get_text()) for text in axes.texts) == [0, 2, 11, 20, 30]
        assert not any(drawn.intersects_bbox(text.get_window_extent(), filled=False) for text in axes.texts)


def test_points_of_one_depth_side_by_side_have_one_name(figures: list[Figure], tmp_path: Path) -> None:
    costs = [(0, 100, 1.0, 0.655), (0, 100, 1.1, 0.65), (2, 100, 2.0, 0.65), (0, 100, 2.0, 0.5)]
    points = [CostPoint("", depth, "", accuracy, size, time) for depth, size, time, accuracy in costs]
    draw_pareto_front(points, METRICS["accuracy"], tmp_path / "x.png")
    for axes in figures[0].axes:
        assert sorted(text.get_text() for text in axes.texts) == ["0", "0", "2"]


def test_captions_name_what_is_drawn_and_what_time_leaves_out(client: mlflow.MlflowClient, tmp_path: Path) -> None:
    names = [f"f{k}" for k in range(8)]
    records = [
        trial(depth, seed, 0.5 + depth / 100, dict.fromkeys(names, 0.1) | {name: value})
        for depth in (0, 2) for seed in (0, 1) for name in names for value in (0.1, 0.2)
    ]  # fmt: skip
    by_name = {picture.name: picture for picture in draw(client, records, tmp_path).pictures}
    assert by_name["heat"].alt.endswith("f0, f1, f2, f3, f4, f5.")
    assert by_name["heat"].caption.endswith("The first 6 of 8 maps.")
    assert by_name["frontier"].caption.endswith("neither reading photos, nor computing frozen layers, nor measuring.")


def test_what_is_explained_together_is_drawn_and_told_where_there_is_some(
    client: mlflow.MlflowClient, figures: list[Figure], tmp_path: Path
) -> None:
    """Dropout went with depth in ten trials of twelve."""
    cells = [(0, 0.2, 5), (2, 0.5, 5), (0, 0.5, 1), (2, 0.2, 1)]
    joint = [
        trial(depth, seed, 0.5 + 0.1 * depth + 0.001 * (seed * depth), {"dropout": dropout})
        for depth, dropout, count in cells for seed in range(count)
    ]  # fmt: skip
    for records, told in ((joint, True), (many(), False)):
        found = importance(records)
        assert found is not None
        draw_variance_shares(found, "accuracy", tmp_path / "x.png")
        names = [label.get_text() for label in figures[-1].axes[0].get_yticklabels()]
        assert ("together, not told apart" in names) == told
        figures.clear()
    by_name = {each.name: each for each in draw(client, joint, tmp_path).pictures}
    share = f"together, not told apart, {100 * importance(joint).together:.0f}%"  # type: ignore[union-attr]
    assert share in by_name["shares"].alt
    plain = {each.name: each for each in draw(client, many(), tmp_path).pictures}["shares"]
    assert "together" not in (plain.alt + plain.caption).lower()


number = st.one_of(st.floats(0, 1), st.just(math.nan), st.just(math.inf))
metrics = st.dictionaries(
    st.sampled_from(["best/fit_accuracy", "best/train_accuracy", "gap/mode", "gap/generalization", "best/epoch",
                     "trainable_parameters", "time/phase/a", "best/train_loss"]), number,
)  # fmt: skip
epochs = st.lists(
    st.dictionaries(st.sampled_from(["fit/accuracy", "val/accuracy", "fit/loss", "phase", "learning_rate"]), number),
    max_size=4,
)
trials = st.builds(
    lambda depth, seed, val, factors, status, more, history: replace(
        trial(depth, seed, val, factors, status=status, run_id=f"{depth} {seed} {factors}"),
        metrics={"best/val_accuracy": val, **more},
        history=[each | {"epoch": float(k)} for k, each in enumerate(history)],
    ),
    st.integers(0, 3), st.integers(0, 2), st.floats(0, 1),
    st.dictionaries(st.sampled_from(["dropout", "batchnorm", "learning_rate"]), st.sampled_from([0.1, 0.2, "$\\a{"])),
    st.sampled_from(["FINISHED", "FINISHED", "FAILED", "RUNNING"]), metrics, epochs,
)  # fmt: skip


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(trials, max_size=10))
def test_whatever_the_trials(client: mlflow.MlflowClient, tmp_path: Path, records: list[TrialRecord]) -> None:
    gallery = draw(client, records, tmp_path)
    finished = any(record.status == "FINISHED" for record in records)
    assert ("tradeoff" in shown(gallery)) == finished
