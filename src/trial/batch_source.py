"""The batches of a trial: where its frozen layers are cut, and what is cached of them."""

from src.common.events import EventHandler, Warned
from src.features.cache_plan import SharedFeatures, plan_cache, reasons_not_to_cache
from src.features.feature_source import CacheContext, FeatureSource
from src.training.batch_loader import BatchLoader
from src.training.model_cache import ModelCache
from src.trial.plan import Plan


def open_batch_loader(
    plan: Plan,
    model_cache: ModelCache,
    shared_features: SharedFeatures,
    cache_context: CacheContext,
    emit: EventHandler,
) -> BatchLoader:
    """Return the batch loader of a trial; `emit` receives a warning where frozen layers run at each epoch."""
    trial, dataset = plan.trial, plan.dataset
    cache_plan = plan_cache(trial, model_cache.network.graph, plan.table, plan.depths, shared_features)
    feature_source = FeatureSource(dataset, trial, cache_plan, model_cache.frozen_segment, cache_context)
    while feature_source.cache_plan.kept and not cache_context.store.holds(feature_source.kept_bytes()):
        size, bound = f"{feature_source.kept_bytes() / 1e9:.3g} GB", f"{trial.features.max_gb:g}"
        widest = max(feature_source.cache_plan.kept, key=lambda cut: cut.width)
        emit(Warned(f"features would take {size}, more than features.max_gb={bound}: none are kept of {widest.name}"))
        feature_source = FeatureSource(
            dataset, trial, feature_source.cache_plan.without(widest), model_cache.frozen_segment, cache_context
        )
    for line in reasons_not_to_cache(trial, plan.depths):
        emit(Warned(line))
    return BatchLoader(dataset, trial, feature_source)
