"""What Redis does in one step: return the records that a frame may touch, store all or none, keep answers.

These are Lua scripts, which Redis runs without anything in between. Records travel as one string a kind, not
as one item each: the client library takes microseconds for every item. Which records, and what becomes of
them, is left to `frame`; what is kept of answers, to `first`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import Redis
from redis.exceptions import NoScriptError

# Names behind the prefix; a record's is its kind and the 8 bytes of its key.
ACCOUNT, MERCHANT, DEVICE, CATEGORY, TRANSACTION = KINDS = b"amdct"
FIRST, OPEN = b"fo"  # a first answer, by its transaction's key; what a frame left, by its number
HELD, COUNTERS, LATEST, TURN, FORM = b"held", b"counters", b"latest", b"turn", b"form"
VERSION_BYTES = 8  # a value starts with the number of the commit that wrote it; 0 stands for no record

# Arguments: prefix, bytes of the held corrections wanted (-1: all), then kind, bytes of a value and keys.
# Returns the held corrections, then of each kind a mark for each key (1: there is a record) and the values.
_GATHER = """
local prefix, given = ARGV[1], {redis.call('GETRANGE', ARGV[1] .. 'held', 0, tonumber(ARGV[2]))}
for a = 3, #ARGV, 3 do
  local kind, size, keys = prefix .. ARGV[a], tonumber(ARGV[a + 1]), ARGV[a + 2]
  local marks, values = {}, {}
  for i = 1, #keys, 8 do
    local value = redis.call('GET', kind .. string.sub(keys, i, i + 7))
    if value then
      if #value ~= size then
        return redis.error_reply('KUNTUR a record has ' .. #value .. ' bytes instead of ' .. size)
      end
      marks[#marks + 1] = '\\1'
      values[#values + 1] = value
    else
      marks[#marks + 1] = '\\0'
    end
  end
  given[#given + 1] = table.concat(marks)
  given[#given + 1] = table.concat(values)
end
return given
"""

# Arguments: prefix, version of what is written, name of the asker's turn, milliseconds of a turn to take if
# it comes to nothing (0: none), seconds that an entity is kept, most transactions kept, version of the held
# corrections ('': there are none), these ('': as they are), number of what the frame leaves to be answered
# from ('': nothing), this, seconds that it is kept, number of counters, names and additions; then of each
# kind its letter, bytes of a value, checked records (key and version each), values of the first of these, and
# which of those that are written are new transactions, from and to. Returns the number of the commit, 0 for
# none. All that may fail for its type stands before the first write, as Redis takes nothing back.
_COMMIT = """
local prefix, version, me, patience = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local seconds, most, held, additions = ARGV[5], tonumber(ARGV[6]), ARGV[8], tonumber(ARGV[12])
local absent, first = string.rep('\\0', 8), 13 + 2 * additions
local turn = redis.call('GET', prefix .. 'turn')
if turn and turn ~= me then return 0 end
local function changed(name, expected)
  if expected == absent then expected = '' end
  return redis.call('GETRANGE', name, 0, 7) ~= expected
end
local conflict = redis.call('GETRANGE', prefix .. 'held', 0, 7) ~= ARGV[7]
for a = first, #ARGV, 6 do
  local kind, checked = prefix .. ARGV[a], ARGV[a + 2]
  for i = 1, #checked, 16 do
    if conflict then break end
    conflict = changed(kind .. string.sub(checked, i, i + 7), string.sub(checked, i + 8, i + 15))
  end
end
if conflict then
  if patience > 0 and not turn then redis.call('SET', prefix .. 'turn', me, 'PX', patience) end
  return 0
end
redis.call('HLEN', prefix .. 'counters')
redis.call('LLEN', prefix .. 'latest')
for a = first, #ARGV, 6 do
  local kind, size, checked, values = prefix .. ARGV[a], tonumber(ARGV[a + 1]), ARGV[a + 2], ARGV[a + 3]
  for i = 0, #values / size - 1 do
    local name = kind .. string.sub(checked, 16 * i + 1, 16 * i + 8)
    local value = version .. string.sub(values, i * size + 1, (i + 1) * size)
    if ARGV[a] == 't' then
      redis.call('SET', name, value)
    else
      redis.call('SET', name, value, 'EX', seconds)
    end
  end
  local from, to = tonumber(ARGV[a + 4]), tonumber(ARGV[a + 5])
  if ARGV[a] == 't' and to > from then
    for i = from, to - 1 do
      redis.call('RPUSH', prefix .. 'latest', string.sub(checked, 16 * i + 1, 16 * i + 8))
    end
    local beyond = math.min(redis.call('LLEN', prefix .. 'latest') - most, to - from + 1000)
    if beyond > 0 then
      for _, key in ipairs(redis.call('LPOP', prefix .. 'latest', beyond)) do
        redis.call('DEL', kind .. key, prefix .. 'f' .. key)
      end
    end
  end
end
if #held > 0 then redis.call('SET', prefix .. 'held', version .. held) end
if #ARGV[9] > 0 then redis.call('SET', prefix .. 'o' .. ARGV[9], ARGV[10], 'EX', ARGV[11]) end
for i = 1, additions do
  redis.call('HINCRBY', prefix .. 'counters', ARGV[11 + 2 * i], ARGV[12 + 2 * i])
end
if turn then redis.call('DEL', prefix .. 'turn') end
return redis.call('HINCRBY', prefix .. 'counters', 'commits', 1)
"""

# Arguments: prefix, number of what the frame left that is answered now ('': that stays), keys of
# transactions, bytes of each answer (uint32), answers. Returns 1; 0, with nothing done, where one of the
# transactions has an answer. One that is forgotten by now has none: it would never go.
_KEEP = """
local prefix, keys, lengths, values, at = ARGV[1], ARGV[3], ARGV[4], ARGV[5], 1
for i = 1, #keys, 8 do
  if redis.call('EXISTS', prefix .. 'f' .. string.sub(keys, i, i + 7)) == 1 then return 0 end
end
for i = 1, #keys, 8 do
  local key = string.sub(keys, i, i + 7)
  local following = at + struct.unpack('<I4', lengths, (i - 1) / 2 + 1)
  if redis.call('EXISTS', prefix .. 't' .. key) == 1 then
    redis.call('SET', prefix .. 'f' .. key, string.sub(values, at, following - 1), 'NX')
  end
  at = following
end
if #ARGV[2] > 0 then redis.call('DEL', prefix .. 'o' .. ARGV[2]) end
return 1
"""

# Arguments: a name, and the value there that is to go. Whoever found it damaged may be late.
_FORGET = """
if redis.call('GET', ARGV[1]) == ARGV[2] then redis.call('DEL', ARGV[1]) end
return 1
"""


class Scripts:
    """The scripts, loaded into a Redis. Safe for threads."""

    def __init__(self, client: Redis) -> None:
        """Loads them. Raises redis.RedisError."""
        self._client: Any = client
        self._gather, self._commit = self._load(_GATHER), self._load(_COMMIT)
        self._keep = self._load(_KEEP)

    def gather(self, *arguments: bytes | int) -> list[bytes]:
        """Returns records. Raises redis.RedisError."""
        given: list[bytes] = self._run(self._gather, _GATHER, arguments)
        return given

    def commit(self, *arguments: bytes | int) -> int:
        """Stores records; returns the number of the commit, 0 if one of them was changed meanwhile.

        Raises redis.RedisError.
        """
        number: int = self._run(self._commit, _COMMIT, arguments)
        return number

    def keep(self, *arguments: bytes) -> bool:
        """Keeps answers; returns False where one of the transactions had one. Raises redis.RedisError."""
        return bool(self._run(self._keep, _KEEP, arguments))

    def forget(self, name: bytes, value: bytes) -> None:
        """Takes a value away, unless another one is there by now. Raises redis.RedisError."""
        self._client.eval(_FORGET, 0, name, value)

    def _load(self, text: str) -> str:
        digest = self._client.script_load(text)
        return digest.decode() if isinstance(digest, bytes) else str(digest)

    def _run(self, digest: str, text: str, arguments: Sequence[bytes | int]) -> Any:
        try:
            return self._client.evalsha(digest, 0, *arguments)
        except NoScriptError:  # Redis was restarted, or its scripts were flushed: nothing has been run
            self._load(text)
            return self._client.evalsha(digest, 0, *arguments)
