import { bytesIn, type Clock, DamagedValue, type Log, type LogRecord, type Producer } from '../../processor/ports.ts'
import { definitionsTopic } from '../../topology/topic-names.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { LogLine } from '../process-log/log-line.ts'
import { FollowedPartition } from '../requests/followed-partition.ts'
import { ChangeLocks, type OwnClaim } from './change-locks.ts'
import {
  type DefinitionRecord,
  isLaterRevision,
  keyOf,
  nextRevision,
  parseDefinition,
  type SwarmClaim,
  type SwarmPointer,
  type SwarmVersion,
  type VersionRecord,
  type WrittenVersion,
} from './definition.ts'
import { otherWasFaster } from './swarm-errors.ts'

export interface DefinitionsOptions {
  readonly log: Log
  readonly clock: Clock
  readonly say: LogLine
  /** Makes the id of a change: sixteen hexadecimal digits that no other server makes. */
  readonly newId: () => string
}

/** A swarm that a server is to run: the version to run, and all kept versions. */
export interface Definition {
  readonly pointer: SwarmPointer
  /** Versions by their numbers, in ascending order. */
  readonly versions: ReadonlyMap<number, SwarmVersion>
}

/**
 * The definitions of the swarms that servers on this log run, in one compacted topic. Every server follows the topic. Records are applied in the
 * order of the topic, so all servers agree: if two servers change a swarm at once, one of them loses. The text of a change is ignored if a later
 * change has already written its text. Records that Waggle did not write are reported and skipped.
 */
export class Definitions {
  readonly #options: DefinitionsOptions
  readonly #pointers = new Map<string, SwarmPointer>()
  /** The offset of the valid pointer of each swarm. */
  readonly #pointedAt = new Map<string, number>()
  readonly #versions = new Map<string, Map<number, WrittenVersion>>()
  readonly #claims: ChangeLocks
  readonly #producer: Producer
  readonly #waiting = new Set<{ readonly offset: number; readonly settle: (error: WaggleError | null) => void }>()
  readonly #changes = new Map<string, PromiseWithResolvers<void>>()
  #skippedRecords = 0
  #isClosed = false
  /** The next offset to read. */
  #next = 0
  #followed: FollowedPartition | null = null
  #onChange: (swarm: string) => void = () => {}

