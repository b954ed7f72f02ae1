import type { KeyValue, Record } from '../../topology/record.ts'
import type { Serde } from '../../topology/serde.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { LogRecord } from '../ports.ts'

/**
 * The records that a program has sent to a topic, and the index of the next record to read. All readers of the topic share the index, as in Kafka
 * Streams' driver.
 */
export interface Produced {
  readonly records: LogRecord[]
  next: number
}

export class TestOutputTopic<K, V> {
  readonly #produced: Produced
  readonly #name: string
  readonly #key: Serde<K>
  readonly #value: Serde<V>

  constructor(produced: Produced, name: string, key: Serde<K>, value: Serde<V>) {
    this.#produced = produced
    this.#name = name
    this.#key = key
    this.#value = value
  }

  /**
   * Returns the next record, with its key, value, timestamp and headers. Throws WAGGLE_NO_RECORD if all records were read.
   *
   * @example
   * ```ts
   * const output = driver.createOutputTopic('counts', text, Serdes.long())
   * if (!output.isEmpty()) console.log(output.readRecord().value)
   * ```
   */
  readRecord(): Record<K | null, V | null> {
    const record = this.#produced.records[this.#produced.next]
    if (record === undefined) throw new WaggleError('WAGGLE_NO_RECORD', { message: `${this.#name} has no record left`, next: 'Ask isEmpty first.' })
    this.#produced.next++
    const { key, timestamp, headers } = record
    const value = record.value as Uint8Array | null
    return {
      key: key === null ? null : this.#key.deserialize(this.#name, key, headers),
      value: value === null ? null : this.#value.deserialize(this.#name, value, headers),
      timestamp,
      headers,
    }
  }

  /**
   * Returns all unread records, in order.
   *
   * @example
   * ```ts
   * const output = driver.createOutputTopic('counts', text, Serdes.long())
   * const counts = output.readRecordsToList().map(({ key, value }) => `${key}=${value}`)
   * console.log(counts)
   * ```
   */
  readRecordsToList(): Record<K | null, V | null>[] {
    const list: Record<K | null, V | null>[] = []
    while (!this.isEmpty()) list.push(this.readRecord())
    return list
  }

  /**
   * Returns the next record's value. Throws WAGGLE_NO_RECORD if all records were read.
   *
   * @example
   * ```ts
   * const output = driver.createOutputTopic('counts', text, Serdes.long())
   * if (!output.isEmpty()) console.log(output.readValue())
   * ```
   */
  readValue(): V | null {
    return this.readRecord().value
  }

  /**
   * Returns the next record's key and value. Throws WAGGLE_NO_RECORD if all records were read.
   *
   * @example
   * ```ts
   * const output = driver.createOutputTopic('counts', text, Serdes.long())
   * if (!output.isEmpty()) console.log(output.readKeyValue())
   * ```
   */
  readKeyValue(): KeyValue<K | null, V | null> {
    const { key, value } = this.readRecord()
    return [key, value]
  }

  /**
   * Returns the values of all unread records, in order.
   *
   * @example
   * ```ts
   * console.log(driver.createOutputTopic('counts', text, Serdes.long()).readValuesToList())
   * ```
   */
  readValuesToList(): (V | null)[] {
    return this.readRecordsToList().map(({ value }) => value)
  }

  /**
   * Returns the keys and values of all unread records, in order.
   *
   * @example
   * ```ts
   * console.log(driver.createOutputTopic('counts', text, Serdes.long()).readKeyValuesToList())
   * ```
   */
  readKeyValuesToList(): KeyValue<K | null, V | null>[] {
    return this.readRecordsToList().map(({ key, value }) => [key, value])
  }

  /**
   * Returns the newest value of each key among the unread records, as a table of the topic would have it. Throws WAGGLE_NULL_KEY if a record has no
   * key.
   *
   * @example
   * ```ts
   * console.log(driver.createOutputTopic('counts', text, Serdes.long()).readKeyValuesToMap().get('be'))
   * ```
   *
   * @remarks A null value, a deletion, is in the map too. Two keys that are objects are equal only if they are the same object.
   */
  readKeyValuesToMap(): Map<K, V | null> {
    const map = new Map<K, V | null>()
    for (const { key, value } of this.readRecordsToList()) {
      if (key === null) {
        throw new WaggleError('WAGGLE_NULL_KEY', {
          message: `A record of ${this.#name} has no key, and a map needs one`,
          next: 'Read the topic with readRecordsToList or readValuesToList.',
        })
      }
      map.set(key, value)
    }
    return map
  }

  /** The number of unread records. */
  get queueSize(): number {
    return this.#produced.records.length - this.#produced.next
  }

  /**
   * True if all records were read.
   *
   * @example
   * ```ts
   * console.log(driver.createOutputTopic('counts', text, Serdes.long()).isEmpty())
   * ```
   */
  isEmpty(): boolean {
    return this.#produced.next >= this.#produced.records.length
  }
}
