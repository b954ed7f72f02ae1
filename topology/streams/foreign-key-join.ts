import type { StreamPartitioner } from '../produced.ts'
import { Serdes } from '../serdes.ts'
import type { KeptStore } from '../state-store.ts'
import { WaggleError } from '../waggle-error.ts'
import { defined } from './defined.ts'
import type { TableJoined } from './join-options.ts'
import type { TableParts } from './ktable.ts'
import { Materialization } from './materialization.ts'
import type { Materialized } from './materialized.ts'
import { subscriptionResponseSerde, subscriptionSerde } from './subscription-serdes.ts'
import { storesOf } from './table-view.ts'
import { serdeOr } from './unset-serde.ts'

export interface ForeignKeyJoin {
  readonly left: TableParts
  readonly right: TableParts
  readonly foreignKey: (value: unknown, key: unknown) => unknown
  readonly joiner: (left: unknown, right: unknown, key: unknown) => unknown
  readonly materialized: unknown
  readonly joined: TableJoined<never, never> | undefined
  readonly keepsLeft: boolean
}

/** The rows that a foreign-key join gives. The rows leave the node `source`, and become the table `name`, stored as `kept` says. */
interface JoinedRows {
  readonly name: string
  readonly source: string
  readonly kept: Materialization
}

const prefix = 'KTABLE-FK-JOIN-'

/** Adds the nodes of a foreign-key join. `operators/foreign-key.ts` describes the records that pass between the partitions of left and right rows. */
export function joinOnForeignKey({ left, right, foreignKey, joiner, materialized, joined, keepsLeft }: ForeignKeyJoin): JoinedRows {
  const { graph } = left
  graph.refuseStranger(right.graph)
  right.sendOldValues(true)
  left.sendOldValues(true)
  const name = (suffix: string, generated: string) => graph.nameOr(joined?.name && `${joined.name}-${suffix}`, generated)
  const topic = `${name('subscription-registration', `${prefix}SUBSCRIPTION-REGISTRATION-`)}-topic`
  const send = name('subscription-registration-processor', `${prefix}SUBSCRIPTION-REGISTRATION-`)
  const sendSink = name('subscription-registration-sink', 'KTABLE-SINK-')
  const receiveSource = name('subscription-registration-source', 'KTABLE-SOURCE-')
  const store = name('subscription-store', `${prefix}SUBSCRIPTION-STATE-STORE-`)
  const receive = name('subscription-receive', `${prefix}SUBSCRIPTION-PROCESSOR-`)
  const join = name('subscription-join-foreign', `${prefix}SUBSCRIPTION-PROCESSOR-`)
  const foreignJoin = name('foreign-join-subscription', `${prefix}SUBSCRIPTION-PROCESSOR-`)
  const answerTopic = `${name('subscription-response', `${prefix}SUBSCRIPTION-RESPONSE-`)}-topic`
  const answerSink = name('subscription-response-sink', 'KTABLE-SINK-')
  const answerSource = name('subscription-response-source', 'KTABLE-SOURCE-')
  const resolve = name('subscription-response-resolver', `${prefix}SUBSCRIPTION-RESPONSE-RESOLVER-PROCESSOR-`)
  const result = name('result', `${prefix}OUTPUT-`)

  const keys = { primary: serdeOr(left.key, 'key', topic), foreign: serdeOr(right.key, 'key', topic) }
  const values = { left: serdeOr(left.value, 'value', topic), right: serdeOr(right.value, 'value', answerTopic) }
  const subscriptions = subscriptionSerde(keys.primary)
  const answers = subscriptionResponseSerde(values.right)
  const [leftView, rightView] = [left.view(), right.view()]
  const kept: KeptStore = {
    name: store,
    kind: 'keyValue',
    key: Serdes.bytes(),
    value: subscriptions,
    persistent: true,
    logging: true,
    retentionMs: null,
  }
  graph.add({
    output: answerSource,
    inputs: [left.output, right.output],
    ownTopic: { name: answerTopic, partitions: null },
    write(topology) {
      topology.addInternalTopic(topic, null).addInternalTopic(answerTopic, null)
      topology.addOperator(
        send,
        {
          op: 'foreign-key-send',
          foreignKey: (value, key) => defined(foreignKey(value, key), 'join'),
          left: keepsLeft,
          versioned: left.isVersioned,
          topic,
          serdes: { foreignKey: keys.foreign, value: values.left },
        },
        [left.output],
      )
      const sent = { key: keys.foreign, value: subscriptions, partitioner: onePartition(joined?.other ?? null) }
      topology.addSinkWith(sendSink, topic, [send], sent)
      topology.addSourceWith(receiveSource, [topic], sent)
      topology.addOperator(
        receive,
        { op: 'subscription-receive', store, topic, serdes: { foreignKey: keys.foreign, primaryKey: keys.primary } },
        [receiveSource],
        { stores: [kept] },
      )
      topology.addOperator(join, { op: 'subscription-join', foreignTable: rightView }, [receive], { stores: storesOf(rightView) })
      topology.addOperator(
        foreignJoin,
        { op: 'foreign-table-join', store, versioned: right.isVersioned, topic, serdes: { foreignKey: keys.foreign } },
        [right.output],
        {
          stores: [store],
        },
      )
      const answered = { key: keys.primary, value: answers, partitioner: onePartition(joined?.partitioner ?? null) ?? backToWhoAsked }
      topology.addSinkWith(answerSink, answerTopic, [join, foreignJoin], answered)
      topology.addSourceWith(answerSource, [answerTopic], answered)
    },
  })
  graph.add({
    output: resolve,
    inputs: [answerSource],
    write: (topology) =>
      topology.addOperator(
        resolve,
        {
          op: 'subscription-resolve',
          table: leftView,
          join: (key, value, foreignValue) => defined(joiner(value, foreignValue, key), 'join'),
          left: keepsLeft,
          topic,
          serdes: { value: values.left },
        },
        [answerSource],
        { stores: storesOf(leftView) },
      ),
  })
  const given = materialized as Materialized<unknown, unknown, 'keyValue'> | undefined
  const table = Materialization.of(given, graph, prefix.concat('OUTPUT-')).or({ key: left.key, value: null })
  return { name: result, source: resolve, kept: table }
}

const backToWhoAsked: StreamPartitioner<never, never> = (_topic, _key, value) =>
  (value as unknown as { readonly primaryPartition: number }).primaryPartition

/**
 * Makes the partitioner throw if it returns several partitions. If a subscription or a response were copied to several partitions, each copy would
 * give a result of its own.
 */
function onePartition(partitioner: StreamPartitioner<never, never> | null): StreamPartitioner<never, never> | null {
  if (partitioner === null) return null
  return (topic, key, _value, partitions) => {
    const chosen = partitioner(topic, key, null, partitions)
    if (chosen === null || typeof chosen === 'number') return chosen
    const [only] = chosen
    if (chosen.length === 1 && only !== undefined) return only
    throw new WaggleError('WAGGLE_INVALID_PARTITION', {
      message: `A partitioner of a foreign-key join gave ${chosen.length} partitions for ${topic}`,
      next: 'Return exactly one partition, or null for the default.',
    })
  }
}
