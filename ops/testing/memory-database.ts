import { tableNameOf } from '../../topology/swarm/check/table-name.ts'
import type { Database, PredictionRow, PredictionTable, TableOptions } from '../../topology/swarm/ports/database.ts'

/**
 * The tables of a test, in memory. As in ClickHouse, (swarm, bee, request_id) identifies a row. If several rows have the same identity, the newest
 * counts.
 */
export class MemoryDatabase implements Database {
  readonly #tables = new Map<string, Map<string, PredictionRow>>()

  get tables(): readonly string[] {
    return [...this.#tables.keys()]
  }

  rows(table: string): readonly PredictionRow[] {
    return [...(this.#tables.get(table)?.values() ?? [])]
  }

  async openTable({ table }: TableOptions): Promise<PredictionTable> {
    tableNameOf(table)
    const rows = this.#tables.get(table) ?? new Map<string, PredictionRow>()
    this.#tables.set(table, rows)
    return {
      async insert(block) {
        for (const row of block) rows.set(JSON.stringify([row.swarm, row.bee, row.request_id]), row)
      },
      async close() {},
    }
  }
}
