"""The journal: whoever changes, removes, adds or reorders a line is found out, and a torn end is told from a forged middle."""

from __future__ import annotations

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from appliance.journal import Chain, JournalError, Value, canonical, check

values: st.SearchStrategy[Value] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters(max_codepoint=127), max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
fields = st.dictionaries(st.text("abcdefghij", min_size=3, max_size=6), values, max_size=4)


def log(*events: dict[str, Value]) -> bytes:
    chain, content = Chain(), b""
    for event in events:
        line, chain = chain.line("happened", event)
        content += line
    return content


@given(fields)
def test_a_line_is_canonical_json_as_an_independent_implementation_writes_it(entry: dict[str, Value]) -> None:
    assert canonical(entry) == rfc8785.dumps(entry)


@given(st.lists(fields, max_size=8))
def test_what_was_written_is_read_back_whole(events: list[dict[str, Value]]) -> None:
    content = log(*events)
    checked = check(content)
    assert checked.broken is None
    assert checked.good_bytes == len(content)
    assert [{k: v for k, v in e.items() if k not in {"n", "prev", "event"}} for e in checked.entries] == events


@given(st.lists(fields, min_size=1, max_size=8), st.data())
def test_rule_5_one_changed_byte_is_found_and_located(events: list[dict[str, Value]], data: st.DataObject) -> None:
    content = bytearray(log(*events))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    line = bytes(log(*events))[:at].count(b"\n")
    checked = check(bytes(content))
    last_line = line == len(events) - 1
    if checked.broken is None:
        assert last_line, "only the last line's own text is unbound until a next line, or the head, binds it"
        assert checked.chain.head != check(log(*events)).chain.head
    else:
        assert checked.broken.n in {line, line + 1}


@given(st.lists(fields, min_size=3, max_size=8), st.data())
def test_rule_5_a_line_taken_out_or_moved_is_found(events: list[dict[str, Value]], data: st.DataObject) -> None:
    lines = log(*events).splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 2))
    without = lines[:at] + lines[at + 1 :]
    swapped = [*lines[:at], lines[at + 1], lines[at], *lines[at + 2 :]]
    for forged in (without, swapped):
        broken = check(b"".join(forged)).broken
        assert broken is not None
        assert broken.n == at


@given(st.lists(fields, min_size=1, max_size=6), st.data())
def test_a_torn_end_leaves_every_complete_line_standing(events: list[dict[str, Value]], data: st.DataObject) -> None:
    content = log(*events)
    cut = data.draw(st.integers(0, len(content)))
    whole = content[:cut].rfind(b"\n") + 1
    checked = check(content[:cut])
    assert checked.good_bytes == whole
    assert (checked.broken is None) is (cut == whole)
    assert check(content[:whole] + checked.chain.line("found", {})[0]).broken is None


def test_a_tail_of_zeros_is_not_a_line() -> None:
    checked = check(log({"aaa": 1}) + b"\0" * 4096)
    assert (checked.chain.n, checked.broken is None) == (1, False)


@pytest.mark.parametrize("entry", [{"aaa": 2**53}, {"aaa": 0.5}, {"é": 1}, {"aaa": b"x"}])
def test_what_has_no_canonical_form_is_refused(entry: dict[str, Value]) -> None:
    with pytest.raises(JournalError):
        canonical(entry)


def test_a_line_cannot_choose_its_own_place() -> None:
    with pytest.raises(JournalError):
        Chain().line("happened", {"prev": "0" * 64})
