-- Times are microseconds since 1970, by the clock of the server. `chat` stands for the schema of the deployment.

-- One row a lane. Who places something locks it until its transaction ends, so that within a lane the order of
-- `seq` is the order of the commits, without a gap.
CREATE TABLE chat.lanes (
    lane int PRIMARY KEY,
    incarnation text NOT NULL,             -- of the server that placed last
    era bigint NOT NULL,                   -- a greater one ends the epochs of all channels of the lane
    seq bigint NOT NULL CHECK (seq >= 0),  -- of the last row
    mark bigint NOT NULL,                  -- of the last row: random, so that a copy that went on by itself differs
    at bigint NOT NULL                     -- of the last row, and never less than that of one before
) WITH (fillfactor = 10);

-- Tells up to where the rows of a lane are no longer there for nodes that have not heard them yet.
CREATE TABLE chat.floors (
    lane int PRIMARY KEY,
    seq bigint NOT NULL CHECK (seq >= 0),
    mark bigint NOT NULL
);

CREATE TABLE chat.channels (
    name text COLLATE "C" PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 255),
    lane int NOT NULL,
    era bigint NOT NULL,
    epoch bigint NOT NULL CHECK (epoch <> 0),
    last bigint NOT NULL CHECK (last >= 0),
    first bigint NOT NULL CHECK (first BETWEEN 1 AND last + 1),  -- of those that are kept
    held bigint NOT NULL CHECK (held >= 0),                      -- bytes of those that are kept
    oldest bigint NOT NULL,                                      -- no later than the first that is kept
    entries bigint NOT NULL CHECK (entries >= 0),                -- bounds of what is kept
    bytes bigint NOT NULL CHECK (bytes >= 0),
    age bigint NOT NULL CHECK (age >= 0),
    till bigint NOT NULL,                                        -- when it is forgotten
    due bigint NOT NULL                                          -- when there is something to prune
) WITH (fillfactor = 70);
CREATE INDEX channels_due ON chat.channels (due);

CREATE TABLE chat.log (
    lane int NOT NULL,
    seq bigint NOT NULL,
    mark bigint NOT NULL,
    signal boolean NOT NULL,
    channel text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    place bigint NOT NULL,
    at bigint NOT NULL,
    sender text,                           -- of what chat_publish placed: the body is its content alone
    event text,
    body bytea NOT NULL CHECK (octet_length(body) <= 1048576),
    PRIMARY KEY (lane, seq)
);
CREATE INDEX log_by_place ON chat.log (channel, epoch, place) WHERE NOT signal;

-- Idempotency keys, of which the digest is kept.
CREATE TABLE chat.keys (
    channel text COLLATE "C" NOT NULL,
    digest bytea NOT NULL,
    epoch bigint NOT NULL,
    place bigint NOT NULL,
    till bigint NOT NULL,
    PRIMARY KEY (channel, digest)
);
CREATE INDEX keys_till ON chat.keys (till);

-- Words that are too long for a notification.
CREATE TABLE chat.words (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel text,
    body bytea NOT NULL CHECK (octet_length(body) <= 1048576),
    at bigint NOT NULL
);

-- What chat_publish was given in a transaction that has not ended yet. It is placed when that commits, so that
-- no lane is locked while the transaction does other things.
CREATE TABLE chat.pending (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel text NOT NULL,
    signal boolean NOT NULL,
    sender text NOT NULL,
    event text,
    digest bytea,
    body bytea NOT NULL,
    entries bigint,
    age bigint
);

CREATE FUNCTION chat.now() RETURNS bigint LANGUAGE sql VOLATILE
AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint $$;

-- Returns a random number that is not 0. A session cannot repeat it with setseed.
CREATE FUNCTION chat.fresh() RETURNS bigint LANGUAGE sql VOLATILE
AS $$ SELECT ('x' || translate(gen_random_uuid()::text, '-', ''))::bit(64)::bigint $$;

CREATE FUNCTION chat.lane(of_name text) RETURNS int LANGUAGE sql IMMUTABLE
AS $$ SELECT get_byte(sha256(convert_to(of_name, 'UTF8')), 0) % 8 $$;

-- Returns the name of what the server remembers: another database cluster, and one that was promoted or restored to
-- a point in time, remember something else. Without fsync a crash of the machine may lose what was committed.
CREATE FUNCTION chat.incarnation() RETURNS text LANGUAGE sql VOLATILE
AS $$
    SELECT format('%s/%s', system_identifier, left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))
        || CASE current_setting('fsync')
            WHEN 'off' THEN '/' || extract(epoch FROM pg_postmaster_start_time())
            ELSE '' END
    FROM pg_control_system()
$$;

INSERT INTO chat.lanes SELECT lane, chat.incarnation(), chat.now(), 0, 0, 0 FROM generate_series(0, 7) lane;
INSERT INTO chat.floors SELECT lane, 0, 0 FROM chat.lanes;
