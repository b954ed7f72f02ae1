import { readFileSync } from 'node:fs'
import type { KafkaGroups } from '../../connectors/log/kafka/kafka-groups.ts'
import type { Clock, Log } from '../../processor/ports.ts'
import { gatewayOf, topicOf } from '../../topology/swarm/checked-swarm.ts'
import type { BeeRow, SwarmFailure, SwarmRow } from '../../topology/swarm/swarm-management.ts'
import type { WaggleError } from '../../topology/waggle-error.ts'
import type { ConfiguredSwarm, RunningSwarm } from '../beekeeper/running-swarm.ts'
import type { RunningSwarms } from '../beekeeper/running-swarms.ts'
import type { LogLine } from '../process-log/log-line.ts'
import type { SwarmRequests } from '../requests/swarm-requests.ts'
import { beeRows } from './bee-rows.ts'
import type { OwnClaim } from './change-locks.ts'
import { ClusterChange, programOf } from './cluster-change.ts'
import type { SwarmClaim, SwarmVersion } from './definition.ts'
import { type Definitions, expectHeld } from './definitions.ts'
import { finishRequests } from './finished-requests.ts'
import { followChange } from './followed-change.ts'
import { movePositions } from './moved-positions.ts'
import { dataRemoval } from './removed-data.ts'
import { expectNoNeeds, noSuchSwarm, notStarted } from './swarm-errors.ts'
import { changeVersion } from './version-change.ts'
import { differenceOf, type PlanDifference } from './version-difference.ts'

export interface ServedSwarmOptions {
  readonly running: RunningSwarms
  readonly requests: SwarmRequests
  /** The definitions; null for a process that runs only the files of its command line. */
  readonly definitions: Definitions | null
  readonly log: Log
  /** The groups on the cluster; null on the embedded log. */
  readonly groups: KafkaGroups | null
  /** The name of this process in the groups, if it has a fixed name. */
  readonly instance: string | null
  /** Names this run of the process. */
  readonly processId: string
  readonly clock: Clock
  readonly say: LogLine
}

export interface ChangeOptions {
  /** The version to write to the log during the change; null for a version that is already in the log. */
  readonly version: SwarmVersion | null
  /** False: throws WAGGLE_UPDATE_NEEDS_ACCEPT for a change with effects that cannot be undone. */
  readonly accept: boolean
  /** Effects beside those on state that need `accept`. */
  readonly needs: readonly string[]
  /** The claim of this server, which leads the change; null if another server leads the change. */
  readonly claim: OwnClaim | null
}

/**
 * One swarm of a server, whether it runs or not:
 *
 *                   ┌──────────────────────────────┐
 *                   ▼                              │
 *     failed ◄─► starting ─► running ─► stopping ─► paused
 *        ▲                    │   ▲
 *        │                    ▼   │
 *        └───────────────── updating
 *
 * The caller runs one change of a swarm at a time.
 */
export class ServedSwarm {
  readonly name: string
  readonly source: SwarmRow['source']
  readonly #options: ServedSwarmOptions
  #state: SwarmRow['state'] = 'starting'
  #version: number | null = null
  #createdAt: number | null = null
  #updatedAt: number | null = null
  #text = ''
  #configured: ConfiguredSwarm | null = null
  #wanted: ConfiguredSwarm | null = null
  #running: RunningSwarm | null = null
  #error: WaggleError | null = null

  constructor(name: string, source: SwarmRow['source'], options: ServedSwarmOptions) {
    this.name = name
    this.source = source
    this.#options = options
  }

  get state(): SwarmRow['state'] {
    return this.#state
  }

  get version(): number | null {
    return this.#version
  }

  /** Null if the text of the definition is not a swarm. */
  get configured(): ConfiguredSwarm | null {
    return this.#configured
  }

  /** The version that an update in progress brings; null if there is no update. */
  get wanted(): ConfiguredSwarm | null {
    return this.#wanted
  }

  get running(): RunningSwarm | null {
    return this.#running
  }

  get gateways(): readonly string[] {
    const bees = this.#configured?.swarm.bees ?? []
    return bees.filter((bee) => bee.type.role === 'gateway' && topicOf(bee) === null).map(gatewayOf)
  }

