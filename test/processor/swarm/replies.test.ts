import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { CloudEvent, Kafka, type KafkaMessage } from 'cloudevents'
import type { Header } from '../../../topology/record.ts'
import { textHeader } from '../../../topology/record.ts'
import { Refused } from '../../../topology/waggle-error.ts'
import { type FunctionSwarm, type FunctionSwarmOptions, type Functions, newRequest, startSwarm } from '../../support/function-swarm.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'

const yaml = `
name: talk
bees:
  - {name: entrance, type: gateway-input, spec: {name: door}}
  - {name: greet, type: function, input: {name: entrance}}
  - {name: answer, type: respond, input: {name: greet}}
`

interface Told {
  readonly partition: number
  readonly key: string
  readonly value: string
  readonly headers: { readonly [key: string]: string }
}

class Scene {
  readonly world = new SimulatedWorld()
  readonly log = this.world.boot()
  swarm: FunctionSwarm | null = null

  static async open(options: FunctionSwarmOptions, functions: Functions = { greet: (input) => ({ hello: input }) }): Promise<Scene> {
    const scene = new Scene()
    await scene.log.createTopics([{ name: 'answers', partitions: 3, cleanup: 'delete', retentionMs: null }])
    scene.swarm = await startSwarm(scene.world, scene.log, yaml, functions, new Map(), options)
    return scene
  }

  /** Sends a record with a payload and headers, as any producer could. */
  async send(headers: { readonly [key: string]: string | Uint8Array }, value: unknown = 'you'): Promise<void> {
    const producer = await this.log.producer()
    const given: Header[] = [textHeader('content-type', 'application/json')]
    for (const [key, text] of Object.entries(headers)) given.push(typeof text === 'string' ? textHeader(key, text) : { key, value: text })
    let isSent = false
    const record = { topic: 'waggle.gateway.door', partition: 0, key: null, headers: given, timestamp: this.world.clock.now() }
    void producer.send({ ...record, value: Buffer.from(JSON.stringify(value)) }).then(() => {
      isSent = true
    })
    await this.world.clock.until(() => isSent)
  }

  told(topic: string): readonly Told[] {
    const partitions = this.world.disk.topics.get(topic)?.partitions ?? []
    return partitions.flatMap(({ records }, partition) =>
      records.map(({ key, value, headers }) => ({
        partition,
        key: Buffer.from(key ?? []).toString(),
        value: Buffer.from(value ?? []).toString(),
        headers: Object.fromEntries(headers.map((header) => [header.key, Buffer.from(header.value ?? []).toString('latin1')])),
      })),
    )
  }

  async end(): Promise<void> {
    assert.deepEqual(this.swarm?.failures, [])
    let isClosed = false
    void this.swarm?.close().then(() => {
      isClosed = true
    })
    await this.world.clock.until(() => isClosed)
  }
}

