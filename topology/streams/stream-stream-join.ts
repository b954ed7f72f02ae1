import type { StreamsOperator } from '../operators/streams-operators.ts'
import type { AnySerde } from '../serde.ts'
import type { KeptStore } from '../state-store.ts'
import { WaggleError } from '../waggle-error.ts'
import { defined } from './defined.ts'
import type { StreamJoined } from './join-options.ts'
import type { Stream, StreamParts } from './kstream.ts'
import { outerKeySerde, outerValuesSerde } from './outer-join-serdes.ts'
import { passThrough } from './pass-through.ts'
import type { StoreSupplier } from './stores.ts'
import { serdeOr } from './unset-serde.ts'
import type { JoinWindows } from './windows.ts'

type Untyped = Stream<unknown, unknown>
type Join = (left: unknown, right: unknown, key: unknown) => unknown

/** Joins two streams. Each side's records are stored for as long as a record of the other side may still join them. */
export function joinStreams(
  left: Untyped,
  right: Untyped,
  joiner: Join,
  windows: JoinWindows,
  joined: StreamJoined<never, never, never> | undefined,
  outer: { readonly left: boolean; readonly right: boolean },
): StreamParts {
  const { graph } = left.parts
  graph.refuseStranger(right.parts.graph)
  const base = joined?.options.name ?? null
  const left0 = left.repartitionedFor(base === null ? null : `${base}-left`, joined?.key ?? null, joined?.value ?? null)
  const right0 = right.repartitionedFor(base === null ? null : `${base}-right`, joined?.key ?? null, joined?.other ?? null)
  const named = (suffix: string, prefix: string) => graph.nameOr(base && `${base}${suffix}`, prefix)
  const thisWindowed = named('-this-windowed', 'KSTREAM-WINDOWED-')
  const otherWindowed = named('-other-windowed', 'KSTREAM-WINDOWED-')
  const thisGenerated = graph.newName(outer.right ? 'KSTREAM-OUTERTHIS-' : 'KSTREAM-JOINTHIS-')
  const otherGenerated = graph.newName(outer.left ? 'KSTREAM-OUTEROTHER-' : 'KSTREAM-JOINOTHER-')
  const thisSuffix = outer.right ? '-outer-this-join' : '-this-join'
  const otherSuffix = outer.left ? '-outer-other-join' : '-other-join'
  const thisJoin = base === null ? thisGenerated : `${base}${thisSuffix}`
  const otherJoin = base === null ? otherGenerated : `${base}${otherSuffix}`
  const merge = named('-merge', 'KSTREAM-MERGE-')

  const { storeName, thisStore, otherStore, logging } = joined?.options ?? {}
  const key = joined?.key ?? left0.key
  refuseStores(windows, thisStore, otherStore)
  const store = (name: string, value: AnySerde | null, supplier: StoreSupplier<'window'> | undefined): KeptStore => ({
    name,
    kind: 'window',
    key: serdeOr(key, 'key', name),
    value: serdeOr(value, 'value', name),
    persistent: supplier?.persistent ?? true,
    logging: logging ?? true,
    retentionMs: windows.sizeMs + windows.graceMs,
    windowSizeMs: windows.sizeMs,
    retainDuplicates: true,
  })
  const stores = {
    left: store(
      thisStore?.name ?? (storeName === undefined ? `${thisGenerated}-store` : `${storeName}${thisSuffix}-store`),
      joined?.value ?? left0.value,
      thisStore,
    ),
    right: store(
      otherStore?.name ?? (storeName === undefined ? `${otherGenerated}-store` : `${storeName}${otherSuffix}-store`),
      joined?.other ?? right0.value,
      otherStore,
    ),
  }
  const outerStore: KeptStore | null = outer.left
    ? {
        name: outerStoreName(thisStore?.name ?? storeName, thisGenerated, outer.right),
        kind: 'keyValue',
        key: outerKeySerde(stores.left.key),
        value: outerValuesSerde(stores.left.value, stores.right.value),
        persistent: thisStore?.persistent ?? true,
        logging: logging ?? true,
        retentionMs: null,
      }
    : null
  const shared = {}
  const side = (isLeft: boolean): StreamsOperator => ({
    op: 'stream-stream-join',
    isLeft,
    beforeMs: isLeft ? windows.beforeMs : windows.afterMs,
    afterMs: isLeft ? windows.afterMs : windows.beforeMs,
    windowBeforeMs: windows.beforeMs,
    windowAfterMs: windows.afterMs,
    graceMs: windows.graceMs,
    outer: isLeft ? outer.left : outer.right,
    otherStore: isLeft ? stores.right.name : stores.left.name,
    outerStore: outerStore?.name ?? null,
    shared,
    join: (recordKey, own, other) => defined(isLeft ? joiner(own, other, recordKey) : joiner(other, own, recordKey), 'join'),
  })
  const itself: StreamsOperator = {
    op: 'stream-self-join',
    store: stores.left.name,
    beforeMs: windows.beforeMs,
    afterMs: windows.afterMs,
    retentionMs: windows.sizeMs + windows.graceMs,
    join: (recordKey, own, other) => defined(joiner(own, other, recordKey), 'join'),
  }
  const shares = outerStore === null ? [] : [outerStore]
  graph.add({
    output: merge,
    inputs: [left0.output, right0.output],
    relaxesNullKeys: outer.left || outer.right,
    isStreamJoin: true,
    copartitioned: [left0.output, right0.output],
    write(topology, { joinsItself }) {
      if (joinsItself) {
        topology.addOperator(thisWindowed, { op: 'join-window', store: stores.left.name }, [left0.output], { stores: [stores.left] })
        topology.addOperator(merge, itself, [thisWindowed], { stores: [stores.left] })
        return
      }
      topology.addOperator(thisWindowed, { op: 'join-window', store: stores.left.name }, [left0.output], { stores: [stores.left] })
      topology.addOperator(otherWindowed, { op: 'join-window', store: stores.right.name }, [right0.output], { stores: [stores.right] })
      topology.addOperator(thisJoin, side(true), [thisWindowed], { stores: [stores.right, ...shares] })
      topology.addOperator(otherJoin, side(false), [otherWindowed], { stores: [stores.left, ...shares] })
      topology.addOperator(merge, passThrough, [thisJoin, otherJoin])
    },
  })
  return { graph, output: merge, key, value: null, mustRepartition: false }
}

