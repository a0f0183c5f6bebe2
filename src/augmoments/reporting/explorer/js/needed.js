"use strict";

/** Draws until the average of them is the mean image to `share`: n = tr V / (share^2 |mu|^2). */
function neededForMean({ mean, trace, errors }, share) {
  const n = Math.max(1, Math.ceil(over(trace, share ** 2 * dot(mean))));
  return { n, error: 2 * errors.mean + errors.variance };
}

/**
 * Draws until their covariance is V to `share` in Frobenius norm. The unbiased estimate has
 *   E|S_n - V|^2 = (E|t - mu|^4 - |V|^2) / n + ((tr V)^2 + |V|^2) / (n (n - 1)).
 * `factor` is V but for what it lost. The fourth moment comes from a lattice of draws.
 */
function* neededForCovariance(image, steps, { mean, trace, errors }, factor, share) {
  if (!(trace > 0)) return { n: 1, error: 0 };
  const fourth = yield* lattice((drawn) => distance(drawn, mean) ** 4, image, steps);
  let square = 0;
  for (let j = 0; j < factor.rank; j++) {
    square += dot(factor.rows.subarray(j * mean.length, (j + 1) * mean.length)) ** 2;
  }
  const first = fourth.value / square - 1, second = trace ** 2 / square + 1;
  const middle = share ** 2 + first;
  const root = Math.sqrt(Math.max(0, middle ** 2 - 4 * share ** 2 * (first - second)));
  const n = Math.max(2, Math.ceil((middle + root) / (2 * share ** 2)));
  const doubt = 2 * errors.variance + (2 * trace * factor.lost.norm) / square;
  return { n, error: (fourth.error / square + (first + 1) * doubt) / (n * share ** 2) };
}
