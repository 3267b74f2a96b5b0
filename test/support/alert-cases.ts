/** Series with which each alert fires, and with which it does not, in steps of half a minute as promtool writes them. */

export interface AlertCase {
  readonly name: string
  readonly alert: string
  readonly series: Readonly<Record<string, string>>
  readonly at: string
  /** Its labels beside `severity`; unset: it must not fire. */
  readonly fires?: Readonly<Record<string, string>>
}
const cart = { rollout_namespace: 'shop', rollout: 'cart' }
const of = (metric: string, more = '') => `${metric}{job="sluice",instance="a",rollout_namespace="shop",rollout="cart"${more}}`
const phase = (name: string) => of('sluice_rollout_phase', `,phase="${name}"`)
const seen = of('sluice_rollout_weight_ratio', ',of="Seen"')
const error = of('sluice_rollout_check_verdict', ',check="success",verdict="Error"')
const leader = (instance: string) => `sluice_leader{job="sluice",instance="${instance}"}`
const heard = (instance: string) => `sluice_watch_heard_timestamp_seconds{job="sluice",instance="${instance}",kind="Pod"}`
const ended = of('sluice_journeys_ended_total', ',outcome="RolledBack"')
const bucket = (le: string) => `sluice_lowering_reaction_seconds_bucket{job="sluice",instance="a",le="${le}"}`
const bugs = 'sluice_passes_total{job="sluice",instance="a",lane="Rest",result="Bug"}'

