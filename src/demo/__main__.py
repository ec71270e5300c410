"""Open a local page that classifies dropped photos: ``python -m src.demo --model champion``."""

import argparse
import contextlib
import sys
import webbrowser

from src.cli.signals import closed_pipe_ends_quietly
from src.common.errors import ThawError, one_line

_MODEL = "runs:/ID, models:/NAME@ALIAS, models:/NAME/VERSION, an alias such as champion, a folder or a .keras file"


def main(arguments: list[str] | None = None) -> int:
    """Serve the page until Ctrl-C; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m src.demo", description=__doc__)
    parser.add_argument("--model", required=True, help=_MODEL)
    parser.add_argument("--port", type=int, default=7860, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--top", type=int, default=5, help="classes that are shown (default: %(default)s)")
    parser.add_argument("--no-browser", action="store_true", help="open no browser")
    parser.add_argument("--tracking-uri", help="MLflow's; default: MLFLOW_TRACKING_URI, else the project's own store")
    options = parser.parse_args(arguments)
    try:
        _serve(options)
    except ThawError as error:
        print(f"thaw: {one_line(error, 2000)}", file=sys.stderr)
        return 1
    except (OSError, OverflowError) as error:
        print(f"thaw: --port {options.port}: {one_line(error, 300)}", file=sys.stderr)
        return 1
    return 0


def _serve(options: argparse.Namespace) -> None:
    from src.models import runtime  # noqa: F401, I001 - first: it starts TensorFlow quietly
    from src.deployment.demo_server import HOST, demo_server
    from src.deployment.model_source import opened_model

    with (
        opened_model(options.model, options.tracking_uri) as model,
        demo_server(model.classifier, options.port, options.top) as server,
        contextlib.suppress(KeyboardInterrupt),
    ):
        address = f"http://{HOST}:{server.server_port}/"
        print(f"page: {address}   (Ctrl-C ends it)", flush=True)
        if not options.no_browser:
            webbrowser.open(address)
        server.serve_forever()


if __name__ == "__main__":
    with closed_pipe_ends_quietly():
        sys.exit(main())
