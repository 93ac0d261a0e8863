"""Methods against each other, each with the same tries of its weight: tables and a plot."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import compress
from statistics import fmean

from matplotlib.figure import Figure

from benchmarks.study.found import SEARCHED, best_of, difference, gap_closed, has_run, mean, spread_of, values
from benchmarks.study.price import price_against_score
from benchmarks.study.search import searched
from benchmarks.study.setting import TUNE, Setting
from luminet_det.published.markdown import table
from luminet_det.published.spread import NOT_RUN, spread

REFERENCES = ('kd', 'luminet')  # what all others are compared with; both have the same student
FACTORS = (1 / 64, 1 / 16, 1 / 4, 1, 4, 16, 64)
FIRST = range(2, 5)  # of these


@dataclass(frozen=True)
class Shootout:
    """What is compared, and what a step costs.

    Attributes:
        scored: The metric in words.
        titles: Methods as the literature names them.
        cost: A method's step time relative to KD's, where it was measured.
        tries: The settings to try for a method, one for each factor on its weights.
        alone: The student that a method is compared with.
    """

    scored: str
    titles: Mapping[str, str]
    cost: Mapping[str, float]
    tries: Callable[[str], Sequence[Setting]]
    alone: Callable[[str], Setting]

    def results(self, *names: str, without: Collection[str] = ()) -> str:
        """Each method's best try on the seeds that were not used to choose it, with what its step costs.

        The order is that of the seeds that all methods have, highest first, as some seeds are luckier for all methods.

        Args:
            names: Names of the methods; default: all.
            without: Columns to leave out.
        """
        names = names or tuple(self.titles)
        lines, seeds = [], self.seeds(names)
        uneven = any(len(values(best, fresh=True)) > len(seeds) for name in names if (best := self.best(name)))
        for name in names:
            best, title = self.best(name), self.titles[name]
            if best is None:
                cells = ['', '0', NOT_RUN, *[''] * uneven, '', '', '', '', self.price(name)]
                lines.append((float('-inf'), [title, *cells]))
                continue
            common = chosen(best, seeds)
            cells = [
                f'{FACTORS[self.tries(name).index(best)]:g}',
                str(len(values(best, fresh=True))),
                spread_of(best, fresh=True),
                *[spread(common)] * uneven,
                difference(best, self.alone(name), fresh=True),
                *(self.compared(name, reference) for reference in REFERENCES),
                gap_closed(best, self.alone(name), fresh=True),
                self.price(name),
            ]
            lines.append((fmean(common) if common else 0, [title, *cells]))
        to = ['vs its student alone', *(f'vs {self.titles[reference]}' for reference in REFERENCES)]
        columns = [self.scored, f'{self.scored}, {said(seeds)}'] if uneven else [self.scored]
        header = ['', 'weight factor', 'seeds', *columns, *to, 'gap closed', 'step / KD']
        if unknown := set(without) - set(header):
            raise ValueError(f'no column {sorted(unknown)[0]!r}; there are {", ".join(header[1:])}')
        shown = [column not in without for column in header]
        ordered = [line for _, line in sorted(lines, key=lambda line: line[0], reverse=True)]
        head, *rows = ([*compress(cells, shown)] for cells in [header, *ordered])
        student = self.alone(REFERENCES[0])
        alone = spread_of(student, fresh=True)
        if uneven:
            alone += f', on {said(seeds)}: {spread(chosen(student, seeds))}'
        return f'{table(head, rows)}\n\nStudent alone: {alone}. Teacher: {spread_of(student.teacher)}.'

    def search(self) -> str:
        """The tries on the set by which settings are chosen, with the first seed."""
        tried = {name: self.searched(name)[0] for name in self.titles}
        columns = sorted({self.tries(name).index(of) for name, settings in tried.items() for of in settings})
        lines = []
        for name, title in self.titles.items():
            cells = dict.fromkeys(columns, '')
            for setting in tried[name]:
                text = f'{values(setting, split=TUNE)[SEARCHED]:.1f}' if has_run(setting) else NOT_RUN
                cells[self.tries(name).index(setting)] = f'**{text}**' if setting == self.best(name) else text
            lines.append([title, *cells.values()])
        header = [f'weight factor {FACTORS[place]:g}' for place in columns]
        return table([f'{self.scored} on the tuning set', *header], lines)

    def searched(self, name: str) -> tuple[list[Setting], list[Setting]]:
        """A method's tries, and those that have still to run.

        The first three; then, as long as the best has the smallest or the largest weight of all, one beyond that.
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
        """The score of its best try, on the seeds that all methods have and that were not used to choose."""
        best = self.best(name) if name in self.titles else None
        return spread(chosen(best, self.seeds())) if best else NOT_RUN

    def seeds(self, names: Collection[str] = ()) -> list[int]:
        """Seeds that the best tries of all methods, or of those named, have in common, without the one to choose by."""
        found = [values(best, fresh=True).keys() for name in names or self.titles if (best := self.best(name))]
        return sorted(set.intersection(*map(set, filter(None, found)))) if any(found) else []

    def price(self, name: str) -> str:
        return f'{self.cost[name]:.2f}' if name in self.cost else NOT_RUN

    def plot(self, title: str) -> tuple[object, Callable[[], Figure]]:
        """What the plot of score against cost shows, and a function that draws it."""
        points, student, seeds = [], self.alone(REFERENCES[0]), self.seeds()
        for name in self.titles:
            # Another student than KD's has another step time.
            of = self.best(name) if self.alone(name) == student else None
            found = chosen(of, seeds) if of else []
            if found and name in self.cost:
                points.append((self.titles[name], self.cost[name], found))
        alone = chosen(student, seeds)
        ends = [fmean(alone) if alone else None, mean(student.teacher)]
        scored = f'{self.scored}, {said(seeds)}' if seeds else self.scored
        return [title, scored, points, ends], partial(price_against_score, title, scored, points, *ends)


def chosen(setting: Setting, seeds: Sequence[int]) -> list[float]:
    """The scores of some seeds."""
    return [value for seed, value in values(setting, fresh=True).items() if seed in seeds]


def said(seeds: Sequence[int]) -> str:
    return f'seeds {", ".join(map(str, seeds))}'
