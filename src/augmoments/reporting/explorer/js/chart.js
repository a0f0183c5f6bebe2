"use strict";

/** The leading eigenvalues as bars, with the share that all up to each have together as a line. */
function spectrumChart(place, values, errors, trace) {
  const width = 480, height = 190, left = 46, bottom = 24, top = 12;
  const svg = (tag, attributes, text) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const y = (share) => height - bottom - share * (height - bottom - top);
  const pitch = (width - left - 8) / DIRECTIONS;
  const parts = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
    svg("line", { x1: left, x2: width, y1: y(share), y2: y(share), class: "grid" }),
    svg("text", { x: left - 6, y: y(share) + 4, class: "end" }, `${100 * share}%`),
  ]);
  let sum = 0;
  const line = [];
  for (let k = 0; k < DIRECTIONS; k++) {
    const share = over(values[k] ?? 0, trace), x = left + 8 + k * pitch;
    sum += share;
    line.push(`${x + pitch / 2 - 4},${y(Math.min(1, sum))}`);
    parts.push(svg("rect", { x, width: pitch - 8, y: y(share), height: share * (height - bottom - top), class: "bar" }));
    if (errors) {
      const [low, high] = [-1, 1].map((sign) => y(Math.min(1, Math.max(0, share * (1 + sign * Math.min(1, errors[k] ?? 0))))));
      parts.push(svg("line", { x1: x + pitch / 2 - 4, x2: x + pitch / 2 - 4, y1: low, y2: high, class: "error" }));
    }
    parts.push(svg("text", { x: x + pitch / 2 - 4, y: height - 7, class: "middle" }, k + 1));
  }
  if (trace > 0) parts.push(svg("polyline", { points: line.join(" "), class: "sum" }));
  const chart = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img" });
  const first = percent(over(values[0] ?? 0, trace)), all = percent(Math.min(1, sum));
  chart.setAttribute("aria-label", `Shares of the variance: the first direction has ${first}, the first ${DIRECTIONS} together ${all}.`);
  chart.append(...parts);
  place.replaceChildren(chart);
}
