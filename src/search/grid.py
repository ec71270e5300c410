"""A grid: Hydra's own product of choices, ordered so that frozen work is shared, run as a study."""

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

from src.cli.overrides import Axes
from src.search.checks import uncomposable
from src.search.sweep import open_sweep


def sweep_grid(sweeper: BasicSweeper, arguments: list[str]) -> None:
    """Run every combination of `arguments` and `hydra.sweeper.params`; the command line's replace the latter.

    Raises:
        ThawError: nothing can be composed, the store cannot be had, or trials failed.
    """
    assert sweeper.config is not None
    assert sweeper.launcher is not None
    assert sweeper.hydra_context is not None
    loader = sweeper.hydra_context.config_loader
    axes = Axes.read(loader, sweeper.params, arguments)
    batches = sweeper.split_arguments(list(axes.overrides), sweeper.max_batch_size)
    broken = uncomposable(loader, sweeper.config, [job for batch in batches for job in batch])
    with open_sweep(sweeper.config, sweeper.launcher, axes, axes.name, sum(map(len, batches))) as sweep:
        for batch in batches:
            sweep.launch(batch, broken)
            if sweep.stopped:
                break
