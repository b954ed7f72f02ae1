import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import type { Log, Producer } from '../../processor/ports.ts'
import { partitionForKey } from '../../topology/partitioner.ts'
import { CountingChild } from '../support/counting-child.ts'
import { groupOf, numberOf, topicsOf, windowMs } from '../support/counting-program.ts'
import { FollowedTopic, readWhole } from '../support/followed-topic.ts'
import type { KafkaCluster } from '../support/kafka-cluster.ts'
import { newName, quickOptions } from '../support/kafka-log.ts'
import { Poisoner, poisonOf, textPoison } from '../support/poison.ts'
import type { Victims } from './kills.ts'
import { type Ordeal, type Outcome, waitFor } from './ordeal.ts'
import { Progress } from './progress.ts'

/**
 * Three processes that count and join, exactly once, with changelogs, repartition topics, and a standby of each store. Afterwards each key's
 * committed counts must be 1, 2, 3 and so on. The last count must be that of a plain loop over the input.
 */
export class CountsThroughKills implements Ordeal {
  readonly name = 'counts'
  readonly progress: Progress
  readonly victims: Victims = {
    kind: 'process',
    names: ['count one', 'count two', 'count three'],
    kill: async (name) => {
      this.#notice(name)
      await this.#processes.get(name)?.kill()
    },
    start: (name) => this.#start(name),
    frozen: { freeze: (name) => this.#processes.get(name)?.freeze(), thaw: (name) => this.#processes.get(name)?.thaw() },
  }
  readonly #cluster: KafkaCluster
  readonly #log: Log
  readonly #directory = mkdtempSync(join(tmpdir(), 'waggle-counts-'))
  readonly #applicationId = newName('counts')
  readonly #input = newName('words')
  readonly #topics = topicsOf(this.#input)
  readonly #processes = new Map<string, CountingChild>()
  readonly #broken: string[] = []
  readonly #sent = { acknowledged: new Set<string>(), unsure: 0, number: 0 }
  readonly #outputs: readonly FollowedTopic[]
  /** The last count of each output and key. */
  readonly #counts = new Map<string, number>()
  #came = 0
  #isOver = false
  #sending: Promise<unknown> = Promise.resolve()
  readonly #poisoner: Poisoner | null
  #poisoning: Promise<void> = Promise.resolve()

  private constructor(cluster: KafkaCluster, log: Log, poison: boolean) {
    this.#poisoner = poison ? new Poisoner(log, [{ topic: this.#input, partitions: partitions.length, kinds: textPoison }]) : null
    this.#cluster = cluster
    this.#log = log
    const { counted, windowed, grouped, joined } = this.#topics
    const outputs = { counted, windowed, grouped, joined }
    this.progress = new Progress({ parts: Object.keys(outputs).flatMap((name) => partitions.map((one) => `${name} ${one}`)), now: Date.now })
    this.#outputs = Object.entries(outputs).map(
      ([name, topic]) =>
        new FollowedTopic({
          log,
          topic,
          onRecord: ({ key, value, timestamp }, partition) => {
            const bytes = Buffer.from(value instanceof Uint8Array ? value : [])
            this.#hear(`${name} ${key}`, name === 'joined' ? null : Number(bytes.readBigInt64BE(0)))
            this.progress.came(`${name} ${partition}`, timestamp)
          },
        }),
    )
  }

  /** Starts the processes. Settles when each part of the program has written a result. */
  static async start(cluster: KafkaCluster, { poison = false } = {}): Promise<CountsThroughKills> {
    const log = await openKafkaLog({ ...quickOptions(cluster), processing: 'at_least_once' })
    const ordeal = new CountsThroughKills(cluster, log, poison)
    try {
      await ordeal.#begin()
      return ordeal
    } catch (error) {
      await ordeal.close()
      throw error
    }
  }

  get status(): string {
    const processes = [...this.#processes.values()].map(({ hasDied, said }) =>
      hasDied ? 'dead' : `${said.state.toLowerCase()} ${said.tasks.length}`,
    )
    const standing = this.progress.standing
    return `counts: ${this.#sent.number} sent, ${this.#came} out (${processes.join(', ')}); ${standing.part} for ${Math.round(standing.ms / 1000)} s`
  }

