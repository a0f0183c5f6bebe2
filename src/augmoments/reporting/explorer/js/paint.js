"use strict";

/** Colour functions t in [0, 1] -> [r, g, b] in [0, 255] that interpolate between hexadecimal stops. */
function colormap(stops) {
  const colors = stops.map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
  return (t) => {
    const place = Math.min(1, Math.max(0, t)) * (colors.length - 1);
    const low = Math.min(Math.floor(place), colors.length - 2), part = place - low;
    return colors[low].map((value, c) => value + part * (colors[low + 1][c] - value));
  };
}

/** Fills a canvas, a pixel each: color(p) gives the colour of pixel p. */
function paint(canvas, { height, width }, color) {
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d"), data = context.createImageData(width, height);
  for (let p = 0; p < height * width; p++) data.data.set([...color(p), 255], 4 * p);
  context.putImageData(data, 0, 0);
}

/** An image as it is, clamped to [0, 1]. */
function paintImage(canvas, shape, values) {
  const pixels = shape.height * shape.width, step = shape.channels === 1 ? 0 : pixels;
  paint(canvas, shape, (p) => [0, 1, 2].map((c) => 255 * values[p + c * step]));
}

/** Numbers from 0 on, the root mean square over the channels, up to `most`. */
function paintSize(canvas, shape, values, most, map) {
  paint(canvas, shape, (p) => map(over(values[p], most)));
}

/** Numbers with a sign, up to `most`: a colour map for one channel, about mid-gray for three. */
function paintSigned(canvas, shape, values, most, map) {
  const scaled = values.map((value) => 0.5 + (most > 0 ? value / (2 * most) : 0));
  if (shape.channels > 1) paintImage(canvas, shape, scaled);
  else paint(canvas, shape, (p) => map(scaled[p]));
}

/** Standard deviations of pixels: the root mean square over the channels. */
function deviations(variance, { channels, height, width }) {
  const pixels = height * width;
  return Float64Array.from({ length: pixels }, (_, p) => {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += variance[p + c * pixels];
    return Math.sqrt(sum / channels);
  });
}
