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
 * Deletes segment files that no record names any more. The order matters. First the rows that name the file are deleted and synced. Then the file is
 * removed from the mark, and the mark is synced. Only then is the file deleted. After a crash in between, no row names the file, and the next start
 * deletes it.
 */
export class UnusedSegments {
  readonly #options: UnusedSegmentsOptions
  /** Segments that were unused in the last round. All commits of that time have ended, so no commit can use these segments any more. */
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
      // The segment is forgotten last. If an earlier step fails, the segment still counts as unused, and the next round tries again.
      uses.forget(segment).apply()
    }
  }

  /** The segments that were unused in two rounds. No running commit can name them. */
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
