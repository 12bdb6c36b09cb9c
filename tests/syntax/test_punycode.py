"""Punycode as Python's codec makes it, and nothing for what would be too long for a label."""

import pytest
from hypothesis import given, settings, strategies as st

from mailvet.syntax.domain import to_alabel
from mailvet.syntax.punycode import encode

LABELS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=70) | st.text("abcü漢字Ω-", max_size=70)


@settings(max_examples=1000)
@given(LABELS)
def test_as_the_codec_has_it_or_nothing(label: str) -> None:
    theirs = label.encode("punycode").decode("ascii")
    assert encode(label, 59) == (theirs if len(theirs) <= 59 else None)


@pytest.mark.parametrize(
    ("label", "encoded"),
    [  # RFC 3492 §7.1
        pytest.param("他们为什么不说中文", "ihqwcrb4cv8a8dqg056pqjye", id="(B)"),
        pytest.param("pročprostěnemluvíčesky", "proprostnemluvesky-uyb24dma41a", id="(D), in lower case"),
        pytest.param("почемужеонинеговорятпорусски", "b1abfaaepdrnnbgefbadotcwatmq2g4l", id="(G), in lower case"),
        pytest.param("ひとつ屋根の下2", "2-u9tlzr9756bt3uc0v", id="(O)"),
    ],
)
def test_the_samples_of_the_rfc(label: str, encoded: str) -> None:
    assert encode(label, 59) == encoded


def test_a_label_may_have_63_octets_and_no_more() -> None:
    assert len(encode("ü" * 57, 59) or "") == 59
    assert to_alabel("ü" * 57 + ".example") is not None
    assert to_alabel("ü" * 58 + ".example") is None


def test_a_domain_of_any_length_is_looked_at_briefly() -> None:
    """Every distinct character costs the codec a walk over the label; here the walk ends when it is too long."""
    long = "".join(map(chr, range(0x4E00, 0x4E00 + 1000)))
    assert to_alabel(long) is None
    assert to_alabel(".".join([long[:59]] * 17)) is None
