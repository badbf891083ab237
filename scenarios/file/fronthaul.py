"""The tables of the fronthaul and of what goes wrong: faults, and the test of each receiver against the others."""

import math
import os
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Strict

from emulator import FAULTS, LATE_REPORTS, SPLITS
from emulator.media import TOPOLOGIES
from models.limits import MOST_CELLS
from models.radio import QUANTISERS
from scenarios.file.graphml import link_names
from scenarios.file.plugins import found, make, setting_problems, settings_of, settings_of_kind
from scenarios.file.problems import Problem, closest
from scenarios.file.table import OURS, Count, Number, OneOf, Strategy, Table
from scenarios.file.table import key as _key

__all__ = ["ConsistencyKeys", "FaultKeys", "FronthaulKeys"]

SPLIT_KEYS = {"iq_bits", "quantiser", "statistics_bits", "map_step_m", "map_bits"}
"""Keys of the fronthaul that are settings of some functional split."""


def _text_of_path(value: Any) -> Any:
    """Return the text of a path given from Python; anything else as it is."""
    return os.fspath(value) if isinstance(value, os.PathLike) else value


class FronthaulKeys(Table):
    """The network between the access points and the central processor, and what travels on it."""

    topology: Annotated[str, Strict(), BeforeValidator(_text_of_path)] = _key(
        "star",
        f"{', '.join(TOPOLOGIES)}, or the path of a GraphML or node-link JSON file (relative to the scenario file).",
        "",
        OURS,
    )
    neighbours: Count = _key(
        3, "Nearest neighbours that a node of a mesh is linked with; with the topology mesh alone.", "", OURS, ge=1,
        le=100_000,
    )  # fmt: skip
    latency_s: Number = _key(25e-6, "Propagation delay of a link.", "s", OURS, ge=0, le=3600)
    jitter_s: Number = _key(
        0.0, "Mean of an exponential delay on top of it, new for each message and cut at ten times the mean; it may "
        "reorder messages.", "s", OURS, ge=0, le=3600,
    )  # fmt: skip
    rate_bit_s: Number = _key(1e9, "Rate of a link.", "bit/s", OURS, ge=1, le=1e15)
    queue_bits: Count | None = _key(
        None,
        "Bits that may wait at a link; left out: unbounded.",
        "bit",
        OURS,
        allowed="a whole number >= 1 and <= 1e15 in bit",
        ge=1,
        le=10**15,
    )
    loss_probability: Number = _key(0.0, "Probability that a link loses a message.", "", OURS, ge=0, le=1)
    split: Annotated[str, OneOf(SPLITS)] = _key(
        "iq",
        "What a receiver sends: quantised samples of each slot, its statistics once a CPI, or a map of the area, to "
        "which each access point on the way adds its own.",
        "",
        OURS,
    )
    iq_bits: Count = _key(
        16, "Bits of a real number of the samples; with the split iq alone.", "bit", OURS, ge=1, le=24
    )
    quantiser: Annotated[str, OneOf(QUANTISERS)] = _key(
        "uniform", "How samples become so few bits; with the split iq alone. Block floating point has 2 to 16.", "",
        OURS,
    )  # fmt: skip
    statistics_bits: Count = _key(
        64, "Bits of a real number of the statistics, 8 to 32, or 64; with the split statistics alone.", "bit", OURS,
        ge=8, le=64,
    )  # fmt: skip
    map_step_m: Number = _key(
        10.0,
        "About how far apart the points of a map are; with the split summed-map alone.",
        "m",
        OURS,
        ge=1e-6,
        le=1e6,
    )
    map_bits: Count = _key(8, "Bits of a point of a map; with the split summed-map alone.", "bit", OURS, ge=4, le=16)
    late_reports: Annotated[str, OneOf(LATE_REPORTS)] = _key(
        "drop", "What becomes of reports that come too late: left, or fused with the next estimate.", "", OURS
    )
    deadline_s: Number = _key(
        500e-6, "How long after the last slot missing reports are waited for.", "s", OURS, ge=0, le=3600
    )
    payload_bits_per_symbol: Number = _key(
        2.0, "Downlink payload that a UE gets in a symbol.", "bit", OURS, ge=0, le=64
    )

    @property
    def split_fields(self) -> frozenset[str]:
        """Settings of the functional split."""
        return frozenset(settings_of(found(SPLITS[self.split])))

    def split_settings(self, illumination: str) -> dict[str, Any]:
        """Return the settings with which a functional split is made."""
        keys = {name: getattr(self, name) for name in ("iq_bits", "statistics_bits", "map_step_m", "map_bits")}
        known = keys | {"quantiser": make(self.quantiser, QUANTISERS, {}), "illumination": illumination}
        return {key: value for key, value in known.items() if key in self.split_fields}

    def without_effect(self) -> Iterable[str]:
        """Return the settings of other splits, and the neighbours where there is no mesh."""
        return sorted(SPLIT_KEYS - self.split_fields) + (["neighbours"] if self.topology != "mesh" else [])

    @classmethod
    def outdated(cls, key: str, value: Any, given: Mapping[str, Any]) -> set[str]:
        """Return the settings of other splits."""
        return SPLIT_KEYS - settings_of_kind(value, SPLITS) if key == "split" else set()

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what is given although it has no effect, and bits that cannot be."""
        for odd in {*self.without_effect()} & self.model_fields_set:
            yield Problem((f"{name}.{odd}",), f"{self._why_idle(odd)}; leave it out")
        options = self.split_settings(scenario.radio.illumination)
        for setting, text in setting_problems(found(SPLITS[self.split]), options):
            yield Problem((f"{name}.{setting or 'split'}",), text)
        if found(SPLITS[self.split]).sums:
            yield from self._of_sums(name, scenario, plugins)

    def _of_sums(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what does not go with sums on the way."""
        from emulator.parts import summing_problems

        cells = math.prod(side / self.map_step_m for side in scenario.area.size_m)
        if cells > MOST_CELLS:
            allowed = f"allowed: at most {MOST_CELLS:.0e} points, so take a larger step"
            text = f"got {self.map_step_m:g} m, {cells:.2g} points in the area; {allowed}"
            yield Problem((f"{name}.map_step_m", "area.size_m"), text)
        wrong = summing_problems(
            reads_maps=scenario.estimator.reads_maps(plugins),
            tests=scenario.consistency.false_alarm_probability is not None,
            watches=scenario.calibration.when_lost,
            keeps_late=self.late_reports != "drop",
            tampers=any(fault.kind in ("corrupt", "replay") for fault in scenario.faults),
        )
        for key, text in wrong:
            yield Problem((key, f"{name}.split"), text)

    def _why_idle(self, odd: str) -> str:
        if odd == "neighbours":
            return f'the topology "{self.topology}" takes no number of neighbours'
        sent = {"statistics_bits": "statistics", "map_step_m": "maps", "map_bits": "maps"}.get(odd, "samples")
        return f'the split "{self.split}" sends no {sent}'


