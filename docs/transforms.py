"""How the moments of every transform of a library are found: the tables of the libraries' pages.

python docs/transforms.py           write them

The code in the tables is what is read. It stands for images of 3 x 24 x 24.
"""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import augmoments as am
from augmoments.calculus.plan import Plan
from augmoments.calculus.routes import routes

HERE = Path(__file__).parent
SHAPE = (3, 24, 24)
WORDS = {
    "exact": "exact",
    "cubature": "nodes",
    "quasi-monte-carlo": "Sobol points",
    "monte-carlo": "sampled",
}
HEAD = "| transform | route | mean | covariance |\n| --- | --- | --- | --- |"
CODE = {
    "torchvision": """
        T.RandomHorizontalFlip()
        T.RandomVerticalFlip()
        T.RandomRotation(15)
        T.RandomRotation(15, T.InterpolationMode.BILINEAR)
        T.RandomAffine(0, translate=(0.1, 0.1))
        T.RandomAffine(15)
        T.RandomAffine(15, translate=(0.1, 0.1), scale=(0.9, 1.1), shear=10)
        T.RandomPerspective()
        T.ElasticTransform(sigma=2.0)
        T.RandomCrop(24, padding=4)
        T.RandomResizedCrop(24)
        T.CenterCrop(20)
        T.Pad(2)
        T.Resize(12)
        T.ColorJitter(brightness=0.4)
        T.ColorJitter(contrast=0.4)
        T.ColorJitter(hue=0.1)
        T.ColorJitter(0.4, 0.4, 0.4, 0.1)
        T.RandomPhotometricDistort()
        T.RandomChannelPermutation()
        T.Grayscale(3)
        T.RandomGrayscale()
        T.RandomInvert()
        T.RandomSolarize(0.5)
        T.RandomPosterize(4)
        T.RandomAutocontrast()
        T.RandomEqualize()
        T.RandomAdjustSharpness(2)
        T.GaussianBlur(5)
        T.GaussianNoise()
        T.GaussianNoise(clip=False)
        T.RandomErasing()
        T.RandomErasing(value="random")
        T.RandAugment()
        T.TrivialAugmentWide()
        T.AutoAugment()
        T.AugMix()
        T.Normalize([0.5] * 3, [0.2] * 3)
    """,
    "kornia": """
        K.RandomHorizontalFlip()
        K.RandomVerticalFlip()
        K.RandomRotation(15.0)
        K.RandomRotation90((-1, 2))
        K.RandomTranslate((-0.1, 0.1), (-0.1, 0.1))
        K.RandomShear(10.0)
        K.RandomAffine(15.0)
        K.RandomAffine(15.0, translate=(0.1, 0.1), scale=(0.9, 1.1))
        K.RandomPerspective()
        K.RandomCrop((24, 24), padding=4)
        K.RandomResizedCrop((24, 24))
        K.CenterCrop((20, 20))
        K.Resize((12, 12))
        K.LongestMaxSize(12)
        K.SmallestMaxSize(12)
        K.RandomBrightness((0.6, 1.4))
        K.RandomBrightness((0.6, 1.4), clip_output=False)
        K.RandomContrast((0.6, 1.4))
        K.RandomSaturation((0.6, 1.4))
        K.RandomHue((-0.1, 0.1))
        K.RandomGamma((0.7, 1.4))
        K.ColorJitter(0.4, 0.4, 0.4, 0.1)
        K.ColorJiggle(0.4, 0.4, 0.4, 0.1)
        K.RandomChannelDropout()
        K.RandomChannelShuffle()
        K.RandomRGBShift()
        K.RandomGrayscale()
        K.RandomInvert()
        K.RandomSolarize()
        K.RandomPosterize()
        K.RandomAutoContrast()
        K.RandomEqualize()
        K.RandomSharpness()
        K.RandomGaussianBlur((5, 5), (0.1, 2.0))
        K.RandomGaussianNoise()
        K.RandomErasing()
        K.auto.AutoAugment()
        K.auto.RandAugment(1, 10)
        K.auto.TrivialAugment()
        K.Normalize(0.5, 0.2)
        K.Denormalize(0.5, 0.2)
    """,
    "albumentations": """
        A.HorizontalFlip()
        A.VerticalFlip()
        A.Transpose()
        A.RandomRotate90()
        A.D4()
        A.SquareSymmetry()
        A.Rotate(15)
        A.SafeRotate(15)
        A.Affine(rotate=(-15, 15))
        A.Affine(translate_px=(-2, 2))
        A.Affine(rotate=(-15, 15), translate_percent=(-0.1, 0.1), scale=(0.9, 1.1))
        A.Perspective()
        A.RandomCrop(20, 20)
        A.RandomResizedCrop((24, 24))
        A.RandomSizedCrop((16, 24), (24, 24))
        A.CenterCrop(20, 20)
        A.Crop(0, 0, 20, 20)
        A.Pad(2)
        A.PadIfNeeded(32, 32)
        A.Resize(12, 12)
        A.LongestMaxSize(12)
        A.SmallestMaxSize(12)
        A.ColorJitter()
        A.RandomBrightnessContrast()
        A.RandomGamma()
        A.RGBShift(r_shift_limit=0.1, g_shift_limit=0.1, b_shift_limit=0.1)
        A.ChannelDropout()
        A.ChannelShuffle()
        A.ToGray()
        A.InvertImg()
        A.Solarize(threshold_range=(0.5, 0.5))
        A.Posterize(4)
        A.Equalize()
        A.Blur(5)
        A.MedianBlur(5)
        A.MotionBlur(5)
        A.GaussianBlur((5, 5), (0.1, 2))
        A.GaussNoise()
        A.Erasing()
        A.CoarseDropout()
        A.Normalize()
    """,
}
REFUSED = {
    "torchvision": """
        T.FiveCrop(8)
        T.TenCrop(8)
        T.JPEG(50)
        T.Lambda(abs)
        T.RandomIoUCrop()
        T.RandomResize(8, 12)
        T.RandomShortestSize(8)
        T.RandomZoomOut()
        T.ScaleJitter((24, 24))
        T.ToPILImage()
        T.UniformTemporalSubsample(2)
        T.RandomRotation(15, expand=True)
    """,
    "kornia": """
        K.RandomMixUpV2()
        K.RandomCutMixV2(use_correct_lambda=True)
        K.RandomMosaic()
        K.RandomElasticTransform()
        K.RandomThinPlateSpline()
        K.RandomMotionBlur(3, 15.0, 0.5)
        K.RandomMedianBlur()
        K.RandomBoxBlur()
        K.RandomClahe()
        K.RandomPlanckianJitter()
    """,
    "albumentations": """
        A.ElasticTransform()
        A.GridDistortion()
        A.OpticalDistortion()
        A.RandomScale()
        A.RandomGridShuffle()
        A.CLAHE()
        A.HueSaturationValue()
        A.ISONoise()
        A.ImageCompression()
        A.Downscale()
        A.Sharpen()
        A.ToSepia()
        A.RandomRain()
        A.Compose([A.HorizontalFlip()], seed=0)
    """,
}


