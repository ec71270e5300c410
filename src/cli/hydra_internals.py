"""All that Thaw uses of Hydra's private parts; `tests/test_internals.py` says which an upgrade has changed."""

from argparse import ArgumentParser

from hydra._internal.utils import get_args_parser


def options_parser() -> ArgumentParser:
    """Return Hydra's parser of its own options: what is no option is an override, and Hydra says so nowhere else."""
    parser: ArgumentParser = get_args_parser()
    return parser
