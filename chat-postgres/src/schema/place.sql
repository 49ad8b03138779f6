-- Locks a lane until the transaction ends.
CREATE FUNCTION chat.lock_lane(of_lane int) RETURNS chat.lanes LANGUAGE plpgsql
AS $$
DECLARE
    l chat.lanes;
    incarnation text := chat.incarnation();
BEGIN
    -- An answer that a crash takes back would be an offset that is given twice in one epoch.
    IF current_setting('synchronous_commit') = 'off' THEN
        PERFORM set_config('synchronous_commit', 'on', true);
    END IF;
    SELECT * INTO STRICT l FROM chat.lanes WHERE lane = of_lane FOR UPDATE;
    IF l.incarnation <> incarnation THEN
        l.incarnation := incarnation;
        l.era := greatest(l.era + 1, chat.now());
    END IF;
    l.at := greatest(l.at, chat.now());
    RETURN l;
END $$;

CREATE FUNCTION chat.save_lane(l chat.lanes) RETURNS void LANGUAGE sql
AS $$
    UPDATE chat.lanes SET (incarnation, era, seq, mark, at) = (l.incarnation, l.era, l.seq, l.mark, l.at)
    WHERE lane = l.lane
$$;

-- Begins another era of a lane, unless somebody has done so before: a greater one than both.
CREATE FUNCTION chat.renew(of_lane int, of_era bigint, beyond bigint) RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
    l chat.lanes := chat.lock_lane(of_lane);
BEGIN
    IF l.era = of_era THEN
        l.era := greatest(l.era + 1, beyond + 1, chat.now());
    END IF;
    PERFORM chat.save_lane(l);
END $$;

-- Begins new epochs in all channels: for whoever has put back an older copy of the data while no node ran.
CREATE FUNCTION chat.chat_renew() RETURNS void LANGUAGE sql
AS $$ SELECT chat.renew(lane, era, era) FROM chat.lanes ORDER BY lane $$;

-- Returns a channel of a lane that is locked; it begins anew if nothing is remembered of it.
CREATE FUNCTION chat.channel_of(l chat.lanes, of_name text, of_entries bigint, of_bytes bigint, of_age bigint)
RETURNS chat.channels LANGUAGE plpgsql
AS $$
DECLARE
    c chat.channels;
BEGIN
    SELECT * INTO c FROM chat.channels WHERE name = of_name FOR UPDATE;
    IF NOT FOUND THEN
        INSERT INTO chat.channels VALUES (
            of_name, l.lane, l.era, chat.fresh(), 0, 1, 0, l.at, coalesce(of_entries, 100),
            coalesce(of_bytes, 1048576), coalesce(of_age, 300000000), l.at + 300000000, l.at + 300000000
        ) RETURNING * INTO c;
    ELSIF c.era <> l.era OR c.till <= l.at OR c.lane <> l.lane THEN
        c.lane := l.lane;
        c.era := l.era;
        c.epoch := chat.fresh();
        c.last := 0;
        c.first := 1;
        c.held := 0;
        c.oldest := l.at;
        c.till := l.at + 300000000;
        c.due := least(c.due, l.at + 70000000);
    END IF;
    RETURN c;
END $$;

CREATE FUNCTION chat.save_channel(c chat.channels) RETURNS void LANGUAGE sql
AS $$
    UPDATE chat.channels SET (lane, era, epoch, last, first, held, oldest, entries, bytes, age, till, due) =
        (c.lane, c.era, c.epoch, c.last, c.first, c.held, c.oldest, c.entries, c.bytes, c.age, c.till, c.due)
    WHERE name = c.name
$$;

-- Drops from what is kept of a channel what is more or older than it keeps. The rows stay for those who have not heard
-- them yet.
CREATE FUNCTION chat.trimmed(c chat.channels, at_time bigint) RETURNS chat.channels LANGUAGE plpgsql
AS $$
DECLARE
    before bigint := c.first;
    due bigint := c.till;
    dropped record;
    one record;
    is_within boolean := false;
