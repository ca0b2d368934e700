"""Entry point of the control Worker: wiring only."""

from handlers.control.app import build_control
from handlers.control.directory import read_directory
from shared.edge.ports import App, Platform


def application(platform: Platform) -> App:
    return build_control(
        directory=read_directory(platform.modules("directory.json")),
        operator_token=platform.text["OPERATOR_TOKEN"],
        crypto=platform.crypto,
    )
