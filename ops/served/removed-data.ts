import type { Log } from '../../processor/ports.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { RunningSwarm } from '../beekeeper/running-swarm.ts'
import { holdingsOf } from '../beekeeper/swarm-holdings.ts'

/**
 * Returns a function that deletes the topics, positions and state of a swarm. The swarm must not run when the function is called. Rows in ClickHouse
 * stay. Throws WAGGLE_USAGE on a cluster.
 */
export async function dataRemoval(log: Log, { plan, topology }: RunningSwarm): Promise<() => Promise<void>> {
  const { EmbeddedLog } = await import('../../connectors/log/embedded/embedded-log.ts')
  if (!(log instanceof EmbeddedLog)) {
    throw new WaggleError('WAGGLE_USAGE', {
      message: 'The topics of a cluster are not deleted by a server',
      next: 'Stop all processes of the swarm, and run `waggle reset FILE --log kafka`.',
    })
  }
  const { topics, groups, entrances } = holdingsOf(plan, { running: topology })
  return async () => {
    const there = new Set(await log.topics())
    await log.remove({ topics: [...topics, ...entrances].filter((topic) => there.has(topic)), groups, applications: [plan.applicationId] })
  }
}
