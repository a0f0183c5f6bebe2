"use strict";
// What is known after some of the steps, a state: the mean, a factor of `rank` images whose rows
// f_j give V = sum_j f_j f_j^T, and `lost`: the trace and the norm of what was left out of V, which
// is positive semidefinite.

/** Before the first step: an image that does not vary. */
function still(image) {
  return { mean: image, rows: new Float64Array(0), rank: 0, lost: { trace: 0, norm: 0 } };
}

/** The sum over k of L_km A_k of `n` images. */
function block(operator, rule, m, from, n, size) {
  const out = new Float64Array(n * size);
  for (const [k, root] of rule.blocks[m]) operator.add(rule.points[k], root, from, n, out);
  return out;
}

/** The mean after a step. */
function meanAfter(operator, rule, mean) {
  const out = new Float64Array(mean.length);
  rule.means.forEach((share, m) => {
    const moved = block(operator, rule, m, mean, 1, mean.length);
    for (let t = 0; t < out.length; t++) out[t] += share * moved[t];
  });
  return out;
}

/**
 * The columns after a step, by the law of total covariance
 *   V' = sum_m B_m V B_m^T + Cov[T mu],   a root of the latter being B_m mu - v_m sum_n v_n B_n mu.
 * Both are positive semidefinite. Gives {count, each}; each() goes through the blocks of `each`
 * rank + 1 rows again, yielding them.
 */
function columns(state, operator, rule) {
  const size = state.mean.length, centre = meanAfter(operator, rule, state.mean);
  const both = new Float64Array((state.rank + 1) * size);
  both.set(state.rows);
  both.set(state.mean, state.rank * size);
  const each = function* () {
    for (let m = 0; m < rule.blocks.length; m++) {
      const rows = block(operator, rule, m, both, state.rank + 1, size);
      const last = state.rank * size, share = rule.means[m];
      for (let t = 0; t < size; t++) rows[last + t] -= share * centre[t];
      yield rows;
    }
  };
  return { count: rule.blocks.length, tall: state.rank + 1, size, each, centre };
}

/** The state after a step, with at most `most` rows in its factor. Yields between blocks. */
function* advance(state, operator, rule, most) {
  const all = columns(state, operator, rule);
  const { rows, rank, lost } = yield* compressed(all, most);
  return { mean: all.centre, rows, rank, lost: carried(state.lost, operator, rule, lost) };
}

/** What is left out after a step: at most E[|T|^2] times what was before, and `more`. */
function carried(lost, operator, rule, more) {
  const norms = rule.points.map((theta) => Math.sqrt(operator.growth(theta)));
  const growth = rule.blocks.reduce((sum, entries) =>
    sum + entries.reduce((part, [k, root]) => part + Math.abs(root) * norms[k], 0) ** 2, 0);
  return { trace: growth * lost.trace + more.trace, norm: growth * lost.norm + more.norm };
}

/**
 * At most `most` rows F with F^T F nearly M^T M, for the rows M of all blocks.
 *
 * With a random sketch S and Z = M (S M)^T, P the projection onto the columns of Z, the Nystrom
 * approximation is M^T P M. What it leaves out, M^T (1 - P) M, is positive semidefinite: its trace,
 * which is known, bounds the errors of trace and variances, its norm that of every eigenvalue.
 * (Halko, Martinsson, Tropp 2011, section 5.)
 */
function* compressed(all, most) {
  const { count, tall, size, each } = all;
  if (count * tall <= most) {
    const rows = new Float64Array(count * tall * size);
    let at = 0;
    for (const part of each()) { rows.set(part, at); at += part.length; }
    return { ...turned(rows, count * tall, size), lost: { trace: 0, norm: 0 } };
  }
  let total = 0;
  const sketch = new Float64Array(most * size), random = generator(1);
  for (const part of each()) {
    for (let j = 0; j < tall; j++) {
      const to = Math.floor(random() * most) * size, sign = random() < 0.5 ? -1 : 1;
      addScaled(sign, part, j * size, sketch, to, size);
    }
    total += dot(part);
    yield;
  }
  const Z = new Float64Array(count * tall * most);
  let at = 0;
  for (const part of each()) {
    Z.set(products(part, tall, sketch, most, size), at);
    at += tall * most;
    yield;
  }
  const basis = orthonormal(Z, count * tall, most);
  const rows = new Float64Array(basis.rank * size);
  at = 0;
  for (const part of each()) {
    addCombinations(basis.columns.subarray(at, at + tall * basis.rank), tall, basis.rank, part, size, rows);
    at += tall * basis.rank;
    yield;
  }
  const found = turned(rows, basis.rank, size);
  const trace = Math.max(0, total - dot(found.rows));
  return { ...found, lost: { trace, norm: Math.min(trace, yield* leftOut(all, found)) } };
}

/** The norm of M^T M - F^T F, as far as power iterations on four vectors find it, times 2. */
function* leftOut({ tall, size, each }, { rows, rank }) {
  const random = generator(3);
  let Q = Float64Array.from({ length: 4 * size }, () => random() - 0.5), norm = 0;
  for (let round = 0; round < 4; round++) {
    const basis = unit(Q, 4, size), width = basis.length / size;
    Q = new Float64Array(basis.length);
    for (const part of each()) {
      addCombinations(products(part, tall, basis, width, size), tall, width, part, size, Q);
      yield;
    }
    const across = products(rows, rank, basis, width, size).map((value) => -value);
    addCombinations(across, rank, width, rows, size, Q);
    norm = Math.sqrt(eigen(products(Q, width, Q, width, size), width).values[0]);
  }
  return 2 * norm;
}

/** An orthonormal basis of the columns of Z, which is `count` x `width`. */
function orthonormal(Z, count, width) {
  const gram = new Float64Array(width * width);
  addCombinations(Z, count, width, Z, width, gram);
  const { values, vectors } = eigen(gram, width);
  const rank = values.findLastIndex((value) => value > 1e-12 * values[0]) + 1;
  for (let j = 0; j < rank; j++) {
    for (let k = 0; k < width; k++) vectors[j * width + k] /= Math.sqrt(values[j]);
  }
  return { columns: products(Z, count, vectors, rank, width), rank };
}

/** The same factor with orthogonal rows, largest first, without those that are 0 but for rounding. */
function turned(rows, rank, size) {
  const { values, vectors } = eigen(products(rows, rank, rows, rank, size), rank);
  const kept = values.findLastIndex((value) => value > 1e-12 * values[0]) + 1;
  const out = new Float64Array(kept * size), weights = new Float64Array(rank * kept);
  for (let i = 0; i < rank; i++) for (let j = 0; j < kept; j++) weights[i * kept + j] = vectors[j * rank + i];
  addCombinations(weights, rank, kept, rows, size, out);
  return { rows: out, rank: kept };
}
