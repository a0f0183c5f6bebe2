"use strict";

/** Draws of the policy that are averaged, to hold what is predicted against what is found. */
class Trials {
  constructor() {
    this.random = generator(Date.now());
    this.count = 0;
  }

  /** Begins anew with another image or policy. */
  restart({ image, shape, settings }) {
    Object.assign(this, { image, steps: policy(settings, shape), count: 0, latest: image });
    this.sum = new Float64Array(image.length);
  }

  /** Makes `count` more draws. */
  add(count) {
    for (let i = 0; i < count; i++) {
      this.latest = draw(this.image, this.steps, this.random);
      addScaled(1, this.latest, 0, this.sum, 0, this.sum.length);
    }
    this.count += count;
  }

  get average() {
    return this.sum.map((value) => value / this.count);
  }

  /** The average's relative distance to the mean, and what sqrt(tr V / n) / |mu| predicts. */
  against({ mean, trace }) {
    const size = Math.sqrt(dot(mean));
    return {
      found: over(distance(this.average, mean), size),
      predicted: over(Math.sqrt(trace / this.count), size),
    };
  }
}
