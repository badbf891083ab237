"""The targets found so far: what they explain, what remains without them, and their joint refinement."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.estimation.constants import CONVERGED, MIXED_CYCLES, REFINE_BEAMS, SAME_TARGET_BEAMS
from models.estimation.localisation import Fine
from models.estimation.mixture import Amplitude, climb, echo_channel, fit, position_covariance_m2
from models.estimation.peaks import Coarse
from models.estimation.phases import Told, channel_turned, phases_told, profile, turned
from models.estimation.places import beam_m
from models.estimation.signals import Echoes

__all__ = ["Found", "Look", "Scene"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]
MODELS: tuple[Amplitude, ...] = ("structured", "free", "noncoherent")


class Look(NamedTuple):
    """A search for lobes that ended without one that is clearly right."""

    cross: NDArray[np.complexfloating]
    """Z of the echoes that were searched."""
    coarse: Coarse
    """The peaks about which they were."""
    lobes: Fine
    """What was found."""

    @property
    def left(self) -> float:
        """What the best lobe left of the non-coherent power."""
        return float(self.coarse.power[0] - self.lobes.power.max(initial=0.0))


@dataclass(frozen=True, eq=False)
class Found:
    """A target: model of its amplitude, state (x, y) or (x, y, phase), channel H of its echoes once fitted.

    ``look`` is the last search for its lobes, if it was in vain.
    ``left`` is what the best lobe left of the non-coherent power, ``reason`` why there is none, where that is known.
    ``lead`` is the logarithm of the odds of its lobe against all others when they were last compared, of one of a pair
    by how much the pair was ahead of the next one; ``seen`` is the non-coherent power that there was to explain then.
    """

    model: Amplitude
    state: Float
    lead: float = 0.0
    seen: float = float("nan")
    channel: Complex | None = None
    look: Look | None = None
    left: float = float("nan")
    reason: str | None = None

    @property
    def position_m(self) -> Float:
        """Position, shape (2,)."""
        return self.state[:2]


@dataclass(frozen=True, eq=False)
class Scene:
    """Echoes and the targets that explain them.

    Attributes
    ----------
    echoes
        All echoes of the CPI.
    targets
        With amplitudes fitted jointly; see ``refined``.
    covariance_m2
        Of each position, shape (n_targets, 2, 2): the inverse Fisher matrix of all targets of the same model.
    power
        Power over sigma^2 that all targets explain together, less the penalty of the phases of the APs that this takes.
    """

    echoes: Echoes
    targets: tuple[Found, ...] = ()
    covariance_m2: Float | None = None
    power: float = 0.0

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def positions_m(self) -> Float:
        """Positions, shape (n_targets, 2)."""
        return np.array([t.position_m for t in self.targets]).reshape(-1, 2)

    def residual(self, *without: int) -> Echoes:
        """Return the echoes less all targets but those with the indices ``without``.

        Where the phases of the APs are uncertain, also less what these other targets tell of them.
        """
        others = [t for s, t in enumerate(self.targets) if s not in without]
        told = self.told(*without)
        if told is None:
            return _less(self.echoes, others)
        rest = _less(self.echoes, [t for t in others if t.model != "structured"])
        positions = np.array([t.position_m for t in others if t.model == "structured"])
        channel = echo_channel(rest, "structured", positions, told.amplitudes)
        channel = channel_turned(rest, channel, told.phases.mean_rad)
        return turned(rest.minus(rest.gram.times(channel)), *told.phases)

    def told(self, *without: int) -> Told | None:
        """Return what the targets but those with the indices ``without`` tell of the phases of the APs, if anything."""
        telling = [t for s, t in enumerate(self.targets) if s not in without and t.model == "structured"]
        if self.echoes.phase_root is None or not telling:
            return None
        rest = _less(self.echoes, [t for t in self.targets if not any(t is other for other in telling)])
        return phases_told(rest, np.array([t.position_m for t in telling]))

    def refined(self, targets: "list[Found] | tuple[Found, ...]", n_steps: int = 12) -> "Scene":
        """Return the scene with these targets instead, positions and amplitudes refined together.

        Targets of one model are refined in one Gauss-Newton iteration; where models are mixed, model after model on
        what the others leave.
        """
        models = [m for m in MODELS if any(t.model == m for t in targets)]
        current = list(targets)
        covariance = np.zeros((len(current), 2, 2))
        penalty = 0.0
        for _ in range(MIXED_CYCLES if len(models) > 1 else 1):
            penalty = sum(self._refine(current, covariance, model, n_steps) for model in models)
        return Scene(self.echoes, tuple(current), covariance, _explained(self.echoes, current) - penalty)

    def _refine(self, current: list[Found], covariance: Float, model: Amplitude, n_steps: int) -> float:
        """Refine the targets of one model in place; return the penalty of the phases of the APs."""
        members = [s for s, t in enumerate(current) if t.model == model]
        others = [t for t in current if t.model != model and t.channel is not None]
        echoes = _less(self.echoes, others)
        state = np.array([current[s].state for s in members])[None]
        n_steps = 0 if echoes.effort.exhausted else n_steps
        reach: float | Float = echoes.network.wavelength_m / 8.0
        if model == "noncoherent":
            reach = REFINE_BEAMS * min(beam_m(echoes, position) for position in state[0, :, :2])
        state, found = climb(lambda q: fit(echoes, model, q), state, reach, n_steps, CONVERGED)
        told = profile(echoes, state) if model == "structured" and echoes.phase_root is not None else None
        covariance[members] = position_covariance_m2(found.information[0], len(members))
        for i, s in enumerate(members):
            channel = echo_channel(echoes, model, state[0, i : i + 1], found.amplitudes[0][:, i : i + 1])
            if told is not None:
                channel = channel_turned(echoes, channel, told.phase_rad[0])
            current[s] = replace(current[s], state=state[0, i], channel=channel)
        return float(told.penalty[0]) if told is not None else 0.0

    def replaced(self, index: int, target: Found) -> "Scene":
        """Return the scene with another target in the place of one, all refined."""
        return self.refined([target if s == index else t for s, t in enumerate(self.targets)])

    def index_of(self, target: Found) -> int | None:
        """Return where a target is now, by its position, or None if it is gone."""
        reach = SAME_TARGET_BEAMS * beam_m(self.echoes, target.position_m)
        distance = np.linalg.norm(self.positions_m - target.position_m, axis=1)
        near = [s for s in np.argsort(distance) if distance[s] < reach and self.targets[s].model == target.model]
        return int(near[0]) if near else None

    def marked(self, index: int, **changes: Any) -> "Scene":
        """Return the scene with something that is known of one target updated; its echo stays what it was."""
        targets = tuple(replace(t, **changes) if s == index else t for s, t in enumerate(self.targets))
        return replace(self, targets=targets)

    def without(self, *indices: int) -> "Scene":
        """Return the scene less some targets, the others refined."""
        return self.refined([t for s, t in enumerate(self.targets) if s not in indices])

    def exchanged(self, indices: tuple[int, ...], targets: list[Found]) -> "Scene":
        """Return the scene with other targets in the place of some, all refined."""
        return self.refined([t for s, t in enumerate(self.targets) if s not in indices] + targets)


def _channel(echoes: Echoes, targets: "list[Found]") -> Complex:
    """Return the sum of the channels of fitted targets, shape (n_rx, N, n_tx, N)."""
    channels = [t.channel for t in targets if t.channel is not None]
    return np.sum(channels, axis=0) if channels else np.zeros(echoes.cross.shape, dtype=complex)


def _less(echoes: Echoes, targets: "list[Found]") -> Echoes:
    """Return the echoes less those of fitted targets."""
    return echoes.minus(echoes.gram.times(_channel(echoes, targets))) if targets else echoes


def _explained(echoes: Echoes, targets: "list[Found]") -> float:
    """Return ||y||^2 - ||y - H X||^2 over sigma^2 of the channel H of all targets: 2 Re <H, Z> - <H, H Q>."""
    channel = _channel(echoes, targets)
    return float(np.vdot(channel, 2.0 * echoes.cross - echoes.gram.times(channel)).real)
