"""JSON that no program of ours writes is refused in a sentence, at once."""

import pytest

from autoreg_jax.files._strict import parse_json

REFUSED = {
    "digits": ('{"a": ' + "9" * 400 + "}", "a number of 400 digits"),
    "depth": ("[" * 65 + "]" * 65, "more than 64 levels"),
    "very deep": ("[" * 100_000 + "]" * 100_000, "more than 64 levels"),
    "NaN": ('{"a": NaN}', "NaN is not a number of JSON"),
    "infinite": ('{"a": 1e999}', "too large"),
    "half a character": ('{"a": "\\ud800"}', "surrogates not allowed"),
}


@pytest.mark.parametrize(("text", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(text, words):
    for given in (text, text.encode()):
        with pytest.raises(ValueError, match=words) as caught:
            parse_json(given)
        assert len(str(caught.value)) < 200


def test_what_is_at_the_limit_is_read():
    number = "9" * 40
    assert parse_json(number) == int(number)
    assert parse_json("[" * 64 + "]" * 64)
    assert parse_json('{"a": "\\u03bb"}') == {"a": "λ"}
