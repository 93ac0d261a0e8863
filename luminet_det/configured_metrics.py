"""The metrics of an evaluator's config, each with the place where it is set."""

from collections.abc import Mapping


def configured_metrics(evaluator: object, place: str) -> dict[str, Mapping]:
    """The metrics of an evaluator, which is one metric or a list of them, by the key of their setting.

    Args:
        evaluator: `val_evaluator` or `test_evaluator` of a config; None has no metrics.
        place: Its key. A metric in a list has another one, such as `val_evaluator.0`.
    """
    listed = isinstance(evaluator, list | tuple)
    metrics = {f'{place}.{i}': metric for i, metric in enumerate(evaluator)} if listed else {place: evaluator}
    return {key: metric for key, metric in metrics.items() if isinstance(metric, Mapping)}
