"""`serai ledger reconcile`: proves that the limit rows and the receipts say what the ledger says."""

from dataclasses import dataclass

from shared.edge.ports import Database, Statement


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that is not what the ledger says it is."""

    subject: str
    field: str
    ledger: str
    found: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.field} is {self.found}, the ledger says {self.ledger}"


_LIMITS = """
with summed as materialized (
  select period, kind, scope, sum(held) as held, sum(spent) as spent from ledger group by period, kind, scope
)
select 'limit ' || kind || ' ' || scope || ' ' || period, cast(held as text), cast(spent as text),
  cast(found_held as text), cast(found_spent as text)
from (
  select s.period, s.kind, s.scope, s.held, s.spent, l.held as found_held, l.spent as found_spent
  from summed s left join limits l on l.period = s.period and l.kind = s.kind and l.scope = s.scope
  union all
  select l.period, l.kind, l.scope, 0, 0, l.held, l.spent
  from limits l left join summed s on l.period = s.period and l.kind = s.kind and l.scope = s.scope
  where s.kind is null
)
where held is not found_held or spent is not found_spent
order by 1
"""

# What a receipt must have in the ledger: while pending its worst case held, then nothing held and its total spent.
_RECEIPTS = """
with summed as materialized (
  select hold, kind, sum(held) as held, sum(spent) as spent from ledger group by hold, kind
)
select 'receipt ' || r.request_id || ' ' || w.kind, cast(s.held as text), cast(s.spent as text),
  cast(w.held as text), cast(w.spent as text)
from receipts r
join (
  select id, 'spend' as kind, case status when 'pending' then total_nano else 0 end as held,
    case status when 'pending' then 0 else total_nano end as spent from receipts
  union all
  select id, 'messages', case status when 'pending' then messages_fund else 0 end,
    case status when 'pending' then 0 else messages_fund end from receipts
  union all
  select id, 'included_tokens', case status when 'pending' then tokens_fund else 0 end,
    case status when 'pending' then 0 else tokens_fund end from receipts
) w on w.id = r.id
left join summed s on s.hold = r.id and s.kind = w.kind
where s.held is not w.held or s.spent is not w.spent
order by 1
"""

_ORPHANS = """
select 'ledger entries of hold ' || hold, count(*) from ledger
where hold not in (select id from receipts) group by hold order by hold
"""


async def reconcile(database: Database) -> list[Difference]:
    """Every difference; none in a sound database."""
    limits, receipts, orphans = await database.batch([Statement(_LIMITS), Statement(_RECEIPTS), Statement(_ORPHANS)])
    found = [
        Difference(str(row[0]), field, str(row[ledger]), str(row[actual]))
        for row in [*limits.rows, *receipts.rows]
        for field, ledger, actual in (("held", 1, 3), ("spent", 2, 4))
        if row[ledger] != row[actual]
    ]
    return found + [Difference(str(row[0]), "receipt", f"{row[1]} entries", "missing") for row in orphans.rows]