describe('A record that names a reply topic', () => {
  for (const mode of ['binary', 'structured'] as const)
    it(`gets an event in the ${mode} mode as its answer if it is a CloudEvent in this mode`, async () => {
      const scene = await Scene.open({ replyTopics: 'answers' })
      const asked = new CloudEvent({ source: '/shop', type: 'org.example.asked', datacontenttype: 'application/json', data: { order: 7 } })
      const { headers, value } = Kafka[mode](asked)
      const given = Object.fromEntries(
        Object.entries(headers as Record<string, unknown>).flatMap(([name, text]) => (typeof text === 'string' ? [[name, text]] : [])),
      )
      await scene.send(
        { ...given, 'waggle-request-id': 'one', 'waggle-reply-topic': 'answers' },
        typeof value === 'string' ? JSON.parse(value) : value,
      )
      await scene.world.clock.until(() => scene.told('answers').length > 0)
      const [reply] = scene.told('answers')
      const answer = Kafka.toEvent({ key: reply?.key ?? '', value: reply?.value ?? '', headers: reply?.headers ?? {} } as KafkaMessage)
      assert.ok(answer instanceof CloudEvent)
      assert.equal(reply?.headers['content-type'], mode === 'binary' ? 'application/json' : 'application/cloudevents+json')
      assert.deepEqual(answer.data, { hello: { order: 7 } })
      assert.deepEqual([answer.id, answer.type, answer.source, answer.causationid], ['one', 'waggle.answer', '/v1/gateways/door', asked.id])
      await scene.end()
    })

  for (const mode of ['binary', 'structured'] as const)
    for (const [what, answer] of [
      ['has an integer beyond 2^53', { at: 1e20 }],
      ['is nested deeper than an input may be', { deep: JSON.parse(`${'['.repeat(200)}${']'.repeat(200)}`) as unknown }],
    ] as const)
      it(`gets its answer in the ${mode} mode if the answer to its CloudEvent ${what}`, async () => {
        const scene = await Scene.open({ replyTopics: 'answers' }, { greet: () => answer })
        const event = { specversion: '1.0', id: '7', source: '/shop', type: 't' }
        const attributes = Object.fromEntries(Object.entries(event).map(([name, value]) => [`ce_${name}`, value]))
        const given = mode === 'binary' ? attributes : { 'content-type': 'application/cloudevents+json' }
        await scene.send({ ...given, 'waggle-request-id': 'one', 'waggle-reply-topic': 'answers' }, mode === 'binary' ? 1 : { ...event, data: 1 })
        await scene.world.clock.until(() => scene.told('answers').length > 0)
        const value = JSON.parse(scene.told('answers')[0]?.value ?? '') as { readonly data?: unknown }
        assert.deepEqual(mode === 'binary' ? value : value.data, answer)
        await scene.end()
      })

  it('gets a problem and no event if its CloudEvent fails', async () => {
    const greet = () => {
      throw new Refused('no')
    }
    const scene = await Scene.open({ replyTopics: 'answers' }, { greet })
    const event = { ce_specversion: '1.0', ce_id: '7', ce_source: '/shop', ce_type: 't' }
    await scene.send({ ...event, 'waggle-request-id': 'one', 'waggle-reply-topic': 'answers' })
    await scene.world.clock.until(() => scene.told('answers').length > 0)
    const [reply] = scene.told('answers')
    assert.equal(reply?.headers['content-type'], 'application/problem+json')
    assert.equal(reply?.headers.ce_id, undefined)
    await scene.end()
  })

  it('gets its answer on that topic, keyed by its request id, with headers that describe the answer', async () => {
    const scene = await Scene.open({ replyTopics: 'answers' })
    await scene.send({ 'waggle-request-id': 'one', 'waggle-reply-topic': 'answers' })
    await scene.world.clock.until(() => scene.told('answers').length > 0)
    const [reply] = scene.told('answers')
    assert.equal(reply?.key, 'one')
    assert.equal(reply?.value, '{"hello":"you"}')
    assert.deepEqual(reply?.headers, {
      'waggle-request-id': 'one',
      'waggle-request-state': 'answered',
      'waggle-status': '200',
      'content-type': 'application/json',
    })
    await scene.end()
  })

  it('gets the same id each time it is read if it has no request id', async () => {
    const scene = await Scene.open({ replyTopics: 'answers' })
    await scene.send({ 'waggle-reply-topic': 'answers' })
    await scene.world.clock.until(() => scene.told('answers').length > 0)
    // SHA-256 of "waggle.gateway.door\n0\n0", marked as a UUID of version 8.
    assert.equal(scene.told('answers')[0]?.key, 'd43caaf8-8b45-869b-8f5b-aae0da6620ae')
    await scene.end()
  })

  it('gets its correlation back byte by byte on the partition that it names, with the headers of Spring’s ReplyingKafkaTemplate', async () => {
    const scene = await Scene.open({ replyTopics: 'ans*' })
    const correlation = Uint8Array.of(0, 255, 7, 128)
    await scene.send({ kafka_replyTopic: 'answers', kafka_replyPartition: Uint8Array.of(0, 0, 0, 2), kafka_correlationId: correlation })
    await scene.world.clock.until(() => scene.told('answers').length > 0)
    const [reply] = scene.told('answers')
    assert.equal(reply?.partition, 2)
    assert.equal(reply?.headers.kafka_correlationId, Buffer.from(correlation).toString('latin1'))
    await scene.end()
  })

  it('gets the problem that HTTP would return if its request fails', async () => {
    const scene = await Scene.open(
      { replyTopics: 'answers' },
      {
        greet: () => {
          throw new Refused('Not you')
        },
      },
    )
    await scene.send({ 'waggle-request-id': 'two', 'waggle-reply-topic': 'answers' })
    await scene.world.clock.until(() => scene.told('answers').length > 0)
    const [reply] = scene.told('answers')
    assert.deepEqual([reply?.headers['waggle-status'], reply?.headers['content-type']], ['422', 'application/problem+json'])
    const { request_id, status, detail, bee, code } = JSON.parse(reply?.value ?? '') as { [key: string]: unknown }
    assert.deepEqual([request_id, status, detail, bee, code], ['two', 422, 'Not you', 'greet', 'WAGGLE_REFUSED'])
    await scene.end()
  })

  it('gets a 504 as its reply when its deadline passes', async () => {
    const scene = await Scene.open({ replyTopics: 'answers' }, { greet: () => new Promise(() => {}) })
    await scene.send({ 'waggle-reply-topic': 'answers', 'waggle-deadline': String(scene.world.clock.now() + 1000) })
    await scene.world.clock.until(() => scene.told('answers').length > 0)
    assert.equal(scene.told('answers')[0]?.headers['waggle-status'], '504')
    await scene.end()
  })

  for (const { what, headers, code } of [
    { what: 'the topic is not allowed', headers: { 'waggle-reply-topic': 'secrets' }, code: 'WAGGLE_REPLY_TOPIC_REFUSED' },
    { what: 'the topic does not exist', headers: { 'waggle-reply-topic': 'answers-of-nobody' }, code: 'WAGGLE_REPLY_TOPIC_MISSING' },
    {
      what: 'the partition does not exist',
      headers: { 'waggle-reply-topic': 'answers', 'waggle-reply-partition': '3' },
      code: 'WAGGLE_REPLY_PARTITION',
    },
    {
      what: 'the partition is not a number',
      headers: { 'waggle-reply-topic': 'answers', 'waggle-reply-partition': 'all' },
      code: 'WAGGLE_REPLY_PARTITION',
    },
  ]) {
    it(`gives a dead letter with the reason, and is still processed, if ${what}`, async () => {
      const scene = await Scene.open({ replyTopics: 'answers, answers-*' })
      await scene.send({ 'waggle-request-id': 'three', ...headers })
      await scene.world.clock.until(() => scene.told('waggle.talk.answer').length > 0)
      const [letter, ...more] = scene.told('waggle.talk.dead-letters')
      assert.deepEqual([letter?.key, letter?.headers['waggle-dead-letter-code'], more.length], ['three', code, 0])
      assert.equal(letter?.value, '"you"')
      assert.deepEqual(scene.told('answers'), [])
      await scene.end()
    })
  }

  it('gets its answer on a topic that is created a moment later', async () => {
    const scene = await Scene.open({ replyTopics: 'late' })
    await scene.send({ 'waggle-reply-topic': 'late' })
    await scene.world.clock.until(() => scene.told('waggle.talk.dead-letters').length > 0)
    await scene.log.createTopics([{ name: 'late', partitions: 1, cleanup: 'delete', retentionMs: null }])
    await scene.world.clock.advance(6000)
    await scene.send({ 'waggle-reply-topic': 'late' })
    await scene.world.clock.until(() => scene.told('late').length > 0)
    await scene.end()
  })

  it('gets the stored answer again if it is repeated, and no bee gets it', async () => {
    let calls = 0
    const scene = await Scene.open(
      { replyTopics: 'answers' },
      {
        greet: () => {
          calls++
          return calls
        },
      },
    )
    const again = { 'waggle-request-id': 'four', 'waggle-reply-topic': 'answers' }
    await scene.send(again)
    await scene.world.clock.until(() => scene.told('answers').length === 1)
    await scene.send(again)
    await scene.world.clock.until(() => scene.told('answers').length === 2)
    assert.deepEqual(
      scene.told('answers').map(({ value }) => value),
      ['1', '1'],
    )
    assert.equal(scene.told('waggle.talk.answer').length, 1)
    await scene.end()
  })
})

