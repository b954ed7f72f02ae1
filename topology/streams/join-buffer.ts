import type { Topology } from '../graph.ts'
import type { StreamTableJoin } from '../operators/streams-operators.ts'
import type { AnySerde } from '../serde.ts'
import { Serdes } from '../serdes.ts'
import type { KeptStore } from '../state-store.ts'
import { WaggleError } from '../waggle-error.ts'
import { suppressedSerde } from './suppress-serdes.ts'
import { isVersioned, type TableView } from './table-view.ts'
import { serdeOr } from './unset-serde.ts'

/** The buffer in which stream records wait until the table has reached their time (KIP-923). */
export function joinBuffer(
  store: string,
  graceMs: number,
  view: TableView,
  { key, value }: { readonly key: AnySerde | null; readonly value: AnySerde | null },
): { readonly of: NonNullable<StreamTableJoin['buffer']>; readonly serdes: { readonly key: AnySerde }; readonly stores: readonly KeptStore[] } {
  if (!isVersioned(view)) {
    throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', {
      message: 'A join with a grace period needs a table with a versioned store',
      next: 'Keep the table with Materialized.as(Stores.persistentVersionedKeyValueStore(…)).',
    })
  }
  const kept: KeptStore = {
    name: store,
    kind: 'keyValue',
    key: Serdes.bytes(),
    // A waiting record is written like a suppressed update that changes null to the record's value.
    value: suppressedSerde(serdeOr(value, 'value', store)),
    persistent: true,
    logging: true,
    retentionMs: null,
  }
  return { of: { store, graceMs }, serdes: { key: serdeOr(key, 'key', store) }, stores: [kept] }
}

/** Refuses a table whose history is shorter than the grace. A record that has waited must still find the table's row of its own time. */
export function refuseShortHistory(topology: Topology, stores: readonly string[], graceMs: number): void {
  for (const name of stores) {
    const store = topology.stores.get(name)
    const historyMs = store === undefined || store.kind === 'custom' ? null : store.retentionMs
    if (historyMs === null || historyMs >= graceMs) continue
    throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', {
      message: `Records wait ${graceMs} ms for the table in ${name}, which keeps its history for ${historyMs} ms`,
      next: 'Keep the history of the table for at least the grace period of the join.',
    })
  }
}
