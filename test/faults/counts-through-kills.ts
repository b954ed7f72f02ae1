import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import { brokerJars, type KafkaCluster, startBrokers } from '../../ops/bench/kafka-broker/brokers.ts'
import type { Log } from '../../processor/ports.ts'
import { SimulatedRandom } from '../../processor/simulation/simulated-random.ts'
import { CountingChild } from '../support/counting-child.ts'
import { keys, newCount, recounted, sendKeys } from '../support/counting-program.ts'
import { quickOptions } from '../support/kafka-log.ts'

export interface CountsReport {
  readonly killedProcesses: number
  readonly killedBrokers: number
  readonly records: number
  /** What exactly once never shows; empty where everything held. */
  readonly broken: readonly string[]
}

export interface CountsOptions {
  readonly cluster: KafkaCluster
  readonly rounds: number
  readonly seed: number
  /** Brokers are killed too: there must be some that this process started. */
  readonly killsBrokers?: boolean
  readonly say?: (line: string) => void
}

/**
 * Three processes count under load, exactly once, while one of them, or a broker, is killed every few seconds and started again.
 * Afterwards the counts of each key, as readers of committed records see them, are 1, 2, 3 and so on, up to what a plain loop counts.
 */
export async function countThroughKills({ cluster, rounds, seed, killsBrokers = false, say = () => {} }: CountsOptions): Promise<CountsReport> {
  const random = new SimulatedRandom(seed)
  const directory = mkdtempSync(join(tmpdir(), 'waggle-counts-'))
  const log = await openKafkaLog({ ...quickOptions(cluster), processing: 'at_least_once' })
  const { applicationId, input } = await newCount(log)
  const start = (at: number) =>
    new CountingChild({
      brokers: cluster.brokers,
      applicationId,
      input,
      stateDir: join(directory, String(at)),
      processing: 'exactly_once',
      standbyReplicas: 1,
    })
  const processes = [0, 1, 2].map(start)
  let isOver = false
  const sending = (async () => {
    while (!isOver) {
      await sendKeys(log, input, keys(200))
      await pause(50)
    }
  })()
  const killed = { processes: 0, brokers: 0 }
  try {
    for (let round = 1; round <= rounds; round++) {
      await pause(1000 + random.next() * 3000)
      const at = Math.floor(random.next() * 3)
      const node = cluster.nodes[at]
      if (killsBrokers && node !== undefined && random.next() < 0.3) {
        await node.kill()
        await node.start()
        killed.brokers++
        say(`round ${round}: broker ${node.id} killed`)
      } else {
        await processes[at]?.kill()
        processes[at] = start(at)
        killed.processes++
        say(`round ${round}: process ${at} killed; ${processes.map(({ said }) => `${said.state} ${said.tasks.length}`).join(', ')}`)
      }
    }
    isOver = true
    await sending
    const wanted = await recounted(log, input)
    const broken = await counts(log, `${input}-counted`, wanted)
    return {
      killedProcesses: killed.processes,
      killedBrokers: killed.brokers,
      records: [...wanted.values()].reduce((sum, one) => sum + one, 0),
      broken,
    }
  } finally {
    isOver = true
    await sending.catch(() => {})
    await Promise.all(processes.map((one) => one.kill()))
    await log.close()
    rmSync(directory, { recursive: true, force: true })
  }
}

/** What is wrong with the counts when all of them have come, or when no more come. */
async function counts(log: Log, topic: string, wanted: ReadonlyMap<string, number>): Promise<readonly string[]> {
  const last = new Map<string, number>()
  const broken: string[] = []
  const next: number[] = []
  for (const end = performance.now() + patienceMs; performance.now() < end; await pause(200)) {
    for (const [partition, offsets] of ((await log.topic(topic))?.offsets ?? []).entries()) {
      const from = next[partition] ?? offsets.start
      for await (const { records } of log.read({ topic, partition, from, to: offsets.end })) {
        for (const { key, value } of records) {
          const count = Number(Buffer.from(value instanceof Uint8Array ? value : []).readBigInt64BE(0))
          const before = last.get(String(key)) ?? 0
          if (count !== before + 1) broken.push(`${key} is counted ${count} after ${before}`)
          last.set(String(key), count)
        }
      }
      next[partition] = Math.max(from, offsets.end)
    }
    if ([...wanted].every(([key, count]) => (last.get(key) ?? 0) >= count)) break
  }
  for (const [key, count] of wanted) if (last.get(key) !== count) broken.push(`${key} was sent ${count} times, and counted ${last.get(key) ?? 0}`)
  return broken
}

const patienceMs = 120_000

if (import.meta.main) {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '150' }, seed: { type: 'string', default: '1' } } })
  const jars = brokerJars()
  if ('missing' in jars) throw new Error(jars.missing)
  const cluster = await startBrokers(jars.libs, { nodes: 3 })
  try {
    const say = (line: string) => void process.stdout.write(`${line}\n`)
    const report = await countThroughKills({ cluster, rounds: Number(values.rounds), seed: Number(values.seed), killsBrokers: true, say })
    say(JSON.stringify(report, null, 2))
    process.exitCode = report.broken.length === 0 ? 0 : 1
  } finally {
    await cluster.close()
  }
}
