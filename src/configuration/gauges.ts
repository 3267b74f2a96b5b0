/** Whether the configuration file is in force, as numbers. */
import type { Sample } from '../telemetry/meters.ts'
import type { LiveConfiguration } from './live.ts'

/** Nothing where there is no file. */
export function* configurationGauges(live: Pick<LiveConfiguration, 'state'>): Generator<Sample> {
  const { path, loadedAt, problems } = live.state()
  if (path === undefined) return
  yield { name: 'sluice_config_valid', labels: {}, value: problems.length === 0 ? 1 : 0 }
  yield { name: 'sluice_config_loaded_timestamp_seconds', labels: {}, value: loadedAt / 1000 }
}
