import { join } from 'node:path'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { shareEmbeddedLog } from '../streams/shared-log.ts'
import { Streams } from '../streams/streams.ts'
import { topology } from './json-visits.ts'

/**
 * Runs one measurement in a separate process. Arguments: workers (0: none), steps a visit, records, directory. Prints the CPU microseconds of the
 * process, the CPU microseconds of the main thread, and the seconds.
 */
const [workersText, stepsText, recordsText, directory = ''] = process.argv.slice(2)
const [workers, steps, records] = [Number(workersText), Number(stepsText), Number(recordsText)]
const visit = Buffer.from(JSON.stringify({ visitor: 'v', steps: Array.from({ length: steps }, (_, at) => ({ page: `/page/${at}`, ms: at * 17 })) }))

const { log, close } = await shareEmbeddedLog(join(directory, 'log'))
await log.createTopics(['visits', 'counted'].map((name) => ({ name, partitions: 8, cleanup: 'delete', retentionMs: null })))
const producer = await log.producer()
for (let from = 0; from < records; from += 1000) {
  await Promise.all(
    Array.from({ length: Math.min(1000, records - from) }, (_, index) => {
      const key = (Math.imul(from + index, 2_654_435_761) >>> 0) % 10_000
      return producer.send({
        topic: 'visits',
        partition: key % 8,
        key: Buffer.from(`visitor-${key}`),
        value: visit,
        timestamp: from + index,
        headers: [],
      })
    }),
  )
}
const streams = new Streams(topology, {
  applicationId: 'bench',
  log: 'embedded',
  stateDir: directory,
  cacheMaxBytes: 0,
  ...(workers === 0 ? {} : { numThreads: workers, module: new URL('./json-visits.ts', import.meta.url) }),
})
streams.pause()
await streams.start()
const cpu = process.cpuUsage()
const mainCpu = process.threadCpuUsage()
const startedMs = systemClock.elapsedMs()
streams.resume()
for (let counted = 0; counted < records; ) {
  await new Promise<void>((resolve) => void systemClock.after(2, resolve))
  if (streams.state === 'ERROR') throw streams.failure
  counted = (await log.topic('counted'))?.offsets.reduce((sum, { end }) => sum + end, 0) ?? 0
}
const seconds = (systemClock.elapsedMs() - startedMs) / 1000
const all = process.cpuUsage(cpu)
const main = process.threadCpuUsage(mainCpu)
process.stdout.write(`${all.user + all.system} ${main.user + main.system} ${seconds}\n`)
await streams.close({ timeoutMs: 10_000 })
await close()
process.exit(0)
