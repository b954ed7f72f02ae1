import { partitionForKey } from '../../processor/partitioner.ts'
import { type Clock, DamagedValue, type Log, type LogRecord, type Producer } from '../../processor/ports.ts'
import { deadLetterTopic, idSecretTopic, swarmOfDeadLetters } from '../../topology/naming.ts'
import { type Header, headerText, textHeader } from '../../topology/record.ts'
import {
  contentTypeHeader,
  deadLetterBeeHeader,
  deadLetterCodeHeader,
  deadLetterDetailHeader,
  deadLetterOffsetHeader,
  deadLetterPartitionHeader,
  deadLetterSettledHeader,
  deadLetterTopicHeader,
  deadlineHeader,
  requestIdHeader,
} from '../../topology/swarm/headers.ts'
import type { DeadLetter, DeadLetterOptions, DeadLetterPage, Retried } from '../../topology/swarm/management.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { type ShownValues, textOrCount } from './shown-value.ts'
import { eachRun } from './topic-pages.ts'

/**
 * The dead letters of the swarms on a log. A letter stays where it is. A retry or a discard adds a record to its partition, with the header
 * `waggle-dead-letter-settled` and the letter's offset as the value.
 */
export class DeadLetters {
  readonly #log: Log
  readonly #clock: Clock
  readonly #values: ShownValues
  readonly #newId: () => string
  #producer: Promise<Producer> | null = null
  /** Letters that a call of this process is retrying or discarding. */
  readonly #settling = new Set<string>()

  constructor({
    log,
    clock,
    values,
    newId,
  }: { readonly log: Log; readonly clock: Clock; readonly values: ShownValues; readonly newId: () => string }) {
    this.#log = log
    this.#clock = clock
    this.#values = values
    this.#newId = newId
  }

