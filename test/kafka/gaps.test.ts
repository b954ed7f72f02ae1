import assert from 'node:assert/strict'
import { it } from 'node:test'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import type { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import { applicationIdOf, internalTopic } from '../../topology/topic-names.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { quickOptions } from '../support/kafka-log.ts'
import { eventually } from '../support/swarm-here.ts'
import { SwarmProcesses } from '../support/swarm-processes.ts'

const bees = `  - {name: chat, type: module, input: {name: entrance}, spec: {file: ./functions.mjs, bee: chat}}
  - {name: answer, type: respond, input: {name: chat}}`
const functions = `export async function* chat({ parts }) {
  for (let at = 0; at < parts; at++) yield \`part \${at}\`
}
`

describeWithKafka('Parts that a cluster has deleted', {}, (cluster) => {
  it('are a gap in the events of a caller who comes back at any process, and the answer follows', { timeout: 240_000 }, async () => {
    const swarm = new SwarmProcesses({ bees, functions, brokers: cluster().brokers, env: { WAGGLE_PARTITIONS: '1' } })
    const log = await openKafkaLog({ ...quickOptions(cluster()), processing: 'at_least_once' })
    try {
      const [one, two] = [await swarm.start('one'), await swarm.start('two')]
      const { request_id: id } = (await (await swarm.ask(one, { parts: 5 }, {}, 'submit')).json()) as { readonly request_id: string }
      const whole = await eventsOf(one, id)
      assert.deepEqual(
        whole.filter(({ name }) => name === 'part').map(({ data }) => [data.number, data.part]),
        [0, 1, 2, 3, 4].map((number) => [number, `part ${number}`]),
      )
      assert.ok(!whole.some(({ name }) => name === 'gap'), JSON.stringify(whole))
      const second = whole.filter(({ name }) => name === 'part')[1]?.id ?? ''
      const topic = internalTopic(applicationIdOf(swarm.swarm), 'parts')
      const end = (await log.topic(topic))?.offsets[0]?.end ?? 0
      assert.ok(end >= 5, `${end} records`)
      await log.deleteBefore?.([{ topic, partition: 0, offset: end }])
      await eventually(async () => (await log.topic(topic))?.offsets[0]?.start === end)
      for (const program of [one, two]) {
        const rest = await eventsOf(program, id, second)
        assert.deepEqual(
          rest.filter(({ name }) => name === 'part' || name === 'gap' || name === 'answer').map(({ name }) => name),
          ['gap', 'answer'],
        )
        const gap = rest.find(({ name }) => name === 'gap')
        assert.deepEqual([gap?.id, gap?.data.request_id], [second, id])
        assert.match(String(gap?.data.detail), /^The log no longer has all parts of this request/)
        assert.equal(rest.at(-1)?.data.answer, 'part 0part 1part 2part 3part 4')
      }
      // A caller who has every part misses nothing.
      const last = whole.filter(({ name }) => name === 'part').at(-1)?.id ?? ''
      assert.ok((await eventsOf(two, id, last)).some(({ name }) => name === 'answer'))
    } finally {
      await log.close()
      await swarm.waggle('one', ['reset', swarm.file, '--force', '--gateways'])
      await swarm.close()
    }
  })
})

interface Told {
  readonly name: string
  readonly id: string
  readonly data: { readonly [field: string]: unknown }
}

/** The events of a request until the stream ends. */
async function eventsOf(program: MeasuredProgram, id: string, lastEventId: string | null = null): Promise<readonly Told[]> {
  const headers = lastEventId === null ? {} : { 'last-event-id': lastEventId }
  const response = await fetch(`${program.ready.gateway}/v1/requests/${id}/events`, { headers })
  assert.equal(response.status, 200)
  return (await response.text())
    .split('\n\n')
    .filter((event) => event.startsWith('event: '))
    .map((event) => {
      const field = (name: string) => new RegExp(`^${name}: (.*)$`, 'm').exec(event)?.[1] ?? ''
      return { name: field('event'), id: field('id'), data: JSON.parse(field('data')) as Told['data'] }
    })
}
