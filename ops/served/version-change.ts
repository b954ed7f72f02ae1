import type { KafkaGroups } from '../../connectors/log/kafka/kafka-groups.ts'
import type { Clock, Log } from '../../processor/ports.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { ConfiguredSwarm, RunningSwarm } from '../beekeeper/running-swarm.ts'
import type { RunningSwarms } from '../beekeeper/running-swarms.ts'
import type { SwarmRequests } from '../requests/swarm-requests.ts'
import { finishRequests } from './finished-requests.ts'
import { movePositions } from './moved-positions.ts'

/** The other servers on a cluster, in a change of version that this one leads. */
export interface OtherServers {
  /** Lets new requests wait at every server. */
  hold(): Promise<void>
  /** Waits for the requests of all servers. Returns the topics with unread records if they are not finished in time. */
  finish(withinMs: number): Promise<readonly string[]>
  /** Lets every server stop the older version. */
  stop(): Promise<void>
  /** Settles when none runs it any more. */
  expectStopped(): Promise<void>
}

export interface VersionChange {
  readonly running: RunningSwarms
  readonly requests: SwarmRequests
  readonly log: Log
  readonly clock: Clock
  /** Null where this server changes alone. */
  readonly others: OtherServers | null
  /** The groups of the cluster, if this server leads a change there; else null. */
  readonly groups: KafkaGroups | null
  /** Called when the older version has stopped here. */
  readonly leave: () => Promise<void>
  readonly older: RunningSwarm
  readonly newer: RunningSwarm
  /** The older version, which is started again if the newer one fails after it has stopped. */
  readonly before: ConfiguredSwarm | null
  /** Makes the newer version durable. Called when the older one has stopped, and before the newer one reads anything. */
  readonly record: () => Promise<void>
  /** Makes the older version the one that runs again. */
  readonly unrecord: () => Promise<void>
}

/**
 * Replaces a version of a swarm by a newer one, without a failed request:
 *
 *     newer opens its bees ─► new requests wait ─► older finishes its requests ─► older stops ─► record ─► newer reads ─► requests go on
 *
 * Each request is done by one version from its gateway to its answer. On a cluster all servers do each step together. If the newer version cannot open, or the older one does not finish in time, the
 * older one goes on. Returns the version that runs.
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
        // Where the log cannot be written, the older version runs until the next start, and then the newer one is tried again.
        await unrecord().catch(() => {})
        const again = await running.prepare(before)
        // On a cluster the positions of the older version are where they were.
        await running.startBeside(older, again, async () => (groups === null ? movePositions(log, newer, again, null) : undefined))
      } catch {
        // Callers who wait are told, and the older version counts as gone.
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
    next: 'Try again when its bees have less to do.',
  })
}

/** Callers wait for so long at most before the update is given up. Requests have 30 s by default. */
const longestFinishMs = 15_000
