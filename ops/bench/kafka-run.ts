import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'
import { Streams } from '../streams/streams.ts'
import { measure, peakBytes } from './measure.ts'
import { streamsWorkloads } from './streams-workloads.ts'

/**
 * Runs a workload of `kafka-streams/KafkaBench.java` on Waggle. The arguments are those of the Java program: run|restore|read, workload, guarantee,
 * bytes of cache, brokers, records, application, input, output, state directory. With `read` the program only reads a changelog, whose name is given
 * in place of the input.
 */
const [what, name, processing, cacheMaxBytes, brokersText = '', recordsText, applicationId = '', input = '', output = '', stateDir = ''] =
  process.argv.slice(2)
const brokers = brokersText.split(',')
const records = Number(recordsText)

const result = what === 'read' ? await read() : await run()
process.stdout.write(`${JSON.stringify({ ...result, peakBytes: peakBytes() })}\n`)
process.exit(0)

/**
 * Measures one run. The clock starts with the first processed record and stops when all records are processed and committed. CPU time is counted from
 * the start of the application.
 */
async function run() {
  const workload = streamsWorkloads.find((one) => one.name === name)
  if (workload === undefined) throw new Error(`There is no workload ${name}`)
  const streams = new Streams(workload.build({ windowMs: 10_000, input, output }), {
    applicationId,
    log: { kafka: { brokers } },
    processing: processing === 'exactly_once' ? 'exactly_once' : 'at_least_once',
    cacheMaxBytes: Number(cacheMaxBytes),
    stateDir,
  })
  const measured = measure()
  const starting = streams.start()
  starting.catch(() => {})
  const total = what === 'restore' ? 'restore-total' : 'process-total'
  const group = what === 'restore' ? 'stream-task-metrics' : 'stream-thread-metrics'
  let first: { readonly seconds: number; readonly done: number } | null = null
  for (let done = 0; done < records; ) {
    await new Promise<void>((resolve) => void systemClock.after(5, resolve))
    if (streams.failure !== null) throw streams.failure
    done = streams.metrics.reduce((sum, one) => (one.name === total && one.group === group ? sum + Number(one.value) : sum), 0)
    if (done > 0 && done < records) first ??= { seconds: measured().seconds, done }
  }
  // A restored store is complete when the start settles.
  await starting
  const restored = measured().seconds
  await streams.close({ timeoutMs: 60_000 })
  const { seconds, cpuMicros } = measured()
  const until = what === 'restore' ? restored : seconds
  const before = what === 'restore' ? (first?.done ?? 0) : 0
  return { records: records - before, seconds: until - (first?.seconds ?? 0), cpuMicros }
}

async function read() {
  const log = await openKafkaLog({ brokers, clientId: 'reader', processing: 'at_least_once', clock: systemClock, random: new SystemRandom() })
  const measured = measure()
  let count = 0
  for await (const run of log.read({ topic: input, partition: 0, from: 0, to: records })) count += run.records.length
  const result = measured()
  await log.close()
  return { records: count, ...result }
}
