import type { TopicPartition } from '../ports.ts'

/** Something that a thread of the engine has done, for the log at the level debug. */
export type EngineEvent =
  | {
      /** `assigned`: the group gave partitions to the thread. `revoked`: it takes them in a rebalance. `lost`: they are gone already. */
      readonly kind: 'assigned' | 'revoked' | 'lost'
      readonly thread: string
      readonly group: string
      readonly partitions: readonly TopicPartition[]
    }
  | {
      readonly kind: 'committed'
      readonly thread: string
      readonly tasks: number
      readonly positions: number
      readonly records: number
      readonly ms: number
    }
