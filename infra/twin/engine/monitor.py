"""The other end of Pulumi's SDK: answers its ResourceMonitor and Engine calls, in process.

The SDK calls these methods by their gRPC names, from the threads of its event loop's executor.
"""

from collections.abc import Iterable
from typing import Any, cast

from google.protobuf import empty_pb2
from pulumi.runtime.proto import alias_pb2, engine_pb2, resource_pb2

from infra.twin.engine.deployment import Deployment
from infra.twin.engine.failures import failure
from infra.twin.engine.goal import Goal
from infra.twin.engine.invokes import invoke
from infra.twin.engine.results import Config
from infra.twin.engine.run import PARALLEL, Run
from infra.twin.engine.urns import Alias, make_urn
from infra.twin.engine.wire import from_struct, to_struct

ORGANIZATION = "organization"
"""What Pulumi calls it where there is none."""
FEATURES = (
    resource_pb2.RESOURCE_MONITOR_FEATURE_SECRETS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_ALIAS_SPECS,
    resource_pb2.RESOURCE_MONITOR_FEATURE_DELETED_WITH,
)
DEBUG = engine_pb2.DEBUG


class Monitor:
    def __init__(self, run: Run, deployment: Deployment, config: Config) -> None:
        self._run = run
        self._deployment = deployment
        self._config = config

    def GetDeploymentInfo(self, _: object) -> resource_pb2.DeploymentInfo:  # noqa: N802
        return resource_pb2.DeploymentInfo(
            project=self._run.project,
            stack=self._run.stack,
            organization=ORGANIZATION,
            config=dict(self._config.values),
            configSecretKeys=sorted(self._config.secret_keys),
            dryRun=self._run.preview,
            parallel=PARALLEL,
            supportedFeatures=FEATURES,
        )

    def RegisterResource(  # noqa: N802
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        with self._run.called_by_sdk():
            answer = self._deployment.register(self._goal(request))
        return resource_pb2.RegisterResourceResponse(urn=answer.urn, id=answer.id, object=to_struct(answer.outputs))

    def ReadResource(self, request: resource_pb2.ReadResourceRequest) -> resource_pb2.ReadResourceResponse:  # noqa: N802
        goal = Goal(
            urn=self._urn(request.parent, request.type, request.name),
            type=request.type,
            name=request.name,
            custom=True,
            inputs=from_struct(request.properties),
            parent=request.parent,
            dependencies=tuple(sorted(request.dependencies)),
            secret_outputs=tuple(request.additionalSecretOutputs),
        )
        with self._run.called_by_sdk():
            answer = self._deployment.read(goal, request.id)
        return resource_pb2.ReadResourceResponse(urn=answer.urn, properties=to_struct(answer.outputs))

    def RegisterResourceOutputs(self, request: resource_pb2.RegisterResourceOutputsRequest) -> empty_pb2.Empty:  # noqa: N802
        with self._run.called_by_sdk():
            self._deployment.set_outputs(request.urn, from_struct(request.outputs))
        return empty_pb2.Empty()

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest) -> Any:  # noqa: N802
        with self._run.called_by_sdk():
            try:
                result = invoke(self._run.api_for(request.tok), request.tok, from_struct(request.args))
            except Exception as error:
                raise self._run.failed(failure(request.tok.rsplit(":", 1)[-1], request.tok, error)) from error
        response = resource_pb2.ResourceInvokeResponse()
        getattr(response, "return").CopyFrom(to_struct(result))
        return response

    def SignalAndWaitForShutdown(self, _: object) -> empty_pb2.Empty:  # noqa: N802
        return empty_pb2.Empty()

    def Log(self, request: engine_pb2.LogRequest) -> empty_pb2.Empty:  # noqa: N802
        if request.severity != DEBUG:
            self._run.progress.log(request.message)
        return empty_pb2.Empty()

    def GetRootResource(self, _: object) -> engine_pb2.GetRootResourceResponse:  # noqa: N802
        return engine_pb2.GetRootResourceResponse(urn="")

    def SetRootResource(self, _: object) -> engine_pb2.SetRootResourceResponse:  # noqa: N802
        return engine_pb2.SetRootResourceResponse()

    def RequirePulumiVersion(self, _: object) -> engine_pb2.RequirePulumiVersionResponse:  # noqa: N802
        return engine_pb2.RequirePulumiVersionResponse()

    def _goal(self, request: resource_pb2.RegisterResourceRequest) -> Goal:
        return Goal(
            urn=self._urn(request.parent, request.type, request.name),
            type=request.type,
            name=request.name,
            custom=request.custom,
            inputs=from_struct(request.object),
            parent=request.parent,
            dependencies=tuple(sorted(request.dependencies)),
            property_dependencies={name: sorted(deps.urns) for name, deps in request.propertyDependencies.items()},
            protect=request.protect,
            retain=request.retainOnDelete,
            delete_before_replace=request.deleteBeforeReplace,
            import_id=request.importId,
            ignore_changes=tuple(request.ignoreChanges),
            replace_on_changes=tuple(request.replaceOnChanges),
            secret_outputs=tuple(request.additionalSecretOutputs),
            aliases=tuple(_alias(alias) for alias in cast("Iterable[alias_pb2.Alias]", request.aliases)),
            deleted_with=request.deletedWith,
        )

    def _urn(self, parent: str, kind: str, name: str) -> str:
        return make_urn(self._run.stack, self._run.project, parent, kind, name)


def _alias(alias: alias_pb2.Alias) -> Alias:
    if alias.urn:
        return Alias(urn=alias.urn)
    spec = alias.spec
    return Alias(
        name=spec.name,
        type=spec.type,
        stack=spec.stack,
        project=spec.project,
        parent=spec.parentUrn,
        no_parent=spec.noParent,
    )