  /** Lists letters among the last `maxScanned` records of each swarm. */
  async list({ swarm, max, after }: DeadLetterOptions): Promise<DeadLetterPage> {
    const found: OpenLetter[] = []
    for (const name of swarm === null ? await this.#swarms() : [swarm]) found.push(...(await this.#openLetters(name)))
    found.sort((a, b) => b.timestamp - a.timestamp || idOf(b).localeCompare(idOf(a)))
    const begin = after === null ? 0 : found.findIndex((place) => idOf(place) === after) + 1
    if (after !== null && begin === 0) throw unknown(after)
    const page = found.slice(begin, begin + max)
    const letters: DeadLetter[] = []
    for (const place of page) letters.push(await this.#letter(place, await this.#read(place), listedCharacters))
    return { dead_letters: letters, next: begin + max < found.length ? (letters.at(-1)?.id ?? null) : null }
  }

  async show(id: string): Promise<DeadLetter> {
    const place = placeOf(id)
    return this.#letter(place, await this.#read(place), shownCharacters)
  }

  retry(id: string): Promise<Retried> {
    return this.#once(id, (place) => this.#sendAgain(id, place))
  }

  discard(id: string): Promise<void> {
    return this.#once(id, (place) => this.#settle(place, 'discarded'))
  }

  async close(): Promise<void> {
    await (await this.#producer)?.close()
  }

  /** Runs `settle` for an unsettled letter. Throws WAGGLE_DEAD_LETTER_SETTLED for any other. */
  async #once<T>(id: string, settle: (place: LetterPlace) => Promise<T>): Promise<T> {
    if (this.#settling.has(id)) throw settledBefore(id)
    this.#settling.add(id)
    try {
      const place = placeOf(id)
      await this.#read(place)
      if (await this.#isSettled(place)) throw settledBefore(id)
      return await settle(place)
    } finally {
      this.#settling.delete(id)
    }
  }

  /** Looks for the record of a settlement behind the letter. */
  async #isSettled({ swarm, partition, offset }: LetterPlace): Promise<boolean> {
    const topic = deadLetterTopic(swarm)
    const end = (await this.#log.topic(topic))?.offsets[partition]?.end ?? 0
    let isSettled = false
    if (offset + 1 >= end) return false
    await eachRun(this.#log.read({ topic, partition, from: offset + 1, to: end }), async ({ records }) => {
      isSettled = records.some((record) => settledOffset(record) === offset)
      return isSettled ? 'stop' : 'go on'
    })
    return isSettled
  }

  async #sendAgain(id: string, place: LetterPlace): Promise<Retried> {
    const letter = await this.#letter(place, await this.#read(place), 0)
    const { topic, partition, offset } = letter
    // Every writer of a dead-letter topic can write headers, and the headers name the topic for the retry.
    if (topic === '' || topic === idSecretTopic || topic.endsWith('.dead-letters')) throw withoutInput(id)
    const input = await this.#recordAt(topic, partition, offset)
    if (input === null) throw inputGone(id, topic)
    if (input.value instanceof DamagedValue) throw input.value.error
    const own = topic.startsWith(`waggle.${place.swarm}.`) || topic.startsWith(`waggle.${place.swarm}-`)
    const key = own ? input.key : Buffer.from(this.#newId())
    if (key === null) throw withoutInput(id)
    const partitions = (await this.#log.topic(topic))?.partitions ?? 1
    const sent = {
      topic,
      partition: own ? partition : partitionForKey(key, partitions),
      key,
      value: input.value,
      headers: headersOfRetry(input.headers, own ? null : key),
      timestamp: this.#clock.now(),
    }
    this.#producer ??= this.#log.producer()
    const { offset: sentTo } = await (await this.#producer).send(sent)
    await this.#settle(place, 'retried')
    return { request_id: Buffer.from(key).toString(), topic, partition: sent.partition, offset: sentTo }
  }

  async #swarms(): Promise<readonly string[]> {
    return (await this.#log.topics()).flatMap((topic) => swarmOfDeadLetters(topic) ?? []).toSorted()
  }

  /** The places of a swarm's letters that were neither retried nor discarded. Their values are not kept, because they may be large. */
  async #openLetters(swarm: string): Promise<readonly OpenLetter[]> {
    const topic = deadLetterTopic(swarm)
    const info = await this.#log.topic(topic)
    const letters = new Map<string, OpenLetter>()
    const offsets = info?.offsets ?? []
    for (const [partition, { start, end }] of offsets.entries()) {
      const from = Math.max(start, end - Math.ceil(maxScanned / offsets.length))
      if (from >= end) continue
      await eachRun(this.#log.read({ topic, partition, from, to: end }), async ({ records }) => {
        for (const record of records) {
          const settled = settledOffset(record)
          const place = { swarm, partition, offset: settled ?? record.offset, timestamp: record.timestamp }
          if (settled === null) letters.set(idOf(place), place)
          else letters.delete(idOf(place))
        }
        return 'go on'
      })
    }
    return [...letters.values()]
  }

  async #read(place: LetterPlace): Promise<LogRecord> {
    const record = await this.#recordAt(deadLetterTopic(place.swarm), place.partition, place.offset)
    if (record === null || settledOffset(record) !== null) throw unknown(idOf(place))
    return record
  }

  async #recordAt(topic: string, partition: number, offset: number): Promise<LogRecord | null> {
    const kept = (await this.#log.topic(topic))?.offsets[partition]
    if (kept === undefined || offset < kept.start || offset >= kept.end) return null
    let found: LogRecord | null = null
    await eachRun(this.#log.read({ topic, partition, from: offset, to: offset + 1 }), async ({ records }) => {
      found = records.find((record) => record.offset === offset) ?? null
      return 'stop'
    })
    return found
  }

  async #settle({ swarm, partition, offset }: LetterPlace, outcome: 'retried' | 'discarded'): Promise<void> {
    this.#producer ??= this.#log.producer()
    await (await this.#producer).send({
      topic: deadLetterTopic(swarm),
      partition,
      key: null,
      value: Buffer.from(String(offset)),
      headers: [textHeader(deadLetterSettledHeader, outcome), textHeader(contentTypeHeader, 'application/json')],
      timestamp: this.#clock.now(),
    })
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

interface LetterPlace {
  readonly swarm: string
  readonly partition: number
  readonly offset: number
}

interface OpenLetter extends LetterPlace {
  readonly timestamp: number
}

function idOf({ swarm, partition, offset }: LetterPlace): string {
  return `${swarm}:${partition}:${offset}`
}

function placeOf(id: string): LetterPlace {
  const [, swarm, partition, offset] = /^([A-Za-z0-9_-]{1,255}):(\d{1,9}):(\d{1,15})$/.exec(id) ?? []
  if (swarm === undefined) throw unknown(id)
  return { swarm, partition: Number(partition), offset: Number(offset) }
}

/** The offset of the letter that a record settles; null for a letter. */
function settledOffset({ headers, value }: LogRecord): number | null {
  if (headerText(headers, deadLetterSettledHeader) === null) return null
  return value instanceof Uint8Array ? Number(Buffer.from(value).toString()) : Number.NaN
}

/** The input's own headers, without its deadline, which has passed. A new request has a new id. */
function headersOfRetry(headers: readonly Header[], newId: Uint8Array | null): readonly Header[] {
  const kept = headers.filter(({ key }) => key !== deadlineHeader && (newId === null || key !== requestIdHeader))
  return newId === null ? kept : [...kept, { key: requestIdHeader, value: newId }]
}

function unknown(id: string): WaggleError {
  return new WaggleError('WAGGLE_UNKNOWN_DEAD_LETTER', {
    message: `There is no dead letter ${id.slice(0, 300)}`,
    next: 'See `waggle dead-letters list`.',
  })
}

function settledBefore(id: string): WaggleError {
  return new WaggleError('WAGGLE_DEAD_LETTER_SETTLED', {
    message: `The dead letter ${id} was retried or discarded before`,
    next: 'See `waggle dead-letters list` for those that are open.',
  })
}

function withoutInput(id: string): WaggleError {
  return new WaggleError('WAGGLE_DEAD_LETTER_EMPTY', {
    message: `The dead letter ${id} says no input that could be sent again`,
    next: 'Send its request again by hand, or discard it.',
  })
}

function inputGone(id: string, topic: string): WaggleError {
  return new WaggleError('WAGGLE_RECORDS_GONE', {
    message: `The input of the dead letter ${id} is in ${topic} no longer`,
    next: 'Send what `waggle dead-letters show` shows by hand, or discard the letter.',
  })
}

const maxScanned = 10_000
const listedCharacters = 200
const shownCharacters = 64 * 1024
