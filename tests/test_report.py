import csv
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import augmoments as am
from augmoments.errors import InputError, OutputError
from augmoments.reporting import Options, Request, Subject, quantify, report, to_json, write
from augmoments.reporting.judges import with_ridge, with_ridge_if_quick
from augmoments.reporting.observed import observed_errors
from augmoments.reporting.page import render
from augmoments.reporting.results import EveryImage, Results
from augmoments.reporting.schema import json_schema, model
from augmoments.reporting.task import spread
from augmoments.reporting.words import count, number, percent

POLICY = am.Compose(
    [
        am.RandomTranslation(x=(-1, 1), y=(-1, 1)),
        am.RandomHorizontalFlip(),
        am.ColorJitter(brightness=0.3, clamp=False),
    ]
)
SECTIONS = (
    *("policy", "moments", "spectrum", "samples", "loss", "saliency", "images", "warnings"),
    "reproduce",
)
DOCS = Path(__file__).parents[1] / "docs"
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
        drawn = {"image", "sampled", "mean", "std", "eigen_images", "saliency"}
        assert not drawn & set(gray["pictures"][0])

    def test_json_follows_the_schema(self, files):
        text = files.json.read_text()
        model(Results).model_validate_json(text)
        changed = json.loads(text)
        del changed["subjects"][0]["moments"]["tol"]
        changed["subjects"][0]["samples"][0]["n"] = "many"
        changed["subjects"][1]["unheard"] = 1
        with pytest.raises(ValidationError) as found:
            model(Results).model_validate_json(json.dumps(changed))
        assert found.value.error_count() == 3

    def test_the_schema_and_its_page_are_those_of_the_code(self):
        kept = json.loads((DOCS / "_static" / "results.schema.json").read_text())
        assert kept == json_schema()
        page = (DOCS / "results.md").read_text()
        for found in (kept, *kept["$defs"].values()):
            assert f"## {found['title']}\n" in page
            for key, value in found["properties"].items():
                assert value["description"]
                assert f"| `{key}` |" in page

    def test_csv_has_a_row_an_image(self, results, files):
        with files.csv.open() as file:
            found = list(csv.DictReader(file))
        gray, photo = results.subjects
        assert [row["subject"] for row in found] == [gray.name] * 12 + [photo.name]
        assert [int(row["image"]) for row in found] == [*gray.used, *photo.used]
        assert found[0]["label"] == gray.classes[gray.labels[0]] == HOSTILE
        assert [float(row["expected_loss"]) for row in found[:12]] == gray.loss.value
        assert [float(row["draws_covariance"]) for row in found[:12]] == gray.samples[1].n
        assert found[12]["expected_loss"] == found[12]["label"] == ""
        for row in found:
            for name in ("mean", "variance", "draws", "draws_covariance"):
                assert float(row[f"{name}_error"]) >= 0

    def test_the_walk_ends_in_the_draws_of_the_policy(self, results):
        for subject in results.subjects:
            image = torch.from_numpy(subject.pictures[0].image).float()
            generator = torch.Generator().manual_seed(0)
            draws = POLICY(image.expand(8, *image.shape), generator=generator)
            assert len(subject.walk) == 3
            assert subject.walk[-1] == pytest.approx(draws.numpy(), abs=1e-6)

    def test_sampled_means_are_as_far_off_as_predicted(self, results):
        """In units of their root mean square, whose law has no tail to speak of beyond 3."""
        for subject in results.subjects:
            for picture in subject.pictures:
                gap = np.linalg.norm(picture.sampled - picture.mean) / np.linalg.norm(picture.mean)
                assert picture.sampled_difference == pytest.approx(gap)
                assert 0.2 < picture.sampled_difference / picture.sampled_predicted < 3

    def test_predicted_errors_are_observed(self, results):
        for subject in results.subjects:
            for curve in subject.curves:
                ratio = np.asarray(curve.observed) / np.asarray(curve.predicted)
                assert np.exp(np.log(ratio).mean()) == pytest.approx(1, abs=0.2)
                assert (np.asarray(curve.low) <= curve.observed).all()
                assert (np.asarray(curve.observed) <= curve.high).all()

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
        found = observed_errors(
            image, policy, m.mean[0], m.covariance, lambda x: x.flatten(1).sum(1), 2.0, 7, _ignore
        )
        generator = torch.Generator().manual_seed(7)
        squares = {"mean": [], "covariance": [], "loss": []}
        for _ in range(found.repetitions):
            draws = policy(image.expand(found.n[-1], *image.shape), generator=generator)
            rows = draws[: found.n[2]].flatten(1)
            mean, V = m.mean[0].flatten(), m.covariance.dense()[0]
            squares["mean"].append((rows.mean(0) - mean).square().sum() / mean.square().sum())
            squares["covariance"].append((rows.T.cov() - V).square().sum() / V.square().sum())
            squares["loss"].append((rows.sum(1).mean() / 2 - 1) ** 2)
        for name, values in squares.items():
            errors = torch.stack(values).sqrt().float()
            at = found.of(name, len(found.n) - 2)
            wanted = float(errors.square().mean().sqrt())
            assert at["observed"][0] == pytest.approx(wanted, rel=1e-4)
            assert at["low"][0] == pytest.approx(float(errors.quantile(0.05)), rel=1e-3)
            assert at["high"][0] == pytest.approx(float(errors.quantile(0.95)), rel=1e-3)


