import type { WaggleError } from '../../topology/waggle-error.ts'
import { partitionName, type TopicPartition } from '../ports.ts'

/** An input record whose results cannot be committed, and the reason. */
export interface RefusedInput {
  readonly error: WaggleError
  /** The number of refused commits. From the second on, the log has refused even the record's dead letter. */
  readonly times: number
}

/** One input record of one task. */
export interface InputId extends TopicPartition {
  readonly taskId: string
  readonly offset: number
}

/** Input records whose results the log or a store refuses. A task looks each record up here, so an empty list must cost only one comparison. */
export class RefusedInputs {
  readonly #inputs = new Map<string, RefusedInput>()

  add(input: InputId, error: WaggleError): void {
    const name = nameOf(input)
    const times = (this.#inputs.get(name)?.times ?? 0) + 1
    this.#inputs.delete(name)
    this.#inputs.set(name, { error, times })
    for (const oldest of this.#inputs.keys()) {
      if (this.#inputs.size <= maxInputs) break
      this.#inputs.delete(oldest)
    }
  }

  find(taskId: string, { topic, partition }: TopicPartition, offset: number): RefusedInput | null {
    if (this.#inputs.size === 0) return null
    return this.#inputs.get(nameOf({ taskId, topic, partition, offset })) ?? null
  }

  /** Forgets a record, so that it is tried again. */
  forget(input: InputId): void {
    this.#inputs.delete(nameOf(input))
  }
}

function nameOf({ taskId, offset, ...input }: InputId): string {
  return `${taskId} ${offset} ${partitionName(input)}`
}

/** The most inputs in the list. A few would be enough, because a record is skipped in the commit after the refused commit. */
const maxInputs = 1000
