import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { openEmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { Application } from '../../processor/application/application.ts'
import { TopologyTestDriver } from '../../processor/simulation/topology-test-driver.ts'
import { decorated } from '../../topology/decorated.ts'
import { Serdes } from '../../topology/serdes.ts'
import { keyAt } from './bench-keys.ts'
import { measure } from './measure.ts'
import { streamsWorkloads } from './streams-workloads.ts'

/**
 * This program runs one workload in its own process. Arguments: driver|embedded, workload, keys, records, directory. Prints the CPU time and the wall
 * time in nanoseconds, and the resident memory.
 */
const [kind, name, keysText, recordsText, directory] = process.argv.slice(2)
const workload = streamsWorkloads.find((one) => one.name === name)
if (workload === undefined || directory === undefined) throw new Error(`There is no workload ${name}`)
const [keys, records] = [Number(keysText), Number(recordsText)]
const value = Buffer.alloc(100, 'x')
const inputs = Array.from({ length: workload.inputs }, (_, at) => `in${at}`)
const keyOf = (at: number) => keyAt(at, { keys, inputs: inputs.length })
const warmup = Math.floor(records / 5)
const bytes = Serdes.bytes()

const { cpuMicros, seconds } = kind === 'driver' ? await throughDriver() : await throughLog()
process.stdout.write(`${Math.round(cpuMicros * 1000)} ${Math.round(seconds * 1e9)} ${process.memoryUsage.rss()}\n`)
process.exit(0)

async function throughDriver() {
  const driver = new TopologyTestDriver(workload?.build() ?? never())
  const topics = inputs.map((topic) => driver.createInputTopic(topic, bytes, bytes))
  const out = driver.createOutputTopic('out', bytes, bytes)
  let measured = measure()
  for (let at = 0; at < records + warmup; at++) {
    if (at === warmup) measured = measure()
    await topics[at % topics.length]?.pipeInput(keyOf(at), value, at)
    if (at % 1000 === 999) out.readRecordsToList()
  }
  return measured()
}

/**
 * Measures the workload on the embedded log. The input is written before the clock starts. The clock stops when the whole input is processed and
 * committed.
 */
async function throughLog() {
  const log = await openEmbeddedLog({ directory: mkdtempSync(join(directory ?? '', 'log-')), clock: systemClock })
  const topic = (topicName: string) => ({ name: topicName, partitions: 1, cleanup: 'delete' as const, retentionMs: null })
  await log.createTopics([...inputs, 'out'].map(topic))
  const producer = await log.producer()
  for (let from = 0; from < records; from += 1000) {
    await Promise.all(
      Array.from({ length: Math.min(1000, records - from) }, (_, index) => {
        const at = from + index
        const record = { partition: 0, key: keyOf(at), value, timestamp: at, headers: [] }
        return producer.send({ ...record, topic: inputs[at % inputs.length] ?? '' })
      }),
    )
  }
  const failed = Promise.withResolvers<never>()
  const application = new Application({
    applicationId: 'bench',
    topology: decorated(workload?.build() ?? never(), 'bench', { key: null, value: null, timestampExtractor: null }),
    log,
    clock: systemClock,
    topics: [],
    emitIntervalMs: 0,
    onFailure: failed.reject,
  })
  const measured = measure()
  await application.start()
  const done = async () => {
    while (application.threads.tasks.reduce((sum, { meters }) => sum + meters.process.sum, 0) < records) {
      await new Promise<void>((resolve) => {
        systemClock.after(1, resolve)
      })
    }
  }
  await Promise.race([done(), failed.promise])
  await application.close({ timeoutMs: 60_000 })
  const result = measured()
  rmSync(directory ?? '', { recursive: true, force: true })
  return result
}

function never(): never {
  throw new Error('There is no workload')
}
