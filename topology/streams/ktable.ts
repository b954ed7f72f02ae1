import type { Consumed } from '../consumed.ts'
import type { StreamsOperator } from '../operators/streams-operators.ts'
import type { KeyValue } from '../record.ts'
import type { AnySerde } from '../serde.ts'
import type { KeptStore } from '../state-store.ts'
import { WaggleError } from '../waggle-error.ts'
import { defined } from './defined.ts'
import { joinOnForeignKey } from './foreign-key-join.ts'
import { GroupedTable, type KGroupedTable } from './grouped-table.ts'
import type { TableJoined } from './join-options.ts'
import { type KStream, Stream } from './kstream.ts'
import { Materialization } from './materialization.ts'
import type { Materialized } from './materialized.ts'
import type { Grouped, Named } from './options.ts'
import type { Joiner, Kept, Predicate, Some } from './shared-types.ts'
import type { StreamsGraph } from './streams-graph.ts'
import { suppressedHeaders, suppressedSerde } from './suppress-serdes.ts'
import type { Suppressed } from './suppressed.ts'
import { storesOf, type TableView } from './table-view.ts'
import { serdeOr } from './unset-serde.ts'

type ForeignKey<K, V, K2> = (value: V, key: K) => K2 | null

/** The latest value of each key. A null value means that the key is absent, both in records and in results of functions. */
export interface KTable<K, V> {
  readonly queryableStoreName: string | null
  /**
   * Keeps the rows for which the predicate returns true. When a new value of a row no longer satisfies the predicate, the row is deleted from the
   * result. Key and partition stay.
   *
   * @example
   * ```ts
   * customers.filter((_, customer) => customer.country === 'CH').toStream().to('swiss-customers', Produced.with(text, customerSerde))
   * ```
   *
   * @remarks By default no row of the result is stored: a row is computed from this table when it is looked up. Give a `Materialized` with a name to
   * store the result, with a changelog of its own.
   */
  filter<W extends V>(predicate: (key: K, value: V) => value is W, materialized?: Kept<K, W>, named?: Named): KTable<K, W>
  filter(predicate: Predicate<K, V>, materialized?: Kept<K, V>, named?: Named): KTable<K, V>
  /**
   * Deletes the rows for which the predicate returns true, and keeps the others. Key and partition stay.
   *
   * @example
   * ```ts
   * customers.filterNot((_, customer) => customer.name === 'test', Materialized.as('real-customers', { keySerde: text, valueSerde: customerSerde }))
   * ```
   */
  filterNot(predicate: Predicate<K, V>, materialized?: Kept<K, V>, named?: Named): KTable<K, V>
  /**
   * Makes a new value for each row. Key and partition stay. A null result deletes the row.
   *
   * @example
   * ```ts
   * customers.mapValues((customer) => customer.country, Materialized.as('country-of', { keySerde: text, valueSerde: text }))
   * ```
   *
   * @remarks Without a `Materialized` nothing is stored. The mapper runs again whenever the row is looked up, so it must always return the same
   * value.
   */
  mapValues<W>(mapper: (value: V, key: K) => W | null, materialized?: Kept<K, W>, named?: Named): KTable<K, W>
  /**
   * Turns the table's updates into a stream. Each update is one record; for a deleted row the value is null. Key and partition stay.
   *
   * @example
   * ```ts
   * customers.toStream().to('customer-updates', Produced.with(text, customerSerde))
   * ```
   *
   * @remarks If `cacheMaxBytes` is above 0, updates of a key between two commits are one record. Use `suppress` to choose which updates are
   * forwarded.
   */
  toStream(named?: Named): KStream<K, V | null>
  /**
   * Holds updates back, and then forwards the newest update of each key. Updates are held until a window closes, so that the window has one result,
   * or for a time, so that a key has fewer updates.
   *
   * @example
   * ```ts
   * clicks
   *   .groupByKey(Grouped.with(text, text))
   *   .windowedBy(TimeWindows.ofSizeAndGrace(60_000, 10_000))
   *   .count(Materialized.as('clicks-a-minute', { keySerde: text }))
   *   .suppress(Suppressed.untilWindowCloses(BufferConfig.unbounded(), Named.as('closed-minutes')))
   *   .toStream()
   *   .selectKey(({ key }) => key)
   *   .to('minutes', Produced.with(text, Serdes.long()))
   * ```
   *
   * @remarks Time is stream time: a later record closes a window, and the clock does not. Updates wait in a store with a changelog. A versioned table
   * cannot be suppressed.
   */
  suppress(suppressed: Suppressed<K>): KTable<K, V>
  /**
   * Groups rows by a new key, for an aggregation. Each update goes through a repartition topic, `<applicationId>-<name>-repartition`, with its old
   * and its new value.
   *
   * @example
   * ```ts
   * customers
   *   .groupBy((_, customer) => [customer.country, customer], Grouped.with(text, customerSerde, { name: 'by-country' }))
   *   .count(Materialized.as('customers-by-country', { keySerde: text }))
   * ```
   *
   * @remarks The table is stored, so that the old value of a row can be removed from its old group. A row is left out if its new key or value is
   * null, or if the selector returns null.
   */
  groupBy<K2, V2>(selector: (key: K, value: V) => KeyValue<K2, V2>, grouped?: Grouped<Some<K2>, Some<V2>>): KGroupedTable<Some<K2>, Some<V2>>
  /**
   * Joins rows of the same key, or joins by a foreign key (KIP-213): the value of each row names the key of a row of the other table. An update on
   * either side updates the result. The result has this table's key and partition.
   *
   * @example
   * ```ts
   * customers.join(countriesByCustomer, (customer, country) => `${customer.name}, ${country}`).toStream().to('addresses', Produced.with(text, text))
   *
   * customers
   *   .join(
   *     countryNames,
   *     (customer) => customer.country,
   *     (customer, country) => `${customer.name} lives in ${country}`,
   *     Materialized.as('where-customers-live', { keySerde: text, valueSerde: text }),
   *   )
   * ```
   *
   * @remarks In a join by the same key, both topics must have the same number of partitions. In a join by a foreign key the numbers may differ,
   * because two internal topics carry the rows between partitions. If the result or the foreign key is null, the result has no row.
   */
  join<V2, W>(other: KTable<K, V2>, joiner: Joiner<K, V, V2, W | null>, materialized?: Kept<K, W>, named?: Named): KTable<K, W>
  /** Joins by a foreign key in this table's values (KIP-213). `joined` names the steps and chooses partitions. */
  join<K2, V2, W>(
    other: KTable<K2, V2>,
    foreignKey: ForeignKey<K, V, K2>,
    joiner: Joiner<K, V, V2, W | null>,
    materialized?: Kept<K, W>,
    joined?: TableJoined<K, K2>,
  ): KTable<K, W>
  /**
   * Joins as `join` does, and keeps rows of this table that have no match, with null for the other side.
   *
   * @example
   * ```ts
   * customers
   *   .leftJoin(countriesByCustomer, (customer, country) => `${customer.name}, ${country ?? 'unknown'}`)
   *   .toStream()
   *   .to('addresses', Produced.with(text, text))
   * ```
   *
   * @remarks If the row of the other side comes later, the first result has no match. Use `suppress` if that matters.
   */
  leftJoin<V2, W>(other: KTable<K, V2>, joiner: Joiner<K, V, V2 | null, W | null>, materialized?: Kept<K, W>, named?: Named): KTable<K, W>
  leftJoin<K2, V2, W>(
    other: KTable<K2, V2>,
    foreignKey: ForeignKey<K, V, K2>,
    joiner: Joiner<K, V, V2 | null, W | null>,
    materialized?: Kept<K, W>,
    joined?: TableJoined<K, K2>,
  ): KTable<K, W>
  /**
   * Joins rows of the same key. Rows of both tables that have no match are kept, with null for the missing side. Key and partition stay.
   *
   * @example
   * ```ts
   * customers
   *   .outerJoin(countriesByCustomer, (customer, country) => `${customer?.name ?? 'nobody'}, ${country ?? 'unknown'}`)
   *   .toStream()
   *   .to('addresses', Produced.with(text, text))
   * ```
   *
   * @remarks The topics of both tables must have the same number of partitions. There is no outer join by a foreign key.
   */
  outerJoin<V2, W>(other: KTable<K, V2>, joiner: Joiner<K, V | null, V2 | null, W | null>, materialized?: Kept<K, W>, named?: Named): KTable<K, W>
}

