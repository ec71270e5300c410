"""Open a local page that classifies dropped photos: ``python -m src.demo --model champion``."""

import argparse
import signal
import webbrowser

from src.cli.command import MODEL_HELP, STORE_HELP, not_empty, port, positive, run_command
from src.cli.signals import received
from src.common.errors import Interrupted


def main(arguments: list[str] | None = None) -> int:
    """Serve the page until Ctrl-C; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m src.demo", description=__doc__)
    parser.add_argument("--model", required=True, type=not_empty, help=MODEL_HELP)
    parser.add_argument("--port", type=port, default=7860, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--top", type=positive, default=5, help="classes that are shown (default: %(default)s)")
    parser.add_argument("--no-browser", action="store_true", help="open no browser")
    parser.add_argument("--tracking-uri", help=STORE_HELP)
    return _serve(parser.parse_args(arguments))


def _serve(options: argparse.Namespace) -> int:
    from src.models import runtime  # noqa: F401, I001 - first: it starts TensorFlow quietly
    from src.deployment.demo_server import HOST, demo_server
    from src.deployment.model_source import opened_model

    with (
        opened_model(options.model, options.tracking_uri) as model,
        demo_server(model.classifier, options.port, options.top) as server,
    ):
        address = f"http://{HOST}:{server.server_port}/"
        print(f"page: {address}   (Ctrl-C ends it)", flush=True)
        if not options.no_browser:
            webbrowser.open(address)
        try:
            server.serve_forever()
        except Interrupted as stop:
            received(stop)
            if stop.signal_number != signal.SIGINT:
                raise
    return 0


if __name__ == "__main__":
    run_command(main)
