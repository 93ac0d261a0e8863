"""The record in a chain's folder: which configs the chain has, and which of their runs are finished."""

import json
from collections.abc import Sequence
from pathlib import Path

from luminet_det.chain.run import Run
from luminet_det.fingerprint import fingerprint
from luminet_det.in_use import MARK
from luminet_det.whole_file import write_text

RECORD = 'chain.json'


class Record:
    """The record of a chain in its folder. A chain may be extended at its end, or rerun with only its first configs.

    Args:
        folder: The chain's.
        runs: Its runs, in order.
        flags: Whatever else decides their outcome.

    Attributes:
        done: How many of the runs, from the first on, are finished.

    Raises:
        FileExistsError: The folder was not written by a chain, or by another one or with other flags; or a run in it
            has lost its teacher.
    """

    def __init__(self, folder: Path, runs: Sequence[Run], flags: Sequence[str]) -> None:
        self.path = folder / RECORD
        self.runs = [dict(config=run.config, fingerprint=fingerprint(run.cfg, list(flags))) for run in runs]
        known = json.loads(self.path.read_text())['runs'] if self.path.is_file() else []
        self._check(known, runs)
        self.runs += known[len(runs) :]
        for run, before in zip(self.runs, known, strict=False):
            run['finished'] = before['finished']
        done = [run.complete or (run.begun and self.runs[i].get('finished', False)) for i, run in enumerate(runs)]
        left = done.index(False) if False in done else len(runs)
        if later := [run for run in runs[left + 1 :] if run.begun or run.complete]:
            raise FileExistsError(
                f'{runs[left].work_dir} has no finished run, but {later[0].work_dir} was taught by one: delete that '
                'folder and those after it, so that they are trained again.'
            )
        self.done = left

    def claim(self) -> None:
        """Take the folder."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._write()

    def finish(self, place: int) -> None:
        """Record that a run has finished, which may happen before its last epoch."""
        self.runs[place]['finished'] = True
        self._write()

    def _check(self, known: list[dict], runs: Sequence[Run]) -> None:
        """Refuse a folder that holds something else."""
        folder, elsewhere = self.path.parent, 'move it away or give another --work-dir'
        if not known and folder.is_dir() and any(path.name != MARK for path in folder.iterdir()):
            raise FileExistsError(f'{folder} was not written by a chain (it has no {RECORD}); {elsewhere}')
        for place, (run, before) in enumerate(zip(self.runs, known, strict=False), start=1):
            if run['fingerprint'] == before['fingerprint']:
                continue
            if run['config'] == before['config']:
                if not (runs[place - 1].begun or runs[place - 1].complete):
                    # A run that has saved nothing may be changed, for example to fix it.
                    continue
                change = f'its run {place}, {run["config"]}, had other content or other flags'
            else:
                change = f'its run {place} is {before["config"]}, but here it is {run["config"]}'
            raise FileExistsError(f'{folder} belongs to another chain: {change}; {elsewhere}')

    def _write(self) -> None:
        runs = [dict(run, finished=run.get('finished', False)) for run in self.runs]
        write_text(self.path, json.dumps(dict(runs=runs), indent=1) + '\n')
