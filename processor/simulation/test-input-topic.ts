import { type Header, noHeaders } from '../../topology/record.ts'
import type { Serde } from '../../topology/serde.ts'
import { aName, aNumber, anything, listOf, optionsOf, parameters, refuseWrong } from '../../topology/streams/argument-kinds.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import type { ProducerRecord } from '../ports.ts'

/** A record to pipe in. A record without a timestamp gets the topic's time. */
export interface PipedRecord<K, V> {
  key: K | null
  value: V | null
  timestamp?: number
  headers?: readonly Header[]
}

/** The timestamps of records that are piped without a timestamp. */
export interface InputTimes {
  /** The timestamp of the first record, in epoch ms. Default: the driver's wall clock for all records. */
  startTimestamp?: number
  /** The step from one record's timestamp to the next, in ms; 0 by default. */
  autoAdvanceMs?: number
}

export interface ListTimes {
  /** The timestamp of the list's first record, in epoch ms. Default: the topic's own time goes on. */
  startTimestamp?: number
  /** The step from one record's timestamp to the next, in ms; 0 by default. The step needs a `startTimestamp`. */
  advanceMs?: number
}

type Pipe = (record: Omit<ProducerRecord, 'topic' | 'partition'>) => Promise<void>

export class TestInputTopic<K, V> {
  readonly #now: () => number
  readonly #pipe: Pipe
  readonly #name: string
  readonly #key: Serde<K>
  readonly #value: Serde<V>
  readonly #autoAdvanceMs: number
  /** The topic's own time; null if the topic follows the driver's wall clock. */
  #time: number | null

  constructor(now: () => number, pipe: Pipe, name: string, serdes: { readonly key: Serde<K>; readonly value: Serde<V> }, times: InputTimes) {
    const { startTimestamp, autoAdvanceMs = 0 } = times
    this.#now = now
    this.#pipe = pipe
    this.#name = name
    this.#key = serdes.key
    this.#value = serdes.value
    this.#autoAdvanceMs = forward('autoAdvanceMs', autoAdvanceMs)
    this.#time = startTimestamp ?? (autoAdvanceMs > 0 ? now() : null)
  }

  /**
   * Writes a record. Settles when everything that the record causes is done. A record without a timestamp gets the topic's time: the driver's wall
   * clock, unless the topic was created with a time of its own. Throws WAGGLE_MISSING_TOPIC if the program does not read the topic.
   *
   * @example
   * ```ts
   * const input = driver.createInputTopic('lines', text, text)
   * await input.pipeInput('1', 'to be', 1_000)
   * await input.pipeInput({ key: '2', value: 'or not to be', timestamp: 2_000, headers: [] })
   * ```
   *
   * @remarks Await each call: records that are piped together are processed together.
   */
  pipeInput(key: K | null, value: V | null, timestamp?: number): Promise<void>
  pipeInput(record: PipedRecord<K, V>): Promise<void>
  async pipeInput(...input: readonly unknown[]): Promise<void> {
    const [key, value, timestamp] = input
    const record = (input.length === 1 ? key : { key, value, timestamp }) as PipedRecord<K, V>
    refuseWrong(`${title}.pipeInput`, oneRecord, [record])
    const headers = record.headers ?? noHeaders
    const time = record.timestamp ?? this.#nextTime()
    await this.#key.open?.({ topic: this.#name, part: 'key' })
    await this.#value.open?.({ topic: this.#name, part: 'value' })
    await this.#pipe({
      key: record.key === null ? null : this.#key.serialize(this.#name, record.key, headers),
      value: record.value === null ? null : this.#value.serialize(this.#name, record.value, headers),
      timestamp: time,
      headers,
    })
  }

  /**
   * Writes pairs of keys and values, one after the other.
   *
   * @example
   * ```ts
   * const input = driver.createInputTopic('lines', text, text)
   * await input.pipeKeyValueList([['1', 'to be'], ['2', 'or not to be']], { startTimestamp: 1_000, advanceMs: 10 })
   * ```
   */
  async pipeKeyValueList(list: readonly (readonly [key: K | null, value: V | null])[], times: ListTimes = {}): Promise<void> {
    refuseWrong(`${title}.pipeKeyValueList`, listOfPairs, [list, times])
    return this.pipeRecordList(
      list.map(([key, value]) => ({ key, value })),
      times,
    )
  }

  /**
   * Writes values without keys, one after the other.
   *
   * @example
   * ```ts
   * await driver.createInputTopic('lines', text, text).pipeValueList(['to be', 'or not to be'])
   * ```
   */
  async pipeValueList(list: readonly (V | null)[], times: ListTimes = {}): Promise<void> {
    refuseWrong(`${title}.pipeValueList`, listOfValues, [list, times])
    return this.pipeRecordList(
      list.map((value) => ({ key: null, value })),
      times,
    )
  }

  /**
   * Writes records, one after the other. A record with a timestamp keeps its timestamp, unless the list is given times.
   *
   * @example
   * ```ts
   * await driver.createInputTopic('lines', text, text).pipeRecordList([{ key: '1', value: 'to be' }, { key: '2', value: 'or not to be', timestamp: 9 }])
   * ```
   */
  async pipeRecordList(list: readonly PipedRecord<K, V>[], times: ListTimes = {}): Promise<void> {
    refuseWrong(`${title}.pipeRecordList`, listOfRecords, [list, times])
    const { startTimestamp, advanceMs = 0 } = times
    const step = forward('advanceMs', advanceMs)
    for (const [at, record] of list.entries()) {
      await this.pipeInput(startTimestamp === undefined ? record : { ...record, timestamp: startTimestamp + at * step })
    }
  }

  /**
   * Advances the topic's time. From then on the topic has a time of its own, and does not follow the driver's wall clock.
   *
   * @example
   * ```ts
   * const input = driver.createInputTopic('lines', text, text, { startTimestamp: 1_000 })
   * input.advanceTime(500)
   * await input.pipeInput('1', 'to be')
   * ```
   */
  advanceTime(ms: number): void {
    this.#time = (this.#time ?? this.#now()) + forward('The step', ms)
  }

  #nextTime(): number {
    if (this.#time === null) return this.#now()
    const time = this.#time
    this.#time += this.#autoAdvanceMs
    return time
  }
}

function forward(what: string, ms: number): number {
  if (typeof ms === 'number' && ms >= 0 && Number.isFinite(ms)) return ms
  throw new WaggleError('WAGGLE_INVALID_CONFIG', { message: `${what} of an input topic's time is ${String(ms)} ms`, next: 'Give 0 ms or more.' })
}

const title = 'TestInputTopic'
const aRecord = optionsOf({
  key: anything,
  value: anything,
  timestamp: aNumber,
  headers: listOf('headers { key, value }', optionsOf({ key: aName }, ['key'])),
})
const aListTimes = optionsOf({ startTimestamp: aNumber, advanceMs: aNumber })
const oneRecord = parameters({ record: aRecord })
const listOfPairs = parameters({ list: listOf('pairs [key, value]', listOf('a key and a value', anything)), 'times?': aListTimes })
const listOfValues = parameters({ list: listOf('values', anything), 'times?': aListTimes })
const listOfRecords = parameters({ list: listOf('records { key, value }', aRecord), 'times?': aListTimes })