  private constructor(options: DefinitionsOptions, producer: Producer) {
    this.#options = options
    this.#producer = producer
    this.#claims = new ChangeLocks({
      clock: options.clock,
      write: (claim) => this.#write(keyOf({ swarm: claim.swarm, id: claim.id }), claim).then(() => {}),
      end: (swarm, id) => this.#write(keyOf({ swarm, id }), null).then(() => {}),
      revisionOf: (swarm) => this.#pointers.get(swarm)?.revision ?? 0,
      revoke: (claim) => this.#revoke(claim),
      onFailure: (error) => options.say('definitions', 'warn', `a change of a swarm cannot be told: ${String(error)}`),
    })
  }

  /** Opens the definitions. Settles when all records of the topic are read. */
  static async open(options: DefinitionsOptions): Promise<Definitions> {
    const { log, clock, say } = options
    await log.createTopics([{ name: definitionsTopic, partitions: 1, cleanup: 'compact', retentionMs: null }])
    const definitions = new Definitions(options, await log.producer())
    const place = { topic: definitionsTopic, partition: 0 }
    const [{ start, end } = { start: 0, end: 0 }] = (await log.topic(definitionsTopic))?.offsets ?? []
    if (end > start) for await (const { records } of log.read({ ...place, from: start, to: end })) for (const one of records) definitions.#read(one)
    definitions.#next = Math.max(definitions.#next, end)
    const onRecord = (record: LogRecord) => {
      const swarm = definitions.#read(record)
      if (swarm === null) return
      definitions.#onChange(swarm)
      definitions.#changes.get(swarm)?.resolve()
      definitions.#changes.delete(swarm)
    }
    const onFailure = (error: unknown) => say('definitions', 'warn', `the definitions of swarms cannot be followed: ${String(error)}`)
    definitions.#followed = await FollowedPartition.open({ ...place, from: end, log, clock, onRecord, onFailure })
    if (log.state !== null) await definitions.#claims.endAll()
    definitions.#claims.open()
    return definitions
  }

  /** Calls `listener` with the name of a swarm when a record of the swarm has arrived, from this server or another server. */
  follow(listener: (swarm: string) => void): void {
    this.#onChange = listener
  }

  /** Settles at the next record of the swarm. Throws WAGGLE_STOPPING when this server stops. */
  next(swarm: string): Promise<void> {
    const change = this.#changes.get(swarm) ?? Promise.withResolvers<void>()
    this.#changes.set(swarm, change)
    return change.promise
  }

  /** The number of records that were skipped since the start, because Waggle did not write them. */
  get skippedRecords(): number {
    return this.#skippedRecords
  }

  /** The names of swarms that are to run or are paused. */
  get names(): readonly string[] {
    return [...this.#pointers.keys()].filter((swarm) => this.get(swarm) !== null)
  }

  /** The definition of a swarm; null if there is none, or if the version that its pointer names is missing. */
  get(swarm: string): Definition | null {
    const pointer = this.#pointers.get(swarm)
    const versions = this.#versions.get(swarm)
    if (pointer === undefined || versions?.has(pointer.version) !== true) return null
    return { pointer, versions: new Map([...versions].sort(([a], [b]) => a - b)) }
  }

  /** A version of a swarm, even if it does not run yet; null if the version does not exist. */
  version(swarm: string, version: number): SwarmVersion | null {
    return this.#versions.get(swarm)?.get(version) ?? null
  }

  /**
   * The number for the next version of a swarm: the first free number after the running version. A high number that a stranger has written therefore
   * blocks nothing.
   */
  nextVersion(swarm: string): number {
    let next = (this.#pointers.get(swarm)?.version ?? 0) + 1
    while (this.version(swarm, next) !== null) next++
    return next
  }

  /** The change of a swarm that another server is making now; null if there is none. */
  claimOfOthers(swarm: string): SwarmClaim | null {
    return this.#claims.ofOthers(swarm)
  }

  /** Claims the right to change a swarm until `end`. Throws WAGGLE_SWARM_BUSY if another server is changing the swarm. */
  async claim(swarm: string): Promise<OwnClaim> {
    return this.#claims.take(swarm, this.#options.newId())
  }

  /** Reports to the server that leads a change that this server cannot run the new version. */
  refuse(claim: SwarmClaim, reason: string): Promise<void> {
    return this.#claims.refuse(claim, reason)
  }

  /**
   * Writes a version, and settles when it is durable. The version does not run yet. Throws WAGGLE_SWARM_BUSY if another server has ended the change.
   */
  async write(version: SwarmVersion, claim: OwnClaim): Promise<void> {
    expectHeld(claim, version.swarm)
    await this.#write(keyOf(version), { ...version, change: claim.offset })
  }

  /** Deletes a version that never ran. Does nothing if another server has ended the change, because the version may be that server's by now. */
  async withdraw({ swarm, version }: SwarmVersion, claim: OwnClaim): Promise<void> {
    if (claim.now !== null) await this.#write(keyOf({ swarm, version }), null)
  }

  /**
   * Writes a version and a pointer to it. Settles when both are durable, and the version is then the one to run. Only the newest versions are kept.
   * Throws the errors of `point`.
   */
  async put(version: SwarmVersion, paused: boolean, claim: OwnClaim): Promise<void> {
    const { swarm } = version
    const now = version.created_at
    if (this.#versions.get(swarm)?.get(version.version)?.change !== claim.offset) await this.write(version, claim)
    const created_at = this.#pointers.get(swarm)?.created_at ?? now
    await this.point({ swarm, version: version.version, paused, created_at, updated_at: now }, claim)
    for (const old of [...(this.#versions.get(swarm)?.keys() ?? [])].filter((number) => number <= version.version - keptVersions))
      await this.#write(keyOf({ swarm, version: old }), null)
  }

  /**
   * Writes a pointer. Throws WAGGLE_SWARM_BUSY if another server has ended the change, or has written a pointer first. The revision follows the
   * revision at the begin of the change. If another server has ended the change, this pointer is therefore ignored.
   */
  async point(pointer: Omit<SwarmPointer, 'revision'>, claim: OwnClaim): Promise<void> {
    const { swarm } = pointer
    expectHeld(claim, swarm)
    const revision = nextRevision(claim.revision)
    const offset = await this.#write(keyOf({ swarm }), { ...pointer, revision })
    if (this.#pointedAt.get(swarm) !== offset) throw otherWasFaster(swarm)
    claim.revision = revision
  }

  /** Deletes a swarm, and settles when the deletion is durable. Throws WAGGLE_SWARM_BUSY if another server has ended the change. */
  async delete(swarm: string, claim: OwnClaim): Promise<void> {
    expectHeld(claim, swarm)
    const versions = [...(this.#versions.get(swarm)?.keys() ?? [])]
    await this.#write(keyOf({ swarm }), null)
    for (const version of versions) await this.#write(keyOf({ swarm, version }), null)
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#claims.close()
    await this.#followed?.close()
    await this.#producer.close()
    const closed = new WaggleError('WAGGLE_STOPPING', { message: 'The server is stopping', next: 'See what the swarm is with `waggle swarms get`.' })
    for (const one of [...this.#waiting]) one.settle(closed)
    for (const change of this.#changes.values()) {
      change.promise.catch(() => {})
      change.reject(closed)
    }
  }

  /** Writes a record, and settles with its offset when this process has read the record back. */
  async #write(key: string, value: object | null): Promise<number> {
    const { clock } = this.#options
    const bytes = value === null ? null : Buffer.from(JSON.stringify(value))
    const record = { topic: definitionsTopic, partition: 0, key: Buffer.from(key), value: bytes, headers: [], timestamp: clock.now() }
    const { offset } = await this.#producer.send(record)
    if (offset < this.#next) return offset
    await new Promise<void>((resolve, reject) => {
      const one = {
        offset,
        settle: (error: WaggleError | null) => {
          cancel()
          this.#waiting.delete(one)
          if (error === null) resolve()
          else reject(error)
        },
      }
      const cancel = clock.after(longestReadBackMs, () => one.settle(notReadBack()))
      this.#waiting.add(one)
    })
    return offset
  }

  /** Applies a record. Returns the name of the record's swarm; null for a skipped record. */
  #read({ key, value, offset }: LogRecord): string | null {
    this.#next = offset + 1
    try {
      const record = parseDefinition(key, bytesOf(value))
      this.#apply(record, offset)
      return record.swarm
    } catch (error) {
      this.#skippedRecords++
      this.#options.say('definitions', 'warn', error instanceof Error ? error.message : String(error))
      return null
    } finally {
      for (const one of [...this.#waiting]) if (one.offset < this.#next) one.settle(null)
    }
  }

  #apply(record: DefinitionRecord, offset: number): void {
    const { swarm } = record
    if (record.kind === 'claim') {
      this.#claims.read(swarm, record.id, record.value, offset)
      return
    }
    if (record.kind === 'pointer') {
      if (record.value === null) {
        this.#pointers.delete(swarm)
        this.#pointedAt.delete(swarm)
      } else this.#pointed(record.value, offset)
      return
    }
    const versions = this.#versions.get(swarm) ?? new Map<number, WrittenVersion>()
    const current = versions.get(record.version)
    if (current !== undefined && this.#isTooLate(record, current)) {
      this.#again(() => this.#write(keyOf({ swarm, version: current.version }), current))
      return
    }
    if (record.value === null) versions.delete(record.version)
    else versions.set(record.version, record.value)
    if (versions.size === 0) this.#versions.delete(swarm)
    else this.#versions.set(swarm, versions)
  }

  #pointed(pointer: SwarmPointer, offset: number): void {
    const current = this.#pointers.get(pointer.swarm)
    if (current === undefined || isLaterRevision(pointer.revision, current.revision)) {
      this.#pointers.set(pointer.swarm, pointer)
      this.#pointedAt.set(pointer.swarm, offset)
      return
    }
    if (JSON.stringify(pointer) !== JSON.stringify(current)) this.#again(() => this.#pointAgain(pointer.swarm))
  }

  /**
   * True for a record of a change that another server has ended meanwhile. The record would replace the text of a later change, or delete the running
   * version.
   */
  #isTooLate({ swarm, version, value }: VersionRecord, current: WrittenVersion): boolean {
    return value === null ? this.#pointers.get(swarm)?.version === version : value.change < current.change
  }

  /** Writes the valid record again after an ignored record, because compaction keeps only the last record of a key. */
  #again(write: () => Promise<unknown>): void {
    if (this.#followed !== null) write().catch((error: unknown) => this.#options.say('definitions', 'warn', String(error)))
  }

  async #revoke({ swarm, version }: SwarmClaim): Promise<void> {
    await this.#pointAgain(swarm)
    const isUnused = version !== null && this.#pointers.get(swarm)?.version !== version
    if (isUnused && this.version(swarm, version) !== null) await this.#write(keyOf({ swarm, version }), null)
  }

  /** Writes the valid pointer once more, so that a late pointer of another server is ignored. */
  async #pointAgain(swarm: string): Promise<void> {
    const current = this.#pointers.get(swarm)
    if (current !== undefined) await this.#write(keyOf({ swarm }), { ...current, revision: nextRevision(current.revision) })
  }
}

/** Throws WAGGLE_SWARM_BUSY if another server has ended the change of the swarm. */
export function expectHeld(claim: OwnClaim, swarm: string): void {
  if (claim.now === null) throw otherWasFaster(swarm)
}

function bytesOf(value: LogRecord['value']): Uint8Array | null {
  if (value instanceof DamagedValue) throw value.error
  return bytesIn(value)
}

function notReadBack(): WaggleError {
  return new WaggleError('WAGGLE_LOG_UNREACHABLE', {
    message: `A change of a swarm was written, and was not read back within ${longestReadBackMs / 1000} s`,
    next: 'See what the swarm is with `waggle swarms get` when the log can be read again.',
  })
}

const keptVersions = 20
const longestReadBackMs = 30_000
