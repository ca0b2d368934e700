"""The SQL of hold, settle and expiry: constant texts, so that SQLite prepares each of them once.

Every write is one statement; what follows from it in the ledger is done by the triggers of `shared/migrations`. D1
binds every number as a float, so a parameter that takes part in a division is cast first.
"""

MAX_EXPIRED = 20
"""Holds that one request expires; the next one goes on."""

EXPIRE = f"""
update receipts set status = 'expired', usage_source = 'expired', settled_ms = ?1
where id in (
  select id from receipts where status = 'pending' and deadline_ms < ?2 order by deadline_ms limit {MAX_EXPIRED}
)
"""  # noqa: S608 - a constant

_LEFT_OF = """max(0, {cap} - coalesce((
      select held + spent from limits where period = {period} and kind = '{kind}' and scope = ''), 0))"""

# What `nano` costs when `fund` of its `tokens` are paid by the included ones: nano * (tokens - fund) / tokens, rounded
# up, in two steps, because the product itself may not fit into 64 bits.
_PRICED = """case when {tokens} = 0 then {nano} else
      ({nano} / {tokens}) * ({tokens} - tokens_fund)
      + (({nano} % {tokens}) * ({tokens} - tokens_fund) + {tokens} - 1) / {tokens} end"""

# ?1 key hash, ?2 now, ?3 request id, ?4 deadline, ?5 minute, ?6 month, ?7 fund period, ?8 end user, ?9 its scope,
# ?10 stream, ?11 whether the funds pay first, ?12 tokens sold, ?13 message price, ?14 input bound, ?15 max output,
# ?16 worst case, ?17 price version, ?18 price entry, ?19 asked, ?20.. caps: requests, tokens, streams, messages,
# included tokens, spend, end user's requests, end user's spend. A fund that must pay for all of it (nothing beyond is
# sold) is asked for all of it, and the guard refuses what it has not.
HOLD = f"""
with caller as materialized (
  select id, spend_cap, requests_cap,
    cast(?14 as integer) + cast(?15 as integer) as tokens, cast(?16 as integer) as worst,
    case when ?13 is null then 1
      else min(1, {_LEFT_OF.format(cap="?23", period="?7", kind="messages")}) end as messages_fund,
    case when ?11 = 0 then 0 when ?12 = 0 then ?14 + ?15
      else min(?14 + ?15, {_LEFT_OF.format(cap="?24", period="?7", kind="included_tokens")}) end as tokens_fund
  from keys where hash = ?1 and revoked_ms is null and (expires_ms is null or expires_ms > ?2)
), cost as materialized (
  select *, coalesce((1 - messages_fund) * ?13, 0) as message_nano,
    {_PRICED.format(nano="worst", tokens="tokens")} as model_nano
  from (select id, spend_cap, requests_cap, tokens, worst, cast(messages_fund as integer) as messages_fund,
    cast(tokens_fund as integer) as tokens_fund from caller)
)
insert into receipts (
  request_id, key_id, status, created_ms, deadline_ms, minute, month, fund_period, end_user, end_user_scope, stream,
  tokens_sold, message_price, requests_cap, tokens_cap, streams_cap, messages_cap, included_tokens_cap, spend_cap,
  key_requests_cap, key_spend_cap, end_user_requests_cap, end_user_spend_cap, input, output, price_version, price_entry,
  messages, messages_fund, tokens_fund, model_nano, message_nano, total_nano, hold_nano, asked)
select ?3, id, 'pending', ?2, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
  ?12, ?13, ?20, ?21, ?22, ?23, ?24, ?25, requests_cap, spend_cap, ?26, ?27, ?14, ?15, ?17, ?18,
  1, messages_fund, tokens_fund, model_nano, message_nano, model_nano + message_nano, model_nano + message_nano, ?19
from cost
"""  # noqa: S608 - constants

# ?1 request id, ?2 key hash, ?3 the deadline before which a hold is late
HELD = """
select k.id, k.name, k.role, k.last_used_ms, r.hold_nano, q.held + q.spent, t.held + t.spent,
  r.tokens_fund, r.message_nano, exists (select 1 from receipts where status = 'pending' and deadline_ms < ?3)
from receipts r join keys k on k.hash = ?2
left join limits q on q.period = r.minute and q.kind = 'requests' and q.scope = ''
left join limits t on t.period = r.minute and t.kind = 'tokens' and t.scope = ''
where r.request_id = ?1
"""

# ?1 key hash, ?2 now, ?3 minute, ?4 month, ?5 fund period, ?6 end user's scope
ROOM = """
select k.id, k.name, k.role, k.requests_cap, k.spend_cap, l.kind, l.held, l.spent
from keys k left join limits l on l.period in (0, ?3, ?4, ?5) and l.scope in ('', k.id, ?6)
  and (l.kind not in ('messages', 'included_tokens') or l.period = ?5)
where k.hash = ?1 and k.revoked_ms is null and (k.expires_ms is null or k.expires_ms > ?2)
"""

# ?1 request id, ?2 status, ?3 now, ?4 model, ?5 usage source, ?6 input, ?7 cached read, ?8 and ?9 cache writes,
# ?10 output, ?11 reasoning, ?12 price version, ?13 price entry, ?14 messages, ?15 whether the funds pay first,
# ?16 cost, ?17 attempts. The funds are split again: what this hold has of them, and what is left by now.
SETTLE = f"""
with used as materialized (
  select id, message_price, cast(?16 as integer) as nano, cast(?6 + ?7 + ?8 + ?9 + ?10 as integer) as tokens,
    cast(case when message_price is null then ?14
      else min(?14, messages_fund
        + {_LEFT_OF.format(cap="receipts.messages_cap", period="fund_period", kind="messages")})
      end as integer) as messages_fund,
    cast(case when ?15 = 0 then 0 when tokens_sold = 0 then ?6 + ?7 + ?8 + ?9 + ?10
      else min(?6 + ?7 + ?8 + ?9 + ?10, tokens_fund
        + {_LEFT_OF.format(cap="receipts.included_tokens_cap", period="fund_period", kind="included_tokens")})
      end as integer) as tokens_fund
  from receipts where request_id = ?1 and status in ('pending', 'expired')
), cost as materialized (
  select *, coalesce((?14 - messages_fund) * message_price, 0) as message_nano,
    {_PRICED.format(nano="nano", tokens="tokens")} as model_nano
  from used
)
update receipts set status = ?2, settled_ms = ?3, model = ?4, usage_source = ?5, input = ?6, cached_read = ?7,
  cache_write_5m = ?8, cache_write_1h = ?9, output = ?10, reasoning = ?11, price_version = ?12, price_entry = ?13,
  messages = ?14, messages_fund = cost.messages_fund, tokens_fund = cost.tokens_fund, model_nano = cost.model_nano,
  message_nano = cost.message_nano, total_nano = cost.model_nano + cost.message_nano, attempts = ?17
from cost where receipts.id = cost.id
returning total_nano
"""  # noqa: S608 - constants

TOTAL = "select total_nano from receipts where request_id = ?1"

TOUCH_KEY = "update keys set last_used_ms = ?2 where id = ?1 and (last_used_ms is null or last_used_ms < ?2)"
