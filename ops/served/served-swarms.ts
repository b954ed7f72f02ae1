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
import type { BeeLog } from './bee-log.ts'
import type { OwnClaim } from './change-locks.ts'
import { ChangeTurns } from './change-turns.ts'
import { configuredText, keptDirectory, type ServerPlace } from './configured-text.ts'
import type { SwarmClaim, SwarmVersion } from './definition.ts'
import { type Definitions, expectHeld } from './definitions.ts'
import { beginNow } from './moved-positions.ts'
import { type ChangeOptions, ServedSwarm, type ServedSwarmOptions } from './served-swarm.ts'
import { fixed, noSuchSwarm, otherName, otherWasFaster, swarmExists, unknownBee, unknownVersion } from './swarm-errors.ts'
import { differenceOf } from './version-difference.ts'

export interface ServedSwarmsOptions extends ServedSwarmOptions {
  readonly place: ServerPlace
  readonly beeLog: BeeLog
  readonly validate: (text: SwarmText) => Promise<SwarmFindings>
}

/** The swarms of a server. Their definitions are in the log, so the same swarms run after a restart, and on every server of the log. */
export class ServedSwarms implements SwarmManagement {
  readonly #options: ServedSwarmsOptions
  readonly #swarms = new Map<string, ServedSwarm>()
  readonly #turns = new ChangeTurns()
  /** Swarms whose definition has changed, and which wait until earlier changes have ended. */
  readonly #toMeet = new Set<string>()
  /** The last change of each swarm that this server has followed. */
  readonly #followed = new Map<string, string>()
  #isClosed = false

  constructor(options: ServedSwarmsOptions) {
    this.#options = options
  }

  /** Adds swarms from files, with which the process was started. */
  addFixed(prepared: readonly { readonly configured: ConfiguredSwarm; readonly running: RunningSwarm }[]): void {
    for (const { configured, running } of prepared) {
      const served = new ServedSwarm(configured.swarm.name, 'file', this.#options)
      served.adopt(configured, running)
      this.#swarms.set(served.name, served)
    }
  }

  /** Starts all swarms of the definitions, and follows the definitions afterwards. A swarm that cannot start stays in the list with its error. */
  async open(): Promise<void> {
    const { definitions } = this.#options
    if (definitions === null) return
    definitions.follow((name) => void this.#meetNext(name))
    await Promise.all(definitions.names.map((name) => this.#meetNext(name)))
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#options.definitions?.close()
  }

  /** The swarm because of which the process is not ready; null if there is none. */
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
      definition: served.text,
      versions: [...versions].map(({ version, created_at }) => ({ version, created_at, current: version === served.version })),
    }
  }

  validate(text: SwarmText): Promise<SwarmFindings> {
    return this.#options.validate(text)
  }

  create(text: SwarmText): Promise<SwarmRow> {
    return this.#created(text)
  }

  async update(
    name: string,
    text: SwarmText,
    { accept = false, reloadHere = false, reloadEverywhere = false }: UpdateOptions = {},
  ): Promise<UpdatedSwarm> {
    const configured = this.#configured(text)
    if (configured.swarm.name !== name) throw otherName(configured.swarm, name)
    if (!this.#swarms.has(name)) return { ...(await this.#created(text)), changed: true }
    const served = this.#changeable(name)
    return this.#changing(served, async (claim) => {
      const directory = keptDirectory(this.#options.place.root, configured.directory)
      const { current } = served
      const isSame = current?.text === text.text && current.directory === directory
      if (isSame && reloadHere) {
        await this.#change(served, configured, { version: null, accept, claim })
        return { ...served.row, changed: true }
      }
      if (isSame && !reloadEverywhere && served.state !== 'failed') return { ...served.row, changed: false }
      const now = this.#options.clock.now()
      const version = this.#definitions.nextVersion(name)
      const next = { swarm: name, version, created_at: now, text: text.text, file: text.file, directory }
      await this.#change(served, configured, { version: next, accept, claim })
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
    return this.#changing(served, async (claim) => {
      await this.#point(name, true, claim)
      await served.pause()
      return served.row
    })
  }

  async resume(name: string): Promise<SwarmRow> {
    const served = this.#changeable(name)
    return this.#changing(served, async (claim) => {
      if (served.running !== null) return served.row
      const { current } = served
      // Files, secrets and other swarms may have changed since the swarm stopped, so its text is checked again.
      if (current !== null) this.#setNext(served, current)
      await served.start(async () => expectHeld(claim, name))
      await this.#point(name, false, claim)
      return served.row
    })
  }

