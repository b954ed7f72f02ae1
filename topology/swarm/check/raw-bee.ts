import type { BeeInput } from '../checked-swarm.ts'

/** A bee as it is in the file: each field may be missing or of another type. */
export interface RawBee {
  readonly name?: unknown
  readonly type?: unknown
  readonly input?: unknown
  readonly spec?: unknown
  readonly gpu?: unknown
  readonly replicas?: unknown
  readonly max_replicas?: unknown
  readonly timeout_seconds?: unknown
  readonly on_timeout?: unknown
  readonly on_error?: unknown
}

/** The bee's input; null if it is missing or unreadable. */
export function inputOf(input: unknown): BeeInput | null {
  if (input === null || typeof input !== 'object') return null
  const { name, join, stack } = input as { name?: unknown; join?: unknown; stack?: unknown }
  const strings = (list: unknown) => (Array.isArray(list) ? list.filter((one): one is string => typeof one === 'string') : null)
  if (typeof name === 'string') return { kind: 'name', bees: [name] }
  const joined = strings(join)
  if (joined !== null) return { kind: 'join', bees: joined }
  const stacked = strings(stack)
  return stacked === null ? null : { kind: 'stack', bees: stacked }
}
