import { Produced, Serdes, Streams } from 'waggle-streams'
import { topology } from './visits.ts'

/** A process that ends itself while its workers are processing, in a directory that is its argument. */
const [stateDir = ''] = process.argv.slice(2)
const text = Serdes.string()
const streams = new Streams(topology, {
  applicationId: 'workers',
  log: 'embedded',
  stateDir,
  numThreads: 2,
  commitIntervalMs: 5,
  cacheMaxBytes: 0,
  module: new URL('./visits.ts', import.meta.url),
})
await streams.start()
for (let at = 0; at < 2000; at++) {
  const sent = streams.send('visits', { key: `visitor-${at % 50}`, value: JSON.stringify({ page: `page-${at % 23}` }) }, Produced.with(text, text))
  if (at % 100 === 99) await sent
}
process.exit(0)
