import { Consumed, Grouped, Materialized, Produced, type Serde, Serdes, StreamsBuilder, type Topology } from 'waggle-streams'

export interface Sale {
  readonly shop: string
  readonly pieces: number
}
export interface Total {
  readonly sales: number
  readonly pieces: number
}

export const text = Serdes.string()
export const saleSchema = { type: 'record', name: 'Sale', fields: [field('shop', 'string'), field('pieces', 'int')] }
export const totalSchema = { type: 'record', name: 'Total', fields: [field('sales', 'int'), field('pieces', 'int')] }

export function field(name: string, type: string, rest: object = {}): object {
  return { name, type, ...rest }
}

/** Totals by shop. `name` is a part of the topics' names, so that each test has its own topics. */
export function totals(name: string, sales: Serde<Sale>, total: Serde<Total>): Topology {
  const builder = new StreamsBuilder()
  builder
    .stream(`${name}-sales`, Consumed.with(text, sales))
    .groupBy((_, sale) => sale?.shop ?? '', Grouped.with(text, sales, { name: 'by-shop' }))
    .aggregate(
      () => ({ sales: 0, pieces: 0 }),
      (_, sale, sum) => ({ ...sum, sales: sum.sales + 1, pieces: sum.pieces + sale.pieces }),
      Materialized.as<string, Total, 'keyValue'>('totals', { keySerde: text, valueSerde: total }),
    )
    .toStream()
    .to(`${name}-totals`, Produced.with(text, total))
  return builder.build()
}
