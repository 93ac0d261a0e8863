"""The platform made to work on today's wheels."""


def apply() -> None:
    """Make `mmcv._ext` importable; called once when the package is imported."""
