"use strict";

const degrees = (value) => (value ? `± ${value}°` : "off");
const shares = (value) => (value ? `± ${Math.round(100 * value)}%` : "off");
const pixels = (value) => (value ? `± ${value} px` : "off");
const chance = (value) => (value ? `${Math.round(100 * value)}%` : "off");

/** The sliders: the name in the settings, what it says, its end, its step, how a value is written. */
const CONTROLS = {
  Moves: [
    ["rotation", "Rotation", 180, 1, degrees],
    ["zoom", "Zoom", 0.5, 0.01, shares],
    ["shear", "Shear", 45, 1, degrees],
    ["shiftX", "Shift across", 8, 0.5, pixels],
    ["shiftY", "Shift down", 8, 0.5, pixels],
  ],
  Values: [
    ["brightness", "Brightness", 1, 0.05, shares],
    ["contrast", "Contrast", 1, 0.05, shares],
    ["blur", "Blur, largest σ", 2, 0.1, (value) => (value > BLUR_FROM ? `${value} px` : "off")],
  ],
  Mirror: [
    ["flipX", "Left and right", 1, 0.05, chance],
    ["flipY", "Up and down", 1, 0.05, chance],
  ],
};

const PRESETS = {
  Digits: { rotation: 15, shiftX: 2, shiftY: 2 },
  Photos: { zoom: 0.1, brightness: 0.3, contrast: 0.3, flipX: 0.5 },
  Everything: {
    rotation: 10, zoom: 0.1, shear: 5, shiftX: 1, shiftY: 1, brightness: 0.2, contrast: 0.2,
    blur: 0.8, flipX: 0.5,
  },
  "Any angle": { rotation: 180 },
};

const OFF = Object.fromEntries(Object.values(CONTROLS).flat().map(([name]) => [name, 0]));

/** An element with attributes and children; text never becomes markup. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** Sliders into `place`; tell(name, value) hears of changes. Gives show(settings). */
function sliders(place, tell) {
  const shown = {};
  for (const [title, rows] of Object.entries(CONTROLS)) {
    const group = element("fieldset", {}, element("legend", {}, title));
    for (const [name, label, max, step, write] of rows) {
      const output = element("output", { for: name });
      const input = element("input", { type: "range", id: name, min: 0, max, step });
      shown[name] = (value) => {
        input.value = value;
        output.textContent = write(value);
        input.setAttribute("aria-valuetext", write(value));
        input.style.setProperty("--share", `${(100 * value) / max}%`);
      };
      input.addEventListener("input", () => tell(name, Number(input.value)));
      group.append(element("div", { class: "slider" }, element("label", { for: name }, label), output, input));
    }
    place.append(group);
  }
  return (settings) => { for (const [name, set] of Object.entries(shown)) set(settings[name]); };
}

/** Pictures to choose from, as radio buttons; tell(index) hears of the choice. */
function gallery(place, images, tell) {
  images.forEach((image, index) => {
    const input = element("input", { type: "radio", name: "image", id: `image-${index}`, checked: index === 0 });
    input.addEventListener("change", () => tell(index));
    const canvas = element("canvas", { "aria-hidden": "true" });
    paintImage(canvas, image.shape, image.values);
    const name = element("span", { class: "hidden" }, image.name);
    place.append(element("label", { title: image.name }, input, canvas, name));
  });
}

/** A button that copies the text of an element and says so. */
function copies(button, source) {
  const label = button.textContent;
  button.addEventListener("click", async () => {
    let done = "Copied";
    try {
      await navigator.clipboard.writeText(source.textContent);
    } catch {
      getSelection().selectAllChildren(source);
      done = document.execCommand("copy") ? "Copied" : "Selected: press Ctrl+C";
    }
    button.textContent = done;
    setTimeout(() => { button.textContent = label; }, 1500);
  });
}
