"""Each resource option does what it does under the real engine."""

from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_cloudflare as cf
import pytest

from infra.twin.engine import SECRET, UNKNOWN, EngineError, PropertyChange
from infra.twin.engine.values import Secret

Options = pulumi.ResourceOptions


def database(project: Any, name: str = "one", resource: str = "db", opts: Options | None = None) -> Callable[[], None]:
    return lambda: _database(project, name, resource, opts)


def _database(project: Any, name: str, resource: str, opts: Options | None) -> None:
    cf.D1Database(resource, account_id=project.account, name=name, opts=opts)


class Tenant(pulumi.ComponentResource):
    def __init__(self, name: str, project: Any, opts: Options | None = None) -> None:
        super().__init__("serai:index:Tenant", name, {"plan": "pro"}, opts)
        self.database = cf.D1Database(
            f"{name}-db", account_id=project.account, name=f"serai-{name}", opts=Options(parent=self)
        )
        self.register_outputs({"databaseId": self.database.uuid})


def test_protect_stops_a_deletion_and_a_replacement(project: Any) -> None:
    project.up(database(project, opts=Options(protect=True)))
    with pytest.raises(EngineError, match="db: protected, so not deleted"):
        project.up(lambda: None)
    with pytest.raises(EngineError, match="db: a change of name replaces it, and it is protected"):
        project.up(database(project, "two", opts=Options(protect=True)))
    with pytest.raises(EngineError, match="protected"):
        project.engine.destroy("base")
    assert [found["name"] for found in project.cloud.all("d1")] == ["one"]
    project.up(database(project))
    assert project.ops(project.up(lambda: None)) == {"db": "delete"}


def test_retain_on_delete_leaves_it_in_the_account(project: Any) -> None:
    kept = Options(retain_on_delete=True)
    project.up(database(project, opts=kept))
    assert project.ops(project.up(lambda: None)) == {"db": "retain"}
    assert project.engine.resources("base")[0].type == "pulumi:pulumi:Stack"
    assert project.cloud.counts() == {"d1": 1}

    project.up(database(project, "two", opts=kept))
    project.up(database(project, "three", opts=kept))  # a replacement keeps the old one too
    assert sorted(found["name"] for found in project.cloud.all("d1")) == ["one", "three", "two"]


def test_a_retained_one_is_not_adopted_without_being_asked(project: Any) -> None:
    project.up(database(project, opts=Options(retain_on_delete=True)))
    project.up(lambda: None)
    with pytest.raises(EngineError, match=r"code 7502.*adopt it"):
        project.up(database(project))


def test_import_takes_over_what_is_there(project: Any) -> None:
    project.up(database(project, opts=Options(retain_on_delete=True)))
    project.up(lambda: None)
    (there,) = project.cloud.all("d1")
    project.cloud.calls.clear()
    adopted = database(project, opts=Options(import_=f"{project.account}/{there['uuid']}"))
    assert project.ops(project.preview(adopted)) == {"db": "import"}
    assert project.ops(project.up(adopted)) == {"db": "import"}
    assert project.cloud.writes() == []
    assert project.ids() == {"db": there["uuid"]}
    assert project.ops(project.up(adopted)) == {}
    assert project.ops(project.up(database(project))) == {}


@pytest.mark.parametrize(
    ("import_id", "said"),
    [
        ("only-one-part", "not of the form <accountId>/<id>"),
        ("{account}/00000000-0000-4000-8000-000000000000", "nothing to import"),
    ],
)
def test_an_import_of_nothing_is_refused(project: Any, import_id: str, said: str) -> None:
    with pytest.raises(EngineError, match=said):
        project.up(database(project, opts=Options(import_=import_id.format(account=project.account))))
    assert project.cloud.counts() == {}


def test_an_import_with_other_inputs_is_refused(project: Any) -> None:
    project.up(database(project, opts=Options(retain_on_delete=True)))
    project.up(lambda: None)
    (there,) = project.cloud.all("d1")
    adopted = Options(import_=f"{project.account}/{there['uuid']}")
    with pytest.raises(EngineError, match=r"do not match.*name \(there 'one', here 'two'\)"):
        project.up(database(project, "two", opts=adopted))

    def hinted(opts: Options) -> Callable[[], None]:
        return lambda: pulumi.export(
            "id",
            cf.D1Database("db", account_id=project.account, name="one", primary_location_hint="weur", opts=opts).id,
        )

    with pytest.raises(EngineError, match="primaryLocationHint"):  # the API does not answer it
        project.up(hinted(adopted))
    ignored = Options(import_=adopted.import_, ignore_changes=["primary_location_hint"])
    assert project.ops(project.up(hinted(ignored))) == {"db": "import"}


