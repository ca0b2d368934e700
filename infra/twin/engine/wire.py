"""Property values as Pulumi's SDK sends them: protobuf structs, with signatures for what JSON cannot say."""

from typing import Any, Final, cast

from google.protobuf import struct_pb2

from infra.twin.engine.values import UNKNOWN_VALUE, Secret, Unknown, Values

# pulumi/runtime/rpc.py
SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET_SIGNATURE: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - marks secrets, is none
UNKNOWN_SIGNATURE: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
WIDEST_WHOLE = 2**53


def from_struct(struct: struct_pb2.Struct) -> Values:
    """Sorted: protobuf's maps have an order of their own in every process."""
    return {key: _from_value(struct.fields[key]) for key in sorted(struct.fields)}


def to_struct(values: Values) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    for key, value in values.items():
        _to_value(value, struct.fields[key])
    return struct


def _from_value(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _from_object(value.struct_value)
    if kind == "list_value":
        return [_from_value(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        # JSON has one kind of number: a whole one came from an int.
        return int(number) if number.is_integer() and abs(number) <= WIDEST_WHOLE else number
    if kind == "string_value":
        return UNKNOWN_VALUE if value.string_value == UNKNOWN_SIGNATURE else value.string_value
    return value.bool_value if kind == "bool_value" else None


def _from_object(struct: struct_pb2.Struct) -> Any:
    fields = from_struct(struct)
    signature = fields.get(SIGNATURE)
    if signature is None:
        return fields
    if signature == SECRET_SIGNATURE:
        inner = fields.get("value")
        return inner if isinstance(inner, Secret) else Secret(inner)
    raise ValueError(
        "a file asset or archive: the embedded engine takes strings, numbers, lists and maps as inputs and outputs."
    )


def _to_value(value: Any, out: struct_pb2.Value) -> None:
    if isinstance(value, Secret):
        out.struct_value.fields[SIGNATURE].string_value = SECRET_SIGNATURE
        _to_value(value.value, out.struct_value.fields["value"])
    elif isinstance(value, dict):
        out.struct_value.SetInParent()
        for key, item in cast("Values", value).items():
            _to_value(item, out.struct_value.fields[key])
    elif isinstance(value, list):
        out.list_value.SetInParent()
        for item in cast("list[Any]", value):
            _to_value(item, out.list_value.values.add())
    else:
        _to_leaf(value, out)


def _to_leaf(value: Any, out: struct_pb2.Value) -> None:
    if value is None:
        out.null_value = struct_pb2.NULL_VALUE
    elif isinstance(value, bool):
        out.bool_value = value
    elif isinstance(value, (int, float)):
        out.number_value = value
    else:
        out.string_value = UNKNOWN_SIGNATURE if isinstance(value, Unknown) else value
