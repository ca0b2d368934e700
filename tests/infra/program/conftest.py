"""Given tenant files and a stack's config, what the program registers."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pulumi
import pytest
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.mocks import MockCallArgs, MockMonitor, MockResourceArgs, Mocks
from pulumi.runtime.proto import resource_pb2

from infra.base import base_stack
from infra.cell import cell_stack
from infra.config import read_base_config, read_cell_config

ZONES = ("serai.example", "second.example")


@dataclass(frozen=True)
class Registered:
    """One registration as the program sent it, options included."""

    type: str
    name: str
    inputs: dict[str, Any]
    request: Any


class _Unused(Mocks):
    """The monitor below answers for itself."""

    def new_resource(self, args: MockResourceArgs) -> tuple[str, dict[str, Any]]:
        raise NotImplementedError

    def call(self, args: MockCallArgs) -> tuple[dict[str, Any], None]:
        raise NotImplementedError


class _Monitor(MockMonitor):
    """Answers like an engine whose every call succeeds: an id for what is made, outputs for what base would know."""

    def __init__(self) -> None:
        super().__init__(_Unused())
        self.registered: list[Registered] = []

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the names of the RPCs
        if request.custom or request.type.startswith("serai:"):
            inputs = json_format.MessageToDict(request.object)
            self.registered.append(Registered(request.type, request.name, inputs, request))
        outputs = Struct()
        outputs.CopyFrom(request.object)
        if request.type.endswith(":D1Database"):
            outputs["uuid"] = f"uuid-of-{request.name}"
        urn = self.make_urn(request.parent, request.type, request.name)
        return resource_pb2.RegisterResourceResponse(urn=urn, id=f"id-of-{request.name}", object=outputs)

    def ReadResource(self, request: Any) -> Any:  # noqa: N802
        self.registered.append(Registered(request.type, request.name, {}, request))
        outputs = Struct()
        outputs.update({"outputs": {"zoneIds": {zone: f"id-of-{zone}" for zone in ZONES}}})
        urn = self.make_urn(request.parent, request.type, request.name)
        return resource_pb2.ReadResourceResponse(urn=urn, properties=outputs)

    def Invoke(self, request: Any) -> Any:  # noqa: N802
        answer = resource_pb2.ResourceInvokeResponse()
        getattr(answer, "return").update({"zoneId": f"id-of-{request.args['filter']['name']}"})
        return answer


Register = Callable[..., list[Registered]]


@pytest.fixture
def register(project: Any) -> Register:
    """What a stack's program registers: `register("cell-1", adopt="{...}")`."""

    def run(stack: str, **changes: str) -> list[Registered]:
        monitor = _Monitor()

        @pulumi.runtime.test
        def program() -> None:
            get = project.get(**changes)
            base_stack(read_base_config(get)) if stack == "base" else cell_stack(read_cell_config(stack, get))

        def in_a_thread() -> None:
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            pulumi.runtime.set_mocks(
                _Unused(), project="serai", stack=stack, preview=False, monitor=monitor, organization="organization"
            )
            try:
                program()
            finally:
                loop.run_until_complete(loop.shutdown_default_executor())
                asyncio.set_event_loop(None)
                loop.close()

        # The SDK re-enters its event loop, which leaves CPython 3.11's recursion count wrong in the thread it ran in.
        with ThreadPoolExecutor(1) as pool:
            pool.submit(in_a_thread).result()
        return monitor.registered

    return run
