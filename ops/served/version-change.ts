import type { KafkaGroups } from '../../connectors/log/kafka/kafka-groups.ts'
import type { Clock, Log } from '../../processor/ports.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { ConfiguredSwarm, RunningSwarm } from '../beekeeper/running-swarm.ts'
import type { RunningSwarms } from '../beekeeper/running-swarms.ts'
import type { SwarmRequests } from '../requests/swarm-requests.ts'
import { finishRequests } from './finished-requests.ts'
import { movePositions } from './moved-positions.ts'

/** The other servers on a cluster, during a change of version that this server leads. */
export interface OtherServers {
  /** Makes new requests wait at every server. */
  hold(): Promise<void>
  /** Waits for the requests of all servers. Returns the topics that still have unread records after this time. */
  finish(withinMs: number): Promise<readonly string[]>
  /** Makes every server stop the older version. */
  stop(): Promise<void>
  /** Settles when no server runs the older version any more. */
  expectStopped(): Promise<void>
}

export interface VersionChange {
  readonly running: RunningSwarms
  readonly requests: SwarmRequests
  readonly log: Log
  readonly clock: Clock
  /** The other servers; null if this server changes the swarm alone. */
  readonly others: OtherServers | null
  /** The groups of the cluster, if this server leads the change on a cluster; else null. */
  readonly groups: KafkaGroups | null
  /** Called when the older version has stopped on this server. */
  readonly leave: () => Promise<void>
  readonly older: RunningSwarm
  readonly newer: RunningSwarm
  /** The older version. It is started again if the newer version fails after the older version has stopped. */
  readonly before: ConfiguredSwarm | null
  /** Makes the newer version durable. Called when the older version has stopped, and before the newer version reads any record. */
  readonly record: () => Promise<void>
  /** Undoes `record`: the next start runs the older version. */
  readonly unrecord: () => Promise<void>
}

/**
 * Replaces a version of a swarm by a newer version, without a failed request:
 *
 *     newer opens its bees ─► new requests wait ─► older finishes its requests ─► older stops ─► record ─► newer reads ─► requests continue
 *
 * One version processes each request from its gateway to its answer. On a cluster, all servers do each step together. The older version continues if
 * the newer version cannot open, or if the older version does not finish in time. Returns the version that runs.
 */
export async function changeVersion(change: VersionChange): Promise<RunningSwarm> {
  const { running, requests, log, clock, others, groups, leave, older, newer, before, record, unrecord } = change
  let release = () => {}
  let hasStopped = false
  try {
    await running.startBeside(older, newer, async () => {
      release = requests.hold([...new Set([...older.plan.gateways, ...newer.plan.gateways].map(({ gateway }) => gateway))])
      await others?.hold()
      const unread = await (others?.finish(longestFinishMs) ?? finishRequests(older, { log, clock, withinMs: longestFinishMs }))
      if (unread.length > 0) throw notFinished(older, unread)
      await others?.stop()
      hasStopped = true
      await older.application.close({ timeoutMs: longestFinishMs })
      await leave()
      await others?.expectStopped()
      await movePositions(log, older, newer, groups)
      await record()
    })
    return newer
  } catch (error) {
    if (hasStopped) {
      try {
        if (before === null) throw error
        // If the log cannot be written, the older version runs until the next start. The next start then tries the newer version again.
        await unrecord().catch(() => {})
        const again = await running.prepare(before)
        // Only on the embedded log did `movePositions` delete positions of the older version, so only there are they restored.
        await running.startBeside(older, again, async () => (groups === null ? movePositions(log, newer, again, null) : undefined))
      } catch {
        // Waiting callers get an error, and the older version counts as stopped.
        requests.shut(
          older.plan.gateways.map(({ gateway }) => gateway),
          `${older.plan.swarm} did not start`,
        )
        await running.stop(older, { timeoutMs: longestFinishMs }).catch(() => {})
      }
    }
    throw error
  } finally {
    release()
  }
}

function notFinished({ plan }: RunningSwarm, topics: readonly string[]): WaggleError {
  return new WaggleError('WAGGLE_UPDATE_TIMEOUT', {
    message: `The running version of ${plan.swarm} did not finish its requests within ${longestFinishMs / 1000} s, so it goes on. Records wait on ${topics.join(', ')}`,
    next: 'Update the swarm again when its bees have less to do.',
  })
}

/** The longest wait of callers, after which the update is abandoned. The default deadline of a request is 30 s. */
const longestFinishMs = 15_000
