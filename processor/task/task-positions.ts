import type { Ahead } from '../async/unfinished-entries.ts'
import type { Position, TopicPartition } from '../ports.ts'
import { nameCode } from '../state/name-code.ts'
import { sameNumbers, type TaskMemory } from '../state/task-memory.ts'
import type { AsyncRuntime } from './async-runtime.ts'
import { type PositionNote, readPositionNote, writePositionNote } from './position-note.ts'
import type { RecordQueue } from './record-queue.ts'

/** The positions of a task's inputs: how far they are processed, and how far they are committed. */
export class TaskPositions {
  readonly #queues: readonly RecordQueue[]
  readonly #memory: TaskMemory
  readonly #maxNoteBytes: number
  /** The next offset to process, by queue. */
  readonly #consumed: number[] = []
  readonly #committed: number[] = []
  /** The last commit's notes on asynchronous nodes, by queue. */
  readonly #committedAhead: string[] = []
  readonly #aheads: (Ahead | null)[] = []
  /** The numbers of operators and stores in the last commit. */
  #committedKept: TaskMemory['numbers'] = []
  /** True if a punctuation has fired since the last commit. */
  #hasPunctuated = false

  constructor(queues: readonly RecordQueue[], memory: TaskMemory, maxNoteBytes: number) {
    this.#queues = queues
    this.#memory = memory
    this.#maxNoteBytes = maxNoteBytes
  }

  /** The entries that were unfinished at the last commit before this task opened, by queue; null if a queue had none. */
  get aheads(): readonly (Ahead | null)[] {
    return this.#aheads
  }

  /** True if some processed record, or the work of a punctuation, is in no commit yet. */
  get hasUncommitted(): boolean {
    return this.#hasPunctuated || this.#consumed.some((offset, index) => offset !== this.#committed[index])
  }

  /** Sets the next queue to its position in the last commit, and returns that commit's stream time. */
  open(queue: RecordQueue, position: Position | null): number {
    this.#consumed.push(position?.offset ?? -1)
    this.#committed.push(position?.offset ?? -1)
    const { partitionTime, streamTime, ahead } = readPositionNote(position?.metadata ?? '')
    queue.streamTime = partitionTime
    queue.replayUntil = ahead?.until ?? 0
    this.#aheads.push(ahead)
    this.#committedAhead.push(ahead === null ? '' : JSON.stringify(ahead))
    return streamTime
  }

  /** Marks the current values of the kept numbers (`KeptNumber`) as committed. Call it only when all nodes have read their kept numbers. */
  keepNumbers(): void {
    this.#committedKept = this.#memory.numbers
  }

  /** The next offset to process; -1 if no record has been processed. */
  consumedOf({ index }: RecordQueue): number {
    return this.#consumed[index] ?? -1
  }

  /** The offset in the last commit; -1 without one. */
  committedOf({ index }: RecordQueue): number {
    return this.#committed[index] ?? -1
  }

  /** Moves the position behind a record. Skipped records after it may have moved the position further already. */
  consume({ index }: RecordQueue, offset: number): void {
    if (offset >= (this.#consumed[index] ?? -1)) this.#consumed[index] = offset + 1
  }

  punctuated(): void {
    this.#hasPunctuated = true
  }

  /** False while records of a queue are read again for asynchronous nodes. Outcomes are forwarded when all of these records have been read. */
  readonly mayGo = (index: number): boolean => (this.#consumed[index] ?? 0) >= (this.#queues[index]?.replayUntil ?? 0)

  /** The positions of a commit that is made now. Only positions that have moved are included, each with its note. */
  take(nodes: readonly AsyncRuntime[], streamTime: number): readonly (TopicPartition & Position)[] {
    const positions: (TopicPartition & Position)[] = []
    const kept = this.#memory.numbers
    // After a punctuation, a position is committed even if no position has moved. One reason is that the position carries the numbers. The other
    // reason is that a log checks the owner of a task only in a commit with positions.
    let isNoted = sameNumbers(kept, this.#committedKept) && !this.#hasPunctuated
    for (const queue of this.#queues) {
      const { index, topic, partition } = queue
      const consumed = this.consumedOf(queue)
      // The last commit's note stays valid until all records are read again.
      if (consumed < 0 || consumed < queue.replayUntil) continue
      const ahead = aheadOf(nodes, index, consumed)
      const offset = ahead === null ? consumed : Math.min(...ahead.nodes.map(([, node]) => node.offset))
      const aheadText = ahead === null ? '' : JSON.stringify(ahead)
      if (isNoted && offset === this.#committed[index] && aheadText === this.#committedAhead[index]) continue
      isNoted = true
      this.#hasPunctuated = false
      this.#committedKept = kept
      this.#committed[index] = offset
      this.#committedAhead[index] = aheadText
      positions.push(this.#noted({ topic, partition, offset }, { partitionTime: queue.streamTime, streamTime, kept, ahead }))
    }
    return positions
  }

  /** A position with its note, which is written when somebody reads it. A test driver commits after each record, and reads a note only at a restart. */
  #noted(place: TopicPartition & { readonly offset: number }, note: PositionNote): TopicPartition & Position {
    const maxBytes = this.#maxNoteBytes
    let text: string | null = null
    return {
      ...place,
      get metadata() {
        text ??= writePositionNote(note, maxBytes)
        return text
      },
    }
  }
}

/** The unfinished entries of asynchronous nodes, in a partition that was read up to `until`; null if all are finished. */
function aheadOf(nodes: readonly AsyncRuntime[], index: number, until: number): Ahead | null {
  const unfinished = nodes.flatMap((node) => {
    const own = node.unfinished(index)
    return own === null ? [] : [[nameCode(node.name), own] as const]
  })
  return unfinished.length === 0 ? null : { until, nodes: unfinished }
}
