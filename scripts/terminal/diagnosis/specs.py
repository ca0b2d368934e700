"""Tenant files and providers, checked as an apply would."""

import json
from collections.abc import Iterator

from infra.config import ConfigError, read_base_config
from infra.placement import PlacementError
from infra.specs import SpecError, load_specs
from scripts.terminal.diagnosis.symptom import Patient, Symptom, problem


def check_specs(patient: Patient) -> Iterator[Symptom]:
    """Needs no state: a bare clone may hold an invalid file too."""
    for folder in patient.tenants:
        if not folder.is_dir():
            why = "a folder that is not there holds no tenants"
            yield problem(
                "specs", f"{folder} is no folder", why, f"mkdir -p {folder}   (or name another with --tenants)"
            )
            return
    values = {
        "accountId": "0" * 32,
        "zones": json.dumps(patient.zones),
        "keyPepper": "not used",
        "operatorToken": "not used",
        "tenants": json.dumps([str(folder.absolute()) for folder in patient.tenants]),
        "providers": str(patient.providers.absolute()),
        "placement": "{}",
    }
    try:
        load_specs(read_base_config(values.get))
    except SpecError as error:
        for finding in error.findings:
            field = f"{finding.field}: " if finding.field else ""
            shown = f" (found {finding.value})" if finding.value else ""
            where = f"{finding.file}:{finding.line}:{finding.column}"
            why = "nothing is applied while a file is invalid; what was provisioned before goes on serving"
            yield problem("specs", f"{where}: {field}{finding.reason}{shown}", why, f"edit {where}: {finding.remedy}")
    except (PlacementError, ConfigError) as error:
        why = "nothing is applied while the tenants do not fit"
        yield problem("specs", str(error), why, "edit the tenants' files as it says")
