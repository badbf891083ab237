"""The air: superposes what is radiated in a slot for every receiver and user equipment, and enforces the rules.

The air knows the truth (channels, targets); nodes push what is theirs at slot start and are given samples at slot end.
Rules that no subclass of a node can get round:

- an AP that listens in a slot does not radiate in it (half-duplex);
- only the AP that holds the slot's token radiates a sensing part;
- the mean radiated power stays within the budget.

Not modelled: direct path between APs, clutter, near-field curvature, propagation delay of the envelope (at 100 kHz
a kilometre is a thirtieth of a symbol; the carrier phase of every path is exact).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainccinv

from emulator.node import Node
from emulator.slot import CpiPlan, Slot
from models.channel import AccessChannel
from models.network import Network, Radio
from models.sensing import echo_amplitude_m2, leg_response

__all__ = ["Air", "AirRuleError", "CpiTruth", "Emission"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]

BUDGET_FALSE_ALARM = 1e-12
"""Chance that an AP within its budget is found to exceed it after a given slot."""


class AirRuleError(RuntimeError):
    """A node broke a rule of the air interface."""


class Emission(NamedTuple):
    """What an AP radiates in a slot, communication and sensing apart."""

    communication: Complex | None
    """Shape (N, n_snapshots), or None."""
    sensing: Complex | None = None
    """Shape (N, n_snapshots), or None."""
    precoding: Complex | None = None
    """The precoders that made the communication part, sqrt(power) times unit vectors, shape (N, n_ues)."""

    @property
    def total(self) -> Complex | None:
        """Both parts together."""
        if self.communication is None:
            return self.sensing
        return self.communication if self.sensing is None else self.communication + self.sensing


@dataclass(kw_only=True, eq=False)
class CpiTruth:
    """What really was in one CPI; for scoring only.

    Attributes
    ----------
    channel
        AP-UE channels, shape (n_aps, n_ues, N).
    reflection
        A_s e^{j phi_s} of each target in m^2, shape (n_targets,).
    precoding
        Precoders used in each slot, shape (n_slots, n_aps, N, n_ues); zero where an AP was silent.
    sensing_power_w
        Nominal power of the sensing part in each slot, shape (n_slots, n_aps).
    """

    channel: Complex
    reflection: Complex
    precoding: Complex
    sensing_power_w: Float


@dataclass(kw_only=True, eq=False)
class Air(Node):
    """The medium.

    Attributes
    ----------
    network, radio, access_channel
        The survey, the air interface and the static part of the AP-UE channels.
    n_targets
        How many targets there are.
    """

    network: Network
    radio: Radio
    access_channel: AccessChannel
    n_targets: int

    name: str = "air"
    slots_completed: int = 0
    truths: dict[int, CpiTruth] = field(default_factory=dict, init=False)
    _tokens: dict[int, str] = field(default_factory=dict, init=False)
    _emissions: dict[int, tuple[Emission, float]] = field(default_factory=dict, init=False)
    _listeners: dict[int, tuple[Complex, float]] = field(default_factory=dict, init=False)
    _ue_noise: dict[int, Complex] = field(default_factory=dict, init=False)
    _fading: dict[int, tuple[Complex, float]] = field(default_factory=dict, init=False)
    _targets: dict[int, tuple[Float, complex]] = field(default_factory=dict, init=False)
    _slot: Slot | None = field(default=None, init=False)
    _spent: dict[int, tuple[float, int]] = field(default_factory=dict, init=False)
    _legs: tuple[bytes, Complex] = field(default=(b"", np.empty(0)), init=False)

    wiring: ClassVar[frozenset[str]] = Node.wiring | {
        "network", "radio", "access_channel", "n_targets", "_echo_doors", "_ue_doors", "_ap_index", "_ue_index",
    }  # fmt: skip

    def __post_init__(self) -> None:
        self._ap_index = {name: i for i, name in enumerate(self.network.ap_names)}
        self._ue_index = {name: i for i, name in enumerate(self.network.ue_names)}
        self._echo_doors: dict[int, Callable[[Slot, Complex], None]] = {}
        self._ue_doors: dict[int, Callable[[Slot, Complex], None]] = {}

    def connect_access_point(self, name: str, deliver: Callable[[Slot, Complex], None]) -> None:
        """Hand the echoes of the AP of this name to ``deliver``."""
        self._echo_doors[self._ap_index[name]] = deliver

    def connect_user_equipment(self, name: str, deliver: Callable[[Slot, Complex], None]) -> None:
        """Hand the samples of the UE of this name to ``deliver``."""
        self._ue_doors[self._ue_index[name]] = deliver

    def license(self, plan: CpiPlan) -> None:
        """Note who holds the sensing token in each slot of a CPI."""
        for slot in plan.slots:
            self._tokens[slot.index] = slot.sensing_transmitter

    # -- pushed by nodes at slot start ---------------------------------------------------------------------------

    def place(self, index: int, position_m: Float, reflection: complex) -> None:
        """Take position and reflection A e^{j phi} of a target for the slot that begins."""
        self._targets[index] = (position_m, reflection)

    def join(self, name: str, scattered: Complex, los_phase_rad: float) -> None:
        """Take the fading of a UE for the CPI that begins: CN(0, 1) of shape (n_aps, N) and line-of-sight phase."""
        self._fading[self._ue_index[name]] = (scattered, los_phase_rad)

    def tune(self, name: str, noise: Complex) -> None:
        """Take the noise samples of a UE for the slot that begins, shape (n_snapshots,)."""
        self._ue_noise[self._ue_index[name]] = noise

    def channel(self, name: str, cpi: int) -> Complex:
        """Return the channels of an AP to all UEs in a CPI, shape (n_ues, N): perfect channel state information."""
        return self._truth(cpi).channel[self._ap_index[name]]

    def emit(self, slot: Slot, name: str, emission: Emission, phase_rad: float = 0.0) -> None:
        """Radiate in a slot; ``phase_rad`` is the oscillator phase of the AP.

        Raises
        ------
        AirRuleError
            If the AP listens in the slot, radiates a sensing part without the token, or exceeds its power budget.
        """
        index = self._ap_index[name]
        if index in self._listeners:
            raise AirRuleError(f"{name} radiates while it listens: a half-duplex AP returns None from transmit here")
        token = self._tokens.get(slot.index)
        if emission.sensing is not None and token != name:
            raise AirRuleError(f"{name} radiates a sensing part without the token, which {token} holds")
        total = emission.total
        if total is None:
            return
        self._charge(index, name, total)
        self._emissions[index] = (emission, phase_rad)
        self._book(slot, index, emission)

    def hear(self, slot: Slot, name: str, noise: Complex, phase_rad: float = 0.0) -> None:
        """Listen in a slot; ``noise`` are the receiver's own samples, shape (N, n_snapshots).

        Raises
        ------
        AirRuleError
            If the AP radiates in the slot.
        """
        index = self._ap_index[name]
        if index in self._emissions:
            raise AirRuleError(f"{name} listens while it radiates: a half-duplex AP does one of the two in a slot")
        self._listeners[index] = (noise, phase_rad)

    def _charge(self, index: int, name: str, total: Complex) -> None:
        energy, snapshots = self._spent.get(index, (0.0, 0))
        energy += float(np.vdot(total, total).real)
        snapshots += total.shape[1]
        self._spent[index] = (energy, snapshots)
        if energy > self.radio.transmit_power_w * energy_quantile(snapshots):
            raise AirRuleError(
                f"{name} radiated {energy / snapshots:.3g} W on average over {snapshots} snapshots; "
                f"its budget is {self.radio.transmit_power_w:.3g} W: scale what transmit returns"
            )

    def _book(self, slot: Slot, index: int, emission: Emission) -> None:
        truth = self._truth(slot.cpi)
        if emission.precoding is not None:
            truth.precoding[slot.position, index] = emission.precoding
        if emission.sensing is not None:
            power_w = (1.0 - self.radio.comm_power_fraction) * self.radio.transmit_power_w
            truth.sensing_power_w[slot.position, index] = power_w

    def _truth(self, cpi: int) -> CpiTruth:
        truth = self.truths.get(cpi)
        if truth is None:
            truth = self.truths[cpi] = self._draw(self.emulation.frame.n_slots)
        return truth

    def _draw(self, n_slots: int) -> CpiTruth:
        """Fix the channels of a CPI from what UEs and targets pushed."""
        network = self.network
        scattered = np.zeros((network.n_ues, network.n_aps, network.n_antennas), dtype=complex)
        phase = np.zeros(network.n_ues)
        for k, (normals, los_phase) in self._fading.items():
            scattered[k], phase[k] = normals, los_phase
        positions, reflection = self._scene()
        amplitude = np.abs(reflection) / echo_amplitude_m2(network.wavelength_m, 1.0)
        channel = self.access_channel.realize(scattered, phase, positions, amplitude**2, np.angle(reflection))
        shape = (n_slots, network.n_aps, network.n_antennas, network.n_ues)
        return CpiTruth(
            channel=channel,
            reflection=reflection,
            precoding=np.zeros(shape, dtype=complex),
            sensing_power_w=np.zeros(shape[:2]),
        )

    def _scene(self) -> tuple[Float, Complex]:
        placed = [self._targets[s] for s in range(self.n_targets)]
        positions = np.array([position for position, _ in placed]).reshape(-1, 2)
        return positions, np.array([reflection for _, reflection in placed], dtype=complex)

    # -- at slot end ----------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Finish the slot that ends now, if any, and open the next one."""
        frame = self.emulation.frame
        if self.emulation.now_ns > frame.lead_ns:
            self._finish(self._slot_in_hand())
        self.wake_ns = frame.slot_start_ns(self.slots_completed + 1)

    def _slot_in_hand(self) -> Slot:
        frame, index = self.emulation.frame, self.slots_completed
        cpi, position = divmod(index, frame.n_slots)
        return Slot(
            index, cpi, position, frame.n_slots, frame.slot_start_ns(index), frame.slot_start_ns(index + 1),
            frame.n_snapshots, self._tokens.pop(index, ""),
        )  # fmt: skip

    def _finish(self, slot: Slot) -> None:
        self.slots_completed += 1
        if self._listeners:
            for index, samples in self._echoes():
                self._echo_doors[index](slot, samples)
        if self._ue_noise:
            received = self._downlink(slot)
            for index, noise in self._ue_noise.items():
                self._ue_doors[index](slot, received[index] + noise)
        self._emissions.clear()
        self._listeners.clear()
        self._ue_noise.clear()
        if slot.position == slot.n_slots - 1:
            self._fading.clear()

    def _echoes(self) -> list[tuple[int, Complex]]:
        """Return what every listener hears, noise included, in network order."""
        positions, reflection = self._scene()
        incident = self._incident(positions)
        legs = self._leg_responses(positions)
        heard = []
        for index in sorted(self._listeners):
            noise, phase_rad = self._listeners[index]
            if incident is None:
                heard.append((index, noise))
                continue
            echo = legs[index].T @ (reflection[:, None] * incident)
            heard.append((index, (echo if phase_rad == 0.0 else echo * np.exp(1j * phase_rad)) + noise))
        return heard

    def _incident(self, positions: Float) -> Complex | None:
        """Return the field at the targets, shape (n_targets, n_snapshots); None where there is none."""
        legs, field_at_targets = self._leg_responses(positions), None
        for index in sorted(self._emissions):
            emission, phase_rad = self._emissions[index]
            part = emission.sensing if self.radio.illumination == "sensing" else emission.total
            if part is None or not self.n_targets:
                continue
            arriving = legs[index] @ part
            if phase_rad != 0.0:
                arriving *= np.exp(1j * phase_rad)
            field_at_targets = arriving if field_at_targets is None else field_at_targets + arriving
        return field_at_targets

    def _leg_responses(self, positions: Float) -> Complex:
        """Return a(u) e^{-jkd} / d of all APs and targets, shape (n_aps, n_targets, N); kept while targets rest."""
        key = positions.tobytes()
        if self._legs[0] != key or not self._legs[1].size:
            self._legs = (key, leg_response(self.network, positions))
        return self._legs[1]

    def _downlink(self, slot: Slot) -> Complex:
        """Return what every UE hears, noise apart, shape (n_ues, n_snapshots)."""
        radiating = sorted(self._emissions)
        n_ues = self.network.n_ues
        if not radiating:
            return np.zeros((n_ues, slot.n_snapshots), dtype=complex)
        parts = [self._radiated(*self._emissions[index]) for index in radiating]
        channel = self._truth(slot.cpi).channel[radiating]
        stacked = channel.transpose(1, 0, 2).reshape(n_ues, -1)
        return stacked @ np.concatenate(parts)

    @staticmethod
    def _radiated(emission: Emission, phase_rad: float) -> Complex:
        total = emission.total
        assert total is not None  # an empty emission is never kept
        return total if phase_rad == 0.0 else total * np.exp(1j * phase_rad)

    def state(self) -> dict[str, Any]:
        """Return what nodes pushed, the tokens and the truth of CPIs that are not scored yet."""
        return super().state()


@lru_cache(maxsize=4096)
def energy_quantile(n_snapshots: int) -> float:
    """Return the energy, in units of the budget, that Gaussian signals within budget exceed with chance 1e-12.

    The sum over snapshots of the radiated power has its heaviest upper tail when all power is in one stream; it is
    then Gamma(n_snapshots, 1) in units of the budget.
    """
    return float(gammainccinv(n_snapshots, BUDGET_FALSE_ALARM))
