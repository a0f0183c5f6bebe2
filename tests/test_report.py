import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import torch

import augmoments as am
from augmoments.errors import InputError, OutputError
from augmoments.reporting import Options, Request, Subject, quantify, report, to_json, write
from augmoments.reporting.judges import with_ridge, with_ridge_if_quick
from augmoments.reporting.observed import observed_errors
from augmoments.reporting.page import count, number, percent, render
from augmoments.reporting.results import Results
from augmoments.reporting.task import spread

POLICY = am.Compose(
    [
        am.RandomTranslation(x=(-1, 1), y=(-1, 1)),
        am.RandomHorizontalFlip(),
        am.ColorJitter(brightness=0.3, clamp=False),
    ]
)
SECTIONS = ("asked", "images", "spectrum", "samples", "loss", "alignment", "obtained", "reproduce")
HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"


@pytest.fixture(scope="module")
def results() -> Results:
    """Gray images with a model and hostile names, and a photo in colour."""
    digits = am.data.load("digits")
    classes = (HOSTILE, "a $_{tex}$ & \u202e name", *"23456789")
    subject = with_ridge(replace(digits, name=HOSTILE, classes=classes), POLICY)
    skipped = (am.data.Skipped(HOSTILE, "is <b>bad</b>"),)
    photo = replace(am.data.load("photo:cat", size=16), skipped=skipped)
    return quantify(
        Request(
            (subject, Subject(photo, None, HOSTILE)),
            POLICY,
            Options(limit=12),
            command=f"augmoments quantify --images '{HOSTILE}'",
            config={"images": HOSTILE},
            warnings=(HOSTILE,),
        )
    )


@pytest.fixture(scope="module")
def files(results, tmp_path_factory):
    return write(results, tmp_path_factory.mktemp("report") / "deep")


class TestResults:
    def test_json_says_what_the_library_says(self, results, files):
        found = json.loads(files.json.read_text())
        assert found["schema"] == "augmoments.results/1"
        gray, photo = found["subjects"]
        images, _ = am.data.digits()
        chosen = images[gray["used"]]
        moments = am.moments(chosen, POLICY, tol=1e-2)
        trace = moments.covariance.trace().double()
        assert gray["moments"]["total_variance"] == pytest.approx(trace.tolist())
        values = moments.covariance.eigh(16).values[0].tolist()
        assert gray["pictures"][0]["eigenvalues"] == pytest.approx(values, rel=1e-4)
        assert [size["of"] for size in gray["samples"]] == ["mean", "covariance", "loss"]
        assert [size["of"] for size in photo["samples"]] == ["mean", "covariance"]
        terms = (np.asarray(gray["loss"][key]) for key in ("at_mean", "regularizer", "residual"))
        assert sum(terms) == pytest.approx(gray["loss"]["value"])
        assert photo["loss"] is None
        drawn = {"image", "draws", "mean", "std", "eigen_images", "saliency"}
        assert not drawn & set(gray["pictures"][0])

    def test_predicted_errors_are_observed(self, results):
        for subject in results.subjects:
            for curve in subject.curves:
                ratio = np.asarray(curve.observed) / np.asarray(curve.predicted)
                assert np.exp(np.log(ratio).mean()) == pytest.approx(1, abs=0.2)

    def test_every_number_says_how_it_was_obtained(self, results):
        names = {how.quantity for how in results.subjects[0].obtained}
        assert {"mean", "covariance", "draws for the loss", "expected loss"} <= names
        for how in results.subjects[0].obtained:
            assert how.error is None or how.error >= 0

    def test_a_verdict_of_three_sentences_with_numbers(self, results):
        assert len(results.verdict) == 3
        assert all(re.search(r"\d", sentence) for sentence in results.verdict)

    def test_what_is_not_finite_becomes_null(self, results):
        changed = replace(results, seconds=float("inf"))
        assert json.loads(to_json(changed))["seconds"] is None


