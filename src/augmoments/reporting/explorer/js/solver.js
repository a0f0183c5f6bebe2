"use strict";

/** Runs the latest question in slices, so that a newer one can stop it. */
class Solver {
  #asked = 0;

  /** Calls tell(result) for every result about {image, shape, settings}. */
  async solve({ image, shape, settings }, tell) {
    const asked = ++this.#asked;
    let rested = performance.now();
    for (const result of moments(image, shape, settings)) {
      if (result) {
        const { blocks, ...answer } = result;
        tell(answer);
      }
      if (performance.now() - rested > SLICE) {
        await new Promise((resume) => { turn(resume); });
        if (asked !== this.#asked) return;
        rested = performance.now();
      }
    }
  }
}

const SLICE = 12;

/** Calls back after messages that wait, without the delay of timers. */
function turn(resume) {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => { port1.close(); resume(); };
  port2.postMessage(null);
}
