-- The history of a single node, as chat-store-postgres keeps it.
CREATE TABLE chat.store_channels (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text COLLATE "C" NOT NULL UNIQUE,
    epoch bigint NOT NULL,
    last bigint NOT NULL,
    tenure bigint  -- who has it open; null if it was closed in order
);
CREATE TABLE chat.store_publications (
    channel bigint NOT NULL,
    place bigint NOT NULL,
    sender text NOT NULL,
    author text,  -- the user who published; null for the server itself
    event text,
    is_binary boolean NOT NULL,
    content bytea NOT NULL,
    at bigint NOT NULL,
    edits bigint,
    deletes bigint,
    PRIMARY KEY (channel, place)
);
CREATE TABLE chat.store_keys (
    channel bigint NOT NULL,
    author text COLLATE "C" NOT NULL,  -- the user with a u before; empty for the server itself
    digest bytea NOT NULL,
    key bytea NOT NULL,
    place bigint NOT NULL,
    at bigint NOT NULL,
    PRIMARY KEY (channel, author, digest)
);
CREATE INDEX store_keys_at ON chat.store_keys (at);
CREATE TABLE chat.store_marks (
    channel bigint NOT NULL,
    author text COLLATE "C" NOT NULL,
    place bigint NOT NULL,
    PRIMARY KEY (channel, author)
);

CREATE FUNCTION chat.store_append(
    names text[], places bigint[], senders text[], authors text[], events text[], binaries boolean[],
    contents bytea[], times bigint[], edits bigint[], deletes bigint[], keys bytea[], keep bigint
) RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
    opened bigint;
BEGIN
    UPDATE chat.store_channels c SET last = greatest(c.last, n.last)
    FROM (SELECT u.name, max(u.place) AS last FROM unnest(names, places) AS u (name, place) GROUP BY 1) n
    WHERE c.name = n.name;
    GET DIAGNOSTICS opened = ROW_COUNT;
    IF opened < (SELECT count(DISTINCT u.name) FROM unnest(names) AS u (name)) THEN
        RAISE 'a channel was never opened' USING ERRCODE = '22023';
    END IF;
    INSERT INTO chat.store_publications
    SELECT c.id, u.place, u.sender, u.author, u.event, u.is_binary, u.content, u.at, u.edits, u.deletes
    FROM unnest(names, places, senders, authors, events, binaries, contents, times, edits, deletes)
        AS u (name, place, sender, author, event, is_binary, content, at, edits, deletes)
    JOIN chat.store_channels c USING (name)
    ON CONFLICT DO NOTHING;
    INSERT INTO chat.store_keys
    SELECT DISTINCT ON (c.id, u.author, u.key)
        c.id, coalesce('u' || u.author, ''), sha256(u.key), u.key, u.place, u.at
    FROM unnest(names, places, authors, times, keys) AS u (name, place, author, at, key)
    JOIN chat.store_channels c USING (name)
    WHERE u.key IS NOT NULL ORDER BY c.id, u.author, u.key, u.place DESC
    ON CONFLICT (channel, author, digest) DO UPDATE SET (place, at) = (EXCLUDED.place, EXCLUDED.at);
    -- Longer than any hub remembers one. Two for each new one keep their number near that of a few minutes.
    DELETE FROM chat.store_keys k USING (
        SELECT o.channel, o.author, o.digest FROM chat.store_keys o
        WHERE o.at < (SELECT max(t) FROM unnest(times) t) - 600000000 ORDER BY o.at LIMIT 2 * cardinality(names)
    ) old WHERE (k.channel, k.author, k.digest) = (old.channel, old.author, old.digest);
    IF keep IS NOT NULL THEN
        -- So many that each append deletes more than it adds, and that a bound that has become smaller holds up none.
        DELETE FROM chat.store_publications p USING (
            SELECT o.channel, o.place FROM chat.store_channels c CROSS JOIN LATERAL (
                SELECT h.channel, h.place FROM chat.store_publications h
                WHERE h.channel = c.id AND h.place <= c.last - keep
                ORDER BY h.place LIMIT cardinality(names) + 1000
            ) o WHERE c.name = ANY (names) LIMIT cardinality(names) + 1000
        ) old WHERE (p.channel, p.place) = (old.channel, old.place);
    END IF;
END $$;
