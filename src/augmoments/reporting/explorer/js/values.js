"use strict";
// Operators on the values of pixels, with the same interface as those in warps.js.

const GRAY = [0.2989, 0.587, 0.114];

/** Multiply by the factor. */
function brightness() {
  return {
    add(factor, scale, from, n, to) {
      for (let t = 0; t < to.length; t++) to[t] += scale * factor * from[t];
    },
    growth: (factor) => factor ** 2,
  };
}

/** Blend with the mean gray level m of the image: f x + (1 - f) m. */
function contrast({ channels, height, width }) {
  const pixels = height * width, size = channels * pixels;
  const shares = channels === 1 ? [1] : GRAY;
  return {
    add(factor, scale, from, n, to) {
      for (let at = 0; at < n * size; at += size) {
        let sum = 0;
        shares.forEach((share, channel) => {
          const start = at + channel * pixels;
          for (let t = start; t < start + pixels; t++) sum += share * from[t];
        });
        const level = ((1 - factor) * sum) / pixels;
        for (let t = at; t < at + size; t++) to[t] += scale * (factor * from[t] + level);
      }
    },
    growth: (factor) => (factor + Math.abs(1 - factor) * Math.sqrt(channels * dot(shares))) ** 2,
  };
}

/** Convolve with five taps across and five down, [across, down], mirrored at the ends. */
function blur({ channels, height, width }) {
  const pixels = height * width, across = new Float64Array(pixels);
  const columns = reads(width), rows = reads(height);
  return {
    add([right, down], scale, from, n, to) {
      for (let start = 0; start < n * channels * pixels; start += pixels) {
        for (let p = 0; p < pixels; p++) {
          const row = start + p - (p % width), x = 5 * (p % width);
          let value = 0;
          for (let k = 0; k < 5; k++) value += right[k] * from[row + columns[x + k]];
          across[p] = value;
        }
        for (let p = 0; p < pixels; p++) {
          const x = p % width, row = 5 * Math.floor(p / width);
          let value = 0;
          for (let k = 0; k < 5; k++) value += down[k] * across[rows[row + k] * width + x];
          to[start + p] += scale * value;
        }
      }
    },
    growth: () => 1.25 ** 2,
  };
}

/** exp(-k^2 / 2 sigma^2), normalised. */
function kernel(sigma) {
  const values = [-2, -1, 0, 1, 2].map((k) => Math.exp(-0.5 * (k / sigma) ** 2));
  const sum = values.reduce((x, y) => x + y);
  return values.map((value) => value / sum);
}

/** The five pixels that each of `size` pixels reads, mirrored at the first and the last one. */
function reads(size) {
  return Int32Array.from({ length: 5 * size }, (_, i) => {
    const place = Math.abs(Math.floor(i / 5) + (i % 5) - 2);
    return place < size ? place : 2 * (size - 1) - place;
  });
}
