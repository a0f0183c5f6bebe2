"use strict";

const TOLERANCE = 1e-3, MOST_WORK = 4e9, ROUNDING = 1e-12;
const RANKS = [16, 28, 48, 72, 112, 160, 160];
const MEAN_AHEAD = 2, REL_ERROR = 0.01;

/**
 * Mean, variances and leading directions of an image under a policy, better at each level.
 *
 * Yields nothing between blocks of work, and a result at every level; the errors of the first two
 * are not known yet. From one level to the next the nodes of every rule are doubled, and factors may
 * have more rows. The last result comes again with the draws that the covariance takes.
 */
function* moments(image, shape, settings) {
  const steps = policy(settings, shape), exact = steps.every((step) => step.exact);
  const finest = RANKS.length - 1;
  const counts = (level) => steps.filter((s) => !s.exact).map((s) => s.rule(level).points.length);
  let before = null;
  for (let level = exact ? finest : 0; ; level++) {
    const found = yield* atLevel(image, steps, level, before ? before.vectors : null);
    found.changes = before && changes(found, before);
    const known = exact || Boolean(before && before.changes);
    found.errors = known ? errors(found, exact ? null : before.changes) : null;
    const settled = known && found.errors.mean <= TOLERANCE && found.errors.variance <= TOLERANCE;
    const final = known && (settled || level === finest || 4 * found.work > MOST_WORK);
    const result = { ...found, method: exact ? "exact" : "cubature", nodes: counts(level), level, final };
    if (known) result.forMean = neededForMean(result, REL_ERROR);
    yield result;
    if (final) {
      const factor = yield* compressed(found.blocks, RANKS[level]);
      yield {
        ...result,
        forCovariance: yield* neededForCovariance(image, steps, result, factor, REL_ERROR),
      };
      return;
    }
    before = found;
  }
}

/** The last step is not compressed: its blocks are summed as they come. */
function* atLevel(image, steps, level, vectors) {
  const size = image.length, most = RANKS[level];
  let state = still(image), work = 0;
  for (const { operator, rule } of steps.slice(0, -1)) {
    const mean = meanAfter(operator, rule(level + MEAN_AHEAD), state.mean);
    work += 2 * rule(level).blocks.length * (state.rank + 1) * most * size;
    state = { ...(yield* advance(state, operator, rule(level), most)), mean };
  }
  const { operator, rule } = steps.at(-1) ?? NOTHING;
  const all = columns(state, operator, rule(level));
  work += 8 * all.count * all.tall * SUBSPACE * size;
  const found = yield* spectrum(all, vectors ?? new Float64Array(0), TOLERANCE);
  const mean = meanAfter(operator, rule(level + MEAN_AHEAD), state.mean);
  const lost = carried(state.lost, operator, rule(level), { trace: 0, norm: 0 });
  return { ...found, mean, lost, work, blocks: all };
}

const NOTHING = { operator: brightness(), rule: () => nodes([1], [1]) };

/** What changed since the level before: relative to the mean, to the trace, to each eigenvalue. */
function changes(found, before) {
  const { mean, variance, values, trace } = found;
  const moved = variance.reduce((sum, v, t) => sum + Math.abs(v - before.variance[t]), 0);
  return {
    mean: over(distance(mean, before.mean), Math.sqrt(dot(mean))),
    variance: over(moved, trace),
    values: Array.from(values, (v, k) => over(Math.abs(v - (before.values[k] ?? 0)), v)),
  };
}

/**
 * Bounds of the relative errors: the last change, a quarter of the one before, which the last can
 * miss at a kink, and what was left out. Midpoint rules converge like 1 / n^2, so that a change
 * bounds what is left. `earlier` is null for exact rules.
 */
function errors({ changes: last, lost, trace, values, residuals }, earlier) {
  const change = (pick) => (earlier ? pick(last) + (pick(earlier) ?? pick(last)) / 4 : 0) + ROUNDING;
  return {
    mean: change((c) => c.mean),
    variance: change((c) => c.variance) + over(lost.trace, trace),
    values: Array.from(values, (v, k) => change((c) => c.values[k]) + over(residuals[k] + lost.norm, v)),
  };
}

/** A quotient, 0 where nothing is divided. */
function over(value, scale) {
  return value > 0 ? value / scale : 0;
}
