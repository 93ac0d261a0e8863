"""Finding: what a check found, and the line to change."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field

OK, WARN, FAIL, SKIP = 'OK', 'WARN', 'FAIL', 'SKIP'


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        check: What was looked at.
        level: `OK`, `WARN` (training runs, but perhaps not as intended), `FAIL` (it does not run, or learns something
            wrong) or `SKIP` (it could not be checked, because an earlier check failed).
        found: What was found.
        change: The line to change, or what to do; empty if there is nothing to do.
    """

    check: str
    level: str
    found: str
    change: str = ''

    def __str__(self) -> str:
        found = self.found.strip().replace('\n', '\n      ')
        change = self.change.strip().replace('\n', '\n      ')
        return f'{self.level:<5} {self.check}: {found}' + (f'\n      change: {change}' if change else '')


class Unusable(Exception):
    """Raised when a check cannot continue; says what to change.

    Args:
        found: What was found.
        change: What to do about it.
    """

    def __init__(self, found: str, change: str = '') -> None:
        super().__init__(found)
        self.change = change


@dataclass
class Report:
    """The findings so far.

    Attributes:
        findings: In the order of the checks.
        tell: Called with each finding as soon as it is there.
    """

    findings: list[Finding] = field(default_factory=list)
    tell: Callable[[Finding], None] = lambda finding: None

    def add(self, finding: Finding) -> None:
        self.findings.append(finding)
        self.tell(finding)

    def run(self, name: str, check: Callable[[], Iterator[Finding]], change: str, lacking: str | None = None) -> bool:
        """Run one check, whatever it raises.

        Args:
            name: Name of the check, for the finding if it raises an exception.
            check: Yields findings.
            change: What to do about an exception that does not say so itself.
            lacking: Why this check cannot be run, if it cannot.

        Returns:
            Whether it was run and nothing failed.
        """
        if lacking:
            self.add(Finding(name, SKIP, f'skipped: {lacking}'))
            return False
        before = len(self.findings)
        try:
            for finding in check():
                self.add(finding)
        except (Exception, SystemExit) as error:
            self.add(Finding(name, FAIL, explained(error), getattr(error, 'change', '') or change))
        return all(finding.level != FAIL for finding in self.findings[before:])

    @property
    def healthy(self) -> bool:
        return all(finding.level != FAIL for finding in self.findings)

    def as_dict(self) -> dict:
        return dict(healthy=self.healthy, findings=[asdict(finding) for finding in self.findings])


def explained(error: BaseException) -> str:
    """An exception as a sentence: its message, with its kind where the message alone says little."""
    message = error.args[0] if isinstance(error, KeyError) and error.args else str(error)
    if isinstance(error, (ValueError, FileNotFoundError, ImportError, Unusable)) and str(message):
        return str(message)
    return f'{type(error).__name__}: {message}'
