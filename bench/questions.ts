/** What a step asks of the metric source: how many questions, and their bytes, for each data plane. */
import { countsQuery } from '../src/analysis/queries.ts'
import type { Question } from '../src/analysis/reading.ts'
import { telemetries } from '../src/analysis/telemetry.ts'
import { openField, specOf } from './field.ts'
import { short, type Figure } from './table.ts'

const minutes = 10

export async function questions(): Promise<Figure[]> {
  const field = openField()
  const spec = specOf('app-1', { istio: { managed: {} } }, [20, 100])
  field.add('app-1', { ...spec, steps: [{ weight: 20, hold: '1h' }, { weight: 100, hold: '1m' }] })
  await field.until(['app-1'], ({ phase }) => phase === 'Idle')
  field.push('app-1', 'app:v2')
  await field.until(['app-1'], ({ phase }) => phase === 'Holding')
  await field.clock.advance(300_000)
  const before = field.questions.length
  await field.clock.advance(minutes * 60_000)
  const asked = field.questions.slice(before)
  await field.close()
  const checks = new Set(asked.map(({ check }) => check))
  const figures: Figure[] = [{ what: 'questions per check and minute of a step (interval 30s)', value: short(asked.length / checks.size / minutes) }]
  for (const telemetry of telemetries) {
    const bytes = (kind: Question['measure']['kind']) => {
      const question = asked.find(({ measure }) => measure.kind === kind)!
      // Envoy Gateway tells by clusters; the others do not look at them.
      const clusters = (arm: Question['canary'], at: number) => ({ ...arm, clusters: [`httproute/shop/app/rule/0/backend/${at}`] })
      return Buffer.byteLength(countsQuery({ ...question, telemetry, stable: clusters(question.stable, 0), canary: clusters(question.canary, 1) }) ?? '')
    }
    figures.push({ what: `${telemetry}: bytes of a question for success rate, latency`, value: `${bytes('SuccessRate')}, ${bytes('Latency')}` })
  }
  return figures
}
