import type { CommitCycle } from './commit-cycle.ts'
import type { CommitMark } from './commit-mark.ts'
import type { SegmentUses } from './segment-uses.ts'
import type { Segments } from './segments.ts'
import type { Topic } from './topics.ts'

export interface UnusedSegmentsOptions {
  readonly segments: Segments
  readonly uses: SegmentUses
  readonly mark: CommitMark
  readonly topics: () => Iterable<Topic>
  readonly cycle: CommitCycle
}

/**
 * Deletes segment files that no record names any more. The order is: the rows that named the file are gone and synced, the mark no longer asks for the
 * file and is synced, and only then is the file deleted. After a crash in between, the next start deletes the file as one that nothing names.
 */
export class UnusedSegments {
  readonly #options: UnusedSegmentsOptions
  /** Segments that were unused in the last round. All commits of that time have ended, so none can name them any more. */
  #unused: ReadonlySet<number> = new Set()

  constructor(options: UnusedSegmentsOptions) {
    this.#options = options
  }

  async delete(): Promise<void> {
    const { cycle, uses, segments, mark } = this.#options
    let unused: readonly number[] = []
    await cycle.change(() => {
      unused = this.#take()
      return { rows: unused.flatMap((segment) => uses.forget(segment).rows), apply() {} }
    })
    if (unused.length === 0) return
    await cycle.sync()
    for (const segment of unused) mark.forgetSegment(segment)
    mark.sync()
    for (const segment of unused) {
      segments.delete(segment)
      // If a step above has failed, the segment still counts as unused, and the next round tries again.
      uses.forget(segment).apply()
    }
  }

  /** The segments that were unused for two rounds. No commit under way can name them. */
  #take(): readonly number[] {
    const { uses, segments, topics } = this.#options
    const starts = new Map<string, number>()
    for (const { partitions } of topics()) for (const { topicNumber, number, start } of partitions) starts.set(`${topicNumber} ${number}`, start)
    const found = uses
      .unused((topic, partition) => starts.get(`${topic} ${partition}`) ?? 0)
      .filter((segment) => segment !== segments.current.segment)
    const unused = found.filter((segment) => this.#unused.has(segment))
    this.#unused = new Set(found)
    for (const segment of found) segments.retire(segment)
    return unused
  }
}
