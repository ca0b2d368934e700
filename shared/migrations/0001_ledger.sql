-- Keys, receipts and the ledger of one tenant (docs/metering.md). Times are milliseconds UTC, money is nano-dollars.
-- How this file is read: a statement ends at a line that ends with a semicolon, a trigger at the line `end;`.

create table keys (
  hash text not null primary key,      -- HMAC-SHA-256 of the key under the pepper
  id text not null unique,
  name text not null,
  role text not null check (role in ('admin', 'inference')),
  epoch integer,                       -- of the tenant's admin key; null for keys made by POST /v1/keys
  created_ms integer not null,
  expires_ms integer,
  revoked_ms integer,
  last_used_ms integer,
  spend_cap integer,                   -- nano-dollars a month; null: no limit of its own
  requests_cap integer                 -- requests a minute
) without rowid;

-- One row a request, born with the hold. Everything that the ledger needs later is fixed by it; until the request is
-- settled the columns of what it cost hold the worst case, so that expiry only has to change the status.
create table receipts (
  id integer primary key,
  request_id text not null unique,
  key_id text not null,
  status text not null,                -- pending | settled | expired | refunded
  created_ms integer not null,
  deadline_ms integer not null,
  settled_ms integer,

  minute integer not null,             -- the windows that the hold fell into
  month integer not null,
  fund_period integer not null,        -- of included messages and tokens: the month, or 0 for a total
  end_user_scope text,                 -- a digest of the end user, only where limits per end user apply
  stream integer not null,
  tokens_sold integer not null,        -- 0: what lies beyond the included tokens is refused, not priced
  message_price integer,               -- of a message beyond the included ones; null: refused

  requests_cap integer,                -- caps come with the hold: null is no limit
  tokens_cap integer,
  streams_cap integer,
  messages_cap integer,
  included_tokens_cap integer,
  spend_cap integer,
  key_requests_cap integer,
  key_spend_cap integer,
  end_user_requests_cap integer,
  end_user_spend_cap integer,

  model text,                          -- that answered
  usage_source text,
  input integer not null,
  cached_read integer not null default 0,
  cache_write_5m integer not null default 0,
  cache_write_1h integer not null default 0,
  output integer not null,
  reasoning integer not null default 0,
  price_version text not null,
  price_entry text not null,
  messages integer not null,           -- 1: counted as a message
  messages_fund integer not null,      -- of these, paid by the included ones
  tokens_fund integer not null,        -- tokens paid by the included ones
  model_nano integer not null,
  message_nano integer not null,
  total_nano integer not null,
  hold_nano integer not null,

  end_user text,                       -- metadata, kept for the tenant's metadata_days
  asked text,                          -- JSON: wire, model as asked for, candidates
  attempts text                        -- JSON
);

create index receipts_pending on receipts (deadline_ms) where status = 'pending';

create index receipts_created on receipts (created_ms);

-- The only source of spend. The entries of a hold are let in by their caps, those that end it always.
create table ledger (
  hold integer not null,               -- receipts.id
  kind text not null,                  -- of limit
  entry text not null,                 -- hold | settled | expired | refunded
  attempt integer not null default 0,
  scope text not null,                 -- '' for the tenant, else a key's id or an end user's digest
  period integer not null,             -- minutes since 1970, a month as 202611, or 0 where nothing resets
  held integer not null,
  spent integer not null,
  cap integer,
  at_ms integer not null,
  primary key (hold, kind, entry, attempt)
) without rowid;

-- Caches of the ledger: one row a limit and window. The period leads, so that what is written together lies together.
create table limits (
  period integer not null,
  kind text not null,
  scope text not null,
  cap integer,
  held integer not null,
  spent integer not null,
  primary key (period, kind, scope)
) without rowid;

-- How far metadata has been pruned.
create table pruned (
  one integer primary key check (one = 1),
  receipt integer not null
);

insert into pruned (one, receipt) values (1, 0);

create trigger ledger_kept before update on ledger
begin
  select raise(abort, 'the ledger is append-only');
end;

create trigger ledger_whole before delete on ledger
begin
  select raise(abort, 'the ledger is append-only');
end;