export interface TableParts {
  readonly graph: StreamsGraph
  readonly output: string
  readonly key: AnySerde | null
  readonly value: AnySerde | null
  readonly queryableStoreName: string | null
  /** Returns the view by which other steps look up rows of this table. The first call may materialise the table. */
  view(): TableView
  /** Adds old values to the table's updates. Without `force`, returns false if old values would need a store that no other step needs. */
  sendOldValues(force: boolean): boolean
  /**
   * True if the table's updates say whether they are outdated (KIP-914). This is so for a table with a versioned store. It is also so for a table
   * that is made row by row from such a table.
   */
  readonly isVersioned: boolean
  /** The time after a window's end in which the window may still change, in ms. Undefined if the table has no windows. */
  readonly graceMs?: number
}

export class Table<K, V> implements KTable<K, V> {
  readonly parts: TableParts

  constructor(parts: TableParts) {
    this.parts = parts
  }

  /** Makes the table for `builder.table`: the topic's records are the table's updates. */
  static fromTopic<K, V>(graph: StreamsGraph, topic: string, consumed: Consumed<unknown, unknown>, materialized: unknown): Table<K, V> {
    const kept = Materialization.of(materialized, graph, `${topic}-`).or(consumed)
    const named = consumed.options.name
    const source = graph.nameOr(named && `${named}-source`, 'KSTREAM-SOURCE-')
    const name = graph.nameOr(named, 'KTABLE-SOURCE-')
    graph.add({ output: source, inputs: [], write: (topology) => topology.addSource(source, topic, consumed) })
    return Table.fromStream(graph, name, source, kept, { topic })
  }

