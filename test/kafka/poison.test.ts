import assert from 'node:assert/strict'
import { after, before, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import type { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import type { Log } from '../../processor/ports.ts'
import { readWhole } from '../support/followed-topic.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { quickOptions } from '../support/kafka-log.ts'
import { gatewayPoison, internalPoison, Poisoner, poisonOf } from '../support/poison.ts'
import { SwarmProcesses, threeFunctions } from '../support/swarm-processes.ts'

/** The bees of `threeFunctions` without the database. */
const bees = threeFunctions.bees.split('\n').slice(0, -1).join('\n')
const partitions = 4

describeWithKafka('A poisonous record on a swarm’s topics', {}, (cluster) => {
  let log: Log
  let swarm: SwarmProcesses
  let program: MeasuredProgram

  before(async () => {
    log = await openKafkaLog({ ...quickOptions(cluster()), processing: 'at_least_once' })
    swarm = new SwarmProcesses({ ...threeFunctions, bees, brokers: cluster().brokers, env: { WAGGLE_PARTITIONS: String(partitions) } })
    program = await swarm.start('one')
  })
  after(async () => {
    assert.deepEqual(await program.stop(), 0)
    await swarm.waggle('one', ['reset', swarm.file, '--force', '--gateways'])
    await swarm.close()
    await log.close()
  })

  /** Sends a request every 20 ms. Returns the status and the time of each answer. */
  async function asked(count: number, from: number): Promise<readonly { readonly status: number; readonly ms: number }[]> {
    const answers: Promise<{ status: number; ms: number }>[] = []
    for (let number = from; number < from + count; number++) {
      const start = performance.now()
      answers.push(
        swarm.ask(program, { number }).then(async (response) => {
          await response.arrayBuffer()
          return { status: response.status, ms: performance.now() - start }
        }),
      )
      await pause(20)
    }
    return Promise.all(answers)
  }

  it('delays no request on any topic, and becomes a dead letter', { timeout: 120_000 }, async () => {
    await asked(50, 0)
    const calm = await asked(100, 50)
    const own = `waggle.${swarm.swarm}`
    const poisoner = new Poisoner(log, [
      ...[`${own}-accepted-repartition`, `${own}.prepare`, `${own}.a`, `${own}.b`, `${own}.c`].map((topic) => ({
        topic,
        partitions,
        kinds: internalPoison,
      })),
      { topic: `waggle.gateway.${swarm.gateway}`, partitions, kinds: gatewayPoison },
    ])
    const beside = asked(200, 150)
    for (let round = 0; round < 30; round++) {
      await poisoner.send()
      await pause(100)
    }
    const answers = [...(await beside), ...(await asked(20, 350))]
    assert.deepEqual(
      answers.filter(({ status }) => status !== 200),
      [],
    )
    const slowest = (ones: readonly { readonly ms: number }[]) => Math.max(...ones.map(({ ms }) => ms))
    assert.ok(slowest(answers) < slowest(calm) + 2000, `${slowest(answers)} ms, and ${slowest(calm)} ms without poison`)
    assert.ok(poisoner.acknowledged >= 150, `${poisoner.acknowledged}`)
    const letters = new Set<string>()
    const look = () =>
      readWhole(log, `${own}.dead-letters`, (record) => {
        const poison = poisonOf(record)
        assert.ok(poison !== null, 'a dead letter of no poison')
        letters.add(poison)
      })
    for (let attempt = 0; attempt < 50 && poisoner.missingIn(letters).length > 0; attempt++) {
      await look()
      await pause(100)
    }
    assert.deepEqual(poisoner.missingIn(letters), [])
    await poisoner.close()
  })
})
