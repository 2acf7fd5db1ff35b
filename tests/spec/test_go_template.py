"""The part of Go's templates that queries use."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_rollout.spec.go_template import TemplateFault, render_template

NAMES = {
    "target": "shop",
    "namespace": "prod",
    "service": "shop-svc",
    "interval": "1m",
    "variables": {"direction": "inbound", "max.age": "3"},
}


@pytest.mark.parametrize(
    ("text", "rendered"),
    [
        ("up", "up"),
        ('a{b="{{ target }}-{{namespace}}"}[{{ interval }}]', 'a{b="shop-prod"}[1m]'),
        ("{{ variables.direction }}", "inbound"),
        ('{{ index variables "direction" }}', "inbound"),
        ('{{ printf "%s__%s_[0-9]+" namespace target }}', "prod__shop_[0-9]+"),
        ('{{ printf "%q %v %d%% %5.2f" target 7 50 0.5 }}', '"shop" 7 50%  0.50'),
        ('{{ target | printf "%s-%s" namespace }}', "prod-shop"),
        ('{{ printf "%s" (print target "-x") | urlquery }}', "shop-x"),
        ("{{ urlquery `a b/` }}", "a+b%2F"),
        ('{{ print "a" 1 2 "b" }}', "a1 2b"),
        ("a {{- target -}} b", "ashopb"),
        ("a {{/* what this is */}}b", "a b"),
        ('{"a": {"b": 1}}', '{"a": {"b": 1}}'),
        ('{{ "{{" }}', "{{"),
    ],
)
def test_what_can_be_given_is_put_in(text: str, rendered: str) -> None:
    assert render_template(text, NAMES) == rendered


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ route }}", "'route' is not known"),
        ("{{ variables.nothing }}", "'variables.nothing' is not known"),
        ("{{ target.name }}", "is not known"),
        ("{{ variables }}", "no text"),
        ('{{ index variables "x" }}', "index finds nothing at x"),
        ("{{ index }}", "index finds nothing"),
        ("{{ if target }}x{{ end }}", "'if' is not known"),
        ("{{ .Target }}", "cannot be read"),
        ("{{ target", "not closed"),
        ("{{ (target }}", "( is not closed"),
        ("{{ target namespace }}", "not expected"),
        ("{{ target | namespace }}", "takes no argument"),
        ("{{}}", "something is missing"),
        ("{{ | }}", "not expected"),
        ('{{ printf "%s" }}', "has no value for %s"),
        ('{{ printf "x" target }}', "more values than verbs"),
        ('{{ printf "%d" target }}', "cannot write 'shop'"),
        ('{{ printf "%s" 1 }}', "cannot write 1"),
        ('{{ printf "%z" 1 }}', "cannot write 1"),
        ('{{ printf "\\z" }}', "cannot be read"),
        ("{{ print variables }}", "no text"),
        ('{{ "a }}', "cannot be read"),
    ],
)
def test_what_cannot_be_given_is_said(text: str, words: str) -> None:
    with pytest.raises(TemplateFault) as caught:
        render_template(text, NAMES)
    assert words in str(caught.value)


@given(st.text(alphabet='{}- |()"`%sdq.ax variables printf index target', max_size=40))
def test_any_text_is_rendered_or_refused(text: str) -> None:
    try:
        rendered = render_template(text, NAMES)
    except TemplateFault:
        return
    assert isinstance(rendered, str)
