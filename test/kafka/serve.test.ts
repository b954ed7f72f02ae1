import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import { systemClock } from '../../connectors/system/system-clock.ts'
import { SystemRandom } from '../../connectors/system/system-random.ts'
import { definitionsTopic } from '../../topology/topic-names.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { ServerProcesses } from '../support/server-processes.ts'

/** Two bees in a row, each of which returns its version. So an answer shows if the bees of a request had two versions. */
const chain = (name: string, version: string) => `name: ${name}
bees:
  - {name: entrance, type: gateway-input, spec: {name: ${name}}}
  - {name: first, type: module, input: {name: entrance}, spec: {file: ./${version}.mjs, bee: first}}
  - {name: second, type: module, input: {name: first}, spec: {file: ./${version}.mjs, bee: second}}
  - {name: answer, type: respond, input: {name: second}}
`
const steps = (version: string) => `
const later = (value) => new Promise((settle) => setTimeout(settle, 5, value))
export const first = ({ number }) => later({ number, first: '${version}' })
export const second = (input) => later({ ...input, second: '${version}' })
`

interface Versions {
  readonly number: number
  readonly first: string
  readonly second: string
}

describeWithKafka('Two servers on one cluster', { own: true }, (cluster) => {
  for (const processing of ['at_least_once', 'exactly_once']) {
    describe(processing, () => {
      let servers: ServerProcesses
      before(async () => {
        servers = new ServerProcesses({ brokers: cluster().brokers, env: { WAGGLE_PROCESSING: processing } })
        for (const version of ['one', 'two']) servers.write(`${version}.mjs`, steps(version))
        await Promise.all([servers.start('a'), servers.start('b')])
      })
      after(() => servers.close())
      const name = (swarm: string) => `${swarm}-${processing.split('_', 1)[0]}`
      const put = (server: string, swarm: string, version: string) => servers.call(server, 'PUT', `/v1/swarms/${swarm}`, chain(swarm, version))
      const answerOf = async (server: string, swarm: string) => (await servers.ask(server, swarm, { number: 1 })).json()

      it('run a swarm that was created at either server, and answer at both', async () => {
        const swarm = name('made')
        const created = await servers.call('a', 'POST', '/v1/swarms', chain(swarm, 'one'))
        assert.equal(created.status, 201, JSON.stringify(created.body))
        await servers.until('b', swarm, ({ body }) => body?.state === 'running')
        for (const server of ['a', 'b']) assert.deepEqual(await answerOf(server, swarm), { number: 1, first: 'one', second: 'one' })
        const again = await servers.call('b', 'POST', '/v1/swarms', chain(swarm, 'two'))
        assert.deepEqual([again.status, again.body?.code], [409, 'WAGGLE_SWARM_EXISTS'])
      })

      it('follow updates, rollbacks, pauses and removals of each other', async () => {
        const swarm = name('made')
        assert.deepEqual((await put('b', swarm, 'two')).body?.version, 2)
        for (const server of ['a', 'b']) {
          await servers.until(server, swarm, ({ body }) => body?.version === 2 && body.state === 'running')
          assert.deepEqual(await answerOf(server, swarm), { number: 1, first: 'two', second: 'two' })
        }
        assert.equal((await servers.call('a', 'POST', `/v1/swarms/${swarm}/rollback`)).body?.version, 3)
        for (const server of ['b', 'a']) {
          await servers.until(server, swarm, ({ body }) => body?.version === 3 && body.state === 'running')
          assert.deepEqual(await answerOf(server, swarm), { number: 1, first: 'one', second: 'one' })
        }
        assert.equal((await servers.call('b', 'POST', `/v1/swarms/${swarm}/pause`)).status, 200)
        await servers.until('a', swarm, ({ body }) => body?.state === 'paused')
        for (const server of ['a', 'b']) assert.equal((await servers.ask(server, swarm, { number: 1 })).status, 503)
        assert.equal((await servers.call('a', 'POST', `/v1/swarms/${swarm}/resume`)).status, 200)
        await servers.until('b', swarm, ({ body }) => body?.state === 'running')
        for (const server of ['a', 'b']) assert.equal((await servers.ask(server, swarm, { number: 1 })).status, 200)
        assert.equal((await servers.call('b', 'DELETE', `/v1/swarms/${swarm}`)).status, 204)
        await servers.until('a', swarm, ({ status }) => status === 404)
        assert.equal((await servers.ask('a', swarm, { number: 1 })).status, 404)
      })

      it('run the same text after two concurrent updates, one of which is refused', async () => {
        const swarm = name('raced')
        await put('a', swarm, 'one')
        await servers.until('b', swarm, ({ body }) => body?.state === 'running')
        for (let round = 0; round < 3; round++) {
          const texts = ['a', 'b'].map((server) => `${chain(swarm, round % 2 === 0 ? 'two' : 'one')}# ${round} by ${server}\n`)
          const both = await Promise.all(['a', 'b'].map((server, at) => servers.call(server, 'PUT', `/v1/swarms/${swarm}`, texts[at])))
          assert.deepEqual(both.map(({ status }) => status).sort(), [200, 409], JSON.stringify(both))
          assert.equal(both.find(({ status }) => status === 409)?.body?.code, 'WAGGLE_SWARM_BUSY')
          const won = texts[both.findIndex(({ status }) => status === 200)]
          for (const server of ['a', 'b']) {
            const { body } = await servers.until(server, swarm, (answer) => answer.body?.version === round + 2 && answer.body.state === 'running')
            assert.equal(body?.definition, won)
          }
        }
      })

      it('answer each request during an update under load, by bees of one version', { timeout: 300_000 }, async (test) => {
        const swarm = name('busy')
        await put('a', swarm, 'one')
        await servers.until('b', swarm, ({ body }) => body?.state === 'running')
        const answers: Versions[] = []
        const failures: string[] = []
        let isOver = false
        let worstMs = 0
        const caller = async (from: number) => {
          for (let number = from; !isOver; number += 8) {
            const sentAt = performance.now()
            const response = await servers.ask(number % 2 === 0 ? 'a' : 'b', swarm, { number })
            const text = await response.text()
            worstMs = Math.max(worstMs, performance.now() - sentAt)
            if (response.status !== 200) failures.push(`${number}: ${response.status} ${text}`)
            else answers.push(JSON.parse(text) as Versions)
          }
        }
        const callers = Array.from({ length: 8 }, (_, from) => caller(from))
        const upTo = async (count: number) => {
          while (answers.length + failures.length < count) await pause(20)
        }
        await upTo(40)
        for (const [server, version] of [
          ['a', 'two'],
          ['b', 'one'],
        ] as const) {
          const updated = await put(server, swarm, version)
          assert.equal(updated.status, 200, JSON.stringify(updated.body))
          await upTo(answers.length + failures.length + 40)
        }
        isOver = true
        await Promise.all(callers)
        test.diagnostic(`${answers.length} requests, the slowest took ${Math.round(worstMs)} ms`)
        assert.deepEqual(failures, [])
        assert.deepEqual(new Set(answers.map(({ first, second }) => `${first} ${second}`)), new Set(['one one', 'two two']))
      })

      it('go on with the older version if one server cannot run the newer version, and report the reason', async () => {
        const swarm = name('picky')
        await put('a', swarm, 'one')
        await servers.until('b', swarm, ({ body }) => body?.state === 'running')
        // A file that throws in the second server, and not in the first.
        servers.write('picky.mjs', `if (process.env.WAGGLE_DATA_DIR.endsWith('data-b')) throw new Error('not here')\n${steps('picky')}`)
        const refused = await put('a', swarm, 'picky')
        assert.equal(refused.body?.code, 'WAGGLE_SWARM_NOT_STARTED', JSON.stringify(refused.body))
        assert.match(refused.body?.detail ?? '', /not here/)
        for (const server of ['a', 'b']) {
          await servers.until(server, swarm, ({ body }) => body?.version === 1 && body.state === 'running')
          assert.deepEqual(await answerOf(server, swarm), { number: 1, first: 'one', second: 'one' })
        }
      })

      it('skip unreadable records in the topic of definitions, and count and log them', async () => {
        const skipped = async (server: string) =>
          Number(/^waggle_definitions_skipped_records_total (\d+)$/m.exec(await servers.metrics(server))?.[1] ?? -1)
        const before = { a: await skipped('a'), b: await skipped('b') }
        const log = await openKafkaLog({
          brokers: cluster().brokers,
          clientId: 'rubbish',
          processing: 'at_least_once',
          clock: systemClock,
          random: new SystemRandom(),
        })
        const producer = await log.producer()
        const rubbish: readonly (readonly [string, string])[] = [
          ['Not A Name', '{}'],
          [name('raced'), 'no JSON'],
          [`${name('raced')}@1`, '[]'],
          [`${name('raced')}!0123456789abcdef`, '{"phase":"never"}'],
        ]
        for (const [key, value] of rubbish) {
          const [keyBytes, bytes] = [Buffer.from(key), Buffer.from(value)]
          await producer.send({ topic: definitionsTopic, partition: 0, key: keyBytes, value: bytes, headers: [], timestamp: 1 })
        }
        await producer.close()
        await log.close()
        for (const server of ['a', 'b'] as const) {
          while ((await skipped(server)) < before[server] + rubbish.length) await pause(20)
          while (!/A record of the swarms’ definitions is skipped/.test(servers.lastWords(server))) await pause(20)
        }
        const swarm = name('sound')
        assert.equal((await put('b', swarm, 'two')).status, 201)
        await servers.until('a', swarm, ({ body }) => body?.state === 'running')
        assert.deepEqual(await answerOf('a', swarm), { number: 1, first: 'two', second: 'two' })
      })

      it('go on when one server is killed, and that server runs the newest versions when it is back', async () => {
        const swarm = name('busy')
        await servers.kill('b')
        assert.equal((await servers.ask('a', swarm, { number: 1 }, { 'x-timeout-seconds': '60' })).status, 200)
        const updated = await put('a', swarm, 'two')
        assert.equal(updated.status, 200, JSON.stringify(updated.body))
        await servers.start('b')
        await servers.until('b', swarm, ({ body }) => body?.state === 'running')
        for (const server of ['a', 'b']) assert.deepEqual(await answerOf(server, swarm), { number: 1, first: 'two', second: 'two' })
      })

      it('go on with the older version when the server that leads an update is killed', async () => {
        const swarm = name('busy')
        const before = (await servers.call('b', 'GET', `/v1/swarms/${swarm}`)).body?.version ?? 0
        const updating = put('a', swarm, 'one').catch(() => null)
        await servers.until('b', swarm, ({ body }) => body?.state === 'updating' || body?.version !== before)
        await servers.kill('a')
        await updating
        const { body } = await servers.until('b', swarm, (answer) => answer.body?.state === 'running')
        // The leader may have finished the update before it died.
        const expected = body?.version === before ? 'two' : 'one'
        const answer = await servers.ask('b', swarm, { number: 1 }, { 'x-timeout-seconds': '60' })
        assert.deepEqual(await answer.json(), { number: 1, first: expected, second: expected })
        const next = expected === 'one' ? 'two' : 'one'
        await servers.start('a')
        await servers.until('a', swarm, (one) => one.body?.state === 'running')
        const updated = await put('b', swarm, next)
        assert.deepEqual([updated.status, updated.body?.version], [200, (body?.version ?? 0) + 1], JSON.stringify(updated.body))
        for (const server of ['a', 'b']) {
          await servers.until(server, swarm, (one) => one.body?.state === 'running' && one.body.version === updated.body?.version)
          assert.deepEqual(await answerOf(server, swarm), { number: 1, first: next, second: next })
        }
      })
    })
  }

  it('change a swarm together if they are static members of its groups, which do not leave by themselves', { timeout: 120_000 }, async () => {
    const servers = new ServerProcesses({ brokers: cluster().brokers })
    try {
      for (const version of ['one', 'two']) servers.write(`${version}.mjs`, steps(version))
      await Promise.all(['a', 'b'].map((name) => servers.start(name, { WAGGLE_INSTANCE: name })))
      assert.equal((await servers.call('a', 'POST', '/v1/swarms', chain('static', 'one'))).status, 201)
      await servers.until('b', 'static', ({ body }) => body?.state === 'running')
      const updated = await servers.call('b', 'PUT', '/v1/swarms/static', chain('static', 'two'))
      assert.equal(updated.status, 200, JSON.stringify(updated.body))
      for (const name of ['a', 'b']) {
        await servers.until(name, 'static', ({ body }) => body?.version === 2 && body.state === 'running')
        assert.deepEqual(await (await servers.ask(name, 'static', { number: 1 })).json(), { number: 1, first: 'two', second: 'two' })
      }
    } finally {
      await servers.close()
    }
  })
})
