-- Returns true if the core takes the text for a name.
CREATE FUNCTION chat.is_name(of_name text) RETURNS boolean LANGUAGE sql IMMUTABLE
AS $$ SELECT octet_length(of_name) BETWEEN 1 AND 255 AND of_name !~ '[\u0001-\u001F\u007F-\u009F]' $$;

-- Returns true if arrays and objects are nested at most 128 deep, as deep as the core takes them.
CREATE FUNCTION chat.is_flat(content text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
AS $$
DECLARE
    -- Each round takes away all that hold no other.
    brackets text := translate(
        regexp_replace(regexp_replace(content, '"(\\.|[^"\\])*"', '', 'g'), '[^][{}]', '', 'g'), '{}', '[]');
BEGIN
    IF length(brackets) > 256 THEN
        FOR depth IN 1 .. 128 LOOP
            brackets := replace(brackets, '[]', '');
        END LOOP;
        RETURN brackets = '';
    END IF;
    RETURN true;
END $$;

-- Publishes as the server itself, once the transaction commits, and not at all if it does not.
--
-- content: one JSON value, at most 1,000,000 bytes. sender: the name that is shown. event: the kind, if clients name
-- one. key: under it the channel gets one publication in five minutes. signal: is kept nowhere and has no offset.
-- entries, age: what the channel keeps from then on; by default what it kept before, and 100 for five minutes if
-- nothing is known of it.
CREATE FUNCTION chat.chat_publish(
    channel text, content json, sender text DEFAULT 'server', event text DEFAULT NULL, key text DEFAULT NULL,
    signal boolean DEFAULT false, entries int DEFAULT NULL, age interval DEFAULT NULL
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
    IF chat.is_name(channel) IS NOT TRUE THEN
        RAISE 'a channel has a name of 1 to 255 bytes without control characters' USING ERRCODE = '22023';
    ELSIF chat.is_name(sender) IS NOT TRUE OR NOT coalesce(chat.is_name(event), true) THEN
        RAISE 'a sender and an event have a name of 1 to 255 bytes without control characters'
            USING ERRCODE = '22023';
    ELSIF content IS NULL THEN
        RAISE 'the content is one JSON value, which may be null, and is not the NULL of SQL'
            USING ERRCODE = '22004';
    ELSIF octet_length(content::text) > 1000000 THEN
        RAISE 'a content has at most 1000000 bytes' USING ERRCODE = '54000';
    ELSIF NOT chat.is_flat(content::text) THEN
        RAISE 'a content is nested at most 128 deep' USING ERRCODE = '54000';
    ELSIF octet_length(key) NOT BETWEEN 1 AND 255 THEN
        RAISE 'a key has 1 to 255 bytes' USING ERRCODE = '22023';
    ELSIF entries < 0 OR age < interval '0' OR age > interval '100 years' THEN
        RAISE 'entries and age are not negative, and no age is over 100 years' USING ERRCODE = '22023';
    END IF;
    -- A transaction that wants its constraints checked at once would keep others waiting up to its end.
    SET CONSTRAINTS chat.place_pending DEFERRED;
    INSERT INTO chat.pending (channel, signal, sender, event, digest, body, entries, age) VALUES (
        channel, coalesce(signal, false), sender, event,
        -- No key of a hub begins with NUL.
        sha256('\x00' || convert_to(key, 'UTF8')), convert_to(content::text, 'UTF8'), entries,
        (extract(epoch FROM age) * 1000000)::bigint
    );
END $$;

-- Places all that the transaction was to publish, when it commits: in the order of the calls within a lane, and the
-- lanes in their order, so that no two transactions wait for each other.
CREATE FUNCTION chat.place_pending() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    locked chat.lanes;
    one record;
    done record;
BEGIN
    IF NOT EXISTS (SELECT FROM chat.pending p WHERE p.id = NEW.id) THEN
        RETURN NULL;
    END IF;
    FOR one IN
        WITH taken AS (DELETE FROM chat.pending RETURNING *)
        SELECT t.*, chat.lane(t.channel) AS lane FROM taken t ORDER BY chat.lane(t.channel), t.id
    LOOP
        IF locked.lane IS DISTINCT FROM one.lane THEN
            IF locked.lane IS NOT NULL THEN
                PERFORM chat.save_lane(locked);
            END IF;
            locked := chat.lock_lane(one.lane);
        END IF;
        SELECT * INTO done FROM chat.place_one(
            locked, one.channel, one.signal, one.body, one.sender, one.event, one.digest, 300000000, one.entries,
            NULL, one.age);
        locked := done.l;
    END LOOP;
    PERFORM chat.save_lane(locked);
    PERFORM pg_notify(TG_TABLE_SCHEMA, 'p');
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER place_pending AFTER INSERT ON chat.pending
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION chat.place_pending();
