"""Choose the cuts to store activations at: bytes read against work repeated, one store for several depths."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from src.models.cut import Cut, Kind


@dataclass(frozen=True, slots=True)
class Costs:
    """The time of work and bytes; the defaults were measured on two cores (AMD EPYC, TensorFlow 2.21, batches of 32).

    Attributes:
        macs: multiply-accumulates a second, forward: VGG16 reaches 113 · 10⁹.
        values: values a second that come out of operations of any kind: memory bounds them. With 2 · 10⁹,
            MobileNetV2 and V3, ResNet50, EfficientNetB0, DenseNet121 and VGG16 take 0.8 to 1.6 times the estimate.
        read: bytes a second, gathered by rows from a memory map that is mostly in the page cache: 9 · 10⁹ or more.
        write: bytes a second, some of which is for the room that they take from others.
    """

    macs: float = 120e9
    values: float = 2e9
    read: float = 6e9
    write: float = 0.1e9

    def work(self, macs: int, values: int) -> float:
        """Return the seconds that so much forward work takes."""
        return macs / self.macs + values / self.values


@dataclass(frozen=True, slots=True)
class Use:
    """One depth that trains on a network.

    Attributes:
        cuts: those it can train after, from the image's own to the freeze boundary (:func:`src.models.cut.cuts`).
        passes: how often it takes each image: epochs, times trials.
    """

    cuts: Sequence[Cut]
    passes: int

    @property
    def freeze_boundary(self) -> Cut:
        """Return the last cut: the layers between another and this one are repeated at each pass."""
        return self.cuts[-1]


def plan_cuts(uses: Sequence[Use], costs: Costs | None = None, kind: Kind = "float32") -> list[Cut | None]:
    """Return the cut to store activations at for each of `uses` on one network; None if storing does not pay.

    The least seconds an image. All stored cuts are filled in one pass: the image read, the work before the last of them
    done, the bytes of each written. Each use then reads the bytes of its cut and repeats the work from there to its
    freeze boundary. How far the pass should go is tried for every cut.
    """
    prices = costs or Costs()
    uses = [replace(use, cuts=[use.cuts[0], *_narrowing(use.cuts[1:])]) for use in uses]
    others = {cut.name: cut for use in uses for cut in use.cuts[1:]}
    plans = [_plan_within(uses, None, prices, kind)]
    plans += [_plan_within(uses, last, prices, kind) for last in others.values()]
    return min(plans, key=lambda plan: plan[0])[1] if uses else []


def _plan_within(uses: Sequence[Use], last: Cut | None, costs: Costs, kind: Kind) -> tuple[float, list[Cut | None]]:
    """Return the seconds an image and each use's cut, with a pass that goes as far as `last`; None: without any.

    Which of two cuts is better is the same for all depths that both serve, so those that share one are neighbours: it
    is enough to look at how the depths, in order, fall into groups.
    """
    order = sorted(range(len(uses)), key=lambda k: uses[k].freeze_boundary.values, reverse=True)
    pass_seconds = uses[0].cuts[0].width / costs.read + costs.work(last.macs, last.values) if uses and last else 0.0
    best: list[tuple[float, list[Cut | None]]] = [(pass_seconds, [])]
    for end in range(1, len(order) + 1):
        plans = []
        for start in range(end):
            seconds, cut = _best_common_cut([uses[k] for k in order[start:end]], last, costs, kind)
            plans.append((best[start][0] + seconds, best[start][1] + [cut] * (end - start)))
        best.append(min(plans, key=lambda plan: plan[0]))
    chosen = dict(zip(order, best[-1][1], strict=True))
    return best[-1][0], [chosen[k] for k in range(len(uses))]


def _best_common_cut(uses: Sequence[Use], last: Cut | None, costs: Costs, kind: Kind) -> tuple[float, Cut | None]:
    """Return the least seconds an image for all of `uses` with one cut no further than `last`, and that cut.

    The last of them is the deepest, so its cuts serve all. The image itself is stored already, a byte a value: its cut
    stands for storing nothing.
    """
    image, *others = uses[-1].cuts
    options: list[tuple[float, Cut | None]] = [(_passes(uses, image, image.width, costs), None)]
    for cut in others:
        if last and cut.values <= last.values:
            size = cut.image_bytes(kind)
            options.append((size / costs.write + _passes(uses, cut, size, costs), cut))
    return min(options, key=lambda option: option[0])


def _passes(uses: Iterable[Use], cut: Cut, size: int, costs: Costs) -> float:
    """Return the seconds an image for all passes of `uses` after `cut`, with `size` bytes an image to read."""
    seconds = 0.0
    for use in uses:
        repeated = costs.work(use.freeze_boundary.macs - cut.macs, use.freeze_boundary.values - cut.values)
        seconds += use.passes * (size / costs.read + repeated)
    return seconds


def _narrowing(cuts: Sequence[Cut]) -> list[Cut]:
    """Return the cuts that are narrower than every later one: no other can be best."""
    narrow: list[Cut] = []
    for cut in reversed(cuts):
        if not narrow or cut.width < narrow[-1].width:
            narrow.append(cut)
    return narrow[::-1]
