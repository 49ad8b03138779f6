-- Places drafts: three keys each, and eight arguments each after the first. Answers each with epoch, offset and
-- whether it was placed before, or with ! and the error.
local function place(at)
    local meta, entries, key = KEYS[at * 3 + 1], KEYS[at * 3 + 2], KEYS[at * 3 + 3]
    local channel, ephemeral, window, fresh, body =
        ARGV[at * 8 + 2], ARGV[at * 8 + 3] == '1', ARGV[at * 8 + 4], ARGV[at * 8 + 5], ARGV[at * 8 + 6]
    local most, bytes, age = tonumber(ARGV[at * 8 + 7]), tonumber(ARGV[at * 8 + 8]), tonumber(ARGV[at * 8 + 9])
    local kept, before = load(meta, entries, fresh)
    local seen = window ~= '' and redis.call('GET', key)
    if seen then
        local epoch, offset = string.match(seen, '^1 (%x+) (%d+)$')
        if not epoch then corrupt('what is known of the key has another form') end
        if epoch == kept.epoch then return { epoch, number(offset), 1 } end
    end
    local till, keeps = kept.till, not ephemeral and most > 0
    if not ephemeral then kept.offset = kept.offset + 1 end
    if keeps then
        kept.count, kept.bytes = kept.count + 1, kept.bytes + #body
        if kept.count == 1 then kept.first = now end
    end
    kept.age = age
    stay(kept, math.max(age, tonumber(window) or 0))
    local offset, pushed = string.format('%.0f', kept.offset), false
    local done, failed = pcall(function()
        save(meta, kept)
        if keeps then
            redis.call('RPUSH', entries, string.format('1 %s %.0f\n', offset, now) .. body)
            pushed = true
        end
        if window ~= '' then redis.call('SET', key, '1 ' .. kept.epoch .. ' ' .. offset, 'PX', window) end
        local kind = ephemeral and '1e ' or '1p '
        redis.call('PUBLISH', channel, kind .. kept.epoch .. ' ' .. offset .. '\n' .. body)
    end)
    if not done then
        -- Nobody has heard it: PUBLISH is the last that can fail.
        if before then redis.pcall('SET', meta, before, 'PXAT', string.format('%.0f', till)) end
        if not before then redis.pcall('DEL', meta) end
        if pushed then redis.pcall('RPOP', entries) end
        if window ~= '' then redis.pcall('DEL', key) end
        error(failed)
    end
    -- It is placed, whatever is wrong with the entries before it.
    pcall(trim, kept, entries, most, bytes)
    if kept.changed then save(meta, kept) end
    if keeps then redis.call('PEXPIRE', entries, string.format('%.0f', age)) end
    return { kept.epoch, kept.offset, 0 }
end

local answers = {}
for at = 0, #KEYS / 3 - 1 do
    local done, answer = pcall(place, at)
    answers[at + 1] = done and answer or { '!', type(answer) == 'table' and answer.err or tostring(answer) }
end
return answers
