/**
 * One result a window: each shop's sales of a minute, written once, when the minute and ten seconds of grace are over.
 *
 *     npm run -s example examples/one-result-a-minute.ts
 *
 * Without `suppress` each sale would give an update of its minute.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  BufferConfig,
  Consumed,
  Grouped,
  Materialized,
  Named,
  Produced,
  Serdes,
  Streams,
  StreamsBuilder,
  Suppressed,
  TimeWindows,
} from 'waggle-streams'

const text = Serdes.string()
const amount = Serdes.double()

const builder = new StreamsBuilder()
builder
  .stream('sales', Consumed.with(text, amount).skipNullKeys().skipNullValues())
  .groupByKey(Grouped.with(text, amount))
  .windowedBy(TimeWindows.ofSizeAndGrace(60_000, 10_000))
  .aggregate(
    () => 0,
    (_, sale, sum) => sum + sale,
    Materialized.as('sums', { keySerde: text, valueSerde: amount }),
  )
  .suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded(), Named.as('whole-minutes')))
  .toStream()
  .map(({ key, window }, sum): [string, string] => [key, `${new Date(window.start).toISOString().slice(11, 16)} ${(sum ?? 0).toFixed(2)}`])
  .to('takings', Produced.with(text, text))

export const topology = builder.build()

/** Seconds after noon, shop, amount. */
export const sales: readonly (readonly [second: number, shop: string, amount: number])[] = [
  [0, 'north', 10],
  [20, 'south', 5],
  [61, 'north', 7],
  // This sale is late, but within the grace, so it counts for the first minute.
  [58, 'north', 2.5],
  // This sale closes the first two minutes.
  [135, 'north', 1],
  // This sale comes after the grace. It is dropped and counted in `dropped-records-total`.
  [30, 'south', 1_000],
]

export const noonMs = Date.UTC(2026, 0, 5, 12)

if (import.meta.main) {
  const stateDir = mkdtempSync(join(tmpdir(), 'minutes-'))
  try {
    await using streams = new Streams(topology, { applicationId: 'minutes', log: 'embedded', stateDir })
    await streams.start()
    for (const [second, shop, sale] of sales)
      await streams.send('sales', { key: shop, value: sale, timestamp: noonMs + second * 1_000 }, Produced.with(text, amount))
    let left = 3
    for await (const { key, value } of streams.records('takings', Consumed.with(text, text))) {
      console.log(`${key} ${value}`)
      if (--left === 0) break
    }
  } finally {
    rmSync(stateDir, { recursive: true })
  }
}