def test_ignore_changes(project: Any) -> None:
    def program(pattern: str, opts: Options | None = None) -> Callable[[], None]:
        def main() -> None:
            worker = cf.Worker("worker", account_id=project.account, name="serai-cell-1")
            cf.WorkersRoute("route", zone_id=project.zone, pattern=pattern, script=worker.name, opts=opts)

        return main

    project.up(program("api.serai.example/a/*"))
    assert project.ops(project.up(program("api.serai.example/b/*", Options(ignore_changes=["pattern"])))) == {}
    assert project.cloud.all("route")[0]["pattern"] == "api.serai.example/a/*"
    assert project.ops(project.up(program("api.serai.example/b/*"))) == {"route": "update"}


def test_ignore_changes_within_lists(project: Any) -> None:
    def program(text: str, *ignored: str) -> Callable[[], None]:
        def main() -> None:
            worker = cf.Worker("worker", account_id=project.account, name="serai-cell-1")
            cf.WorkerVersion(
                "version",
                account_id=project.account,
                worker_id=worker.id,
                main_module="cell.py",
                modules=[{"name": "cell.py", "content_type": "text/x-python", "content_file": "cell.py"}],
                bindings=[{"name": "A", "type": "ai"}, {"name": "B", "type": "plain_text", "text": text}],
                compatibility_flags=["python_workers"],
                opts=Options(ignore_changes=list(ignored)),
            )

        return main

    project.up(program("one"))
    assert project.ops(project.up(program("two", "bindings[1].text"))) == {}
    assert project.ops(project.up(program("two", "bindings[*].text"))) == {}
    assert project.ops(project.up(program("two", "bindings[0].text"))) == {"version": "replace"}


def test_an_alias_keeps_a_renamed_resource(project: Any) -> None:
    project.up(database(project))
    before = project.ids()["db"]
    renamed = database(project, resource="acme-db", opts=Options(aliases=[pulumi.Alias(name="db")]))
    assert project.ops(project.preview(renamed)) == {}
    assert project.ops(project.up(renamed)) == {}
    assert project.ids() == {"acme-db": before}
    assert project.ops(project.up(database(project, resource="acme-db"))) == {}


def test_an_alias_of_a_component_reaches_its_children(project: Any) -> None:
    def under(name: str, *aliases: str) -> Callable[[], None]:
        opts = Options(aliases=[pulumi.Alias(name=alias) for alias in aliases])

        def main() -> None:
            tenant = pulumi.ComponentResource("serai:index:Tenant", name, None, opts)
            cf.D1Database(f"{name}-db", account_id=project.account, name="one", opts=Options(parent=tenant))

        return main

    project.up(under("acme"))
    before = project.ids()["acme-db"]
    assert project.ops(project.up(under("initech", "acme"))) == {}
    assert project.ids() == {"initech-db": before}


def test_a_resource_moves_into_a_component_by_alias(project: Any) -> None:
    project.up(database(project))
    before = project.ids()["db"]

    def main() -> None:
        tenant = pulumi.ComponentResource("serai:index:Tenant", "acme")
        moved = Options(parent=tenant, aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)])
        _database(project, "one", "db", moved)

    assert project.ops(project.up(main)) == {"acme": "create"}
    assert project.ids() == {"db": before}


def test_components_parents_and_urns(project: Any) -> None:
    def main() -> None:
        tenant = Tenant("acme", project)
        pulumi.export("id", tenant.database.uuid)

    project.up(main)
    found = {resource.name: resource for resource in project.engine.resources("base")}
    stack = "urn:pulumi:base::serai::pulumi:pulumi:Stack::serai-base"
    tenant = "urn:pulumi:base::serai::serai:index:Tenant::acme"
    assert found["serai-base"].urn == stack
    assert (found["acme"].urn, found["acme"].parent, found["acme"].custom) == (tenant, stack, False)
    assert found["acme-db"].parent == tenant
    assert found["acme-db"].urn == (
        "urn:pulumi:base::serai::serai:index:Tenant$cloudflare:index/d1Database:D1Database::acme-db"
    )
    assert found["acme"].outputs == {"databaseId": found["acme-db"].id}
    assert project.ops(project.up(lambda: None)) == {"acme-db": "delete", "acme": "delete"}


