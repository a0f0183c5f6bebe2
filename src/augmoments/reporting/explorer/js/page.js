"use strict";

const EIGEN_IMAGES = 6;
const $ = (id) => document.getElementById(id);

function start() {
  const given = JSON.parse($("data").textContent);
  const maps = { size: colormap(given.maps.size), sign: colormap(given.maps.sign) };
  const images = given.images.map(decoded);
  const ask = solverOf($("engine").textContent, $("worker").textContent);
  const trials = new Trials(), waiting = [];
  const state = { image: 0, settings: { ...OFF }, latest: null, direction: 0 };
  const question = () => {
    const { values, shape } = images[state.image];
    return { image: values, shape, settings: { ...state.settings } };
  };
  const view = results(maps, state, () => images[state.image], trials);
  const show = sliders($("sliders"), (name, value) => change({ [name]: value }));

  function change(settings, image = state.image) {
    Object.assign(state, { image, latest: null });
    Object.assign(state.settings, settings);
    if (state.settings.blur <= BLUR_FROM) state.settings.blur = 0;
    show(state.settings);
    trials.restart(question());
    trials.add(1);
    view.asked(state.settings);
    ask(question(), (answer) => {
      state.latest = answer;
      view.answered(answer);
      if (answer.forCovariance) waiting.splice(0).forEach((resume) => resume(answer));
    });
  }

  /** The last answer to what is asked now. */
  function settled() {
    const { latest } = state;
    if (latest && latest.forCovariance) return Promise.resolve(latest);
    return new Promise((resume) => { waiting.push(resume); });
  }

  gallery($("gallery"), images, (index) => change({}, index));
  for (const [name, settings] of Object.entries(PRESETS)) {
    const button = element("button", { type: "button" }, name);
    button.addEventListener("click", () => change({ ...OFF, ...settings }));
    $("presets").append(button);
  }
  $("reset").addEventListener("click", () => change(OFF));
  for (const name of ["augmoments", "torchvision"]) copies($(`copy-${name}`), $(`code-${name}`));
  $("lattice").textContent = number(REPLICATES * POINTS);
  change(PRESETS.Digits);
  window.explorer = { state, images, change, settled };
}

/** An image of the page's data: float32 values in base64. */
function decoded({ name, shape: [channels, height, width], values }) {
  const bytes = Uint8Array.from(atob(values), (letter) => letter.charCodeAt(0));
  return { name, shape: { channels, height, width }, values: Float64Array.from(new Float32Array(bytes.buffer)) };
}

start();
