import type { QueryRequest } from '../../topology/queries.ts'
import type {
  KeptStore,
  KeyValueStore,
  SessionStore,
  StateStore,
  ValueAndTimestamp,
  VersionedKeyValueStore,
  WindowStore,
} from '../../topology/state-store.ts'
import { WaggleError } from '../../topology/waggle-error.ts'
import { eventLoopTurn } from '../event-loop-turn.ts'
import { SegmentedVersionedStore } from '../state/versioned-store.ts'

/** Answers a query from the current content of one task's store. Rows of one key are read at once, because the store may change during the answer. */
export function answerQuery(request: QueryRequest, store: StateStore, spec: KeptStore): unknown {
  const plain = spec.timestamped ? (row: unknown) => (row === null ? null : (row as ValueAndTimestamp<unknown>).value) : whole
  switch (spec.kind) {
    case 'keyValue':
      return fromKeyValues(request, store as KeyValueStore<unknown, unknown>, spec, plain)
    case 'window':
      return fromWindows(request, store as WindowStore<unknown, unknown>, spec, plain)
    case 'session':
      return fromSessions(request, store as SessionStore<unknown, unknown>, spec)
    case 'versioned':
      return fromVersions(request, store as VersionedKeyValueStore<unknown, unknown>, spec)
  }
}

type RowValue = (row: unknown) => unknown
const whole: RowValue = (row) => row

function fromKeyValues(request: QueryRequest, store: KeyValueStore<unknown, unknown>, spec: KeptStore, plain: RowValue): unknown {
  const isForTimes = request.kind === 'timestamped-key' || request.kind === 'timestamped-range'
  if (isForTimes && !spec.timestamped) {
    throw new WaggleError('WAGGLE_QUERY_NOT_SUPPORTED', {
      message: `The values of the store ${spec.name} have no timestamps`,
      next: 'Query the store with KeyQuery or RangeQuery, or make the store with Stores.timestampedKeyValueStoreBuilder.',
    })
  }
  const value = isForTimes ? whole : plain
  if (request.kind === 'key' || request.kind === 'timestamped-key') return value(store.get(request.key))
  if (request.kind !== 'range' && request.kind !== 'timestamped-range') throw notSupported(request, spec)
  return eachOf(store.range(request.from, request.to, { reverse: request.reverse }), value)
}

function fromWindows(request: QueryRequest, store: WindowStore<unknown, unknown>, spec: KeptStore, plain: RowValue): unknown {
  if (request.kind === 'windows') return eachOf(store.fetchAll(request.from, request.to), plain)
  if (request.kind !== 'windows-of-key') throw notSupported(request, spec)
  return Array.from(store.fetch(request.key, request.from, request.to), ([start, row]) => [start, plain(row)])
}

function fromSessions(request: QueryRequest, store: SessionStore<unknown, unknown>, spec: KeptStore): unknown {
  if (request.kind !== 'sessions-of-key') throw notSupported(request, spec)
  return eachOf([...store.fetch(request.key)], whole)
}

function fromVersions(request: QueryRequest, store: VersionedKeyValueStore<unknown, unknown>, spec: KeptStore): unknown {
  if (request.kind === 'key') return store.get(request.key)?.value ?? null
  if (request.kind === 'version') return request.asOf === null ? store.get(request.key) : store.get(request.key, request.asOf)
  if (request.kind === 'versions' && store instanceof SegmentedVersionedStore) return [...store.versions(request.key, request)]
  throw notSupported(request, spec)
}

function notSupported(request: QueryRequest, { kind, name }: KeptStore): WaggleError {
  return new WaggleError('WAGGLE_QUERY_NOT_SUPPORTED', {
    message: `The ${kind} store ${name} cannot answer a query of kind ${request.kind}`,
    next: nextOf[kind],
  })
}

const nextOf: { readonly [kind in KeptStore['kind']]: string } = {
  keyValue: 'Query the store with KeyQuery or RangeQuery.',
  window: 'Query the store with WindowKeyQuery or WindowRangeQuery.withWindowStartRange.',
  session: 'Query the store with WindowRangeQuery.withKey.',
  versioned: 'Query the store with KeyQuery, VersionedKeyQuery or MultiVersionedKeyQuery.',
}

/** Yields to the event loop after some rows, so that a long answer does not block it. */
async function* eachOf<K>(rows: Iterable<readonly [K, unknown]>, value: RowValue): AsyncIterable<readonly [K, unknown]> {
  let given = 0
  for (const [key, row] of rows) {
    yield [key, value(row)]
    if (++given % rowsATurn === 0) await eventLoopTurn()
  }
}

const rowsATurn = 1000
