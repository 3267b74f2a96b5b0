/** What the tests use of fengari, which brings no types: Lua 5.3 in JavaScript. */
declare module 'fengari' {
  type State = object
  export const lua: { lua_tostring(state: State, index: number): Uint8Array }
  export const lauxlib: { luaL_newstate(): State; luaL_dostring(state: State, code: Uint8Array): number }
  export const lualib: { luaL_openlibs(state: State): void }
  export function to_luastring(text: string): Uint8Array
  export function to_jsstring(text: Uint8Array): string
}
