"""What benches measure, as lines of JSON; the `kind` of each says which of these it is.

No figure stands for more than one round of one contestant, so that ratios can be taken round by
round.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

Measure = Annotated[float, Field(ge=0), AfterValidator(lambda value: float(f"{value:.4g}"))]
"""Four digits: no bench knows more."""


class _Figure(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Circumstances(_Figure):
    """Where and how the figures came about; `versions` by what it is the version of."""

    kind: Literal["circumstances"] = "circumstances"
    measured_at: str
    machine: str
    kernel: str
    cores: int
    load_before: Measure
    """Load average of the machine before it began: what others did."""
    seconds: Measure
    """Length of one measurement of the load."""
    rounds: int
    versions: Mapping[str, str]
    note: str = ""


class Guarded(_Figure):
    """Whether a guard did what it is there for."""

    kind: Literal["guarded"] = "guarded"
    contestant: str
    promise: str
    streamed: bool
    when: str
    is_kept: bool


class Load(_Figure):
    """Requests of one shape by so many clients at once."""

    kind: Literal["load"] = "load"
    contestant: str
    shape: str
    clients: int
    kept: bool
    """Whether connections are: otherwise there is a new one for each request."""
    round: int
    requests: int
    errors: int
    per_second: Measure
    p50_ms: Measure
    p99_ms: Measure
    first_ms: Measure
    """Median, until the first of the body came."""
    cpu_ms: Measure
    """Of the contestant's processes, a request."""


class Resident(_Figure):
    """Memory of a contestant's processes before the load, or after a round of it."""

    kind: Literal["resident"] = "resident"
    contestant: str
    round: int
    rss_mb: Measure


class Stream(_Figure):
    """A median of one round of `scripts/bench/streams`: `cpu` in µs, others in ms."""

    kind: Literal["stream"] = "stream"
    contestant: str
    measure: str
    round: int
    median: Measure


class Workers(_Figure):
    """A round of `scripts/bench/workers`."""

    kind: Literal["workers"] = "workers"
    store: str
    scenario: str
    load: str
    workers: int
    round: int
    per_second: Measure


class Connections(_Figure):
    """A round of `scripts/bench/connections`."""

    kind: Literal["connections"] = "connections"
    contestant: str
    measure: str
    round: int
    cpu_ms: Measure


class Memory(_Figure):
    """A look of `scripts/bench/memory` after so many flows."""

    kind: Literal["memory"] = "memory"
    contestant: str
    flows: int
    rss_mb: Measure


type Figure = Annotated[
    Circumstances | Guarded | Load | Resident | Stream | Workers | Connections | Memory,
    Field(discriminator="kind"),
]
_ANY: TypeAdapter[Figure] = TypeAdapter(Figure)


def written(figures: Iterable[Figure]) -> str:
    """The lines of these figures."""
    return "".join(f"{figure.model_dump_json()}\n" for figure in figures)


def read(text: str, name: str) -> list[Figure]:
    """Raises ValueError, with name and number of the line, for one that is no figure."""
    lines = enumerate(text.splitlines(), 1)
    return [_figure(line, f"{name}:{number}") for number, line in lines if line.strip()]


def _figure(line: str, place: str) -> Figure:
    try:
        return _ANY.validate_json(line)
    except ValidationError as error:
        faults = (" ".join([*map(str, fault["loc"]), fault["msg"]]) for fault in error.errors())
        raise ValueError(f"{place}: {'; '.join(faults)}") from None


def of[T: _Figure](kind: type[T], figures: Sequence[Figure], **wanted: object) -> list[T]:
    """The figures of a kind that have these values."""
    return [
        figure
        for figure in figures
        if isinstance(figure, kind)
        and all(getattr(figure, name) == value for name, value in wanted.items())
    ]
