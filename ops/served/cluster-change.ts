import type { KafkaGroups } from '../../connectors/log/kafka/kafka-groups.ts'
import type { Clock, Log } from '../../processor/ports.ts'
import { GlobalStores } from '../../processor/state/global-stores.ts'
import { threadProgram } from '../../processor/thread/thread-program.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { RunningSwarm } from '../beekeeper/running-swarm.ts'
import type { OwnClaim } from './change-locks.ts'
import { answeringIds, hasRecord } from './finished-requests.ts'
import { otherWasFaster } from './swarm-errors.ts'
import type { OtherServers } from './version-change.ts'

export interface ClusterChangeOptions {
  readonly claim: OwnClaim
  readonly version: number
  readonly older: RunningSwarm
  readonly groups: KafkaGroups
  readonly log: Log
  readonly clock: Clock
}

/**
 * A change of version that this server leads on a cluster. The brokers show whether all servers have done their part: there is no unread record, and
 * no member in the swarm's groups. The servers therefore need no list of each other, and a killed server delays the change at most by its session.
 */
export class ClusterChange implements OtherServers {
  readonly #options: ClusterChangeOptions

  constructor(options: ClusterChangeOptions) {
    this.#options = options
  }

  /** Lets the other servers open the bees of the new version. */
  async open(): Promise<void> {
    await this.#options.claim.advance('open', this.#options.version)
  }

  async hold(): Promise<void> {
    this.#expectNoRefusal()
    await this.#options.claim.advance('hold', this.#options.version)
  }

  async finish(withinMs: number): Promise<readonly string[]> {
    const { clock } = this.#options
    const end = clock.elapsedMs() + withinMs
    for (let before: string | null = null; ; ) {
      this.#expectNoRefusal()
      const { unread, ends } = await this.#look(() => true)
      // A record may have moved after it was checked, so the check counts only if nothing was written between two checks.
      if (unread.length === 0 && ends === before) return []
      before = unread.length === 0 ? ends : null
      if (clock.elapsedMs() >= end) return unread
      await this.#pause()
    }
  }

  async stop(): Promise<void> {
    this.#expectNoRefusal()
    await this.#options.claim.advance('stop', this.#options.version)
  }

  /**
   * Waits until no process runs the older version. Throws WAGGLE_UPDATE_TIMEOUT if a process still runs it, or if a request is between two bees. Such
   * a request came in at a server that had not read the phase `hold` yet. A request that no bee has read is left to the new version. Throws
   * WAGGLE_SWARM_BUSY if another server has ended the change meanwhile.
   */
  async expectStopped(): Promise<void> {
    const { older, groups, clock } = this.#options
    const names = programOf(older).map(({ group }) => group)
    const end = clock.elapsedMs() + longestStopMs
    for (;;) {
      const members = await groups.members(names)
      this.#expectNoRefusal()
      if (members === 0) break
      if (clock.elapsedMs() >= end) throw stillRuns(older, members)
      await this.#pause()
    }
    const entrances = new Set(older.plan.gateways.map(({ topic }) => topic))
    const { unread } = await this.#look((topic) => !entrances.has(topic))
    this.#expectNoRefusal()
    if (unread.length > 0) throw betweenBees(older, unread)
  }

  /** The topics with records that no process has finished, and the ends of all topics. */
  async #look(isLookedAt: (topic: string) => boolean): Promise<{ readonly unread: readonly string[]; readonly ends: string }> {
    const { older, groups, log } = this.#options
    const foreign = new Set(older.plan.topics.filter(({ isForeign }) => isForeign).map(({ name }) => name))
    const answering = answeringIds(older)
    const unread = new Set<string>()
    const ends: unknown[] = []
    for (const { group, subtopologies } of programOf(older)) {
      const sources = subtopologies.flatMap((one) => (answering.has(one.id) ? one.sources : []))
      const topics = sources.filter((topic) => !foreign.has(topic) && isLookedAt(topic))
      if (topics.length === 0) continue
      const positions = await groups.positions(group)
      for (const topic of topics) {
        const info = await log.topic(topic)
        ends.push([topic, info?.offsets ?? []])
        for (const [partition, offsets] of (info?.offsets ?? []).entries()) {
          const committed = positions.find((one) => one.topic === topic && one.partition === partition)?.offset ?? offsets.start
          if (await hasRecord(log, { topic, partition, ...offsets }, committed)) unread.add(topic)
        }
      }
    }
    return { unread: [...unread], ends: JSON.stringify(ends) }
  }

  #expectNoRefusal(): void {
    const { claim, older } = this.#options
    const { now } = claim
    if (now === null) throw otherWasFaster(older.plan.swarm)
    if (now.phase !== 'refused') return
    throw new WaggleError('WAGGLE_SWARM_NOT_STARTED', {
      message: `Another server cannot run the new version of ${older.plan.swarm}: ${now.reason}`,
      next: 'See to it that every server has the files and the models that the swarm names.',
    })
  }

  #pause(): Promise<void> {
    return new Promise((settle) => void this.#options.clock.after(betweenLooksMs, settle))
  }
}

/** The groups of a swarm with their sub-topologies. */
export function programOf({ plan, topology }: RunningSwarm): ReturnType<typeof threadProgram>['groups'] {
  return threadProgram(plan.applicationId, topology, { maxCachedEntries: 0, globals: new GlobalStores() }).groups
}

function stillRuns({ plan }: RunningSwarm, members: number): WaggleError {
  return new WaggleError('WAGGLE_UPDATE_TIMEOUT', {
    message: `${members} members of the groups of ${plan.swarm} did not stop within ${longestStopMs / 1000} s, so the older version goes on`,
    next: 'A process that was killed is a member until its session times out: try again then. End processes of `waggle run` with this swarm.',
  })
}

function betweenBees({ plan }: RunningSwarm, topics: readonly string[]): WaggleError {
  return new WaggleError('WAGGLE_UPDATE_TIMEOUT', {
    message: `A request came between two bees of ${plan.swarm} while its version was replaced, so the older version goes on. It waits on ${topics.join(', ')}`,
    next: 'Send the update again.',
  })
}

const betweenLooksMs = 50
const longestStopMs = 15_000