-- A receipt is born: one entry a limit that applies. A fund that pays nothing has its entry too, because settling may
-- find that there is something left by then. Then the entries are counted, and a limit that has no room for its entry
-- undoes all of it: D1 and older SQLite take no expression as raise's message, hence one literal a kind.
create trigger receipts_held after insert on receipts
begin
  insert into ledger (hold, kind, entry, scope, period, held, spent, cap, at_ms) values
    (new.id, 'requests', 'hold', '', new.minute, 0, 1, new.requests_cap, new.created_ms),
    (new.id, 'tokens', 'hold', '', new.minute, new.input + new.output, 0, new.tokens_cap, new.created_ms),
    (new.id, 'messages', 'hold', '', new.fund_period, new.messages_fund, 0, new.messages_cap, new.created_ms),
    (new.id, 'included_tokens', 'hold', '', new.fund_period, new.tokens_fund, 0, new.included_tokens_cap,
      new.created_ms),
    (new.id, 'spend', 'hold', '', new.month, new.total_nano, 0, new.spend_cap, new.created_ms);
  insert into ledger (hold, kind, entry, scope, period, held, spent, cap, at_ms)
    select new.id, 'streams', 'hold', '', 0, 1, 0, new.streams_cap, new.created_ms where new.stream = 1;
  insert into ledger (hold, kind, entry, scope, period, held, spent, cap, at_ms)
    select new.id, 'key_requests', 'hold', new.key_id, new.minute, 0, 1, new.key_requests_cap, new.created_ms
    where new.key_requests_cap is not null;
  insert into ledger (hold, kind, entry, scope, period, held, spent, cap, at_ms)
    select new.id, 'key_spend', 'hold', new.key_id, new.month, new.total_nano, 0, new.key_spend_cap, new.created_ms
    where new.key_spend_cap is not null;
  insert into ledger (hold, kind, entry, scope, period, held, spent, cap, at_ms)
    select new.id, 'end_user_requests', 'hold', new.end_user_scope, new.minute, 0, 1, new.end_user_requests_cap,
      new.created_ms
    where new.end_user_scope is not null and new.end_user_requests_cap is not null;
  insert into ledger (hold, kind, entry, scope, period, held, spent, cap, at_ms)
    select new.id, 'end_user_spend', 'hold', new.end_user_scope, new.month, new.total_nano, 0, new.end_user_spend_cap,
      new.created_ms
    where new.end_user_scope is not null and new.end_user_spend_cap is not null;

  insert into limits (period, kind, scope, cap, held, spent)
    select period, kind, scope, cap, held, spent from ledger where hold = new.id
    on conflict (period, kind, scope) do update set
      cap = excluded.cap, held = held + excluded.held, spent = spent + excluded.spent;

  select case entry.kind
      when 'requests' then raise(abort, 'limit:requests')
      when 'tokens' then raise(abort, 'limit:tokens')
      when 'streams' then raise(abort, 'limit:streams')
      when 'messages' then raise(abort, 'limit:messages')
      when 'included_tokens' then raise(abort, 'limit:included_tokens')
      when 'spend' then raise(abort, 'limit:spend')
      when 'key_requests' then raise(abort, 'limit:key_requests')
      when 'key_spend' then raise(abort, 'limit:key_spend')
      when 'end_user_requests' then raise(abort, 'limit:end_user_requests')
      when 'end_user_spend' then raise(abort, 'limit:end_user_spend')
    end
  from ledger as entry join limits as used
    on used.period = entry.period and used.kind = entry.kind and used.scope = entry.scope
  where entry.hold = new.id and entry.held + entry.spent > 0 and used.held + used.spent > entry.cap;
end;

-- A receipt ends, or ends again because the real usage came after its expiry. What is appended is the target minus what
-- the ledger has already, so that it does not matter which of them came first.
create trigger receipts_ended after update of status on receipts
when new.status <> old.status and old.status in ('pending', 'expired')
begin
  insert into ledger (hold, kind, entry, scope, period, held, spent, at_ms)
  select new.id, kind, new.status, scope, period, held, spent, new.settled_ms
  from (
    select kind, min(scope) as scope, min(period) as period, -sum(held) as held, -sum(spent) + case kind
        when 'requests' then 1
        when 'key_requests' then 1
        when 'end_user_requests' then 1
        when 'streams' then 0
        when 'tokens' then new.input + new.cached_read + new.cache_write_5m + new.cache_write_1h + new.output
        when 'messages' then new.messages_fund
        when 'included_tokens' then new.tokens_fund
        else new.total_nano
      end as spent
    from ledger where hold = new.id group by kind
  )
  where held <> 0 or spent <> 0;

  insert into limits (period, kind, scope, held, spent)
    select period, kind, scope, held, spent from ledger where hold = new.id and entry = new.status
    on conflict (period, kind, scope) do update set held = held + excluded.held, spent = spent + excluded.spent;
end;
