"""What a result file says about its run, so that it is not counted for another one."""

import hashlib
import inspect
import json
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from mmengine.config import Config

from benchmarks.study.setting import REPOSITORY
from luminet_det.compat import checkpoints
from luminet_det.distillation.taps import Tap
from luminet_det.distillation.terms import Term
from luminet_det.registry import MODELS

HINTS = {'teacher': ' On another kind of CPU, or with other versions, the same recipe trains another teacher.'}


def resolved(distill: list[dict], taps: Mapping[str, Tap]) -> list[dict]:
    """A config's terms with every setting written out, also those left at their defaults."""
    found = []
    for setting in distill:
        term = Term.from_setting(setting, taps)
        parameters = inspect.signature(type(term.loss).__init__).parameters
        chosen = {name: parameter.default for name, parameter in parameters.items() if name not in ('self', 'kwargs')}
        chosen |= setting['loss']
        # An eps or a rate that depends on other settings is None in the signature.
        chosen |= {name: getattr(term.loss, name, None) for name, value in chosen.items() if value is None}
        schedule = {name: setting[name] for name in ('warmup', 'stop') if name in setting}
        found.append(dict(tap=term.tap, **term.options, **schedule, loss=chosen))
    return json.loads(json.dumps(found))


def options(config: Config) -> list[dict]:
    """A config's terms, every setting written out."""
    return resolved(config.model.get('distill', []), getattr(MODELS.get(config.model.type), 'taps', {}))


def read(path: Path, **expected: object) -> dict | None:
    """The content of a result file; None without one.

    Raises:
        RuntimeError: The file is from a run with other options, data or teacher, and would be counted for this one.
    """
    if not path.is_file():
        return None
    content = json.loads(path.read_text())
    for key, value in expected.items():
        if content.get(key) != value:
            raise RuntimeError(
                f'{path.name} is from a run with {key}={content.get(key)!r}, but now it would be {value!r}: delete the '
                'file to train again, or undo what has changed.' + HINTS.get(key, '')
            )
    return content


def have_teacher(file: Path, weights: Path, train: Callable[[], dict] | None = None) -> None:
    """Train a teacher unless its weights are here; its result says which weights they must be.

    Args:
        file: Its result, which may have come without the weights, and stays as it is.
        weights: Its checkpoint.
        train: Trains it, writes its result and returns it; None if both files exist.

    Raises:
        RuntimeError: The weights differ from those of the result, from which all saved students have learned.
    """
    result = json.loads(file.read_text()) if file.is_file() else None
    if not (result and weights.is_file()):
        trained = train()
        result = result or trained
    found = weights_digest(weights)
    result.setdefault('weights', found)
    # Training has written its own result.
    if file.read_text() != (text := json.dumps(result, indent=1) + '\n'):
        file.write_text(text)
    if result['weights'] != found:
        raise RuntimeError(
            f'{weights} has other weights than the teacher of {file.name}, whose students have results. On another '
            'kind of CPU, or with other versions, the same recipe trains another teacher, and students of the two are '
            f'not compared. To repeat the study here, move {file.name} and the results of its students away.'
        )


@cache
def weights_digest(path: Path) -> str:
    """Digest of a checkpoint's weights, whatever else is in the file."""
    digest = hashlib.sha256()
    for name, tensor in sorted(checkpoints.load(path)['state_dict'].items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def commit() -> str:
    """The commit that is checked out, with '-dirty' where code differs from it."""

    def git(*words: str) -> str:
        done = subprocess.run(['git', '-C', str(REPOSITORY), *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    changed = git('status', '--porcelain', '--untracked-files=no', '--', '*.py')
    return git('rev-parse', '--short=12', 'HEAD') + ('-dirty' if changed else '')
