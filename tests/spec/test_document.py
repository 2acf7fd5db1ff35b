"""The YAML reader: limits, doubts and line numbers."""

from __future__ import annotations

import pytest

from airflow_rollout.errors import SpecError
from airflow_rollout.spec import document
from airflow_rollout.spec.document import MAX_ALIASES, MAX_DEPTH, MAX_NODES, Node, read_document
from airflow_rollout.spec.fields import Field


def _plain(node: Node) -> object:
    if isinstance(node.value, dict):
        return {name: _plain(child) for name, child in node.value.items()}
    if isinstance(node.value, list):
        return [_plain(child) for child in node.value]
    return node.value


def _fault(text: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        read_document(text, file="a.yaml")
    assert caught.value.file == "a.yaml"
    return caught.value


def test_values_are_read_with_their_types() -> None:
    text = "{a: 1, b: -2.5, c: true, d: null, e: ~, f: text, g: '1', h: [1, x], i: 1e3, j: }"
    assert _plain(read_document(text, file=None)) == {
        "a": 1, "b": -2.5, "c": True, "d": None, "e": None, "f": "text", "g": "1",
        "h": [1, "x"], "i": 1000.0, "j": None,
    }  # fmt: skip


def test_a_duration_a_percentage_and_a_date_are_text() -> None:
    assert _plain(read_document("[1m, 1%, 2026-01-02, 1h30m, 1.2.3]", file=None)) == [
        "1m", "1%", "2026-01-02", "1h30m", "1.2.3",
    ]  # fmt: skip


def test_every_value_knows_its_line() -> None:
    root = read_document("a: 1\nb:\n  c:\n  - x\n  - y\n", file=None)
    below = Field(root, path="", file=None).entries()["b"].entries()["c"].items()
    assert [(item.path, item.node.line) for item in below] == [("b.c[0]", 4), ("b.c[1]", 5)]


@pytest.mark.parametrize(
    "word", ["yes", "No", "ON", "off", "y", "N", "012", "0o17", "0b11", "0x1F", "1_000", "12:30",
             "1:30:15", "-190:20:30.5", "0755", "08"],
)  # fmt: skip
def test_what_yaml_versions_read_differently_is_no_text_and_no_number(word: str) -> None:
    field = Field(read_document(word, file="a.yaml"), path="spec.x", file="a.yaml")
    for reader in (field.text, field.number, field.integer):
        with pytest.raises(SpecError, match="disagree"):
            reader()


@pytest.mark.parametrize(
    ("word", "value"), [("on", True), ("Yes", True), ("off", False), ("NO", False), ("true", True)]
)
def test_on_and_off_are_booleans_where_a_boolean_is_wanted(word: str, value: bool) -> None:
    assert Field(read_document(word, file=None), path="", file=None).boolean() is value


@pytest.mark.parametrize("word", ["y", "n", "1", "0", "'true'", "'on'", "", "[]"])
def test_other_words_are_no_booleans(word: str) -> None:
    text = f"a: {word}"
    with pytest.raises(SpecError):
        Field(read_document(text, file=None), path="", file=None).entries()["a"].boolean()


@pytest.mark.parametrize(
    "word", ["yes", "012", "12:30", "on", "1_000", "1", "true", "null", ".nan"]
)
def test_quotes_make_text_of_anything(word: str) -> None:
    for text in (f"'{word}'", f'"{word}"', f"!!str {word}", f"! {word}"):
        assert Field(read_document(text, file=None), path="", file=None).text() == word


def test_a_doubtful_key_is_refused() -> None:
    error = _fault("a:\n  on: push\n")
    assert "'on'" in error.message
    assert error.line == 2


@pytest.mark.parametrize("word", [".inf", "-.Inf", ".nan"])
def test_a_number_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(SpecError, match="finite"):
        Field(read_document(word, file=None), path="x", file=None).number()


def test_a_key_that_stands_twice_is_refused_with_the_line_of_the_second() -> None:
    error = _fault("a: 1\nb: 2\na: 3\n")
    assert (error.line, "'a'" in error.message) == (3, True)


@pytest.mark.parametrize("text", ["", "   \n", "# only a comment\n", "---\n---\n", "null", "~"])
def test_an_empty_file_is_refused(text: str) -> None:
    assert "empty" in _fault(text).message


def test_a_second_document_is_refused_with_its_line() -> None:
    error = _fault("a: 1\n---\nb: 2\n")
    assert "several documents" in error.message
    assert error.line == 3


def test_empty_documents_around_the_only_one_do_not_count() -> None:
    assert _plain(read_document("---\n# made by a template\n---\na: 1\n---\n", file=None)) == {
        "a": 1
    }


@pytest.mark.parametrize(
    "text",
    ["!!python/object/apply:os.system [ls]", "a: !!binary aGk=", "!mine {a: 1}", "!!set {a, b}",
     "!!timestamp 2026-01-02", "a: !!omap [b: 1]", "!!python/name:os.system x",
     "!<tag:example.com,2000:x> y"],
)  # fmt: skip
def test_tags_of_other_types_are_refused(text: str) -> None:
    assert "tag" in _fault(text).message


def test_core_tags_are_read() -> None:
    assert _plain(read_document("!!map {a: !!int 1, b: !!seq [!!bool true]}", file=None)) == {
        "a": 1,
        "b": [True],
    }


def test_an_alias_stands_for_its_anchor() -> None:
    assert _plain(read_document("a: &x {b: 1}\nc: *x\n", file=None)) == {
        "a": {"b": 1},
        "c": {"b": 1},
    }


def test_a_bomb_of_aliases_is_refused_before_it_is_expanded() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    assert "too many" in _fault("\n".join(lines)).message


def test_a_bomb_of_few_aliases_is_refused_by_its_size() -> None:
    lines = ["a0: &a0 [" + ", ".join("x" * 2000) + "]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 6)]
    assert f"{MAX_NODES} with aliases" in _fault("\n".join(lines)).allowed


def test_more_aliases_than_any_release_needs_are_refused() -> None:
    text = "a: &a 1\nb: [" + ", ".join(["*a"] * (MAX_ALIASES + 1)) + "]"
    assert "too many aliases" in _fault(text).message


@pytest.mark.parametrize("text", ["a: *nobody", "&a [*a]", "a: &a {b: *a}"])
def test_an_alias_of_nothing_or_of_itself_is_refused(text: str) -> None:
    assert "alias" in _fault(text).message


@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_deep_nesting_is_refused(brackets: str) -> None:
    opening = "[" if brackets == "[]" else "{a: "
    assert "deeply" in _fault(opening * 100_000).message
    fine = opening * (MAX_DEPTH - 1) + "x" + brackets[1] * (MAX_DEPTH - 1)
    assert read_document(fine, file=None).height == MAX_DEPTH
    assert "deeply" in _fault(opening + fine + brackets[1]).message


def test_deep_nesting_through_aliases_is_refused() -> None:
    half = "[" * 30 + "]" * 30
    text = f"a: &a {half}\nb: " + "[" * 30 + "*a" + "]" * 30
    assert "through an alias" in _fault(text).message


def test_too_many_values_are_refused() -> None:
    assert "too many values" in _fault("[" + "1," * (MAX_NODES + 1) + "]").message


def test_merge_keys_are_refused_rather_than_read_as_a_field() -> None:
    error = _fault("a: &a {x: 1}\nb:\n  <<: *a\n")
    assert "merges" in error.message
    assert error.line == 3


@pytest.mark.parametrize("text", ["{[a]: 1}", "? {b: 1}\n: 2", "{*a : 1}"])
def test_a_key_must_be_text(text: str) -> None:
    assert "key" in _fault(text).message


@pytest.mark.parametrize(
    "text", ["a: b: c", "a: [1", "\ta: 1", "a: 'x", "%YAML 9\n", "@x", "a: \x01"]
)
def test_broken_yaml_is_refused_with_the_parsers_reason(text: str) -> None:
    error = _fault(text)
    assert "not readable as YAML" in error.message


def test_huge_digits_are_text_and_cost_no_time() -> None:
    field = Field(read_document("9" * 100_000, file=None), path="x", file=None)
    assert isinstance(field.node.value, str)


def test_the_pure_parser_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: [1, 'x', {b: true}]\nc: &c text\nd: *c\n"
    fast = read_document(text, file=None)
    monkeypatch.setattr(document, "_LOADER", document.yaml.SafeLoader)
    assert read_document(text, file=None) == fast
    assert "twice" in _fault("a: 1\na: 2").message


def test_an_error_stays_readable_whatever_is_in_the_file() -> None:
    long = "x" * 5000
    for text in (f"{{{long}: 1, {long}: 2}}", f"!{long} a", f"a: *{long}"):
        assert len(str(_fault(text))) < 250
    field = Field(read_document(f"? {long}\n: 1", file=None), path="spec", file=None)
    with pytest.raises(SpecError) as caught:
        field.entries({"known"})
    assert len(str(caught.value)) < 250
