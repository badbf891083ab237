"""The tables of phases: what oscillators and chains do to them, and how they are calibrated."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Self

from pydantic import Strict

from models.calibration import CALIBRATIONS, SERVOS
from models.oscillators import OSCILLATORS, PRESETS
from scenarios.file.plugins import make, settings_of_kind
from scenarios.file.problems import Problem, closest
from scenarios.file.table import OURS, PAPER, Number, OneOf, Part, Strategy, key

__all__ = ["CalibrationKeys", "NodeOscillator", "OscillatorKeys"]

IDEAL = "ideal"
FEWEST_ON_PATHS = 3
"""Access points: of two the phases cannot be told from each other over their direct path."""
_KIND = f'Kind: {", ".join(OSCILLATORS)} or "module:Class"; other keys are settings of the kind.'


class _Oscillator(Strategy):
    """An oscillator: a kind with its settings, or a preset, of which settings may be given other values."""

    registry: ClassVar[Mapping[str, str]] = OSCILLATORS

    kind: Annotated[str, Strict()] | None = key(
        None, f"{_KIND} Left out: that of the preset, or ideal.", "", PAPER, allowed='a name, or "module:Class"'
    )
    preset: Annotated[str, OneOf(PRESETS)] | None = key(
        None, f"Oscillator of the trade: {', '.join(PRESETS)}.", "", OURS, allowed=f"one of {', '.join(PRESETS)}"
    )

    @property
    def chosen(self) -> str:
        """The kind."""
        if self.kind is not None or self.preset is None:
            return self.kind or IDEAL
        return PRESETS[self.preset].kind

    @classmethod
    def staying(cls) -> frozenset[str]:
        """Return the keys that mean the same whatever the kind."""
        return super().staying() - {"preset"}

    @classmethod
    def outdated(cls, key: str, value: Any, given: Mapping[str, Any]) -> set[str]:
        """Return the settings that another kind or preset lacks; of kind and preset the other."""
        if key != "preset" or given.get(key) == value:
            return super().outdated(key, value, given)
        kind = PRESETS[value].kind if isinstance(value, str) and value in PRESETS else None
        has = settings_of_kind(kind, OSCILLATORS)
        return {"kind"} | set(given) - set(has) - cls.staying()

    @property
    def options(self) -> dict[str, Any]:
        """The settings: those of the preset, and those given."""
        return (dict(PRESETS[self.preset].settings) if self.preset is not None else {}) | self.own

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what is wrong with kind, preset and settings."""
        if self.kind is not None and self.preset is not None:
            text = f'got "{self.kind}", and the preset "{self.preset}"; give one of the two'
            yield Problem((f"{name}.kind", f"{name}.preset"), text)
        elif self.chosen != IDEAL or self.own:
            yield from super().problems(name, scenario, plugins)


class NodeOscillator(_Oscillator):
    """The oscillator of a single node, in place of that of all, whose kind and settings it has if it names none."""

    kind: Annotated[str, Strict()] | None = key(
        None, f"{_KIND} Left out: that of the preset, or of all.", "", OURS, allowed='a name, or "module:Class"'
    )
    name: Annotated[str, Strict()] = key(
        ..., 'Name of the node, such as "ap-3" or "ue-0".', "", OURS, allowed="the name of an access point or a UE"
    )

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what is wrong with the name or the oscillator."""
        names = (*scenario.access_point_names, *scenario.user_equipment_names)
        if self.name not in names:
            text = f'got "{self.name}"; there is no such access point or UE; {closest(self.name, names)}'
            yield Problem((f"{name}.name",), text)
        elif not (self.names_one or self.own):
            text = f'got "{self.name}" alone; give kind, preset or a setting, or leave the table out'
            yield Problem((f"{name}.name",), text)
        said = super(NodeOscillator, self.under(scenario.oscillators)).problems(name, scenario, plugins)
        yield from (problem for problem in said if self.names_one or self._is_own(problem, name))

    @property
    def names_one(self) -> bool:
        """Whether it names a kind or a preset."""
        return self.kind is not None or self.preset is not None

    def under(self, all_nodes: _Oscillator) -> Self:
        """Return it with the kind or preset of all nodes, and their settings, if it names none."""
        if self.names_one:
            return self
        inherited = {"kind": all_nodes.kind, "preset": all_nodes.preset} | all_nodes.own
        return self.model_copy(update=inherited | self.own)

    def _is_own(self, problem: Problem, name: str) -> bool:
        """Return whether a problem is of a setting of this table; one of an inherited setting is told there."""
        return problem.keys[0] in {f"{name}.{key}" for key in self.own}


class OscillatorKeys(_Oscillator):
    """The oscillators of the access points and their chains: phases that wander and are not known."""

    shared_reference: bool = key(
        False, "Whether all have one oscillator: a phase that is common to all does no harm.", "", OURS, strict=True
    )
    user_equipment: bool = key(False, "Whether the UEs have such oscillators, too.", "", OURS, strict=True)
    transmit_chain_std_rad: Number = key(
        0.0, "Standard deviation of the phase of a transmit chain, one for a run.", "rad", OURS, ge=0, le=100
    )
    receive_chain_std_rad: Number = key(
        0.0, "Standard deviation of the phase of a receive chain, one for a run.", "rad", OURS, ge=0, le=100
    )
    node: tuple[NodeOscillator, ...] = key(
        (), "Oscillators of single nodes.", "", OURS, allowed="tables [[oscillators.node]] with the name of a node"
    )

    def of(self, name: str, is_user_equipment: bool) -> _Oscillator:
        """Return the keys of the oscillator of a node."""
        ours = next((node for node in self.node if node.name == name), None)
        if ours is not None:
            return ours.under(self)
        return _Oscillator() if is_user_equipment and not self.user_equipment else self

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what is wrong with the oscillators, or with the list of nodes."""
        yield from super().problems(name, scenario, plugins)
        names = [node.name for node in self.node]
        for i, twice in enumerate(names):
            if twice in names[:i]:
                yield Problem((f"{name}.node[{i}].name",), f'got "{twice}", which stands there before; give each once')

    def without_effect(self) -> list[str]:
        """Return the keys that say what is so anyhow."""
        return [name for name, field in type(self).model_fields.items() if getattr(self, name) == field.default]