describe('Gateways in other processes', () => {
  const many: FunctionSwarmOptions = { answerPartitions: 64, otherGateways: 2 }

  async function settled<T>(scene: Scene, promises: readonly (Promise<T> | undefined)[]): Promise<readonly PromiseSettledResult<T>[]> {
    let results: readonly PromiseSettledResult<T>[] | null = null
    void Promise.allSettled(promises.flatMap((promise) => promise ?? [])).then((all) => {
      results = all
    })
    await scene.world.clock.until(() => results !== null)
    return results ?? []
  }

  it('get their own answers, each gateway on the one partition that it chose', async () => {
    const scene = await Scene.open(many)
    const gateways = [scene.swarm?.requests, ...(scene.swarm?.others ?? [])]
    const outcomes = await settled(
      scene,
      gateways.flatMap((gateway, at) => [1, 2, 3].map((number) => gateway?.request(newRequest(`${at}-${number}`)))),
    )
    assert.equal(outcomes.length, 9)
    for (const outcome of outcomes) assert.ok(outcome.status === 'fulfilled' && outcome.value.state === 'answered')
    const answers = scene.told('waggle.talk-answers').filter(({ headers }) => headers['waggle-clock'] === undefined)
    const asked = new Map(scene.told('waggle.gateway.door').map(({ key, headers }) => [key, Number(headers['waggle-reply-partition'])]))
    assert.deepEqual(new Map(answers.map(({ key, partition }) => [key, partition])), asked)
    const byGateway = Map.groupBy(asked, ([key]) => key[0])
    const chosen = [...byGateway.values()].map((requests) => new Set(requests.map(([, partition]) => partition)))
    assert.deepEqual(
      chosen.map(({ size }) => size),
      [1, 1, 1],
    )
    assert.ok(new Set(asked.values()).size > 1)
    await scene.end()
  })

  it('return the stored answer for a retry under the same key, whichever accepted the first request, and refuse another body', async () => {
    let calls = 0
    const scene = await Scene.open(many, { greet: () => ++calls })
    const [other, third] = scene.swarm?.others ?? []
    const [first] = await settled(scene, [scene.swarm?.requests.request(newRequest('same', { bodyHash: 'h' }))])
    const [again] = await settled(scene, [other?.request(newRequest('same', { bodyHash: 'h' }))])
    assert.deepEqual(again, first)
    assert.equal(scene.told('waggle.talk.answer').length, 1)
    const [otherBody] = await settled(scene, [third?.request(newRequest('same', { bodyHash: 'other' }))])
    assert.ok(otherBody?.status === 'fulfilled' && otherBody.value.answer.kind === 'error')
    assert.deepEqual([otherBody.value.answer.error.status, otherBody.value.answer.error.code], [422, 'WAGGLE_KEY_REUSED'])
    const submitted = await settled(scene, [
      third?.submit(newRequest('same', { bodyHash: 'other' })),
      other?.submit(newRequest('same', { bodyHash: 'h' })),
    ])
    assert.deepEqual(
      submitted.map((result) => (result.status === 'rejected' ? (result.reason as { code: string }).code : 'accepted')),
      ['WAGGLE_KEY_REUSED', 'accepted'],
    )
    await scene.end()
  })

  it('both get the answer if both sent the request at the same time', async () => {
    const scene = await Scene.open(many)
    const [other] = scene.swarm?.others ?? []
    const outcomes = await settled(scene, [
      scene.swarm?.requests.request(newRequest('twins', { bodyHash: 'h' })),
      other?.request(newRequest('twins', { bodyHash: 'h' })),
    ])
    assert.deepEqual(outcomes[0], outcomes[1])
    assert.equal(outcomes[0]?.status, 'fulfilled')
    await scene.end()
  })

  it('know the state of a request that another gateway accepted: first pending, later answered', async () => {
    let finish = () => {}
    const scene = await Scene.open(many, {
      greet: () =>
        new Promise((resolve) => {
          finish = () => resolve('done')
        }),
    })
    const [other] = scene.swarm?.others ?? []
    const stateOf = async (id: string) => {
      const [found] = await settled(scene, [other?.find(id)])
      return found?.status === 'fulfilled' ? (found.value?.state ?? null) : found?.reason
    }
    await settled(scene, [scene.swarm?.requests.submit(newRequest('asked'))])
    assert.equal(await stateOf('asked'), 'pending')
    assert.equal(await stateOf('never'), null)
    finish()
    await scene.world.clock.until(() => scene.told('waggle.talk.answer').length > 0)
    assert.equal(await stateOf('asked'), 'answered')
    await scene.end()
  })
})
