import assert from 'node:assert/strict'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import { gatewayTopic } from '../../topology/topic-names.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { quickOptions } from '../support/kafka-log.ts'
import { eventually } from '../support/swarm-here.ts'
import { SwarmProcesses } from '../support/swarm-processes.ts'

const bees = `  - {name: work, type: module, timeout_seconds: 120, input: {name: entrance}, spec: {file: ./functions.mjs, bee: work}}
  - {name: answer, type: respond, input: {name: work}}`
/** The first request waits for the file `go`. The bee writes the file `begun` when this request has reached it. */
const functions = `import { existsSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
const file = (name) => new URL(name, import.meta.url)
export const work = async (input) => {
  writeFileSync(file('./begun'), '')
  while (!existsSync(file('./go'))) await setTimeout(10)
  return input
}
`

describeWithKafka('Turns at a gateway on a cluster', {}, (cluster) => {
  it('let one request of another caller into the log before the many of a greedy one, and none whose deadline passes in the line', {
    timeout: 240_000,
  }, async () => {
    const swarm = new SwarmProcesses({
      bees,
      functions,
      brokers: cluster().brokers,
      env: {
        WAGGLE_PARTITIONS: '1',
        WAGGLE_REQUESTS_AT_WORK: '1',
        WAGGLE_TOKENS: 'greedy=greedy-0123456789:ask:*; modest=modest-0123456789:ask:*',
      },
    })
    const log = await openKafkaLog({ ...quickOptions(cluster()), processing: 'at_least_once' })
    try {
      const program = await swarm.start('one')
      const ask = (caller: string, body: unknown, headers: { readonly [name: string]: string } = {}) =>
        swarm.ask(program, body, { authorization: `Bearer ${caller}-0123456789`, 'x-timeout-seconds': '120', ...headers })
      const written = async () => {
        const topic = gatewayTopic(swarm.gateway)
        const end = (await log.topic(topic))?.offsets[0]?.end ?? 0
        const values: string[] = []
        for await (const { records } of log.read({ topic, partition: 0, from: 0, to: end }))
          for (const { value } of records) values.push(value instanceof Uint8Array ? Buffer.from(value).toString() : '')
        return values
      }
      const greedy = Array.from({ length: 12 }, (_, number) => ask('greedy', number))
      await eventually(async () => existsSync(join(swarm.directory, 'begun')))
      const modest = ask('modest', 'modest')
      const late = await ask('greedy', 'late', { 'x-timeout-seconds': '0.2' })
      assert.deepEqual([late.status, ((await late.json()) as { readonly code: string }).code], [504, 'WAGGLE_DEADLINE'])
      // All the others have come, and wait outside of the log.
      assert.equal((await written()).length, 1)
      writeFileSync(join(swarm.directory, 'go'), '')
      const answers = await Promise.all([...greedy, modest])
      assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
      const order = await written()
      assert.equal(order.length, 13)
      // The request that runs, and at most one request of the greedy caller.
      assert.ok(order.indexOf('"modest"') >= 1 && order.indexOf('"modest"') <= 2, order.join(' '))
      assert.ok(!order.includes('"late"'))
    } finally {
      writeFileSync(join(swarm.directory, 'go'), '')
      await log.close()
      await swarm.waggle('one', ['reset', swarm.file, '--force', '--gateways'])
      await swarm.close()
    }
  })
})
