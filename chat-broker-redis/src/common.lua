-- Begins each script. ARGV[1] is the run id of the server, or - if its log is durable.
--
-- Of a channel there are two keys, and one for each idempotency key that is remembered:
--   m  version epoch run offset count bytes age until first    a string; times in milliseconds
--   l  version offset time, a line feed, body                  a list, the oldest first
--   k  version epoch offset                                    a string
local STAND = 300000
local MOST = 9007199254740992
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local run = ARGV[1]

local function corrupt(what)
    error({ err = 'CORRUPT ' .. what })
end

local function number(text)
    local value = tonumber(text)
    if value >= MOST then corrupt('a number is too large') end
    return value
end

local function parsed(text)
    local epoch, of, offset, count, bytes, age, till, first =
        string.match(text, '^1 (%x+) (%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
    if not epoch or #epoch ~= 16 or not string.find(epoch, '[^0]') then
        corrupt('what is known of the channel has another form')
    end
    return {
        epoch = epoch, run = of, offset = number(offset), count = number(count), bytes = number(bytes),
        age = number(age), till = number(till), first = number(first),
    }
end

-- Returns what is known of a channel. What another run of the server has written is dropped: it may be older
-- than what was told of it.
local function load(meta, entries, fresh)
    local text = redis.call('GET', meta)
    local held = redis.call('LLEN', entries)
    local kept = text and parsed(text)
    if kept and kept.run == run then
        if held ~= kept.count then
            -- A list that is too old or was evicted is gone as a whole.
            if held ~= 0 then corrupt('the list has other entries than were put there') end
            kept.count, kept.bytes = 0, 0
        end
        return kept, text
    end
    if held > 0 then redis.call('UNLINK', entries) end
    return {
        epoch = fresh, run = run, offset = 0, count = 0, bytes = 0, age = 0, till = now + STAND, first = now,
        changed = true,
    }
end

local function save(meta, kept)
    local text = string.format('1 %s %s %.0f %.0f %.0f %.0f %.0f %.0f', kept.epoch, kept.run, kept.offset,
        kept.count, kept.bytes, kept.age, kept.till, kept.first)
    redis.call('SET', meta, text, 'PXAT', string.format('%.0f', kept.till))
    kept.changed = false
end

local function stay(kept, age)
    kept.till = math.max(kept.till, now + math.max(age, STAND))
end

-- Returns the time of an entry, and the bytes of its body.
local function measured(entry)
    local at = string.find(entry, '\n', 1, true)
    local written = at and string.match(string.sub(entry, 1, at - 1), '^1 %d+ (%d+)$')
    if not written then corrupt('an entry has another form') end
    return number(written), #entry - at
end

-- Drops the first entry, whatever it is.
local function drop_first(kept, entries)
    local entry = redis.call('LPOP', entries)
    local done, written, size = pcall(measured, entry)
    if not done then written, size = kept.first, #entry end
    kept.count, kept.first, kept.changed = kept.count - 1, written, true
    kept.bytes = kept.count == 0 and 0 or math.max(0, kept.bytes - size)
end

-- Drops what is more than is kept. `first` is never later than the time of the first entry, so that this is
-- looked up only once it may be too old.
local function trim(kept, entries, most, bytes)
    while kept.count > 0 and (kept.count > most or kept.bytes > bytes) do drop_first(kept, entries) end
    while kept.count > 0 and kept.first + kept.age <= now do
        local written = measured(redis.call('LINDEX', entries, 0))
        kept.first, kept.changed = written, true
        if written + kept.age > now then return end
        drop_first(kept, entries)
    end
end
