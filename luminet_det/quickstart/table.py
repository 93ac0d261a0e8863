"""The table at the end of the quickstart: a pure function of the runs' results."""

from statistics import mean, stdev

from luminet_det.published.markdown import table
from luminet_det.published.spread import gap_closed as part_of_gap
from luminet_det.published.spread import spread

HEADER = ('', 'AP', 'AP50', 'gap closed', 'train seconds', 'parameters')


def format_table(runs: dict[str, list[dict]]) -> str:
    """Write the three rows as a markdown table, mean and sample sd over the seeds, and the verdict below.

    Args:
        runs: Results per row, ``{'teacher': [one], 'student': [one a seed], 'distilled': [one a seed]}``;
            each holds ``seed``, ``AP``, ``AP50``, ``seconds``, ``parameters`` and ``steps``. Student and
            distilled come in the same order of seeds.

    Returns:
        The text, without a newline at its end.

    Raises:
        ValueError: If the seeds of student and distilled differ.
    """
    _check_seeds(runs)
    gap = gap_closed(runs)
    rows = []
    for name in ('teacher', 'student', 'distilled'):
        results = runs[name]
        rows.append(
            (
                f'{name}, {results[0]["steps"]} steps',
                spread([result['AP'] for result in results], 3),
                spread([result['AP50'] for result in results], 3),
                f'{gap:.0%}' if name == 'distilled' and gap is not None else '-',
                spread([result['seconds'] for result in results], 0),
                f'{results[0]["parameters"]:,}',
            )
        )
    seeds = len(runs['student'])
    note = f'Validation AP, one teacher, {seeds} {"seed" if seeds == 1 else "seeds"} per student'
    note += '.' if seeds == 1 else ' (mean ± sample sd).'
    return '\n'.join([table(HEADER, rows), '', note, verdict(runs)])


def verdict(runs: dict[str, list[dict]]) -> str:
    """Say in one sentence whether the distilled student was better, and on how many of the seeds."""
    _check_seeds(runs)
    student = [result['AP'] for result in runs['student']]
    distilled = [result['AP'] for result in runs['distilled']]
    wins = sum(theirs > ours for ours, theirs in zip(student, distilled, strict=True))
    better = mean(distilled) > mean(student)
    claim = 'distilled beats plain' if better else 'distilled did not beat plain'
    sentence = (
        f'{claim}: mean AP {mean(distilled):.3f} against {mean(student):.3f} '
        f'({mean(distilled) - mean(student):+.3f}), ahead on {wins} of {len(student)} '
        f'{"seed" if len(student) == 1 else "seeds"}.'
    )
    if gap_closed(runs) is None:
        sentence += ' The teacher is not better than the plain student, so there is no gap to close.'
    return sentence


def gap_closed(runs: dict[str, list[dict]]) -> float | None:
    """Return ``(distilled - student) / (teacher - student)`` of the mean APs; None where there is no gap."""
    teacher, student, distilled = (
        mean(result['AP'] for result in runs[name]) for name in ('teacher', 'student', 'distilled')
    )
    return part_of_gap(teacher, student, distilled)


def summarise(results: list[dict]) -> dict:
    """Return mean and sample sd (None for a single seed) of one row's AP, AP50 and seconds, for results.json."""
    return {
        key: dict(mean=mean(values), sd=stdev(values) if len(values) > 1 else None, n=len(values))
        for key in ('AP', 'AP50', 'seconds')
        for values in [[result[key] for result in results]]
    }


def _check_seeds(runs: dict[str, list[dict]]) -> None:
    student, distilled = ([result['seed'] for result in runs[name]] for name in ('student', 'distilled'))
    if student != distilled:
        raise ValueError(
            f'student and distilled are compared seed by seed, but the student has seeds {student} and the '
            f'distilled student {distilled}; run both with the same seeds'
        )
