"use strict";
// A quadratic rule stands for the random operator T as far as first and second moments go: with
// the operators A_k = T(points[k]) and a root L of their Gram matrix G = L L^T,
//   E[T] = sum_m v_m B_m,   E[T S T^T] = sum_m B_m S B_m^T,   B_m = sum_k L_km A_k,   |v| = 1.
// `blocks[m]` lists the pairs [k, L_km] that are not 0; `means[m]` is v_m.

/** Points with weights: atoms of a finite law, or nodes of a quadrature. */
function nodes(points, weights) {
  const roots = weights.map(Math.sqrt);
  return { points, blocks: roots.map((root, k) => [[k, root]]), means: roots };
}

/** The midpoints of `count` equal parts of a uniform law. */
function midpoints(low, high, count) {
  const points = Array.from({ length: count }, (_, k) => low + ((high - low) * (k + 0.5)) / count);
  return nodes(points, points.map(() => 1 / count));
}

/** Gauss-Legendre points of a uniform law with their weights, by Newton's method. */
function gauss(low, high, count) {
  const points = [], weights = [];
  for (let k = 0; k < count; k++) {
    let x = Math.cos((Math.PI * (k + 0.75)) / (count + 0.5)), slope = 1;
    for (let step = 0; step < 8; step++) {
      let before = 1, now = x;
      for (let d = 2; d <= count; d++) {
        [before, now] = [now, ((2 * d - 1) * x * now - (d - 1) * before) / d];
      }
      slope = (count * (x * now - before)) / (x * x - 1);
      x -= now / slope;
    }
    points.push(low + ((high - low) * (1 + x)) / 2);
    weights.push(1 / ((1 - x * x) * slope * slope));
  }
  return { points, weights };
}

/**
 * The expansion T = sum_k phi_k A_k with A_k = T(points[k]). samples[k] has phi_k at the nodes of a
 * quadrature with the given weights. Gram and Schmidt give functions psi_m that are orthonormal
 * under it, with L_km = E[phi_k psi_m] and v_m = E[psi_m]. The phi_k have to span the constants.
 */
function expansion(points, samples, weights) {
  const inner = (f, g) => weights.reduce((sum, weight, q) => sum + weight * f[q] * g[q], 0);
  const basis = [];
  for (const phi of samples) {
    let rest = phi;
    for (let twice = 0; twice < 2; twice++) {
      for (const psi of basis) {
        const share = inner(rest, psi);
        rest = rest.map((value, q) => value - share * psi[q]);
      }
    }
    const norm = Math.sqrt(inner(rest, rest));
    if (norm > NEGLIGIBLE) basis.push(rest.map((value) => value / norm));
  }
  const blocks = basis.map((psi) =>
    samples.map((phi, k) => [k, inner(phi, psi)]).filter(([, root]) => Math.abs(root) > NEGLIGIBLE));
  return { points, blocks, means: basis.map((psi) => inner(psi, psi.map(() => 1))) };
}

const NEGLIGIBLE = 1e-14;

/** The expansion of what is linear in a uniform parameter between `edges`, by hat functions. */
function hats(low, high, edges) {
  const weights = [], samples = edges.map(() => []);
  for (let k = 0; k + 1 < edges.length; k++) {
    const from = Math.max(low, edges[k]), to = Math.min(high, edges[k + 1]);
    const cell = gauss(from, to, 2);
    cell.points.forEach((point, q) => {
      const right = (point - edges[k]) / (edges[k + 1] - edges[k]);
      samples.forEach((hat, e) => hat.push(e === k ? 1 - right : e === k + 1 ? right : 0));
      weights.push((cell.weights[q] * (to - from)) / (high - low));
    });
  }
  return expansion(edges, samples, weights);
}
