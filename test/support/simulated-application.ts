import { Application } from '../../processor/application/application.ts'
import type { ApplicationOptions } from '../../processor/application/options.ts'
import type { Log } from '../../processor/ports.ts'
import { settled } from './settled.ts'
import type { SimulatedWorld } from './simulated-world.ts'

/** Moves simulated time in steps, with some turns of the event loop after each step. */
export async function aSecond(world: SimulatedWorld): Promise<void> {
  for (let step = 0; step < 200; step++) await world.clock.advance(5)
}

export async function withTopics(world: SimulatedWorld, names: readonly string[]): Promise<Log> {
  const log = world.boot()
  await log.createTopics(names.map((name) => ({ name, partitions: 1, cleanup: 'delete', retentionMs: null })))
  return log
}

export async function send(world: SimulatedWorld, log: Log, topic: string, count: number, value = 'v'): Promise<void> {
  const producer = await log.producer()
  const record = { topic, partition: 0, key: Buffer.from('k'), value: Buffer.from(value), timestamp: 1, headers: [] }
  // All of them become durable together with the last one.
  await settled(world.clock, Promise.all(Array.from({ length: count }, (_, at) => producer.send(record, { durable: at === count - 1 }))))
}

export async function running(world: SimulatedWorld, options: Pick<ApplicationOptions, 'topology' | 'log'> & Partial<ApplicationOptions>) {
  const application = new Application({ applicationId: 'app', clock: world.clock, topics: [], ...options })
  await settled(world.clock, application.start())
  return { application, close: () => settled(world.clock, application.close({ timeoutMs: 60_000 })) }
}

/** A copy of an object with some members replaced. */
export function changed<T extends object>(whole: T, parts: Partial<T>): T {
  return new Proxy(whole, {
    get(target, property) {
      const value: unknown = Reflect.get(parts, property) ?? Reflect.get(target, property)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
