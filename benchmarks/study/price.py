"""A plot of a score against the cost of a step."""

from collections.abc import Sequence

from matplotlib.figure import Figure


def price_against_score(
    title: str,
    scored: str,
    points: Sequence[tuple[str, float, list[float]]],
    alone: float | None,
    teacher: float | None,
) -> Figure:
    """One point per method, with a line over the range of its seeds; methods that no cheaper one beats are joined."""
    figure = Figure(figsize=(7.5, 5), layout='constrained')
    axes = figure.subplots()
    means = sorted((cost, sum(found) / len(found), name) for name, cost, found in points)
    for _, cost, found in points:
        middle = sum(found) / len(found)
        axes.plot([cost, cost], [min(found), max(found)], color='tab:blue', alpha=0.4, linewidth=1)
        axes.plot(cost, middle, 'o', color='tab:blue', markersize=4)
    front = [(cost, score) for i, (cost, score, _) in enumerate(means) if all(score > s for _, s, _ in means[:i])]
    axes.plot([cost for cost, _ in front], [score for _, score in front], color='tab:orange', linewidth=1)
    for value, words in ((alone, 'student alone'), (teacher, 'teacher')):
        if value is not None:
            axes.axhline(value, color='grey', linewidth=1)
            axes.text(
                1, value, f'{words} ', color='grey', va='bottom', ha='right', transform=axes.get_yaxis_transform()
            )
    axes.margins(x=0.15)  # room for the last name
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    gap = 0.015 * (right - left)
    for side, align in ((-1, 'right'), (1, 'left')):
        # Methods cheaper than KD have their names on the left.
        named = [point for point in means if (side < 0) == (point[0] < 0.99)]
        places = [(cost + side * gap, score) for cost, score, _ in named]
        heights = apart(places, 0.08 * (right - left), 0.03 * (high - low))
        for (cost, score, name), (x, _), y in zip(named, places, heights, strict=True):
            line = dict(arrowstyle='-', color='grey', linewidth=0.5, shrinkA=0, shrinkB=0, relpos=(side < 0, 0.5))
            axes.annotate(name, (cost, score), (x, y), arrowprops=line, va='center', ha=align, fontsize=7)
    axes.set(xlabel="a step's time over that of KD's", ylabel=scored, title=title)
    return figure


def apart(places: Sequence[tuple[float, float]], width: float, height: float) -> list[float]:
    """The heights of labels of this size, moved up where they would cover a lower one."""
    found: dict[int, float] = {}
    for i in sorted(range(len(places)), key=lambda i: places[i][1]):
        x, y = places[i]
        found[i] = max([y, *(found[j] + height for j in found if abs(places[j][0] - x) < width)])
    return [found[i] for i in range(len(places))]