  get lastWords(): string {
    return [...this.#processes].map(([name, { said }]) => `${name}: ${JSON.stringify(said)}`).join('\n')
  }

  async finish(): Promise<Outcome> {
    this.#isOver = true
    await this.#sending
    await this.#poisoning
    const { wanted, records, repeated } = await this.#recount()
    const total = [...wanted.values()].reduce((sum, count) => sum + count, 0)
    let before = -1
    while (this.#came < total && before < this.#came) {
      before = this.#came
      await waitFor(() => this.#came >= total, patienceMs)
    }
    const letters = await this.#letters()
    for (const name of this.#processes.keys()) this.#notice(name)
    await Promise.all([...this.#processes.values()].map((one) => one.stop()))
    for (const output of this.#outputs) await output.readRest()
    for (const [key, count] of wanted) {
      const counted = this.#counts.get(key) ?? 0
      if (counted !== count) this.#broken.push(`${key} should be ${count}, and is ${counted}`)
    }
    for (const key of this.#counts.keys()) if (!wanted.has(key)) this.#broken.push(`${key} was never sent`)
    const counted = {
      records,
      results: total,
      'sent with an outcome unknown': this.#sent.unsure,
      'written again from outside': repeated,
      'poison records put aside': letters,
    }
    return { counted, broken: this.#broken }
  }

  async close(): Promise<void> {
    this.#isOver = true
    await this.#sending
    await this.#poisoning
    await this.#poisoner?.close()
    await Promise.all([...this.#processes.values()].map((one) => one.kill()))
    await Promise.all(this.#outputs.map((output) => output.close()))
    await this.#log.close()
    rmSync(this.#directory, { recursive: true, force: true })
  }

  async #begin(): Promise<void> {
    const names = [this.#input, ...Object.values(this.#topics)]
    await this.#log.createTopics(names.map((name) => ({ name, partitions: partitions.length, cleanup: 'delete', retentionMs: null })))
    await Promise.all(this.victims.names.map((name) => this.#start(name)))
    for (const output of this.#outputs) output.follow()
    // Records are sent to all partitions at the same time, so that a partition that waits for its broker does not delay the others.
    this.#sending = Promise.all(partitions.map((partition) => this.#send(partition)))
    if (this.#poisoner !== null) this.#poisoning = this.#poisoner.keepSending(() => this.#isOver, poisonEachMs)
    this.progress.killed('start')
    if (!(await waitFor(() => this.progress.waitedFor.length === 0, 2 * patienceMs))) throw new Error(`It does not begin: ${this.status}`)
  }

  /** The number of poison records with a dead letter. */
  async #letters(): Promise<number> {
    if (this.#poisoner === null) return 0
    const letters = new Set<string>()
    for (const end = performance.now() + patienceMs; ; await pause(1000)) {
      await readWhole(this.#log, this.#topics.letters, (record) => void letters.add(poisonOf(record) ?? 'none'))
      const missing = this.#poisoner.missingIn(letters)
      if (missing.length > 0 && performance.now() < end) continue
      this.#broken.push(...missing)
      if (letters.has('none')) this.#broken.push('a word is a dead letter')
      return letters.size
    }
  }

  /** Starts a process and waits until it runs. If the process dies first, the next kill notices. */
  async #start(name: string): Promise<void> {
    const child = new CountingChild({
      brokers: this.#cluster.brokers,
      applicationId: this.#applicationId,
      input: this.#input,
      stateDir: join(this.#directory, name),
      processing: 'exactly_once',
      standbyReplicas: 1,
      program: 'everything',
    })
    this.#processes.set(name, child)
    const runs = await waitFor(() => child.said.state === 'RUNNING' || child.hasDied, 2 * patienceMs)
    if (!runs) this.#broken.push(`${name} does not run: ${JSON.stringify(child.said)}`)
  }

  #notice(name: string): void {
    if (this.#processes.get(name)?.hasDied) this.#broken.push(`${name} ended by itself: ${JSON.stringify(this.#processes.get(name)?.said)}`)
  }

  async #send(partition: number): Promise<void> {
    let producer: Producer | null = null
    while (!this.#isOver) {
      const numbers = Array.from({ length: recordsEach }, () => String(this.#sent.number++))
      const record = { partition, timestamp: Date.now(), headers: [] }
      try {
        const open: Producer = producer ?? (await this.#log.producer())
        producer = open
        await Promise.all(
          numbers.flatMap((number) => {
            const key = Buffer.from(`key-${partition + 4 * (Number(number) % 12)}`)
            const word = open.send({ ...record, topic: this.#input, key, value: Buffer.from(`group-${Number(number) % 40}:${number}`) })
            const mark = Buffer.from(number)
            const isMarked = partitionForKey(mark, partitions.length) === partition
            const marked = isMarked ? [open.send({ ...record, topic: this.#topics.marks, key: mark, value: Buffer.from('marked') })] : []
            return [word.then(() => void this.#sent.acknowledged.add(number)), ...marked]
          }),
        )
      } catch {
        // A record that may not have been written is not sent again. It counts as uncertain, because the input may have it or not.
        this.#sent.unsure += numbers.length
        await producer?.close().catch(() => {})
        producer = null
      }
      await pause(pauseMs)
    }
    await producer?.close().catch(() => {})
  }

  /** Checks one output record. `count` is null if the output has one record for each key. */
  #hear(key: string, count: number | null): void {
    const before = this.#counts.get(key) ?? 0
    const now = count ?? before + 1
    this.#came++
    if (now !== before + 1) this.#broken.push(`${key} is counted ${now} after ${before}`)
    this.#counts.set(key, now)
  }

  /** The expected counts, by a plain loop over the input. */
  async #recount(): Promise<{ readonly wanted: ReadonlyMap<string, number>; readonly records: number; readonly repeated: number }> {
    const wanted = new Map<string, number>()
    const add = (key: string, count = 1) => void wanted.set(key, (wanted.get(key) ?? 0) + count)
    const words = new Map<string, number>()
    await readWhole(this.#log, this.#input, ({ key, value, timestamp, headers }) => {
      if (poisonOf({ headers }) !== null) return
      const word = Buffer.from(value instanceof Uint8Array ? value : []).toString()
      add(`counted ${key}`)
      add(`windowed ${key}@${timestamp - (timestamp % windowMs)}`)
      add(`grouped ${groupOf(word)}`)
      words.set(numberOf(word), (words.get(numberOf(word)) ?? 0) + 1)
    })
    let marks = 0
    await readWhole(this.#log, this.#topics.marks, ({ key }) => {
      marks++
      add(`joined ${key}`, words.get(String(key)) ?? 0)
    })
    for (const number of this.#sent.acknowledged)
      if (!words.has(number)) this.#broken.push(`word ${number} was acknowledged, and is not in the input`)
    for (const [key, count] of wanted) if (count === 0) wanted.delete(key)
    const records = [...words.values()].reduce((sum, count) => sum + count, 0)
    return { wanted, records: records + marks, repeated: records - words.size }
  }
}

const partitions = [0, 1, 2, 3]
/** Forty words a second to each partition. */
const recordsEach = 4
const pauseMs = 100
const patienceMs = 60_000
const poisonEachMs = 250
