-- Deletes what nobody reads any more of a lane: at most `most` rows further. Returns true if there may be more. A row is
-- there for at least 60 s, so that nodes hear it that were away.
CREATE FUNCTION chat.prune_lane(of_lane int, most bigint) RETURNS boolean LANGUAGE plpgsql
AS $$
DECLARE
    before chat.floors;
    upto record;
BEGIN
    SELECT * INTO before FROM chat.floors WHERE lane = of_lane FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    SELECT o.seq, o.mark INTO upto FROM (
        SELECT g.seq, g.mark, g.at FROM chat.log g
        WHERE g.lane = of_lane AND g.seq > before.seq
            AND g.seq <= (SELECT l.seq FROM chat.lanes l WHERE l.lane = of_lane)
        ORDER BY g.seq LIMIT most
    ) o WHERE o.at < chat.now() - 60000000 ORDER BY o.seq DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE chat.floors SET (seq, mark) = (upto.seq, upto.mark) WHERE lane = of_lane;
    DELETE FROM chat.log g WHERE g.lane = of_lane AND g.seq > before.seq AND g.seq <= upto.seq AND (
        g.signal OR NOT EXISTS (
            SELECT FROM chat.channels c WHERE c.name = g.channel AND c.epoch = g.epoch AND g.place >= c.first));
    RETURN upto.seq - before.seq >= most;
END $$;

-- Deletes what a channel keeps no longer, or all of one that is forgotten.
CREATE FUNCTION chat.prune_channel(c chat.channels, at_time bigint, rows bigint) RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
    floor bigint := (SELECT f.seq FROM chat.floors f WHERE f.lane = c.lane);
    deleted bigint;
BEGIN
    IF c.till <= at_time THEN
        c.first := c.last + 1;
    END IF;
    c.due := c.till;
    c := chat.trimmed(c, at_time);
    DELETE FROM chat.log g WHERE g.ctid IN (
        SELECT o.ctid FROM chat.log o
        WHERE NOT o.signal AND o.channel = c.name AND o.seq <= floor
            AND (o.epoch < c.epoch OR o.epoch > c.epoch OR o.place < c.first)
        LIMIT rows
    );
    GET DIAGNOSTICS deleted = ROW_COUNT;
    IF deleted >= rows THEN
        c.due := at_time;
    END IF;
    IF c.till <= at_time AND deleted < rows THEN
        DELETE FROM chat.channels h WHERE h.name = c.name;
    ELSE
        PERFORM chat.save_channel(c);
    END IF;
END $$;

-- Deletes what channels keep no longer, and channels that are forgotten: at most `most` channels, and of each at most
-- `rows` rows. Returns true if there may be more.
CREATE FUNCTION chat.prune_channels(most bigint, rows bigint) RETURNS boolean LANGUAGE plpgsql
AS $$
DECLARE
    at_time bigint := chat.now();
    c chat.channels;
    pruned bigint := 0;
BEGIN
    FOR c IN
        SELECT h.* FROM chat.channels h WHERE h.due <= at_time ORDER BY h.due LIMIT most FOR UPDATE SKIP LOCKED
    LOOP
        pruned := pruned + 1;
        BEGIN
            PERFORM chat.prune_channel(c, at_time, rows);
        EXCEPTION WHEN data_exception OR integrity_constraint_violation THEN
            -- Others have written something there: it holds up no other channel.
            UPDATE chat.channels h SET due = at_time + 3600000000 WHERE h.name = c.name;
        END;
    END LOOP;
    RETURN pruned >= most;
END $$;

-- Deletes keys and words whose time is over, at most `most` of each. Returns true if there may be more.
CREATE FUNCTION chat.prune_rest(most bigint) RETURNS boolean LANGUAGE plpgsql
AS $$
DECLARE
    at_time bigint := chat.now();
    keys bigint;
    words bigint;
BEGIN
    DELETE FROM chat.keys k USING (
        SELECT o.channel, o.digest FROM chat.keys o WHERE o.till <= at_time
        ORDER BY o.till LIMIT most FOR UPDATE SKIP LOCKED
    ) gone WHERE k.channel = gone.channel AND k.digest = gone.digest;
    GET DIAGNOSTICS keys = ROW_COUNT;
    DELETE FROM chat.words w WHERE w.id IN (
        SELECT o.id FROM chat.words o WHERE o.at <= at_time - 60000000 ORDER BY o.id LIMIT most FOR UPDATE SKIP LOCKED);
    GET DIAGNOSTICS words = ROW_COUNT;
    RETURN keys >= most OR words >= most;
END $$;
