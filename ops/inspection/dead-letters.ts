import { eventLoopTurn } from '../../processor/event-loop-turn.ts'
import { type Clock, type Log, type LogRecord, type Producer, type ProducerRecord, valueBytes } from '../../processor/ports.ts'
import { headerText, textHeader } from '../../topology/record.ts'
import type { DeadLetter, DeadLetterOptions, DeadLetterPage, Retried, SettledLetters } from '../../topology/swarm/log-management.ts'
import type { SwarmPlan } from '../../topology/swarm/plan/plan.ts'
import {
  contentTypeHeader,
  deadLetterBeeHeader,
  deadLetterCodeHeader,
  deadLetterDetailHeader,
  deadLetterOffsetHeader,
  deadLetterPartitionHeader,
  deadLetterSettledHeader,
  deadLetterTopicHeader,
} from '../../topology/swarm/request/headers.ts'
import { applicationIdOf, deadLetterTopic, swarmOfDeadLetters } from '../../topology/topic-names.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { cursorOf, idOf, type LetterPlace, letterOfCursor, newestFirst, type OpenLetter, parsedLetterId, unknownLetter } from './letter-place.ts'
import { letterRetry } from './letter-retry.ts'
import { OpenLetters, settledOffset } from './open-letters.ts'
import { PageSize } from './page-size.ts'
import { type ShownValues, textOrCount } from './shown-values.ts'
import { recordAt } from './single-record.ts'

interface DeadLettersOptions {
  readonly log: Log
  readonly clock: Clock
  readonly values: ShownValues
  /** The plans of the swarms that run in this process. */
  readonly plans?: readonly SwarmPlan[]
}

/**
 * The dead letters of the swarms in a log. The record of a letter stays in its topic. A retry or a discard adds another record to the same partition.
 * That record has the header `waggle-dead-letter-settled`, and the letter's offset as its value.
 */
export class DeadLetters {
  readonly #log: Log
  readonly #clock: Clock
  readonly #values: ShownValues
  readonly #plans: readonly SwarmPlan[]
  readonly #open = new Map<string, OpenLetters>()
  #producer: Promise<Producer> | null = null
  /** Letters that a call of this process is retrying or discarding. */
  readonly #settling = new Set<string>()

  constructor({ log, clock, values, plans = [] }: DeadLettersOptions) {
    this.#log = log
    this.#clock = clock
    this.#values = values
    this.#plans = plans
  }

