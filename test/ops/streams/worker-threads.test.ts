import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { Consumed, KeyQuery, Produced, RangeQuery, Serdes, Streams, type StreamsConfig, type Topology } from 'waggle-streams'
import { openEmbeddedLog } from '../../../connectors/log/embedded/embedded-log.ts'
import { systemClock } from '../../../connectors/system/system-clock.ts'
import { topology as visits } from './worker-programs/visits.ts'

const text = Serdes.string()
const written = Produced.with(text, text)
const directories: string[] = []
after(() => {
  for (const directory of directories) rmSync(directory, { recursive: true, force: true })
})

const moduleOf = (name: string) => new URL(`./worker-programs/${name}.ts`, import.meta.url)

/** A directory whose log has these topics, each with four partitions. */
async function prepared(topics: readonly string[]): Promise<string> {
  const stateDir = mkdtempSync(join(tmpdir(), 'waggle-workers-'))
  directories.push(stateDir)
  const log = await openEmbeddedLog({ directory: join(stateDir, 'log'), clock: systemClock })
  await log.createTopics(topics.map((name) => ({ name, partitions: 4, cleanup: 'delete', retentionMs: null })))
  await log.close()
  return stateDir
}

function config(stateDir: string, more: Partial<StreamsConfig>): StreamsConfig {
  return { applicationId: 'workers', log: 'embedded', stateDir, commitIntervalMs: 5, cacheMaxBytes: 0, ...more }
}

const pageOf = (at: number) => `page-${(at * 7) % 23}`

async function sendVisits(streams: Streams, from: number, to: number): Promise<void> {
  const sent: Promise<unknown>[] = []
  for (let at = from; at < to; at++)
    sent.push(streams.send('visits', { key: `visitor-${at % 50}`, value: JSON.stringify({ page: pageOf(at) }) }, written))
  await Promise.all(sent)
}

/** By page, what was counted one after the other. */
async function counted(streams: Streams, count: number): Promise<Map<string | null, number[]>> {
  const told = new Map<string | null, number[]>()
  let left = count
  for await (const { key, value } of streams.records('counted', Consumed.with(text, Serdes.long()))) {
    const own = told.get(key) ?? []
    told.set(key, own)
    own.push(value ?? -1)
    if (--left === 0) break
  }
  return told
}

/** What one thread that reads one record after the other would have told. */
function recounted(visits: number): Map<string | null, number[]> {
  const told = new Map<string | null, number[]>()
  for (let at = 0; at < visits; at++) {
    const own = told.get(pageOf(at)) ?? []
    told.set(pageOf(at), own)
    own.push(own.length + 1)
  }
  return told
}

describe('A program whose threads are workers', () => {
  for (const numThreads of [1, 2, 4]) {
    it(`counts as one thread would, with ${numThreads}`, async () => {
      const stateDir = await prepared(['visits', 'counted'])
      await using streams = new Streams(visits, config(stateDir, { module: moduleOf('visits'), numThreads }))
      await streams.start()
      await sendVisits(streams, 0, 3000)
      assert.deepEqual(sorted(await counted(streams, 3000)), sorted(recounted(3000)))
    })
  }
})

function sorted<T>(map: Map<string | null, T>): [string | null, T][] {
  return [...map].sort(([a], [b]) => ((a ?? '') < (b ?? '') ? -1 : 1))
}
