"""A Worker that serves: the script, a version of it, and the deployment that puts a version before the world."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_cloudflare as cf

from infra import names
from infra.bundle import Module, write_modules
from infra.config import StackConfig

COMPATIBILITY_DATE = "2026-11-01"
"""From 2026-09-08 on, Python Workers run Python 3.14."""

Binding = dict[str, Any]
"""A binding without its name: its type and what that type wants."""


@dataclass(frozen=True, slots=True)
class ServingWorker:
    script: pulumi.Output[str]
    deployment: cf.WorkersDeployment


def serve(name: str, config: StackConfig, modules: list[Module], bindings: Mapping[str, Binding]) -> ServingWorker:
    """Upload and deploy the Worker `serai-<name>`, with logical names that start with `name`."""
    worker = cf.Worker(
        names.worker_resource(name),
        account_id=config.account_id,
        name=names.script(name),
        logpush=False,
        observability={"enabled": True},
        subdomain={"enabled": False, "previews_enabled": False},
        tags=sorted(["serai", name]),
        opts=pulumi.ResourceOptions(import_=config.adopt.get(names.worker_resource(name))),
    )
    version = cf.WorkerVersion(
        names.version_resource(name),
        account_id=config.account_id,
        worker_id=worker.id,
        main_module=modules[0].name,
        modules=[
            # Never `content_sha256`: it is read-only, and giving it fails the apply half-way.
            cf.WorkerVersionModuleArgs(name=module.name, content_type=module.content_type, content_file=path)
            for module, path in write_modules(name, modules)
        ],
        # The provider sends and reads bindings sorted; in another order a refresh mixes up their fields.
        bindings=[cf.WorkerVersionBindingArgs(name=key, **bindings[key]) for key in sorted(bindings)],
        compatibility_date=COMPATIBILITY_DATE,
        compatibility_flags=["python_workers"],
    )
    deployment = cf.WorkersDeployment(
        names.deployment_resource(name),
        account_id=config.account_id,
        script_name=worker.name,
        strategy="percentage",
        versions=[{"percentage": 100, "version_id": config.deploy_version or version.id}],
    )
    return ServingWorker(worker.name, deployment)


def ai() -> Binding:
    return {"type": "ai"}


def secret_text(value: str) -> Binding:
    return {"type": "secret_text", "text": pulumi.Output.secret(value)}


def plain_text(value: str) -> Binding:
    # The provider keeps the text of every binding as a secret, so it is one here too.
    return {"type": "plain_text", "text": pulumi.Output.secret(value)}


def database(uuid: pulumi.Input[str]) -> Binding:
    return {"type": "d1", "database_id": uuid}
