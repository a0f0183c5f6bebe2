"use strict";

/** The eigen-images, and the walk mean + t sqrt(lambda) q along the one that is chosen. */
function traversal(maps, state, chosen) {
  const tiles = Array.from({ length: EIGEN_IMAGES }, (_, k) => {
    const input = element("input", { type: "radio", name: "direction", id: `direction-${k}`, checked: k === 0 });
    const canvas = element("canvas", { "aria-hidden": "true" });
    const note = element("span", { class: "note" });
    input.addEventListener("change", () => { state.direction = k; step(); });
    $("directions").append(element("label", {}, input, canvas, element("span", {}, `Direction ${k + 1}`), note));
    return { input, canvas, note };
  });
  let playing = 0;
  $("walk").addEventListener("input", () => { pause(); step(); });
  $("play").addEventListener("click", () => (playing ? pause() : play()));

  function direction(answer, k) {
    const size = answer.mean.length, scale = Math.sqrt(Math.max(0, answer.values[k] ?? 0));
    return answer.vectors.subarray(k * size, (k + 1) * size).map((value) => scale * value);
  }

  function step() {
    const answer = state.latest, t = Number($("walk").value);
    $("walk-value").textContent = `${t < 0 ? "−" : "+"}${Math.abs(t).toFixed(1)} σ`;
    $("walk").setAttribute("aria-valuetext", `${t} standard deviations`);
    if (!answer) return;
    const along = direction(answer, state.direction);
    paintImage($("walked"), chosen().shape, answer.mean.map((value, p) => value + t * (along[p] ?? 0)));
  }

  function play() {
    const began = performance.now();
    const frame = (now) => {
      $("walk").value = 2 * Math.sin((now - began) / 700);
      step();
      playing = requestAnimationFrame(frame);
    };
    playing = requestAnimationFrame(frame);
    $("play").textContent = "Pause";
  }

  function pause() {
    cancelAnimationFrame(playing);
    playing = 0;
    $("play").textContent = "Play";
  }

  return {
    answered(answer) {
      const first = direction(answer, 0);
      const most = first.reduce((x, y) => Math.max(x, Math.abs(y)), 0);
      tiles.forEach(({ input, canvas, note }, k) => {
        const there = answer.values[k] > 1e-12 * answer.trace;
        input.disabled = !there;
        const along = there ? direction(answer, k) : new Float64Array(answer.mean.length);
        paintSigned(canvas, chosen().shape, along, most, maps.sign);
        const error = answer.errors ? ` (${bound(answer.errors.values[k])})` : "";
        note.textContent = there ? `${percent(answer.values[k] / answer.trace)} of variance${error}` : "none";
      });
      if (tiles[state.direction].input.disabled) { state.direction = 0; tiles[0].input.checked = true; }
      step();
    },
  };
}
