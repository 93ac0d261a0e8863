"""Packages that a part of the project needs and its installation may lack."""

from importlib import import_module


def require(what: str, *modules: str, otherwise: str = '') -> None:
    """Refuse to begin what could not be finished.

    Args:
        what: What needs them, as 'pictures are drawn'.
        modules: Of the extra `quickstart`.
        otherwise: What can be done instead.

    Raises:
        ImportError: One of them is not installed; the message says how to install it.
    """
    for module in modules:
        try:
            import_module(module)
        except ImportError as error:
            raise ImportError(
                f'{what} with {" and ".join(modules)}, and {module} is not installed; run '
                f"pip install '.[quickstart]' in luminet_det's folder{otherwise}"
            ) from error
