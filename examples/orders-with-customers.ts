/**
 * A stream–table join: each order gets its customer's name, as the table has it when the order comes.
 *
 *     npm run -s example examples/orders-with-customers.ts
 *
 * The order of a customer who is not in the table yet comes out with `null`, because the join is a left join.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Consumed, Joined, Materialized, Produced, Serdes, Streams, StreamsBuilder } from 'waggle-streams'

export interface Order {
  readonly customer: string
  readonly total: number
}

export interface NamedOrder {
  readonly order: string
  readonly customer: string | null
  readonly total: number
}

const text = Serdes.string()
export const orderSerde = Serdes.json<Order>()
export const namedOrderSerde = Serdes.json<NamedOrder>()

const builder = new StreamsBuilder()
const customers = builder.table('customers', Consumed.with(text, text), Materialized.as('customers'))
builder
  .stream('orders', Consumed.with(text, orderSerde).skipNullKeys().skipNullValues())
  // The customer becomes the key, so the order's number moves into the value.
  .map((order, { customer, total }): [string, NamedOrder] => [customer, { order, customer: null, total }])
  // The key has changed, so orders go through the topic `…-with-customer-repartition` to the partition of their customer.
  .leftJoin(customers, (order, name) => ({ ...order, customer: name }), Joined.with(text, namedOrderSerde, text, { name: 'with-customer' }))
  .to('named-orders', Produced.with(text, namedOrderSerde))

export const topology = builder.build()

if (import.meta.main) {
  const stateDir = mkdtempSync(join(tmpdir(), 'orders-'))
  try {
    await using streams = new Streams(topology, { applicationId: 'orders', log: 'embedded', stateDir })
    await streams.start()
    const named = streams.records('named-orders', Consumed.with(text, namedOrderSerde))[Symbol.asyncIterator]()
    const printNext = async () => {
      const { value } = await named.next()
      console.log(JSON.stringify(value.value))
    }
    // Records of a table and a stream are ordered only by time. So each step waits until the result of the one before has come.
    const order = (id: string, value: Order) => streams.send('orders', { key: id, value }, Produced.with(text, orderSerde))
    await order('1', { customer: 'c-1', total: 20 })
    await printNext()
    await streams.send('customers', { key: 'c-1', value: 'Ada' }, Produced.with(text, text))
    await order('2', { customer: 'c-1', total: 35 })
    await printNext()
    await streams.send('customers', { key: 'c-1', value: 'Ada Lovelace' }, Produced.with(text, text))
    await order('3', { customer: 'c-1', total: 50 })
    await printNext()
    await named.return?.()
  } finally {
    rmSync(stateDir, { recursive: true })
  }
}
