import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { after, before, describe, it } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type Admin, Kafka, logLevel, type Producer } from 'kafkajs'
import { openKafkaLog } from '../../connectors/log/kafka/kafka-log.ts'
import type { MeasuredProgram } from '../../ops/bench/measured-program.ts'
import type { Log } from '../../processor/ports.ts'
import { describeWithKafka } from '../support/kafka-cluster.ts'
import { quickOptions } from '../support/kafka-log.ts'
import { SwarmProcesses } from '../support/swarm-processes.ts'

describeWithKafka('A reply topic that is deleted while it is in use', {}, (cluster) => {
  for (const processing of ['at_least_once', 'exactly_once']) {
    describe(processing, () => {
      const replies = `replies-${randomUUID()}`
      let swarm: SwarmProcesses
      let admin: Admin
      let producer: Producer
      let program: MeasuredProgram
      let log: Log

      before(async () => {
        const kafka = new Kafka({ clientId: 'outsider', brokers: [...cluster().brokers], logLevel: logLevel.NOTHING })
        admin = kafka.admin()
        await admin.connect()
        producer = kafka.producer({ allowAutoTopicCreation: false })
        await producer.connect()
        await admin.createTopics({ topics: [{ topic: replies, numPartitions: 1 }], waitForLeaders: false })
        log = await openKafkaLog({ ...quickOptions(cluster()), processing: 'at_least_once' })
        swarm = new SwarmProcesses({
          bees: `  - {name: work, type: module, input: {name: entrance}, spec: {file: ./functions.mjs, bee: work}}
  - {name: answer, type: respond, input: {name: work}}`,
          functions: 'export const work = ({ number }) => ({ number })\n',
          brokers: cluster().brokers,
          env: { WAGGLE_PROCESSING: processing, WAGGLE_REPLY_TOPICS: 'replies-*' },
        })
        program = await swarm.start('one')
      })
      after(async () => {
        assert.equal(await program.stop(), 0)
        assert.equal((await swarm.waggle('one', ['reset', swarm.file, '--force', '--gateways'])).status, 0)
        await swarm.close()
        await log.close()
        await producer.disconnect()
        await admin.disconnect()
      })

      const send = (id: string) => {
        const headers = { 'content-type': 'application/json', 'waggle-request-id': id, 'waggle-reply-topic': replies }
        return producer.send({ topic: `waggle.gateway.${swarm.gateway}`, messages: [{ value: '{"number":1}', headers }] })
      }
      const lengthOf = async (topic: string) => (await admin.fetchTopicOffsets(topic)).reduce((sum, { high }) => sum + Number(high), 0)
      /**
       * The committed dead letters of a request. An earlier request may have dead letters too: at least once, an answer may be sent before its
       * commit, and then sent again.
       */
      const letters = async (id: string) => {
        const topic = `waggle.${swarm.swarm}.dead-letters`
        let count = 0
        for (const [partition, { end }] of ((await log.topic(topic))?.offsets ?? []).entries()) {
          for await (const { records } of log.read({ topic, partition, from: 0, to: end })) {
            count += records.filter(({ key }) => Buffer.from(key ?? []).toString() === id).length
          }
        }
        return count
      }
      /** Checks the dead letters of a request. At least once, the records of a failed commit are sent again. */
      const expectLetters = async (id: string) => {
        await until(async () => (await letters(id)) > 0)
        const count = await letters(id)
        assert.ok(processing === 'exactly_once' ? count === 1 : count > 0, `${count} dead letters`)
      }
      const until = async (happened: () => Promise<boolean>) => {
        for (let attempt = 0; attempt < 600 && !(await happened()); attempt++) await pause(50)
      }
      const stateOf = async (id: string) =>
        ((await (await fetch(`${program.ready.gateway}/v1/requests/${id}`)).json()) as { readonly state?: string }).state

      it('turns its answers into dead letters with the reason, and no other answer is lost', async () => {
        await send(randomUUID())
        await until(async () => (await lengthOf(replies)) > 0)
        await admin.deleteTopics({ topics: [replies] })
        const lost = randomUUID()
        await send(lost)
        await expectLetters(lost)
        assert.equal((await swarm.ask(program, { number: 2 })).status, 200)
        assert.equal(await stateOf(lost), 'answered')
        assert.match(program.lastWords, new RegExp(`There is no partition 0 of ${replies} any more`))
        const tailed = await swarm.waggle('one', ['topics', 'tail', `waggle.${swarm.swarm}.dead-letters`, '--from-beginning', '--max', '1', '--json'])
        assert.match(tailed.out + tailed.err, /WAGGLE_(REPLY_TOPIC_MISSING|MISSING_TOPIC)/)
        // The process has now noticed that the topic is gone.
        const next = randomUUID()
        await send(next)
        await expectLetters(next)
      })

      it('gets answers again after it is created again', async () => {
        await admin.createTopics({ topics: [{ topic: replies, numPartitions: 1 }], waitForLeaders: true })
        await until(async () => {
          await send(randomUUID())
          await pause(500)
          return (await lengthOf(replies)) > 0
        })
        assert.ok((await lengthOf(replies)) > 0)
        await admin.deleteTopics({ topics: [replies] })
      })
    })
  }
})
