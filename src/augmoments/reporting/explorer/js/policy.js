"use strict";

/** The policy that the settings describe: independent steps, in the order in which they are done. */
function policy(settings, shape) {
  const radians = Math.PI / 180, half = Math.max(shape.height, shape.width) / 2;
  const { rotation: angle, zoom: share, shear: slant, blur: sigma } = settings;
  const turns = (operator, low, high, pixels) => moved(operator(shape), low, high, pixels);
  const steps = [
    settings.brightness && factor(brightness(shape), settings.brightness),
    settings.contrast && factor(contrast(shape), settings.contrast),
    sigma && smoothed(blur(shape), BLUR_FROM, sigma),
    angle && turns(rotation, -angle, angle, 2 * angle * radians * half),
    share && turns(zoom, 1 - share, 1 + share, half * (1 / (1 - share) - 1 / (1 + share))),
    slant && turns(shear, -slant, slant, 2 * Math.tan(slant * radians) * half),
    settings.flipX && coin(flip("x")(shape), settings.flipX),
    settings.flipY && coin(flip("y")(shape), settings.flipY),
    settings.shiftX && shifted(shift("x")(shape), settings.shiftX),
    settings.shiftY && shifted(shift("y")(shape), settings.shiftY),
  ];
  return steps.filter(Boolean);
}

const BLUR_FROM = 0.1;

// A step has an operator, whether its rule is exact, rule(level) with twice the nodes at each level
// if it is not, and draw(u), its parameter for a uniform number u.

/** A warp at midpoints: at level 0 two pixels apart where the image moves most. */
function moved(operator, low, high, pixels) {
  const first = Math.max(2, Math.ceil(pixels / 2));
  const rule = (level) => midpoints(low, high, first * 2 ** level);
  return { operator, exact: false, rule, draw: (u) => low + u * (high - low) };
}

/** Blur, a polynomial in the three taps k_0, k_1, k_2 of its kernel: a sum of k_i k_j A_ij. Exact. */
function smoothed(operator, low, high) {
  const { points, weights } = gauss(low, high, 64), taps = [0, 1, 2];
  const unit = taps.map((i) => [-2, -1, 0, 1, 2].map((k) => (Math.abs(k) === i ? 1 : 0)));
  const kernels = points.map(kernel);
  const pairs = taps.flatMap((i) => taps.map((j) => [i, j]));
  const samples = pairs.map(([i, j]) => kernels.map((tap) => tap[2 + i] * tap[2 + j]));
  const rule = expansion(pairs.map(([i, j]) => [unit[i], unit[j]]), samples, weights);
  const draw = (u) => Array(2).fill(kernel(low + u * (high - low)));
  return { operator, exact: true, rule: () => rule, draw };
}

/** A blend, linear in its factor. */
function factor(operator, most) {
  const low = Math.max(0, 1 - most), high = 1 + most;
  const rule = hats(low, high, [low, high]);
  return { operator, exact: true, rule: () => rule, draw: (u) => low + u * (high - low) };
}

/** A shift, linear between whole pixels. */
function shifted(operator, most) {
  const ends = Math.ceil(most);
  const rule = hats(-most, most, Array.from({ length: 2 * ends + 1 }, (_, k) => k - ends));
  return { operator, exact: true, rule: () => rule, draw: (u) => (2 * u - 1) * most };
}

/** Two outcomes. */
function coin(operator, p) {
  const rule = p < 1 ? nodes([0, 1], [1 - p, p]) : nodes([1], [1]);
  return { operator, exact: true, rule: () => rule, draw: (u) => (u < p ? 1 : 0) };
}
