"""What answers look like in a notebook: HTML that is escaped, and says method and error."""

import shutil
from dataclasses import dataclass
from html.parser import HTMLParser

import pytest
import torch

import augmoments as am
from augmoments import fragments

HOSTILE = "<script>window.hacked = 1</script>"
IMAGES, LABELS = am.data.digits()
MODEL = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)).eval()


@dataclass(frozen=True)
class Named(am.RandomHorizontalFlip):
    """A step of one's own, which spells itself."""

    name: str = HOSTILE

    def output_shape(self, shape):
        if shape[0] != 2:
            raise am.errors.PolicyError("only two channels")
        return shape


def _size(of):
    judge = {} if of in ("mean", "covariance") else {"model": MODEL, "targets": LABELS[:4]}
    loss = {"loss": "cross_entropy"} if judge else {}
    policy = am.RandomHorizontalFlip()
    return am.samples_needed(IMAGES[:4], policy, of=of, **judge, **loss)


ANSWERS = {
    "step": lambda: am.RandomRotation(15),
    "policy": lambda: am.Compose([am.RandomHorizontalFlip(), am.ColorJitter(0.2), am.Pad(1)]),
    "mixing": lambda: am.MixUp(),
    "size of its own": lambda: am.RandomCrop(300),
    "hostile": lambda: Named(),
    "explanation": lambda: am.RandomRotation(15).explain((1, 8, 8)),
    "moments": lambda: am.moments(IMAGES[:6], am.RandomRotation(15)),
    "colour": lambda: am.moments(am.data.photo("cat", size=8), am.Normalize([0.5] * 3, [0.2] * 3)),
    "covariance": lambda: am.moments(IMAGES[:2], am.RandomCrop(6)).covariance,
    "estimate": lambda: am.expectation(lambda x: x.mean((1, 2, 3)), IMAGES[:3], am.RandomCrop(6)),
    **{of: lambda of=of: _size(of) for of in ("mean", "covariance of", "loss", "gradient")},
}
ANSWERS["covariance of"] = lambda: _size("covariance")


class _Closed(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.mark.parametrize("name", ANSWERS)
def test_html_is_closed_and_has_no_scripts(name):
    page = _Closed(ANSWERS[name]()._repr_html_())
    assert not page.open
    assert {tag for tag, _ in page.tags} <= {
        *("div", "table", "caption", "thead", "tbody", "tr", "th", "td", "p", "img")
    }
    for tag, attributes in page.tags:
        if tag == "img":
            assert attributes["src"].startswith("data:image/png;base64,")
            assert attributes["alt"]


def test_a_policy_shows_its_steps_and_laws():
    texts = _Closed(ANSWERS["policy"]()._repr_html_()).texts
    assert {"RandomHorizontalFlip", "probability 0.5", "Uniform(0.8, 1.2)", "Pad"} <= set(texts)


def test_moments_show_a_few_images_with_method_and_error():
    m = am.moments(IMAGES[:6], am.RandomRotation(15))
    page = _Closed(m._repr_html_())
    assert sum(tag == "img" for tag, _ in page.tags) == 2 * 4
    text = " ".join(page.texts)
    assert f"Covariance: {m.method}, {float(m.error.covariance.max()):.1e}" in text


def test_values_outside_of_the_unit_interval_are_told():
    image = torch.tensor([-1.0, 3.0]).reshape(1, 1, 1, 2)
    assert "mean, -1 to 3" in fragments.pictures("", [("mean", image)])


def test_numbers_are_those_of_the_answer():
    size = _size("loss")
    text = " ".join(_Closed(size._repr_html_()).texts)
    assert f"{float(size.n.median()):,.3g}" in text
    assert "with 95% confidence" in text
    assert fragments.spread(torch.tensor([1.0, float("inf")])) == "1 (1 to ∞)"


def test_names_are_escaped():
    html = ANSWERS["hostile"]()._repr_html_()
    assert HOSTILE not in html
    assert "&lt;script&gt;" in html


@pytest.mark.parametrize(("page", "ink"), [("#ffffff", (17, 17, 17)), ("#111111", (238, 238, 238))])
def test_text_has_the_colour_of_the_notebook(page, ink):
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    body = f'<body style="background: {page}; color: rgb{ink}">'
    html = ANSWERS["policy"]()._repr_html_() + ANSWERS["moments"]()._repr_html_()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shown = browser.new_page()
        shown.set_content(body + html)
        colors = shown.locator("td, th, caption, p").evaluate_all(
            "all => all.map(e => getComputedStyle(e).color)"
        )
        browser.close()
    assert set(colors) == {f"rgb{ink}"}
