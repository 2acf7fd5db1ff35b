"""The pages for who sees, hears or points otherwise: axe-core, contrast, names, the keyboard."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from browser import Tab
from stories import leave_rolled_back
from views import Served, open_release

pytestmark = pytest.mark.real

TAB, ENTER, SPACE, ESCAPE = ("Tab", 9), ("Enter", 13, "\r"), (" ", 32, " "), ("Escape", 27)

_FOUND = """axe.run(document.querySelector('.rollout-page'), { resultTypes: ['violations'] })
  .then((all) => all.violations
    .map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join()}`))"""


@pytest.fixture(scope="module")
def axe() -> str:
    """Return the script of axe-core; what stands around it in the package is not loaded."""
    spec = find_spec("axe_playwright_python")
    assert spec is not None, "install the requirements of the tests"
    assert spec.submodule_search_locations is not None
    return (Path(spec.submodule_search_locations[0]) / "axe.min.js").read_text()


def faults(tab: Tab, axe: str) -> Any:
    """Return what axe-core finds on a page as it is."""
    tab.js(f"{axe};0")
    return tab.js(_FOUND)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_on_a_release_that_is_judged_and_in_its_dialog(
    served: Served, axe: str, dark: bool
) -> None:
    open_release(served)
    tab = served.run(dark=dark)
    assert faults(tab, axe) == []
    tab.click("[data-key=abort]")
    tab.wait("!!document.querySelector('dialog[open]')")
    assert faults(tab, axe) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_on_a_release_that_has_ended_with_its_record_open(
    served: Served, axe: str, dark: bool
) -> None:
    leave_rolled_back(served.world.tables)
    tab = served.run(dark=dark)
    tab.js("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    assert faults(tab, axe) == []


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_on_the_list_with_a_history_and_on_an_empty_one(
    served: Served, axe: str, dark: bool
) -> None:
    leave_rolled_back(served.world.tables)
    tab = served.list("?service=shop%2F", dark=dark)
    tab.wait_for_text("2 releases: 1 promoted")
    assert faults(tab, axe) == []
    served.world.permitted.clear()
    assert faults(served.list(dark=dark), axe) == []


def test_axe_finds_what_is_wrong(served: Served, axe: str) -> None:
    # One that has ended: what is taken away from it is not put back within a second.
    leave_rolled_back(served.world.tables)
    tab = served.run()
    tab.js("document.querySelector('.plot').removeAttribute('aria-label')")
    assert "svg-img-alt" in str(faults(tab, axe))


# Everything that can be reached, in the order of the page; what is folded away cannot.
_REACHABLE = """[...document.querySelectorAll(
  '.rollout :is(a[href], button:enabled, select, input, summary, [tabindex="0"])')]
  .filter((one) => one.checkVisibility())"""
_NAME = """((e) => [e.localName, e.dataset?.key, e.getAttribute('aria-label') ?? e.textContent]
  .filter(Boolean).join(' '))"""


def walk(tab: Tab) -> list[str]:
    """Press Tab from the beginning until it leaves the page; return where it came by."""
    tab.js("document.activeElement.blur()")
    passed: list[str] = []
    for _ in range(100):
        tab.press(*TAB)
        if not tab.js("!!document.activeElement.closest('.rollout')"):
            return passed
        outline = tab.js(
            "(({ outlineStyle, outlineWidth }) => `${outlineStyle} ${outlineWidth}`)"
            "(getComputedStyle(document.activeElement))"
        )
        passed.append(tab.js(f"{_NAME}(document.activeElement)"))
        assert outline == "solid 2px", f"the focus is not seen on {passed[-1]}"
    raise AssertionError(f"Tab does not leave the page: {passed[-10:]}")


def order_seen(tab: Tab) -> bool:
    """Tell whether what is reached later never lies left of and above all that came before."""
    return bool(
        tab.js(
            f"""(() => {{
              const boxes = {_REACHABLE}.map((one) => one.getBoundingClientRect());
              return boxes.every((box, n) => n === 0 || box.bottom > boxes[n - 1].top
                || box.left >= boxes[n - 1].right);
            }})()"""
        )
    )


@pytest.mark.parametrize("width", [700, 1440])
def test_tab_comes_by_everything_on_a_release_in_the_order_in_which_it_is_read(
    served: Served, width: int
) -> None:
    leave_rolled_back(served.world.tables)
    tab = served.run(width=width)
    tab.js("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    passed = walk(tab)
    assert passed == tab.js(f"{_REACHABLE}.map({_NAME})")
    for key in (
        "again",
        "switcher",
        "metric",
        "range60",
        "step_01.gate",
        "download",
        "open-people",
    ):
        assert any(key in one.split() for one in passed), key
    assert any(one.startswith("button") and "Copy query" in one for one in passed)
    assert order_seen(tab)


def test_tab_comes_by_everything_on_the_list(served: Served) -> None:
    leave_rolled_back(served.world.tables)
    tab = served.list("?service=shop%2F")
    tab.wait_for_text("2 releases: 1 promoted")
    passed = walk(tab)
    assert passed == tab.js(f"{_REACHABLE}.map({_NAME})")
    assert any("History of shop" in one for one in passed)
    assert order_seen(tab)


def test_a_release_is_aborted_by_the_keyboard_alone(served: Served) -> None:
    open_release(served)
    tab = served.run()

    def go_to(key: str) -> None:
        for _ in range(30):
            tab.press(*TAB)
            if tab.js("document.activeElement.dataset.key") == key:
                return
        raise AssertionError(f"Tab does not come by {key}")

    go_to("range60")
    tab.press(*SPACE)
    tab.wait("document.querySelector('[data-key=range60]').ariaPressed === 'true'")
    assert tab.js("document.activeElement.dataset.key") == "range60"
    go_to("open-decisions")
    tab.press(*ENTER)
    tab.wait("document.querySelector('[data-key=decisions]').open")
    go_to("abort")
    tab.press(*SPACE)
    tab.wait("!!document.querySelector('dialog[open]')")
    for _ in range(8):
        tab.press(*TAB)
        assert not tab.js("!!document.activeElement.closest('.rollout > :not(dialog)')")
    tab.press(*ESCAPE)
    tab.wait("document.activeElement.dataset.key === 'abort'")
    tab.press(*ENTER)
    tab.wait("!!document.querySelector('dialog[open]')")
    tab.js("document.querySelector('dialog textarea').focus()")
    tab.type("by hand")
    tab.press(*TAB)
    tab.press(*TAB)
    tab.press(*ENTER)
    tab.wait("!document.querySelector('dialog')")
    path = "dags/shop/dagRuns/r1/taskInstances/step_01.gate"
    assert served.writes == [("PATCH", path, {"new_state": "failed", "note": "by hand"})]


def test_colours_have_enough_contrast_in_both_themes(served: Served) -> None:
    leave_rolled_back(served.world.tables)
    for dark in (False, True):
        for tab in (served.run(dark=dark), served.list(dark=dark)):
            tab.wait("getComputedStyle(document.querySelector('.rollout')).display === 'grid'")
            assert tab.js(CONTRAST) == []


# The ratio of WCAG 2 between each text and what lies behind it; drawn by the browser itself, so
# that every way to say a colour counts.
CONTRAST = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = (colours) => {
    canvas.clearRect(0, 0, 1, 1);
    for (const colour of colours) { canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); }
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const light = (colour) => colour.map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const found = [];
  for (const element of document.querySelectorAll('.rollout *')) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || element.closest('option') || !element.getClientRects().length) continue;
    const behind = [];
    for (let e = element; e; e = e.parentElement) behind.unshift(getComputedStyle(e).backgroundColor);
    const back = ['#fff', ...behind];
    const style = getComputedStyle(element);
    const ink = element.namespaceURI.includes('svg') ? style.fill : style.color;
    const [a, b] = [light(rgb(back)), light(rgb([...back, ink]))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) found.push(`${element.className.baseVal ?? element.className} ${element.textContent} ${ratio}`);
  }
  return found;
})()"""  # noqa: E501


def test_everything_has_a_name_for_who_cannot_see_it(served: Served) -> None:
    leave_rolled_back(served.world.tables)
    tab = served.run()
    labels = tab.js(
        "[...document.querySelectorAll('.rollout [role=img]')]"
        ".map((e) => e.getAttribute('aria-label'))"
    )
    assert len(labels) == 3
    assert "bad above 1 %" in labels[0]
    assert "stopped at 100 to 1" in labels[1]
    assert "10 %" in labels[2]
    nameless = tab.js(
        "[...document.querySelectorAll('.rollout :is(button, select, input, a)')]"
        ".filter((e) => !(e.innerText.trim() || e.getAttribute('aria-label'))).length"
    )
    assert nameless == 0


def test_charts_are_read_by_keyboard(served: Served) -> None:
    leave_rolled_back(served.world.tables)
    tab = served.run()
    tab.js("document.querySelector('.plot').focus()")
    tab.press("Home", 36)
    assert tab.text(".unseen").startswith("0:0")
    for _ in range(60):
        tab.press("ArrowRight", 39)
    said = tab.text(".unseen")
    assert "new version" in said
    assert "evidence" in said
    assert tab.js("document.querySelector('.cursor').getAttribute('visibility')") == "visible"
    tab.press("Escape", 27)
    assert tab.js("document.querySelector('.cursor').getAttribute('visibility')") == "hidden"


def test_what_happened_at_a_moment_is_told_there(served: Served) -> None:
    leave_rolled_back(served.world.tables)
    tab = served.run()
    tab.js("document.querySelector('.plot').focus()")
    tab.press("Home", 36)
    for _ in range(100):
        tab.press("ArrowRight", 39)
        if "FAIL errors 5 %" in tab.text(".unseen"):
            break
    assert "FAIL errors 5 %" in tab.text(".said")
