"use strict";
// Numbers as they are written on the page.

const grouped = new Intl.NumberFormat("en");

/** 1,234, or with few digits. */
function number(value) {
  if (Math.abs(value) >= 1000) return grouped.format(Math.round(value));
  return String(Number(value.toPrecision(3)));
}

/** A share: 12%, 0.34%, 0.0012%. */
function percent(share) {
  return `${Number((100 * share).toPrecision(2))}%`;
}

/** How far off: nothing but rounding, or a bound. */
function bound(error) {
  return error < 1e-9 ? "to rounding" : error < 1 ? `±\u00a0${percent(error)}` : "not known yet";
}

/** The route that the moments took. */
function route({ method, nodes }) {
  return method === "exact" ? "exact" : `cubature, ${nodes.join(" × ")} nodes`;
}
