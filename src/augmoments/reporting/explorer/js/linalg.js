"use strict";
// Matrices are Float64Arrays of rows. A factor has one image a row, so that V = sum of row^T row.

/** A B^T for `a` rows of A and `b` rows of B, each `size` long; the result is a x b. */
function products(A, a, B, b, size) {
  const out = new Float64Array(a * b);
  for (let i = 0; i < a; i += 2) {
    const x = i * size, y = Math.min(i + 1, a - 1) * size;
    for (let j = 0; j < b; j += 3) {
      const p = j * size, q = Math.min(j + 1, b - 1) * size, r = Math.min(j + 2, b - 1) * size;
      let xp = 0, xq = 0, xr = 0, yp = 0, yq = 0, yr = 0;
      for (let t = 0; t < size; t++) {
        const u = A[x + t], v = A[y + t], e = B[p + t], f = B[q + t], g = B[r + t];
        xp += u * e; xq += u * f; xr += u * g;
        yp += v * e; yq += v * f; yr += v * g;
      }
      const at = i * b + j, next = i + 1 < a ? at + b : at;
      if (next !== at) { out[next] = yp; if (j + 1 < b) out[next + 1] = yq; if (j + 2 < b) out[next + 2] = yr; }
      out[at] = xp; if (j + 1 < b) out[at + 1] = xq; if (j + 2 < b) out[at + 2] = xr;
    }
  }
  return out;
}

/** Adds W^T A to `out`: W is a x b, A has a rows and out b rows, each `size` long. */
function addCombinations(W, a, b, A, size, out) {
  const weight = (i, j) => (i < a && j < b ? W[i * b + j] : 0);
  for (let i = 0; i < a; i += 4) {
    const [k, l, m, n] = [0, 1, 2, 3].map((step) => Math.min(i + step, a - 1) * size);
    for (let j = 0; j < b; j += 2) {
      const p = j * size, q = Math.min(j + 1, b - 1) * size;
      const pk = weight(i, j), pl = weight(i + 1, j), pm = weight(i + 2, j), pn = weight(i + 3, j);
      const qk = weight(i, j + 1), ql = weight(i + 1, j + 1);
      const qm = weight(i + 2, j + 1), qn = weight(i + 3, j + 1);
      for (let t = 0; t < size; t++) {
        const x = A[k + t], y = A[l + t], z = A[m + t], w = A[n + t];
        out[p + t] += pk * x + pl * y + pm * z + pn * w;
        out[q + t] += qk * x + ql * y + qm * z + qn * w;
      }
    }
  }
}

/** Adds the squares of the numbers in x from `at` on to those in `out`. */
function addSquares(x, at, out) {
  for (let t = 0; t < out.length; t++) out[t] += x[at + t] * x[at + t];
}

/** Adds `scale` times `count` numbers in x from `at` on to those in `out` from `to` on. */
function addScaled(scale, x, at, out, to, count) {
  for (let t = 0; t < count; t++) out[to + t] += scale * x[at + t];
}

/** Sum of the products of two arrays, of the first with itself by default. */
function dot(x, y = x) {
  let sum = 0;
  for (let t = 0; t < x.length; t++) sum += x[t] * y[t];
  return sum;
}

/** Euclidean distance of two arrays. */
function distance(x, y) {
  let sum = 0;
  for (let t = 0; t < x.length; t++) sum += (x[t] - y[t]) * (x[t] - y[t]);
  return Math.sqrt(sum);
}
