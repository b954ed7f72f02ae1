import type { QueryRequest } from '../../topology/queries.ts'
import type { KeptStore, KeyValueStore, StateStore, ValueAndTimestamp, VersionedKeyValueStore, WindowStore } from '../../topology/state-store.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { nextTurn } from '../next-turn.ts'

/** Answers a query from the present content of one task's store. */
export function answerQuery(request: QueryRequest, store: StateStore, builder: KeptStore): unknown {
  const plain = builder.timestamped ? (row: unknown) => (row === null ? null : (row as ValueAndTimestamp<unknown>).value) : (row: unknown) => row
  if (builder.kind === 'keyValue' && request.kind === 'key') return plain((store as KeyValueStore<unknown, unknown>).get(request.key))
  if (builder.kind === 'versioned' && request.kind === 'key')
    return (store as VersionedKeyValueStore<unknown, unknown>).get(request.key)?.value ?? null
  if (builder.kind === 'keyValue' && request.kind === 'range') {
    return eachOf((store as KeyValueStore<unknown, unknown>).range(request.from, request.to), plain)
  }
  if (builder.kind === 'window' && request.kind === 'windows-of-key') {
    const windows = (store as WindowStore<unknown, unknown>).fetch(request.key, request.from, request.to)
    return [...windows].map(([start, row]) => [start, plain(row)])
  }
  if (builder.kind === 'window' && request.kind === 'windows') {
    return eachOf((store as WindowStore<unknown, unknown>).fetchAll(request.from, request.to), plain)
  }
  throw new WaggleError('WAGGLE_QUERY_NOT_SUPPORTED', {
    message: `A ${builder.kind} store cannot answer what was asked of ${builder.name} (${request.kind})`,
    next: nextOf[builder.kind],
  })
}

const nextOf: { readonly [kind in KeptStore['kind']]: string } = {
  keyValue: 'Ask it with KeyQuery or RangeQuery.',
  window: 'Ask it with WindowKeyQuery or WindowRangeQuery.',
  session: 'Keep sessions in a store of your own, or send them to a topic.',
  versioned: 'Ask it with KeyQuery.',
}

/** Yields to the event loop after some rows, so that a long answer does not block it. */
async function* eachOf<K>(rows: Iterable<readonly [K, unknown]>, plain: (row: unknown) => unknown): AsyncIterable<readonly [K, unknown]> {
  let given = 0
  for (const [key, row] of rows) {
    yield [key, plain(row)]
    if (++given % rowsATurn === 0) await nextTurn()
  }
}

const rowsATurn = 1000