def test_delete_before_replace_takes_dependents_along(project: Any) -> None:
    def main(name: str) -> Callable[[], None]:
        def program() -> None:
            queue = cf.Queue(
                "queue",
                account_id=project.account,
                queue_name=name,
                opts=Options(delete_before_replace=True, replace_on_changes=["queueName"]),
            )
            worker = cf.Worker("worker", account_id=project.account, name="serai-cell-1")
            cf.QueueConsumer(
                "consumer", account_id=project.account, queue_id=queue.queue_id, type="worker", script_name=worker.name
            )

        return program

    project.up(main("one"))
    project.cloud.calls.clear()
    assert project.ops(project.up(main("two"))) == {"queue": "replace", "consumer": "replace"}
    calls = [(method, path.split("/")[-1 if method == "POST" else -2]) for method, path in project.cloud.writes()]
    assert calls == [("DELETE", "consumers"), ("DELETE", "queues"), ("POST", "queues"), ("POST", "consumers")]
    assert project.cloud.counts() == {"consumer": 1, "queue": 1, "worker": 1}


def test_replace_on_changes(project: Any) -> None:
    def main(pattern: str) -> Callable[[], None]:
        def program() -> None:
            worker = cf.Worker("worker", account_id=project.account, name="serai-cell-1")
            opts = Options(replace_on_changes=["pattern"])
            cf.WorkersRoute("route", zone_id=project.zone, pattern=pattern, script=worker.name, opts=opts)

        return program

    project.up(main("api.serai.example/a/*"))
    before = project.ids()["route"]
    assert project.ops(project.up(main("api.serai.example/b/*"))) == {"route": "replace"}
    assert project.ids()["route"] != before
    assert project.cloud.counts() == {"route": 1, "worker": 1}


def test_deleted_with_makes_no_call_of_its_own(project: Any) -> None:
    def main() -> None:
        worker = cf.Worker("worker", account_id=project.account, name="serai-cell-1")
        opts = Options(deleted_with=worker)
        cf.WorkersRoute("route", zone_id=project.zone, pattern="api.serai.example/a/*", script=worker.name, opts=opts)

    project.up(main)
    project.cloud.calls.clear()
    project.up(lambda: None)
    assert [path.split("/")[-2] for _, path in project.cloud.writes()] == ["workers"]
    assert project.cloud.counts() == {}


def test_additional_secret_outputs(project: Any) -> None:
    project.up(database(project, opts=Options(additional_secret_outputs=["uuid"])))
    (resource,) = (resource for resource in project.engine.resources("base") if resource.name == "db")
    assert resource.outputs["uuid"] == SECRET
    assert resource.outputs["name"] == "one"

    def main() -> None:
        opts = Options(additional_secret_outputs=["uuid"])
        pulumi.export("uuid", cf.D1Database("db", account_id=project.account, name="one", opts=opts).uuid)

    assert project.up(main).outputs == {"uuid": SECRET}
    assert project.engine.outputs("base", show_secrets=True) == {"uuid": project.ids()["db"]}


def test_get_reads_without_owning(project: Any) -> None:
    project.up(database(project), stack="other")
    (there,) = project.cloud.all("d1")

    def main() -> None:
        found = cf.D1Database.get("found", there["uuid"], account_id=project.account)
        pulumi.export("name", found.name)

    assert project.preview(main).outputs == {"name": "one"}
    result = project.up(main)
    assert result.outputs == {"name": "one"}
    assert [(step.op, step.name) for step in result.steps if step.name == "found"] == [("read", "found")]
    project.engine.destroy("base")
    assert project.cloud.counts() == {"d1": 1}


def test_get_of_nothing_is_refused(project: Any) -> None:
    missing = "00000000-0000-4000-8000-000000000000"
    with pytest.raises(EngineError, match=f"found .D1Database.: There is none with the id {missing}"):
        project.up(lambda: pulumi.export("x", cf.D1Database.get("found", missing, account_id=project.account).name))


def test_zone_by_name_and_by_id(project: Any) -> None:
    def main() -> None:
        by_name = cf.get_zone_output(filter={"name": "serai.example"})  # pyright: ignore[reportArgumentType]
        pulumi.export("id", by_name.zone_id)
        pulumi.export("name", cf.get_zone_output(zone_id=by_name.zone_id).name)

    assert project.up(main).outputs == {"id": project.zone, "name": "serai.example"}


def test_a_zone_that_is_not_there(project: Any) -> None:
    with pytest.raises(EngineError, match=r"no zones in the account match name 'other.example'"):
        project.up(
            lambda: pulumi.export("id", cf.get_zone_output(filter={"name": "other.example"}).zone_id)  # pyright: ignore[reportArgumentType]
        )


