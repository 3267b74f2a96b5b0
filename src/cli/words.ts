/** Small texts that every screen needs: durations, versions, weights. Pure. */
import { formatDuration } from '../rollout/duration.ts'
import type { RolloutStatus } from '../rollout/schema.ts'

/** A length of time for a screen that ticks once a second: `0s`, `4s`, `2m08s`, `5m`. */
export function span(milliseconds: number): string {
  return formatDuration(Math.floor(milliseconds / 1000) * 1000)
}

/** Milliseconds from an RFC 3339 time to `now`, never negative; undefined where there is no readable time. */
export function elapsed(since: string | undefined, now: number): number | undefined {
  const at = since === undefined ? Number.NaN : Date.parse(since)
  return Number.isNaN(at) ? undefined : Math.max(0, now - at)
}

/** A share for people: 25 → `25%`, 0.5 → `0.5%`, '0.5%' → `0.5%`. */
export function percent(value: number | string): string {
  if (typeof value === 'string') return value.endsWith('%') ? value : `${value}%`
  return `${Math.round(value * 100) / 100}%`
}

/** 12431 → `12,431`: counts are read by people at night. */
export function count(value: number): string {
  return Math.round(value).toString().replace(/\B(?=(\d{3})+$)/g, ',')
}

interface Shown {
  readonly revision?: string
  readonly images?: readonly string[]
  readonly commit?: string
}
/** What people call two revisions: the tags of the first image in which they differ, else the commits, else the ends of the revision names. */
export function versions(stable: Shown | undefined, canary: Shown | undefined): { readonly stable?: string; readonly canary?: string } {
  const a = stable?.images ?? []
  const b = canary?.images ?? []
  const index = Math.max(0, [...b.keys()].find(i => a[i] !== b[i]) ?? 0)
  const tags = [imageVersion(a[index]), imageVersion(b[index])]
  const distinct = stable === undefined || canary === undefined || tags[0] !== tags[1]
  const word = (tag: string | undefined, side: Shown | undefined) =>
    side === undefined ? undefined : distinct && tag !== undefined ? tag : distinctName(side, stable?.commit !== canary?.commit)
  return { stable: word(tags[0], stable), canary: word(tags[1], canary) }
}
function distinctName(side: Shown, byCommit: boolean): string | undefined {
  if (byCommit && side.commit !== undefined) return clean(side.commit).slice(0, 8)
  return clean(side.revision?.split('-').at(-1) ?? '') || undefined
}
/** `registry:5000/app:v1.9.0` → `v1.9.0`; a digest is cut to eight characters; without either `latest`. */
export function imageVersion(image: string | undefined): string | undefined {
  if (image === undefined || image === '') return undefined
  const [name = '', digest] = image.split('@')
  const tag = name.slice(name.lastIndexOf('/') + 1).split(':')[1]
  if (tag !== undefined) return clean(tag)
  return digest === undefined ? 'latest' : clean(digest.replace(/^sha256:/, '').slice(0, 8))
}

/** Text from the cluster without control characters: nobody moves the cursor of a terminal through an image tag or a message. */
export function clean(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g, ' ')
}

/** The latest entry of the history by its end, whatever the order of the list. */
export function lastJourney(status: RolloutStatus): RolloutStatus['history'][number] | undefined {
  return status.history.toSorted((a, b) => a.endedAt.localeCompare(b.endedAt)).at(-1)
}
