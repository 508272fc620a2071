-- Schema 1. `{s}` is the name of the schema. Times are microseconds since 1970, UTC. Names compare byte by byte.

-- One row for each order, written with its first attempt: who decides something about an order locks its row.
CREATE TABLE {s}.orders (
    merchant_order text COLLATE "C" PRIMARY KEY
);

CREATE TABLE {s}.attempts (
    seq             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    attempt         text COLLATE "C" NOT NULL UNIQUE,
    merchant_order  text COLLATE "C" NOT NULL REFERENCES {s}.orders (merchant_order),
    gateway         text COLLATE "C" NOT NULL,
    account         text COLLATE "C" NOT NULL,
    expected        text    NOT NULL,
    created_at      bigint  NOT NULL CHECK (created_at >= 0),
    status          text    NOT NULL,
    checkout        text COLLATE "C",
    payment         text COLLATE "C",
    opened          boolean NOT NULL DEFAULT false,
    -- The way to the page, for a gateway that gives it only once.
    link            text,
    expires_at      bigint  NOT NULL CHECK (expires_at >= 0),
    asks            bigint  NOT NULL DEFAULT 0 CHECK (asks >= 0),
    asked_at        bigint  CHECK (asked_at >= 0),
    next_ask        bigint  CHECK (next_ask >= 0),
    ask_lease_until bigint
);

-- One transaction of the gateway belongs to one attempt for ever. Partial, because an index that a foreign key could use
-- would make binding a name lock out whoever writes a record beside it.
CREATE UNIQUE INDEX one_attempt_for_a_checkout ON {s}.attempts (gateway, account, checkout) WHERE checkout IS NOT NULL;
CREATE UNIQUE INDEX one_attempt_for_a_payment ON {s}.attempts (gateway, account, payment) WHERE payment IS NOT NULL;
CREATE INDEX attempts_open ON {s}.attempts (seq)
WHERE status IN ('created', 'pending', 'requires_action', 'authorized', 'unknown');
CREATE INDEX attempts_by_order ON {s}.attempts (merchant_order, seq);
CREATE INDEX attempts_by_next_ask ON {s}.attempts (gateway, next_ask, seq) WHERE next_ask IS NOT NULL;

CREATE FUNCTION {s}.refuse() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'KE001', MESSAGE = TG_ARGV[0];
END
$body$;

-- What was expected is written before anything leaves and never again.
CREATE TRIGGER attempts_keep_what_was_expected
BEFORE UPDATE OF seq, attempt, merchant_order, gateway, account, expected, created_at ON {s}.attempts
FOR EACH ROW EXECUTE FUNCTION {s}.refuse('what was expected does not change');

CREATE TRIGGER attempts_keep_the_gateways_names
BEFORE UPDATE ON {s}.attempts FOR EACH ROW
WHEN ((OLD.checkout IS NOT NULL AND NEW.checkout IS DISTINCT FROM OLD.checkout)
   OR (OLD.payment IS NOT NULL AND NEW.payment IS DISTINCT FROM OLD.payment))
EXECUTE FUNCTION {s}.refuse('a name that was bound does not change');

CREATE TRIGGER attempts_stay BEFORE DELETE OR TRUNCATE ON {s}.attempts
EXECUTE FUNCTION {s}.refuse('attempts are never deleted');

CREATE TRIGGER orders_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON {s}.orders
EXECUTE FUNCTION {s}.refuse('orders stay as they are');

-- At most one right to fulfil can exist for an order.
CREATE TABLE {s}.fulfilments (
    seq            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    merchant_order text COLLATE "C" NOT NULL UNIQUE REFERENCES {s}.orders (merchant_order),
    attempt        text COLLATE "C" NOT NULL UNIQUE REFERENCES {s}.attempts (attempt),
    key            text COLLATE "C" NOT NULL UNIQUE,
    deliveries     bigint NOT NULL DEFAULT 0 CHECK (deliveries >= 0),
    lease_until    bigint,
    done_at        bigint
);

CREATE INDEX fulfilments_to_do ON {s}.fulfilments (seq) WHERE done_at IS NULL;

CREATE TRIGGER fulfilments_keep_their_key
BEFORE UPDATE OF seq, merchant_order, attempt, key ON {s}.fulfilments
FOR EACH ROW EXECUTE FUNCTION {s}.refuse('a right to fulfil does not change');

CREATE TRIGGER fulfilments_stay_done
BEFORE UPDATE ON {s}.fulfilments FOR EACH ROW
WHEN (OLD.done_at IS NOT NULL AND NEW.done_at IS DISTINCT FROM OLD.done_at)
EXECUTE FUNCTION {s}.refuse('what was fulfilled stays so');

CREATE TRIGGER fulfilments_stay BEFORE DELETE OR TRUNCATE ON {s}.fulfilments
EXECUTE FUNCTION {s}.refuse('rights to fulfil are never deleted');

CREATE TABLE {s}.events_heard (
    attempt text COLLATE "C" NOT NULL REFERENCES {s}.attempts (attempt),
    event   text COLLATE "C" NOT NULL,
    PRIMARY KEY (attempt, event)
);

CREATE TABLE {s}.notes (
    attempt text COLLATE "C" NOT NULL REFERENCES {s}.attempts (attempt),
    note    text COLLATE "C" NOT NULL,
    PRIMARY KEY (attempt, note)
);

CREATE TABLE {s}.records (
    position bigint PRIMARY KEY,
    at       bigint NOT NULL CHECK (at >= 0),
    -- NULL if it is about the whole store.
    attempt  text COLLATE "C" REFERENCES {s}.attempts (attempt),
    kind     text NOT NULL,
    body     text NOT NULL,
    -- Over this record and everything before it.
    digest   bytea NOT NULL CHECK (octet_length(digest) = 32)
);

CREATE INDEX records_by_attempt ON {s}.records (attempt, position);
CREATE INDEX records_by_time ON {s}.records (at, position);
CREATE INDEX records_held ON {s}.records (position) WHERE kind = 'held';

-- The switch: one row, once it was turned.
CREATE TABLE {s}.mode (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    body     text NOT NULL
);

CREATE TRIGGER mode_stays BEFORE DELETE OR TRUNCATE ON {s}.mode
EXECUTE FUNCTION {s}.refuse('the mode is never deleted');

-- Append-only and gapless, whoever writes.
CREATE FUNCTION {s}.follow() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
    IF NEW.position IS DISTINCT FROM (SELECT coalesce(max(position), 0) + 1 FROM {s}.records) THEN
        RAISE EXCEPTION USING ERRCODE = 'KE001', MESSAGE = 'a record goes behind the last one';
    END IF;
    RETURN NEW;
END
$body$;

CREATE TRIGGER records_follow_each_other BEFORE INSERT ON {s}.records
FOR EACH ROW EXECUTE FUNCTION {s}.follow();

CREATE TRIGGER records_do_not_change BEFORE UPDATE ON {s}.records
EXECUTE FUNCTION {s}.refuse('records do not change');

CREATE TRIGGER records_stay BEFORE DELETE OR TRUNCATE ON {s}.records
EXECUTE FUNCTION {s}.refuse('records are never deleted');