  /** One page of the open letters, the newest first. The page has fewer than `max` letters if the letters are large, or have another code. */
  async list({ swarm, code = null, max, after }: DeadLetterOptions): Promise<DeadLetterPage> {
    const from = after === null ? null : await this.#letterOf(after)
    const found: OpenLetter[] = []
    for (const name of swarm === null ? await this.#swarms() : [swarm]) {
      for (const letter of (await this.#openLetters(name)) ?? []) {
        if (from === null || newestFirst(from, letter) < 0) insert(found, letter, max + 1)
      }
    }
    const letters: DeadLetter[] = []
    const size = new PageSize()
    let last: OpenLetter | null = null
    for (const place of found.slice(0, max)) {
      if (size.isFull) break
      last = place
      const record = await recordAt(this.#log, deadLetterTopic(place.swarm), place.partition, place.offset)
      // Retention may have deleted the letter after it was listed.
      if (record === null || (code !== null && headerText(record.headers, deadLetterCodeHeader) !== code)) continue
      const letter = await this.#letter(place, record, listedCharacters)
      letters.push(letter)
      size.add(letter, valueBytes(record.value))
      await eventLoopTurn()
    }
    return { dead_letters: letters, next: last === null || last === found.at(-1) ? null : cursorOf(last) }
  }

  /** The letter after which a page begins. `after` is a cursor, or the id of a letter. */
  async #letterOf(after: string): Promise<OpenLetter> {
    const letter = letterOfCursor(after)
    if (letter !== null) return letter
    const place = parsedLetterId(after)
    const { timestamp } = await this.#read(place)
    return { ...place, timestamp }
  }

  async show(id: string): Promise<DeadLetter> {
    const place = parsedLetterId(id)
    return this.#letter(place, await this.#read(place), shownCharacters)
  }

  retry(id: string): Promise<Retried> {
    return this.#once(id, (place) => this.#sendAgain(place))
  }

  discard(id: string): Promise<void> {
    return this.#once(id, async (place) => {
      await this.#send(place.swarm, [this.#settlement(place, 'discarded')])
    })
  }

  /** Retries or discards the letters of one page. */
  async settle(verb: 'retry' | 'discard', options: DeadLetterOptions): Promise<SettledLetters> {
    const { dead_letters: letters, next } = await this.list(options)
    const [settled, failed]: [string[], SettledLetters['failed'][number][]] = [[], []]
    for (const { id } of letters) {
      try {
        await this[verb](id)
        settled.push(id)
      } catch (thrown) {
        if (!(thrown instanceof WaggleError)) throw thrown
        failed.push({ id, code: thrown.code, detail: thrown.message })
      }
    }
    return { settled, failed, next }
  }

  async close(): Promise<void> {
    await (await this.#producer)?.close()
  }

  /** Runs `settle` for a letter that is not settled. Throws WAGGLE_DEAD_LETTER_SETTLED for a settled letter. */
  async #once<T>(given: string, settle: (place: LetterPlace) => Promise<T>): Promise<T> {
    const place = parsedLetterId(given)
    const id = idOf(place)
    if (this.#settling.has(id)) throw settledBefore(id)
    this.#settling.add(id)
    try {
      await this.#read(place)
      const open = await this.#openLetters(place.swarm)
      if (open === null || !open.isOpen(place.partition, place.offset)) throw settledBefore(id)
      return await settle(place)
    } finally {
      this.#settling.delete(id)
    }
  }

  async #sendAgain(place: LetterPlace): Promise<Retried> {
    const letter = await this.#letter(place, await this.#read(place), 0)
    const retry = await letterRetry(letter, { log: this.#log, clock: this.#clock, plans: this.#plans, swarms: () => this.#swarms() })
    const offset = await this.#send(place.swarm, [retry, this.#settlement(place, 'retried')])
    return { request_id: Buffer.from(retry.key).toString(), topic: retry.topic, partition: retry.partition, offset }
  }

  async #swarms(): Promise<readonly string[]> {
    return (await this.#log.topics()).flatMap((topic) => swarmOfDeadLetters(topic) ?? []).toSorted()
  }

  /** The open letters of a swarm; null if it has no dead-letter topic. */
  async #openLetters(swarm: string): Promise<OpenLetters | null> {
    const there = this.#open.get(swarm)
    if (there === undefined && (await this.#log.topic(deadLetterTopic(swarm))) === null) return null
    const open = there ?? this.#open.get(swarm) ?? new OpenLetters(this.#log, swarm)
    this.#open.set(swarm, open)
    await open.refresh()
    return open
  }

  async #read(place: LetterPlace): Promise<LogRecord> {
    const record = await recordAt(this.#log, deadLetterTopic(place.swarm), place.partition, place.offset)
    if (record === null || settledOffset(record) !== null) throw unknownLetter(idOf(place))
    return record
  }

  #settlement({ swarm, partition, offset }: LetterPlace, outcome: 'retried' | 'discarded'): ProducerRecord {
    return {
      topic: deadLetterTopic(swarm),
      partition,
      key: null,
      value: Buffer.from(String(offset)),
      headers: [textHeader(deadLetterSettledHeader, outcome), textHeader(contentTypeHeader, 'application/json')],
      timestamp: this.#clock.now(),
    }
  }

  /**
   * Writes records, and returns the offset of the first record. If the log commits atomically, either all records are written or none. Otherwise they
   * are written one after the other.
   */
  async #send(swarm: string, records: readonly ProducerRecord[]): Promise<number> {
    if (this.#log.traits.atomicCommit) return this.#commit(swarm, records)
    this.#producer ??= this.#log.producer()
    const offsets: number[] = []
    for (const record of records) offsets.push((await (await this.#producer).send(record)).offset)
    return offsets[0] ?? 0
  }

  async #commit(swarm: string, records: readonly ProducerRecord[]): Promise<number> {
    const producer = await this.#log.taskProducer({ group: applicationIdOf(swarm), consumers: () => [] })
    try {
      // `records` ends with the settlement, which is appended first. The topic of the settlement exists, so only the append to the other topic can
      // fail.
      for (const record of records.toReversed()) producer.append(record)
      const { ends } = await producer.commit({ positions: [], state: [] })
      const [first] = records
      return (ends.find(({ topic, partition }) => topic === first?.topic && partition === first.partition)?.offset ?? 1) - 1
    } catch (error) {
      // Another application of this process has rolled back, and the log has dropped this commit too.
      if (error instanceof WaggleError && error.code === 'WAGGLE_COMMIT_DROPPED') return this.#commit(swarm, records)
      throw error
    } finally {
      await producer.close()
    }
  }

  async #letter(place: LetterPlace, record: LogRecord, maxCharacters: number): Promise<DeadLetter> {
    const { key, headers, timestamp } = record
    const text = (name: string) => headerText(headers, name) ?? ''
    return {
      id: idOf(place),
      swarm: place.swarm,
      bee: text(deadLetterBeeHeader),
      code: text(deadLetterCodeHeader),
      cause: text(deadLetterDetailHeader),
      request_id: key === null ? null : textOrCount(key),
      topic: text(deadLetterTopicHeader),
      partition: Number(text(deadLetterPartitionHeader)),
      offset: Number(text(deadLetterOffsetHeader)),
      timestamp,
      content_type: headerText(headers, contentTypeHeader),
      content: maxCharacters === 0 ? null : await this.#values.text(deadLetterTopic(place.swarm), record, maxCharacters),
    }
  }
}

/** Inserts a letter into a sorted list, and keeps only the first `most` letters of the list. */
function insert(sorted: OpenLetter[], letter: OpenLetter, most: number): void {
  const last = sorted.at(-1)
  if (sorted.length === most && last !== undefined && newestFirst(last, letter) < 0) return
  let [low, high] = [0, sorted.length]
  while (low < high) {
    const middle = (low + high) >>> 1
    const there = sorted[middle]
    if (there !== undefined && newestFirst(there, letter) < 0) low = middle + 1
    else high = middle
  }
  sorted.splice(low, 0, letter)
  if (sorted.length > most) sorted.pop()
}

function settledBefore(id: string): WaggleError {
  return new WaggleError('WAGGLE_DEAD_LETTER_SETTLED', {
    message: `The dead letter ${id} was retried or discarded before`,
    next: 'See `waggle dead-letters list` for the dead letters that are open.',
  })
}

const listedCharacters = 200
const shownCharacters = 64 * 1024
