"""The Pulumi program. The stack's name chooses its layer: `base`, or a cell."""

import pulumi

from infra.base import base_stack
from infra.cell import cell_stack
from infra.config import BASE, ConfigError, read_base_config, read_cell_config
from infra.placement import PlacementError
from infra.specs import SpecError


def main() -> None:
    stack, get = pulumi.get_stack(), pulumi.Config("serai").get
    try:
        if stack == BASE:
            base_stack(read_base_config(get))
        else:
            cell_stack(read_cell_config(stack, get))
    except (ConfigError, PlacementError, SpecError) as error:
        # A RunError is shown as its message alone.
        raise pulumi.RunError(str(error)) from None


if __name__ == "__main__":
    main()