class TestObserved:
    def test_errors_are_those_of_dense_matrices(self):
        image = am.data.photo("camera", size=5)[0].double()
        policy = am.RandomTranslation(x=(-1, 1), y=(-2, 2))
        m = am.moments(image[None], policy)
        counts, repetitions, found = observed_errors(
            image, policy, m.mean[0], m.covariance, lambda x: x.flatten(1).sum(1), 2.0, 7, _ignore
        )
        generator = torch.Generator().manual_seed(7)
        squares = {"mean": [], "covariance": [], "loss": []}
        for _ in range(repetitions):
            draws = policy(image.expand(counts[-1], *image.shape), generator=generator)
            rows = draws[: counts[2]].flatten(1)
            mean, V = m.mean[0].flatten(), m.covariance.dense()[0]
            squares["mean"].append((rows.mean(0) - mean).square().sum() / mean.square().sum())
            squares["covariance"].append((rows.T.cov() - V).square().sum() / V.square().sum())
            squares["loss"].append((rows.sum(1).mean() / 2 - 1) ** 2)
        for name, values in squares.items():
            wanted = float(torch.stack(values).mean().sqrt())
            assert found[name][2] == pytest.approx(wanted, rel=1e-4)


def _ignore(done, total):
    pass


class _Page(HTMLParser):
    """Tags with their attributes, and whether every one is closed."""

    VOID = ("meta", "link", "img", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.seen = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


class TestPage:
    def test_self_contained_and_small(self, files):
        text = files.html.read_text()
        assert len(text) < 2_000_000
        page = _Page(text)
        assert not page.open
        for tag, attributes in page.seen:
            assert tag not in ("script", "iframe", "object", "embed", "base")
            assert not any(name.startswith("on") for name in attributes)
            for name in ("src", "href", "xlink:href"):
                assert attributes.get(name, "#").startswith(("#", "data:"))

    def test_ids_are_unique(self, files):
        ids = [a["id"] for _, a in _Page(files.html.read_text()).seen if "id" in a]
        assert len(ids) == len(set(ids))

    def test_rendering_is_deterministic(self, results):
        assert render(results) == render(results)

    @pytest.mark.parametrize("value", [0.0, 1e-12, -3.2e-7, 0.5, -12.25, 123456.0, float("nan")])
    def test_numbers_are_short(self, value):
        assert len(number(value)) <= 9

    def test_shares_and_counts(self):
        assert [percent(v) for v in (0.5, 0.012, 1e-7, 0.0)] == ["50%", "1.2%", "< 0.01%", "0%"]
        assert [count(v) for v in (1234.0, float("inf"))] == ["1,234", "∞"]


class TestFromPython:
    def test_in_one_call(self, tmp_path):
        model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3)).eval()
        images, targets = torch.rand(3, 1, 4, 4), torch.tensor([0, 2, 1])
        policy = am.RandomHorizontalFlip()
        done = report(images, policy, tmp_path / "r", model=model, targets=targets)
        assert done.html.stat().st_size > 10_000
        (subject,) = done.results.subjects
        found = am.expected_loss(model, "cross_entropy", images, targets, policy)
        assert subject.loss.value == pytest.approx(found.value.tolist())
        assert done.results.policy == ["RandomHorizontalFlip"]

    def test_a_policy_of_ones_own_is_shown_as_it_spells_itself(self, tmp_path):
        class Mine(am.RandomHorizontalFlip):
            pass

        done = report(torch.rand(1, 1, 4, 4), Mine(), tmp_path)
        assert "Mine" in done.results.policy[0]

    def test_images_that_nothing_moves(self, tmp_path):
        done = report(torch.zeros(2, 1, 4, 4), am.RandomHorizontalFlip(), tmp_path)
        assert done.results.subjects[0].moments.total_variance == [0.0, 0.0]

    def test_a_pipeline_that_changes_size_and_channels(self, tmp_path):
        transforms = pytest.importorskip("torchvision.transforms.v2")
        pipeline = transforms.Compose([transforms.Grayscale(1), transforms.RandomCrop((4, 6))])
        model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(24, 3)).eval()
        images, targets = torch.rand(3, 3, 5, 7), torch.tensor([0, 2, 1])
        done = report(images, pipeline, tmp_path, model=model, targets=targets)
        (subject,) = done.results.subjects
        assert (subject.shape, subject.output_shape) == ((3, 5, 7), (1, 4, 6))
        picture = subject.pictures[0]
        assert (picture.image.shape, picture.mean.shape) == ((3, 5, 7), (1, 4, 6))
        assert picture.saliency.shape == (1, 4, 6)
        assert subject.loss.unaugmented is None
        assert subject.loss.accuracy is None
        found = am.expected_loss(model, "cross_entropy", images, targets, pipeline)
        assert subject.loss.value == pytest.approx(found.value.tolist())
        text = done.html.read_text()
        assert "3 × 5 × 7 (channels × height × width), augmented to 1 × 4 × 6" in text
        assert "on the images themselves" not in text
        sizes = [(a["width"], a["height"]) for tag, a in _Page(text).seen if tag == "img"]
        assert sizes.count(("7", "5")) == 3
        assert sizes.count(("6", "4")) == len(sizes) - 3
        assert json.loads(done.json.read_text())["subjects"][0]["output_shape"] == [1, 4, 6]

    @pytest.mark.parametrize("clip", [False, True])
    def test_noise(self, tmp_path, clip):
        policy = am.Compose([am.RandomTranslation(x=(-1, 1)), am.GaussianNoise(0, 0.1, clip=clip)])
        images = torch.rand(2, 1, 6, 6, dtype=torch.float64)
        done = report(images, policy, tmp_path)
        (subject,) = done.results.subjects
        dense = am.moments(images, policy, tol=1e-2).covariance.dense()
        shares = torch.linalg.eigvalsh(dense).flip(1).cumsum(1)
        needed = ((shares < 0.9 * shares[:, -1:]).sum(1) + 1).tolist()
        assert [picture.directions_for_90 for picture in subject.pictures] == needed
        for curve in subject.curves:
            ratio = np.asarray(curve.observed) / np.asarray(curve.predicted)
            assert np.exp(np.log(ratio).mean()) == pytest.approx(1, abs=0.2)

    def test_a_spectrum_that_is_too_costly_is_left_out(self, tmp_path, monkeypatch):
        monkeypatch.setattr("augmoments.reporting.pictures._MOST_VALUES", 10)
        policy = am.GaussianNoise(0, 0.1)
        done = report(torch.rand(1, 1, 4, 4), policy, tmp_path)
        assert done.results.subjects[0].pictures[0].directions_for_90 is None
        assert "more than are shown" in done.html.read_text()
        assert "lies in more than can be shown of 16 directions" in done.results.verdict[0]

    def test_targets_of_a_wrong_length(self, tmp_path):
        with pytest.raises(InputError, match="for 2 images"):
            report(
                torch.rand(2, 1, 4, 4),
                am.RandomHorizontalFlip(),
                tmp_path,
                targets=torch.tensor([1]),
            )

    def test_a_file_in_the_way(self, tmp_path):
        (tmp_path / "x").write_text("")
        with pytest.raises(OutputError, match="cannot be written"):
            report(torch.rand(1, 1, 4, 4), am.RandomHorizontalFlip(), tmp_path / "x")

    def test_what_is_there_stays_when_writing_fails(self, results, files, monkeypatch):
        before = files.html.read_text()

        def full(source, target):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.replace", full)
        with pytest.raises(OutputError, match="No space left on device"):
            write(results, files.html.parent)
        assert files.html.read_text() == before
        assert sorted(p.name for p in files.html.parent.iterdir()) == [
            "report.html",
            "results.json",
        ]

    def test_why_there_is_no_quick_classifier(self):
        digits = am.data.load("digits")
        clamped = am.ColorJitter(brightness=0.2)
        large = replace(digits, images=torch.zeros(1, 1, 60, 60), labels=torch.zeros(1).long())
        two = replace(large, images=torch.zeros(2, 1, 60, 60), labels=torch.arange(2))
        heavy = am.Compose([am.RandomCrop(2), clamped, am.RandomErasing(1.0, value="random")])
        few = replace(two, labels=torch.arange(2), images=torch.zeros(2, 1, 200, 200))
        for dataset, policy, reason in (
            (replace(digits, labels=None), POLICY, "no labels"),
            (large, POLICY, "one class"),
            (two, POLICY, "too large"),
            (few, heavy, "image by image"),
        ):
            assert reason in with_ridge_if_quick(dataset, policy).no_judge_because

    def test_a_classifier_by_nodes_is_fitted_to_some_of_the_images(self):
        digits = am.data.load("digits")
        policy = am.Compose([am.RandomCrop(6), am.ColorJitter(0.2, 0.2)])
        judge = with_ridge_if_quick(digits, policy).judge
        assert "versions of 256 images" in judge.name
        cropped = am.CenterCrop(6)(digits.images)
        assert (judge.model(cropped).argmax(1) == judge.targets).double().mean() > 0.7


