/** Runs the Lua scripts that Argo CD runs: `obj` is given, the script returns a table. */
import { lauxlib, lua, lualib, to_jsstring, to_luastring } from 'fengari'

// A table whose keys are 1…n is a list; an empty one is an object.
const toJson = `
local function json(v)
  if type(v) == "string" then
    return '"' .. v:gsub('[%c"\\\\]', function(c) return string.format("\\\\u%04x", c:byte()) end) .. '"'
  elseif type(v) ~= "table" then
    return tostring(v)
  end
  local parts = {}
  if #v > 0 then
    for _, one in ipairs(v) do parts[#parts + 1] = json(one) end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for key, one in pairs(v) do parts[#parts + 1] = json(tostring(key)) .. ":" .. json(one) end
  return "{" .. table.concat(parts, ",") .. "}"
end
`

/** What a script returns for an object, as JSON. Throws with Lua's message where the script fails. */
export function runLua(script: string, obj: unknown): any {
  const state = lauxlib.luaL_newstate()
  lualib.luaL_openlibs(state)
  const code = `${toJson}\nlocal function script(obj)\n${script}\nend\nreturn json(script(${literal(obj)}))`
  const failed = lauxlib.luaL_dostring(state, to_luastring(code))
  const text = to_jsstring(lua.lua_tostring(state, -1))
  if (failed !== 0) throw new Error(text)
  return JSON.parse(text)
}

function literal(value: unknown): string {
  if (value === null || value === undefined) return 'nil'
  if (typeof value === 'string') return `"${value.replaceAll(/[^\x20-\x7e]|["\\]/g, (one) => [...Buffer.from(one)].map((byte) => `\\${String(byte).padStart(3, '0')}`).join(''))}"`
  if (typeof value !== 'object') return String(value)
  if (Array.isArray(value)) return `{${value.map(literal).join(',')}}`
  return `{${Object.entries(value).map(([key, one]) => `[${literal(key)}]=${literal(one)}`).join(',')}}`
}
