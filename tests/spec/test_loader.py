"""Reading the file itself: size, kind, encoding."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from airflow_rollout.errors import SpecError
from airflow_rollout.spec.bindings import Bindings
from airflow_rollout.spec.document import MAX_BYTES
from airflow_rollout.spec.loader import load_spec, parse_spec
from airflow_rollout.spec.model import RolloutSpec

Make = Callable[..., str]
Read = Callable[..., RolloutSpec]


def _refused(file: str | Path) -> SpecError:
    with pytest.raises(SpecError) as caught:
        load_spec(file)
    assert caught.value.file == str(file)
    return caught.value


def test_a_file_is_loaded_by_text_or_path(tmp_path: Path, rollout: Make) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(rollout())
    assert load_spec(file) == load_spec(str(file))
    assert load_spec(file).file == str(file)


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere.yaml", "No such file"), (".", "is a directory"), ("a\0b", "not a file name")],
)
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, words: str) -> None:
    assert words in _refused(f"{tmp_path}/{name}").message


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    assert "not a regular file" in _refused(pipe).message


def test_an_endless_device_is_refused() -> None:
    assert "not a regular file" in _refused("/dev/zero").message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "shop.yaml"
    file.touch(mode=0o000)
    assert "Permission denied" in _refused(file).message


def test_a_name_too_long_for_the_system_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in _refused(tmp_path / ("x" * 5000)).message


def test_a_large_file_is_refused_unparsed(tmp_path: Path, rollout: Make) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text("{" * (10 * MAX_BYTES) + rollout())
    error = _refused(file)
    assert (error.message, error.allowed) == ("the file is too large", "1 MB")


def test_the_largest_file_is_still_read(tmp_path: Path, rollout: Make) -> None:
    text = rollout()
    file = tmp_path / "shop.yaml"
    file.write_text(text + "#" * (MAX_BYTES - len(text)))
    assert load_spec(file).name == "shop"
    file.write_text(text + "#" * (MAX_BYTES - len(text) + 1))
    assert "too large" in _refused(file).message


def test_other_encodings_are_refused_with_the_byte(tmp_path: Path, rollout: Make) -> None:
    file = tmp_path / "shop.yaml"
    for encoding in ("utf-16", "latin-1"):
        file.write_bytes((rollout() + "# é").encode(encoding))
        assert "not UTF-8" in _refused(file).message


def test_a_byte_order_mark_is_no_content(tmp_path: Path, rollout: Make) -> None:
    file = tmp_path / "shop.yaml"
    file.write_bytes(b"\xef\xbb\xbf" + rollout().encode())
    assert load_spec(file).name == "shop"


def test_text_that_no_encoding_can_hold_is_refused() -> None:
    with pytest.raises(SpecError, match="not UTF-8"):
        parse_spec("a: \ud800", file=None)


def test_without_a_file_the_error_names_the_document() -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec("[]", file=None)
    assert str(caught.value).startswith("<spec>:1: ")


def test_the_same_document_reads_the_same_in_any_spelling(read: Read, rollout: Make) -> None:
    flow = rollout()
    block = flow.replace("\n", "\r\n") + "# a comment\n"
    assert read(block) == read(flow) == read(flow.encode())
    assert read(block).digest() == read(flow).digest()


def test_bindings_and_ignore_reach_the_dialect(
    tmp_path: Path, canary: Make, bound: Bindings
) -> None:
    file = tmp_path / "shop.yaml"
    file.write_text(canary({"spec.analysis.mirror": True}))
    spec = load_spec(file, bindings=bound, ignore=["spec.analysis.mirror"])
    assert (spec.ignored, spec.unsupported) == (("spec.analysis.mirror",), ())
