import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

import augmoments as am
from augmoments.cli import app
from augmoments.cli.failures import Exit
from augmoments.errors import InputError
from augmoments.reporting.explorer import Picture, embedded, explore, pictures_of
from augmoments.reporting.explorer.page import ENGINE, render, scripts

HOSTILE = "</script><script>window.hacked = 1</script><img src=x onerror='window.hacked = 1'>"
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run")
NAMES = [picture.name for picture in embedded()]
OWN, GRAY, COLOUR = 0, 1 + NAMES.index("face"), 1 + NAMES.index("cat")
SETTINGS = {
    "nothing": {},
    "shifts": {"shiftX": 2.5, "shiftY": 1},
    "far": {"shiftX": 8, "shiftY": 8},
    "colour": {"brightness": 0.3, "contrast": 0.5},
    "strong colour": {"brightness": 1, "contrast": 1},
    "blur": {"blur": 1.5},
    "mirrors": {"flipX": 0.5, "flipY": 0.2},
    "always": {"flipX": 1},
    "rotation": {"rotation": 15},
    "any angle": {"rotation": 180},
    "zoom": {"zoom": 0.3},
    "shear": {"shear": 30},
    "geometry": {"rotation": 15, "shear": 5, "shiftX": 2, "shiftY": 2},
    "everything": {
        **{"rotation": 10, "zoom": 0.1, "shear": 5, "shiftX": 1, "shiftY": 1, "flipX": 0.5},
        **{"flipY": 0.1, "brightness": 0.2, "contrast": 0.2, "blur": 0.8},
    },
}
ANSWER = """([settings, image]) => {
    explorer.change({...OFF, ...settings}, image);
    return explorer.settled().then((answer) => ({
        ...answer, mean: [...answer.mean], variance: [...answer.variance],
        values: [...answer.values], vectors: [...answer.vectors], changes: null,
        image: [...explorer.images[image].values], shape: explorer.images[image].shape,
        augmoments: $("code-augmoments").textContent,
        torchvision: $("code-torchvision").textContent,
    }));
}"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A page with an oblong image of a hostile name before the embedded ones."""
    own = am.data.load("photo:camera", size=(14, 18))
    return explore(tmp_path_factory.mktemp("explore") / "e.html", [replace(own, name=HOSTILE)])


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield browser
        browser.close()


