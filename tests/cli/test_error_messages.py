"""Errors told in a line where they are the user's to mend, and left with their traceback where they are bugs."""

import errno

import pytest
from hydra.errors import ConfigCompositionException, MissingConfigException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from src.cli.error_messages import explain, is_mendable
from src.common.errors import ThawError

pytestmark = pytest.mark.usefixtures("composed")  # Hydra knows Thaw's sweepers once something is composed


def full(path: str | None) -> OSError:
    error = OSError(errno.ENOSPC, "No space left on device")
    error.filename = path
    return error


def missing_key() -> OmegaConfBaseException:
    config = OmegaConf.create({"dropout": 0.1})
    OmegaConf.set_struct(config, True)
    with pytest.raises(OmegaConfBaseException) as refusal:
        config.dropuot = 1
    return refusal.value


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ThawError("no such\nblock"), "no such block"),
        (full("/a/b"), "/a/b: No space left on device; mend that and run it again"),
        (full(None), "the disk: No space left on device; mend that and run it again"),
        (OSError("Can't write data (file write failed: time = x, errno = 28)"), "the disk: Can't write data"),
        (PermissionError(errno.EACCES, "Permission denied", "/a\x1b[0m"), "/a\\x1b[0m: Permission denied; mend that"),
        (missing_key(), "unknown key 'dropuot': did you mean 'dropout'?"),
        (MissingConfigException("Could not find 'augment/lihgt'"), "unknown augment 'lihgt': did you mean 'light'?"),
        (
            MissingConfigException("Could not find 'hydra/sweeper/kerastuner'"),
            "unknown hydra/sweeper 'kerastuner': did you mean 'keras_tuner'?",
        ),
        (MissingConfigException("Could not find 'nowhere/x'"), "unknown nowhere 'x': known: "),
        (
            MissingConfigException("Cannot find primary config 'sweeps/unfreezin.yaml'. Check that it's in your path."),
            "unknown study 'sweeps/unfreezin.yaml' (-cn): did you mean 'unfreezing'?",
        ),
        (ConfigCompositionException("in the way\nConfig search path:\n..."), "in the way"),
    ],
)
def test_what_the_user_can_mend_is_a_line(error: Exception, line: str) -> None:
    assert is_mendable(error)
    assert explain(error).startswith(line)
    assert "\n" not in explain(error)


@pytest.mark.parametrize(
    "error",
    [RuntimeError("a\nbug"), FileNotFoundError(errno.ENOENT, "No such file", "/a"), KeyError("x"), OSError("?")],
)
def test_a_bug_is_no_such_error_and_still_a_line_in_a_table(error: Exception) -> None:
    assert not is_mendable(error)
    assert explain(error).startswith(type(error).__name__)
    assert "\n" not in explain(error)
