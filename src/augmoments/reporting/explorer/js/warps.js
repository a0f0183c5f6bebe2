"use strict";
// Operators that move pixels. Each is a function of the images' shape that gives
//   add(theta, scale, from, n, to): adds scale * T(theta) of the n images in `from` to those in `to`,
//   growth(theta): a bound of the squared norm of T(theta).
// Outside the image is 0. x points right, y down, angles are in degrees, counter-clockwise, and all
// is about the image's centre.

/** Bilinear reading at (a x + b y, c x + d y) from the centre, with [a, b, c, d] = matrix(theta). */
function warp(matrix) {
  return (shape) => {
    const known = new Map(), pixels = shape.height * shape.width;
    const at = (theta) => {
      if (known.size * pixels > MOST_KNOWN) known.clear();
      if (!known.has(theta)) known.set(theta, taps(shape, matrix(theta)));
      return known.get(theta);
    };
    return {
      add: (theta, scale, from, n, to) => gather(at(theta), scale, from, n * shape.channels, to),
      growth: (theta) => largestColumn(at(theta)),
    };
  };
}

const MOST_KNOWN = 4e5;

const rotation = warp((degrees) => {
  const cos = Math.cos((degrees * Math.PI) / 180), sin = Math.sin((degrees * Math.PI) / 180);
  return [cos, -sin, sin, cos];
});
const zoom = warp((factor) => [1 / factor, 0, 0, 1 / factor]);
const shear = warp((degrees) => [1, Math.tan((degrees * Math.PI) / 180), 0, 1]);

/** For every output pixel the four input pixels that it reads, with their weights. */
function taps({ height, width }, [a, b, c, d]) {
  const pixels = height * width;
  const index = new Int32Array(4 * pixels), weight = new Float64Array(4 * pixels);
  const cx = (width - 1) / 2, cy = (height - 1) / 2;
  for (let row = 0, q = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const dx = column - cx, dy = row - cy;
      const x = cx + a * dx + b * dy, y = cy + c * dx + d * dy;
      const left = Math.floor(x), top = Math.floor(y);
      for (let v = top; v <= top + 1; v++) {
        for (let u = left; u <= left + 1; u++, q++) {
          if (u < 0 || v < 0 || u >= width || v >= height) continue;
          index[q] = v * width + u;
          weight[q] = (1 - Math.abs(x - u)) * (1 - Math.abs(y - v));
        }
      }
    }
  }
  return { index, weight, pixels };
}

function gather({ index, weight, pixels }, scale, from, planes, to) {
  for (let plane = 0, at = 0; plane < planes; plane++, at += pixels) {
    for (let p = 0, q = 0; p < pixels; p++, q += 4) {
      to[at + p] += scale * (
        weight[q] * from[at + index[q]] + weight[q + 1] * from[at + index[q + 1]] +
        weight[q + 2] * from[at + index[q + 2]] + weight[q + 3] * from[at + index[q + 3]]);
    }
  }
}

/** Schur's test: the squared norm is at most the largest sum of a row, 1, times that of a column. */
function largestColumn({ index, weight, pixels }) {
  const columns = new Float64Array(pixels);
  weight.forEach((value, q) => { columns[index[q]] += value; });
  return columns.reduce((most, value) => Math.max(most, value), 0);
}

/** Shift along an axis; between whole pixels it is linear in the distance. */
function shift(axis) {
  return ({ channels, height, width }) => {
    function addShifted(by, factor, from, planes, to) {
      const dx = axis === "x" ? by : 0, dy = axis === "y" ? by : 0;
      const first = Math.max(0, dx), last = Math.min(width, width + dx);
      for (let plane = 0; plane < planes; plane++) {
        for (let row = Math.max(0, dy); row < Math.min(height, height + dy); row++) {
          const out = (plane * height + row) * width, back = out - dy * width - dx;
          for (let x = first; x < last; x++) to[out + x] += factor * from[back + x];
        }
      }
    }
    return {
      add(distance, scale, from, n, to) {
        const whole = Math.floor(distance), part = distance - whole;
        addShifted(whole, scale * (1 - part), from, n * channels, to);
        if (part) addShifted(whole + 1, scale * part, from, n * channels, to);
      },
      growth: () => 1,
    };
  };
}

/** Mirror along an axis if theta is 1. */
function flip(axis) {
  return ({ channels, height, width }) => ({
    add(theta, scale, from, n, to) {
      const across = theta && axis === "x", down = theta && axis === "y";
      for (let row = 0; row < n * channels * height; row++) {
        const within = row % height, out = row * width;
        const back = (down ? row - within + height - 1 - within : row) * width;
        for (let x = 0; x < width; x++) {
          to[out + x] += scale * from[back + (across ? width - 1 - x : x)];
        }
      }
    },
    growth: () => 1,
  });
}