class FaultKeys(Strategy):
    """Something that goes wrong."""

    registry: ClassVar[Mapping[str, str]] = FAULTS
    shared: ClassVar[tuple[str, ...]] = ("at_s", "until_s", "node", "link")

    kind: Annotated[str, Strict()] = _key("ap-down", f'Fault: {", ".join(FAULTS)} or "module:Class".', "", OURS)
    at_s: Number = _key(0.0, "Emulated time at which it begins.", "s", OURS, ge=0, le=1e9)
    until_s: Number | None = _key(
        None, "When it ends, later than at_s; left out: never.", "s", OURS, ge=0, le=1e9,
        allowed="a number >= 0 and <= 1e+09 in s",
    )  # fmt: skip
    node: Annotated[str, Strict()] | None = _key(
        None, "Name of the access point.", "", OURS, allowed='the name of an access point, such as "ap-3"'
    )
    link: Annotated[str, Strict()] | None = _key(
        None, "Name of the link.", "", OURS, allowed='the name of a link, such as "ap-7->central"'
    )

    @property
    def options(self) -> dict[str, Any]:
        """The settings with which the fault of this kind is made."""
        return {name: value for name, value in super().options.items() if value is not None}

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what is wrong with the kind or its settings, and names of nodes or links that are not there."""
        yield from super().problems(name, scenario, plugins)
        if next(fault for fault in scenario.faults if fault == self) is not self:
            yield Problem((f"{name}.kind",), "stands there before, alike in all keys; leave one of the two out")
        known = {"node": scenario.access_point_names, "link": ()}
        if self.link is not None:
            known["link"] = link_names(scenario.fronthaul.topology, scenario.access_point_names)
        for key, names in known.items():
            given = getattr(self, key)
            if given is not None and names and given not in names:
                yield Problem((f"{name}.{key}",), f'got "{given}"; {_among(given, names)}')


def _among(word: str, names: tuple[str, ...]) -> str:
    hint = closest(word, names)
    return hint if hint.startswith("did you mean") else f"allowed: {names[0]} to {names[-1]}"


class ConsistencyKeys(Table):
    """The test of each receiver against the others."""

    false_alarm_probability: Number | None = _key(
        None, "Probability that a CPI leaves an honest receiver out; left out: all are believed.", "", OURS,
        allowed="a number > 0 and < 1", gt=0, lt=1,
    )  # fmt: skip
    agree_cpis: Count = _key(
        3,
        "CPIs, at least, in which a receiver that was left out agrees until it is taken back.",
        "",
        OURS,
        ge=1,
        le=1_000_000,
    )

    evidence_cpis: Count = _key(
        10, "CPIs whose evidence on a receiver is counted together, the last ones.", "", OURS, ge=1, le=10_000
    )

    def make(self) -> Any:
        """Return the test, or None where there is none."""
        if self.false_alarm_probability is None:
            return None
        return found("models.consistency:ConsistencyTest")(**dict(self))

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what is given although it has no effect."""
        for odd in sorted({*self.without_effect()} & self.model_fields_set):
            yield Problem((f"{name}.{odd}",), "has no effect without false_alarm_probability; leave it out")

    def without_effect(self) -> Iterable[str]:
        """Return the numbers of CPIs where nothing is left out."""
        return ("agree_cpis", "evidence_cpis") if self.false_alarm_probability is None else ()
