import assert from 'node:assert/strict'
import { it } from 'node:test'
import { TopologyTestDriver } from '../../../processor/simulation/topology-test-driver.ts'
import { RequestLedgerProcessor } from '../../../processor/swarm/request-ledger.ts'
import { Consumed } from '../../../topology/consumed.ts'
import { Topology } from '../../../topology/graph.ts'
import { Produced } from '../../../topology/produced.ts'
import { Serdes } from '../../../topology/serdes.ts'
import { Stores } from '../../../topology/streams/stores.ts'
import { requestEntrySerde } from '../../../topology/swarm/payload/entry-serdes.ts'
import type { Payload } from '../../../topology/swarm/payload/payload.ts'
import { payloadHeaders, payloadSerde } from '../../../topology/swarm/payload/payload-serde.ts'
import type { Reply, ReplyTo } from '../../../topology/swarm/request/reply.ts'
import { noReplyTopics } from '../../../topology/swarm/request/reply-topics.ts'
import type { RequestEntry } from '../../../topology/swarm/request/requests.ts'

const text = Serdes.string()

/** A ledger whose replies are texts `TOPIC ANSWER`. */
function ledger(): Topology {
  const supplier = () =>
    new RequestLedgerProcessor({
      store: 'ledger',
      dueStore: 'ledger-due',
      retentionMs: 60_000,
      waitsFor: [],
      ways: new Map([['door', 1]]),
      bee: 'answer',
      outcomeChildren: [],
      acceptedTopic: 'accepted',
      replyChild: 'replies',
      replyTopics: noReplyTopics,
    })
  const replies = () => {
    let forward = (_: { key: string; value: string; timestamp: number }) => {}
    return {
      init(context: { forward(record: { key: string; value: string; timestamp: number }): void }) {
        forward = (record) => context.forward(record)
      },
      process: ({ key, value: { to, payload }, timestamp }: { key: string; value: Reply; timestamp: number }) =>
        forward({ key, value: `${to.topic} ${payload.kind === 'json' ? JSON.stringify(payload.json) : payload.kind}`, timestamp }),
    }
  }
  return new Topology()
    .addSource('results', 'results', Consumed.with(text, payloadSerde))
    .addProcessor('ledger', supplier, ['results'])
    .addProcessor('replies', replies, ['ledger'])
    .addSink('told', 'told', ['replies'], Produced.with(text, text))
    .addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore('ledger'), text, requestEntrySerde), ['ledger'])
    .addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore('ledger-due'), text, text), ['ledger'])
}

it('A ledger that cannot send one of the replies to a request sends all others, and fails the record', async () => {
  const failures: string[] = []
  await using driver = new TopologyTestDriver(ledger(), {
    processingHandler: ({ code }) => {
      failures.push(code)
      return 'resume'
    },
  })
  const place = (topic: string, correlation: unknown = null) => ({ topic, partition: 0, correlation }) as ReplyTo
  const open = { state: 'pending', gateway: 'door', acceptedAt: 0, settledAt: null, deadline: null, bodyHash: '', answer: null } as const
  driver
    .getKeyValueStore<string, RequestEntry>('ledger')
    .put('one', { ...open, replies: [place('first'), place('damaged', { no: 'text' }), place('last')] })
  const answer: Payload = { kind: 'json', json: 7 }
  const told = driver.createOutputTopic('told', text, text)
  await driver.createInputTopic('results', text, payloadSerde).pipeInput({ key: 'one', value: answer, headers: [...payloadHeaders(answer)] })
  assert.deepEqual(told.readValuesToList(), ['first 7', 'last 7'])
  assert.deepEqual(failures, ['WAGGLE_PROCESSING_FAILED'])
})
