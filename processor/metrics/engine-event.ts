import type { TopicPartition } from '../ports.ts'

/** Something that a thread of the engine has done, for the log at the level debug. */
export type EngineEvent =
  | {
      /**
       * `assigned`: the group gave partitions to the thread. `revoked`: the group takes partitions from the thread in a rebalance. `lost`: the
       * partitions are gone already.
       */
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
