"use strict";

/** Everything that shows answers: asked(settings) when one is awaited, answered(answer) when it comes. */
function results(maps, state, chosen, trials) {
  const walk = traversal(maps, state, chosen);
  $("draw").addEventListener("click", () => { trials.add(1); drawn(); });
  $("draw-many").addEventListener("click", () => { trials.add(100); drawn(); });

  function drawn() {
    const { shape } = chosen();
    paintImage($("one"), shape, trials.latest);
    paintImage($("average"), shape, trials.average);
    const draws = trials.count === 1 ? "1 draw" : `${number(trials.count)} draws`;
    $("average-note").textContent = draws;
    const known = state.latest && state.latest.errors;
    if (!known) { $("trial").textContent = "…"; return; }
    const { found, predicted } = trials.against(state.latest);
    $("trial").textContent =
      `The average of ${draws} is ${percent(found)} off the mean image; on average it is ${percent(predicted)} (root mean square).`;
  }

  function numbers(answer) {
    const known = Boolean(answer.errors), { mean, variance, trace, forMean, forCovariance } = answer;
    const deviation = Math.sqrt(trace / mean.length), how = route(answer);
    $("n-mean").textContent = known ? number(forMean.n) : "…";
    $("n-mean-error").textContent = known ? `${how}, ${bound(forMean.error)}` : "";
    $("n-covariance").textContent = forCovariance ? number(forCovariance.n) : "…";
    $("n-covariance-error").textContent =
      forCovariance ? (trace > 0 ? `quasi-Monte Carlo, ${bound(forCovariance.error)}` : "exact") : "";
    $("deviation").textContent = known ? number(deviation) : "…";
    $("deviation-error").textContent = known ? `${how}, ${bound(answer.errors.variance / 2)}` : "";
    $("mean-note").textContent = known ? `${bound(answer.errors.mean)}, in norm` : "";
    const largest = Math.sqrt(variance.reduce((x, y) => Math.max(x, y), 0));
    $("std-note").textContent = known ? `0 to ${number(largest)}; variances ${bound(answer.errors.variance)}` : "";
    const busy = !answer.final || !forCovariance;
    $("status").textContent = known
      ? `${how}: mean ${bound(answer.errors.mean)}, variances ${bound(answer.errors.variance)}.` + (busy ? " Refining …" : "")
      : "Computing …";
    document.body.classList.toggle("busy", !known);
  }

  return {
    asked(settings) {
      const { shape, values } = chosen();
      paintImage($("original"), shape, values);
      drawn();
      $("original-note").textContent = `${chosen().name}, ${shape.channels} × ${shape.height} × ${shape.width}`;
      $("code-augmoments").textContent = augmomentsCode(settings);
      $("code-torchvision").textContent = torchvisionCode(settings, shape);
      $("differences").replaceChildren(...differences(settings).map((text) => element("li", {}, text)));
      document.body.classList.add("busy");
    },
    answered(answer) {
      const { shape } = chosen(), std = deviations(answer.variance, shape);
      paintImage($("mean"), shape, answer.mean);
      paintSize($("std"), shape, std, std.reduce((x, y) => Math.max(x, y), 0), maps.size);
      numbers(answer);
      walk.answered(answer);
      spectrumChart($("spectrum"), answer.values, answer.errors && answer.errors.values, answer.trace);
      drawn();
    },
  };
}