  async remove(name: string, { purge = false }: { readonly purge?: boolean } = {}): Promise<void> {
    const served = this.#changeable(name)
    await this.#changing(served, async (claim) => {
      const removeItsData = purge ? await served.dataRemoval() : async () => {}
      await this.#definitions.delete(name, claim)
      await this.#remove(served)
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
    return this.#turns.runNow(name, async () => {
      const claim = await definitions.claim(name)
      try {
        if (definitions.get(name) !== null) throw swarmExists(name)
        return await this.#begun(configured, text, claim)
      } finally {
        await this.#ended(claim, name)
      }
    })
  }

  async #begun(configured: ReturnType<typeof configuredText>, text: SwarmText, claim: OwnClaim): Promise<SwarmRow> {
    const { clock, place, log, groups } = this.#options
    const { name } = configured.swarm
    const definitions = this.#definitions
    const served = this.#add(name)
    served.configure(configured)
    try {
      await served.start(async (prepared) => {
        expectHeld(claim, name)
        await beginNow(log, prepared, groups)
      })
      const directory = keptDirectory(place.root, configured.directory)
      const { text: source, file } = text
      const version = { swarm: name, version: definitions.nextVersion(name), created_at: clock.now(), text: source, file, directory }
      await definitions.put(version, false, claim)
      served.remember()
    } catch (error) {
      await this.#remove(served)
      throw error
    }
    return served.row
  }

  /** Makes a change under a claim. The swarm on this server must match its definition, and no other server may be changing the swarm. */
  async #changing<T>(served: ServedSwarm, change: (claim: OwnClaim) => Promise<T>): Promise<T> {
    const { name } = served
    return this.#turns.runNow(name, async () => {
      const claim = await this.#definitions.claim(name)
      try {
        const pointer = this.#definitions.get(name)?.pointer
        const isCurrent = pointer?.version === served.version && pointer?.paused === (served.state === 'paused')
        if (pointer !== undefined && !isCurrent) throw otherWasFaster(name)
        return await change(claim)
      } finally {
        await this.#ended(claim, name)
      }
    })
  }

  async #ended(claim: OwnClaim, swarm: string): Promise<void> {
    await claim.end().catch((error: unknown) => this.#options.say('definitions', 'warn', String(error), { swarm }))
  }

  async #meetNext(name: string): Promise<void> {
    if (this.#toMeet.has(name)) return
    this.#toMeet.add(name)
    await this.#turns.runNext(name, () => {
      this.#toMeet.delete(name)
      return this.#meet(name)
    })
  }

  /** Does this server's part in a change that another server leads. */
  async #follow(served: ServedSwarm, claim: SwarmClaim): Promise<void> {
    const definitions = this.#definitions
    const wanted = claim.version === null ? null : definitions.version(served.name, claim.version)
    if (wanted === null) return
    try {
      const configured = this.#configured(wanted)
      this.#checkBeside(configured)
      await served.follow(claim, configured)
    } catch (error) {
      if (definitions.claimOfOthers(served.name)?.id === claim.id) await definitions.refuse(claim, String(error)).catch(() => {})
      throw error
    }
  }

  /** Makes a swarm match its definition. */
  async #meet(name: string): Promise<void> {
    if (this.#isClosed) return
    const { say } = this.#options
    const definition = this.#definitions.get(name)
    const served = this.#swarms.get(name)
    try {
      if (served?.source === 'file') return
      const claim = this.#definitions.claimOfOthers(name)
      const isNew = claim !== null && claim.version !== null && claim.version !== definition?.pointer.version && this.#followed.get(name) !== claim.id
      if (served !== undefined && isNew) {
        this.#followed.set(name, claim.id)
        await this.#follow(served, claim)
        return await this.#meet(name)
      }
      if (definition === null) {
        if (served !== undefined) await this.#remove(served)
        return
      }
      const { version, paused } = definition.pointer
      const current = definition.versions.get(version)
      if (current === undefined) return
      if (served === undefined) {
        const added = this.#add(name)
        added.remember()
        this.#setNext(added, current)
        if (paused) await added.pause()
        else await this.#start(added, current)
      } else if (served.version !== version && served.version !== null) {
        await this.#change(served, this.#configured(current), { version: null, accept: true, claim: null })
      } else if (paused && served.state !== 'paused') await served.pause()
      else if (!paused && served.state === 'paused') await this.#start(served, current)
    } catch (error) {
      const reason = WaggleError.from('WAGGLE_SWARM_NOT_STARTED', error, { next: 'Correct the swarm, and apply it again.' })
      this.#swarms.get(name)?.fail(reason)
      say('', 'error', `it does not run: ${reason.message}`, { swarm: name, code: reason.code, next: reason.next })
    }
  }

  /** Starts a swarm. When its bees are open, the definition must still name this version, because it may have changed since this server read it. */
  async #start(served: ServedSwarm, version: SwarmVersion): Promise<void> {
    let isCurrent = true
    try {
      await served.start(async () => {
        isCurrent = await this.#staysCurrent(version)
        if (!isCurrent) throw otherWasFaster(served.name)
      })
    } catch (error) {
      if (isCurrent) throw error
      await this.#remove(served)
      await this.#meet(served.name)
    }
  }

  /**
   * Waits for the end of a change that another server leads. Returns true if the version is still the one to run. A server that started to read
   * during the change would read beside the servers of the new version, because the leader does not know it.
   */
  async #staysCurrent({ swarm, version, text, directory }: SwarmVersion): Promise<boolean> {
    const definitions = this.#definitions
    for (;;) {
      const next = definitions.next(swarm)
      const { pointer, versions } = definitions.get(swarm) ?? {}
      const now = versions?.get(version)
      const isSame = now?.text === text && now.directory === directory
      if (!isSame || pointer?.version !== version || pointer.paused) return false
      if (definitions.claimOfOthers(swarm) === null) return true
      await next
    }
  }

  #add(name: string): ServedSwarm {
    const served = new ServedSwarm(name, 'api', this.#options)
    this.#swarms.set(name, served)
    return served
  }

  /** Sets the version that the swarm's next start runs. A gateway that another swarm already has stays with that swarm. */
  #setNext(served: ServedSwarm, version: SwarmVersion): void {
    const configured = this.#configured(version)
    this.#checkBeside(configured)
    served.configure(configured)
  }

  async #change(served: ServedSwarm, configured: ConfiguredSwarm, options: ChangeOptions): Promise<void> {
    this.#checkBeside(configured)
    await served.change(configured, options)
  }

  async #remove(served: ServedSwarm): Promise<void> {
    await served.remove()
    this.#swarms.delete(served.name)
    this.#followed.delete(served.name)
    await this.#options.running.forget(served.name)
  }

  async #point(name: string, paused: boolean, claim: OwnClaim): Promise<void> {
    const { pointer } = this.#definitions.get(name) ?? {}
    if (pointer !== undefined) await this.#definitions.point({ ...pointer, paused, updated_at: this.#options.clock.now() }, claim)
  }

  #configured(text: SwarmText): ReturnType<typeof configuredText> {
    return configuredText(text, this.#options.place)
  }

  /** Throws WAGGLE_INVALID_SWARM for a gateway that another swarm already has, or gets by a change in progress. */
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
