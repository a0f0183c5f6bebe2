"use strict";
// The policy that the settings describe, as Python.

const tidy = (value) => String(Number(value.toFixed(4)));
const between = (low, high) => `(${tidy(low)}, ${tidy(high)})`;

/** For augmoments: the policy whose moments the page shows. */
function augmomentsCode(s) {
  const shifts = [["x", s.shiftX], ["y", s.shiftY]].filter(([, most]) => most);
  const distances = shifts.map(([axis, most]) => `${axis}=${between(-most, most)}`).join(", ");
  return program("import augmoments as am", "policy = am.Compose", "am.RandomHorizontalFlip(0)", [
    s.brightness && `am.ColorJitter(brightness=${tidy(s.brightness)}, clamp=False)`,
    s.contrast && `am.ColorJitter(contrast=${tidy(s.contrast)}, clamp=False)`,
    s.blur && `am.GaussianBlur(5, sigma=${between(BLUR_FROM, s.blur)})`,
    s.rotation && `am.RandomRotation(${tidy(s.rotation)}, interpolation="bilinear")`,
    s.zoom && `am.RandomZoom(${between(1 - s.zoom, 1 + s.zoom)})`,
    s.shear && `am.RandomShear(x=${between(-s.shear, s.shear)})`,
    s.flipX && `am.RandomHorizontalFlip(${tidy(s.flipX)})`,
    s.flipY && `am.RandomVerticalFlip(${tidy(s.flipY)})`,
    distances && `am.RandomTranslation(${distances})`,
  ]);
}

/** For torchvision: the same steps, as near as it has them; see differences(). */
function torchvisionCode(s, { height, width }) {
  const warp = (what) => `v2.RandomAffine(0, ${what}, interpolation=bilinear, fill=None)`;
  const shares = `${tidy(s.shiftX)} / ${width}, ${tidy(s.shiftY)} / ${height}`;
  const resampled = s.rotation || s.zoom || s.shear;
  const imports = resampled
    ? "from torchvision.transforms import InterpolationMode, v2\n\nbilinear = InterpolationMode.BILINEAR"
    : "from torchvision.transforms import v2\n";
  return program(imports.trimEnd(), "pipeline = v2.Compose", "v2.Identity()", [
    s.brightness && `v2.ColorJitter(brightness=${tidy(s.brightness)})`,
    s.contrast && `v2.ColorJitter(contrast=${tidy(s.contrast)})`,
    s.blur && `v2.GaussianBlur(5, sigma=${between(BLUR_FROM, s.blur)})`,
    s.rotation && `v2.RandomRotation(${tidy(s.rotation)}, interpolation=bilinear, fill=None)`,
    s.zoom && warp(`scale=${between(1 - s.zoom, 1 + s.zoom)}`),
    s.shear && warp(`shear=${between(-s.shear, s.shear)}`),
    s.flipX && `v2.RandomHorizontalFlip(${tidy(s.flipX)})`,
    s.flipY && `v2.RandomVerticalFlip(${tidy(s.flipY)})`,
    (s.shiftX || s.shiftY) && `v2.RandomAffine(0, translate=(${shares}))`,
  ]);
}

/** What torchvision does otherwise, a sentence each. */
function differences(s) {
  return [
    (s.brightness || s.contrast) && "ColorJitter clamps to [0, 1]; the numbers here are without clamping.",
    (s.shiftX || s.shiftY) && "RandomAffine rounds shifts to whole pixels; here they are continuous.",
  ].filter(Boolean);
}

function program(imports, name, nothing, lines) {
  const steps = lines.filter(Boolean);
  if (!steps.length) return `${imports}\n\n${name.split(" ")[0]} = ${nothing}\n`;
  return `${imports}\n\n${name}([\n${steps.map((line) => `    ${line},\n`).join("")}])\n`;
}
