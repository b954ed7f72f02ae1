import { resolve } from 'node:path'
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
  SwarmVersionRow,
  UpdatedSwarm,
  UpdateOptions,
} from '../../topology/swarm/swarm-management.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { ConfiguredSwarm, RunningSwarm } from '../beekeeper/running-swarm.ts'
import type { BeeLog } from './bee-log.ts'
import type { OwnClaim } from './change-locks.ts'
import { ChangeTurns } from './change-turns.ts'
import { changedFiles, type FileHashes, readCodeFiles } from './code-files.ts'
import { configuredText, keptDirectory, type ServerPlace } from './configured-text.ts'
import type { SwarmClaim, SwarmVersion } from './definition.ts'
import { type Definitions, expectHeld } from './definitions.ts'
import { beginNow } from './moved-positions.ts'
import { ProjectFiles } from './project-files.ts'
import { type ChangeOptions, ServedSwarm, type ServedSwarmOptions } from './served-swarm.ts'
import {
  expectNoNeeds,
  filesDiffer,
  fixed,
  noSuchSwarm,
  otherFiles,
  otherName,
  otherWasFaster,
  shownNames,
  swarmExists,
  unknownBee,
  unknownVersion,
} from './swarm-errors.ts'

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
  /** The files of code that the swarms of files had at the start of the process. */
  readonly #fixedFiles = new Map<string, FileHashes>()
  readonly #project: ProjectFiles
  #isClosed = false

  constructor(options: ServedSwarmsOptions) {
    this.#options = options
    this.#project = new ProjectFiles(options.place.root)
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
    for (const { name, configured } of this.#swarms.values()) {
      if (configured !== null) this.#fixedFiles.set(name, (await readCodeFiles(configured)).hashes)
    }
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

  async get(name: string): Promise<SwarmDetail> {
    const served = this.#served(name)
    const versions = this.#options.definitions?.get(name)?.versions.values() ?? []
    const rows: SwarmVersionRow[] = []
    for (const one of [...versions]) {
      const { version, created_at } = one
      rows.push({ version, created_at, current: version === served.version, changed_files: await this.#filesNotAs(one) })
    }
    return { ...served.row, definition: served.text, directory: served.current?.directory ?? null, versions: rows }
  }

  validate(text: SwarmText): Promise<SwarmFindings> {
    return this.#options.validate(text)
  }

  async create(text: SwarmText): Promise<SwarmRow> {
    const { row } = await this.#created(text)
    return row
  }

  update(name: string, text: SwarmText, options: UpdateOptions = {}): Promise<UpdatedSwarm> {
    return this.#updated(name, text, options, [])
  }

  /** `needs`: effects that need `accept`, in addition to those on state. */
  async #updated(
    name: string,
    text: SwarmText,
    { accept = false, reloadHere = false, reloadEverywhere = false }: UpdateOptions,
    needs: readonly string[],
  ): Promise<UpdatedSwarm> {
    const configured = this.#configured(text)
    if (configured.swarm.name !== name) throw otherName(configured.swarm, name)
    if (!this.#swarms.has(name)) {
      const { row, remarks } = await this.#created(text)
      return { ...row, changed: true, remarks }
    }
    const served = this.#changeable(name)
    return this.#changing(served, async (claim) => {
      const directory = keptDirectory(this.#options.place.root, configured.directory)
      const { current } = served
      const isSame = current?.text === text.text && current.directory === directory
      // The files are read before they are loaded. If one is edited in between, the next update finds another hash, and loads it.
      const code = await readCodeFiles(configured)
      const remarks = [...code.remarks, ...needs]
      if (isSame && reloadHere) {
        await this.#change(served, configured, { version: null, accept, needs, claim })
        return { ...served.row, changed: true, remarks }
      }
      const hasSameFiles = current?.files === undefined || changedFiles(current.files, code).length === 0
      if (isSame && hasSameFiles && !reloadEverywhere && served.state !== 'failed') {
        if (!accept) expectNoNeeds(name, needs)
        return { ...served.row, changed: false, remarks: current.files === undefined ? [...remarks, withoutHashes(current.version)] : remarks }
      }
      const now = this.#options.clock.now()
      const version = this.#definitions.nextVersion(name)
      const next = { swarm: name, version, created_at: now, text: text.text, file: text.file, directory, files: code.hashes }
      await this.#change(served, configured, { version: next, accept, needs, claim })
      return { ...served.row, changed: true, remarks }
    })
  }

  async compare(name: string, text: SwarmText): Promise<SwarmDifference> {
    const served = this.#served(name)
    const configured = this.#configured(text)
    if (configured.swarm.name !== name) throw otherName(configured.swarm, name)
    this.#checkBeside(configured)
    const difference = await served.compare(configured)
    const { state, row, gateways } = served
    const code = await readCodeFiles(configured)
    const { current } = served
    const before = current === null ? this.#fixedFiles.get(name) : current.files
    return {
      swarm: name,
      version: served.version,
      ...difference,
      files: before === undefined ? [] : changedFiles(before, code),
      requests_in_flight: this.#options.requests.inFlight(gateways),
      remarks: [
        ...code.remarks,
        ...(current !== null && before === undefined ? [withoutHashes(current.version)] : []),
        ...(state === 'failed' ? [`the swarm has failed, so an update starts it: ${row.error?.detail ?? ''}`] : []),
      ],
    }
  }

  async rollback(name: string, version: number | null, options: UpdateOptions = {}): Promise<UpdatedSwarm> {
    const served = this.#changeable(name)
    const versions = this.#definitions.get(name)?.versions ?? new Map<number, SwarmVersion>()
    const before = [...versions.keys()].filter((number) => number < (served.version ?? 0))
    const wanted = versions.get(version ?? Math.max(0, ...before))
    if (wanted === undefined) throw unknownVersion(name, version, [...versions.keys()])
    const { text, file, directory } = wanted
    const changed = await this.#filesNotAs(wanted)
    const needs = changed === null || changed.length === 0 ? [] : [filesDiffer(wanted.version, changed)]
    const updated = await this.#updated(name, { text, file, directory }, options, needs)
    return changed === null ? { ...updated, remarks: [...updated.remarks, withoutHashes(wanted.version)] } : updated
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
      if (current !== null) {
        this.#setNext(served, current)
        await this.#reportOtherFiles(current)
      }
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

  async #created(text: SwarmText): Promise<{ readonly row: SwarmRow; readonly remarks: readonly string[] }> {
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

  async #begun(
    configured: ReturnType<typeof configuredText>,
    text: SwarmText,
    claim: OwnClaim,
  ): Promise<{ readonly row: SwarmRow; readonly remarks: readonly string[] }> {
    const { clock, place, log, groups } = this.#options
    const { name } = configured.swarm
    const definitions = this.#definitions
    const served = this.#add(name)
    served.configure(configured)
    try {
      const { hashes: files, remarks } = await readCodeFiles(configured)
      await served.start(async (prepared) => {
        expectHeld(claim, name)
        await beginNow(log, prepared, groups)
      })
      const directory = keptDirectory(place.root, configured.directory)
      const { text: source, file } = text
      const version = { swarm: name, version: definitions.nextVersion(name), created_at: clock.now(), text: source, file, directory, files }
      await definitions.put(version, false, claim)
      served.remember()
      return { row: served.row, remarks }
    } catch (error) {
      await this.#remove(served)
      throw error
    }
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
      // Otherwise some requests would meet other code than the rest, and servers with different files would undo each other's updates for ever.
      if (wanted.files !== undefined) {
        const differing = changedFiles(wanted.files, await readCodeFiles(configured))
        if (differing.length > 0)
          throw otherFiles(
            served.name,
            differing.map(({ file }) => file),
          )
      }
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
        else {
          await this.#reportOtherFiles(current)
          await this.#start(added, current)
        }
      } else if (served.version !== version && served.version !== null) {
        await this.#reportOtherFiles(current)
        await this.#change(served, this.#configured(current), { version: null, accept: true, needs: [], claim: null })
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

  /** The files of code that are not as a version had them; null if the version has no hashes. */
  async #filesNotAs({ files, directory }: SwarmVersion): Promise<readonly string[] | null> {
    if (files === undefined) return null
    const changed: string[] = []
    for (const [file, hash] of Object.entries(files)) {
      if ((await this.#project.hashOf(resolve(this.#options.place.root, directory, file))) !== hash) changed.push(file)
    }
    return changed
  }

  /** Logs that a version starts with other files of code than it had. The swarm runs all the same, because a restart must not stop it. */
  async #reportOtherFiles(version: SwarmVersion): Promise<void> {
    const changed = await this.#filesNotAs(version)
    if (changed === null || changed.length === 0) return
    const message = `version ${version.version} runs with other files of code than it was made with: ${shownNames(changed)}. Apply the swarm, and a new version has them`
    this.#options.say('', 'warn', message, { swarm: version.swarm })
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

/** The remark on a version of a Waggle that kept no hashes. */
function withoutHashes(version: number): string {
  return `version ${version} has no hashes of its files, because an older Waggle made it: after an edit of a module, say --reload once`
}
