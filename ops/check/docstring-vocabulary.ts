import { createServer } from 'node:http'
import { Consumed, Materialized, Produced, Serdes, SessionWindows, Stores, Streams, StreamsBuilder, TimeWindows } from 'waggle-streams'
import { TopologyTestDriver } from 'waggle-streams/testing'

interface Order {
  readonly customer: string
  readonly country: string
  readonly total: number
  readonly items: readonly string[]
}

interface Customer {
  readonly name: string
  readonly country: string
}

/** Makes the values that examples may use by name, in addition to the package's exports. Each example gets new values. */
export function vocabulary() {
  const builder = new StreamsBuilder()
  const text = Serdes.string()
  const orderSerde = Serdes.json<Order>()
  const customerSerde = Serdes.json<Customer>()
  const read = Consumed.with(text, text).skipNullKeys().skipNullValues()
  return {
    createServer,
    builder,
    text,
    orderSerde,
    customerSerde,
    /** Orders, keyed by order id. */
    orders: builder.stream('orders', Consumed.with(text, orderSerde).skipNullKeys().skipNullValues()),
    /** The payer of each order, keyed by order id. */
    payments: builder.stream('payments', read),
    lines: builder.stream('lines', read),
    /** The page of each click, keyed by user. */
    clicks: builder.stream('clicks', read),
    /** Customers, keyed by customer id. */
    customers: builder.table('customers', Consumed.with(text, customerSerde)),
    /** Country codes, keyed by customer id. */
    countriesByCustomer: builder.table('countries-by-customer', Consumed.with(text, text)),
    /** Names of countries, keyed by country code. */
    countryNames: builder.table('country-names', Consumed.with(text, text)),
    countries: builder.globalTable('countries', Consumed.with(text, text)),
    /** An application that is not started. */
    streams: new Streams(counting(), { applicationId: 'docstrings', log: 'embedded' }),
    driver: new TopologyTestDriver(counting()),
  }
}

function counting() {
  const builder = new StreamsBuilder()
  const text = Serdes.string()
  const written = Produced.with(text, Serdes.long())
  const lines = builder.stream('lines', Consumed.with(text, text).skipNullKeys().skipNullValues())
  lines.groupByKey().count(Materialized.as('word-counts')).toStream().to('counts', written)
  lines.groupByKey().windowedBy(TimeWindows.ofSizeWithNoGrace(60_000)).count(Materialized.as('clicks-a-minute'))
  lines.groupByKey().windowedBy(SessionWindows.ofInactivityGapWithNoGrace(60_000)).count(Materialized.as('clicks-a-session'))
  builder.table(
    'prices-in',
    Consumed.with(text, Serdes.double()),
    Materialized.as(Stores.persistentVersionedKeyValueStore('prices', { historyRetentionMs: 60_000 })),
  )
  return builder.build()
}
