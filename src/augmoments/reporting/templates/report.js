"use strict";
document.documentElement.classList.add("js");

const PAGE_SIZE = 25;

function shown(value) {
  if (value === null) return "";
  if (typeof value === "string") return value;
  const size = Math.abs(value);
  if (size && (size < 1e-4 || size >= 1e9)) return value.toExponential(2).replace("-", "−");
  const text = size < 1000
    ? String(Number(value.toPrecision(3)))
    : Math.round(value).toLocaleString("en-US");
  return text.replace("-", "−");
}

function rank(value) {
  return value === "∞" ? Infinity : value;
}

function sortable(root) {
  const data = JSON.parse(document.getElementById(root.dataset.rows).textContent);
  const sheet = new Map(data.thumbnails.map((image, place) => [image, place]));
  const keys = [data.images, ...(data.labels ? [data.labels] : []), ...data.columns];
  const heads = [...root.querySelectorAll("th[scope=col]")].slice(1);
  const body = root.querySelector("tbody");
  const [previous, next] = root.querySelectorAll(".pager button");
  const place = root.querySelector(".pager [role=status]");
  let order = data.images.map((_, row) => row);
  let start = 0;

  function thumbnail(image) {
    const cell = document.createElement("td");
    if (!sheet.has(image)) return cell;
    const { uri, columns, lines, ratio } = document.getElementById(root.dataset.sheet).dataset;
    const [x, y] = [sheet.get(image) % columns, Math.floor(sheet.get(image) / columns)];
    const picture = document.createElement("span");
    picture.className = "sheet";
    picture.style.width = `${2 * ratio}rem`;
    picture.style.backgroundImage = `url(${uri})`;
    picture.style.backgroundSize = `${100 * columns}% ${100 * lines}%`;
    picture.style.backgroundPosition =
      `${columns > 1 ? (100 * x) / (columns - 1) : 0}% ${lines > 1 ? (100 * y) / (lines - 1) : 0}%`;
    cell.append(picture);
    return cell;
  }

  function cell(column, row) {
    const text = column === 0 || (data.labels && column === 1);
    const made = document.createElement(column === 0 ? "th" : "td");
    if (column === 0) made.scope = "row";
    made.className = !text || column === 0 ? "n" : "label";
    made.textContent = text ? keys[column][row] : shown(keys[column][row]);
    return made;
  }

  function draw() {
    const rows = order.slice(start, start + PAGE_SIZE).map((row) => {
      const line = document.createElement("tr");
      line.append(thumbnail(data.images[row]), ...keys.map((_, column) => cell(column, row)));
      return line;
    });
    body.replaceChildren(...rows);
    const count = order.length.toLocaleString("en-US");
    const end = Math.min(start + PAGE_SIZE, order.length).toLocaleString("en-US");
    place.textContent = `${(start + 1).toLocaleString("en-US")}–${end} of ${count}`;
    previous.disabled = start === 0;
    next.disabled = start + PAGE_SIZE >= order.length;
  }

  function sort(column) {
    const descending = heads[column].getAttribute("aria-sort")
      ? heads[column].getAttribute("aria-sort") === "ascending"
      : column > (data.labels ? 1 : 0);
    const sign = descending ? -1 : 1;
    const values = keys[column];
    order.sort((a, b) => {
      const [x, y] = [rank(values[a]), rank(values[b])];
      if (x === null || y === null) return (x === null) - (y === null) || a - b;
      return sign * (x > y ? 1 : x < y ? -1 : 0) || a - b;
    });
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", descending ? "descending" : "ascending");
    start = 0;
    draw();
  }

  heads.forEach((head, column) =>
    head.querySelector("button").addEventListener("click", () => sort(column)));
  root.querySelector(".pager").hidden = order.length <= PAGE_SIZE;
  previous.addEventListener("click", () => { start -= PAGE_SIZE; draw(); });
  next.addEventListener("click", () => { start += PAGE_SIZE; draw(); });
  draw();
}

function walker(root) {
  const slider = root.querySelector("input");
  const output = root.querySelector("output");
  const button = root.querySelector("button");
  const directions = document.getElementById(root.dataset.walks);
  let timer = null;
  let step = 1;

  function show() {
    directions.style.setProperty("--frame", slider.value);
    const t = (Number(slider.value) - 4) / 2;
    const words = t === 0 ? "mean" : `${t < 0 ? "−" : "+"}${Math.abs(t)} σ`;
    output.textContent = words;
    slider.setAttribute("aria-valuetext", words);
  }

  function stop() {
    clearInterval(timer);
    timer = null;
    button.textContent = "Play";
  }

  function move() {
    const value = Number(slider.value);
    if (value + step < 0 || value + step > 8) step = -step;
    slider.value = value + step;
    show();
  }

  slider.addEventListener("input", () => { stop(); show(); });
  button.addEventListener("click", () => {
    if (timer !== null) return stop();
    button.textContent = "Stop";
    timer = setInterval(move, 180);
  });
  show();
}

document.querySelectorAll("[data-rows]").forEach(sortable);
document.querySelectorAll("[data-walks]").forEach(walker);