export const alertCases: readonly AlertCase[] = [
  { name: 'both wait', alert: 'SluiceNoLeader', series: { [leader('a')]: '0x20', [leader('b')]: '0x20' }, at: '4m', fires: { job: 'sluice' } },
  { name: 'both of one installation wait, another leads', alert: 'SluiceNoLeader', series: { 'sluice_leader{job="sluice",instance="a",namespace="shop"}': '0x20', 'sluice_leader{job="sluice",instance="b",namespace="bank"}': '1x20' }, at: '4m', fires: { job: 'sluice', namespace: 'shop' } },
  { name: 'nothing is scraped', alert: 'SluiceNoLeader', series: { up: '1x20' }, at: '4m', fires: {} },
  { name: 'one leads after the other', alert: 'SluiceNoLeader', series: { [leader('a')]: '1x4 0x20', [leader('b')]: '0x5 1x20' }, at: '8m' },
  { name: 'the route cannot be written', alert: 'SluiceCannotLower', series: { [of('sluice_rollout_lowering_failing')]: '1x10' }, at: '3m', fires: cart },
  { name: 'lowered, and closing', alert: 'SluiceCannotLower', series: { [phase('Closing')]: '1x10' }, at: '3m' },
  { name: 'failed once', alert: 'SluiceCannotLower', series: { [of('sluice_rollout_lowering_failing')]: '1 stale' }, at: '3m' },
  { name: 'errors with traffic', alert: 'SluiceSourceNotAnswering', series: { [error]: '1x20', [seen]: '0.05x20' }, at: '5m', fires: cart },
  { name: 'errors without traffic', alert: 'SluiceSourceNotAnswering', series: { [error]: '1x20', [seen]: '0x20' }, at: '5m' },
  { name: 'errors of another Rollout', alert: 'SluiceSourceNotAnswering', series: { [error]: '1x20', [seen.replace('cart', 'other')]: '0.5x20' }, at: '5m' },
  { name: 'broken', alert: 'SluiceStableBroken', series: { [of('sluice_rollout_condition', ',type="StableBroken",reason="PodsNotReady"')]: '1x10' }, at: '3m', fires: { ...cart, reason: 'PodsNotReady' } },
  { name: 'ready', alert: 'SluiceStableBroken', series: { [of('sluice_rollout_condition', ',type="Ready",reason="Idle"')]: '1x10' }, at: '3m' },
  { name: 'silent', alert: 'SluiceWatchStuck', series: { [heard('a')]: '0x80', [leader('a')]: '1x80' }, at: '25m', fires: { job: 'sluice', instance: 'a', kind: 'Pod' } },
  { name: 'no first list', alert: 'SluiceWatchStuck', series: { 'sluice_cache_synced{job="sluice",instance="a",kind="Pod"}': '0x30', [leader('a')]: '1x30' }, at: '7m', fires: { job: 'sluice', instance: 'a', kind: 'Pod' } },
  { name: 'silent in the process that waits', alert: 'SluiceWatchStuck', series: { [heard('b')]: '0x80', [leader('a')]: '1x80', [leader('b')]: '0x80' }, at: '25m' },
  { name: 'heard', alert: 'SluiceWatchStuck', series: { [heard('a')]: '0+30x80', [leader('a')]: '1x80' }, at: '25m' },
  { name: 'held, over a change of leaders', alert: 'SluiceHeld', series: { [phase('Held')]: '1x20 stale', [phase('Held').replace('"a"', '"b"')]: '_x22 1x60' }, at: '35m', fires: cart },
  { name: 'held and resumed', alert: 'SluiceHeld', series: { [phase('Held')]: '1x20 stale' }, at: '35m' },
  { name: 'nobody approves', alert: 'SluiceAwaitingApproval', series: { [phase('AwaitingApproval')]: '1x600' }, at: '4h30m', fires: cart },
  { name: 'approved', alert: 'SluiceAwaitingApproval', series: { [phase('AwaitingApproval')]: '1x400 stale' }, at: '4h30m' },
  { name: 'stalled', alert: 'SluiceStalled', series: { [of('sluice_rollout_condition', ',type="Stalled",reason="InvalidSpec"')]: '1x60' }, at: '20m', fires: { ...cart, reason: 'InvalidSpec' } },
  { name: 'stalled and mended', alert: 'SluiceStalled', series: { [of('sluice_rollout_condition', ',type="Stalled",reason="InvalidSpec"')]: '1x10 stale' }, at: '20m' },
  { name: 'wrong', alert: 'SluiceConfigInvalid', series: { 'sluice_config_valid{job="sluice",instance="a"}': '0x20', 'sluice_config_valid{job="sluice",instance="b"}': '1x20' }, at: '8m', fires: { job: 'sluice' } },
  { name: 'no file', alert: 'SluiceConfigInvalid', series: { [leader('a')]: '1x20' }, at: '8m' },
  { name: 'three times', alert: 'SluiceTooManyRollbacks', series: { [ended]: '0x20 1x20 2x20 3x20' }, at: '40m', fires: cart },
  { name: 'twice', alert: 'SluiceTooManyRollbacks', series: { [ended]: '0x20 1x20 2x40' }, at: '40m' },
  { name: 'three of three services', alert: 'SluiceTooManyRollbacks', series: { [ended]: '0x20 1x60', [ended.replace('cart', 'b')]: '0x20 1x60', [ended.replace('cart', 'c')]: '0x20 1x60' }, at: '40m' },
  { name: 'an old note', alert: 'SluiceNotesUndelivered', series: { [of('sluice_rollout_outbox_oldest_timestamp_seconds')]: '0x100' }, at: '40m', fires: cart },
  { name: 'new notes', alert: 'SluiceNotesUndelivered', series: { [of('sluice_rollout_outbox_oldest_timestamp_seconds')]: '0+30x100' }, at: '40m' },
  { name: 'ten seconds', alert: 'SluiceSlowToLower', series: { [bucket('5')]: '0x10 0x50', [bucket('10')]: '0x10 3x50', [bucket('+Inf')]: '0x10 3x50' }, at: '20m', fires: {} },
  { name: 'at once', alert: 'SluiceSlowToLower', series: { [bucket('5')]: '0x10 3x50', [bucket('10')]: '0x10 3x50', [bucket('+Inf')]: '0x10 3x50' }, at: '20m' },
  { name: 'a pass threw', alert: 'SluiceBug', series: { [bugs]: '0x10 1x60' }, at: '15m', fires: {} },
  { name: 'passes that fail', alert: 'SluiceBug', series: { [bugs]: '0x60', [bugs.replace('Bug', 'Failed')]: '0+1x60' }, at: '15m' },
]
