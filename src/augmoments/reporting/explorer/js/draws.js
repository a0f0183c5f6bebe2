"use strict";

/** Uniform numbers in [0, 1) from a seed (mulberry32). */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** The image after all steps, each with its parameter for the uniform number that next() gives. */
function draw(image, steps, next) {
  return steps.reduce((now, { operator, draw: parameter }) => {
    const out = new Float64Array(now.length);
    operator.add(parameter(next()), 1, now, 1, out);
    return out;
  }, image);
}

const REPLICATES = 8, POINTS = 256;

/**
 * E[f(T(x))] for a function of the augmented image, with a 99.5% bound of its error: the mean over
 * a lattice in the parameters, shifted at random eight times (Cranley and Patterson 1976). Its
 * generators are the powers of the root of g^(d + 1) = g + 1, the golden ratio for d = 1. Yields
 * between draws.
 */
function* lattice(fn, image, steps) {
  let golden = 1.5;
  for (let step = 0; step < 50; step++) golden = (1 + golden) ** (1 / (steps.length + 1));
  const random = generator(4), means = [];
  for (let replicate = 0; replicate < REPLICATES; replicate++) {
    const start = steps.map(random);
    let sum = 0;
    for (let point = 0; point < POINTS; point++) {
      let axis = 0;
      sum += fn(draw(image, steps, () => {
        const u = (start[axis] + point * golden ** -(axis + 1)) % 1;
        axis++;
        return 1 - Math.abs(2 * u - 1);
      }));
      if (point % 16 === 0) yield;
    }
    means.push(sum / POINTS);
  }
  const value = means.reduce((x, y) => x + y) / REPLICATES;
  const spread = means.reduce((sum, mean) => sum + (mean - value) ** 2, 0) / (REPLICATES - 1);
  return { value, error: T_QUANTILE * Math.sqrt(spread / REPLICATES) };
}

const T_QUANTILE = 4.029; // of Student's t with 7 degrees of freedom, 99.75%
