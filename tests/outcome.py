"""How a call ends for a user: its exit code and its sentence."""

from autoreg_jax.cli._main import _explain


def outcome(call):
    """Exit code and sentence of a call, as `autoreg` would have them; 0 and its result.

    Raises:
        Exception: If the call ends in a traceback.
    """
    try:
        return 0, call()
    except Exception as error:
        text, code = _explain(error)
        return code, text


def check_sentence(code, text):
    """One sentence, or two, with a remedy and without the signs of a traceback."""
    assert code in (1, 2)
    assert "\n" not in text, text
    assert len(text) < 1500, text
    assert not text.startswith("None"), text
    assert text.rstrip()[-1] in ".)?", text


def numbers(evaluation):
    """What an evaluation says, without its times and its memory."""
    summary = evaluation.summary
    return {
        k: v for k, v in summary.items() if "seconds" not in k and "memory" not in k
    }
