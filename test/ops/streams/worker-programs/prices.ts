import { threadId } from 'node:worker_threads'
import { Consumed, Materialized, Produced, Serdes, StreamsBuilder, type StreamsHandlers, TimeWindows } from 'waggle-streams'

/** Adds prices from a global table to orders. Records that cannot be read are dropped. */
const text = Serdes.string()
const read = Consumed.with(text, text)
const builder = new StreamsBuilder()
const prices = builder.globalTable('prices', read, Materialized.as('prices'))
const orders = builder.stream('orders', read.skipNullValues())
orders
  .join(
    prices,
    (_, item) => item,
    (item, price) => `${item} for ${price}`,
  )
  .to('priced', Produced.with(text, text))
orders
  .groupByKey()
  .windowedBy(TimeWindows.ofSizeWithNoGrace(10))
  .count(Materialized.as('orders-per-10', { retentionMs: 1000 }))
orders
  .mapAsync(async (item) => `${item} by ${threadId > 0 ? 'a worker' : 'the main thread'}`, { concurrency: 2, timeoutMs: 1000, name: 'sign' })
  .mapValues((signed) => {
    if (signed.startsWith('poison')) throw new RangeError('no bears')
    return signed
  })
  .to('signed', Produced.with(text, text))

export const topology = builder.build()
export const handlers: StreamsHandlers = { processingHandler: () => 'resume' }
