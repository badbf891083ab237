"""The functional split that sums on the way: each access point adds its map of the area to those from behind it.

A map says of each point what a target there would explain of the echoes, eq. (17), over the noise power. It is a sum
over receivers, so the load of a link is that of one map, however many receivers lie behind it. Their records come the
same way: each access point passes them on to those behind it.

A map that comes from behind when its time is up is lost, and with it all that is in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from emulator.functional_split import Gathering, Heard, Survey, drop_until
from emulator.messages import MapReport, Message, TransmissionRecord
from emulator.slot import CpiPlan
from models.estimation.area_map import area_map
from models.network import ModeAssignment
from models.observation import AreaMap, Observation
from models.radio.statistics import energy_statistic

__all__ = ["SummedMapSplit", "in_levels"]

Float = NDArray[np.float64]
MAP_WIDTHS = range(4, 17)
"""What ``map_bits`` may be."""


@dataclass(kw_only=True)
class SummedMapSplit(Gathering):
    """One map of the area a CPI from each access point on the way: its own, if it receives, and those from behind it.

    Attributes
    ----------
    illumination
        See ``Gathering``.
    map_step_m
        About how far apart the points of the map are, in m, > 0.
    map_bits
        Bits of a point, 4 to 16: equal steps from 0 to the largest, anew at each access point.

    Raises
    ------
    ValueError
        If a setting is another.
    """

    map_step_m: float = 10.0
    map_bits: int = 8
    sums = True
    survey: Survey | None = field(default=None, init=False)
    maps: dict[int, dict[str, MapReport]] = field(default_factory=dict, init=False)
    sent: dict[int, bool] = field(default_factory=dict, init=False)
    """CPIs of which the sum has gone."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.map_step_m > 0.0:
            raise ValueError(f"map_step_m is {self.map_step_m!r}: give a number > 0 in m")
        if self.map_bits not in MAP_WIDTHS:
            raise ValueError(f"map_bits is {self.map_bits!r}: give a whole number from 4 to 16")

    def hear(self, ap: str, plan: CpiPlan, message: Message) -> Sequence[Message]:
        """Pass a record on to those behind, keep a map that came from there, and send the sum when nothing is due."""
        behind = plan.relays[ap].behind
        answers: list[Message] = []
        if isinstance(message, TransmissionRecord):
            self.keep(plan, message)
            answers += [message.passed_on(ap, name) for name in behind]
        elif isinstance(message, MapReport):
            self.maps.setdefault(plan.cpi, {})[message.source] = message
        if self._complete(plan, behind) and (total := self.settle(ap, plan)) is not None:
            answers.append(total)
        return answers

    def _complete(self, plan: CpiPlan, behind: Sequence[str]) -> bool:
        """Return whether all records and all sums that are due have come."""
        due = ((plan.transmitters, self.records), (behind, self.maps))
        return all(name in kept.get(plan.cpi, ()) for names, kept in due for name in names)

    def settle(self, ap: str, plan: CpiPlan) -> Message | None:
        """Return the sum of what there is; None if it has gone, or there is nothing."""
        if plan.cpi in self.sent:
            return None
        self.sent[plan.cpi] = True
        maps, heard = self.maps.pop(plan.cpi, {}), self.heard(plan)
        behind = [maps[name] for name in plan.relays[ap].behind if name in maps]
        own = None if heard is None or not heard.positions else self._map(ap, plan, heard)
        return self._sum(ap, plan, own, behind) if own is not None or behind else None

    def _sum(self, ap: str, plan: CpiPlan, own: AreaMap | None, behind: Sequence[MapReport]) -> MapReport:
        """Return the sum of the map of this AP, if it has one, and of those from behind it."""
        names = {name for one in behind for name in one.receivers} | ({ap} if own is not None else set())
        start = np.zeros(()) if own is None else own.power
        levels, scale = in_levels(sum((one.power for one in behind), start=start), self.map_bits)
        return MapReport(
            source=ap,
            destination=plan.relays[ap].inward,
            cpi=plan.cpi,
            receivers=tuple(name for name in plan.receivers if name in names),
            n_aps=len(plan.ap_names),
            n_pairs=sum(one.n_pairs for one in behind) + (0 if own is None else own.n_pairs),
            step_m=self.map_step_m,
            levels=levels,
            scale=scale,
            rounding=0.5 * scale + sum(one.rounding for one in behind),
            n_bits=self.map_bits,
        )

    def _map(self, ap: str, plan: CpiPlan, heard: Heard) -> AreaMap:
        """Return the map of this receiver alone."""
        assert self.survey is not None, "an access point gives it at its start"
        positions, received, sent = heard
        network, transmitters = self.survey.network, plan.assignment.transmitters
        alone = ModeAssignment.of(network.n_aps, transmitters, [plan.ap_names.index(ap)])
        observation = Observation(
            network=network,
            area=self.survey.area,
            assignment=alone,
            cross=sent.cross(received[None], positions),
            gram=sent.gram(positions),
            energy=np.array([energy_statistic(received)]),
            n_samples=np.array([received.size]),
            noise_power_w=self.survey.noise_power_w,
        )
        return area_map(observation, self.map_step_m)

    def forget(self, cpi: int) -> None:
        """Drop what is kept of this CPI and earlier ones."""
        super().forget(cpi)
        drop_until(cpi, self.maps, self.sent)


def in_levels(power: Float, n_bits: int) -> tuple[NDArray[np.uint16], float]:
    """Return powers >= 0 in equal steps up to the largest, and the power of a step, in single precision.

    >>> in_levels(np.array([0.0, 1.0, 30.0]), 4)
    (array([ 0,  0, 15], dtype=uint16), 2.0)
    """
    top = 2**n_bits - 1
    scale = float(np.float32(power.max(initial=0.0) / top))
    levels = np.rint(power / scale) if scale else np.zeros(np.shape(power))
    return np.minimum(levels, top).astype(np.uint16), scale