def codes(library: str, table: dict[str, str]) -> list[str]:
    """The lines of a library."""
    return [line.strip() for line in table[library].strip().splitlines()]


def row(code: str, built: Any) -> str:
    """A transform, its routes, and how mean and covariance are found."""
    policy = am.as_policy(built)
    plan = Plan.of(policy, SHAPE, 0, 4096, 2**28)
    found = dict.fromkeys(row.route for row in routes([policy], SHAPE, 0))
    cells = (f"`{code}`", ", ".join(found), WORDS[plan.mean_method], WORDS[plan.method])
    return f"| {' | '.join(cells)} |"


def reason(code: str, built: Any) -> str:
    """A transform that is refused, and why."""
    try:
        am.as_policy(built)
    except am.errors.PolicyError as error:
        text = re.sub(r"\s+", " ", str(error)).split(" is not understood: ")[-1]
        return f"| `{code}` | {text.split('. Instead, ')[0].split(', or as_policy')[0]} |"
    raise AssertionError(f"{code} is taken")


def tables(library: str) -> dict[str, str]:
    """What stands between the marks of a page."""
    build = runpy.run_path(str(HERE / "libraries.py"))["pipeline"]
    taken = [row(code, build(code)) for code in codes(library, CODE)]
    refused = [reason(code, build(code)) for code in codes(library, REFUSED)]
    return {
        "transforms": "\n".join([HEAD, *taken]),
        "refused": "\n".join(["| transform | because |\n| --- | --- |", *refused]),
    }


def written(page: str, name: str, text: str) -> str:
    """The page with ``text`` between its marks."""
    start, end = f"<!-- {name} -->\n", f"<!-- end: {name} -->"
    return f"{page.split(start)[0]}{start}\n{text}\n\n{page[page.index(end) :]}"


def main() -> None:
    for library in CODE:
        path = HERE / "libraries" / f"{library}.md"
        page = path.read_text()
        for name, text in tables(library).items():
            page = written(page, name, text)
        path.write_text(page)


if __name__ == "__main__":
    main()
