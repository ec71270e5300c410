"""Export a trained model for phones and servers: ``python -m src.export --model champion --format litert``."""

import argparse
import sys
from pathlib import Path

from src.cli.command import MODEL_HELP, STORE_HELP, not_empty, refuse, run_command, share
from src.common.errors import printable


def main(arguments: list[str] | None = None) -> int:
    """Export the model, run the export on test images and tell what it is worth; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m src.export", description=__doc__)
    parser.add_argument("--model", required=True, type=not_empty, help=MODEL_HELP)
    parser.add_argument("--format", required=True, choices=("litert", "onnx", "saved_model"))
    parser.add_argument("--precision", nargs="+", choices=("float32", "float16", "int8"), default=["float32"],
                        help="litert's; several are compared (default: float32)")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("export"), help="folder to write (default: %(default)s)")
    parser.add_argument("--agreement", type=share, help="least share of test images named as by the model (0–1); "
                        "default: 0.99, with int8 0.97")  # fmt: skip
    parser.add_argument("--force", action="store_true", help="keep an export that agrees less")
    parser.add_argument("--tracking-uri", help=STORE_HELP)
    options = parser.parse_args(arguments)
    if options.format != "litert" and options.precision != ["float32"]:
        parser.error(f"--precision {' '.join(options.precision)}: only with --format litert")
    return _export(options)


def _export(options: argparse.Namespace) -> int:
    from src.models import runtime  # noqa: F401, I001 - first: it starts TensorFlow quietly
    from src.deployment.export_model import export_model
    from src.deployment.model_source import opened_model
    from src.reporting.terminal import Terminal

    with opened_model(options.model, options.tracking_uri) as model, Terminal(sys.stderr.isatty()) as terminal:
        results = export_model(model, options.format, options.precision, options.out, terminal,
                               least=options.agreement, force=options.force)  # fmt: skip
    for line in (line for result in results for line in result.lines()):
        print(printable(line))
    refused = [result for result in results if result.refusal]
    for result in refused:
        refuse(result.refusal)
    return 1 if refused else 0


if __name__ == "__main__":
    run_command(main)
