/**
 * Calls that take time: each order gets its price in euros from an HTTP service, sixteen calls at a time, and goes on in the order of the input.
 *
 *     npm run -s example examples/enrich.ts
 *
 * The commit position stays at the oldest order that is not done, so a crash loses none. The service is a small server in this process.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Consumed, Produced, Serdes, Streams, StreamsBuilder, type Topology } from 'waggle-streams'

export interface Price {
  readonly amount: number
  readonly currency: string
}

const text = Serdes.string()
export const priceSerde = Serdes.json<Price>()

/** `rateOf` returns the euros for one unit of a currency. It should stop when the signal is aborted. */
export function enrich(rateOf: (currency: string, signal: AbortSignal) => Promise<number>): Topology {
  const builder = new StreamsBuilder()
  builder
    .stream('prices', Consumed.with(text, priceSerde).skipNullValues())
    .mapAsync(async ({ amount, currency }, { signal }) => `${(amount * (await rateOf(currency, signal))).toFixed(2)} EUR`, {
      name: 'exchange',
      concurrency: 16,
      timeoutMs: 2_000,
      retries: 2,
    })
    .to('euros', Produced.with(text, text))
  return builder.build()
}

if (import.meta.main) {
  const rates: { readonly [currency: string]: number } = { CHF: 1.07, SEK: 0.09, EUR: 1 }
  // Francs take longest and still come first, because results keep the order of the input.
  const server = createServer(({ url = '' }, response) => {
    setTimeout(() => response.end(String(rates[url.slice(1)])), url === '/CHF' ? 300 : 20)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  const port = address !== null && typeof address === 'object' ? address.port : 0
  const stateDir = mkdtempSync(join(tmpdir(), 'enrich-'))
  try {
    const topology = enrich(async (currency, signal) => Number(await (await fetch(`http://127.0.0.1:${port}/${currency}`, { signal })).text()))
    await using streams = new Streams(topology, { applicationId: 'enrich', log: 'embedded', stateDir })
    await streams.start()
    const prices: readonly Price[] = [
      { amount: 100, currency: 'CHF' },
      { amount: 250, currency: 'SEK' },
      { amount: 9.5, currency: 'EUR' },
    ]
    for (const [at, value] of prices.entries()) await streams.send('prices', { key: `order-${at + 1}`, value }, Produced.with(text, priceSerde))
    let left = prices.length
    for await (const { key, value } of streams.records('euros', Consumed.with(text, text))) {
      console.log(`${key} ${value}`)
      if (--left === 0) break
    }
  } finally {
    rmSync(stateDir, { recursive: true })
    server.close()
  }
}
