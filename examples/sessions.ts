/**
 * Sessions: a user's clicks belong together while less than half an hour lies between them. Each session comes out once, when it is over.
 *
 *     npm run -s example examples/sessions.ts
 *
 * Time is the time of the records: a session is over when a later record shows that nothing can join it any more.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Consumed, EmitStrategy, Grouped, Materialized, Produced, Serdes, SessionWindows, Streams, StreamsBuilder } from 'waggle-streams'

const minuteMs = 60_000
const text = Serdes.string()

const builder = new StreamsBuilder()
builder
  .stream('clicks', Consumed.with(text, text).skipNullKeys().skipNullValues())
  .groupByKey(Grouped.with(text, text))
  .windowedBy(SessionWindows.ofInactivityGapWithNoGrace(30 * minuteMs))
  .emitStrategy(EmitStrategy.onWindowClose())
  .reduce((pages, page) => `${pages} → ${page}`, Materialized.as('sessions', { keySerde: text, valueSerde: text, retentionMs: 24 * 60 * minuteMs }))
  .toStream()
  .map(({ key, window }, pages): [string, string] => [key, `${(window.end - window.start) / minuteMs} minutes: ${pages}`])
  .to('visits', Produced.with(text, text))

export const topology = builder.build()

/** Minutes after eight o'clock, user, page. */
export const clicks: readonly (readonly [minute: number, user: string, page: string])[] = [
  [0, 'anna', '/'],
  [5, 'anna', '/bears'],
  [10, 'ben', '/'],
  [25, 'anna', '/bears/teddy'],
  [90, 'anna', '/cart'],
  // This click only advances stream time, which closes the sessions before it.
  [200, 'clock', '/'],
]

export const eightOClockMs = Date.UTC(2026, 0, 5, 8)

if (import.meta.main) {
  const stateDir = mkdtempSync(join(tmpdir(), 'sessions-'))
  try {
    await using streams = new Streams(topology, { applicationId: 'sessions', log: 'embedded', stateDir, emitIntervalMs: 0 })
    await streams.start()
    for (const [minute, user, page] of clicks) {
      const timestamp = eightOClockMs + minute * minuteMs
      await streams.send('clicks', { key: user, value: page, timestamp }, Produced.with(text, text))
    }
    let left = 3
    for await (const { key, value } of streams.records('visits', Consumed.with(text, text))) {
      console.log(`${key}, ${value}`)
      if (--left === 0) break
    }
  } finally {
    rmSync(stateDir, { recursive: true })
  }
}
