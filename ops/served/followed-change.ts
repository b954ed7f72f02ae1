import { WaggleError } from '../../topology/waggle-error.ts'
import type { ConfiguredSwarm, RunningSwarm } from '../beekeeper/running-swarm.ts'
import type { RunningSwarms } from '../beekeeper/running-swarms.ts'
import type { SwarmRequests } from '../requests/swarm-requests.ts'
import type { SwarmClaim } from './definition.ts'
import type { Definitions } from './definitions.ts'

export interface FollowedChange {
  readonly running: RunningSwarms
  readonly requests: SwarmRequests
  readonly definitions: Definitions
  readonly claim: SwarmClaim
  readonly older: RunningSwarm
  readonly newer: RunningSwarm
  /** The older version. It is started again if the change is abandoned after the older version has stopped. */
  readonly before: ConfiguredSwarm
  /** Takes this process out of the groups of the swarm. */
  readonly leave: () => Promise<void>
}

/**
 * This server's part in a change of version that another server leads (`ClusterChange`). This server opens the bees of the new version, makes
 * requests wait, and stops the older version. It starts the new version when the pointer in the topic names it. Returns the version that runs.
 */
export async function followChange({ running, requests, definitions, claim, older, newer, before, leave }: FollowedChange): Promise<RunningSwarm> {
  const { swarm } = claim
  const gateways = [...new Set([...older.plan.gateways, ...newer.plan.gateways].map(({ gateway }) => gateway))]
  const takesOver = Promise.withResolvers<void>()
  takesOver.promise.catch(() => {})
  let release: (() => void) | null = null
  let hasStopped = false
  const stop = async () => {
    release ??= requests.hold(gateways)
    if (hasStopped) return
    hasStopped = true
    await older.application.close({ timeoutMs: longestFinishMs })
    await leave()
  }
  // The older version stops when the newer version has opened its bees, or has failed to open them.
  const ready = Promise.withResolvers<void>()
  let isReady = false
  const opened = running.startBeside(older, newer, () => {
    isReady = true
    ready.resolve()
    return takesOver.promise
  })
  let failure: unknown = null
  opened.catch((error: unknown) => {
    failure = error
    ready.resolve()
    const reason = error instanceof Error ? error.message : String(error)
    if (definitions.claimOfOthers(swarm)?.id === claim.id) definitions.refuse(claim, reason).catch(() => {})
  })
  try {
    for (;;) {
      const next = definitions.next(swarm)
      if (definitions.get(swarm)?.pointer.version === claim.version) break
      const now = definitions.claimOfOthers(swarm)
      if (now?.id !== claim.id || now.phase === 'refused') throw failure ?? givenUp(swarm)
      if (now.phase === 'hold') release ??= requests.hold(gateways)
      if (now.phase === 'stop' && !hasStopped && isReady) await stop()
      else await (isReady || failure !== null ? next : Promise.race([next, ready.promise]))
    }
    await stop()
    takesOver.resolve()
    await opened
    return newer
  } catch (error) {
    takesOver.reject(error)
    await opened.catch(() => {})
    if (hasStopped && !definitions.isClosed) {
      const again = await running.prepare(before)
      await running.startBeside(older, again, async () => {})
      return again
    }
    return older
  } finally {
    release?.()
  }
}

function givenUp(swarm: string): WaggleError {
  return new WaggleError('WAGGLE_SWARM_BUSY', { message: `The change of ${swarm} was given up`, next: 'Nothing: the older version goes on.' })
}

const longestFinishMs = 15_000
