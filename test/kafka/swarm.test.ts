import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type Admin, Kafka, logLevel } from 'kafkajs'
import { KafkaAdmin } from '../../connectors/log/kafka/kafka-admin.ts'
import type { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import { partitionForKey } from '../../topology/partitioner.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { quickOptions } from '../support/kafka-log.ts'
import { SwarmProcesses, threeFunctions } from '../support/swarm-processes.ts'
import { startWritableClickHouse, type WritableClickHouse } from '../support/writable-clickhouse.ts'

describeWithKafka('A swarm on a Kafka cluster', {}, (cluster) => {
  for (const processing of ['at_least_once', 'exactly_once']) {
    describe(processing, () => {
      const directory = mkdtempSync(join(tmpdir(), 'waggle-swarm-'))
      const replies = `replies-${randomUUID()}`
      let clickhouse: WritableClickHouse
      let swarm: SwarmProcesses
      let kafka: Kafka
      let admin: Admin
      let one: MeasuredProgram
      let two: MeasuredProgram

      before(async () => {
        kafka = new Kafka({ clientId: 'outsider', brokers: [...cluster().brokers], logLevel: logLevel.NOTHING })
        admin = kafka.admin()
        await admin.connect()
        await admin.createTopics({ topics: [{ topic: replies, numPartitions: 2 }], waitForLeaders: false })
        clickhouse = await startWritableClickHouse(directory)
        swarm = new SwarmProcesses({
          ...threeFunctions,
          brokers: cluster().brokers,
          env: { CLICKHOUSE_URL: clickhouse.url, WAGGLE_PROCESSING: processing, WAGGLE_REPLY_TOPICS: 'replies-*', WAGGLE_ANSWER_PARTITIONS: '64' },
        })
        one = await swarm.start('one')
        two = await swarm.start('two')
      })

      after(async () => {
        assert.deepEqual([await one.stop(), await two.stop()], [0, 0])
        assert.equal((await swarm.waggle('one', ['reset', swarm.file, '--force', '--gateways'])).status, 0)
        await swarm.close()
        await admin.disconnect()
        const deleting = new KafkaAdmin(quickOptions(cluster()))
        await deleting.delete({ topics: [replies], groups: [] })
        await deleting.close()
        await clickhouse.close()
        rmSync(directory, { recursive: true, force: true })
      })

      async function rowsOf(id: string): Promise<readonly string[]> {
        const sql = `SELECT bee FROM predictions WHERE request_id = '${id}' ORDER BY bee FORMAT TabSeparated`
        return (await (await fetch(`${clickhouse.url}/?query=${encodeURIComponent(sql)}`)).text()).split('\n').filter((bee) => bee !== '')
      }

      it('answers, and saves each prediction once', async () => {
        const response = await swarm.ask(one, { number: 3 })
        assert.equal(response.status, 200)
        const { label, models } = (await response.json()) as { label: string; models: object }
        assert.deepEqual([label, Object.keys(models).sort()], ['odd', ['a', 'b', 'c']])
        const id = response.headers.get('x-request-id') ?? ''
        for (let attempt = 0; attempt < 300 && (await rowsOf(id)).length < 3; attempt++) await pause(100)
        assert.deepEqual(await rowsOf(id), ['a', 'b', 'c'])
        const { steps } = (await (await fetch(`${two.ready.gateway}/v1/requests/${id}/trace`)).json()) as {
          readonly steps: readonly { readonly bee: string }[]
        }
        assert.deepEqual(
          steps
            .map(({ bee }) => bee)
            .filter((bee) => ['a', 'b', 'c'].includes(bee))
            .sort(),
          ['a', 'b', 'c'],
        )
      })

      it('delivers to each of two processes its own answers', async () => {
        const asked = await Promise.all(
          Array.from({ length: 40 }, async (_, number) => {
            const response = await swarm.ask(number % 4 < 2 ? one : two, { number })
            return { number, status: response.status, label: ((await response.json()) as { label: string }).label }
          }),
        )
        for (const { number, status, label } of asked) assert.deepEqual([status, label], [200, number % 2 ? 'odd' : 'even'])
        const ends = await admin.fetchTopicOffsets(`waggle.${swarm.swarm}-answers`)
        assert.ok(ends.filter(({ high }) => Number(high) > 0).length <= 2)
      })

      it('knows in either process the state of a request that the other process accepted, and repeats the answer for the same key', async () => {
        const key = { 'idempotency-key': randomUUID() }
        const first = await swarm.ask(one, { number: 5 }, key)
        const answer = (await first.json()) as object
        const id = first.headers.get('x-request-id') ?? ''
        const again = await swarm.ask(two, { number: 5 }, key)
        assert.equal(again.headers.get('x-request-id'), id)
        assert.deepEqual(await again.json(), answer)
        assert.equal((await swarm.ask(two, { number: 6 }, key)).status, 422)
        assert.equal((await swarm.ask(two, { number: 6 }, key, 'submit')).status, 422)
        for (const { ready } of [one, two]) {
          assert.deepEqual(await (await fetch(`${ready.gateway}/v1/requests/${id}`)).json(), {
            request_id: id,
            state: 'answered',
            answer,
            problem: null,
          })
          assert.equal((await fetch(`${ready.gateway}/v1/requests/${randomUUID()}`)).status, 404)
        }
        const submitted = (await (await swarm.ask(one, { number: 7 }, {}, 'submit')).json()) as { request_id: string }
        const found = (await (await fetch(`${two.ready.gateway}/v1/requests/${submitted.request_id}`)).json()) as { state: string }
        assert.ok(found.state === 'pending' || found.state === 'answered', found.state)
      })

      it('accepts records of any producer, and answers on the topic and with the correlation that the record names', async () => {
        const producer = kafka.producer({ allowAutoTopicCreation: false })
        await producer.connect()
        const consumer = kafka.consumer({ groupId: `replies-${randomUUID()}` })
        await consumer.connect()
        await consumer.subscribe({ topic: replies, fromBeginning: true })
        const got: {
          readonly partition: number
          readonly key: string
          readonly headers: { readonly [key: string]: string }
          readonly value: string
        }[] = []
        await consumer.run({
          eachMessage: async ({ partition, message: { key, value, headers = {} } }) => {
            const texts = Object.entries(headers).map(([name, text]) => [name, Buffer.from((text ?? '') as string).toString('latin1')])
            got.push({ partition, key: String(key), value: String(value), headers: Object.fromEntries(texts) })
          },
        })
        const message = (headers: { readonly [name: string]: string | Buffer }) => ({
          value: JSON.stringify({ number: 8 }),
          headers: { 'content-type': 'application/json', ...headers },
        })
        const id = randomUUID()
        await producer.send({
          topic: `waggle.gateway.${swarm.gateway}`,
          messages: [
            message({ 'waggle-request-id': id, 'waggle-reply-topic': replies }),
            message({ kafka_replyTopic: replies, kafka_replyPartition: Buffer.from([0, 0, 0, 1]), kafka_correlationId: Buffer.from([1, 2, 250]) }),
            message({ 'waggle-reply-topic': 'elsewhere' }),
          ],
        })
        for (let attempt = 0; attempt < 300 && got.length < 2; attempt++) await pause(100)
        await consumer.disconnect()
        await producer.disconnect()
        const own = got.find(({ key }) => key === id)
        assert.equal(own?.partition, partitionForKey(Buffer.from(id), 2))
        assert.deepEqual(
          [own?.headers['waggle-status'], own?.headers['waggle-request-id'], own?.headers['content-type']],
          ['200', id, 'application/json'],
        )
        assert.equal((JSON.parse(own?.value ?? '') as { label: string }).label, 'even')
        const springs = got.find(({ headers }) => headers.kafka_correlationId !== undefined)
        assert.deepEqual([springs?.partition, springs?.headers.kafka_correlationId], [1, Buffer.from([1, 2, 250]).toString('latin1')])
        assert.equal(got.length, 2)
        const letters = await admin.fetchTopicOffsets(`waggle.${swarm.swarm}.dead-letters`)
        assert.ok(letters.some(({ high }) => Number(high) > 0))
      })
    })
  }
})
