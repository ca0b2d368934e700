"""`serai`: the command line. A file in this folder that defines `command` is a command; nothing lists them twice."""

import importlib
import pkgutil
import sys
from functools import cache

import click

import scripts.cli
from scripts.terminal.failure import CommandError, describe


class Commands(click.Group):
    """Finds commands by their file's name; a file is imported only when it is asked for: every call pays for it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return _names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _names():
            return None
        return importlib.import_module(f"scripts.cli.{cmd_name}").command


@cache
def _names() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(scripts.cli.__path__) if module.name != "main")


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="serai")
def serai() -> None:
    """AI assistants for many tenants on Cloudflare, as code.

    \b
    Examples:
      serai dev                      everything, on this machine
      serai plan                     what `serai up` would change
      serai chat acme                talk to a tenant's endpoint

    Completion: eval "$(_SERAI_COMPLETE=bash_source serai)"   (zsh_source, fish_source)
    """


def main() -> None:
    """The console script. Exit codes: 0 done, 1 failed, 2 usage or spec, 3 a guard rail, 4 locked, 5 rolled back."""
    try:
        serai.main(standalone_mode=False)
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(130)
    except CommandError as failure:
        failure.show()
        sys.exit(failure.exit_code)
    except BrokenPipeError:
        sys.exit(0)
    except Exception as error:
        failure = describe(error)
        if failure is None:
            raise
        failure.show()
        sys.exit(failure.exit_code)


if __name__ == "__main__":
    main()
