"""Methods against each other, each with the same tries of its weight: tables and a plot."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from matplotlib.figure import Figure

from benchmarks.study.found import SEARCHED, best_of, difference, gap_closed, has_run, mean, spread_of, values
from benchmarks.study.search import searched
from benchmarks.study.setting import TUNE, Setting
from luminet_det.published.markdown import table
from luminet_det.published.spread import NOT_RUN

REFERENCES = ('kd', 'luminet')  # what all others are compared with; both have the same student
FACTORS = (1 / 64, 1 / 16, 1 / 4, 1, 4, 16, 64)
FIRST = range(2, 5)  # of these


@dataclass(frozen=True)
class Shootout:
    """What is compared, and what a step costs.

    Attributes:
        scored: The metric in words.
        titles: Methods as the literature names them.
        cost: Of a method's step over KD's, where it was measured.
        tries: What may be tried of a method, one for each factor on its weights.
        alone: The student that a method is compared with.
    """

    scored: str
    titles: Mapping[str, str]
    cost: Mapping[str, float]
    tries: Callable[[str], Sequence[Setting]]
    alone: Callable[[str], Setting]

    def results(self, *names: str) -> str:
        """Each method's best try on the seeds that it was not chosen by, highest first, with what its step costs.

        Args:
            names: Of which methods; default: all.
        """
        lines = []
        for name in names or self.titles:
            best, title = self.best(name), self.titles[name]
            if best is None:
                lines.append((float('-inf'), [title, '', '0', NOT_RUN, '', '', '', '', self.price(name)]))
                continue
            cells = [
                f'{FACTORS[self.tries(name).index(best)]:g}',
                str(len(values(best, fresh=True))),
                self.score(name),
                difference(best, self.alone(name), fresh=True),
                *(self.compared(name, reference) for reference in REFERENCES),
                gap_closed(best, self.alone(name), fresh=True),
                self.price(name),
            ]
            lines.append((mean(best, fresh=True) or 0, [title, *cells]))
        to = ['to its student alone', *(f'to {self.titles[reference]}' for reference in REFERENCES)]
        header = ['', 'weight times', 'seeds', self.scored, *to, 'gap closed', 'step / KD']
        ordered = [line for _, line in sorted(lines, key=lambda line: line[0], reverse=True)]
        student = self.alone(REFERENCES[0])
        ends = f'Student alone: {spread_of(student, fresh=True)}. Teacher: {spread_of(student.teacher)}.'
        return f'{table(header, ordered)}\n\n{ends}'

    def search(self) -> str:
        """The tries on the set to choose by, with the first seed."""
        tried = {name: self.searched(name)[0] for name in self.titles}
        columns = sorted({self.tries(name).index(of) for name, settings in tried.items() for of in settings})
        lines = []
        for name, title in self.titles.items():
            cells = dict.fromkeys(columns, '')
            for setting in tried[name]:
                text = f'{values(setting, split=TUNE)[SEARCHED]:.1f}' if has_run(setting) else NOT_RUN
                cells[self.tries(name).index(setting)] = f'**{text}**' if setting == self.best(name) else text
            lines.append([title, *cells.values()])
        header = [f'weight times {FACTORS[place]:g}' for place in columns]
        return table([f'{self.scored} to choose by', *header], lines)

    def searched(self, name: str) -> tuple[list[Setting], list[Setting]]:
        """A method's tries, and which have still to run.

        The first three; then, while the best has the least or the largest weight of all, one beyond.
        """
        possible = self.tries(name)

        def beyond(tries: Sequence[Setting], best: Setting) -> Setting | None:
            places = [possible.index(setting) for setting in tries]
            place = possible.index(best)
            further = place - 1 if place == min(places) else place + 1 if place == max(places) else None
            return possible[further] if further is not None and 0 <= further < len(possible) else None

        return searched([possible[place] for place in FIRST], beyond)

    def best(self, name: str) -> Setting | None:
        return best_of(self.searched(name)[0])

    def compared(self, name: str, reference: str) -> str:
        """The difference of two methods' best tries, where both have the same student."""
        best, other = self.best(name), self.best(reference)
        if name == reference or other is None or self.alone(name) != self.alone(reference):
            return ''
        return difference(best, other, fresh=True)

    def score(self, name: str) -> str:
        """Of its best try, on the seeds that it was not chosen by."""
        best = self.best(name) if name in self.titles else None
        return spread_of(best, fresh=True) if best else NOT_RUN

    def price(self, name: str) -> str:
        return f'{self.cost[name]:.2f}' if name in self.cost else NOT_RUN

    def plot(self, title: str) -> tuple[object, Callable[[], Figure]]:
        """What the plot of score against cost shows, and a function that draws it."""
        points, student = [], self.alone(REFERENCES[0])
        for name in self.titles:
            # Another student than KD's has another step.
            of = self.best(name) if self.alone(name) == student else None
            found = list(values(of, fresh=True).values()) if of else []
            if found and name in self.cost:
                points.append((self.titles[name], self.cost[name], found))
        ends = [mean(student, fresh=True), mean(student.teacher)]
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
    places = [(cost + 0.01 * (right - left), score) for cost, score, _ in means]
    heights = apart(places, 0.08 * (right - left), 0.025 * (high - low))
    for (_, _, name), (x, _), y in zip(means, places, heights, strict=True):
        axes.text(x, y, name, va='center', fontsize=7)
    axes.set(xlabel="a step's time over that of KD's", ylabel=scored, title=title)
    return figure


def apart(places: Sequence[tuple[float, float]], width: float, height: float) -> list[float]:
    """The heights of labels of a size, moved up where they would lie on a lower one."""
    found: dict[int, float] = {}
    for i in sorted(range(len(places)), key=lambda i: places[i][1]):
        x, y = places[i]
        found[i] = max([y, *(found[j] + height for j in found if abs(places[j][0] - x) < width)])
    return [found[i] for i in range(len(places))]
