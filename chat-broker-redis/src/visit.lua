-- Keeps channels from being forgotten: two keys each, and four arguments each after the first. Answers each with
-- epoch, offset, and its newest entries, the newest first.
local function newest(entries, most, bytes)
    local found = {}
    while #found < most do
        local some = redis.call('LRANGE', entries, -math.min(most, #found + 16), -#found - 1)
        for at = #some, 1, -1 do
            local _, size = measured(some[at])
            bytes = bytes - size
            if bytes < 0 then return found end
            found[#found + 1] = some[at]
        end
    end
    return found
end

local function visit(at)
    local meta, entries = KEYS[at * 2 + 1], KEYS[at * 2 + 2]
    local age, most, bytes, fresh =
        tonumber(ARGV[at * 4 + 2]), tonumber(ARGV[at * 4 + 3]), tonumber(ARGV[at * 4 + 4]), ARGV[at * 4 + 5]
    local kept = load(meta, entries, fresh)
    trim(kept, entries, MOST, MOST)
    stay(kept, math.max(age, kept.age))
    save(meta, kept)
    return { kept.epoch, kept.offset, newest(entries, math.min(most, kept.count), bytes) }
end

local done, answers = pcall(function()
    local all = {}
    for at = 0, #KEYS / 2 - 1 do all[at + 1] = visit(at) end
    return all
end)
if done then return answers end
return redis.error_reply(type(answers) == 'table' and answers.err or tostring(answers))
