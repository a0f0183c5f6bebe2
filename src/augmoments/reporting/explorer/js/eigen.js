"use strict";

/**
 * Eigenvalues and eigenvectors of a positive semidefinite matrix, largest first.
 *
 * One-sided Jacobi rotations make the rows of H orthogonal. Rotations are orthogonal, so that the
 * rows become J H with J = U^T, hence lambda_i u_i^T: their norms are the eigenvalues.
 *
 * Returns {values, vectors} with one eigenvector a row; those of values within rounding are 0.
 */
function eigen(H, n) {
  const rows = Float64Array.from(H), nothing = 1e-30 * dot(H);
  for (let sweep = 0, turned = true; turned && sweep < 40; sweep++) {
    turned = false;
    for (let i = 0; i < n - 1; i++) {
      for (let j = i + 1; j < n; j++) turned = orthogonalize(rows, i * n, j * n, n, nothing) || turned;
    }
  }
  const norms = Array.from({ length: n }, (_, i) => Math.sqrt(dot(rows.subarray(i * n, i * n + n))));
  const order = norms.map((_, i) => i).sort((i, j) => norms[j] - norms[i]);
  const values = Float64Array.from(order, (i) => norms[i]);
  const vectors = new Float64Array(n * n);
  order.forEach((i, place) => {
    if (norms[i] <= 1e-13 * values[0]) return;
    for (let t = 0; t < n; t++) vectors[place * n + t] = rows[i * n + t] / norms[i];
  });
  return { values, vectors };
}

/** Rotates the rows that begin at x and y until they are orthogonal; whether that took a turn. */
function orthogonalize(rows, x, y, n, nothing) {
  let xx = 0, yy = 0, xy = 0;
  for (let t = 0; t < n; t++) {
    const u = rows[x + t], v = rows[y + t];
    xx += u * u; yy += v * v; xy += u * v;
  }
  if (Math.abs(xy) <= 1e-11 * Math.sqrt(xx * yy) || Math.min(xx, yy) <= nothing) return false;
  const slope = (yy - xx) / (2 * xy);
  const tan = Math.sign(slope || 1) / (Math.abs(slope) + Math.hypot(1, slope));
  const cos = 1 / Math.hypot(1, tan), sin = cos * tan;
  for (let t = 0; t < n; t++) {
    const u = rows[x + t], v = rows[y + t];
    rows[x + t] = cos * u - sin * v;
    rows[y + t] = sin * u + cos * v;
  }
  return true;
}