def test_spread_keeps_the_ends_of_small_sets():
    assert spread(3, 5).tolist() == [0, 1, 2]
    assert len(set(spread(1000, 64).tolist())) == 64


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    options = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(options))
        yield browser
        browser.close()


class TestInABrowser:
    @pytest.fixture
    def visit(self, browser, files):
        """Opens the report; errors and requests to anywhere end up in lists."""
        pages = []

        def visit(width=1200, scheme="light"):
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            pages.append(page)
            page.heard, page.asked = [], []
            page.on("console", lambda message: page.heard.append(message.text))
            page.on("pageerror", lambda error: page.heard.append(str(error)))
            page.on("dialog", lambda dialog: page.heard.append(dialog.message))
            page.on("request", lambda request: page.asked.append(request.url))
            page.goto(files.html.as_uri())
            return page

        yield visit
        for page in pages:
            page.close()

    def test_opens_without_errors_or_requests(self, visit, files):
        page = visit()
        assert page.heard == []
        assert [url for url in page.asked if not url.startswith("data:")] == [files.html.as_uri()]
        assert page.evaluate("window.hacked") is None

    def test_all_sections_and_pictures_are_there(self, visit):
        page = visit()
        for section in SECTIONS:
            assert page.locator(f"section#{section} h2").count() == 1
        assert page.locator("#verdict p").count() == 3
        assert page.locator("#warnings li").count() == 2
        loaded = "images => images.every(i => i.complete && i.naturalWidth > 0)"
        assert page.locator("img").evaluate_all(loaded)
        assert page.locator("#images img").count() == 3 * 10 + 9
        assert page.locator("figure svg").count() == 2 + 2 + 1 + 2 + 2
        assert HOSTILE in page.locator("#asked").inner_text()

    def test_links_lead_somewhere(self, visit):
        page = visit()
        targets = page.locator("nav a").evaluate_all("links => links.map(a => a.hash)")
        assert targets == [f"#{section}" for section in SECTIONS]

    @pytest.mark.parametrize("width", [320, 390, 768, 1200])
    def test_nothing_overflows(self, visit, width):
        page = visit(width)
        assert page.evaluate("document.documentElement.scrollWidth") == width

    def test_charts_are_readable_on_a_phone(self, visit):
        page = visit(390)
        sizes = page.locator("figure svg text").evaluate_all(
            "texts => texts.map(t => t.getBoundingClientRect().height)"
        )
        assert min(sizes) > 8

    def test_light_and_dark(self, visit):
        found = {}
        for scheme in ("light", "dark"):
            page = visit(scheme=scheme)
            found[scheme] = page.evaluate(
                """() => {
                    const of = (e, p) => getComputedStyle(e)[p].match(/\\d+/g).map(Number);
                    const text = document.querySelector('figure svg text');
                    const marks = [...document.querySelectorAll('#spectrum path')];
                    const line = marks.find(p => p.style.stroke.includes('--series-1'));
                    return {page: of(document.body, 'backgroundColor'),
                            ink: of(document.body, 'color'), text: of(text, 'fill'),
                            line: of(line, 'stroke')};
                }"""
            )
        for scheme, colors in found.items():
            assert (sum(colors["page"]) > 384) == (scheme == "light")
            for name in ("ink", "text"):
                assert _contrast(colors[name], colors["page"]) > 7
            assert _contrast(colors["line"], colors["page"]) > 3


def _contrast(one, other):
    """The contrast ratio of WCAG."""

    def luminance(color):
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in color]
        return sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    pair = sorted(luminance([v / 255 for v in color[:3]]) for color in (one, other))
    return (pair[1] + 0.05) / (pair[0] + 0.05)
