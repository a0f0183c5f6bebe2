"use strict";

const DIRECTIONS = 12, SUBSPACE = 20, MOST_ROUNDS = 12;

/**
 * The variances of all pixels and the leading eigenvectors of V = M^T M for the rows M of blocks,
 * by subspace iteration to a relative error of `tolerance`. `start` has vectors to begin with, may
 * be empty. Yields between blocks.
 *
 * Gives {variance, trace, values, vectors, residuals}. A Ritz value is off by at most the norm of its
 * residual, and by about that squared over the gap to what is not in the subspace, taken twice.
 */
function* spectrum({ count, tall, size, each }, start, tolerance) {
  const variance = new Float64Array(size), random = generator(2);
  const width = Math.min(SUBSPACE, count * tall, size);
  let Q = new Float64Array(width * size);
  Q.set(start.subarray(0, Q.length));
  const given = Math.min(start.length / size, width - 1);
  for (const part of each()) {
    for (let j = 0; j < tall; j++) {
      const row = given + Math.floor(random() * (width - given)), sign = random() < 0.5 ? -1 : 1;
      addSquares(part, j * size, variance);
      addScaled(sign, part, j * size, Q, row * size, size);
    }
    yield;
  }
  const trace = variance.reduce((x, y) => x + y, 0);
  let found = null;
  for (let round = 0; round < MOST_ROUNDS; round++) {
    const basis = unit(Q, Q.length / size, size);
    const image = new Float64Array(basis.length);
    for (const part of each()) {
      const across = products(part, tall, basis, basis.length / size, size);
      addCombinations(across, tall, basis.length / size, part, size, image);
      yield;
    }
    found = ritz(basis, image, basis.length / size, size);
    if (found.residuals.every((error, k) => error <= tolerance * found.values[k])) break;
    Q = image;
  }
  return { variance, trace, ...found };
}

/** Orthonormal rows that span what the rows of Q span. */
function unit(Q, width, size) {
  const { rows, rank } = turned(Q, width, size);
  for (let i = 0; i < rank; i++) {
    const row = rows.subarray(i * size, (i + 1) * size), norm = Math.sqrt(dot(row));
    for (let t = 0; t < size; t++) row[t] /= norm;
  }
  return rows;
}

/** Rayleigh and Ritz: the best eigenpairs of V in the span of `basis`, whose image is V basis. */
function ritz(basis, image, width, size) {
  const { values, vectors } = eigen(products(basis, width, image, width, size), width);
  const count = Math.min(DIRECTIONS, width);
  const weights = new Float64Array(width * count);
  for (let i = 0; i < width; i++) for (let j = 0; j < count; j++) weights[i * count + j] = vectors[j * width + i];
  const found = new Float64Array(count * size), moved = new Float64Array(count * size);
  addCombinations(weights, width, count, basis, size, found);
  addCombinations(weights, width, count, image, size, moved);
  const residuals = Array.from({ length: count }, (_, k) => {
    let square = 0;
    for (let t = k * size; t < (k + 1) * size; t++) {
      const rest = moved[t] - values[k] * found[t];
      square += rest * rest;
    }
    const gap = values[k] - values[width - 1];
    return Math.min(Math.sqrt(square), gap > 0 ? (2 * square) / gap : Infinity);
  });
  return { values: values.slice(0, count), vectors: found, residuals };
}
