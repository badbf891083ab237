"""The air: superposes what is radiated in a slot for every receiver and user equipment, and enforces the rules.

The air knows the truth (channels, targets). Nodes push what is theirs, the air does the arithmetic, for all receivers
in one go at slot end. Rules that no subclass of a node can get round:

- an AP that listens in a slot does not radiate in it (half-duplex); one that sends a pilot is deaf in its slot;
- only the AP that holds the slot's token radiates a sensing part;
- the mean radiated power stays within the budget.

What reaches a receiver is the sum of the air's effects (``emulator.media.effects``) and its own noise. Not modelled:
direct path between APs, clutter, the near field of an antenna (see ``Air.clear``).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple, NoReturn

import numpy as np
import scipy
from numpy.typing import NDArray

from emulator.emission import Emission
from emulator.media.effects import Effect
from emulator.media.truth import CpiTruth, Emitted, SlotEmissions
from emulator.messages import CENTRAL
from emulator.nodes.node import Node
from emulator.services import Services
from emulator.slot import Slot
from models.doors import FAILURES, FARTHEST_M, STRONGEST, Door, bounded, is_own
from models.network import Network, Radio
from models.radio.channel import AccessChannel
from models.radio.geometry import clear_of_antennas, with_ues_at
from models.radio.sensing import echo_amplitude_m2
from models.readonly import frozen, sealed

__all__ = ["Air", "AirRuleError", "Witness", "energy_quantile"]

Complex = NDArray[np.complex128]
Float = NDArray[np.float64]

START, FIELD, REALIZED = Door("effect", "start"), Door("effect", "field"), Door("channel", "realize")
BUDGET_FALSE_ALARM = 1e-12
"""Chance that an AP within its budget is found to exceed it at the end of a given slot."""
Witness = Callable[[Slot, Mapping[int, Complex], Mapping[int, Complex]], None]
"""Takes a slot that is over: what was radiated and what was heard in it, by AP index, shape (N of the AP, n_snapshots).