  static fromStream<K, V>(
    graph: StreamsGraph,
    name: string,
    source: string,
    kept: Materialization,
    { topic }: { readonly topic: string | null } = { topic: null },
  ): Table<K, V> {
    const keptIn = { store: kept.queryableName }
    const oldValues = { sent: false }
    const keep = () => {
      keptIn.store = kept.store
    }
    graph.add({
      output: name,
      inputs: [source],
      write(topology, { reusesSources }) {
        const stores =
          keptIn.store === null ? [] : [topic !== null && reusesSources ? { ...kept.tableStore(), sourceTopic: topic } : kept.tableStore()]
        topology.addOperator(name, { op: 'table-source', kept: keptIn, oldValues }, [source], { stores })
      },
    })
    return new Table({
      graph,
      output: name,
      key: kept.key,
      value: kept.value,
      queryableStoreName: kept.queryableName,
      isVersioned: kept.isVersioned,
      view() {
        keep()
        return kept.view
      },
      sendOldValues(force) {
        if (!force && keptIn.store === null) return false
        keep()
        oldValues.sent = true
        return true
      },
    })
  }

  get queryableStoreName(): string | null {
    return this.parts.queryableStoreName
  }

  view(): TableView {
    return this.parts.view()
  }

  filter(predicate: Predicate<K, V>, materialized?: unknown, named?: Named): never {
    return this.#filtered(predicate, materialized, named) as never
  }

  filterNot(predicate: Predicate<K, V>, materialized?: unknown, named?: Named): KTable<K, V> {
    return this.#filtered((key, value) => !predicate(key, value), materialized, named)
  }

  mapValues<W>(mapper: (value: V, key: K) => W | null, materialized?: unknown, named?: Named): KTable<K, W> {
    return this.#mapped('KTABLE-MAPVALUES-', (key, value) => defined(mapper(value as V, key as K), 'mapValues'), false, materialized, named, null)
  }

  toStream(named?: Named): KStream<K, V | null> {
    const { graph, output, key, value } = this.parts
    const name = graph.nameOr(named?.name, 'KTABLE-TOSTREAM-')
    const operator: StreamsOperator = {
      op: 'each',
      each: (record, forward) => forward({ ...record, value: (record.value as { newValue: unknown }).newValue }),
    }
    graph.add({ output: name, inputs: [output], write: (topology) => topology.addOperator(name, operator, [output]) })
    return new Stream({ graph, output: name, key, value, mustRepartition: false })
  }

