"""All stacks in order: what `serai plan`, `up`, `down`, `dev` and `serve` do. Nothing here imports Pulumi's SDK."""

from infra.deploy.account import AccountApiError as AccountApiError
from infra.deploy.prepared import Prepared as Prepared
from infra.deploy.prepared import prepare as prepare
from infra.deploy.results import Event as Event
from infra.deploy.results import Outcome as Outcome
from infra.deploy.results import StackOutcome as StackOutcome
from infra.deploy.results import TenantEndpoint as TenantEndpoint
from infra.deploy.runs import apply as apply
from infra.deploy.runs import destroy as destroy
from infra.deploy.runs import plan as plan
from infra.deploy.smoke import SmokeResult as SmokeResult
from infra.deploy.smoke import smoke as smoke
from infra.deploy.target import Target as Target