It only looks: what it is given is read-only, and no result depends on it.
"""


class AirRuleError(RuntimeError):
    """A node broke a rule of the air interface."""


class _ApDoors(NamedTuple):
    """Where the air calls an AP; see ``Air.connect_access_point``."""

    begin: Callable[[int], Emission | None]
    radiate: Callable[[int, Emission], None]
    deliver: Callable[[Slot, Complex], None]
    noise: Callable[[int], Complex]


class _Audience(NamedTuple):
    """Who listens in a CPI."""

    indices: tuple[int, ...]
    deliver: tuple[Callable[[Slot, Complex], None], ...]
    """What takes the echoes of each."""
    noise: Complex
    """Shape (n_slots, n_rx, N, n_snapshots); in a slot that is over, what was heard."""
    rotation: Complex | None
    """Phase factors of the receivers, shape (n_slots, n_rx, 1, 1); None where all are 1."""


@dataclass(kw_only=True, eq=False)
class Air(Node):
    """The medium.

    Attributes
    ----------
    network, radio, access_channel
        Where everything really is, which the survey may have wrong; the air interface and the static part of the AP-UE
        channels.
    n_targets
        How many targets there are.
    effects
        What the air does to what is radiated; its fields add up at the receivers.
    channel_at
        The channels of the network with its UEs elsewhere; without it UEs stay where they are.
    """

    network: Network
    radio: Radio
    access_channel: AccessChannel
    n_targets: int
    effects: tuple[Effect, ...]
    channel_at: Callable[[Network], AccessChannel] | None = None

    name: str = "air"
    slots_completed: int = 0
    truths: dict[int, CpiTruth] = field(default_factory=dict, init=False)
    """Of the CPI on the air and of those that are not scored yet."""
    _licensed: dict[int, Slot] = field(default_factory=dict, init=False)
    """The slots to come, by index."""
    _transmitters: list[int] = field(default_factory=list, init=False)
    """AP indices of those who are called at the start of every slot of the CPI."""
    _emitted: dict[int, tuple[Emission, Complex]] = field(default_factory=dict, init=False)
    """What is radiated in the slot on the air, parts and total, by AP index; phases of oscillators included."""
    _listeners: dict[int, float | Float] = field(default_factory=dict, init=False)
    """By which phases those who listen turn what they hear, by AP index; one, or one a slot."""
    _fading: dict[int, tuple[Complex, Complex, float, float | Float]] = field(default_factory=dict, init=False)
    _ue_places: dict[int, Float] = field(default_factory=dict, init=False)
    """Where UEs are that move."""
    _places: dict[int, tuple[Float, complex]] = field(default_factory=dict, init=False)
    _spent: dict[tuple[int, bool], list[float]] = field(init=False)
    """[energy, snapshots] by AP and whether it held the token: sensing power cannot be saved up in other slots."""
    _begin_ns: int | None = field(default=None, init=False)
    """When the slot begins of which the transmitters are still to be called; None where there is none."""
    _unbooked: list[tuple[tuple[int, ...], str, Float]] = field(default_factory=list, init=False)
    """(AP indices, who held the token, energy of each) of the slots since the last audit."""
    witnesses: list[Witness] = field(default_factory=list, init=False)
    """Who is told of each slot that is over."""

    wiring: ClassVar[frozenset[str]] = Node.wiring | {
        "network", "radio", "access_channel", "channel_at", "n_targets", "_ap_doors", "_ue_doors", "_ap_index",
        "_ue_index", "effects", "_audience", "_antennas", "_n_snapshots", "_bell", "unit_amplitude_m2", "_budget_w",
        "_sensing_power_w", "witnesses",
    }  # fmt: skip

    def __post_init__(self) -> None:
        self._ap_index = {name: i for i, name in enumerate(self.network.ap_names)}
        self._ue_index = {name: i for i, name in enumerate(self.network.ue_names)}
        self._ap_doors: dict[int, _ApDoors] = {}
        self._ue_doors: list[tuple[int, Callable[[Slot, Complex], None], Callable[..., Exception]]] = []
        self._audience: _Audience | None = None
        budgets_w = self.network.budgets_w(self.radio)
        self._budget_w = budgets_w.tolist()
        self._antennas: list[int] = self.network.antennas.tolist()
        self._sensing_power_w = ((1.0 - self.radio.comm_power_fraction) * budgets_w).tolist()
        self.unit_amplitude_m2 = float(echo_amplitude_m2(self.network.wavelength_m, 1.0))
        self._spent = {(ap, sensing): [0.0, 0] for ap in range(self.network.n_aps) for sensing in (False, True)}

    def start(self, services: Services) -> None:
        """Take what the emulation offers."""
        super().start(services)
        self._n_snapshots = services.frame.n_snapshots
        after_all_who_wake = services.rank(CENTRAL) - 0.5
        self._bell = services.bell(after_all_who_wake, self._begin)
        if self._begin_ns is not None:
            self._bell.set(self._begin_ns)
        for effect in self.effects:
            START.ask(effect, services)

    def connect_access_point(
        self,
        name: str,
        begin: Callable[[int], Emission | None],
        radiate: Callable[[int, Emission], None],
        deliver: Callable[[Slot, Complex], None],
        noise: Callable[[int], Complex],
    ) -> None:
        """Call ``begin(position)`` when a slot starts in which the AP transmits, ``deliver`` with its echoes.

        What ``begin`` returns, if anything, goes to ``radiate(position, emission)`` when all have been asked.
        ``noise(cpi)`` gives its own samples of a CPI in which it listens, shape (N, n_samples).
        """
        self._ap_doors[self._ap_index[name]] = _ApDoors(begin, radiate, deliver, noise)

    def connect_user_equipment(
        self, name: str, receive: Callable[[Slot, Complex], None], failure: Callable[..., Exception]
    ) -> None:
        """Hand the samples of a UE to ``receive``; ``failure`` makes the error to raise where that goes wrong."""
        self._ue_doors.append((self._ue_index[name], receive, failure))
        self._ue_doors.sort(key=lambda door: door[0])

    def license(self, slots: tuple[Slot, ...]) -> None:
        """Note who holds the sensing token in each slot."""
        for slot in slots:
            self._licensed[slot.index] = slot

    # -- pushed by nodes ------------------------------------------------------------------------------------------

    def place(self, index: int, positions_m: Float, reflection: complex) -> None:
        """Take positions in every slot, (n_slots, 2), and reflection A e^{j phi} of a target for a CPI that begins.

        Raises
        ------
        ValueError
            If they are not finite, or larger than anything in nature.
        """
        if not (bounded(positions_m, FARTHEST_M) and abs(reflection) <= STRONGEST):
            raise ValueError(f"place of target {index} is out of range: finite positions in m and a finite reflection")
        self._places[index] = (self.clear(positions_m), reflection)

    def clear(self, positions_m: Float) -> Float:
        """Return where targets at some positions, shape (..., 2) in m, count as being.

        The far field, in which echoes fall with distance, begins no nearer than about a wavelength from an antenna. A
        target that comes closer to an AP or a UE counts as one wavelength away from it, on the same side.
        """
        return _cleared(self.network, positions_m.tobytes()).reshape(positions_m.shape)

    def join(
        self,
        name: str,
        noise: Complex,
        scattered: Complex,
        los_phase_rad: float,
        position_m: Float | None = None,
        phase_rad: float | Float = 0.0,
    ) -> None:
        """Take what a UE brings to the CPI that begins.

        Its noise samples, shape (n_samples,), its fading CN(0, 1), shape (n_aps, N), its line-of-sight phase, where it
        is, in m, or None where the survey has it, and by how much it turns what it receives: a phase in rad, or one a
        slot, shape (n_slots,).

        Raises
        ------
        ValueError
            If they are not finite, or larger than anything in nature.
        """
        turns = bounded(phase_rad) if isinstance(phase_rad, np.ndarray) else abs(phase_rad) <= STRONGEST
        if not (bounded(noise) and bounded(scattered) and abs(los_phase_rad) <= STRONGEST and turns):
            raise ValueError("noise, fading or phase is out of range: give finite numbers")
        self._fading[self._ue_index[name]] = (noise, scattered, los_phase_rad, phase_rad)
        if position_m is not None:
            self._ue_places[self._ue_index[name]] = position_m

    def channel(self, name: str, cpi: int) -> Complex:
        """Return the channels of an AP to all UEs in a CPI, shape (n_ues, N): perfect channel state information."""
        index = self._ap_index[name]
        return self.truth(cpi).channel[index, :, : self._antennas[index]]

    def transmit(self, name: str) -> None:
        """Have an AP called at the start of every slot of the CPI that begins."""
        self._transmitters.append(self._ap_index[name])

    def leave(self, name: str) -> None:
        """Neither radiate nor listen any more in the CPI on the air; what is radiated goes on until the slot ends."""
        index = self._ap_index[name]
        self._transmitters = [other for other in self._transmitters if other != index]
        if self._listeners.pop(index, None) is not None:
            self._audience = None

    def emit(self, slot: Slot, name: str, emission: Emission) -> None:
        """Radiate in the slot on the air: this is what leaves the antennas, whatever the AP believes.

        Raises
        ------
        AirRuleError
            If the AP listens in the slot, or radiates a sensing part without the token.
        ValueError
            If a part has another shape than (antennas of the AP, n_snapshots).
        """
        index, (communication, sensing, precoding, _) = self._ap_index[name], emission
        shape = self._antennas[index], self._n_snapshots
        if communication is not None and communication.shape != shape:
            raise ValueError(f"communication part of shape {communication.shape}; give (antennas, snapshots) = {shape}")
        if sensing is not None and sensing.shape != shape:
            raise ValueError(f"sensing part of shape {sensing.shape}; give (antennas, snapshots) = {shape}")
        if index in self._listeners and not (slot.is_pilot and self._token_holder() == name):
            raise AirRuleError(f"{name} radiates while it listens: a half-duplex AP returns None from transmit here")
        if sensing is not None and self._token_holder() != name:
            raise AirRuleError(f"{name} radiates a sensing part without the token, which {self._token_holder()} holds")
        if communication is not None and precoding is None and self.network.n_ues:
            raise ValueError("communication part without precoding; give the precoders (N, n_ues) that made it")
        emission = emission if shape[0] == self.network.n_antennas else emission.padded(self.network.n_antennas)
        total = emission.total
        if total is not None:
            self._emitted[index] = (emission, sealed(total) if total.flags.writeable else total)

    def _token_holder(self) -> str | None:
        slot = self._licensed.get(self.slots_completed)
        return None if slot is None else slot.sensing_transmitter

    def hear(self, name: str, phase_rad: float | Float = 0.0) -> None:
        """Listen for the rest of the CPI, with the AP's own noise.

        The field is turned by ``phase_rad`` before the noise is added: a phase in rad, or one a slot, (n_slots,).

        Raises
        ------
        AirRuleError
            If the AP radiates in the slot that begins.
        """
        index = self._ap_index[name]
        if index in self._emitted:
            raise AirRuleError(f"{name} listens while it radiates: a half-duplex AP does one of the two in a slot")
        self._listeners[index] = phase_rad
        self._audience = None

    # -- the truth ------------------------------------------------------------------------------------------------

    def truth(self, cpi: int) -> CpiTruth:
        """Return the truth of a CPI that has begun and is not scored yet."""
        truth = self.truths.get(cpi)
        if truth is None:
            truth = self.truths[cpi] = frozen(self._draw())
        return truth

    def _draw(self) -> CpiTruth:
        """Fix the channels of a CPI from what UEs and targets pushed."""
        frame, n_ues = self.services.frame, self.network.n_ues
        if len(self._fading) < n_ues or len(self._places) < self.n_targets:
            self._refuse_absent()
        joined = [self._fading[k] for k in range(n_ues)]
        turns = [phase_rad for *_, phase_rad in joined]
        placed = [self._places[s] for s in range(self.n_targets)]
        places = np.array([p for p, _ in placed]).reshape(self.n_targets, frame.n_slots, 2).transpose(1, 0, 2)
        reflection = np.array([r for _, r in placed], dtype=complex)
        access = self._access_channel_now()
        asked = (
            np.array([f for _, f, *_ in joined]).reshape(n_ues, self.network.n_aps, self.network.n_antennas),
            np.array([phase for _, _, phase, _ in joined]),
            self._clear_of(access.network, places[0]),
            np.abs(reflection / self.unit_amplitude_m2) ** 2,
            np.angle(reflection),
        )
        channel = self._realized(access, *asked)
        noise = np.array([n for n, *_ in joined]).reshape(n_ues, frame.n_samples)
        turn = _factors(turns, frame.n_slots)
        return CpiTruth(
            channel=channel,
            places_m=places,
            reflection=reflection,
            ue_noise=noise,
            ue_turn=None if turn is None else turn[..., None],
            antennas=self.network.array_sizes,
        )

    def _access_channel_now(self) -> AccessChannel:
        """Return the channels with those UEs that move where they are in the CPI."""
        if not self._ue_places or self.channel_at is None:
            return self.access_channel
        return self.channel_at(with_ues_at(self.network, self._ue_places))

    def _clear_of(self, network: Network, places_m: Float) -> Float:
        """Return where targets count as being for UEs that have moved towards them."""
        return places_m if network is self.network else clear_of_antennas(network, places_m)

    def _realized(self, giver: AccessChannel, *asked: Any) -> Complex:
        """Return the channels of a CPI, shape (n_aps, n_ues, N), checked where they are a subclass's."""
        if is_own(giver.realize, AccessChannel.realize):
            return giver.realize(*asked)
        shape = (self.network.n_aps, self.network.n_ues, self.network.n_antennas)
        given = REALIZED.numbers(giver, REALIZED.ask(giver, *asked), shape, f"finite channels of shape {shape}")
        return self.network.cut(given)

    def _refuse_absent(self) -> NoReturn:
        missing = [name for name, k in self._ue_index.items() if k not in self._fading]
        missing += [f"target-{s}" for s in range(self.n_targets) if s not in self._places]
        raise AirRuleError(f"not in the air as the CPI begins: {', '.join(missing)}; wake calls air.join, or air.place")

    # -- the slots ------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Finish the slot that ends now; the next one begins when all who wake at this instant have woken."""
        frame, now_ns = self.services.frame, self.wake_ns
        if now_ns > frame.lead_ns:
            self._finish(self._slot_in_hand())
        if now_ns >= frame.lead_ns:
            self._begin_ns = now_ns
            self._bell.set(now_ns)
        self.wake_ns = frame.slot_start_ns(self.slots_completed + (now_ns >= frame.lead_ns))

    def _begin(self, _: object) -> None:
        """Ask all who transmit, and let them radiate: in two short passes, which takes less time than one long."""
        self._begin_ns = None
        position = self.slots_completed % self.services.frame.n_slots
        doors = [self._ap_doors[index] for index in self._transmitters]
        emissions = [door.begin(position) for door in doors]
        for door, emission in zip(doors, emissions, strict=True):
            if emission is not None:
                door.radiate(position, emission)

    def _slot_in_hand(self) -> Slot:
        frame, index = self.services.frame, self.slots_completed
        if index not in self._licensed:  # nobody planned it
            cpi, position = divmod(index, frame.n_slots)
            return frame.slots(cpi, ("",) * frame.n_slots)[position]
        return self._licensed.pop(index)

    def _finish(self, slot: Slot) -> None:
        self.slots_completed += 1
        truth = self.truth(slot.cpi)
        emitted, self._emitted = sorted(self._emitted.items()), {}
        if self._listeners:
            self._return_echoes(slot, truth, emitted)
        self._serve(slot, truth, emitted)
        for witness in self.witnesses:
            witness(slot, *self._what_was(slot, emitted))
        last = slot.position == slot.n_slots - 1
        if last:
            self._listeners, self._transmitters, self._audience = {}, [], None
            truth.close()
        if last or slot.index == 0:
            self._audit()

    def _what_was(self, slot: Slot, emitted: Emitted) -> tuple[dict[int, Complex], dict[int, Complex]]:
        """Return what was radiated and what was heard in a slot that is over; who sends a pilot is deaf in it."""
        radiated = {index: total[: self._antennas[index]] for index, (_, total) in emitted}
        audience = self._audience
        if audience is None:
            return radiated, {}
        heard = zip(audience.indices, audience.noise[slot.position], strict=True)
        return radiated, {i: sealed(samples)[: self._antennas[i]] for i, samples in heard if i not in radiated}

    def _note(self, slot: Slot, truth: CpiTruth, emitted: Emitted, aps: tuple[int, ...], samples: Complex) -> None:
        """Keep what scoring and the next audit need."""
        precoders = tuple([emission.precoding for _, (emission, _) in emitted])
        power_w = self._sensing_power_w
        powers_w = tuple([0.0 if emission.sensing is None else power_w[ap] for ap, (emission, _) in emitted])
        phases_rad = tuple([emission.phase_rad for _, (emission, _) in emitted])
        truth.radiated.append(SlotEmissions(slot.position, aps, precoders, powers_w, phases_rad))
        parts = samples.view(float).reshape(len(aps), -1)
        self._unbooked.append((aps, slot.sensing_transmitter, np.vecdot(parts, parts)))

    def _book(self) -> None:
        """Add up energies and snapshots of those who radiated since the last audit."""
        spent, n_snapshots = self._spent, self._n_snapshots
        for aps, holder, energies in self._unbooked:
            sensing_ap = self._ap_index.get(holder)
            for ap, energy in zip(aps, energies.tolist(), strict=True):
                entry = spent[ap, ap == sensing_ap]
                entry[0] += energy
                entry[1] += n_snapshots
        self._unbooked = []

    def _audit(self) -> None:
        """Compare what was radiated so far with the budget."""
        self._book()
        for (index, sensing), (energy, snapshots) in self._spent.items():
            budget_w = self._budget_w[index]
            if snapshots and not energy <= budget_w * energy_quantile(int(snapshots)):
                slots = "slots in which it holds the token" if sensing else "slots without the token"
                raise AirRuleError(
                    f"{self.network.ap_names[index]} radiated {energy / snapshots:.3g} W on average over {snapshots} "
                    f"snapshots of {slots}; its budget is {budget_w:.3g} W: scale what transmit returns"
                )

    def _return_echoes(self, slot: Slot, truth: CpiTruth, emitted: Emitted) -> None:
        """Add up what all effects and the noise bring to each listener, and hand it over; reports go off together."""
        audience = self._audience = self._audience or self._gather(slot)
        heard = audience.noise[slot.position]
        for effect in self.effects:
            field = FIELD.ask(effect, slot, truth, emitted, audience.indices)
            if field is not None:
                if np.shape(field) != heard.shape or not bounded(field):
                    FIELD.refuse(effect, field, f"None or finite samples of shape {heard.shape}")
                heard += field if audience.rotation is None else field * audience.rotation[slot.position]
        sealed(heard)
        sending = {index for index, _ in emitted} if slot.is_pilot else ()
        self.services.fronthaul.hold()
        for index, deliver, echo in zip(audience.indices, audience.deliver, heard, strict=True):
            if index not in sending:
                deliver(slot, echo[: self._antennas[index]])
        self.services.fronthaul.let_go()

    def _gather(self, slot: Slot) -> _Audience:
        """Return the listeners, with their noise of the CPI slot by slot, drawn one after the other."""
        indices = tuple(sorted(self._listeners))
        doors = [self._ap_doors[i] for i in indices]
        n_antennas, n_snapshots = self.network.n_antennas, self._n_snapshots
        noise = np.zeros((slot.n_slots, len(indices), n_antennas, n_snapshots), dtype=complex)
        for i, (index, door) in enumerate(zip(indices, doors, strict=True)):
            own = self._antennas[index]
            noise[:, i, :own] = door.noise(slot.cpi).reshape(own, -1, n_snapshots).transpose(1, 0, 2)
        factors = _factors([self._listeners[i] for i in indices], slot.n_slots)
        rotation = None if factors is None else factors[..., None, None]
        return _Audience(indices, tuple([door.deliver for door in doors]), noise, rotation)

    def _serve(self, slot: Slot, truth: CpiTruth, emitted: Emitted) -> None:
        """Superpose what every UE hears and hand it over."""
        first = slot.position * slot.n_snapshots
        received = truth.ue_noise[:, first : first + slot.n_snapshots]
        if emitted:
            aps = tuple([index for index, _ in emitted])
            samples = np.concatenate([total for _, (_, total) in emitted])
            arriving = truth.channel_from(aps) @ samples
            received = received + (arriving if truth.ue_turn is None else arriving * truth.ue_turn[slot.position])
            self._note(slot, truth, emitted, aps, samples)
        sealed(received)
        for (_, receive, failure), samples in zip(self._ue_doors, received, strict=True):
            try:
                receive(slot, samples)
            except FAILURES as error:
                raise failure("receive", slot, error) from error


def _factors(phases_rad: Sequence[float | Float], n_slots: int) -> Complex | None:
    """Return e^{j phase} of nodes that say one phase, or one a slot, shape (n_slots, n_nodes); None where all are 0."""
    if not any(one.any() if isinstance(one, np.ndarray) else one for one in phases_rad):
        return None
    turns = np.empty((n_slots, len(phases_rad)))
    for i, phase_rad in enumerate(phases_rad):
        turns[:, i] = phase_rad
    return np.exp(1j * turns)


@lru_cache(maxsize=256)
def _cleared(network: Network, packed_positions: bytes) -> Float:
    """Return positions clear of all antennas, shape (n, 2); remembered, as many targets stand still."""
    return sealed(clear_of_antennas(network, np.frombuffer(packed_positions).reshape(-1, 2)))


@lru_cache(maxsize=512)
def energy_quantile(n_snapshots: int) -> float:
    """Return the energy, in units of the budget, that Gaussian signals within budget exceed with chance 1e-12.

    The sum over snapshots of the radiated power has its heaviest upper tail when all power is in one stream; it is
    then Gamma(n_snapshots, 1) in units of the budget.
    """
    return float(scipy.special.gammainccinv(n_snapshots, BUDGET_FALSE_ALARM))
