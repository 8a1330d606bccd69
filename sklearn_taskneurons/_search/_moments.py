"""Everything that a polynomial's squared error needs to know of the data, in one small triangular factor."""

import copy
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import scipy.linalg

from sklearn_taskneurons._search._polynomials import covering_radius, monomials_in_chebyshev, rebase_matrix
from sklearn_taskneurons._search._population import Floats
from sklearn_taskneurons._search._settings import MAX_EXPONENT

MAX_COLUMNS: Final = 4096
_BLOCK_BYTES: Final = 1 << 20  # what stays in the cache of one core


class Moments:
    r"""The QR factor of ``[1, T_1, ..., T_K, Y - shift]`` over the rows seen so far.

    With ``s_k = sum_j T_k(x_j / r)``, a polynomial ``p(x) = sum_k c_k T_k(x / r)``, summed over features, predicts
    ``sum_k c_k s_k``. Its weighted squared error therefore is :math:`\lVert R_s c - R_y \rVert^2` for the
    triangular factor :math:`R` of the matrix whose columns are these sums and the targets, whatever the number
    of rows. An orthogonal factorization keeps the digits that products of sums would lose, and Chebyshev
    polynomials keep the columns apart.

    Parameters
    ----------
    degree : int
        Largest power K, at most 32.
    per_feature : bool, default=False
        Keep ``T_k(x_j / r_j)`` of each feature apart instead of their sum: D * K columns, power by power.

    Attributes
    ----------
    factor : ndarray of float64, shape (C + O, C + O)
        Upper triangular; C columns of the basis (the first for the constant 1), then one for each output.
    radius : ndarray of float64, shape (1,) or (D,)
        Powers of two with ``abs(x) <= r``.
    shift : ndarray of float64, shape (O,)
        The first targets seen, taken off all: means that are large against the spread then cost no digits.
    total_weight : float
        Sum of the weights.
    n_rows : int
        Rows seen.
    """

    def __init__(self, degree: int, *, per_feature: bool = False) -> None:
        if not 1 <= degree <= MAX_EXPONENT:
            raise ValueError(f"degree must be in [1, {MAX_EXPONENT}]; got {degree}")
        self.degree = degree
        self.per_feature = per_feature
        self.factor: Floats = np.zeros((0, 0))
        self.radius: Floats = np.ones(0)
        self.shift: Floats = np.zeros(0)
        self.total_weight = 0.0
        self.n_rows = 0
        self.n_features = 0
        self.n_outputs = 0

    @property
    def n_columns(self) -> int:
        """Columns of the basis."""
        return 1 + self.degree * (self.n_features if self.per_feature else 1)

    def update(self, X: Floats, Y: Floats, sample_weight: Floats | None = None) -> "Moments":
        """Take in rows.

        Parameters
        ----------
        X : ndarray of float64, shape (N, D)
            The features, finite.
        Y : ndarray of float64, shape (N,) or (N, O)
            The targets, finite.
        sample_weight : ndarray of float64, shape (N,), optional
            Weights, not negative.

        Returns
        -------
        Moments
            This object.

        Raises
        ------
        ValueError
            If the shapes do not fit, a number is not finite, or there are more than 4096 columns.
        """
        Y = Y[:, None] if Y.ndim == 1 else Y
        self._check(X, Y)
        with np.errstate(all="ignore"):
            largest = np.max(np.abs(X), axis=0, initial=0.0)
            if not np.isfinite(largest).all() or not np.isfinite(Y).all():
                raise ValueError("X and Y must be finite; got a NaN or an infinity")
            self.rebase(largest if self.per_feature else largest.max(keepdims=True, initial=0.0))
            if not self.n_rows:
                self.shift = Y[0].copy()
            n_columns = self.n_columns + self.n_outputs
            block = max(4 * n_columns, _BLOCK_BYTES // (8 * (n_columns + 4 * self.n_features)))
            for start in range(0, len(X), block):
                rows = slice(start, start + block)
                columns = np.concatenate([self._basis(X[rows]), (Y[rows] - self.shift).T])
                if sample_weight is not None:
                    columns *= np.sqrt(sample_weight[rows])
                self._stack(columns.T)
        self.total_weight += float(len(X) if sample_weight is None else sample_weight.sum())
        self.n_rows += len(X)
        return self

    def merge(self, other: "Moments") -> "Moments":
        """Take in the rows of other moments of the same degree and shape."""
        if other.n_rows == 0:
            return self
        if (self.degree, self.per_feature) != (other.degree, other.per_feature):
            raise ValueError(
                f"moments must agree in degree and per_feature; got {self.degree, self.per_feature} "
                f"and {other.degree, other.per_feature}"
            )
        if self.n_rows == 0:
            self.n_features, self.n_outputs = other.n_features, other.n_outputs
            self.radius, self.factor, self.shift = other.radius.copy(), other.factor.copy(), other.shift.copy()
        elif (self.n_features, self.n_outputs) != (other.n_features, other.n_outputs):
            raise ValueError(
                f"moments must agree in features and outputs; got {self.n_features, self.n_outputs} "
                f"and {other.n_features, other.n_outputs}"
            )
        else:
            self.rebase(other.radius)
            factor = other._rebased(self.radius)
            # The column of ones says what another shift does to the targets.
            factor[:, self.n_columns :] += factor[:, :1] * (other.shift - self.shift)
            self._stack(factor)
        self.total_weight += other.total_weight
        self.n_rows += other.n_rows
        return self

    @classmethod
    def merged(cls, parts: "Sequence[Moments]") -> "Moments":
        """Return the moments of the rows of all parts."""
        total = cls(parts[0].degree, per_feature=parts[0].per_feature)
        for part in parts:
            total.merge(part)
        return total

    def aligned(self, whole: "Moments") -> "Moments":
        """Return the moments of the same rows, with the radius and the shift of others that cover them."""
        result = copy.copy(self)
        result.rebase(whole.radius)
        result.factor = result.factor.copy()
        result.factor[:, self.n_columns :] += result.factor[:, :1] * (self.shift - whole.shift)
        result.shift = whole.shift
        return result

    def truncated(self, degree: int) -> "Moments":
        """Return the moments that a smaller degree would have, or these for the same; the rows are not needed."""
        if not 1 <= degree <= self.degree:
            raise ValueError(f"degree must be in [1, {self.degree}]; got {degree}")
        if degree == self.degree:
            return self
        result = copy.copy(self)
        result.degree = degree
        # The columns of the lower powers come first, and their basis is the same for every degree.
        result.factor = triangular(np.delete(self.factor, np.s_[result.n_columns : self.n_columns], axis=1))
        return result

    def rebase(self, largest: Floats) -> None:
        """Widen the intervals so that they cover ``[-largest, largest]``; they never shrink."""
        covering = np.array([covering_radius(value) for value in largest.tolist()])
        radius = np.maximum(self.radius, covering) if self.n_rows else covering
        if self.n_rows and (radius > self.radius).any():
            self.factor = triangular(self._rebased(radius))
        self.radius = radius

    def monomial_factor(self) -> Floats:
        """Return the factor for the columns ``[1, sum_j (x_j / r)**1, ..., (x_j / r)**K]``, shape (C + O, C).

        Monomials in ``[-1, 1]`` are sums of Chebyshev polynomials with weights that are not negative
        and add up to 1, so that nothing cancels.
        """
        return self._transformed(monomials_in_chebyshev(self.degree)[None])

    def fingerprint(self) -> dict[str, Any]:
        """Return numbers by which other rows can be told, the same for all orders and signs of the factor's rows."""
        norms = np.linalg.norm(self.factor, axis=0)
        direction = np.random.Generator(np.random.PCG64(0)).standard_normal(len(norms))
        return {
            "degree": self.degree,
            "per_feature": self.per_feature,
            "number of rows": self.n_rows,
            "sum of the weights": self.total_weight,
            "first targets": self.shift.tolist(),
            "lengths of the targets": norms[self.n_columns :].tolist(),
            "moments": float(np.linalg.norm(self.factor @ (direction / np.where(norms > 0.0, norms, 1.0)))),
        }

    def _check(self, X: Floats, Y: Floats) -> None:
        """Compare the shapes with those of the rows seen so far."""
        if X.ndim != 2 or Y.ndim != 2 or len(X) != len(Y) or not X.size or not Y.size:
            raise ValueError(f"X must have shape (N, D) and Y (N, O), N and D at least 1; got {X.shape} and {Y.shape}")
        if self.n_rows and (self.n_features, self.n_outputs) != (X.shape[1], Y.shape[1]):
            raise ValueError(
                f"X and Y must have {self.n_features} and {self.n_outputs} columns as before; got {X.shape[1]} and {Y.shape[1]}"
            )
        self.n_features, self.n_outputs = X.shape[1], Y.shape[1]
        if self.n_columns > MAX_COLUMNS:
            raise ValueError(
                f"1 + n_features * degree must be at most {MAX_COLUMNS} with a coefficient for each feature; "
                f"got 1 + {self.n_features} * {self.degree} = {self.n_columns}"
            )

    def _basis(self, X: Floats) -> Floats:
        """Return the basis for some rows, one row for each of its columns: shape (C, N)."""
        basis = np.empty((self.n_columns, len(X)))
        basis[0] = 1.0
        wide = self.n_features if self.per_feature else 1
        ones = np.ones(self.n_features)
        # T_(k+1) = 2 x T_k - T_(k-1), in three arrays that take turns; they stay in the cache.
        current: Floats = np.divide(X.T, self.radius[:, None], order="C")
        twice = current + current
        before, following = np.ones_like(current), np.empty_like(current)
        for power in range(1, self.degree + 1):
            columns = basis[1 + (power - 1) * wide : 1 + power * wide]
            if self.per_feature:
                columns[:] = current
            else:
                np.dot(ones, current, out=columns[0])
            np.multiply(twice, current, out=following)
            following -= before
            before, current, following = current, following, before
        return basis

    def _stack(self, matrix: Floats) -> None:
        """Merge rows into the factor."""
        # Column by column, as LAPACK wants it, or the factorization would begin with a copy.
        stacked = np.concatenate([self.factor.T, matrix.T], axis=1) if self.factor.size else matrix.T
        self.factor = triangular(stacked.T)

    def _rebased(self, radius: Floats) -> Floats:
        """Return the factor for wider intervals; it is not triangular."""
        matrices = np.stack([rebase_matrix(self.degree, ratio) for ratio in (self.radius / radius).tolist()])
        # Wider intervals express the old polynomials: T_k(x / new) = T_k(ratio * x / old).
        return np.concatenate([self._transformed(matrices), self.factor[:, self.n_columns :]], axis=1)

    def _transformed(self, matrices: Floats) -> Floats:
        """Return the factor's columns in another basis, given by one matrix for each radius, shape (R, K + 1, K + 1)."""
        n_rows, wide = len(self.factor), self.n_features if self.per_feature else 1
        if len(matrices) != wide:
            matrices = np.broadcast_to(matrices, (wide, *matrices.shape[1:]))
        old = self.factor[:, 1 : self.n_columns].reshape(n_rows, self.degree, wide)
        constant = self.factor[:, 0, None, None] * matrices[:, 0, 1:].T * (1 if self.per_feature else self.n_features)
        new = np.einsum("nkj,jki->nij", old, matrices[:, 1:, 1:]) + constant
        return np.concatenate([self.factor[:, :1], new.reshape(n_rows, -1)], axis=1)


def triangular(matrix: Floats) -> Floats:
    """Return the square upper triangular factor; rows of zeros fill it up while there are few rows.

    The matrix may be overwritten.
    """
    _, factor = scipy.linalg.qr(matrix, overwrite_a=True, mode="raw", check_finite=False)
    missing = matrix.shape[1] - len(factor)
    result: Floats = np.asarray(np.pad(factor, ((0, missing), (0, 0))) if missing else factor, dtype=np.float64)
    return result
