/**
 * How a run stands in Redis: one stream, an entry a page, its id `<attempt>-<seq of its last event>`. Ids of a
 * stream only grow, so what an older attempt writes is refused by Redis itself. Before the first page of each
 * attempt stands its fence, `<attempt>-0`, which says where the log ended then: a chain in which a lost piece shows.
 *
 * page:   f seq of the first event, e the events as text
 * fence:  s seq of the last event before it, a attempt of that event; both 0 in an empty log
 * removed run: one entry with the id REMOVED, so that nothing can be written after it
 */
export const REMOVED = '9007199254740991';

const PRELUDE = `
local REMOVED = ${REMOVED}
local function split(id)
  local a, s = string.match(id, '^(%d+)-(%d+)$')
  return tonumber(a), tonumber(s)
end
-- Attempt that may write, seq and attempt of the last event.
local function last(key)
  local e = redis.call('XREVRANGE', key, '+', '-', 'COUNT', 1)[1]
  if not e then return 0, 0, 0 end
  local a, s = split(e[1])
  if s == 0 then return a, tonumber(e[2][2]), tonumber(e[2][4]) end
  return a, s, a
end
-- Attempt of the event with this seq; nil when the log has none.
local function attemptOf(key, seq)
  local from = '+'
  while true do
    local e = redis.call('XREVRANGE', key, from, '-', 'COUNT', 1)[1]
    if not e then return nil end
    local a, s = split(e[1])
    if a == REMOVED then return a end
    local fence = redis.call('XRANGE', key, a .. '-0', a .. '-0')[1]
    if not fence then return nil end
    local before, attempt = tonumber(fence[2][2]), tonumber(fence[2][4])
    if math.max(s, before) < seq then return nil end
    if before == seq then return attempt end
    if before < seq then return a end
    from = '(' .. a .. '-0'
  end
end
`;

/** KEYS stream; ARGV attempt, leastSeq, retention. Returns `fenced`, or seq and attempt of the last event. */
const BEGIN = `
local key, mine = KEYS[1], tonumber(ARGV[1])
local attempt, seq, lastAttempt = last(key)
if attempt > mine then return 'fenced' end
if seq < tonumber(ARGV[2]) then
  redis.call('DEL', key)
  attempt, seq, lastAttempt = 0, 0, 0
end
if attempt < mine then redis.call('XADD', key, ARGV[1] .. '-0', 's', seq, 'a', lastAttempt) end
redis.call('PEXPIRE', key, ARGV[3])
return { seq, lastAttempt }
`;

/** KEYS stream; ARGV attempt, retention, then first seq, last seq and text of each page. Returns the outcome. */
const APPEND = `
local key, mine = KEYS[1], tonumber(ARGV[1])
local attempt, seq = last(key)
if attempt > mine then return 'fenced' end
if attempt < mine then return 'lost' end
for i = 3, #ARGV, 3 do
  -- A page that is there already comes again after a lost answer.
  if tonumber(ARGV[i + 1]) > seq then
    if tonumber(ARGV[i]) ~= seq + 1 then return 'lost' end
    redis.call('XADD', key, ARGV[1] .. '-' .. ARGV[i + 1], 'f', ARGV[i], 'e', ARGV[i + 2])
    seq = tonumber(ARGV[i + 1])
  end
end
redis.call('PEXPIRE', key, ARGV[2])
return 'accepted'
`;

/** KEYS stream; ARGV seq, attempt or 0, size. Returns `lost`, `removed`, or attempt at seq, then id, first seq and text of each page. */
const READ = `
local key, seq, attempt, size = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local from, isFirst, count, taken = '-', true, 8, 0
if seq > 0 then
  if attempt == 0 then attempt = attemptOf(key, seq) end
  if not attempt then return 'lost' end
  from = attempt .. '-' .. seq
end
if attempt == REMOVED then return 'removed' end
local out = { attempt }
while true do
  local entries = redis.call('XRANGE', key, from, '+', 'COUNT', count)
  for _, e in ipairs(entries) do
    local a, s = split(e[1])
    if a == REMOVED then return 'removed' end
    if isFirst and seq > 0 and (a ~= attempt or (s > seq and tonumber(e[2][2]) > seq)) then return 'lost' end
    isFirst = false
    if s > seq then
      out[#out + 1] = e[1]
      out[#out + 1] = e[2][2]
      out[#out + 1] = e[2][4]
      taken = taken + #e[2][4]
      if taken >= size then return out end
    end
    from = '(' .. e[1]
  end
  if #entries < count then break end
  count = math.min(count * 2, 128)
end
if isFirst and seq > 0 then return 'lost' end
return out
`;

/** KEYS stream; ARGV size. Returns id, first seq and text of the newest pages, newest first. */
const RECENT = `
local key, size = KEYS[1], tonumber(ARGV[1])
local from, count, taken, out = '+', 2, 0, {}
while true do
  local entries = redis.call('XREVRANGE', key, from, '-', 'COUNT', count)
  for _, e in ipairs(entries) do
    local a, s = split(e[1])
    if a == REMOVED then return {} end
    if s > 0 then
      out[#out + 1] = e[1]
      out[#out + 1] = e[2][2]
      out[#out + 1] = e[2][4]
      taken = taken + #e[2][4]
      if taken >= size then return out end
    end
    from = '(' .. e[1]
  end
  if #entries < count then return out end
  count = math.min(count * 2, 128)
end
`;

/** KEYS streams. Returns seq and attempt of the last event of each; seq -1 for a run that was removed. */
const ENDS = `
local out = {}
for i, key in ipairs(KEYS) do
  local attempt, seq, lastAttempt = last(key)
  if attempt == REMOVED then seq = -1 end
  out[#out + 1] = seq
  out[#out + 1] = lastAttempt
end
return out
`;

/** KEYS stream; ARGV how long readers are told, in milliseconds. */
const REMOVE = `
redis.call('DEL', KEYS[1])
redis.call('XADD', KEYS[1], '${REMOVED}-1', 'removed', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 'removed'
`;

const oneStream = (lua: string) => ({ lua: PRELUDE + lua, numberOfKeys: 1 });

/** Each runs as a whole or not at all, with nothing in between. */
export const SCRIPTS = {
  logBegin: oneStream(BEGIN),
  logAppend: oneStream(APPEND),
  logRead: oneStream(READ),
  logRecent: oneStream(RECENT),
  logEnds: { lua: PRELUDE + ENDS },
  logRemove: oneStream(REMOVE),
} as const;
