"""Errors about what the user gave: which become one, and under which name."""

import pytest

from gans.command_line.errors import UsageError, check_at_least, flag_errors, usage_errors


def test_the_first_number_below_the_minimum_is_named_and_none_passes():
    check_at_least(1, epochs=1, batch_size=2, load_size=None)
    with pytest.raises(UsageError, match="--epochs.*Received: -1$"):
        check_at_least(1, batch_size=1, epochs=-1, log_every=0)


def test_errors_about_what_the_user_gave_are_usage_errors_and_others_stay():
    with pytest.raises(UsageError, match="^too small$") as error, usage_errors():
        raise ValueError("too small")
    assert isinstance(error.value.__cause__, ValueError)
    with pytest.raises(ValueError, match="^mine$"), usage_errors(OSError):
        raise ValueError("mine")


@pytest.mark.parametrize(
    ("told", "flag"),
    [
        ("`seed` must be at least 0. Received: -1", "--seed expects at least 0. Received: -1"),
        ("`beta_1` must be below 1. Received: 1", "--beta_1 expects below 1. Received: 1"),
        ("no `seed` must be given", "no `seed` must be given"),
    ],
)
def test_an_error_about_a_setting_is_one_about_its_flag(told, flag):
    with pytest.raises(UsageError) as error, flag_errors():
        raise ValueError(told)
    assert str(error.value) == flag
