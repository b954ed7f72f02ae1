import { readFileSync } from 'node:fs'
import type { Clock, Log } from '../../processor/ports.ts'
import { checkTogether } from '../../topology/swarm/check/check-together.ts'
import type {
  BeeLine,
  BeeRow,
  SwarmDetail,
  SwarmDifference,
  SwarmFindings,
  SwarmManagement,
  SwarmRow,
  SwarmText,
  UpdatedSwarm,
  UpdateOptions,
} from '../../topology/swarm/swarm-management.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { ConfiguredSwarm, RunningSwarm } from '../beekeeper/running-swarm.ts'
import type { RunningSwarms } from '../beekeeper/running-swarms.ts'
import type { LogLine } from '../process-log/log-line.ts'
import type { SwarmRequests } from '../requests/swarm-requests.ts'
import type { BeeLog } from './bee-log.ts'
import { configuredText, keptDirectory, type ServerPlace } from './configured-text.ts'
import type { SwarmVersion } from './definition.ts'
import type { Definitions } from './definitions.ts'
import { differenceOf } from './difference.ts'
import { finishRequests } from './finished-requests.ts'
import { beginNow, movePositions } from './moved-positions.ts'
import { dataRemoval } from './removed-data.ts'
import { ServedSwarm } from './served-swarm.ts'
import { fixed, needsAccept, noSuchSwarm, notStarted, otherName, swarmExists, unknownBee, unknownVersion } from './swarm-errors.ts'
import { SwarmTurns } from './swarm-turns.ts'
import { changeVersion } from './version-change.ts'

export interface ServedSwarmsOptions {
  readonly running: RunningSwarms
  readonly requests: SwarmRequests
  /** Null for a process that runs only the files that it was given. */
  readonly definitions: Definitions | null
  readonly log: Log
  readonly clock: Clock
  readonly place: ServerPlace
  readonly say: LogLine
  readonly beeLog: BeeLog
  readonly validate: (text: SwarmText) => Promise<SwarmFindings>
}

/** The swarms of a server. Their definitions are in the log, so the same swarms run after a restart, and in every server on the log. */
export class ServedSwarms implements SwarmManagement {
  readonly #options: ServedSwarmsOptions
  readonly #swarms = new Map<string, ServedSwarm>()
  readonly #turns = new SwarmTurns()
  #isClosed = false

  constructor(options: ServedSwarmsOptions) {
    this.#options = options
  }

  /** Lists swarms of files, which the process was started with. */
  addFixed(prepared: readonly { readonly configured: ConfiguredSwarm; readonly running: RunningSwarm }[]): void {
    for (const { configured, running } of prepared) {
      const served = new ServedSwarm(configured.swarm.name, 'file', configured)
      served.running = running
      this.#swarms.set(served.name, served)
    }
  }

