"""The metrics of an evaluator's config, each with the place where it is set."""

from collections.abc import Mapping

from luminet_det.listed_settings import listed_settings


def configured_metrics(evaluator: object, place: str) -> dict[str, Mapping]:
    """The metrics of an evaluator: one, a list, or the `metrics` of an evaluator with settings of its own.

    Args:
        evaluator: `val_evaluator` or `test_evaluator` of a config; None has no metrics.
        place: Its key. Metrics have keys such as `val_evaluator`, `val_evaluator.0` and `val_evaluator.metrics.0`.
    """
    if isinstance(evaluator, Mapping) and 'metrics' in evaluator:
        return listed_settings(evaluator['metrics'], f'{place}.metrics')
    return listed_settings(evaluator, place)
