"""The tags, parameters and files by which a run describes its trial before it trains."""

from src.common.depth_choice import DepthChoice
from src.common.errors import one_line
from src.common.project import PROJECT
from src.models.depth import resolve_depth
from src.tracking import schema
from src.tracking.data_tags import data_tags
from src.tracking.environment import git_tags, package_versions
from src.tracking.mlflow_run import Run, as_yaml
from src.trial.origin import Origin
from src.trial.plan import Plan
from src.trial.read_parameters import last_depth, trial_facts


def run_name(plan: Plan) -> str:
    """Return the name of the trial's run."""
    trial, depth = plan.trial, last_depth(plan).name
    return trial.tracking.run_name or one_line(f"{trial.backbone} unfrozen={depth} seed={trial.seed}", 200)


def describe_run(plan: Plan, origin: Origin, run: Run) -> None:
    """Log all that is known of the trial before it trains."""
    dataset = plan.dataset
    tags = schema.DATA_FINGERPRINT.of(dataset.fingerprint) | schema.WEIGHTS_DIGEST.of(plan.weights.digest)
    tags |= schema.IMAGE_SIDE.of(plan.image_size) | _depth_tags(plan)
    run.describe(trial_facts(plan, origin), dataset, tags | data_tags(dataset) | git_tags(PROJECT))
    run.text(as_yaml(plan.trial), "config.yaml")
    run.text(package_versions(), "packages.txt")
    if dataset.warnings:
        run.text("\n".join((*dataset.warnings, *dataset.remarks)) + "\n", "warnings.txt")


def _depth_tags(plan: Plan) -> dict[str, str]:
    """Return what a run says of the depths of its phases."""
    depth, layers = last_depth(plan), len(plan.table)
    deepest = resolve_depth(DepthChoice(), plan.table, plan.trial.batchnorm, plan.spec.name)
    texts = [schema.DEPTH_TEXT.at(name).of(phase_depth.describe(layers)) for name, phase_depth in plan.depths.items()]
    return {
        **schema.DEPTH.of(depth.canonical),
        **schema.BLOCK.of(next(iter(depth.blocks), "")),
        **schema.WHOLE.of(depth.canonical == deepest.canonical),
        **{name: text for tag in texts for name, text in tag.items()},
    }
