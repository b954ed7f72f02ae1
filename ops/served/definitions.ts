import { bytesIn, type Clock, DamagedValue, type Log, type LogRecord, type Producer } from '../../processor/ports.ts'
import { definitionsTopic } from '../../topology/naming.ts'
import type { LogLine } from '../process-log/log-line.ts'
import { FollowedPartition } from '../requests/followed-partition.ts'
import { keyOf, parseDefinition, type SwarmPointer, type SwarmVersion } from './definition.ts'

export interface DefinitionsOptions {
  readonly log: Log
  readonly clock: Clock
  readonly say: LogLine
}

/** A swarm that a server is to run: which version, and all versions that are kept. */
export interface Definition {
  readonly pointer: SwarmPointer
  /** Versions by their numbers, in ascending order. */
  readonly versions: ReadonlyMap<number, SwarmVersion>
}

/**
 * The definitions of the swarms that servers on this log run, in one compacted topic. Every server follows it. Records that Waggle did not write are
 * reported and skipped.
 */
export class Definitions {
  readonly #options: DefinitionsOptions
  readonly #pointers = new Map<string, SwarmPointer>()
  readonly #versions = new Map<string, Map<number, SwarmVersion>>()
  readonly #producer: Producer
  /** The offset of the newest record that this process wrote for a key and has not read back yet. */
  readonly #own = new Map<string, number>()
  /** The first offset that is not read. */
  #next = 0
  #followed: FollowedPartition | null = null
  #onChange: (swarm: string) => void = () => {}

  private constructor(options: DefinitionsOptions, producer: Producer) {
    this.#options = options
    this.#producer = producer
  }

  /** Settles when everything that the topic holds is read. */
  static async open(options: DefinitionsOptions): Promise<Definitions> {
    const { log, clock, say } = options
    await log.createTopics([{ name: definitionsTopic, partitions: 1, cleanup: 'compact', retentionMs: null }])
    const definitions = new Definitions(options, await log.producer())
    const place = { topic: definitionsTopic, partition: 0 }
    const [{ start, end } = { start: 0, end: 0 }] = (await log.topic(definitionsTopic))?.offsets ?? []
    if (end > start) for await (const { records } of log.read({ ...place, from: start, to: end })) for (const one of records) definitions.#read(one)
    const onRecord = (record: LogRecord) => {
      const swarm = definitions.#read(record)
      if (swarm !== null) definitions.#onChange(swarm)
    }
    const onFailure = (error: unknown) => say('definitions', 'warn', `the definitions of swarms cannot be followed: ${String(error)}`)
    definitions.#followed = await FollowedPartition.open({ ...place, from: end, log, clock, onRecord, onFailure })
    return definitions
  }

  /** Calls `listener` with the name of a swarm whose record has come, from this server or another one. */
  follow(listener: (swarm: string) => void): void {
    this.#onChange = listener
  }

  /** The swarms that are to run or are paused. */
  get names(): readonly string[] {
    return [...this.#pointers.keys()].filter((swarm) => this.get(swarm) !== null)
  }

  /** Null for a swarm without a definition, or without the version that its pointer names. */
  get(swarm: string): Definition | null {
    const pointer = this.#pointers.get(swarm)
    const versions = this.#versions.get(swarm)
    if (pointer === undefined || versions?.has(pointer.version) !== true) return null
    return { pointer, versions: new Map([...versions].sort(([a], [b]) => a - b)) }
  }

  /** The number for the next version of a swarm. */
  nextVersion(swarm: string): number {
    return Math.max(0, ...(this.#versions.get(swarm)?.keys() ?? [])) + 1
  }

  /** Settles when the version is durable and is the one that runs. Only the newest versions are kept. */
  async put(version: SwarmVersion, paused: boolean): Promise<void> {
    const { swarm } = version
    const now = version.created_at
    await this.#write(keyOf(version), version)
    await this.point({ swarm, version: version.version, paused, created_at: this.#pointers.get(swarm)?.created_at ?? now, updated_at: now })
    for (const old of [...(this.#versions.get(swarm)?.keys() ?? [])].filter((number) => number <= version.version - keptVersions))
      await this.#write(keyOf({ swarm, version: old }), null)
  }

  async point(pointer: SwarmPointer): Promise<void> {
    await this.#write(keyOf({ swarm: pointer.swarm }), pointer)
  }

  /** Settles when the swarm is gone for good. */
  async delete(swarm: string): Promise<void> {
    const versions = [...(this.#versions.get(swarm)?.keys() ?? [])]
    await this.#write(keyOf({ swarm }), null)
    for (const version of versions) await this.#write(keyOf({ swarm, version }), null)
  }

  async close(): Promise<void> {
    await this.#followed?.close()
    await this.#producer.close()
  }

  async #write(key: string, value: object | null): Promise<void> {
    const bytes = value === null ? null : Buffer.from(JSON.stringify(value))
    const record = { topic: definitionsTopic, partition: 0, key: Buffer.from(key), value: bytes, headers: [], timestamp: this.#options.clock.now() }
    const { offset } = await this.#producer.send(record)
    if (offset >= this.#next) this.#own.set(key, offset)
    this.#apply(record.key, bytes)
  }

  /** The name of the swarm that the record is about; null for a record that is skipped. */
  #read({ key, value, offset }: LogRecord): string | null {
    this.#next = offset + 1
    const name = key === null ? '' : Buffer.from(key).toString()
    const own = this.#own.get(name) ?? offset
    // A newer record of this process is applied already.
    if (own > offset) return null
    this.#own.delete(name)
    if (value instanceof DamagedValue) return this.#skipped(value.error)
    try {
      return this.#apply(key, bytesIn(value))
    } catch (error) {
      return this.#skipped(error)
    }
  }

  #apply(key: Uint8Array | null, value: Uint8Array | null): string {
    const record = parseDefinition(key, value)
    const { swarm } = record
    if (record.kind === 'pointer') {
      if (record.value === null) this.#pointers.delete(swarm)
      else this.#pointers.set(swarm, record.value)
      return swarm
    }
    const versions = this.#versions.get(swarm) ?? new Map<number, SwarmVersion>()
    if (record.value === null) versions.delete(record.version)
    else versions.set(record.version, record.value)
    if (versions.size === 0) this.#versions.delete(swarm)
    else this.#versions.set(swarm, versions)
    return swarm
  }

  #skipped(error: unknown): null {
    this.#options.say('definitions', 'warn', error instanceof Error ? error.message : String(error))
    return null
  }
}

const keptVersions = 20
