"""`cache_control`: marks that only an upstream of Anthropic's wire understands."""

from handlers.inference.wires.fields import Fields, invalid, type_of


class Marks:
    """Where the caller set cache marks."""

    def __init__(self) -> None:
        self.paths: list[str] = []

    def take(self, fields: Fields) -> None:
        if not fields.has("cache_control"):
            return
        path = fields.at("cache_control")
        if type_of(fields.raw("cache_control"), path) != "ephemeral":
            raise invalid(f"{path}.type", "must be ephemeral")
        Fields(fields.raw("cache_control"), path, ("type", "ttl")).choice("ttl", ("5m", "1h"))
        self.paths.append(path)
