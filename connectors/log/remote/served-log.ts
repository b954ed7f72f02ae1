import type { MessagePort } from 'node:worker_threads'
import type { Log, Producer, Reader, RecordRun, TaskProducer } from '../../../processor/ports.ts'
import { WaggleError } from '../../../topology/waggle-error.ts'
import { Moved, PortPeer, type Serving } from '../../system/port-peer.ts'
import type { ListenerCalls, LogCalls, PackedCommit } from './protocol.ts'
import { unpackRecords, unpackState } from './record-wire.ts'
import { ServedConsumer } from './served-consumer.ts'

/** Serves a log to another thread, which uses it as a `RemoteLog`. */
export class ServedLog {
  readonly #log: Log
  readonly #peer: PortPeer<ListenerCalls>
  readonly #port: MessagePort
  readonly #consumers = new Map<number, ServedConsumer>()
  readonly #producers = new Map<number, ServedProducer>()
  readonly #readers = new Map<number, { readonly reader: Reader; readonly runs: AsyncIterator<RecordRun> }>()
  #producer: Promise<Producer> | null = null
  #numbers = 0

  constructor(log: Log, port: MessagePort) {
    this.#log = log
    this.#port = port
    this.#peer = new PortPeer(port, this.#calls)
  }

  get commits(): number {
    let commits = this.#commitsBefore
    for (const producer of this.#producers.values()) commits += producer.commits
    return commits
  }

  #commitsBefore = 0

  /** Called when the other thread has ended. Its running calls finish first, then its partitions become free. */
  async close(): Promise<void> {
    this.#peer.close(
      new WaggleError('WAGGLE_CLOSED', { message: 'The thread at the other end has ended', next: 'Nothing: its tasks go on elsewhere.' }),
    )
    this.#port.close()
    for (const producer of this.#producers.values()) await producer.close()
    for (const consumer of this.#consumers.values()) await consumer.close()
    for (const { reader } of this.#readers.values()) await reader.close()
    await (await this.#producer)?.close()
  }

  readonly #calls: Serving<LogCalls> = {
    createTopics: (specs) => this.#log.createTopics(specs),
    topic: (name) => this.#log.topic(name),
    topics: () => this.#log.topics(),

    subscribe: async (subscription) => {
      const number = this.#numbers++
      const consumer = await ServedConsumer.open(this.#log, subscription, { number, peer: this.#peer })
      this.#consumers.set(number, consumer)
      return number
    },
    poll: async ({ consumer, maxRecords }) => {
      const polled = await this.#consumer(consumer).poll(maxRecords)
      return new Moved(polled, [polled.runs.buffer])
    },
    pause: ({ consumer, partitions }) => this.#consumer(consumer).pause(partitions),
    resume: ({ consumer, partitions }) => this.#consumer(consumer).resume(partitions),
    seek: ({ consumer, topic, partition, offset, seeks }) => this.#consumer(consumer).seek({ topic, partition }, offset, seeks),
    committed: ({ consumer, topic, partition }) => this.#consumer(consumer).committed({ topic, partition }),
    closeConsumer: async (number) => {
      const consumer = this.#consumers.get(number)
      this.#consumers.delete(number)
      await consumer?.close()
    },

    taskProducer: async (group) => {
      const number = this.#numbers++
      this.#producers.set(number, new ServedProducer(await this.#log.taskProducer({ group })))
      return number
    },
    commit: (commit) => this.#producerOf(commit.producer).commit(commit),
    abort: (producer) => this.#producerOf(producer).abort(),
    closeTaskProducer: async (number) => {
      const producer = this.#producers.get(number)
      this.#producers.delete(number)
      this.#commitsBefore += producer?.commits ?? 0
      await producer?.close()
    },

    send: async ({ durable, ...record }) => {
      this.#producer ??= this.#log.producer()
      const { offset } = await (await this.#producer).send(record, { durable })
      return offset
    },
    read: (options) => {
      const reader = this.#log.read(options)
      this.#readers.set(this.#numbers, { reader, runs: reader[Symbol.asyncIterator]() })
      return this.#numbers++
    },
    deleteBefore: async (places) => this.#log.deleteBefore?.(places),
    readerReady: (number) => this.#reader(number).reader.ready,
    readNext: async (number) => {
      const { done, value } = await this.#reader(number).runs.next()
      return done ? null : value
    },
    closeReader: async (number) => {
      const open = this.#readers.get(number)
      this.#readers.delete(number)
      await open?.reader.close()
    },
  }

  #consumer(number: number): ServedConsumer {
    return this.#consumers.get(number) ?? unknown('consumer', number)
  }

  #producerOf(number: number): ServedProducer {
    return this.#producers.get(number) ?? unknown('producer', number)
  }

  #reader(number: number) {
    return this.#readers.get(number) ?? unknown('reader', number)
  }
}

/**
 * The log's side of a remote producer. It appends the records of a commit only when the whole commit has arrived, so it needs an abort only after a
 * failed commit.
 */
class ServedProducer {
  readonly #producer: TaskProducer
  readonly #onTheirWay = new Set<Promise<unknown>>()
  #mustAbort = false
  commits = 0

  constructor(producer: TaskProducer) {
    this.#producer = producer
  }

  async commit({ records, topics, positions, state }: PackedCommit): Promise<void> {
    // The records of a failed commit must not become part of the next commit.
    if (this.#mustAbort) throw dropped()
    try {
      for (const record of unpackRecords(records, topics)) this.#producer.append(record)
      const committed = this.#producer.commit({ positions, state: unpackState(state) })
      const settled = committed.catch(() => {})
      this.#onTheirWay.add(settled)
      void settled.then(() => this.#onTheirWay.delete(settled))
      await committed
      this.commits++
    } catch (thrown) {
      this.#mustAbort = true
      throw thrown
    }
  }

  async abort(): Promise<void> {
    if (this.#mustAbort) await this.#producer.abort()
    this.#mustAbort = false
  }

  async close(): Promise<void> {
    await Promise.all(this.#onTheirWay)
    await this.abort()
    await this.#producer.close()
  }
}

function dropped(): WaggleError {
  return new WaggleError('WAGGLE_COMMIT_DROPPED', { message: 'The commit before this one failed', next: 'Abort, and do the records again.' })
}

function unknown(what: string, number: number): never {
  throw new WaggleError('WAGGLE_CLOSED', { message: `The ${what} ${number} is closed`, next: 'Open another.' })
}
