"""The error for a missing dataset: where to get it, what its folder must look like, which setting names it."""

import os
from collections.abc import Mapping
from pathlib import Path

SHOWN = 6


class MissingData(FileNotFoundError):
    """The dataset is not at `data_root`.

    Args:
        name: Name of the dataset.
        data_root: Where it was looked for.
        homepage: Where to get it.
        layouts: The accepted layouts by name, each drawn as lines of paths under `data_root`.
        lacking: What is missing from a layout although the rest is there.
        downloads: Whether `download=True` would fetch it.

    Attributes:
        facts: The message without its last line, which says where a config names the folder.
    """

    def __init__(
        self,
        name: str,
        data_root: Path,
        homepage: str,
        layouts: Mapping[str, str],
        lacking: str = '',
        downloads: bool = False,
    ) -> None:
        lines = [f"{name} is not at data_root='{data_root}' ({lacking or _there(data_root)})."]
        fetch = ', or set download=True in the dataset' if downloads else ''
        lines += [
            f'Get it from {homepage}{fetch}. Then data_root must look like' + (' one of' if layouts else '') + ':'
        ]
        for kind, drawing in layouts.items():
            lines += [f'  {kind}', *(f'    {line}' for line in drawing.strip('\n').splitlines())]
        self.facts = '\n'.join(lines)
        lines += ["If it is elsewhere: train_dataloader.dataset.data_root='<its folder>', likewise for val and test."]
        super().__init__('\n'.join(lines))


def _there(root: Path) -> str:
    if not root.exists():
        return f'there is no such folder; the current one is {os.getcwd()}'
    if root.is_file():
        return 'that is a file'
    names = sorted(entry.name for entry in root.iterdir())
    return f'it holds {", ".join(names[:SHOWN])}{", ..." if len(names) > SHOWN else ""}' if names else 'it is empty'
