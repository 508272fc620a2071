-- Schema 1. Times are microseconds since 1970, UTC.

CREATE TABLE attempts (
    seq             INTEGER PRIMARY KEY,
    attempt         TEXT    NOT NULL UNIQUE,
    merchant_order  TEXT    NOT NULL,
    gateway         TEXT    NOT NULL,
    account         TEXT    NOT NULL,
    expected        TEXT    NOT NULL,
    created_at      INTEGER NOT NULL CHECK (created_at >= 0),
    status          TEXT    NOT NULL,
    checkout        TEXT,
    payment         TEXT,
    opened          INTEGER NOT NULL DEFAULT 0 CHECK (opened IN (0, 1)),
    -- The way to the page, for a gateway that gives it only once.
    link            TEXT,
    expires_at      INTEGER NOT NULL CHECK (expires_at >= 0),
    asks            INTEGER NOT NULL DEFAULT 0 CHECK (asks >= 0),
    asked_at        INTEGER CHECK (asked_at >= 0),
    next_ask        INTEGER CHECK (next_ask >= 0),
    ask_lease_until INTEGER,
    -- One transaction of the gateway belongs to one attempt for ever.
    UNIQUE (gateway, account, checkout),
    UNIQUE (gateway, account, payment)
) STRICT;

CREATE INDEX attempts_open ON attempts (seq)
WHERE status IN ('created', 'pending', 'requires_action', 'authorized', 'unknown');
CREATE INDEX attempts_by_order ON attempts (merchant_order, seq);
CREATE INDEX attempts_by_next_ask ON attempts (gateway, next_ask, seq) WHERE next_ask IS NOT NULL;

-- What was expected is written before anything leaves and never again.
CREATE TRIGGER attempts_keep_what_was_expected
BEFORE UPDATE OF seq, attempt, merchant_order, gateway, account, expected, created_at ON attempts
BEGIN SELECT RAISE (ABORT, 'what was expected does not change'); END;

CREATE TRIGGER attempts_keep_the_gateways_names
BEFORE UPDATE OF checkout, payment ON attempts
WHEN (OLD.checkout IS NOT NULL AND NEW.checkout IS NOT OLD.checkout)
  OR (OLD.payment IS NOT NULL AND NEW.payment IS NOT OLD.payment)
BEGIN SELECT RAISE (ABORT, 'a name that was bound does not change'); END;

CREATE TRIGGER attempts_stay BEFORE DELETE ON attempts
BEGIN SELECT RAISE (ABORT, 'attempts are never deleted'); END;

-- At most one right to fulfil can exist for an order.
CREATE TABLE fulfilments (
    seq            INTEGER PRIMARY KEY,
    merchant_order TEXT    NOT NULL UNIQUE,
    attempt        TEXT    NOT NULL UNIQUE REFERENCES attempts (attempt),
    key            TEXT    NOT NULL UNIQUE,
    deliveries     INTEGER NOT NULL DEFAULT 0 CHECK (deliveries >= 0),
    lease_until    INTEGER,
    done_at        INTEGER
) STRICT;

CREATE INDEX fulfilments_to_do ON fulfilments (seq) WHERE done_at IS NULL;

CREATE TRIGGER fulfilments_keep_their_key
BEFORE UPDATE OF seq, merchant_order, attempt, key ON fulfilments
BEGIN SELECT RAISE (ABORT, 'a right to fulfil does not change'); END;

CREATE TRIGGER fulfilments_stay_done BEFORE UPDATE OF done_at ON fulfilments
WHEN OLD.done_at IS NOT NULL
BEGIN SELECT RAISE (ABORT, 'what was fulfilled stays so'); END;

CREATE TRIGGER fulfilments_stay BEFORE DELETE ON fulfilments
BEGIN SELECT RAISE (ABORT, 'rights to fulfil are never deleted'); END;

CREATE TABLE events_heard (
    attempt TEXT NOT NULL REFERENCES attempts (attempt),
    event   TEXT NOT NULL,
    PRIMARY KEY (attempt, event)
) STRICT, WITHOUT ROWID;

CREATE TABLE notes (
    attempt TEXT NOT NULL REFERENCES attempts (attempt),
    note    TEXT NOT NULL,
    PRIMARY KEY (attempt, note)
) STRICT, WITHOUT ROWID;

CREATE TABLE records (
    position INTEGER PRIMARY KEY,
    at       INTEGER NOT NULL CHECK (at >= 0),
    -- NULL if it is about the whole store.
    attempt  TEXT    REFERENCES attempts (attempt),
    kind     TEXT    NOT NULL,
    body     TEXT    NOT NULL,
    -- Over this record and everything before it.
    digest   BLOB    NOT NULL CHECK (length (digest) = 32)
) STRICT;

-- With the time in it, to find the first record of an attempt in a window without reading any.
CREATE INDEX records_by_attempt ON records (attempt, position, at);
CREATE INDEX records_by_time ON records (at, position, attempt);
CREATE INDEX records_held ON records (position) WHERE kind = 'held';

-- The switch: one row, once it was turned.
CREATE TABLE mode (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    body TEXT    NOT NULL
) STRICT;

CREATE TRIGGER mode_stays BEFORE DELETE ON mode
BEGIN SELECT RAISE (ABORT, 'the mode is never deleted'); END;

-- Append-only and gapless, whoever writes.
CREATE TRIGGER records_follow_each_other BEFORE INSERT ON records
WHEN NEW.position IS NOT (SELECT coalesce(max(position), 0) + 1 FROM records)
BEGIN SELECT RAISE (ABORT, 'a record goes behind the last one'); END;

CREATE TRIGGER records_do_not_change BEFORE UPDATE ON records
BEGIN SELECT RAISE (ABORT, 'records do not change'); END;

CREATE TRIGGER records_stay BEFORE DELETE ON records
BEGIN SELECT RAISE (ABORT, 'records are never deleted'); END;