def _open(browser, path, width=1280, scheme="light"):
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.heard, page.asked = [], []
    page.on("console", lambda message: page.heard.append(message.text))
    page.on("pageerror", lambda error: page.heard.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    page.goto(path.as_uri())
    page.evaluate("explorer.settled().then(() => 1)")
    return page


@pytest.fixture(scope="module")
def page(browser, path):
    page = _open(browser, path)
    yield page
    page.close()


def _run(code):
    scope = {}
    exec(code, scope)
    return scope


def _tensor(values):
    return torch.tensor(values, dtype=torch.float64)


class Both:
    """What the page says of an image, and what the library says of the policy that is copied."""

    def __init__(self, page, settings, image, tol=1e-3):
        self.page = page.evaluate(ANSWER, [settings, image])
        shape = [self.page["shape"][side] for side in ("channels", "height", "width")]
        self.image = torch.tensor(self.page["image"], dtype=torch.float64).reshape(1, *shape)
        self.policy = _run(self.page["augmoments"])["policy"]
        self.moments = am.moments(self.image, self.policy, tol)


class TestNumbers:
    """Against the library, whose numbers are held against other truths elsewhere."""

    @pytest.mark.parametrize(
        ("name", "image"),
        [
            *(
                (name, GRAY)
                for name in SETTINGS
                if name not in ("any angle", "geometry", "everything")
            ),
            *((name, OWN) for name in ("far", "any angle", "geometry")),
            pytest.param("everything", OWN, marks=pytest.mark.slow),
            *((name, COLOUR) for name in ("colour", "rotation", "mirrors", "blur")),
        ],
    )
    def test_moments_are_within_the_stated_errors(self, page, name, image):
        both = Both(page, SETTINGS[name], image)
        found, m = both.page, both.moments
        V, errors = m.covariance, found["errors"]
        trace, mean = float(V.trace()), m.mean.flatten()
        slack = float(m.error.covariance.max()) + 1e-11
        off = (_tensor(found["mean"]) - mean).norm() / mean.norm()
        assert off <= errors["mean"] + float(m.error.mean.max())
        assert off < 1e-4
        if not trace:
            assert found["trace"] == 0
            return
        variance = _tensor(found["variance"])
        assert (variance - V.diagonal().flatten()).abs().sum() <= (
            errors["variance"] + slack
        ) * trace
        assert errors["variance"] < 0.02
        count = min(6, len(found["values"]))
        values = V.eigh(count).values[0]
        for k, value in enumerate(values.tolist()):
            bound = errors["values"][k] * found["values"][k] + slack * trace
            assert abs(found["values"][k] - value) <= bound
        vectors = _tensor(found["vectors"]).reshape(len(found["values"]), -1)[:count]
        norms = (V @ vectors.T[None])[0].norm(dim=0)
        torch.testing.assert_close(norms, values, atol=0.02 * float(values[0]), rtol=0)
        exact = not set(SETTINGS[name]) & {"rotation", "zoom", "shear"}
        assert found["method"] == ("exact" if exact else "cubature")

    @pytest.mark.parametrize(
        ("name", "image"), [("shifts", GRAY), ("rotation", OWN), ("geometry", OWN)]
    )
    def test_draws_needed(self, page, name, image):
        both = Both(page, SETTINGS[name], image)
        for of, key in (("mean", "forMean"), ("covariance", "forCovariance")):
            size = am.samples_needed(both.image, both.policy, of=of)
            found = both.page[key]
            off = abs(found["n"] - float(size.n)) - 1
            assert off <= float(size.n) * (found["error"] + float(size.error.max()))
            assert found["error"] < 0.1

    def test_draws_have_the_mean_and_variance_that_are_shown(self, page):
        """2,000 draws of the page's own: within 3 standard errors, the total variance in 10%."""
        found = page.evaluate(ANSWER, [SETTINGS["geometry"] | SETTINGS["colour"], OWN])
        average = page.evaluate(
            """() => {
                const { values, shape } = explorer.images[explorer.state.image];
                const steps = policy(explorer.state.settings, shape), next = generator(5);
                const sum = new Float64Array(values.length), square = sum.slice();
                for (let i = 0; i < 2000; i++) {
                    const drawn = draw(values, steps, next);
                    addScaled(1, drawn, 0, sum, 0, sum.length);
                    addSquares(drawn, 0, square);
                }
                return [[...sum], [...square]];
            }"""
        )
        mean, square = np.asarray(average) / 2000
        deviation = np.linalg.norm(mean - found["mean"]) / np.sqrt(found["trace"] / 2000)
        assert deviation < 3
        assert (square - mean**2).sum() == pytest.approx(found["trace"], rel=0.1)

    def test_an_answer_is_quick(self, page):
        """The first errors of a 28 x 28 image with rotation and shifts: some tenths of a second."""
        waited = page.evaluate(
            """() => {
                explorer.change({...OFF, rotation: 15, shiftX: 2, shiftY: 2}, 1);
                const began = performance.now();
                return new Promise((resume) => {
                    const look = () => explorer.state.latest && explorer.state.latest.errors
                        ? resume(performance.now() - began) : setTimeout(look, 1);
                    look();
                });
            }"""
        )
        assert waited < 5000


class TestCode:
    def test_torchvision_is_the_same_where_it_is_said_to_be(self, page):
        """300 draws: the mean within 3 standard errors, the total variance within 15%."""
        pytest.importorskip("torchvision.transforms.v2")
        settings = {"rotation": 20, "zoom": 0.2, "blur": 1, "flipX": 0.3}
        both = Both(page, settings, OWN, tol=1e-2)
        pipeline = _run(both.page["torchvision"])["pipeline"]
        assert page.locator("#differences li").count() == 0
        torch.manual_seed(0)
        draws = torch.stack([pipeline(both.image[0]) for _ in range(300)])
        trace = float(both.moments.covariance.trace())
        off = float((draws.mean(0) - both.moments.mean[0]).norm())
        assert off < 3 * (trace / 300) ** 0.5
        assert float(draws.var(0).sum()) == pytest.approx(trace, rel=0.15)
        read = am.moments(both.image, pipeline, tol=1e-2)
        torch.testing.assert_close(read.mean, both.moments.mean, atol=1e-8, rtol=0)

    @pytest.mark.parametrize("name", ["nothing", "far", "colour", "shear", "everything"])
    def test_torchvision_runs(self, page, name):
        pytest.importorskip("torchvision.transforms.v2")
        found = page.evaluate(
            """(settings) => {
                explorer.change({...OFF, ...settings}, 0);
                return $("code-torchvision").textContent;
            }""",
            SETTINGS[name],
        )
        assert _run(found)["pipeline"](torch.rand(1, 14, 18)).shape == (1, 14, 18)
        said = page.locator("#differences li").count()
        assert said == sum(bool(set(SETTINGS[name]) & names) for names in _DIFFERENT)

    def test_copy(self, browser, path):
        page = _open(browser, path)
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.locator("#copy-augmoments").click()
        page.locator("#copy-augmoments", has_text="Copied").wait_for()
        text = page.evaluate("navigator.clipboard.readText()")
        assert isinstance(_run(text)["policy"], am.Compose)
        page.close()


_DIFFERENT = ({"brightness", "contrast"}, {"shiftX", "shiftY"})


class TestPage:
    def test_needs_nothing_else(self, path):
        text = path.read_text()
        assert len(text) < 1_000_000
        assert not re.search(
            r"""(?:src|href)=["'](?!data:)|https?://(?!www\.w3\.org/2000/svg)""", text
        )
        assert HOSTILE not in text

    def test_no_error_and_no_request(self, browser, path):
        page = _open(browser, path)
        own = [url for url in page.asked if not url.startswith(("data:", "blob:"))]
        assert own == [path.as_uri()]
        assert page.heard == []
        assert page.evaluate("window.hacked") is None
        assert HOSTILE in page.locator("#original-note").inner_text()
        page.close()

    @pytest.mark.parametrize(
        "script",
        ["delete window.Worker", "URL.createObjectURL = () => 'blob:null/nothing-is-there'"],
    )
    def test_without_workers(self, browser, path, script):
        page = browser.new_page()
        page.add_init_script(script)
        page.goto(path.as_uri())
        found = page.evaluate(ANSWER, [SETTINGS["shifts"], GRAY])
        assert found["method"] == "exact"
        page.close()

    def test_sliders_by_keyboard_and_mouse(self, browser, path):
        page = _open(browser, path)
        page.locator("#reset").click()
        page.evaluate("explorer.settled().then(() => 1)")
        assert page.locator("#n-mean").inner_text() == "1"
        page.locator("#flipX").focus()
        page.keyboard.press("ArrowRight")
        assert page.evaluate("explorer.state.settings.flipX") == 0.05
        page.evaluate("explorer.settled().then(() => 1)")
        assert page.locator("#n-mean").inner_text() != "1"
        assert page.locator("#flipX").get_attribute("aria-valuetext") == "5%"
        page.locator("#blur").click()
        assert page.evaluate("explorer.state.settings.blur") == 1
        page.evaluate("explorer.settled().then(() => 1)")
        page.locator("#image-1").focus()
        page.keyboard.press("ArrowRight")
        assert page.evaluate("explorer.state.image") == 2
        page.evaluate("explorer.settled().then(() => 1)")
        page.locator("#walk").focus()
        page.keyboard.press("Home")
        assert page.locator("#walk-value").inner_text() == "−2.0 σ"
        page.locator("#draw-many").click()
        assert page.locator("#average-note").inner_text() == "101 draws"
        page.locator("#play").click()
        page.locator("#play", has_text="Pause").click()
        assert page.heard == []
        page.close()

    @pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
    def test_accessible(self, browser, path, width, scheme):
        axe = pytest.importorskip("axe_playwright_python.sync_playwright")
        page = _open(browser, path, width, scheme)
        found = axe.Axe().run(page).response["violations"]
        assert [v["id"] for v in found if v["impact"] in ("serious", "critical")] == []
        assert page.evaluate("document.documentElement.scrollWidth") == width
        page.close()


@pytest.fixture(scope="module")
def engine(browser):
    page = browser.new_page()
    page.add_script_tag(content=scripts(ENGINE))
    yield page
    page.close()


class TestScripts:
    """The engine without the page, against NumPy."""

    def test_eigen(self, engine):
        root = np.random.default_rng(0).normal(size=(9, 6)) * np.logspace(0, -3, 6)
        matrix = root @ root.T
        values, vectors = engine.evaluate(
            "m => { const e = eigen(m, 9); return [[...e.values], [...e.vectors]]; }",
            matrix.ravel().tolist(),
        )
        expected = np.linalg.eigvalsh(matrix)[::-1]
        np.testing.assert_allclose(values, expected, atol=1e-13 * expected[0])
        found = np.reshape(vectors, (9, 9))[:6]
        np.testing.assert_allclose(found @ found.T, np.eye(6), atol=1e-9)
        np.testing.assert_allclose(found.T * values[:6] @ found, matrix, atol=1e-9)

    def test_products(self, engine):
        random = np.random.default_rng(1)
        for a, b in ((1, 1), (2, 3), (5, 4), (7, 8)):
            A, B, W = (
                random.normal(size=(a, 11)),
                random.normal(size=(b, 11)),
                random.normal(size=(a, b)),
            )
            across, summed = engine.evaluate(
                """([A, B, W, a, b]) => {
                    const out = new Float64Array(b * 11);
                    addCombinations(W, a, b, A, 11, out);
                    return [[...products(A, a, B, b, 11)], [...out]];
                }""",
                [A.ravel().tolist(), B.ravel().tolist(), W.ravel().tolist(), a, b],
            )
            np.testing.assert_allclose(np.reshape(across, (a, b)), A @ B.T, atol=1e-13)
            np.testing.assert_allclose(np.reshape(summed, (b, 11)), W.T @ A, atol=1e-13)

    def test_gauss(self, engine):
        found = engine.evaluate(
            "(() => { const g = gauss(-1, 1, 12); return [g.points, g.weights]; })()"
        )
        points, weights = np.polynomial.legendre.leggauss(12)
        order = np.argsort(found[0])
        np.testing.assert_allclose(np.asarray(found[0])[order], points, atol=1e-14)
        np.testing.assert_allclose(np.asarray(found[1])[order], weights / 2, atol=1e-14)

    @pytest.mark.parametrize("edges", [[-3, -2, -1, 0, 1, 2, 3], [0.5, 1.5]])
    def test_hats(self, engine, edges):
        """The Gram matrix that a fine midpoint sum gives, to its error of 1e-8."""
        low, high = edges[0] + 0.25 * (len(edges) > 2), edges[-1]
        rule = engine.evaluate("([l, h, e]) => hats(l, h, e)", [low, high, edges])
        points = low + (high - low) * (np.arange(200_000) + 0.5) / 200_000
        phi = np.stack([np.interp(points, edges, row) for row in np.eye(len(edges))])
        L = np.zeros((len(edges), len(rule["blocks"])))
        for m, entries in enumerate(rule["blocks"]):
            for k, root in entries:
                L[k, m] = root
        np.testing.assert_allclose(L @ L.T, phi @ phi.T / 200_000, atol=1e-8)
        np.testing.assert_allclose(L @ rule["means"], phi.mean(1), atol=1e-8)
        assert np.sum(np.square(rule["means"])) == pytest.approx(1)

    def test_what_is_left_out_is_known(self, engine):
        """A factor of 40 rows compressed to 10: the trace and the norm of the rest, by NumPy."""
        rows = np.random.default_rng(2).normal(size=(40, 60)) * np.logspace(0, -2, 40)[:, None]
        kept, trace, norm = engine.evaluate(
            """(rows) => {
                const halves = [rows.slice(0, 1200), rows.slice(1200)];
                const parts = halves.map((half) => Float64Array.from(half));
                const all = { count: 2, tall: 20, size: 60, each: () => parts };
                const work = compressed(all, 10);
                let turn = work.next();
                while (!turn.done) turn = work.next();
                const { rows: kept, lost } = turn.value;
                return [[...kept], lost.trace, lost.norm];
            }""",
            rows.ravel().tolist(),
        )
        factor = np.reshape(kept, (-1, 60))
        rest = rows.T @ rows - factor.T @ factor
        values = np.linalg.eigvalsh(rest)
        assert values[0] > -1e-10 * np.trace(rest)
        assert trace == pytest.approx(np.trace(rest), rel=1e-9)
        assert values[-1] <= norm <= trace


class TestPictures:
    def test_too_large(self):
        with pytest.raises(InputError, match="--size 32"):
            pictures_of(am.data.load("photo:camera"))

    def test_channels(self):
        with pytest.raises(InputError, match="has 2 channels"):
            Picture("two", torch.rand(2, 5, 5))

    def test_range(self):
        with pytest.raises(InputError):
            Picture("bright", torch.full((1, 5, 5), 200.0))

    def test_rendering_is_deterministic(self):
        assert render(embedded()[:2]) == render(embedded()[:2])


class TestCommand:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("webbrowser.open", self.opened.append)

    opened: list[str] = []  # noqa: RUF012 - a test looks into it

    def run(self, *arguments):
        self.opened.clear()
        return CliRunner().invoke(app, ["explore", *map(str, arguments)])

    def test_without_a_terminal_nothing_is_opened(self, tmp_path):
        done = self.run()
        assert done.exit_code == 0, done.output
        assert done.stdout == "explorer  explore.html\n"
        assert (tmp_path / "explore.html").stat().st_size < 1_000_000
        assert self.opened == []

    def test_own_images_and_the_browser(self, tmp_path):
        done = self.run(
            *("--images", "digits", "-i", "photo:rocket", "--size", 24, "--limit", 2),
            *("--out", "deep/page.html", "--open"),
        )
        assert done.exit_code == 0, done.output
        text = (tmp_path / "deep/page.html").read_text()
        assert '"digits 0: 0"' in text
        assert '"photo:rocket"' in text
        assert self.opened == [(tmp_path / "deep/page.html").as_uri()]

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (("-i", "nowhere"), Exit.BAD_INPUT, "no file or folder nowhere"),
            (("-i", "photo:dog"), Exit.BAD_INPUT, "no photo 'dog'"),
            (("-i", "photo:camera"), Exit.BAD_INPUT, "--size 32"),
            (("-i", "digits", "--size", 64), Exit.BAD_INPUT, "sides of 3 to 48"),
            (("--split", "x"), Exit.BAD_USAGE, "train or test"),
            (("--limit", 0), Exit.BAD_USAGE, "--limit"),
            (("--out", "."), Exit.BAD_USAGE, "is a folder"),
            (("--out", "file/page.html"), Exit.BAD_USAGE, "cannot be written"),
        ],
    )
    def test_refusals(self, tmp_path, arguments, code, message):
        (tmp_path / "file").write_text("")
        done = self.run(*arguments)
        assert done.exit_code == code, done.output
        assert message in done.stderr
        assert not done.stdout
        assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
