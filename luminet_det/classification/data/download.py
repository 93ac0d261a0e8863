"""Downloads in runs of several processes."""

import os
from collections.abc import Callable

from mmengine.dist import barrier


def once(download: Callable[[], object]) -> None:
    """Let one process of each machine download while the others wait: they would write the same files."""
    if int(os.environ.get('LOCAL_RANK', 0)) == 0:
        download()
    barrier()