  /** Starts all swarms of the definitions, and follows them from then on. A swarm that cannot start stays in the list with its error. */
  async open(): Promise<void> {
    const { definitions } = this.#options
    if (definitions === null) return
    definitions.follow((name) => void this.#turns.wait(name, () => this.#meet(name)))
    await Promise.all(definitions.names.map((name) => this.#turns.wait(name, () => this.#meet(name))))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#options.definitions?.close()
  }

  /** The swarm that keeps the process from being ready; null if there is none. */
  get notReady(): string | null {
    for (const { name, state, running } of this.#swarms.values()) {
      if (state === 'starting' && running === null) return `${name} is starting`
      if (state === 'updating') continue
      const reason = running?.notReady ?? null
      if (reason !== null) return reason
    }
    return null
  }

  list(): readonly SwarmRow[] {
    return [...this.#swarms.values()].map(({ row }) => row).sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  get(name: string): SwarmDetail {
    const served = this.#served(name)
    const versions = this.#options.definitions?.get(name)?.versions.values() ?? []
    return {
      ...served.row,
      definition: served.source === 'file' ? textOfFile(served) : served.text,
      versions: [...versions].map(({ version, created_at }) => ({ version, created_at, current: version === served.version })),
    }
  }

  validate(text: SwarmText): Promise<SwarmFindings> {
    return this.#options.validate(text)
  }

  create(text: SwarmText): Promise<SwarmRow> {
    return this.#created(text)
  }

  async update(name: string, text: SwarmText, { accept = false, reload = false }: UpdateOptions = {}): Promise<UpdatedSwarm> {
    const configured = this.#configured(text)
    if (configured.swarm.name !== name) throw otherName(configured.swarm, name)
    if (!this.#swarms.has(name)) return { ...(await this.#created(text)), changed: true }
    const served = this.#changeable(name)
    return this.#turns.take(name, async () => {
      const directory = keptDirectory(this.#options.place.root, configured.directory)
      const current = this.#current(name)
      const isSame = current?.text === text.text && current.directory === directory
      if (isSame && reload) {
        await this.#change(served, configured, null, accept)
        return { ...served.row, changed: true }
      }
      if (isSame && served.state !== 'failed') return { ...served.row, changed: false }
      const now = this.#options.clock.now()
      const version = this.#definitions.nextVersion(name)
      await this.#change(served, configured, { swarm: name, version, created_at: now, text: text.text, file: text.file, directory }, accept)
      return { ...served.row, changed: true }
    })
  }

  async compare(name: string, text: SwarmText): Promise<SwarmDifference> {
    const served = this.#served(name)
    const configured = this.#configured(text)
    if (configured.swarm.name !== name) throw otherName(configured.swarm, name)
    const older = served.running ?? (served.configured === null ? null : await this.#options.running.look(served.configured))
    const newer = await this.#options.running.look(configured)
    return differenceOf(older ?? newer, newer, served.version)
  }

  async rollback(name: string, version: number | null, options: UpdateOptions = {}): Promise<UpdatedSwarm> {
    const served = this.#changeable(name)
    const versions = this.#definitions.get(name)?.versions ?? new Map<number, SwarmVersion>()
    const before = [...versions.keys()].filter((number) => number < (served.version ?? 0))
    const wanted = versions.get(version ?? Math.max(0, ...before))
    if (wanted === undefined) throw unknownVersion(name, version, [...versions.keys()])
    const { text, file, directory } = wanted
    return this.update(name, { text, file, directory }, options)
  }

  async pause(name: string): Promise<SwarmRow> {
    const served = this.#changeable(name)
    return this.#turns.take(name, async () => {
      await this.#point(name, true)
      await this.#paused(served)
      return served.row
    })
  }

  async resume(name: string): Promise<SwarmRow> {
    const served = this.#changeable(name)
    return this.#turns.take(name, async () => {
      if (served.running !== null) return served.row
      const current = this.#current(name)
      if (current !== null) {
        // Files, secrets and other swarms may have changed since it stopped.
        const configured = this.#configured(current)
        this.#checkBeside(configured)
        served.configured = configured
      }
      await this.#start(served)
      await this.#point(name, false)
      return served.row
    })
  }

  async remove(name: string, { purge = false }: { readonly purge?: boolean } = {}): Promise<void> {
    const served = this.#changeable(name)
    await this.#turns.take(name, async () => {
      const removeItsData = purge ? await this.#purgeOf(served) : async () => {}
      await this.#definitions.delete(name)
      await this.#removed(served)
      await removeItsData()
    })
  }

  bees(name: string): readonly BeeRow[] {
    return this.#served(name).beeRows
  }

  bee(name: string, bee: string): BeeRow {
    const rows = this.bees(name)
    const found = rows.find((row) => row.name === bee)
    if (found === undefined)
      throw unknownBee(
        name,
        bee,
        rows.map((row) => row.name),
      )
    return found
  }

  beeLog(name: string, bee: string, after: number): readonly BeeLine[] {
    return this.#options.beeLog.of(name, this.bee(name, bee).name, after)
  }

  async #created(text: SwarmText): Promise<SwarmRow> {
    const configured = this.#configured(text)
    const { name } = configured.swarm
    const definitions = this.#definitions
    if (this.#swarms.has(name)) throw swarmExists(name)
    this.#checkBeside(configured)
    return this.#turns.take(name, async () => {
      const served = new ServedSwarm(name, 'api', configured)
      this.#swarms.set(name, served)
      try {
        const { clock, place, log } = this.#options
        await this.#start(served, (prepared) => beginNow(log, prepared))
        const directory = keptDirectory(place.root, configured.directory)
        const { text: source, file } = text
        const version = { swarm: name, version: definitions.nextVersion(name), created_at: clock.now(), text: source, file, directory }
        await definitions.put(version, false)
        this.#remember(served)
      } catch (error) {
        await this.#removed(served)
        throw error
      }
      return served.row
    })
  }

  /** Brings a swarm to what its definition says. */
  async #meet(name: string): Promise<void> {
    if (this.#isClosed) return
    const { say } = this.#options
    const definition = this.#definitions.get(name)
    const served = this.#swarms.get(name)
    try {
      if (served?.source === 'file') return
      if (definition === null) {
        if (served !== undefined) await this.#removed(served)
        return
      }
      const current = this.#current(name)
      if (current === null) return
      if (served === undefined) {
        const added = new ServedSwarm(name, 'api', null)
        this.#swarms.set(name, added)
        this.#remember(added)
        const configured = this.#configured(current)
        // A gateway that another swarm has stays with that one.
        this.#checkBeside(configured)
        added.configured = configured
        if (definition.pointer.paused) await this.#paused(added)
        else await this.#start(added)
      } else if (served.version !== definition.pointer.version && served.version !== null) {
        await this.#change(served, this.#configured(current), null, true)
      } else if (definition.pointer.paused && served.state !== 'paused') await this.#paused(served)
      else if (!definition.pointer.paused && served.state === 'paused') await this.#start(served)
    } catch (error) {
      const failed = this.#swarms.get(name)
      const reason = WaggleError.from('WAGGLE_SWARM_NOT_STARTED', error, { next: 'Correct the swarm, and apply it again.' })
      if (failed !== undefined) {
        failed.error = reason
        if (failed.running === null) failed.state = 'failed'
        this.#options.requests.shut(failed.gateways, failed.running === null ? `${name} did not start` : null)
      }
      say('', 'error', `it does not run: ${reason.message}`, { swarm: name, code: reason.code, next: reason.next })
    }
  }

  async #start(served: ServedSwarm, beforeReading: (prepared: RunningSwarm) => Promise<void> = async () => {}): Promise<void> {
    const { running, requests } = this.#options
    const { configured, name } = served
    if (configured === null) throw served.error ?? noSuchSwarm(name, [])
    served.state = 'starting'
    requests.shut(served.gateways, `${name} is starting`)
    try {
      const prepared = await running.prepare(configured)
      await running.start(prepared, () => beforeReading(prepared))
      served.running = prepared
      served.state = 'running'
      served.error = null
      requests.shut(served.gateways, null)
    } catch (thrown) {
      served.state = 'failed'
      served.error = notStarted(configured, thrown)
      requests.shut(served.gateways, `${name} did not start`)
      throw served.error
    }
  }

  /** `version`: null for a version that is in the log already. */
  async #change(served: ServedSwarm, configured: ConfiguredSwarm, version: SwarmVersion | null, accept: boolean): Promise<void> {
    const { running, requests, log, clock } = this.#options
    const { name } = served
    this.#checkBeside(configured)
    const older = served.running
    const before = served.configured
    const record = async () => {
      if (version !== null) await this.#definitions.put(version, served.state === 'paused')
    }
    const pointer = this.#options.definitions?.get(name)?.pointer
    const unrecord = async () => {
      if (version !== null && pointer !== undefined) await this.#definitions.point(pointer)
    }
    served.wanted = configured
    if (older === null) return this.#changeResting(served, configured, { accept, record })
    served.state = 'updating'
    try {
      const newer = await running.prepare(configured)
      const { needs_accept: needs } = differenceOf(older, newer, served.version)
      if (needs.length > 0 && !accept) {
        running.discard(newer)
        throw needsAccept(name, needs)
      }
      served.running = await changeVersion({ running, requests, log, clock, older, newer, before, record, unrecord })
      served.configured = configured
      served.error = null
      this.#remember(served)
    } catch (thrown) {
      served.error = notStarted(configured, thrown)
      if (older.application.state !== 'RUNNING') served.running = running.all.find(({ plan }) => plan.swarm === name) ?? null
      throw served.error
    } finally {
      served.wanted = null
      served.state = served.running === null ? 'failed' : 'running'
    }
  }

  /** Changes a swarm that does not run, with its positions and its state. It starts unless it is paused. */
  async #changeResting(
    served: ServedSwarm,
    configured: ConfiguredSwarm,
    { accept, record }: { readonly accept: boolean; readonly record: () => Promise<void> },
  ): Promise<void> {
    const { running, requests, log } = this.#options
    const { name, configured: before, gateways } = served
    try {
      // Nothing is known about a version that is no swarm any more.
      const older = before === null ? null : await running.look(before).catch(() => null)
      const newer = await running.look(configured)
      const needs = older === null ? [] : differenceOf(older, newer, served.version).needs_accept
      if (needs.length > 0 && !accept) throw needsAccept(name, needs)
      served.configured = configured
      try {
        if (older !== null) await movePositions(log, older, newer)
        if (served.state !== 'paused') await this.#start(served)
        await record()
      } catch (error) {
        if (served.running !== null) await this.#stop(served, `${name} did not start`)
        requests.shut(leftOut(served.gateways, gateways), null)
        served.configured = before
        if (served.state !== 'paused') served.state = 'failed'
        if (older !== null) await movePositions(log, newer, older)
        throw error
      }
    } catch (thrown) {
      throw notStarted(configured, thrown)
    } finally {
      served.wanted = null
    }
    requests.shut(leftOut(gateways, served.gateways), null)
    if (served.state === 'paused') requests.shut(served.gateways, `${name} is paused`)
    this.#remember(served)
  }

  async #paused(served: ServedSwarm): Promise<void> {
    const reason = `${served.name} is paused`
    const { running } = served
    await this.#stop(served, reason)
    if (running !== null) this.#options.requests.rest(running.entrance)
    served.state = 'paused'
    this.#remember(served)
  }

  async #removed(served: ServedSwarm): Promise<void> {
    const { requests, running } = this.#options
    await this.#stop(served, `${served.name} was removed`)
    requests.shut(served.gateways, null)
    this.#swarms.delete(served.name)
    await running.forget(served.name)
  }

  /** Deletes topics and state of a swarm that does not run any more. Throws before anything is deleted if that is impossible. */
  async #purgeOf({ name, configured, running, error }: ServedSwarm): Promise<() => Promise<void>> {
    if (configured === null) throw error ?? noSuchSwarm(name, [])
    const planned = running ?? (await this.#options.running.look(configured))
    return dataRemoval(this.#options.log, planned)
  }

  /** Takes no more requests, waits a limited time for those that are under way, and stops. */
  async #stop(served: ServedSwarm, reason: string): Promise<void> {
    const { requests, running, log, clock } = this.#options
    const { gateways } = served
    requests.shut(gateways, reason)
    const swarm = served.running
    if (swarm === null) return
    served.state = 'stopping'
    await finishRequests(swarm, { log, clock, withinMs: longestFinishMs })
    served.running = null
    await running.stop(swarm, { timeoutMs: longestFinishMs }).catch((error: unknown) => {
      this.#options.say('', 'warn', error instanceof Error ? error.message : String(error), { swarm: served.name })
    })
    requests.failWaiting(gateways, reason)
  }

  /** Takes version and times from the definition. */
  #remember(served: ServedSwarm): void {
    const { pointer } = this.#options.definitions?.get(served.name) ?? {}
    if (pointer === undefined) return
    served.version = pointer.version
    served.createdAt = pointer.created_at
    served.updatedAt = pointer.updated_at
    served.text = this.#current(served.name)?.text ?? ''
  }

  async #point(name: string, paused: boolean): Promise<void> {
    const { pointer } = this.#definitions.get(name) ?? {}
    if (pointer !== undefined) await this.#definitions.point({ ...pointer, paused, updated_at: this.#options.clock.now() })
  }

  #current(name: string): SwarmVersion | null {
    const definition = this.#options.definitions?.get(name) ?? null
    return definition?.versions.get(definition.pointer.version) ?? null
  }

  #configured(text: SwarmText): ReturnType<typeof configuredText> {
    return configuredText(text, this.#options.place)
  }

  /** Throws WAGGLE_INVALID_SWARM for a gateway that another swarm has, or that it gets by a change that is under way. */
  #checkBeside({ swarm }: ConfiguredSwarm): void {
    const others = [...this.#swarms.values()].filter(({ name }) => name !== swarm.name)
    for (const version of ['configured', 'wanted'] as const) checkTogether([...others.flatMap((other) => other[version]?.swarm ?? []), swarm])
  }

  #served(name: string): ServedSwarm {
    const served = this.#swarms.get(name)
    if (served === undefined) throw noSuchSwarm(name, [...this.#swarms.keys()])
    return served
  }

  #changeable(name: string): ServedSwarm {
    const served = this.#served(name)
    if (served.source === 'file') throw fixed(name)
    return served
  }

  get #definitions(): Definitions {
    const { definitions } = this.#options
    if (definitions === null) throw fixed(null)
    return definitions
  }
}

function leftOut(gateways: readonly string[], others: readonly string[]): readonly string[] {
  return gateways.filter((gateway) => !others.includes(gateway))
}

/** The text of a file as it is now; empty if it cannot be read any more. */
function textOfFile({ configured }: ServedSwarm): string {
  try {
    return readFileSync(configured?.swarm.document.file ?? '', 'utf8')
  } catch {
    return ''
  }
}

const longestFinishMs = 10_000
