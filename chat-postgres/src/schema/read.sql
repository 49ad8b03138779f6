-- Keeps channels from being forgotten, and begins those that nothing is remembered of.
CREATE FUNCTION chat.touch(names text[], entries bigint[], bytes bigint[], ages bigint[])
RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
    locked chat.lanes;
    kept chat.channels;
    at_time bigint := chat.now();
    present text := chat.incarnation();
    one record;
BEGIN
    -- Most of them need nothing, and then no lane is locked.
    FOR one IN
        SELECT DISTINCT ON (n.lane, n.name) n.* FROM (
            SELECT u.name, chat.lane(u.name) AS lane, u.most, u.size, u.age
            FROM unnest(names, entries, bytes, ages) AS u (name, most, size, age)
        ) n JOIN chat.lanes l USING (lane) LEFT JOIN chat.channels c ON c.name = n.name
        WHERE c.name IS NULL OR c.era <> l.era OR l.incarnation <> present OR c.lane <> n.lane
            OR c.till < at_time + greatest(c.age, n.age, 300000000)
        ORDER BY n.lane, n.name
    LOOP
        IF locked.lane IS DISTINCT FROM one.lane THEN
            IF locked.lane IS NOT NULL THEN
                PERFORM chat.save_lane(locked);
            END IF;
            locked := chat.lock_lane(one.lane);
        END IF;
        kept := chat.channel_of(locked, one.name, one.most, one.size, one.age);
        -- With some time beyond, so that not each question writes.
        kept.till := greatest(kept.till, locked.at + greatest(kept.age, one.age, 300000000) + 120000000);
        PERFORM chat.save_channel(kept);
    END LOOP;
    IF locked.lane IS NOT NULL THEN
        PERFORM chat.save_lane(locked);
    END IF;
END $$;

-- Returns for each channel, by its number, where it and its lane stand, and the newest that is kept of it, the newest
-- first.
CREATE FUNCTION chat.visit(names text[], entries bigint[], bytes bigint[], ages bigint[])
RETURNS TABLE (
    number bigint, era bigint, seq bigint, mark bigint, epoch bigint, last bigint,
    place bigint, at bigint, sender text, event text, body bytea
) LANGUAGE plpgsql
AS $$
DECLARE
    at_time bigint := chat.now();
BEGIN
    PERFORM chat.touch(names, entries, bytes, ages);
    RETURN QUERY
    SELECT n.number, l.era, l.seq, l.mark, c.epoch, c.last, e.place, e.at, e.sender, e.event, e.body
    FROM unnest(names, entries, bytes) WITH ORDINALITY AS n (name, most, size, number)
    JOIN chat.channels c ON c.name = n.name JOIN chat.lanes l ON l.lane = c.lane
    LEFT JOIN LATERAL (
        SELECT g.*, sum(octet_length(g.body)) OVER (ORDER BY g.place DESC) AS total FROM (
            SELECT o.place, o.at, o.sender, o.event, o.body FROM chat.log o
            WHERE NOT o.signal AND o.channel = c.name AND o.epoch = c.epoch AND o.place BETWEEN c.first AND c.last
                AND o.at > at_time - c.age
            ORDER BY o.place DESC LIMIT n.most
        ) g
    ) e ON e.total <= n.size
    ORDER BY n.number, e.place DESC;
END $$;

-- Returns a page of what is kept of a channel, and in each row where it and its lane stand and how many there are in all, of
-- which one more than wanted is counted.
CREATE FUNCTION chat.page(
    of_name text, after_place bigint, before_place bigint, most bigint, size bigint, is_reverse boolean
) RETURNS TABLE (
    era bigint, seq bigint, mark bigint, epoch bigint, last bigint, found bigint,
    place bigint, at bigint, sender text, event text, body bytea
) LANGUAGE plpgsql
AS $$
DECLARE
    at_time bigint := chat.now();
BEGIN
    PERFORM chat.touch(ARRAY[of_name], ARRAY[NULL::bigint], ARRAY[NULL::bigint], ARRAY[NULL::bigint]);
    RETURN QUERY
    WITH bounds AS (
        SELECT l.era, l.seq, l.mark, c.name, c.epoch, c.last, least(c.last, before_place - 1) AS high, (
            SELECT o.place FROM chat.log o
            WHERE NOT o.signal AND o.channel = c.name AND o.epoch = c.epoch
                AND o.place BETWEEN greatest(c.first, after_place + 1) AND c.last AND o.at > at_time - c.age
            ORDER BY o.place LIMIT 1
        ) AS low FROM chat.channels c JOIN chat.lanes l ON l.lane = c.lane WHERE c.name = of_name
    ), range AS MATERIALIZED (
        SELECT o.place, o.at, o.sender, o.event, o.body FROM bounds b
        JOIN chat.log o ON NOT o.signal AND o.channel = b.name AND o.epoch = b.epoch
            AND o.place >= CASE WHEN is_reverse THEN greatest(b.low, b.high - most) ELSE b.low END
            AND o.place <= CASE WHEN is_reverse THEN b.high ELSE least(b.high, b.low + most) END
    )
    SELECT b.era, b.seq, b.mark, b.epoch, b.last, (SELECT count(*) FROM range), e.place, e.at, e.sender, e.event, e.body
    FROM bounds b LEFT JOIN LATERAL (
        SELECT r.*, row_number() OVER near AS nth, sum(octet_length(r.body)) OVER near AS total FROM range r
        WINDOW near AS (ORDER BY CASE WHEN is_reverse THEN -r.place ELSE r.place END)
    ) e ON e.nth <= most AND (e.total <= size OR e.nth = 1)
    ORDER BY e.nth;
END $$;