def _ignore(done, total):
    pass


class _Page(HTMLParser):
    """Tags with their attributes, and whether every one is closed."""

    VOID = ("meta", "link", "img", "br", "input")

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
            assert tag not in ("iframe", "object", "embed", "base")
            assert not any(name.startswith("on") for name in attributes)
            for name in ("src", "href", "xlink:href"):
                assert attributes.get(name, "#").startswith(("#", "data:"))
        scripts = [attributes for tag, attributes in page.seen if tag == "script"]
        assert scripts == [
            {"type": "application/json", "id": "s0-rows"},
            {"type": "application/json", "id": "s1-rows"},
            {},
        ]

    def test_small_however_many_and_large_the_images_are(self, results):
        """Noise, which no format compresses, in a policy of ten steps."""
        many = _with_images(results, 60_000)
        random, gray = np.random.default_rng(0), many.subjects[0]

        def noise(values):
            return random.random((*values.shape[:-3], 3, 224, 224))

        arrays = ("image", "sampled", "mean", "std", "eigen_images", "saliency")
        pictures = [
            replace(picture, **{name: noise(getattr(picture, name)) for name in arrays})
            for picture in gray.pictures
        ]
        small = {index: random.random((3, 32, 32)) for index in gray.thumbnails}
        walk = [random.random((8, 3, 224, 224))] * 10
        large = replace(gray, pictures=pictures, thumbnails=small, walk=walk)
        text = render(replace(many, subjects=[large]))
        assert len(text.encode()) < 5_000_000
        assert "20,000 of 60,000 images" in text

    def test_ids_are_unique(self, files):
        ids = [a["id"] for _, a in _Page(files.html.read_text()).seen if "id" in a]
        assert len(ids) == len(set(ids))

    def test_rendering_is_deterministic(self, results, files):
        assert render(results) == files.html.read_text()

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
        assert sizes.count(("6", "4")) == 3 * (4 + 4 + 6)
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
            "images.csv",
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

        def visit(width=1200, scheme="light", path=files.html, **options):
            page = browser.new_page(
                viewport={"width": width, "height": 900}, color_scheme=scheme, **options
            )
            pages.append(page)
            page.heard, page.asked = [], []
            page.on("console", lambda message: page.heard.append(message.text))
            page.on("pageerror", lambda error: page.heard.append(str(error)))
            page.on("dialog", lambda dialog: page.heard.append(dialog.message))
            page.on("request", lambda request: page.asked.append(request.url))
            page.goto(path.as_uri())
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
        assert page.locator("#verdict li").count() == 3
        assert page.locator("#warnings .alerts li").count() == 2
        loaded = "images => images.every(i => i.complete && i.naturalWidth > 0)"
        assert page.locator("img").evaluate_all(loaded)
        assert page.locator("#policy img").count() == 2 * 4
        assert page.locator("#moments img").count() == 4 * 5
        assert page.locator("#spectrum img").count() == 4 * 8
        assert page.locator("#saliency img").count() == 3 * 6
        assert page.locator("figure svg").count() == 2 + 2 + 1 + 2 + 2
        assert HOSTILE in page.locator("#reproduce").inner_text()
        assert HOSTILE in page.locator("#images").inner_text()

    def test_the_table_sorts_by_keyboard(self, visit, results):
        page = visit()
        table = page.locator("#images .sorted table").first
        head = table.locator("th", has_text="expected loss")
        head.locator("button").focus()
        found = []
        for _ in range(2):
            page.keyboard.press("Enter")
            texts = table.locator("tbody th").all_inner_texts()
            found.append((head.get_attribute("aria-sort"), [int(text) for text in texts]))
        subject = results.subjects[0]
        order = [subject.used[i] for i in np.argsort(subject.loss.value, kind="stable")]
        assert found == [("descending", order[::-1]), ("ascending", order)]
        assert table.locator("th[aria-sort]").count() == 1
        page.keyboard.press("Shift+Tab")
        assert page.evaluate("document.activeElement.textContent") == "draws, loss"

    def test_pages_of_many_images(self, visit, results, tmp_path):
        path = tmp_path / "many.html"
        path.write_text(render(_with_images(results, 10_000)))
        assert path.stat().st_size < 2_500_000
        page = visit(path=path)
        status = page.locator("#images .pager [role=status]").first
        table = page.locator("#images .sorted table").first
        assert status.inner_text() == "1–25 of 10,000"
        page.locator("#images .pager button", has_text="Next").first.press("Enter")
        assert status.inner_text() == "26–50 of 10,000"
        table.locator("th", has_text="draws, mean").locator("button").press("Enter")
        assert status.inner_text() == "1–25 of 10,000"
        assert table.locator("tbody th").first.inner_text() == "9999"
        assert page.heard == []

    def test_walks_along_the_directions(self, visit):
        page = visit(reduced_motion="reduce")
        frame = page.locator("#s0-walk-0 .frame img").first
        where = "i => new DOMMatrix(getComputedStyle(i).transform).e / i.offsetWidth"
        assert frame.evaluate(where) == pytest.approx(-8 / 9, abs=1e-2)
        slider = page.locator("#s0-walk-0-at")
        for _ in range(4):
            slider.press("ArrowLeft")
        assert frame.evaluate(where) == pytest.approx(-4 / 9, abs=1e-2)
        assert slider.get_attribute("aria-valuetext") == "mean"
        assert not page.locator(".walker button").first.is_visible()
        moving = visit()
        moving.locator(".walker button").first.press("Enter")
        moving.wait_for_timeout(1000)
        assert int(moving.locator(".walker input").first.input_value()) < 8

    def test_says_much_without_scripts(self, visit):
        page = visit(java_script_enabled=False)
        assert page.locator("#images noscript table").first.is_visible()
        assert not page.locator("#images .sorted").first.is_visible()
        assert not page.locator(".walker").first.is_visible()

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    @pytest.mark.parametrize("width", [390, 1200])
    def test_nothing_that_axe_calls_serious(self, visit, scheme, width):
        axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
        violations = axe.run(visit(width, scheme)).response["violations"]
        worst = [v for v in violations if v["impact"] in ("serious", "critical")]
        assert [(v["id"], [n["html"][:120] for n in v["nodes"][:3]]) for v in worst] == []

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


def _with_images(results, count):
    """The same, with numbers of so many images."""
    images = list(range(count))
    numbers = [i + 1 / 3 for i in images]
    many = EveryImage(
        used=images,
        **dict.fromkeys(("norm_of_mean", "total_variance", "draws"), numbers),
        **dict.fromkeys(("mean_error", "variance_error", "draws_error"), [0.01] * count),
        **{"rel_error": 0.01, "converged": True, "tol": 0.2, "method": "cubature"},
        **{"nodes": 64, "seconds": 1.0},
    )
    gray, photo = results.subjects
    thumbnail = next(iter(gray.thumbnails.values()))
    more = {**gray.thumbnails, **dict.fromkeys(images[-6:], thumbnail)}
    gray = replace(gray, every=many, available=count, thumbnails=more)
    return replace(results, subjects=[gray, photo])


def _contrast(one, other):
    """The contrast ratio of WCAG."""

    def luminance(color):
        linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in color]
        return sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    pair = sorted(luminance([v / 255 for v in color[:3]]) for color in (one, other))
    return (pair[1] + 0.05) / (pair[0] + 0.05)
