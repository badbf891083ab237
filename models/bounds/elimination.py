"""Nuisance parameters taken out of the derivatives of a mean: a square root of what is left of the information.

Few columns are taken out by orthogonal factors. The amplitudes of signals that overlap are many, and their columns are
products of what a receiver and what the transmitters do: no column is formed, all receivers share the inner products of
the signals, and what these leave of the wanted columns is corrected until it is what orthogonal factors leave.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

__all__ = ["SINGULAR", "Amplitudes", "as_rows", "eliminate", "root_without", "roots_without", "stack", "triangle"]

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]
Columns = NDArray[Any]  # real or complex
Index = NDArray[np.intp]

# A column that loses all but this share of its length to the columns before it is one of their combinations.
SINGULAR = 1e-11
# Up to so many amplitudes of a place are taken out by orthogonal factors in no more time.
FEW = 32
# Columns of length 1 whose inner products H have 1 / |H^-1| below this are left to orthogonal factors, too: of the
# direction in which they depend on each other, H then holds little more than rounding.
INDEPENDENT = 1e-13
# A projection has settled once a pass changes less than this share of what is left, and is given up after so many.
SETTLED = 1e-10
PASSES = 6


class Amplitudes(NamedTuple):
    """Free amplitudes at n places, one of each target and signal: their columns are products, and not formed."""

    receive: Complex
    """What the place makes of each target's echo, shape (n, S, n_rows)."""
    signal: Complex
    """What lit each target, shape (n or 1, S, n_free, rank)."""
    products: Complex
    """Inner products of the signals, shape (n or 1, S n_free, S n_free)."""
    real: bool
    """Whether the amplitudes are real."""

    def columns(self, places: slice) -> Columns:
        """Return the columns of some places, (n, n_rows rank, n_free S); real and imaginary parts stacked if real."""
        signal = self.signal if len(self.signal) == 1 else self.signal[places]
        columns = np.einsum("nsm,nstl->nmlts", self.receive[places], signal)
        return as_rows(columns.reshape(*columns.shape[:3], -1), self.real)

    def grams(self) -> Columns:
        """Return the inner products of all columns of each place, shape (n, S n_free, S n_free)."""
        n_targets, n_free = self.signal.shape[1:3]
        sent = self.products.reshape(-1, n_targets, n_free, n_targets, n_free)
        heard = (self.receive.conj() @ self.receive.swapaxes(-1, -2))[:, :, None, :, None]
        grams = heard.real * sent.real - heard.imag * sent.imag if self.real else heard * sent
        return grams.reshape(-1, *self.products.shape[1:])

    def inner(self, wanted: Complex) -> Columns:
        """Return the inner products with wanted columns, (n, n_rows, rank, c), shape (n, S n_free, c)."""
        heard = np.einsum("nsm,nmlc->nslc", self.receive.conj(), wanted)
        inner = (self.signal.conj() @ heard).reshape(len(wanted), -1, wanted.shape[-1])
        return inner.real if self.real else inner

    def times(self, factors: Columns) -> Complex:
        """Return combinations of the columns, factors (n, S n_free, c), shape (n, n_rows, rank, c)."""
        factors = factors.reshape(len(factors), *self.signal.shape[1:3], -1)
        return np.einsum("nsm,nslc->nmlc", self.receive, self.signal.swapaxes(-1, -2) @ factors)


def root_without(amplitudes: Amplitudes, wanted: Complex) -> Float:
    """Return a square root of the information on wanted columns, the amplitudes being unknown, as one real matrix.

    ``wanted`` has shape (n, n_rows, rank, c), the square root c columns.
    """
    return np.concatenate([stack(root) for _, root in roots_without(amplitudes, wanted)])


def roots_without(amplitudes: Amplitudes, wanted: Complex) -> list[tuple[Index, Columns]]:
    """Return the same of each place by itself: indices of n places and their square roots, shape (n, n_rows, c)."""
    every = np.arange(len(wanted))
    if math.prod(amplitudes.signal.shape[1:3]) <= FEW:
        return [(every, _left_by_factors(amplitudes, wanted, slice(None)))]
    left, settled = _settled(amplitudes, wanted)
    others = [(every[[i]], _left_by_factors(amplitudes, wanted, slice(i, i + 1))) for i in np.flatnonzero(~settled)]
    return [(every[settled], as_rows(left[settled], real=True)), *others]