_WITH_LOOP = "proportional-integral"
_LOOP = ("loop_hz", "damping")
_DETECTOR = ("false_alarm_probability", "memory_cpis", "tolerance_rad")


class CalibrationKeys(Part):
    """How the phases of the access points are measured, and corrected."""

    registry: ClassVar[Mapping[str, str]] = CALIBRATIONS

    kind: Annotated[str, Strict()] = key("none", f'Calibration: {", ".join(CALIBRATIONS)} or "module:Class".', "", OURS)
    period_s: Number | None = key(
        None, "From the start of one calibration to the next; left out: one at the start.", "s", OURS, gt=0, le=3600,
        allowed="a number > 0 and <= 3600 in s",
    )  # fmt: skip
    servo: Annotated[str, OneOf(SERVOS)] = key(
        "immediate", "How an access point applies what was found: at once, or by a loop that learns its frequency.", "",
        OURS,
    )  # fmt: skip
    loop_hz: Number | None = key(
        None, "Natural frequency of the loop proportional-integral.", "Hz", OURS, ge=1e-6, le=1e6,
        allowed="a number >= 1e-6 and <= 1e6 in Hz",
    )  # fmt: skip
    damping: Number | None = key(
        None, "Its damping; left out: 1.", "", OURS, ge=1, le=10, allowed="a number >= 1 and <= 10"
    )
    when_lost: bool = key(
        False, "Whether a calibration is asked for when targets say that coherence is lost.", "", OURS, strict=True
    )
    false_alarm_probability: Number = key(
        1e-3, "With when_lost: probability of that in a CPI in which phases are right.", "", OURS, ge=1e-100, lt=1
    )
    memory_cpis: Number = key(3.0, "With when_lost: CPIs that are looked at together.", "", OURS, ge=1, le=1000)
    tolerance_rad: Number = key(
        0.1, "With when_lost: error of the phase of a pair that is not worth a calibration.", "rad", OURS, ge=0, le=1
    )

    @classmethod
    def outdated(cls, key: str, value: Any, given: Mapping[str, Any]) -> set[str]:
        """Return the settings that another kind lacks, and what has no effect without a loop or a detector."""
        if key == "kind" and value == "none":
            return set(given)
        idle = {"servo": _LOOP if value != _WITH_LOOP else (), "when_lost": _DETECTOR if value is False else ()}
        return super().outdated(key, value, given) | set(idle.get(key, ()))

    def problems(self, name: str, scenario: Any, plugins: Iterable[str]) -> Iterable[Problem]:
        """Return what is wrong with the kind or its settings, or given without effect."""
        yield from super().problems(name, scenario, plugins)
        given = self.model_fields_set & set(self._idle())
        for odd in sorted(given):
            yield Problem((f"{name}.{odd}",), self._why_idle(odd))
        if self.servo == _WITH_LOOP and self.loop_hz is None and self.kind != "none":
            yield Problem((f"{name}.loop_hz",), "required by the servo proportional-integral, not given")

    def _idle(self) -> list[str]:
        """Return the keys that have no effect."""
        every = [field for field in type(self).model_fields if field != "kind"]
        if self.kind == "none":
            return every
        loop = () if self.servo == _WITH_LOOP else _LOOP
        return [*loop, *(() if self.when_lost else _DETECTOR)]

    def _why_idle(self, odd: str) -> str:
        if self.kind == "none":
            return 'the kind "none" measures nothing; leave it out'
        if odd in _LOOP:
            return f'the servo "{self.servo}" has no loop; leave it out'
        return "has no effect without when_lost = true; leave it out"

    def without_effect(self) -> list[str]:
        """Return the keys that have no effect."""
        return [*super().without_effect(), *self._idle()]

    def effects(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the direct paths between the access points, which pilots take."""
        return {} if self.kind in ("none", "genie") else {"direct-paths": {}}

    def make_servo(self) -> Any:
        """Return how corrections are applied."""
        given = {"loop_hz": self.loop_hz, "damping": self.damping}
        return make(self.servo, SERVOS, {name: value for name, value in given.items() if value is not None})

    def make_detector(self) -> Any:
        """Return what says when coherence is lost, or None."""
        from models.calibration.coherence import CoherenceDetector

        if not self.when_lost:
            return None
        return CoherenceDetector(
            false_alarm_probability=self.false_alarm_probability,
            memory_cpis=self.memory_cpis,
            tolerance_rad=self.tolerance_rad,
        )