BEGIN
    IF c.last - c.first >= c.entries THEN
        SELECT coalesce(sum(octet_length(body)), 0) AS size, max(at) AS at INTO dropped FROM chat.log
        WHERE NOT signal AND channel = c.name AND epoch = c.epoch AND place BETWEEN c.first AND c.last - c.entries;
        c.first := c.last - c.entries + 1;
        c.held := greatest(c.held - dropped.size, 0);
        c.oldest := greatest(c.oldest, dropped.at);
    END IF;
    IF c.first <= c.last AND (c.held > c.bytes OR c.oldest + c.age <= at_time) THEN
        FOR one IN
            SELECT place, octet_length(body) AS size, at FROM chat.log
            WHERE NOT signal AND channel = c.name AND epoch = c.epoch AND place BETWEEN c.first AND c.last
            ORDER BY place
        LOOP
            c.oldest := greatest(c.oldest, one.at);
            is_within := c.held <= c.bytes AND c.oldest + c.age > at_time;
            EXIT WHEN is_within;
            c.first := one.place + 1;
            c.held := greatest(c.held - one.size, 0);
        END LOOP;
        IF NOT is_within THEN
            c.first := c.last + 1;
        END IF;
    END IF;
    IF c.first > before THEN
        due := at_time + 70000000;
    END IF;
    IF c.first > c.last THEN
        c.held := 0;
    ELSE
        due := least(due, c.oldest + c.age);
    END IF;
    c.due := least(c.due, greatest(due, at_time + 10000000));
    RETURN c;
END $$;

-- Places one publication or signal in a lane that is locked.
CREATE FUNCTION chat.place_one(
    INOUT l chat.lanes, of_name text, is_signal boolean, of_body bytea, of_sender text, of_event text,
    of_digest bytea, of_window bigint, of_entries bigint, of_bytes bigint, of_age bigint,
    OUT epoch bigint, OUT place bigint, OUT already boolean
) LANGUAGE plpgsql
AS $$
DECLARE
    c chat.channels := chat.channel_of(l, of_name, of_entries, of_bytes, of_age);
BEGIN
    epoch := c.epoch;
    IF of_digest IS NOT NULL THEN
        SELECT k.place INTO place FROM chat.keys k
        WHERE k.channel = of_name AND k.digest = of_digest AND k.epoch = c.epoch AND k.till > l.at;
        already := FOUND;
        IF already THEN
            PERFORM chat.save_channel(c);
            RETURN;
        END IF;
    END IF;
    already := false;
    IF NOT is_signal THEN
        c.last := c.last + 1;
        c.held := c.held + octet_length(of_body);
        IF c.first = c.last THEN
            c.oldest := l.at;
        END IF;
    END IF;
    place := c.last;
    l.seq := l.seq + 1;
    l.mark := chat.fresh();
    -- A row that is there already, others have written.
    INSERT INTO chat.log
    VALUES (l.lane, l.seq, l.mark, is_signal, of_name, epoch, place, l.at, of_sender, of_event, of_body)
    ON CONFLICT (lane, seq) DO UPDATE SET (mark, signal, channel, epoch, place, at, sender, event, body) =
        (EXCLUDED.mark, EXCLUDED.signal, EXCLUDED.channel, EXCLUDED.epoch, EXCLUDED.place, EXCLUDED.at,
         EXCLUDED.sender, EXCLUDED.event, EXCLUDED.body);
    IF of_digest IS NOT NULL THEN
        INSERT INTO chat.keys VALUES (of_name, of_digest, epoch, place, l.at + of_window)
        ON CONFLICT (channel, digest) DO UPDATE SET (epoch, place, till) =
            (EXCLUDED.epoch, EXCLUDED.place, EXCLUDED.till);
    END IF;
    c.entries := coalesce(of_entries, c.entries);
    c.bytes := coalesce(of_bytes, c.bytes);
    c.age := coalesce(of_age, c.age);
    c.till := greatest(c.till, l.at + greatest(c.age, coalesce(of_window, 0), 300000000));
    PERFORM chat.save_channel(chat.trimmed(c, l.at));
END $$;

-- Places publications of one lane in their order. Each answer tells, too, where the lane stands.
CREATE FUNCTION chat.place(
    of_lane int, names text[], signals boolean[], bodies bytea[], digests bytea[], windows bigint[],
    entries bigint[], bytes bigint[], ages bigint[]
) RETURNS TABLE (epoch bigint, place bigint, already boolean, era bigint, seq bigint, mark bigint) LANGUAGE plpgsql
AS $$
DECLARE
    l chat.lanes := chat.lock_lane(of_lane);
    done record;
BEGIN
    FOR n IN 1 .. cardinality(names) LOOP
        SELECT * INTO done FROM chat.place_one(
            l, names[n], signals[n], bodies[n], NULL, NULL, digests[n], windows[n], entries[n], bytes[n], ages[n]);
        l := done.l;
        epoch := done.epoch;
        place := done.place;
        already := done.already;
        era := l.era;
        seq := l.seq;
        mark := l.mark;
        RETURN NEXT;
    END LOOP;
    PERFORM chat.save_lane(l);
END $$;
