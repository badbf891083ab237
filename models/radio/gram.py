"""Q, the inner products of what the transmitters radiated: their own alone where no two radiate at a time, else all.

When one AP senses at a time the signals of different transmitters have nothing in common. Q is then one block for each
transmitter, and every pair of APs is a measurement of its own. All that reads Q asks this type, and none builds the
cross blocks that are zero.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

__all__ = ["Gram"]

Complex = NDArray[np.complexfloating]
Float = NDArray[np.float64]
NEGLIGIBLE = 1e-9  # share of the strongest power below which signals count as having nothing in common
# A direction with less than this share of the largest power is rounding: Q is a sum of squares, which makes 1e-15 of it
# look like a signal of 3e-8 of the amplitude.
RANK = 1e-12
DEPENDENT = 1e-10  # share of the strongest power below which a direction holds no signal


@dataclass(frozen=True, eq=False)
class Gram:
    """Q_r,tt' = sum_l x_t[l] x_t'[l]^H over the snapshots that receiver r contributed.

    Attributes
    ----------
    values
        In W. Of separate signals the blocks t = t', shape (n_rx, n_tx, N, N); of overlapping ones all blocks, shape
        (n_rx, n_tx, N, n_tx, N). The first axis has length 1 where all receivers share one Q.
    """

    values: Complex

    @classmethod
    def of(cls, gram: "Gram | ArrayLike") -> "Gram":
        """Return the Gram of all blocks, shape ([n_rx,] n_tx, N, n_tx, N); blocks that are zero are left out.

        Raises
        ------
        ValueError
            If the array has other axes.
        """
        if isinstance(gram, Gram):
            return gram
        full: Any = np.asarray(gram, dtype=complex)
        full = full[None] if full.ndim == 4 else full
        if full.ndim != 5 or full.shape[1:3] != full.shape[3:5]:
            raise ValueError(f"gram has shape {np.shape(gram)}: give Q, (n_tx, N, n_tx, N), or one for each receiver")
        if len(full) > 1 and full.strides[0] == 0:
            full = full[:1]
        power = np.abs(full).max(axis=(0, 2, 4), initial=0.0)
        others = power[~np.eye(len(power), dtype=bool)]
        if np.any(others > NEGLIGIBLE * power.max(initial=0.0)):
            return cls(full)
        return cls(np.einsum("rtntm->rtnm", full).copy())

    @property
    def overlapping(self) -> bool:
        """Whether there are blocks of different transmitters."""
        return self.values.ndim == 5

    @property
    def shared(self) -> bool:
        """Whether all receivers share one Q."""
        return len(self.values) == 1

    @property
    def n_tx(self) -> int:
        """Number of transmitters."""
        return self.values.shape[1]

    @property
    def n_antennas(self) -> int:
        """Antennas N of each."""
        return self.values.shape[2]

    def __mul__(self, factor: ArrayLike) -> "Gram":
        """Return Q times a factor, one for all receivers or one for each."""
        return Gram(self.values * np.reshape(factor, (-1, *(1,) * (self.values.ndim - 1))))

    def __add__(self, other: "Gram") -> "Gram":
        """Return Q of the snapshots of both, which are of the same transmitters."""
        if self.overlapping == other.overlapping:
            return Gram(self.values + other.values)
        return Gram(self.full() + other.full())

    def of_pairs(self, receivers: NDArray[np.intp], transmitters: NDArray[np.intp]) -> "Gram":
        """Return Q of some receivers and transmitters."""
        values = self.values if self.shared else self.values[receivers]
        values = values[:, transmitters]
        return Gram(values[:, :, :, transmitters] if self.overlapping else values)

    def astype(self, dtype: np.dtype[Any]) -> "Gram":
        """Return Q in another precision."""
        return Gram(self.values.astype(dtype))

    def full(self) -> Complex:
        """Return all blocks, shape (n_rx or 1, n_tx, N, n_tx, N)."""
        if self.overlapping:
            return self.values
        n, n_tx, n_antennas, _ = self.values.shape
        full = np.zeros((n, n_tx, n_antennas, n_tx, n_antennas), dtype=self.values.dtype)
        full[:, np.arange(n_tx), :, np.arange(n_tx)] = self.values.swapaxes(0, 1)
        return full

    @cached_property
    def traces(self) -> Float:
        """Tr Q_tt: what each transmitter radiated, shape (n_rx or 1, n_tx), in W."""
        return np.einsum("rtntn->rt" if self.overlapping else "rtnn->rt", self.values).real

    def times(self, fields: Complex) -> Complex:
        """Return f Q of fields in rows, shape (n_rx or 1, k, n_tx, N): the statistics that they leave, alike in shape.

        H_r Q_r of a channel H, shape (n_rx, N, n_tx, N), is the statistic Z_r of its noise-free echoes.
        """
        n, k, n_tx, n_antennas = fields.shape
        if not self.overlapping:
            return (fields.swapaxes(1, 2) @ self.values).swapaxes(1, 2)
        size = n_tx * n_antennas
        return (fields.reshape(n, k, size) @ self.values.reshape(-1, size, size)).reshape(-1, k, n_tx, n_antennas)

    @cached_property
    def root(self) -> Complex:
        """F with Q = F F^H, shape (n_rx or 1, n_tx, N, rank); of separate signals that of each block."""
        size = self.n_antennas * (self.n_tx if self.overlapping else 1)
        factors = [_pivoted_cholesky(matrix) for matrix in self.values.reshape(-1, size, size)]
        rank = max(1, *(factor.shape[1] for factor in factors))
        padded = [np.pad(factor, ((0, 0), (0, rank - factor.shape[1]))) for factor in factors]
        return np.stack(padded).reshape(len(self.values), self.n_tx, self.n_antennas, rank)

    @cached_property
    def _whitening(self) -> tuple[Complex, NDArray[np.bool_]]:
        """U with U U^H the pseudo-inverse of Q, and which columns of it are not zero, for each block or whole Q."""
        size = self.n_tx * self.n_antennas
        matrices = self.values.reshape(-1, 1, size, size) if self.overlapping else self.values
        values, vectors = np.linalg.eigh(matrices)
        usable = values > DEPENDENT * values.max(axis=(1, 2), keepdims=True, initial=0.0)
        return vectors * np.where(usable, 1.0 / np.sqrt(np.where(usable, values, 1.0)), 0.0)[..., None, :], usable

    @property
    def ranks(self) -> NDArray[np.intp]:
        """Rank of Q, shape (n_rx or 1,)."""
        return self._whitening[1].sum(axis=(1, 2))

    def spanned(self, cross: Complex) -> Float:
        """Return tr(Z_r Q_r^+ Z_r^H), the energy in the span of what was sent, (n_rx,), of Z, (n_rx, N, n_tx, N)."""
        basis, _ = self._whitening
        n_rx, n_antennas = cross.shape[:2]
        rows = cross.reshape(n_rx, n_antennas, len(basis[0]), -1).swapaxes(1, 2)
        return np.sum(np.abs(rows @ basis) ** 2, axis=(1, 2, 3))


def _pivoted_cholesky(matrix: Complex) -> NDArray[np.complex128]:
    """Return F of full column rank with matrix = F F^H."""
    least = RANK * float(np.diagonal(matrix).real.max(initial=0.0))
    factor, pivots, rank, _ = scipy.linalg.lapack.zpstrf(matrix, tol=least, lower=1)
    root = np.zeros_like(factor)
    root[pivots - 1] = np.tril(factor)
    return root[:, :rank]