def test_stack_reference_hands_outputs_on_and_keeps_secrets(project: Any) -> None:
    def base() -> None:
        pulumi.export("zoneIds", {"serai.example": project.zone})
        pulumi.export("keys", {"acme": pulumi.Output.secret("sk-serai-acme")})

    def cell() -> None:
        reference = pulumi.StackReference(f"{pulumi.get_organization()}/serai/base")
        pulumi.export("zone", reference.require_output("zoneIds").apply(lambda ids: ids["serai.example"]))
        pulumi.export("key", reference.require_output("keys").apply(lambda keys: keys["acme"]))

    assert project.preview(cell, stack="cell-1").outputs == {"zone": UNKNOWN, "key": UNKNOWN}
    with pytest.raises(EngineError, match=r"Stack base has not been applied yet. Apply it first"):
        project.up(cell, stack="cell-1")
    project.up(base)
    assert project.up(cell, stack="cell-1").outputs == {"zone": project.zone, "key": SECRET}
    assert project.engine.outputs("cell-1", show_secrets=True)["key"] == "sk-serai-acme"


def test_a_secret_stays_one_through_outputs_and_is_encrypted_at_rest(project: Any) -> None:
    def main() -> None:
        database = cf.D1Database("db", account_id=project.account, name=pulumi.Output.secret("very-secret-name"))
        pulumi.export("name", database.name)
        pulumi.export("length", database.name.apply(len))
        pulumi.export("nested", {"keys": [pulumi.Output.secret({"a": "very-secret-name"})]})

    result = project.up(main)
    assert result.outputs == {"name": SECRET, "length": SECRET, "nested": {"keys": [SECRET]}}
    assert project.cloud.all("d1")[0]["name"] == "very-secret-name"
    stored = b"".join(path.read_bytes() for path in project.state.stacks_path.iterdir())
    assert b"very-secret-name" not in stored
    assert "very-secret-name" not in repr(project.engine.resources("base"))
    assert project.engine.outputs("base", show_secrets=True) == {
        "name": "very-secret-name",
        "length": 16,
        "nested": {"keys": [{"a": "very-secret-name"}]},
    }
    assert project.ops(project.up(main)) == {}


def test_text_of_bindings_is_kept_as_a_secret(project: Any) -> None:
    project.up(project.serving(text="in plain sight"))
    stored = b"".join(path.read_bytes() for path in project.state.stacks_path.iterdir())
    assert b"in plain sight" not in stored
    assert "in plain sight" not in repr(Secret("in plain sight"))


def test_a_service_binding_without_environment_is_replaced_by_every_run(project: Any) -> None:
    def program(environment: str | None = None) -> Callable[[], None]:
        def main() -> None:
            other = cf.Worker("other", account_id=project.account, name="serai-control")
            worker = cf.Worker("worker", account_id=project.account, name="serai-cell-1")
            cf.WorkerVersion(
                "version",
                account_id=project.account,
                worker_id=worker.id,
                main_module="cell.py",
                modules=[{"name": "cell.py", "content_type": "text/x-python", "content_file": "cell.py"}],
                bindings=[
                    cf.WorkerVersionBindingArgs(
                        name="CONTROL", type="service", service=other.name, environment=environment
                    )
                ],
                compatibility_flags=["python_workers"],
            )

        return main

    project.up(program())
    result = project.up(program())
    assert project.ops(result) == {"version": "replace"}
    assert result.changes[0].diff == [PropertyChange("bindings[0].environment", None, "production")]
    project.up(program(environment="production"))
    assert project.ops(project.up(program(environment="production"))) == {}


def test_content_sha256_is_read_only(project: Any) -> None:
    def main() -> None:
        worker = cf.Worker("worker", account_id=project.account, name="serai-cell-1")
        cf.WorkerVersion(
            "version",
            account_id=project.account,
            worker_id=worker.id,
            main_module="cell.py",
            modules=[
                {"name": "cell.py", "content_type": "text/x-python", "content_base64": "eA==", "content_sha256": "0"}
            ],
        )

    with pytest.raises(EngineError, match=r"Read-Only Attribute: modules\[0\].contentSha256"):
        project.up(main)
    assert project.cloud.counts() == {"worker": 1}  # what was made already stays in the stack
    assert "worker" in project.ids()


def test_a_file_that_is_missing(project: Any) -> None:
    (project.root / "infra" / "cell.py").unlink()
    with pytest.raises(EngineError, match=r"modules\[0\].contentFile: 'cell.py' cannot be read"):
        project.up(project.serving())


def test_two_resources_with_one_name(project: Any) -> None:
    def main() -> None:
        _database(project, "one", "db", None)
        _database(project, "two", "db", None)

    with pytest.raises(EngineError, match="two resources of the program have this URN"):
        project.up(main)


def test_a_type_that_the_engine_does_not_know(project: Any) -> None:
    with pytest.raises(EngineError, match=r"does not know the type cloudflare:index/zone:Zone. It knows AiGateway"):
        project.up(lambda: pulumi.export("id", cf.Zone("zone", account={"id": project.account}, name="x.example").id))
