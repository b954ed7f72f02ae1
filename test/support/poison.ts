import { setTimeout as pause } from 'node:timers/promises'
import { type Log, type LogRecord, type Producer, type ProducerRecord, partitionName } from '../../processor/ports.ts'
import { textHeader } from '../../topology/record.ts'

/** The header with the number of a poison record. Its dead letter is recognised by this number. */
const poisonHeader = 'poison'

type Poison = Partial<Omit<ProducerRecord, 'topic' | 'partition'>>

const tombstone: Poison = { value: null }
const withoutKey: Poison = { key: null }
const deepJson = Buffer.from('['.repeat(5000) + ']'.repeat(5000))

/** Foreign records in a swarm's own topics. */
export const internalPoison: readonly Poison[] = [tombstone, withoutKey, { key: null, value: null }]

/** Foreign records in a gateway's topic. None of them is a request. */
export const gatewayPoison: readonly Poison[] = [
  { headers: [textHeader('waggle-request-id', '')] },
  { headers: [textHeader('waggle-request-id', 'x'.repeat(10_000))], value: deepJson },
  { headers: [{ key: 'waggle-request-id', value: Buffer.from([0xff, 0xfe]) }], value: Buffer.from([0xff]) },
]

/** Foreign records in the input of a program that reads text. */
export const textPoison: readonly Poison[] = [{ value: Buffer.from([0xff, 0xfe, 0x80]) }, { value: Buffer.from([0xc0]) }]

export interface PoisonedTopic {
  readonly topic: string
  readonly partitions: number
  readonly kinds: readonly Poison[]
}

/** Writes poison to topics, and remembers the written records. */
export class Poisoner {
  readonly #log: Log
  readonly #topics: readonly PoisonedTopic[]
  readonly #acknowledged = new Map<string, string>()
  #producer: Producer | null = null
  #made = 0

  constructor(log: Log, topics: readonly PoisonedTopic[]) {
    this.#log = log
    this.#topics = topics
  }

  get acknowledged(): number {
    return this.#acknowledged.size
  }

  /** Writes one record to a partition of each topic. A record that may not have been written does not count. */
  async send(): Promise<void> {
    const nth = this.#made
    const sent = this.#topics.map(async ({ topic, partitions, kinds }) => {
      const number = String(this.#made++)
      const { headers = [], ...kind } = kinds[nth % kinds.length] ?? {}
      const place = { topic, partition: nth % partitions }
      const plain = { key: Buffer.from(`poison-${number}`), value: Buffer.from('{}'), timestamp: Date.now() }
      await (await this.#open()).send({ ...plain, ...kind, ...place, headers: [...headers, textHeader(poisonHeader, number)] })
      this.#acknowledged.set(number, partitionName(place))
    })
    const ended = await Promise.allSettled(sent)
    if (ended.every(({ status }) => status === 'fulfilled')) return
    await this.#producer?.close().catch(() => {})
    this.#producer = null
  }

  /** Sends until `isOver`, with a pause between two rounds. */
  async keepSending(isOver: () => boolean, pauseMs: number): Promise<void> {
    while (!isOver()) {
      await this.send()
      await pause(pauseMs)
    }
  }

  /** The written records that are not among these dead letters. */
  missingIn(letters: ReadonlySet<string>): readonly string[] {
    return [...this.#acknowledged].flatMap(([number, place]) => (letters.has(number) ? [] : [`poison ${number} to ${place} has no dead letter`]))
  }

  async close(): Promise<void> {
    await this.#producer?.close()
  }

  async #open(): Promise<Producer> {
    this.#producer ??= await this.#log.producer()
    return this.#producer
  }
}

/** The number of a poison record, or of its dead letter; null for other records. */
export function poisonOf({ headers }: Pick<LogRecord, 'headers'>): string | null {
  const header = headers.find(({ key }) => key === poisonHeader)
  return header === undefined ? null : Buffer.from(header.value ?? []).toString()
}
