/** The strings of the API: names, hosts, durations, quantities, cron and time zones, each with its rule and its remedy. */
import type { z } from 'zod'
import { durationPattern, parseDuration } from './duration.ts'
import { latencyPattern, parseLatency, parsePercent, parseScale, parseWeight, percentPattern } from './quantity.ts'
import { intOrString, text } from './rule.ts'
import { cronProblem, isTimeZone } from './schedule.ts'

const label = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
export const servicePattern = '^[a-z]([-a-z0-9]*[a-z0-9])?$'

/** A DNS label, at most 63: names of steps, checks, ports and subsets. */
export const name = text(`^${label}$`, 63, 'is no name: write at most 63 lower-case letters, digits and dashes, with a letter or digit at both ends')
/** A DNS subdomain, at most 63: names of objects whose names become label values. */
export const shortObjectName = text(`^${label}([.]${label})*$`, 63, 'is no object name: write at most 63 lower-case letters, digits, dashes and dots')
/** A DNS subdomain: names of objects. */
export const objectName = text(`^${label}([.]${label})*$`, 253, 'is no object name: write at most 253 lower-case letters, digits, dashes and dots')
/** A rule of a route of the Gateway API: names are DNS subdomains. */
export const ruleName = text(`^${label}([.]${label})*$`, 253,
  'is no name or index of a rule: write at most 253 lower-case letters, digits, dashes and dots, or an index such as "0"')
/** The name of a Service. */
export const serviceName = text(servicePattern, 63, 'is no Service name: write at most 63 lower-case letters, digits and dashes that begin with a letter')
/** `<name>` of the doors: seven characters are left for `-stable` and `-canary`. */
export const doorName = text(servicePattern, 56,
  'is no Service name: write at most 56 lower-case letters, digits and dashes that begin with a letter, for -stable and -canary are added to it')
/** A host as routes write it: short, namespaced or fully qualified. */
export const host = text(`^${label}([.]${label})*$`, 253,
  'is no host: write the name of a Service such as reviews, or a full host name such as reviews.shop.svc.cluster.local')
/** The same, or `*.` before it where a route is for many. */
export const anyHost = text(`^([*][.])?${label}([.]${label})*$`, 253,
  'is no host: write the name of a Service such as cart, or a host name such as cart.example.com or *.example.com')
/** `mesh`, a Gateway's name, or `<namespace>/<name>`. */
export const gateway = text(`^(${label}/)?${label}([.]${label})*$`, 253, 'is no gateway: write mesh, the name of a Gateway, or namespace/name')

const noDuration = 'is no duration: write for example 90s, 5m or 1h30m'
/** A GEP-2257 duration, 0 allowed. */
export const duration = text(durationPattern, 28, noDuration)
/** A GEP-2257 duration of at least a second. */
export const positiveDuration = text(durationPattern, 28, noDuration, {
  cel: `!self.matches('${durationPattern}') || duration(self) >= duration('1s')`,
  message: 'is too short: write at least 1s',
  quote: true,
  holds: (value) => (parseDuration(value) ?? 1000) >= 1000,
})
/** A GEP-2257 duration of at least a millisecond, which is the least that Istio takes. */
export const timeout = text(durationPattern, 28, noDuration, {
  cel: `!self.matches('${durationPattern}') || duration(self) > duration('0s')`,
  message: 'is no time-out: write at least 1ms, or leave it out for none',
  quote: true,
  holds: (value) => (parseDuration(value) ?? 1) > 0,
})
/** `99.5%`. */
export const percent = text(percentPattern, 9, 'is no percentage: write it with its sign and at most four decimals, for example 99.5%', {
  cel: "!self.matches('^0+([.]0+)?%$')",
  message: 'would never fail: write a percentage above 0%',
  quote: true,
  holds: (value) => parsePercent(value) !== 0,
})
/** `500ms`, `0.5s`. */
export const latency = text(latencyPattern, 12, 'is no latency: write it with its unit, for example 500ms or 0.5s', {
  cel: "!self.matches('^0+([.]0+)?(ms|s)$')",
  message: 'would always fail: write a latency above 0',
  quote: true,
  holds: (value) => !latencyShape.test(value) || parseLatency(value) !== undefined,
})
const latencyShape = new RegExp(latencyPattern)