def _settled(amplitudes: Amplitudes, wanted: Complex) -> tuple[Complex, NDArray[np.bool_]]:
    """Return what the inner products of the amplitudes leave of the wanted columns, and of which places that holds."""
    factors = [_factor(gram) for gram in amplitudes.grams()]
    left, settled = wanted, np.zeros(len(wanted), dtype=bool)
    for _ in range(PASSES):
        inner = amplitudes.inner(left)
        change = amplitudes.times(np.stack([_solve(*pair) for pair in zip(factors, inner, strict=True)]))
        left = left - change
        changed, remain = (np.linalg.norm(part, axis=(1, 2)) for part in (change, left))
        settled = np.all(changed <= SETTLED * remain, axis=-1)
        if settled.all():
            break
    return left, settled & [factor is not None for factor in factors]


def _factor(gram: Columns) -> Columns | None:
    """Return the triangular factor of inner products, or None where columns of any length are close to dependent."""
    lengths = np.sqrt(np.diagonal(gram).real)
    lengths[lengths == 0.0] = 1.0
    unit = gram / (lengths[:, None] * lengths)
    np.fill_diagonal(unit, 1.0)  # a column of zeros gets the factor 0
    potrf, pocon = scipy.linalg.get_lapack_funcs(("potrf", "pocon"), (unit,))
    factor, failed = potrf(unit)
    if failed or pocon(factor, 1.0)[0] < INDEPENDENT:
        return None
    return np.asfortranarray(factor * lengths)


def _solve(factor: Columns | None, inner: Columns) -> Columns:
    """Return the combination of columns that is nearest to what has these inner products with them."""
    if factor is None:
        return np.zeros_like(inner)
    (potrs,) = scipy.linalg.get_lapack_funcs(("potrs",), (factor,))
    return np.asarray(potrs(factor, inner)[0])


def _left_by_factors(amplitudes: Amplitudes, wanted: Complex, places: slice) -> Columns:
    """Return what orthogonal factors leave of the wanted columns at some places."""
    columns = amplitudes.columns(places)
    return eliminate(columns, as_rows(wanted[places], amplitudes.real), np.linalg.norm(columns, axis=-2))


def as_rows(columns: Complex, real: bool) -> Columns:
    """Return columns (n, n_rows, rank, c) as (n, n_rows rank, c), real and imaginary parts stacked if asked for."""
    flat = columns.reshape(len(columns), columns.shape[1] * columns.shape[2], columns.shape[3])
    return _stack_rows(flat) if real else flat


def _stack_rows(matrix: Columns) -> Float:
    """Return real and imaginary parts below each other: the real inner product of complex columns."""
    return np.concatenate([matrix.real, matrix.imag], axis=-2) if np.iscomplexobj(matrix) else matrix


def stack(square_roots: Columns) -> Float:
    """Return the square roots of the information of all places below each other, as one real matrix."""
    real = _stack_rows(square_roots)
    return real.reshape(-1, real.shape[-1])


def eliminate(nuisance: Columns, wanted: Columns, lengths: Float) -> Columns:
    """Return a square root of the information on ``wanted`` columns once ``nuisance`` columns are unknown (Schur).

    The triangular factor of both has it below the nuisances, unless these depend on each other: what a receiver
    did not hear leaves columns of zeros. Then their range is found by singular values. ``lengths`` are those that the
    nuisance columns had before anything was eliminated: what is left of less than a rounding of it is no direction.
    """
    n = nuisance.shape[-1]
    factor = triangle(np.concatenate([nuisance, wanted], axis=-1))
    pivots = np.abs(np.diagonal(factor[..., :n], axis1=-2, axis2=-1))
    if pivots.shape[-1] == n and np.all(pivots > SINGULAR * lengths):
        return factor[..., n:, n:]
    scaled = nuisance / np.where(lengths > 0.0, lengths, 1.0)[..., None, :]
    basis, values, _ = np.linalg.svd(scaled, full_matrices=False)
    basis = basis * (values > SINGULAR)[..., None, :]
    for _ in range(2):  # the second pass removes what rounding left of the first
        wanted = wanted - basis @ (basis.conj().swapaxes(-1, -2) @ wanted)
    return triangle(wanted)


def triangle(columns: Columns) -> Columns:
    """Return R of columns = (orthonormal) R."""
    return np.asarray(np.linalg.qr(columns, mode="r"))
