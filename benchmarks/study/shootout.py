"""Methods against each other, each with the same tries of its weight: tables and a plot."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.figure import Figure

from benchmarks.study.found import best_of, difference, gap_closed, mean, spread_of, values
from benchmarks.study.setting import TUNE, Setting
from luminet_det.published.markdown import table

REFERENCE = 'kd'


@dataclass(frozen=True)
class Shootout:
    """What is compared, and what a step costs.

    Attributes:
        scored: The metric in words.
        factors: Of each try that on the weights.
        titles: Methods as the literature names them.
        cost: Of a method's step over KD's, where it was measured.
        tries: A method's tries, one for each factor.
        alone: The student that a method is compared with.
    """

    scored: str
    factors: Sequence[float]
    titles: Mapping[str, str]
    cost: Mapping[str, float]
    tries: Callable[[str], Sequence[Setting]]
    alone: Callable[[str], Setting]

    def results(self) -> str:
        """Each method's best try over the seeds, highest first, with what its step costs."""
        reference = self.best(REFERENCE)
        lines = []
        for name, title in self.titles.items():
            best = self.best(name)
            if best is None:
                lines.append((float('-inf'), [title, '', '0', 'not run', '', '', '', self.price(name)]))
                continue
            cells = [
                f'{self.factors[self.tries(name).index(best)]:g}',
                str(len(values(best))),
                spread_of(best),
                difference(best, self.alone(name)),
                difference(best, reference) if reference and name != REFERENCE else '',
                gap_closed(best, self.alone(name)),
                self.price(name),
            ]
            lines.append((mean(best), [title, *cells]))
        header = ['', 'weight times', 'seeds', self.scored, 'to its student alone', 'to KD', 'gap closed', 'step / KD']
        ordered = [line for _, line in sorted(lines, key=lambda line: line[0], reverse=True)]
        student = self.alone(REFERENCE)
        ends = f'Student alone: {spread_of(student)}. Teacher: {spread_of(student.teacher)}.'
        return f'{table(header, ordered)}\n\n{ends}'

    def search(self) -> str:
        """The tries on the set to choose by, seed 0."""
        lines = []
        for name, title in self.titles.items():
            best, cells = self.best(name), []
            for setting in self.tries(name):
                value = values(setting, split=TUNE).get(0)
                text = 'not run' if value is None else f'{value:.1f}'
                cells.append(f'**{text}**' if setting == best else text)
            lines.append([title, *cells])
        return table([f'{self.scored} to choose by', *(f'weight times {factor:g}' for factor in self.factors)], lines)

    def best(self, name: str) -> Setting | None:
        return best_of(self.tries(name))

    def price(self, name: str) -> str:
        return f'{self.cost[name]:.2f}' if name in self.cost else 'not run'

    def plot(self, title: str) -> tuple[object, Callable[[], Figure]]:
        """What the plot of score against cost shows, and a function that draws it."""
        ran = {name: self.best(name) for name in self.titles if name in self.cost and self.best(name)}
        points = [(self.titles[name], self.cost[name], list(values(best).values())) for name, best in ran.items()]
        ends = [mean(self.alone(REFERENCE)), mean(self.alone(REFERENCE).teacher)]
        return [title, points, ends], partial(price_against_score, title, self.scored, points, *ends)


def price_against_score(
    title: str,
    scored: str,
    points: Sequence[tuple[str, float, list[float]]],
    alone: float | None,
    teacher: float | None,
) -> Figure:
    """A point a method, a line up and down to its seeds' ends; joined are those that no cheaper one beats."""
    figure = Figure(figsize=(7.5, 5), layout='constrained')
    axes = figure.subplots()
    means = sorted((cost, sum(found) / len(found), name) for name, cost, found in points)
    for name, cost, found in points:
        middle = sum(found) / len(found)
        axes.plot([cost, cost], [min(found), max(found)], color='tab:blue', alpha=0.4, linewidth=1)
        axes.plot(cost, middle, 'o', color='tab:blue', markersize=4)
        axes.annotate(name, (cost, middle), xytext=(5, 2), textcoords='offset points', fontsize=7)
    front = [(cost, score) for i, (cost, score, _) in enumerate(means) if all(score > s for _, s, _ in means[:i])]
    axes.plot([cost for cost, _ in front], [score for _, score in front], color='tab:orange', linewidth=1)
    for value, words in ((alone, 'student alone'), (teacher, 'teacher')):
        if value is not None:
            axes.axhline(value, color='grey', linewidth=1)
            axes.text(
                1, value, f'{words} ', color='grey', va='bottom', ha='right', transform=axes.get_yaxis_transform()
            )
    axes.set(xlabel="a step's time over that of KD's", ylabel=scored, title=title)
    return figure
