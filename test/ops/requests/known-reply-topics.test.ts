import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { KnownReplyTopics } from '../../../ops/requests/known-reply-topics.ts'
import { changed } from '../../support/simulated-application.ts'
import { SimulatedWorld } from '../../support/simulated-world.ts'

describe('The reply topics that a swarm knows', () => {
  it('are looked up together, and only once, regardless of the number of replies that lack a topic', async () => {
    const scene = new Scene()
    await scene.make(['replies-a', 'replies-b'])
    for (const topic of ['replies-a', 'replies-b', 'replies-gone']) assert.equal(scene.topics.named.partitionsOf(topic), Number.MAX_SAFE_INTEGER)
    await scene.world.clock.advance(1)
    await Promise.all([scene.topics.lookAgain(), scene.topics.lookAgain(), scene.topics.lookAgain()])
    assert.deepEqual(scene.asked, { lists: 2, topics: 0 }, 'one for the first, and one for those who came while it was on its way')
    assert.deepEqual(
      ['replies-a', 'replies-gone'].map((topic) => scene.topics.named.partitionsOf(topic)),
      [Number.MAX_SAFE_INTEGER, null],
    )
  })

  it('are limited in number: a new topic replaces the topic with the oldest look-up, and a known topic replaces none', async () => {
    const scene = new Scene({ maxKnown: 2 })
    await scene.make(['replies-a', 'replies-b', 'replies-c'])
    for (const topic of ['replies-a', 'replies-b', 'replies-a']) await scene.topics.look(topic)
    assert.deepEqual([scene.topics.partitionsOf('replies-a'), scene.topics.partitionsOf('replies-b')], [1, 1])
    await scene.topics.look('replies-c')
    assert.deepEqual(
      ['replies-a', 'replies-b', 'replies-c'].map((topic) => scene.topics.partitionsOf(topic)),
      [1, undefined, 1],
    )
  })

  it('include a topic that is created and looked up while other topics are looked up', async () => {
    const scene = new Scene()
    await scene.topics.look('replies-a')
    await scene.world.clock.advance(1)
    const looking = scene.topics.lookAgain()
    await scene.make(['replies-a'])
    await scene.topics.look('replies-a')
    await looking
    assert.equal(scene.topics.named.partitionsOf('replies-a'), 1)
  })

  it('are kept when other topics are checked against the list of allowed topics', async () => {
    const scene = new Scene({ maxKnown: 1 })
    await scene.make(['replies-a'])
    await scene.topics.look('replies-a')
    assert.deepEqual(
      ['replies-b', 'secrets', 'own'].map((topic) => scene.topics.named.allows(topic)),
      [true, false, true],
    )
    assert.equal(scene.topics.partitionsOf('replies-a'), 1)
  })
})

class Scene {
  readonly world = new SimulatedWorld()
  readonly #log = this.world.boot()
  readonly asked = { lists: 0, topics: 0 }
  readonly topics: KnownReplyTopics

  constructor(options: { readonly maxKnown?: number } = {}) {
    const log = changed(this.#log, {
      topics: async () => {
        this.asked.lists++
        const names = await this.#log.topics()
        // The list of topics takes longer than the look-up of one topic.
        for (let step = 0; step < 10; step++) await undefined
        return names
      },
      topic: (name: string) => {
        this.asked.topics++
        return this.#log.topic(name)
      },
    })
    this.topics = new KnownReplyTopics({ ...options, log, clock: this.world.clock, allowed: 'replies-*', own: new Map([['own', 3]]) })
  }

  make(names: readonly string[]): Promise<void> {
    return this.#log.createTopics(names.map((name) => ({ name, partitions: 1, cleanup: 'delete', retentionMs: null })))
  }
}
