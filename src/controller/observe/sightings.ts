/** Since when the values that decisions wait on are what they are, as far as this process has seen. */

/** One rollout's memory: by watchpoint its value and, in Unix ms, since when. */
export type Sightings = Map<string, { readonly value: string; readonly since: number }>

/** Brings the memory up to date with what is seen now and answers since when each point has its value. A clock that was set back makes nothing older. */
export function sight(memory: Sightings, points: Readonly<Record<string, string>>, now: number): Readonly<Record<string, number>> {
  for (const key of memory.keys()) if (!Object.hasOwn(points, key)) memory.delete(key)
  for (const [key, value] of Object.entries(points)) {
    const known = memory.get(key)
    if (known?.value !== value || known.since > now) memory.set(key, { value, since: now })
  }
  return Object.fromEntries([...memory].map(([key, { since }]) => [key, since]))
}