  /** The text of the served version. The text of a file is read again, and is empty if the file can no longer be read. */
  get text(): string {
    if (this.source !== 'file') return this.#text
    try {
      return readFileSync(this.#configured?.swarm.document.file ?? '', 'utf8')
    } catch {
      return ''
    }
  }

  get row(): SwarmRow {
    return {
      name: this.name,
      state: this.source === 'file' && this.#running?.notReady === null ? 'running' : this.#state,
      version: this.#version,
      source: this.source,
      gateways: this.gateways,
      bees: this.#configured?.swarm.bees.length ?? 0,
      created_at: this.#createdAt,
      updated_at: this.#updatedAt,
      error: this.#error === null ? null : failureOf(this.#error),
    }
  }

  get beeRows(): readonly BeeRow[] {
    return beeRows(this.#configured, this.#running, { ...this.row, instance: this.#options.processId })
  }

  /** The version that the definition names now; null if there is no definition. */
  get current(): SwarmVersion | null {
    const definition = this.#options.definitions?.get(this.name) ?? null
    return definition?.versions.get(definition.pointer.version) ?? null
  }

  /** Takes over a swarm of a file. The swarm is already running. */
  adopt(configured: ConfiguredSwarm, running: RunningSwarm): void {
    this.#configured = configured
    this.#running = running
  }

  /** Sets the version that the next start runs. */
  configure(configured: ConfiguredSwarm): void {
    this.#configured = configured
  }

  /** Copies version, times and text from the definition. */
  remember(): void {
    const { pointer } = this.#options.definitions?.get(this.name) ?? {}
    if (pointer === undefined) return
    this.#version = pointer.version
    this.#createdAt = pointer.created_at
    this.#updatedAt = pointer.updated_at
    this.#text = this.current?.text ?? ''
  }

  /** Starts the configured version. `beforeReading` is called when the bees are open and no record was read yet. */
  async start(beforeReading: (prepared: RunningSwarm) => Promise<void> = async () => {}): Promise<void> {
    const { running, requests } = this.#options
    const configured = this.#configured
    if (configured === null) throw this.#error ?? noSuchSwarm(this.name, [])
    this.#state = 'starting'
    requests.shut(this.gateways, `${this.name} is starting`)
    try {
      const prepared = await running.prepare(configured)
      await running.start(prepared, () => beforeReading(prepared))
      this.#running = prepared
      this.#state = 'running'
      this.#error = null
      requests.shut(this.gateways, null)
    } catch (thrown) {
      this.#state = 'failed'
      this.#error = notStarted(configured, thrown)
      requests.shut(this.gateways, `${this.name} did not start`)
      throw this.#error
    }
  }

  async pause(): Promise<void> {
    const running = this.#running
    await this.#stop(`${this.name} is paused`)
    if (running !== null) this.#options.requests.rest(running.entrance)
    this.#state = 'paused'
    this.remember()
  }

  /** Stops the swarm, and frees its gateways. */
  async remove(): Promise<void> {
    await this.#stop(`${this.name} was removed`)
    this.#options.requests.shut(this.gateways, null)
  }

  /** Records why the swarm differs from its definition. If no version runs, the swarm's gateways refuse requests. */
  fail(error: WaggleError): void {
    this.#error = error
    if (this.#running === null) this.#state = 'failed'
    this.#options.requests.shut(this.gateways, this.#running === null ? `${this.name} did not start` : null)
  }

  /**
   * Returns a function that deletes the topics and state of the swarm. The swarm must not run when the function is called. Throws before anything is
   * deleted if the deletion is impossible.
   */
  async dataRemoval(): Promise<() => Promise<void>> {
    const { log, running } = this.#options
    if (this.#configured === null) throw this.#error ?? noSuchSwarm(this.name, [])
    return dataRemoval(log, this.#running ?? (await running.look(this.#configured)))
  }

  /** Changes the swarm to another version. */
  async change(configured: ConfiguredSwarm, options: ChangeOptions): Promise<void> {
    const { definitions } = this.#options
    const { version, claim } = options
    const pointer = definitions?.get(this.name)?.pointer
    const record = async () => {
      if (version !== null && claim !== null) await definitions?.put(version, this.#state === 'paused', claim)
    }
    const unrecord = async () => {
      if (version !== null && claim !== null && pointer !== undefined) await definitions?.point(pointer, claim)
    }
    const older = this.#running
    this.#wanted = configured
    try {
      if (older === null) await this.#changeResting(configured, { ...options, record })
      else await this.#changeRunning(older, configured, { ...options, record, unrecord })
    } catch (thrown) {
      const error = notStarted(configured, thrown)
      if (older !== null) this.#error = error
      throw error
    } finally {
      this.#wanted = null
    }
  }

  /** The effects of another version. Throws the error with which `change` refuses the version before anything moves. */
  async compare(configured: ConfiguredSwarm): Promise<PlanDifference> {
    const { running } = this.#options
    try {
      const newer = await running.look(configured)
      const older = this.#running ?? (this.#configured === null ? null : await running.look(this.#configured).catch(() => null))
      return await this.#checked(older ?? newer, newer)
    } catch (thrown) {
      throw notStarted(configured, thrown)
    }
  }

  /** The checks of a comparison and of a change. */
  async #checked(older: RunningSwarm, newer: RunningSwarm): Promise<PlanDifference> {
    await newer.application.checkTopics()
    return differenceOf(older, newer)
  }

  async #changeRunning(
    older: RunningSwarm,
    configured: ConfiguredSwarm,
    {
      version,
      accept,
      needs,
      claim,
      record,
      unrecord,
    }: ChangeOptions & { readonly record: () => Promise<void>; readonly unrecord: () => Promise<void> },
  ): Promise<void> {
    const { running, requests, log, clock, definitions } = this.#options
    const groups = claim === null ? null : this.#options.groups
    this.#state = 'updating'
    try {
      const newer = await running.prepare(configured)
      try {
        const { needs_accept: losses } = await this.#checked(older, newer)
        if (!accept) expectNoNeeds(this.name, [...losses, ...needs])
      } catch (refused) {
        running.discard(newer)
        throw refused
      }
      const others =
        claim === null || groups === null || version === null
          ? null
          : new ClusterChange({ claim, version: version.version, older, groups, log, clock })
      if (others !== null && version !== null && claim !== null) {
        await definitions?.write(version, claim)
        await others.open()
      }
      const common = { running, requests, log, clock, others, groups, older, newer }
      this.#running = await changeVersion({ ...common, before: this.#configured, leave: () => this.#leave(older), record, unrecord })
      this.#configured = configured
      this.#error = null
      this.remember()
    } catch (thrown) {
      if (version !== null && claim !== null && definitions?.get(this.name)?.pointer.version !== version.version) await this.#withdraw(version, claim)
      if (older.application.state !== 'RUNNING') this.#running = running.all.find(({ plan }) => plan.swarm === this.name) ?? null
      throw thrown
    } finally {
      this.#state = this.#running === null ? 'failed' : 'running'
    }
  }

  /** Does this server's part in a change that another server leads. */
  async follow(claim: SwarmClaim, wanted: ConfiguredSwarm): Promise<void> {
    const { running, requests, definitions } = this.#options
    const [older, before] = [this.#running, this.#configured]
    if (definitions === null || older === null || before === null) return
    this.#wanted = wanted
    this.#state = 'updating'
    try {
      const newer = await running.prepare(wanted)
      this.#running = await followChange({ running, requests, definitions, claim, older, newer, before, leave: () => this.#leave(older) })
      if (this.#running !== newer) return
      this.#configured = wanted
      this.#error = null
      this.remember()
    } catch (error) {
      if (older.application.state !== 'RUNNING') this.#running = null
      throw error
    } finally {
      this.#wanted = null
      this.#state = this.#running === null ? 'failed' : 'running'
    }
  }

  /** Removes this process from the groups of a version that has stopped. */
  async #leave(older: RunningSwarm): Promise<void> {
    const { groups, instance } = this.#options
    if (groups === null || instance === null) return
    const names = programOf(older).map(({ group }) => group)
    await groups.removeMembers(names, (id) => id.startsWith(`${instance}-${older.plan.applicationId}`))
  }

  async #withdraw(version: SwarmVersion, claim: OwnClaim): Promise<void> {
    const { definitions, say } = this.#options
    await definitions?.withdraw(version, claim).catch((error: unknown) => say('definitions', 'warn', String(error), { swarm: this.name }))
  }

  /** Changes a swarm that does not run, including its positions and state. The swarm starts unless it is paused. */
  async #changeResting(
    configured: ConfiguredSwarm,
    { accept, needs, claim, record }: ChangeOptions & { readonly record: () => Promise<void> },
  ): Promise<void> {
    const { running, requests, log } = this.#options
    const groups = claim === null ? null : this.#options.groups
    const before = this.#configured
    const gateways = this.gateways
    // Nothing is known about a version whose text is no longer a valid swarm.
    const older = before === null ? null : await running.look(before).catch(() => null)
    const newer = await running.look(configured)
    const { needs_accept: losses } = await this.#checked(older ?? newer, newer)
    if (!accept) expectNoNeeds(this.name, [...losses, ...needs])
    this.#configured = configured
    try {
      if (older !== null) await movePositions(log, older, newer, groups)
      if (this.#state !== 'paused') {
        await this.start(async () => {
          if (claim !== null) expectHeld(claim, this.name)
        })
      }
      await record()
    } catch (error) {
      if (this.#running !== null) await this.#stop(`${this.name} did not start`)
      requests.shut(leftOut(this.gateways, gateways), null)
      this.#configured = before
      if (this.#state !== 'paused') this.#state = 'failed'
      if (older !== null) await movePositions(log, newer, older, groups)
      throw error
    }
    requests.shut(leftOut(gateways, this.gateways), null)
    if (this.#state === 'paused') requests.shut(this.gateways, `${this.name} is paused`)
    this.remember()
  }

  /** Accepts no more requests, waits a limited time for running requests, and stops. */
  async #stop(reason: string): Promise<void> {
    const { requests, running, log, clock, say } = this.#options
    const gateways = this.gateways
    requests.shut(gateways, reason)
    const swarm = this.#running
    if (swarm === null) return
    this.#state = 'stopping'
    await finishRequests(swarm, { log, clock, withinMs: longestFinishMs })
    this.#running = null
    await running.stop(swarm, { timeoutMs: longestFinishMs }).catch((error: unknown) => {
      say('', 'warn', error instanceof Error ? error.message : String(error), { swarm: this.name })
    })
    requests.failWaiting(gateways, reason)
  }
}

function failureOf({ code, message, next }: WaggleError): SwarmFailure {
  return { code, detail: message, next }
}

function leftOut(gateways: readonly string[], others: readonly string[]): readonly string[] {
  return gateways.filter((gateway) => !others.includes(gateway))
}

const longestFinishMs = 10_000
