"""The account of the twin: what exists in it, kept in SQLite."""

from infra.twin.account.account import Account as Account
from infra.twin.account.account import AccountError as AccountError
from infra.twin.account.account import CustomDomain as CustomDomain
from infra.twin.account.account import Module as Module
from infra.twin.account.account import RouteEntry as RouteEntry
from infra.twin.account.account import Version as Version
