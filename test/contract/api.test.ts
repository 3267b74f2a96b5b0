/** The contract against the embedded cluster; api.real.test.ts runs the same against the real API server. */
import { SimulatedClock } from '../../src/sandbox/clock.ts'
import { embeddedCluster } from '../../src/sandbox/cluster.ts'
import { serve } from '../../src/sandbox/server.ts'
import { apiContract } from './cases.ts'

apiContract('the embedded cluster', async () => {
  const clock = new SimulatedClock()
  const cluster = embeddedCluster({ clock })
  clock.run(1)
  const server = await serve(cluster.store, cluster.faults)
  return {
    server: { url: server.url, token: 'sandbox' },
    stop: async () => {
      await server.close()
      cluster.close()
      clock.stop()
    },
  }
})
