import { join } from 'node:path'
import { openEmbeddedLog } from '../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { Streams } from '../streams/streams.ts'
import { keyAt } from './bench-keys.ts'
import { measure, peakBytes } from './measure.ts'
import { streamsWorkloads } from './streams-workloads.ts'

/** This program runs in its own process. Arguments: fill|count, keys, directory. With `count` it prints its time and memory. */
const [what, keysText, directory = ''] = process.argv.slice(2)
const keys = Number(keysText)
const records = Math.floor(keys * 1.2)

if (what === 'fill') await fill()
else process.stdout.write(`${JSON.stringify({ records, ...(await count()), peakBytes: peakBytes() })}\n`)
process.exit(0)

async function fill() {
  const log = await openEmbeddedLog({ directory: join(directory, 'log'), clock: systemClock })
  await log.createTopics(['in0', 'out'].map((name) => ({ name, partitions: 1, cleanup: 'delete', retentionMs: null })))
  const producer = await log.producer()
  const value = Buffer.alloc(100, 'x')
  for (let from = 0; from < records; from += 10_000) {
    const ats = Array.from({ length: Math.min(10_000, records - from) }, (_, index) => from + index)
    await Promise.all(ats.map((at) => producer.send({ topic: 'in0', partition: 0, key: keyAt(at, { keys }), value, timestamp: at, headers: [] })))
  }
  await log.close()
}

async function count() {
  const topology = streamsWorkloads.find(({ name }) => name === 'count')?.build()
  if (topology === undefined) throw new Error('There is no workload count')
  const streams = new Streams(topology, { applicationId: 'bench', log: 'embedded', stateDir: directory })
  const measured = measure()
  await streams.start()
  const isProcessTotal = ({ group, name }: { readonly group: string; readonly name: string }) =>
    group === 'stream-thread-metrics' && name === 'process-total'
  for (let done = 0; done < records; done = Number(streams.metrics.find(isProcessTotal)?.value)) {
    if (streams.failure !== null) throw streams.failure
    await new Promise<void>((resolve) => void systemClock.after(20, resolve))
  }
  await streams.close({ timeoutMs: 60_000 })
  return measured()
}
