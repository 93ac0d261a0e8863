"""Optional packages that a part of the project needs."""

from importlib import import_module


def require(what: str, *modules: str, otherwise: str = '') -> None:
    """Check for optional packages before work begins that could not be finished without them.

    Args:
        what: What needs them, such as 'pictures are drawn'.
        modules: Modules of the extra `quickstart`.
        otherwise: What can be done instead, added to the message.

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
