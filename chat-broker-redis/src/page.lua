-- Reads a range of a channel. Answers with epoch, offset, whether there are others, and entries.
local fresh, reverse = ARGV[2], ARGV[7] == '1'
local after, before, limit, bytes = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])

local function page(meta, entries)
    local kept = load(meta, entries, fresh)
    trim(kept, entries, MOST, MOST)
    if kept.changed then save(meta, kept) end
    local first = kept.offset - kept.count + 1
    local from, to = math.max(first, after + 1), math.min(kept.offset, before - 1)
    local found, all = {}, math.max(0, to - from + 1)
    local wanted = math.min(limit, all)
    while #found < wanted do
        local count = math.min(16, wanted - #found)
        local low = reverse and to - #found - count + 1 or from + #found
        local some = redis.call('LRANGE', entries, low - first, low - first + count - 1)
        for at = 1, count do
            local entry = some[reverse and count + 1 - at or at]
            local _, size = measured(entry)
            if #found > 0 and size > bytes then return { kept.epoch, kept.offset, 1, found } end
            bytes = math.max(0, bytes - size)
            found[#found + 1] = entry
        end
    end
    return { kept.epoch, kept.offset, #found < all and 1 or 0, found }
end

local done, answer = pcall(page, KEYS[1], KEYS[2])
if done then return answer end
return redis.error_reply(type(answer) == 'table' and answer.err or tostring(answer))
