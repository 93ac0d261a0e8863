"""Published checksums, to tell missing files from damaged ones."""

from collections.abc import Iterable
from pathlib import Path

from torchvision.datasets.utils import check_integrity


def check_files(name: str, folder: Path, files: Iterable[tuple[str, str]]) -> list[str]:
    """The names of `files` that are absent from `folder`.

    Args:
        name: Name of the dataset.
        folder: Where the files are.
        files: Name and MD5 checksum of each.

    Raises:
        ValueError: A file is there, but is not the published one.
    """
    files = list(files)
    absent = [file for file, _ in files if not (folder / file).is_file()]
    damaged = [
        str(folder / file) for file, md5 in files if file not in absent and not check_integrity(folder / file, md5)
    ]
    if damaged:
        them = 'it' if len(damaged) == 1 else 'them'
        raise ValueError(
            f'{", ".join(damaged)}: the checksum is not that of the published {name}; the download broke off or the '
            f'file was changed. Delete {them} and fetch {them} again (download=True in the dataset).'
        )
    return absent