  suppress(suppressed: Suppressed<K>): KTable<K, V> {
    const { graph, output } = this.parts
    if (this.parts.isVersioned) {
      throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', {
        message: 'A versioned table cannot be suppressed: its updates come out of order',
        next: 'Keep the table in a plain store, or suppress before it.',
      })
    }
    const name = suppressed.name ?? graph.newName('KTABLE-SUPPRESS-')
    const store = suppressed.name === null ? graph.newStoreName('KTABLE-SUPPRESS-') : `${suppressed.name}-store`
    const graceMs = this.parts.graceMs
    if (suppressed.timeLimitMs === null && graceMs === undefined) {
      throw new WaggleError('WAGGLE_INVALID_TOPOLOGY', {
        message: `${name} waits until windows close, and its table has no windows`,
        next: 'Call suppress right after a windowed aggregation, or use untilTimeLimit.',
      })
    }
    // The buffer compares the value before the held updates with the newest value, so the buffer needs old values.
    this.parts.sendOldValues(true)
    const { maxRecords, maxBytes, whenFull, timeLimitMs } = suppressed
    const serdes = { key: serdeOr(this.parts.key, 'key', store), value: serdeOr(this.parts.value, 'value', store) }
    const operator: StreamsOperator = { op: 'suppress', store, timeLimitMs, graceMs: graceMs ?? 0, maxRecords, maxBytes, whenFull, serdes }
    const keptRows: KeptStore = {
      name: store,
      kind: 'keyValue',
      key: serdes.key,
      value: suppressedSerde(serdes.value),
      changelogHeaders: suppressedHeaders,
      persistent: false,
      logging: true,
      retentionMs: null,
    }
    graph.add({ output: name, inputs: [output], write: (topology) => topology.addOperator(name, operator, [output], { stores: [keptRows] }) })
    return new Table({
      ...this.parts,
      output: name,
      queryableStoreName: null,
      isVersioned: false,
      view: () => ({ kind: 'suppressed', store, table: this.view() }),
    })
  }

  groupBy<K2, V2>(selector: (key: K, value: V) => KeyValue<K2, V2>, grouped?: Grouped<Some<K2>, Some<V2>>): KGroupedTable<Some<K2>, Some<V2>> {
    const { graph, output } = this.parts
    const name = graph.nameOr(grouped?.name, 'KTABLE-SELECT-')
    this.parts.sendOldValues(true)
    const operator: StreamsOperator = {
      op: 'table-regroup',
      versioned: this.parts.isVersioned,
      map(key, value) {
        const pair = defined(selector(key as K, value as V), 'groupBy')
        return pair === null ? null : [defined(pair[0], 'groupBy'), defined(pair[1], 'groupBy')]
      },
    }
    graph.add({ output: name, inputs: [output], write: (topology) => topology.addOperator(name, operator, [output]) })
    return new GroupedTable(graph, name, { key: grouped?.key ?? null, value: grouped?.value ?? null }, grouped?.name ?? null)
  }

  join(other: unknown, second: unknown, third?: unknown, fourth?: unknown, fifth?: unknown): never {
    if (typeof third === 'function') return this.#joinedByForeignKey(other, second, third, fourth, fifth, false)
    return this.#joined(other, second, third, fourth as Named | undefined, { left: false, right: false })
  }

  leftJoin(other: unknown, second: unknown, third?: unknown, fourth?: unknown, fifth?: unknown): never {
    if (typeof third === 'function') return this.#joinedByForeignKey(other, second, third, fourth, fifth, true)
    return this.#joined(other, second, third, fourth as Named | undefined, { left: true, right: false })
  }

  outerJoin(other: unknown, joiner: unknown, materialized?: unknown, named?: Named): never {
    return this.#joined(other, joiner, materialized, named, { left: true, right: true })
  }

  #joined(other: unknown, joiner: unknown, materialized: unknown, named: Named | undefined, keep: { left: boolean; right: boolean }): never {
    const { graph } = this.parts
    const right = other as Table<unknown, unknown>
    graph.refuseStranger(right.parts.graph)
    const kept = materialized === undefined ? null : Materialization.of(materialized, graph, 'KTABLE-MERGE-').or({ key: this.parts.key, value: null })
    const merge = graph.nameOr(named?.name, 'KTABLE-MERGE-')
    if (keep.left) this.parts.sendOldValues(true)
    if (keep.right) right.parts.sendOldValues(true)
    const thisName = graph.nameOr(named && `${named.name}-join-this`, 'KTABLE-JOINTHIS-')
    const otherName = graph.nameOr(named && `${named.name}-join-other`, 'KTABLE-JOINOTHER-')
    const apply = joiner as (left: unknown, right: unknown, key: unknown) => unknown
    const join = (key: unknown, left: unknown, rightValue: unknown) => defined(apply(left, rightValue, key), 'join')
    const [leftView, rightView] = [this.view(), right.view()]
    const sides = { sent: false }
    const oldValues = { sent: false }
    const keptIn = { store: kept?.store ?? null }
    const thisSide: StreamsOperator = {
      op: 'table-join',
      other: rightView,
      keepsThis: keep.left,
      keepsOther: keep.right,
      versioned: this.parts.isVersioned,
      join,
      oldValues: sides,
    }
    const otherSide: StreamsOperator = {
      op: 'table-join',
      other: leftView,
      keepsThis: keep.right,
      keepsOther: keep.left,
      versioned: right.parts.isVersioned,
      join: (key, value, left) => join(key, left, value),
      oldValues: sides,
    }
    const output = this.parts.output
    graph.add({
      output: merge,
      inputs: [output, right.parts.output],
      copartitioned: [output, right.parts.output],
      write(topology) {
        topology.addOperator(thisName, thisSide, [output], { stores: storesOf(rightView) })
        topology.addOperator(otherName, otherSide, [right.parts.output], { stores: storesOf(leftView) })
        const stores = kept === null ? [] : [kept.tableStore()]
        topology.addOperator(merge, { op: 'table-merge', kept: keptIn, oldValues }, [thisName, otherName], { stores })
      },
    })
    return new Table({
      graph,
      output: merge,
      key: kept?.key ?? this.parts.key,
      value: kept?.value ?? null,
      queryableStoreName: kept?.queryableName ?? null,
      isVersioned: kept?.isVersioned ?? false,
      view: () =>
        kept === null ? { kind: 'join', left: leftView, right: rightView, keepsLeft: keep.left, keepsRight: keep.right, join } : kept.view,
      sendOldValues: () => {
        this.parts.sendOldValues(true)
        right.parts.sendOldValues(true)
        sides.sent = true
        oldValues.sent = true
        return true
      },
    }) as never
  }

  #joinedByForeignKey(other: unknown, foreignKey: unknown, joiner: unknown, materialized: unknown, joined: unknown, keepsLeft: boolean): never {
    const { name, source, kept } = joinOnForeignKey({
      left: this.parts,
      right: (other as Table<unknown, unknown>).parts,
      foreignKey: foreignKey as (value: unknown, key: unknown) => unknown,
      joiner: joiner as (left: unknown, right: unknown, key: unknown) => unknown,
      materialized,
      joined: joined as TableJoined<never, never> | undefined,
      keepsLeft,
    })
    return Table.fromStream(this.parts.graph, name, source, kept) as never
  }

  #filtered(predicate: Predicate<K, V>, materialized: unknown, named: Named | undefined): KTable<K, V> {
    const compute = (key: unknown, value: unknown) => (predicate(key as K, value as V) ? value : null)
    return this.#mapped('KTABLE-FILTER-', compute, true, materialized, named, this.parts.value)
  }

  #mapped<W>(
    prefix: string,
    compute: (key: unknown, value: unknown) => unknown,
    skipsAbsent: boolean,
    materialized: unknown,
    named: Named | undefined,
    value: AnySerde | null,
  ): KTable<K, W> {
    const { graph, output } = this.parts
    const given = materialized as Materialized<unknown, unknown, 'keyValue'> | undefined
    if (given !== undefined && given.name === null) graph.newStoreName(prefix)
    const kept = given === undefined || given.name === null ? null : Materialization.of(given, graph, prefix).or({ key: this.parts.key, value })
    const name = graph.nameOr(named?.name, prefix)
    // A filter skips rows that were absent and stay absent. This needs old values, which are sent only if they need no further store.
    const oldValues = { sent: skipsAbsent && this.parts.sendOldValues(false) }
    const keptIn = { store: kept?.store ?? null }
    const versioned = this.parts.isVersioned
    const operator: StreamsOperator = { op: 'table-map', compute, skipsAbsent, versioned, kept: keptIn, oldValues }
    graph.add({
      output: name,
      inputs: [output],
      write: (topology) => topology.addOperator(name, operator, [output], { stores: kept === null ? [] : [kept.tableStore()] }),
    })
    const { graceMs } = this.parts
    return new Table({
      graph,
      output: name,
      key: given?.key ?? this.parts.key,
      value: given?.value ?? value,
      queryableStoreName: kept?.queryableName ?? null,
      isVersioned: given === undefined ? versioned : (kept?.isVersioned ?? false),
      view: () => (kept === null ? { kind: 'map', table: this.view(), compute } : kept.view),
      sendOldValues: (force) => {
        if (kept !== null || this.parts.sendOldValues(force)) oldValues.sent = true
        return oldValues.sent
      },
      ...(graceMs === undefined ? {} : { graceMs }),
    })
  }
}