function outerStoreName(storeName: string | undefined, generated: string, both: boolean): string {
  const shared = both ? '-outer-shared-join' : '-left-shared-join'
  if (storeName !== undefined) return `${storeName}${shared}-store`
  return `${generated.replace(/^KSTREAM-[A-Z]+-/, 'KSTREAM-OUTERSHARED-')}-store`
}

/** Refuses a user's store that keeps no duplicates, has another window size, or keeps rows for too short a time. */
function refuseStores({ sizeMs, graceMs }: JoinWindows, ...stores: readonly (StoreSupplier<'window'> | undefined)[]): void {
  for (const store of stores) {
    if (store === undefined) continue
    const refuse = (message: string, next: string) => new WaggleError('WAGGLE_INVALID_WINDOW', { message, next })
    if (store.windowSizeMs !== sizeMs || store.retentionMs !== sizeMs + graceMs) {
      throw refuse(
        `The store ${store.name} keeps windows of ${store.windowSizeMs} ms for ${store.retentionMs} ms, and its join has ${sizeMs} ms and needs ${sizeMs + graceMs} ms`,
        'Give the store the join’s before and after together as its window, and the grace beside them as its retention.',
      )
    }
    if (!store.retainDuplicates) {
      throw refuse(`The store ${store.name} keeps no duplicates, and a join needs all records of a time`, 'Set retainDuplicates.')
    }
  }
  const [one, other] = stores
  if (one === undefined || other === undefined || one.name !== other.name) return
  throw new WaggleError('WAGGLE_STORE_EXISTS', {
    message: `Both stores of a join are named ${one.name}`,
    next: 'Give one of the two stores another name.',
  })
}