/** CEL for the number before the `%` of `field`. Not by `replace` or a regular expression: they cost too much on an int-or-string. */
export function celPercent(field: string): string {
  return `double(${field}.substring(0, ${field}.size() - 1))`
}
const noWeight = 'is no weight: write a whole percent from 0 to 100 such as 25, or a string with at most one decimal such as 0.5%'
const noScale = 'is no scale: write a count of pods such as 2, or a whole percent of the wanted count such as 50%'
export const weight = intOrString(noWeight, (value) => parseWeight(value) !== undefined)
export const scale = intOrString(noScale, (value) => parseScale(value) !== undefined)
/** The same for the API server, as rules of a step: Kubernetes before 1.33 counts the cost of a field that is selected lower than that of `self`. */
export const stepRules = [
  {
    rule: 'type(self.weight) == int ? self.weight >= 0 && self.weight <= 100 '
      + `: ${celShare('self.weight', 5, 'share >= 0.0 && share <= 100.0 && double(int(share * 10.0 + 0.5)) / 10.0 == share')}`,
    message: 'out of range, or no weight: write a whole percent from 0 to 100 such as 25, or a string with at most one decimal such as 0.5%',
    fieldPath: '.weight',
  },
  {
    rule: '!has(self.scale) || (type(self.scale) == int ? self.scale >= 1 && self.scale <= 100000 '
      + `: ${celShare('self.scale', 4, 'share >= 1.0 && share <= 100.0 && double(int(share)) == share')})`,
    message: 'out of range, or no scale: write a count of pods such as 2, or a whole percent of the wanted count such as 50%',
    fieldPath: '.scale',
  },
]
/** A text of at most `length` with `%` at its end, and before it a number of which `test` holds. The list of one is a variable: the text is read once. */
function celShare(field: string, length: number, test: string): string {
  return `${field}.size() <= ${length} && ${field}.endsWith('%') && [${celPercent(field)}].all(share, ${test})`
}

/** Five cron fields. The API server counts them; whether they mean something is judged by us. */
export const cron: z.ZodString = text('^[^ ]+( [^ ]+){4}$', 128,
  'is no cron expression: write five fields (minute hour day month weekday) with one space between them, for example 0 9 * * 1-5', {
  cel: "self.matches('^[0-9A-Za-z*/, -]+$')",
  message: 'is no cron expression that ever starts a window: write five fields of numbers, names, * , - and /, for example 0 9 * * 1-5',
  quote: true,
  holds: (value) => value.split(' ').length !== 5 || cronProblem(value) === undefined,
})
const noTimeZone = 'is no time zone: write an IANA name, for example Europe/Berlin or Etc/UTC'
/** An IANA time zone. The API server looks it up in its own tables. */
export const timeZone: z.ZodString = text('^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$', 64, noTimeZone, {
  cel: "self != 'Local' && timestamp('2026-01-01T00:00:00Z').getHours(self) >= 0",
  message: noTimeZone,
  quote: true,
  holds: (value) => !/^[A-Za-z]/.test(value) || isTimeZone(value),
})
/** A port number, or the name of a container port. */
export const targetPort = intOrString(
  'is no port: write a number from 1 to 65535, or the name of a container port of at most 15 characters',
  (value) => (typeof value === 'number' ? Number.isInteger(value) && value >= 1 && value <= 65535 : /^[a-z0-9]([-a-z0-9]{0,13}[a-z0-9])?$/.test(value)),
  "type(self) == int ? self >= 1 && self <= 65535 : self.size() <= 15 && self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
)
