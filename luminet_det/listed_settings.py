"""Settings that a config may give alone or in a list, such as metrics and schedulers."""

from collections.abc import Mapping


def listed_settings(given: object, place: str) -> dict[str, Mapping]:
    """The given settings, one or a list of them, by the key at which each can be changed.

    Args:
        given: What the config has at `place`; None has no settings, and built objects are left out.
        place: A key of the config, such as `val_evaluator`. In a list, settings have keys such as `val_evaluator.0`.
    """
    listed = isinstance(given, list | tuple)
    settings = {f'{place}.{i}': one for i, one in enumerate(given)} if listed else {place: given}
    return {key: one for key, one in settings.items() if isinstance(one, Mapping)}
